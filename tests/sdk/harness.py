"""Drives the real client libraries: one small program a language, spoken to in lines of JSON.

A client program is started as `program host:port folder`; it keeps its logs and caches in that folder, nowhere else.
It prints `{"event": "ready"}` when its naming and configuration clients stand. Then it reads one command a line from
its standard input and answers each by one line on its standard output; commands may be answered in any order:

    {"id": 7, "op": "register", "service": "s", "group": "g", "instance": {...}}
    {"id": 7, "ok": true, "result": true}         or         {"id": 7, "ok": false, "error": "what the library said"}

It ends when its standard input ends. Nothing else may be printed on standard output; what it wrote to standard error
is shown on failures. An instance is always whole, in both directions: `{"ip", "port", "weight", "healthy", "enabled",
"ephemeral", "cluster", "metadata"}`.

| op | fields | result |
|---|---|---|
| register | service, group, instance | true, or false if the library reports failure |
| batch_register | service, group, instances | the same |
| update | service, group, instance | the same; by registering it again if the library has no call for it |
| deregister | service, group, instance | the same |
| batch_deregister | service, group, instances | the same |
| instances | service, group | all that the library lists, by a call to the server if it leaves the choice |
| select_healthy | service, group | the healthy ones, by the library's own selection if it has one |
| of_cluster | service, group, cluster | all of that cluster that the library lists |
| select_one | service, group | a healthy one, chosen by the library |
| services | group, page, page_size | {"count": n, "names": [...]} |
| subscribe | service, group | true; then `{"event": "instances", "service", "group", "instances"}` for every change |
| unsubscribe | service, group | true |
| server_is_up | | whether the library says so |
| publish | data_id, group, content | true or false |
| publish_as | data_id, group, content, type | the same |
| publish_beta | data_id, group, content, ips | the same |
| publish_cas | data_id, group, content, md5 | the same; false (or an error) when the md5 is not the stored one |
| get | data_id, group | the content, or null where there is none |
| remove | data_id, group | true or false |
| listen | data_id, group | true; then `{"event": "config", "data_id", "group", "content"}`, content null when removed |
| get_and_listen | data_id, group | the content, or null; then as for listen |
| unlisten | data_id, group | true |
| search | data_id (a pattern), group | data ids |
| watch_services | pattern, group | keys of services; then `{"event": "watch", "name", "group", "change"}` for each |
| watch_configs | pattern, group | keys of configurations, `data_id+group+namespace`; then the same |
| unwatch_services, unwatch_configs | pattern, group | true |
| lock | key, held_ms | whether it was free |
| unlock | key | whether it was held |
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

HERE = Path(__file__).parent
GROUP = "DEFAULT_GROUP"
HEAR_WITHIN_S = 2.0
CALL_WITHIN_S = 20.0
START_WITHIN_S = 60.0
PAUSE_S = 0.3
"""Between two changes of one configuration: the Go library drops one that comes while it handles the one before."""

Instance = dict[str, Any]
Event = dict[str, Any]


class ClientError(Exception):
    """The library raised or reported an error; the text is its own."""


@dataclass(frozen=True)
class Allowance:
    """A wait longer than the usual one, which the client library itself causes."""

    seconds: float
    reason: str


@dataclass(frozen=True)
class ClientKind:
    """One released client library and what can be asked of it."""

    name: str
    """Shown in test names, for example `python-3`."""
    toolchain: tuple[str, ...]
    """Commands that have to be on PATH to build and run the program."""
    build: Callable[[], list[str]]
    """Builds the client program, or finds it built, and returns its command line."""
    lacks: Mapping[str, str] = field(default_factory=dict)
    """Operation → why this library cannot do it. Operations are those of the table above and `persistent`;
    `underscores` in a cluster's name; to be told of a list that became empty (`hears_empty`), of the first content of a
    configuration that was absent (`hears_creation`), of a removed configuration (`hears_removal`)."""
    listens_after: Allowance = Allowance(0.5, "")
    """From the library's answer to `listen` to the moment when the server surely knows of the listener."""
    leaves_after: Allowance = Allowance(0.5, "")
    """From the library's answer to `unsubscribe`, `unlisten` or `unwatch` to the moment when it tells nothing more."""
    vanishes: Allowance = Allowance(3.0, "")
    """From the kill of a client to the moment when subscribers are told."""
    recovers: Allowance = Allowance(20.0, "")
    """From the server's return to the moment when everything is as it was."""
    victim_metadata: Mapping[str, str] = field(default_factory=dict)
    """Metadata of the instance whose client is killed: shorter times than usual, if the library sends heart-beats."""

    @property
    def beats(self) -> bool:
        """Its instances live by heart-beats, which also heal one that was registered as unhealthy."""
        return bool(self.victim_metadata)

    def missing_tools(self) -> list[str]:
        return [command for command in self.toolchain if shutil.which(command) is None]


def instance(port: int, **changes: Any) -> Instance:
    """An instance with every field said; 127.0.0.1 as its address."""
    whole: Instance = {
        "ip": "127.0.0.1",
        "port": port,
        "weight": 1.0,
        "healthy": True,
        "enabled": True,
        "ephemeral": True,
        "cluster": "DEFAULT",
        "metadata": {},
    }
    return whole | changes


