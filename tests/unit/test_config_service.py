"""What may be published. The texts are those of the recorded answers, or of the existing server's source."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nacos_core import limits
from nacos_core.config.rules import ConfigRefused, ParameterRefused, namespace_of
from nacos_core.config.service import ConfigService

SERVICE = ConfigService()


def publish(**changes: object) -> object:
    fields: dict[str, object] = {
        "tenant": "",
        "group": "DEFAULT_GROUP",
        "data_id": "a.yaml",
        "content": "a: 1",
        "type": "yaml",
    }
    return SERVICE.publication(**(fields | changes))  # type: ignore[arg-type]


def test_a_publication_becomes_a_command_that_carries_its_time() -> None:
    command = SERVICE.publication(" ", "G", "a.yaml", "ü", "YAML", cas_md5="x", tags="a,b")
    assert (command.namespace, command.group, command.data_id) == ("public", "G", "a.yaml")
    assert (command.content, command.type) == ("ü".encode(), "yaml")
    assert (command.cas_md5, command.tags) == ("x", "a,b")


@pytest.mark.parametrize("tenant", [None, "", "  ", "public"])
def test_none_blank_and_public_are_one_namespace(tenant: str | None) -> None:
    assert namespace_of(tenant) == "public"


@pytest.mark.parametrize(
    ("given_type", "stored"),
    [(None, "text"), ("", "text"), ("json", "json"), ("TOML", "toml"), ("exe", "text")],
)
def test_an_unknown_type_is_text(given_type: str | None, stored: str) -> None:
    assert SERVICE.publication("", "G", "a", "x", given_type).type == stored


ILLEGAL = "illegal characters should not appear in the param."


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data_id": "a b?"}, f"Param 'dataId' is illegal, {ILLEGAL}"),
        ({"data_id": "../../etc/passwd"}, f"Param 'dataId' is illegal, {ILLEGAL}"),
        ({"data_id": "a\0"}, f"Param 'dataId' is illegal, {ILLEGAL}"),
        ({"data_id": "a\n"}, f"Param 'dataId' is illegal, {ILLEGAL}"),
        ({"data_id": "a" * 257}, "Param 'dataId' is illegal, the param length should not exceed 256."),
        ({"group": "<script>"}, f"Param 'group' is illegal, {ILLEGAL}"),
        ({"group": "g" * 129}, "Param 'group' is illegal, the param length should not exceed 128."),
        ({"tenant": "a/b"}, f"Param 'namespaceId/tenant' is illegal, {ILLEGAL}"),
        ({"tenant": "n\u00e9"}, f"Param 'namespaceId/tenant' is illegal, {ILLEGAL}"),
        ({"tenant": "t" * 65}, "Param 'namespaceId/tenant' is illegal, the param length should not exceed 64."),
    ],
)
def test_names_are_refused_by_the_parameter_filter(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ParameterRefused) as refused:
        publish(**changes)
    assert str(refused.value) == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"data_id": ""}, "invalid dataId : "),
        ({"group": ""}, "invalid group : "),
        ({"content": ""}, "content is blank : "),
        ({"content": " \n\t"}, "content is blank : "),
        ({"type": "t" * 33}, "too long type"),
        ({"description": "d" * 129}, "too long desc"),
        ({"use": "u" * 33}, "too long use"),
        ({"effect": "e" * 33}, "too long effect"),
        ({"schema": "s" * 32769}, "too long schema"),
        ({"tags": "a,b,c,d,e,f"}, "too much config_tags"),
        ({"tags": "t" * 65}, "too long tag"),
    ],
)
def test_the_rest_is_refused_by_the_handler(changes: dict[str, object], text: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        publish(**changes)
    assert str(refused.value) == text


def test_the_longest_that_is_allowed_passes() -> None:
    publish(
        data_id="d" * 256,
        group="g" * 128,
        tenant="t" * 64,
        tags=",".join(["t" * 64] * 5),
        description="d" * 128,
        schema="s" * 32768,
    )


def test_content_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "CONTENT_CHARACTERS_MAX", 3)
    publish(content="abc")
    with pytest.raises(ConfigRefused, match="invalid content, over 3"):
        publish(content="abcd")


def test_a_removal_is_checked_alike() -> None:
    assert SERVICE.removal(None, "G", "a").namespace == "public"
    with pytest.raises(ParameterRefused):
        SERVICE.removal("", "G", "..//")
    with pytest.raises(ConfigRefused):
        SERVICE.removal("", "G", "")


@given(st.text(max_size=300))
def test_only_names_of_plain_characters_pass(name: str) -> None:
    plain = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_:.")
    may = 0 < len(name) <= 256 and set(name) <= plain
    try:
        SERVICE.removal("", "G", name)
    except (ParameterRefused, ConfigRefused):
        assert not may
    else:
        assert may
