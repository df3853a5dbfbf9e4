"""Questions between nodes and their answers, over memory streams and a clock that jumps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

from nacos_core import limits
from nacos_core.errors import (
    CallRefused,
    NacosCoreError,
    OutcomeUnknown,
    PeerUnreachable,
)
from support.peers import MemoryNetwork, Question, Reply, Talker, connected

if TYPE_CHECKING:
    from trio.testing import MockClock

    from nacos_core.peers.handshake import Identity


async def test_a_question_is_answered(network: MemoryNetwork) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")
    async with a.running(), b.running():
        with pytest.raises(PeerUnreachable, match="no connection to node b"):
            await a.peers.ask("b", Question("who?"))
        assert await a.peers.call(b.address, Question("you")) == Reply("you, a")
        assert len(network.dialled) == 1
        await connected(a, b)
        assert await a.peers.ask("b", Question("you")) == Reply("you, a")
        assert await a.peers.call(b.address, Question("still you")) == Reply("still you, a")
        assert len(network.dialled) == 2, "a member is asked over the connection that there is"


async def test_questions_are_answered_out_of_order(network: MemoryNetwork, autojump_clock: MockClock) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")

    async def slowly(peer: Identity, question: Question) -> Reply:
        await trio.sleep(float(question.text))
        return Reply(question.text)

    b.callbacks.requests[Question] = slowly
    answers: list[str] = []

    async def ask(text: str) -> None:
        answers.append((await a.peers.ask("b", Question(text))).text)

    async with a.running(), b.running():
        await connected(a, b)
        async with trio.open_nursery() as nursery:
            for text in ("3", "1", "2"):
                nursery.start_soon(ask, text)
    assert answers == ["1", "2", "3"]


async def test_what_went_wrong_with_a_question_is_told_apart(
    network: MemoryNetwork, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = Talker(network, "a"), Talker(network, "b")

    async def refuse(peer: Identity, question: Question) -> Reply:
        match question.text:
            case "wait":
                await trio.sleep(60)
            case "bug":
                raise ZeroDivisionError
            case "long":
                return Reply("x" * limits.PEER_FRAME_BYTES_MAX)
        raise NacosCoreError("I would rather not")

    b.callbacks.requests[Question] = refuse
    async with a.running():
        with pytest.raises(PeerUnreachable, match="b:9849 cannot be reached: Connection refused"):
            await a.peers.call(b.address, Question("?"))
        async with b.running():
            await connected(a, b)
            with pytest.raises(CallRefused, match=r"^I would rather not$"):
                await a.peers.ask("b", Question("?"))
            with pytest.raises(CallRefused, match=r"^internal error$"):
                await a.peers.ask("b", Question("bug"))
            assert "ZeroDivisionError" in caplog.text
            with pytest.raises(CallRefused, match="longer than"):
                await a.peers.ask("b", Question("long"))
            with pytest.raises(OutcomeUnknown, match="node b has not answered within 5 s"):
                await a.peers.ask("b", Question("wait"))
            del b.callbacks.requests[Question]
            with pytest.raises(CallRefused, match="does not answer Question"):
                await a.peers.call(b.address, Question("?"))
            b.callbacks.requests[Question] = refuse
            async with trio.open_nursery() as nursery:
                nursery.start_soon(expect_unknown, a)
                await trio.sleep(1)
                await network.streams[0].aclose()


async def expect_unknown(talker: Talker) -> None:
    with pytest.raises(OutcomeUnknown, match="ended before it answered"):
        await talker.peers.ask("b", Question("wait"))


async def test_a_peer_has_so_many_questions_answered_at_once(
    network: MemoryNetwork, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setattr(limits, "PEER_CALLS_COUNT_MAX", 3)
    a, b = Talker(network, "a"), Talker(network, "b")
    outcomes: list[str] = []

    async def slowly(peer: Identity, question: Question) -> Reply:
        await trio.sleep(1)
        return Reply("yes")

    async def ask() -> None:
        try:
            outcomes.append((await a.peers.ask("b", Question(""))).text)
        except CallRefused as error:
            outcomes.append(str(error))

    b.callbacks.requests[Question] = slowly
    async with a.running(), b.running():
        await connected(a, b)
        for _ in range(2):
            outcomes.clear()
            async with trio.open_nursery() as nursery:
                for _ in range(5):
                    nursery.start_soon(ask)
            assert outcomes == ["too many questions at once, try again later"] * 2 + ["yes"] * 3