def unique(stem: str) -> str:
    return f"{stem}-{uuid.uuid4().hex[:8]}"


def ports(instances: list[Instance]) -> list[int]:
    return sorted(each["port"] for each in instances)


class Client:
    """A running client program."""

    def __init__(
        self,
        kind: ClientKind,
        command: list[str],
        server: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.kind = kind
        self._changed = threading.Condition()
        self._replies: dict[int, dict[str, Any]] = {}
        self._events: list[tuple[float, Event]] = []
        self._ended = False
        self._next_id = 0
        self._started = time.monotonic()
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "stderr").open("wb") as stderr:
            self._process = subprocess.Popen(
                [*command, server, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=folder,
                env=client_environment(folder) | dict(environment or {}),
            )
        self._reader = threading.Thread(target=self._read, name=f"{kind.name} output", daemon=True)
        self._reader.start()

    def wait_ready(self) -> Client:
        """Returns the client itself when its program has said that it is ready."""
        self.wait_event(lambda event: event["event"] == "ready", self._started, START_WITHIN_S)
        return self

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            received = time.monotonic()
            try:
                message = json.loads(line)
            except ValueError:
                message = {"event": "noise", "line": line.decode(errors="replace")}
            with self._changed:
                if "event" in message:
                    self._events.append((received, message))
                else:
                    self._replies[message["id"]] = message
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def send(self, op: str, **fields: Any) -> int:
        """Gives a command without waiting for its answer: `answer` of the number returned waits."""
        self._next_id += 1
        line = json.dumps({"id": self._next_id, "op": op, **fields}) + "\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise ClientError(f"the program has ended: {self.describe()}") from error
        return self._next_id

    def answer(self, number: int, within_s: float = CALL_WITHIN_S) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: number in self._replies or self._ended, within_s)
            reply = self._replies.pop(number, None)
        if reply is None:
            raise ClientError(f"no answer within {within_s} s: {self.describe()}")
        if not reply["ok"]:
            raise ClientError(str(reply.get("error")))
        return reply.get("result")

    def call(self, op: str, **fields: Any) -> Any:
        return self.answer(self.send(op, **fields))

    def wait_event(self, matches: Callable[[Event], bool], since: float, within_s: float) -> float:
        """When (monotonic) the first matching event came, at `since` or up to `within_s` later; else AssertionError."""
        deadline = since + within_s
        seen = 0
        with self._changed:
            while True:
                while seen < len(self._events):
                    received, event = self._events[seen]
                    seen += 1
                    if since <= received <= deadline and matches(event):
                        return received
                rest_s = deadline - time.monotonic()
                if rest_s <= 0 or (self._ended and seen == len(self._events)):
                    break
                self._changed.wait(rest_s)
            told = [f"{received - since:+.3f} s: {event}" for received, event in self._events[-8:]]
        raise AssertionError(f"not heard within {within_s} s; last events: {told}; {self.describe()}")

    def events(self, kind: str, since: float) -> list[Event]:
        """What it was told of that kind from then on."""
        with self._changed:
            return [event for received, event in self._events if received >= since and event["event"] == kind]

    def describe(self) -> str:
        errors = (self._folder / "stderr").read_text(errors="replace")[-3000:]
        return f"{self.kind.name}, exit code {self._process.poll()}, standard error ends: {errors!r}"

    def kill(self) -> None:
        """SIGKILL: the program can say good-bye to nobody."""
        self._process.kill()
        self._reap()

    def close(self) -> None:
        """Ends the program in its own way, or by force after 5 s."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reap()

    def _reap(self) -> None:
        self._process.wait(10)
        self._reader.join(10)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    # The commands, as methods.

    def register(self, service: str, one: Instance, group: str = GROUP) -> Any:
        return self.call("register", service=service, group=group, instance=one)

    def batch_register(self, service: str, several: list[Instance], group: str = GROUP) -> Any:
        return self.call("batch_register", service=service, group=group, instances=several)

    def update(self, service: str, one: Instance, group: str = GROUP) -> Any:
        return self.call("update", service=service, group=group, instance=one)

    def batch_deregister(self, service: str, several: list[Instance], group: str = GROUP) -> Any:
        return self.call("batch_deregister", service=service, group=group, instances=several)

    def deregister(self, service: str, one: Instance, group: str = GROUP) -> Any:
        return self.call("deregister", service=service, group=group, instance=one)

    def instances(self, service: str, group: str = GROUP) -> list[Instance]:
        return list(self.call("instances", service=service, group=group))

    def select_healthy(self, service: str, group: str = GROUP) -> list[Instance]:
        return list(self.call("select_healthy", service=service, group=group))

    def of_cluster(self, service: str, cluster: str, group: str = GROUP) -> list[Instance]:
        return list(self.call("of_cluster", service=service, group=group, cluster=cluster))

    def select_one(self, service: str, group: str = GROUP) -> Instance:
        return dict(self.call("select_one", service=service, group=group))

    def services(self, group: str, page: int = 1, page_size: int = 100) -> dict[str, Any]:
        return dict(self.call("services", group=group, page=page, page_size=page_size))

    def subscribe(self, service: str, group: str = GROUP) -> Subscription:
        self.call("subscribe", service=service, group=group)
        return Subscription(self, service, group)

    def unsubscribe(self, service: str, group: str = GROUP) -> Any:
        return self.call("unsubscribe", service=service, group=group)

    def publish_as(self, data_id: str, content: str, type: str, group: str = GROUP) -> Any:
        return self.call("publish_as", data_id=data_id, group=group, content=content, type=type)

    def publish_beta(self, data_id: str, content: str, ips: str, group: str = GROUP) -> Any:
        return self.call("publish_beta", data_id=data_id, group=group, content=content, ips=ips)

    def publish(self, data_id: str, content: str, group: str = GROUP) -> Any:
        return self.call("publish", data_id=data_id, group=group, content=content)

    def publish_cas(self, data_id: str, content: str, md5: str, group: str = GROUP) -> Any:
        return self.call("publish_cas", data_id=data_id, group=group, content=content, md5=md5)

    def get(self, data_id: str, group: str = GROUP) -> str | None:
        content = self.call("get", data_id=data_id, group=group)
        return None if content is None else str(content)

    def remove(self, data_id: str, group: str = GROUP) -> Any:
        return self.call("remove", data_id=data_id, group=group)

    def listen(self, data_id: str, group: str = GROUP) -> Listener:
        self.call("listen", data_id=data_id, group=group)
        return Listener(self, data_id, group)

    def unlisten(self, data_id: str, group: str = GROUP) -> Any:
        return self.call("unlisten", data_id=data_id, group=group)

    def watch(self, what: str, pattern: str, group: str = GROUP) -> PatternWatch:
        """``what``: services or configs."""
        keys = self.call(f"watch_{what}", pattern=pattern, group=group)
        return PatternWatch(self, sorted(keys))

    def unwatch(self, what: str, pattern: str, group: str = GROUP) -> Any:
        return self.call(f"unwatch_{what}", pattern=pattern, group=group)

    def lock(self, key: str, held_ms: int = 60_000) -> Any:
        return self.call("lock", key=key, held_ms=held_ms)

    def unlock(self, key: str) -> Any:
        return self.call("unlock", key=key)


@dataclass(frozen=True)
class Subscription:
    """What a client was told of one service."""

    client: Client
    service: str
    group: str

    def hears(self, wanted: list[int], since: float, within_s: float = HEAR_WITHIN_S) -> float:
        """Waits for a list with exactly these ports, told in time after `since`; returns how many seconds it took."""

        def matches(event: Event) -> bool:
            mine = event["event"] == "instances" and (event["service"], event["group"]) == (self.service, self.group)
            return mine and ports(event["instances"]) == sorted(wanted)

        return self.client.wait_event(matches, since, within_s) - since


@dataclass(frozen=True)
class PatternWatch:
    """What a client was told of what is like a pattern."""

    client: Client
    keys: list[str]
    """What there was when it began."""

    def hears(self, change: str, name: str, since: float, within_s: float = HEAR_WITHIN_S) -> float:
        """Waits until it is told of this change, in time after `since`; returns how many seconds it took."""

        def matches(event: Event) -> bool:
            return event["event"] == "watch" and (event["name"], event["change"]) == (name, change)

        return self.client.wait_event(matches, since, within_s) - since


@dataclass(frozen=True)
class Listener:
    """What a client was told of one configuration."""

    client: Client
    data_id: str
    group: str

    def hears(self, content: str | None, since: float, within_s: float = HEAR_WITHIN_S) -> float:
        """Waits for this content, told in time after `since`; returns how many seconds it took."""

        def matches(event: Event) -> bool:
            mine = event["event"] == "config" and (event["data_id"], event["group"]) == (self.data_id, self.group)
            return mine and event["content"] == content

        return self.client.wait_event(matches, since, within_s) - since


def client_environment(folder: Path) -> dict[str, str]:
    """The caller's environment without proxies and Python settings, and with `folder` for a home."""
    dropped = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "NODE_OPTIONS", "JAVA_TOOL_OPTIONS")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in dropped and not name.lower().endswith("_proxy") and not name.lower().startswith("nacos")
    }
    return kept | {"HOME": str(folder), "TMPDIR": str(folder), "NO_PROXY": "127.0.0.1,localhost,::1"}


def built(folder: Path, sources: list[Path], build: Callable[[], None]) -> None:
    """Calls `build` unless it succeeded before with the same contents of `sources`; the note of that is in `folder`."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    note = folder / ".built-from"
    if note.is_file() and note.read_text() == digest.hexdigest():
        return
    folder.mkdir(parents=True, exist_ok=True)
    note.unlink(missing_ok=True)
    build()
    note.write_text(digest.hexdigest())


def run(command: list[str], folder: Path, **environment: str) -> None:
    """A build step; its whole output is in the error if it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=480,
        check=False,
    )
    if done.returncode:
        output = done.stdout.decode(errors="replace")[-6000:]
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{output}")
