"""Contents are checked against the JSON Schema of their configuration, by a process that cannot hold up the node."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from nacos_core import _core, limits
from nacos_core.commands import PublishConfig, RemoveConfig
from nacos_core.config.rules import ConfigRefused
from nacos_core.config.schema import Subject, Verdict
from nacos_core.config.validation import Strictness
from nacos_core.drivers import schema_process
from nacos_core.drivers.schemas import SchemaGate, SchemaProcess
from nacos_core.errors import NacosCoreError, NotReady, Overloaded
from nacos_core.node import Node, run_node
from nacos_core.settings import Settings
from nacos_core.surroundings import Surroundings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from nacos_core.commands import Command
    from nacos_core.surroundings import OpenProcess

PORT = json.dumps(
    {"type": "object", "properties": {"port": {"type": "integer", "maximum": 65535}}, "required": ["port"]}
)


def branching(keyword: str, depth: int = 60) -> str:
    """Every level is looked at twice by the one before it."""
    levels: dict[str, Any] = {str(level): {keyword: [{"$ref": f"#/$defs/{level + 1}"}] * 2} for level in range(depth)}
    return json.dumps({"$ref": "#/$defs/0", "$defs": levels | {str(depth): {"maximum": 1}}})


def going_deep() -> str:
    """Each level of a document is another 600 levels of the schema."""
    levels: dict[str, Any] = {
        str(level): {"anyOf": [{"const": level}, {"$ref": f"#/$defs/{level + 1}"}]} for level in range(600)
    }
    levels["600"] = {"items": {"$ref": "#/$defs/0"}}
    return json.dumps({"$ref": "#/$defs/0", "$defs": levels}, separators=(",", ":"))


DEEP = "[" * 240 + "]" * 240
LAUGHS = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 12)
)
UNIQUE = '{"properties": {"b": {"uniqueItems": true}}}'
HEAVY = f"a: &a {'x' * 120_000}\nb: [{', '.join(['*a'] * 20_000)}]"
"""To be compared, each mention is another 120,000 characters."""
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the memory of a process has no limit")


def subject(type: str, schema: str, content: str) -> Subject:
    return Subject("public", "G", "a", type, schema, content.encode(), sets_schema=True)


@asynccontextmanager
async def a_process() -> AsyncIterator[SchemaProcess]:
    process = SchemaProcess(trio.lowlevel.open_process)
    try:
        yield process
    finally:
        await process.close()


async def checked(type: str, schema: str | dict[str, Any], content: str) -> tuple[Verdict, str]:
    async with a_process() as process:
        return await process.check(subject(type, schema if isinstance(schema, str) else json.dumps(schema), content))


FITTING = [
    ("json", PORT, '{"port": 80}'),
    ("yaml", PORT, "port: 80\n---\nport: 81"),
    ("toml", PORT, "port = 80"),
    (
        "yaml",
        {"properties": {"at": {"const": "2026-01-31 9:00:00"}, "8": {"const": "a"}}},
        "at: 2026-01-31 9:00:00\n8: a",
    ),
    ("toml", {"properties": {"day": {"const": "2026-01-31"}}}, "day = 2026-01-31"),
    ("json", {"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": True}, "4"),
    ("json", {"$defs": {"p": {"$id": "http://x/p", "type": "integer"}}, "$ref": "http://x/p"}, "1"),
    ("", PORT, "not looked at"),
]
UNFIT = [
    ("json", PORT, '{"port": "secret"}', 'at /port: value is not of type "integer"'),
    ("json", PORT, "{}", '"port" is a required property'),
    ("json", PORT, '{"port": 80', "it is not json: Input data was truncated"),
    ("yaml", PORT, "port: 80\n---\nport: 99999", "at /port: value is greater than the maximum of 65535"),
    ("yaml", PORT, "port: [", "it is not yaml: while parsing a flow node"),
    ("yaml", "{}", "a: &a [*a]", "it is nested too deeply"),
    ("toml", PORT, "port = '80'", 'at /port: value is not of type "integer"'),
    ("json", {"$schema": "http://json-schema.org/draft-04/schema#", "maximum": 5, "exclusiveMaximum": True}, "5", "5"),
    ("json", {"items": {"enum": list(range(6000))}}, json.dumps([7000] * 100_000), "at /0: value is not one of 0, 1"),
    ("json", {"pattern": "^(a+)+$"}, json.dumps("a" * 100_000 + "b"), "value does not match"),
]
NO_SCHEMAS = [
    ("{", "it is not JSON: Input data was truncated"),
    ("5", 'not of types "boolean", "object"'),
    ('{"properties": {"a": {"type": "strin"}}}', 'at /properties/a/type: "strin" is not valid'),
    ('{"$ref": "#/$defs/none"}', "Pointer '/$defs/none' does not exist"),
    ('{"pattern": "("}', 'at /pattern: "(" is not a "regex"'),
    ('{"pattern": "(?=a)b"}', "that takes linear time: it cannot look around or back, and must be small"),
    ('{"pattern": "((a{1,100}){1,100}){1,100}"}', "and must be small"),
    ('{"$schema": "https://example.com/own"}', "https://example.com/own"),
    ('{"not":' * 3000 + "{}" + "}" * 3000, "it is not JSON: maximum recursion depth"),
]


@pytest.mark.parametrize(("type", "schema", "content"), FITTING)
async def test_what_conforms_fits(type: str, schema: str | dict[str, Any], content: str) -> None:
    assert await checked(type, schema, content) == (Verdict.FITS, "")


@pytest.mark.parametrize(("type", "schema", "content", "why"), UNFIT)
async def test_what_does_not_conform_is_told_by_its_place_without_its_value(
    type: str, schema: str | dict[str, Any], content: str, why: str
) -> None:
    verdict, told = await checked(type, schema, content)
    assert verdict is Verdict.CONTENT
    assert why in told
    assert "secret" not in told
    assert len(told) < 400


@pytest.mark.parametrize(("schema", "why"), NO_SCHEMAS)
async def test_what_is_no_schema_is_said_to_be_none(schema: str, why: str) -> None:
    verdict, told = await checked("", schema, "")
    assert verdict is Verdict.SCHEMA
    assert why in told


async def test_nothing_is_fetched_for_a_schema() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.json"
        for reference in (address, "file:///etc/hostname"):
            verdict, told = await checked("json", {"$ref": reference}, "1")
            assert verdict is Verdict.SCHEMA
            assert f"{reference} is not part of the schema, and nothing is fetched" in told
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("type", "schema", "content", "why"),
    [
        ("json", branching("allOf"), "1", "it takes more than 1 s of processor time"),
        ("json", branching("anyOf"), "2", "it takes more than 1 s of processor time"),
        ("json", going_deep(), DEEP, "it is nested too deeply or takes too much memory"),
        ("yaml", "{}", LAUGHS, ""),
        pytest.param("yaml", UNIQUE, HEAVY, "it is nested too deeply or takes too much memory", marks=ON_LINUX),
    ],
)
async def test_what_costs_too_much_ends_the_process_and_the_next_check_gets_another(
    type: str, schema: str, content: str, why: str
) -> None:
    """While it goes on, the tasks of the node go on."""
    assert len(schema) <= limits.SCHEMA_CHARACTERS_MAX
    longest_s = 0.0

    async def stand_by() -> None:
        nonlocal longest_s
        while True:
            before = trio.current_time()
            await trio.sleep(0.001)
            longest_s = max(longest_s, trio.current_time() - before)

    async with a_process() as process, trio.open_nursery() as nursery:
        nursery.start_soon(stand_by)
        verdict, told = await process.check(subject(type, schema, content))
        assert verdict is Verdict.UNKNOWN
        assert why in told
        assert await process.check(subject("json", PORT, '{"port": 1}')) == (Verdict.FITS, "")
        nursery.cancel_scope.cancel()
    assert longest_s < 0.9, "less than the check took"


async def test_a_process_that_was_ended_or_stands_still_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    fitting = subject("json", PORT, '{"port": 1}')
    async with a_process() as process:
        await process.check(fitting)
        assert os.getsid(pid_of(process)) == pid_of(process), "it does not hear Ctrl-C at the terminal of the node"
        os.kill(pid_of(process), signal.SIGTERM)
        assert await process.check(fitting) == (Verdict.UNKNOWN, "the process that checks it ended with -15")
        assert await process.check(fitting) == (Verdict.FITS, "")
        monkeypatch.setattr(limits, "SCHEMA_ANSWER_SECONDS", 0.1)
        stopped = pid_of(process)
        os.kill(stopped, signal.SIGSTOP)
        assert await process.check(fitting) == (Verdict.UNKNOWN, "nothing was heard for 0.1 s")
        monkeypatch.undo()
        with pytest.raises(ProcessLookupError):
            os.kill(stopped, 0)
        assert await process.check(fitting) == (Verdict.FITS, "")


def pid_of(process: SchemaProcess) -> int:
    assert process._process is not None
    return process._process.pid


async def test_without_an_interpreter_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    verdict, told = await checked("json", PORT, "{}")
    assert (verdict, told) == (Verdict.UNKNOWN, "this program has no interpreter to start a process with")


# --- in front of the log ---------------------------------------------------------------------------------------------


@asynccontextmanager
async def a_node(
    strictness: Strictness = Strictness.ERROR, open_process: OpenProcess = trio.lowlevel.open_process
) -> AsyncIterator[Node]:
    settings = Settings(port=None, data=None, config_validation=strictness)
    async with run_node(settings, surroundings=Surroundings(open_process=open_process)) as node:
        yield node


async def test_a_node_refuses_what_does_not_conform_and_keeps_what_was_there() -> None:
    async with a_node() as node:
        await node.config.publish("a", '{"port": 1}', type="json", schema=PORT)
        with pytest.raises(
            ConfigRefused, match=r"^the content of DEFAULT_GROUP/a does not conform to its schema: at /port"
        ):
            await node.config.publish("a", '{"port": "x"}', type="json", schema=PORT)
        with pytest.raises(ConfigRefused, match=r"^the schema of DEFAULT_GROUP/a cannot be used: it is not JSON"):
            await node.config.publish("a", '{"port": 2}', type="json", schema="{")
        kept = node.config.get("a")
        assert kept is not None
        assert (kept.content, kept.schema) == (b'{"port": 1}', PORT)


async def test_a_schema_holds_for_who_knows_of_none_until_it_is_taken_away() -> None:
    async with a_node() as node:
        await node.config.publish("a", '{"port": 1}', type="json", schema=PORT, description="d")
        for type in (None, "text", "json"):
            with pytest.raises(ConfigRefused, match="does not conform"):
                await node.config.publish("a", '{"port": "x"}', type=type)
            await node.config.publish("a", '{"port": 2}', type=type)
            kept = node.config.get("a")
            assert kept is not None
            assert (kept.schema, kept.type, kept.description) == (PORT, "json", None)
        await node.config.publish("a", '{"port": "x"}', schema="")
        kept = node.config.get("a")
        assert kept is not None
        assert (kept.schema, kept.type) == (None, "text")
        await node.config.publish("a", "{}", type="json")


async def test_of_other_types_only_the_schema_is_checked() -> None:
    async with a_node() as node:
        await node.config.publish("a", "port: x", type="properties", schema=PORT)
        with pytest.raises(ConfigRefused, match="cannot be used"):
            await node.config.publish("a", "port: x", type="text", schema="[]")


async def test_with_warnings_only_a_bad_schema_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    async with a_node(Strictness.WARN) as node:
        await node.config.publish("a", '{"port": "x"}', type="json", schema=PORT)
        assert caplog.record_tuples == [
            (
                "nacos_core.drivers.schemas",
                logging.WARNING,
                "public: the content of DEFAULT_GROUP/a does not conform to its schema: "
                'at /port: value is not of type "integer"',
            )
        ]
        await node.config.publish("b", "1", type="json", schema=branching("allOf"))
        assert caplog.messages[1:] == [
            "public: the content of DEFAULT_GROUP/b cannot be checked against its schema: "
            "it takes more than 1 s of processor time"
        ]
        with pytest.raises(ConfigRefused, match="cannot be used"):
            await node.config.publish("a", "{}", type="json", schema='{"type": 1}')


async def test_where_nothing_is_checked_a_schema_is_kept_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    async with a_node(Strictness.OFF, no_process) as node:
        await node.config.publish("a", "{}", type="json", schema="{")
        kept = node.config.get("a")
        assert kept is not None
        assert kept.schema == "{"
    assert caplog.messages == []


async def test_a_process_that_cannot_be_started_is_like_a_check_that_takes_too_much() -> None:
    async with a_node(Strictness.ERROR, no_process) as node:
        await node.config.publish("a", "{}", type="json")
        with pytest.raises(ConfigRefused, match=r"cannot be checked against its schema: no more processes$"):
            await node.config.publish("a", "{}", type="json", schema="{}")


async def no_process(*_: object, **__: object) -> trio.Process:
    raise OSError("no more processes")


def test_without_the_library_yaml_is_said_not_to_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    assert schema_process._verdict("yaml", "{}", b"a: 1") == ("fits", "")
    monkeypatch.setitem(sys.modules, "yaml", None)
    assert schema_process._verdict("yaml", "{}", b"a: 1") == (
        "unknown",
        "YAML is not read here: install nacos-core[yaml]",
    )


async def test_the_process_ends_with_the_node() -> None:
    async with a_node() as node:
        await node.config.publish("a", "{}", type="json", schema="{}")
        pid = pid_of(node._schemas._process)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("strictness", [Strictness.WARN, Strictness.ERROR])
async def test_without_the_library_a_schema_cannot_be_set(
    strictness: Strictness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema_rs", None)
    async with a_node(strictness) as node:
        with pytest.raises(ConfigRefused, match=r"install nacos-core\[schema\]$"):
            await node.config.publish("a", "{}", type="json", schema="{}")
        await node.config.publish("a", "{}", type="json")


async def test_long_contents_are_refused_as_unchecked_and_their_schema_is_looked_at() -> None:
    long = json.dumps("x" * limits.SCHEMA_FAST_BYTES_MAX)
    async with a_node() as node:
        with pytest.raises(ConfigRefused, match=r"json of more than 1048576 bytes takes too long$"):
            await node.config.publish("a", long, type="json", schema="{}")
        with pytest.raises(ConfigRefused, match="cannot be used"):
            await node.config.publish("a", long, type="json", schema="{")
        with pytest.raises(ConfigRefused, match=r"yaml of more than 262144 bytes takes too long$"):
            await node.config.publish("a", "a: " + "x" * limits.SCHEMA_SLOW_BYTES_MAX, type="yaml", schema="{}")


class Gate:
    """A gate before a log that only remembers."""

    def __init__(self) -> None:
        self.passed: list[Command] = []
        self.told: list[Any] = []
        self.settled = 0
        process = SchemaProcess(trio.lowlevel.open_process)
        hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
        self.gate = SchemaGate(Strictness.ERROR, hub, self.take, self.settle, process)

    def settle(self) -> None:
        self.settled = len(self.told)

    def take(self, command: Command, complete: Any) -> None:
        self.passed.append(command)
        complete(None)

    def propose(self, content: str, schema: str | None = PORT) -> PublishConfig:
        command = PublishConfig("public", "G", "a", content.encode(), "json", schema=schema)
        self.gate.propose(command, self.told.append)
        return command


async def test_what_needs_no_check_passes_at_once_and_what_waits_too_long_in_line_is_refused() -> None:
    world = Gate()
    plain = world.propose("{}", None)
    world.gate.propose(removal := RemoveConfig("public", "G", "a"), world.told.append)
    assert world.passed == [plain, removal]
    waiting = [world.propose('{"port": 1}') for _ in range(limits.SCHEMA_CHECKS_COUNT_MAX)]
    assert world.told == [None, None]
    world.propose('{"port": 1}')
    assert isinstance(world.told.pop(), Overloaded)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.gate.run)
        await world.gate.check_all(waiting[:1])  # it stands behind all the others
        nursery.cancel_scope.cancel()
    assert world.passed[2:] == waiting
    assert world.settled == len(world.told), "whoever waits is answered after each check"


async def test_checks_that_a_stopping_node_does_not_make_are_told_so() -> None:
    world = Gate()
    outcomes: list[NacosCoreError] = []

    async def check_all(command: Command) -> None:
        try:
            await world.gate.check_all([command])
        except NacosCoreError as error:
            outcomes.append(error)

    async with trio.open_nursery() as nursery, trio.open_nursery() as running:
        running.start_soon(world.gate.run)
        hard = PublishConfig("public", "G", "a", b"1", "json", schema=branching("allOf"))
        world.gate.propose(hard, world.told.append)
        await trio.testing.wait_all_tasks_blocked(0.05)
        world.propose('{"port": 1}')
        nursery.start_soon(check_all, hard)
        await trio.testing.wait_all_tasks_blocked(0.05)
        running.cancel_scope.cancel()
    await check_all(hard)
    world.propose('{"port": 1}')
    assert [type(each) for each in world.told + outcomes] == [NotReady] * 5
    assert world.passed == []
