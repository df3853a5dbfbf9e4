"""What makes a publication that of a gray release, and what its commands do to the stores."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nacos_core import _core, commands, limits
from nacos_core.commands import PromoteGray, PublishConfig, PublishGray, RemoveGray, RollbackConfig
from nacos_core.config.gray import (
    GrayNameRefused,
    GrayRefused,
    Terms,
    name_asked,
    publication,
    rule_text,
    tag_name,
    terms_asked,
)
from nacos_core.errors import CasMismatch, CommandRefused, GrayAbsent, TooManyGrays
from nacos_core.state_machine import Outcome, StateMachine, read_outcome

KEY = ("public", "G", "a.yaml")
BETA = ("beta", 2147483647, "beta", "10.0.0.1")
MD5_OF_2 = "c81e728d9d4c2f636f067f89cc14862c"


def terms(beta_ips: str | None = None, tag: str | None = None, **own: str) -> Terms | None:
    return terms_asked(beta_ips, tag, own.get)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({}, None),
        ({"beta_ips": "10.0.0.1", "tag": "t"}, Terms(*BETA)),
        ({"tag": "t"}, Terms("tag_t", 2147483646, "tag", "t")),
        ({"grayLabels": "env=test"}, Terms("label", 1000, "label", "env=test")),
        ({"grayPercent": "12.5"}, Terms("percent", 0, "percent", "12.5")),
        (
            {"grayPercent": "5", "grayName": "canary", "grayPriority": "2147483645"},
            Terms("canary", 2147483645, "percent", "5"),
        ),
    ],
)
def test_the_terms_follow_from_what_is_asked_for(asked: dict[str, Any], expected: Terms | None) -> None:
    assert terms(**asked) == expected


@pytest.mark.parametrize(
    ("asked", "error", "words"),
    [
        ({"beta_ips": "here"}, GrayRefused, "'here' in the addresses"),
        ({"tag": "a b"}, GrayRefused, "'a b' is not made of"),
        ({"grayLabels": "env ="}, GrayRefused, "a value is expected"),
        ({"grayPercent": "101"}, GrayRefused, "0 to 100"),
        ({"grayPercent": "1", "grayLabels": "a"}, GrayRefused, "one rule"),
        ({"grayPercent": "1", "tag": "t"}, GrayRefused, "one rule"),
        ({"grayName": "canary"}, GrayRefused, "needs a rule"),
        ({"grayPercent": "1", "grayPriority": "2147483646"}, GrayRefused, "0 to 2147483645"),
        ({"grayPercent": "1", "grayPriority": "-1"}, GrayRefused, "0 to 2147483645"),
        ({"grayPercent": "1", "grayName": "beta"}, GrayNameRefused, "is taken"),
        ({"grayPercent": "1", "grayName": "tag_x"}, GrayNameRefused, "is taken"),
        ({"grayPercent": "1", "grayName": "a b"}, GrayNameRefused, "'a b'"),
        ({"grayPercent": "1", "grayName": "a" * 129}, GrayNameRefused, str(limits.GRAY_NAME_CHARACTERS_MAX)),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_is_wrong(
    asked: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error) as refused:
        terms(**asked)
    assert words in str(refused.value)


def test_a_name_is_needed_where_a_release_is_meant() -> None:
    assert name_asked({"grayName": tag_name("t")}.get) == "tag_t"
    for wrong in ({}, {"grayName": ""}, {"grayName": "a/b"}):
        with pytest.raises(GrayNameRefused):
            name_asked(wrong.get)


def test_a_release_is_not_create_only() -> None:
    command = PublishConfig(*KEY, b"1", "text", create_only=True)
    with pytest.raises(GrayRefused, match="createOnly"):
        publication(command, Terms(*BETA), None)


def test_the_rule_is_shown_as_the_existing_server_does() -> None:
    expected = {"type": "beta", "version": "1.0.0", "expr": "10.0.0.1", "priority": 2147483647}
    assert msgspec.json.decode(rule_text(BETA)) == expected


# --- commands


@pytest.fixture
def hub() -> _core.Hub:
    return _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)


@pytest.fixture
def machine(hub: _core.Hub) -> StateMachine:
    return StateMachine(hub, lambda: 1000)


def apply(machine: StateMachine, command: commands.Command, stamped_ms: int = 1000) -> Outcome:
    (raw,) = machine.apply([(1, stamped_ms, msgspec.Raw(commands.encode(command)))])
    return read_outcome(raw)


def release(content: str, name: str = "beta", **more: Any) -> PublishGray:
    return PublishGray(*KEY, name, *BETA[1:], content.encode(), "", **more)


def content_for(hub: _core.Hub, ip: str) -> bytes | None:
    found = hub.config_for(*KEY, client_ip=ip)
    return None if found is None else found[0].content


def test_a_release_is_published_promoted_and_removed_by_commands(machine: StateMachine, hub: _core.Hub) -> None:
    apply(machine, PublishConfig(*KEY, b"1", "yaml", description="d"))
    machine.take_changed_configs()
    assert apply(machine, release("2", source_user="ann"), 1001) == MD5_OF_2
    assert (machine.take_changed_grays(), machine.take_changed_configs()) == ([KEY], [])
    assert (content_for(hub, "10.0.0.1"), content_for(hub, "10.0.0.2")) == (b"2", b"1")
    (gray,) = hub.grays(*KEY)
    assert (gray.config.type, gray.config.last_modified_ms, hub.gray_count()) == ("yaml", 1001, 1)
    assert apply(machine, PromoteGray(*KEY, "beta"), 1002) == MD5_OF_2
    assert machine.take_changed_configs() == [KEY]
    assert (content_for(hub, "10.0.0.2"), hub.gray_count()) == (b"2", 0)
    shown = hub.get_config(*KEY)
    assert shown is not None
    assert shown.description == "d"
    assert apply(machine, RemoveGray(*KEY, "beta")) is False
    assert (machine.take_changed_grays(), machine.take_changed_configs()) == ([], [])
    apply(machine, release("3"))
    assert apply(machine, RemoveGray(*KEY, "beta")) is True
    assert machine.take_changed_grays() == [KEY]
    apply(machine, release("3"))
    apply(machine, PublishConfig(*KEY, b"4", "yaml"))
    assert (machine.take_changed_grays(), machine.take_changed_configs()) == ([], [KEY]), "told once"
    apply(machine, RemoveGray(*KEY, "beta"))
    assert content_for(hub, "10.0.0.1") == b"4"


def test_what_is_refused_changes_nothing(machine: StateMachine, hub: _core.Hub) -> None:
    apply(machine, release("2"))
    machine.take_changed_configs()
    assert isinstance(apply(machine, release("3", cas_md5="0" * 32)), CasMismatch)
    assert isinstance(apply(machine, PromoteGray(*KEY, "beta", cas_md5="0" * 32)), CasMismatch)
    absent = apply(machine, PromoteGray(*KEY, "other"))
    assert isinstance(absent, GrayAbsent)
    assert "'other'" in str(absent)
    assert isinstance(apply(machine, PublishGray(*KEY, "x", 1, "label", "(", b"1", "")), CommandRefused)
    for number in range(9):
        apply(machine, release("2", name=f"n{number}"))
    too_many = apply(machine, release("2", name="one more"))
    assert isinstance(too_many, TooManyGrays)
    assert "10 gray releases" in str(too_many)
    assert len(hub.grays(*KEY)) == 10
    assert content_for(hub, "10.0.0.1") == b"2"


def test_history_tells_of_a_release_and_does_not_take_it_back(machine: StateMachine, hub: _core.Hub) -> None:
    apply(machine, release("2"))
    _, (event,) = hub.config_history(*KEY, 0, 10)
    assert (event.operation, event.gray) == ("I", BETA)
    refused = apply(machine, RollbackConfig(*KEY, event.id))
    assert isinstance(refused, CommandRefused)
    assert "gray release" in str(refused)


def test_a_snapshot_holds_releases_and_tells_of_those_that_changed(machine: StateMachine, hub: _core.Hub) -> None:
    apply(machine, release("2"))
    other = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
    restored = StateMachine(other, lambda: 1000)
    data = machine.freeze().encode()
    restored.restore(data)
    assert restored.take_changed_configs() == [KEY]
    assert (content_for(other, "10.0.0.1"), other.gray_count()) == (b"2", 1)
    assert restored.freeze().encode() == data
    restored.restore(data)
    assert (restored.take_changed_configs(), other.gray_count()) == ([], 1)
