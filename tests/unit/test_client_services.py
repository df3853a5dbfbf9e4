"""The client knows which services there are, and hears of those that come and go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from nacos_core import limits
from nacos_core.client import ServerRefused, ServiceName, open_client
from nacos_core.client.services import ServiceWatches, check_pattern, is_like
from nacos_core.errors import SettingsError
from support.client_runs import run, the_next, until
from support.node_thread import NodeThread

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from nacos_core.client.services import Names


def names(found: Names) -> list[str]:
    return sorted(each.name for each in found)


def test_services_that_come_and_go_are_heard_of(backend: str, node: NodeThread) -> None:
    async def work() -> None:
        async with open_client(node.url) as client, open_client(node.url) as other:
            for number in range(25):  # more than one batch of a push
                await other.naming.register(f"shop-{number}", "10.0.0.1", 80)
            await other.naming.register("cart", "10.0.0.1", 80)
            async with client.naming.watch("shop-*") as states:
                assert names(await the_next(states)) == sorted(f"shop-{number}" for number in range(25))
                await other.naming.register("shop-new", "10.0.0.1", 80)
                assert ServiceName("DEFAULT_GROUP", "shop-new") in await the_next(states)
                await other.naming.register("cart-2", "10.0.0.1", 80)
                await other.naming.deregister("shop-new", "10.0.0.1", 80)
                assert names(await the_next(states)) == sorted(f"shop-{number}" for number in range(25))
            async with client.naming.watch(group="*") as states:
                assert len(await the_next(states)) == 27

    run(backend, work)


def test_what_happened_while_no_server_answered_is_seen_when_one_does(tmp_path: Path) -> None:
    async def work(started: NodeThread) -> None:
        async with open_client(started.url) as client, client.naming.watch("s*") as states:
            assert await the_next(states) == frozenset()
            async with open_client(started.url) as other:
                await other.naming.register("s1", "10.0.0.1", 80, ephemeral=False)
                assert names(await until(states, bool)) == ["s1"]
            await anyio.to_thread.run_sync(started.stop)
            await anyio.to_thread.run_sync(started.start)
            async with open_client(started.url) as other:
                await other.naming.register("s2", "10.0.0.1", 80)
                assert names(await until(states, lambda found: len(found) == 2)) == ["s1", "s2"]

    with NodeThread(tmp_path / "node") as started:
        run("trio", work, started)


def test_more_than_a_server_tells_is_asked_for(monkeypatch: pytest.MonkeyPatch, node: NodeThread) -> None:
    monkeypatch.setattr(limits, "CLIENT_SERVICES_SECONDS", 0.1)

    async def work() -> None:
        async with open_client(node.url) as client, open_client(node.url) as other:
            for number in range(510):
                await other.naming.register(f"s{number}", "10.0.0.1", 80)
            async with client.naming.watch("s*") as states:
                assert len(await the_next(states)) == 510
                await other.naming.register("s-new", "10.0.0.1", 80)
                await until(states, lambda found: len(found) == 511)
            with pytest.raises(ServerRefused, match="more like it"):
                async with client.naming.watch("s*", group="*"):
                    pass

    run("trio", work)


class WithoutWatches:
    """A session with a server that has services and no fuzzy watch."""

    server = None

    def __init__(self) -> None:
        self.names = ["shop", "other"]
        self.asked: list[str] = []

    async def ask(self, type: str, *_: object) -> Any:
        self.asked.append(type)
        raise ServerRefused("RequestHandler Not Found", 302)

    async def connected_after(self, number: int) -> int:
        if number:
            await anyio.sleep_forever()
        return 1

    async def list_names(self, group: str) -> Sequence[str]:
        return self.names if group == "g" else []


def test_a_server_that_cannot_watch_is_asked_again_and_again(
    backend: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "CLIENT_SERVICES_SECONDS", 0.05)

    async def work() -> None:
        session = WithoutWatches()
        watches = ServiceWatches(session, "public", session.list_names)  # type: ignore[arg-type]
        async with anyio.create_task_group() as tasks, watches.watch("sh*", "g") as states:
            tasks.start_soon(watches.run)
            assert names(await the_next(states)) == ["shop"]
            session.names = ["shoes", "other"]
            assert names(await the_next(states)) == ["shoes"]
            assert set(session.asked) == {"NamingFuzzyWatchRequest"}
            with pytest.raises(ServerRefused):
                async with watches.watch("*", "*"):
                    pass
            tasks.cancel_scope.cancel()

    run(backend, work)


def test_a_pattern_has_its_star_before_or_behind() -> None:
    for pattern, like, unlike in (
        ("a", ["a"], ["ab", ""]),
        ("*", ["a", "", "*"], []),
        ("a*", ["a", "ab"], ["ba"]),
        ("*a", ["a", "ba"], ["ab"]),
        ("*a*", ["a", "bab"], ["b"]),
    ):
        check_pattern(pattern)
        assert all(is_like(pattern, name) for name in like)
        assert not any(is_like(pattern, name) for name in unlike)
    for pattern in ("", "**", "a*b", "*a*b*", "***"):
        with pytest.raises(SettingsError, match="no pattern"):
            check_pattern(pattern)
