"""Contents are checked against their type, as strictly as it is told."""

from __future__ import annotations

import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacos_core import limits
from nacos_core.config.rules import ConfigRefused
from nacos_core.config.service import ConfigService
from nacos_core.config.validation import Strictness, Validation
from nacos_core.errors import SettingsError
from nacos_core.node import run_node
from nacos_core.settings import Settings, load

RIGHT = {
    "json": ['{"a": [1, "ü", null]}', "1"],
    "xml": ["<a b='c'><d/>ü</a>", '<?xml version="1.0"?><!DOCTYPE a><a/>'],
    "toml": ["a = 1\n[b]\nc = 'd'\n"],
    "properties": ["# \\u\na=\\u00fc\nb = \\\\uxyz\nc", "!\\u"],
    "yaml": ["a: 1\nb:\n- c\n", "a: &x 1\nb: *x\n---\nsecond: true\n", "plain"],
}
WRONG = {
    "json": ['{"a": }', '{"a": 1', "{'a': 1}", "[" * 100_000],
    "xml": ["<a>", "<a></b>", "text", "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>"],
    "toml": ["a = ", "a = 1\na = 2", "= 1", "a = " + "[" * 10_000],
    "properties": ["a=\\u12", "ok=1\nb=\\\\\\uxyz"],
    "yaml": ["a: b: c", "a: [1", "- a\nb: c", "a: *x", "a: '", "[" * 5000],
}


def published(service: ConfigService, type: str, content: str) -> None:
    service.publication("", "G", "a", content, type)


def cases(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(type, content) for type, contents in table.items() for content in contents]


@pytest.mark.parametrize(("type", "content"), cases(RIGHT))
def test_what_is_right_is_taken(type: str, content: str) -> None:
    published(ConfigService(Validation(Strictness.ERROR)), type, content)


@pytest.mark.parametrize(("type", "content"), cases(WRONG), ids=lambda case: ascii(case[:20]))
def test_what_is_wrong_is_refused_or_told_or_taken(type: str, content: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ConfigRefused, match=f"^content is not {type}: ..."):
        published(ConfigService(Validation(Strictness.ERROR)), type, content)
    assert caplog.messages == []
    published(ConfigService(Validation(Strictness.WARN)), type, content)
    (message,) = caplog.messages
    assert message.startswith(f"the content of public/G/a is not {type}: ")
    for off in (ConfigService(), ConfigService(Validation(Strictness.OFF))):
        published(off, type, content)
    assert len(caplog.messages) == 1


def test_other_types_and_long_contents_are_not_checked() -> None:
    service = ConfigService(Validation(Strictness.ERROR))
    published(service, "text", "{")
    published(service, "html", "<a>")
    published(service, "yaml", "a: b: c" + " " * limits.VALIDATION_SLOW_CHARACTERS_MAX)
    published(service, "json", "{" + " " * limits.VALIDATION_FAST_CHARACTERS_MAX)


def test_without_the_library_yaml_is_said_not_to_be_checked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert "yaml" in Validation(Strictness.ERROR).types
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert Validation(Strictness.ERROR).types == ["json", "properties", "toml", "xml"]
    assert caplog.record_tuples == [
        ("nacos_core.config.validation", logging.WARNING, "YAML is not checked: install nacos-core[yaml]")
    ]
    Validation(Strictness.OFF)
    assert len(caplog.messages) == 1


@given(st.text(), st.sampled_from(sorted(RIGHT)))
def test_any_content_is_taken_or_refused(content: str, type: str) -> None:
    try:
        Validation(Strictness.ERROR).check("public", "G", "a", type, content)
    except ConfigRefused:
        return


async def test_a_node_checks_what_it_was_told_to_check() -> None:
    async with run_node(Settings(port=None, data=None, config_validation=Strictness.ERROR)) as node:
        await node.config.publish("a.json", "{}", type="json")
        with pytest.raises(ConfigRefused, match="content is not json"):
            await node.config.publish("a.json", "{", type="json")
        found = node.config.get("a.json")
        assert found is not None
        assert found.content == b"{}"


def test_it_is_a_setting() -> None:
    assert load({}, {}).config_validation is Strictness.OFF
    assert load({"config_validation": "Error"}, {}).config_validation is Strictness.ERROR
    assert load({}, {"NACOS_CORE_CONFIG_VALIDATION": "warn"}).config_validation is Strictness.WARN
    with pytest.raises(SettingsError, match="--config-validation = 'on': must be one of off, warn, error"):
        load({"config_validation": "on"}, {})
