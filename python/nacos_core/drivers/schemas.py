"""Has contents checked against their JSON Schemas before they go into the log, by a process of its own.

Only the node that takes a request checks it, and the others apply what is in the log: whether something conforms has no
part in what the log means. Nothing is started before the first schema comes.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from signal import Signals
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Final

import msgspec
import trio

from nacos_core import limits
from nacos_core.config.schema import Subject, Verdict, refusal_of, subject_of
from nacos_core.config.validation import Strictness
from nacos_core.errors import NacosCoreError, NotReady, Overloaded

if TYPE_CHECKING:
    from nacos_core._core import Hub
    from nacos_core.commands import Command
    from nacos_core.proposals import Complete, Propose
    from nacos_core.surroundings import OpenProcess

_logger = logging.getLogger(__name__)

_PROGRAM: Final = Path(__file__).with_name("schema_process.py")
_LENGTH_BYTES: Final = 4
_STOPPING: Final = "the node is stopping"
_ABSENT: Final = "this server has no library for schemas: install nacos-core[schema]"
_read_answer = msgspec.msgpack.Decoder(tuple[Verdict, str]).decode

Done = Callable[[NacosCoreError | None], None]


class _Ended(Exception):
    """The process gave no answer; the message says why."""


class SchemaProcess:
    """The process, started when it is needed, and again after it has ended. One check at a time."""

    def __init__(self, open_process: "OpenProcess") -> None:
        self._open_process = open_process
        self._process: trio.Process | None = None

    async def check(self, subject: Subject) -> tuple[Verdict, str]:
        """The verdict and its reason. Cancelled, it ends the process."""
        if self._process is None and find_spec("jsonschema_rs") is None:
            return Verdict.SCHEMA, _ABSENT
        request = msgspec.msgpack.encode((subject.type, subject.schema, subject.content if subject.type else b""))
        try:
            answer = await self._ask(request)
        except (_Ended, OSError) as error:
            return Verdict.UNKNOWN, str(error)
        return _read_answer(answer)

    async def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
                for pipe in (process.stdin, process.stdout):
                    assert pipe is not None, "it was asked for"
                    await pipe.aclose()

    async def _ask(self, request: bytes) -> bytes:
        if self._process is None:
            self._process = await self._start()
        is_answered = False
        try:
            with trio.move_on_after(limits.SCHEMA_ANSWER_SECONDS):
                answer = await _exchange(self._process, request)
                is_answered = True
                return answer
            raise _Ended(f"nothing was heard for {limits.SCHEMA_ANSWER_SECONDS:g} s")
        finally:
            if not is_answered:
                await self.close()

    async def _start(self) -> trio.Process:
        if not sys.executable or getattr(sys, "frozen", False):
            raise _Ended("this program has no interpreter to start a process with")
        cost = (f"{limits.SCHEMA_CPU_SECONDS:g}", f"{limits.SCHEMA_MEMORY_BYTES}")
        command = [sys.executable, "-P", str(_PROGRAM), *cost]
        # In a session of its own it does not hear what is typed at the node's terminal.
        return await self._open_process(command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True)


async def _exchange(process: trio.Process, request: bytes) -> bytes:
    assert process.stdin is not None, "it was asked for"
    try:
        await process.stdin.send_all(len(request).to_bytes(_LENGTH_BYTES, "big") + request)
        head = await _receive(process, _LENGTH_BYTES)
        return await _receive(process, int.from_bytes(head, "big"))
    except trio.BrokenResourceError:
        raise _Ended(_reason(await process.wait())) from None


async def _receive(process: trio.Process, count: int) -> bytes:
    assert process.stdout is not None, "it was asked for"
    received = bytearray()
    while len(received) < count:
        chunk = await process.stdout.receive_some(count - len(received))
        if not chunk:
            raise trio.BrokenResourceError
        received += chunk
    return bytes(received)


def _reason(code: int) -> str:
    match -code:
        case Signals.SIGPROF:
            return f"it takes more than {limits.SCHEMA_CPU_SECONDS:g} s of processor time"
        case Signals.SIGSEGV | Signals.SIGBUS | Signals.SIGABRT:
            return "it is nested too deeply or takes too much memory"
        case _:
            return f"the process that checks it ended with {code}"


class SchemaGate:
    """Stands before the log: lets by what conforms to its schema, or has none.

    Args:
        propose: hands a command on to the log.
        settle: called after each check, so that the command goes into the log or the refusal to the client.
    """

    def __init__(
        self,
        strictness: Strictness,
        hub: "Hub",
        propose: "Propose",
        settle: Callable[[], None],
        process: SchemaProcess,
    ) -> None:
        self._strictness = strictness
        self._hub = hub
        self._propose = propose
        self._settle = settle
        self._process = process
        self._add, self._waiting = trio.open_memory_channel[tuple["Command", Done]](limits.SCHEMA_CHECKS_COUNT_MAX)
        self._is_stopped = False

    @property
    def is_open(self) -> bool:
        """Whether nothing is checked."""
        return self._strictness is Strictness.OFF

    def propose(self, command: "Command", complete: "Complete") -> None:
        """As ``RaftDriver.propose``, which it calls, at once or after a check.

        ``complete`` gets ``ConfigRefused`` for what does not conform, ``Overloaded`` if too much waits for its check.
        """
        if self.is_open or subject_of(self._hub, command) is None:
            self._propose(command, complete)
            return

        def done(refused: NacosCoreError | None) -> None:
            if refused is None:
                self._propose(command, complete)
            else:
                complete(refused)

        try:
            self._refuse_if_stopped()
            self._add.send_nowait((command, done))
        except NotReady as error:
            complete(error)
        except trio.WouldBlock:
            complete(Overloaded("too many contents wait to be checked against their schemas, please try again later"))

    async def check_all(self, commands: "Sequence[Command]") -> None:
        """Checks commands without handing them on, so that all of them conform before the first one is.

        Raises:
            ConfigRefused: one does not.
            NotReady: the node is stopping.
        """
        for command in () if self.is_open else commands:
            if subject_of(self._hub, command) is None:
                continue
            self._refuse_if_stopped()
            is_done, results = trio.Event(), list[NacosCoreError | None]()

            def done(
                refused: NacosCoreError | None,
                is_done: trio.Event = is_done,
                results: list[NacosCoreError | None] = results,
            ) -> None:
                results.append(refused)
                is_done.set()

            await self._add.send((command, done))
            await is_done.wait()
            if results[0] is not None:
                raise results[0]

    async def run(self) -> None:
        """Checks one after the other until it is cancelled."""
        if self.is_open:
            return
        done: Done | None = None
        try:
            async for command, done in self._waiting:
                self._tell(done, await self._verdict(command))
                done = None
                self._settle()
        finally:
            self._is_stopped = True
            await self._process.close()
            if done is not None:
                self._tell(done, NotReady(_STOPPING))
            self._drain()

    async def _verdict(self, command: "Command") -> NacosCoreError | None:
        subject = subject_of(self._hub, command)
        if subject is None:  # what it is about has changed while it waited
            return None
        too_long = subject.too_long
        verdict, why = await self._process.check(subject if too_long is None else replace(subject, type=""))
        if verdict is Verdict.FITS and too_long is not None:
            verdict, why = Verdict.UNKNOWN, too_long
        if verdict is Verdict.FITS:
            return None
        refused = refusal_of(subject, verdict, why)
        if self._strictness is Strictness.ERROR or (verdict is Verdict.SCHEMA and subject.sets_schema):
            return refused
        _logger.warning("%s: %s", subject.namespace, refused)
        return None

    def _refuse_if_stopped(self) -> None:
        if self._is_stopped:
            raise NotReady(_STOPPING)

    @staticmethod
    def _tell(done: Done, refused: NacosCoreError | None) -> None:
        try:
            done(refused)
        except Exception:
            _logger.exception("telling what became of a check failed")

    def _drain(self) -> None:
        while True:
            try:
                _, done = self._waiting.receive_nowait()
            except trio.WouldBlock:
                return
            self._tell(done, NotReady(_STOPPING))
