"""A node inside a trio program: everything in-process, over memory streams and over sockets, and gone at the end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing

import nacos_core
from nacos_core._core import LogLocked

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

WITHIN_SECONDS = 5.0
MD5_OF_A1 = "270f9e65a80226eccd82c99cdd0dd2fb"  # protocol/answers, "cs get"


async def ask(stream: trio.abc.Stream, request: bytes) -> tuple[int, bytes]:
    """One HTTP request over a connection that is kept."""
    await stream.send_all(request)
    received = b""
    while b"\r\n\r\n" not in received:
        received += await stream.receive_some()
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += await stream.receive_some()
    return int(head.split()[1]), body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def post(path: str, form: str, *headers: str) -> bytes:
    lines = ["Host: a", "Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(form)}", *headers]
    return f"POST {path} HTTP/1.1\r\n".encode() + "\r\n".join(lines).encode() + b"\r\n\r\n" + form.encode()


async def test_a_node_is_ready_inside_the_block_and_gone_after_it() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=0) as node:
            assert node.is_ready
            assert node.http_port is not None
            assert node.grpc_port == node.http_port + 1000
            assert node.address == f"127.0.0.1:{node.http_port}"
            folder = node.data
            assert folder.is_dir()
            async with await trio.open_tcp_stream("127.0.0.1", node.http_port) as stream:
                assert (await ask(stream, get("/nacos/v1/console/health/readiness")))[0] == 200
        assert not folder.exists()
        with pytest.raises(OSError, match=r".*"):
            await trio.open_tcp_stream("127.0.0.1", node.http_port)


async def test_without_sockets_everything_else_is_there() -> None:
    async with nacos_core.open_node(port=None) as node:
        assert node.http_port is None
        assert node.grpc_port is None
        assert await node.config.publish("a.yaml", "a: 1") == MD5_OF_A1


async def test_configuration_in_process() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None) as node:
            assert node.config.get("a.yaml") is None
            md5 = await node.config.publish("a.yaml", "a: 1", type="yaml", namespace="dev", description="d")
            view = node.config.get("a.yaml", namespace="dev")
            assert view is not None
            assert (view.content, view.md5, view.type, view.description) == (b"a: 1", md5, "yaml", "d")
            assert node.config.get("a.yaml") is None, "of another namespace"
            with pytest.raises(nacos_core.CasMismatch):
                await node.config.publish("a.yaml", "a: 2", namespace="dev", cas_md5="0" * 32)
            await node.config.publish("a.yaml", "a: 2", namespace="dev", cas_md5=md5)
            with pytest.raises(nacos_core.CommandRefused):
                await node.config.publish("a.yaml", "a: 3", namespace="dev", create_only=True)
            with pytest.raises(nacos_core.InvalidParameter, match="dataId"):
                await node.config.publish("a b", "x")
            assert await node.config.remove("a.yaml", namespace="dev")
            assert not await node.config.remove("a.yaml", namespace="dev")


async def test_listeners_in_process_hear_of_changes_and_never_miss_the_last_one() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None) as node, node.config.listen("a") as states:
            assert await anext(states) is None
            await node.config.publish("a", "1")
            view = await anext(states)
            assert view is not None
            assert view.content == b"1"
            for number in range(2, 10):
                await node.config.publish("a", str(number))
            view = await anext(states)
            assert view is not None
            assert view.content == b"9"
            await node.config.publish("a", "9")
            with trio.move_on_after(0.05) as nothing_new:
                await anext(states)
            assert nothing_new.cancelled_caught, "the same content again is no change"


async def test_locks_in_process() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None) as node:
            assert node.locks.holder("report") is None
            token = await node.locks.acquire("report")
            assert token is not None
            assert await node.locks.acquire("report") is None, "it is held"
            holder = node.locks.holder("report")
            assert holder is not None
            assert holder.token == token
            assert await node.locks.release("report")
            assert not await node.locks.release("report"), "it was free"
            later = await node.locks.acquire("report", expires_after_ms=1)
            assert later is not None
            assert later > token
            await trio.sleep(0.005)
            assert node.locks.holder("report") is None, "its time is over"
            with pytest.raises(nacos_core.InvalidParameter, match="at least 1 ms"):
                await node.locks.acquire("report", expires_after_ms=0)


async def test_naming_in_process() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None) as node, node.naming.subscribe("orders") as states:
            assert (await anext(states)).hosts == ()
            await node.naming.register("orders", "10.0.0.1", 80, metadata={"a": "1"}, weight=2.0)
            service = await anext(states)
            assert [(host.ip, host.port, host.weight, host.metadata) for host in service.hosts] == [
                ("10.0.0.1", 80, 2.0, {"a": "1"})
            ]
            await node.naming.register("orders", "10.0.0.2", 80, healthy=False, cluster="b")
            assert {host.ip for host in (await anext(states)).hosts} == {"10.0.0.1", "10.0.0.2"}
            assert [host.ip for host in node.naming.list("orders", healthy_only=True).hosts] == ["10.0.0.1"]
            assert [host.ip for host in node.naming.list("orders", clusters="b").hosts] == ["10.0.0.2"]
            await node.naming.deregister("orders", "10.0.0.1", 80)
            await node.naming.deregister("orders", "10.0.0.1", 80)
            assert [host.ip for host in (await anext(states)).hosts] == ["10.0.0.2"]
            page = node.naming.services()
            assert (page.count, page.names) == (1, ["orders"])
            assert node.naming.services(group="other").count == 0


async def test_what_is_wrong_with_an_instance_is_named() -> None:
    async with nacos_core.open_node(port=None) as node:
        with pytest.raises(nacos_core.InvalidParameter, match="port"):
            await node.naming.register("orders", "10.0.0.1", 70_000)
        with pytest.raises(nacos_core.InvalidParameter, match="weights"):
            await node.naming.register("orders", "10.0.0.1", 80, weight=-1)
        with pytest.raises(nacos_core.InvalidParameter, match="serviceName"):
            node.naming.list("a b")
        assert node.naming.list("orders").hosts == ()
        await node.naming.register("orders", "10.0.0.1", 80)
        assert len(node.naming.list("orders").hosts) == 1, "what was refused is not registered with what comes later"


async def test_the_two_kinds_of_instances_do_not_mix() -> None:
    async with nacos_core.open_node(port=None) as node:
        await node.naming.register("orders", "10.0.0.1", 80, ephemeral=False)
        with pytest.raises(nacos_core.InvalidParameter, match="persistent service"):
            await node.naming.register("orders", "10.0.0.2", 80)
        assert [host.ephemeral for host in node.naming.list("orders").hosts] == [False]
        await node.naming.deregister("orders", "10.0.0.1", 80, ephemeral=False)
        assert node.naming.list("orders").hosts == ()


async def test_what_was_acknowledged_is_there_after_a_restart(tmp_path: Path) -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None, data=tmp_path) as node:
            await node.config.publish("kept", "1")
            await node.config.publish("removed", "1")
            await node.config.remove("removed")
            await node.naming.register("kept", "10.0.0.1", 80, ephemeral=False)
            await node.naming.register("lost", "10.0.0.1", 80)
        for _ in range(2):
            async with nacos_core.open_node(port=None, data=tmp_path) as node:
                view = node.config.get("kept")
                assert view is not None
                assert view.content == b"1"
                assert node.config.get("removed") is None
                assert len(node.naming.list("kept").hosts) == 1
                assert node.naming.list("lost").hosts == (), "ephemeral instances live as long as their publisher"


async def test_a_snapshot_takes_the_place_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nacos_core.limits.SNAPSHOT_LOG_BYTES", 1000)
    monkeypatch.setattr("nacos_core.limits.TRAILING_ENTRIES_COUNT", 10)
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None, data=tmp_path) as node:
            for number in range(200):
                await node.config.publish(f"a-{number % 10}", f"{number}")
            await node.naming.register("kept", "10.0.0.1", 80, ephemeral=False)
            while node._log.first_index == 1:  # noqa: ASYNC110 - only the log knows
                await trio.sleep(0.01)
        async with nacos_core.open_node(port=None, data=tmp_path) as node:
            assert [node.config.get(f"a-{number}").content for number in range(10)] == [  # type: ignore[union-attr]
                str(190 + number).encode() for number in range(10)
            ]
            assert len(node.naming.list("kept").hosts) == 1


async def test_many_writers_at_once_all_get_their_answer() -> None:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None) as node, trio.open_nursery() as nursery:
            for number in range(500):
                nursery.start_soon(node.config.publish, f"a-{number}", str(number))
        async with nacos_core.open_node(port=None) as node:
            assert node.config.get("a-1") is None, "another node, another folder"


async def test_a_data_folder_has_one_node(tmp_path: Path) -> None:
    async with nacos_core.open_node(port=None, data=tmp_path):
        with pytest.raises(LogLocked):
            async with nacos_core.open_node(port=None, data=tmp_path):
                pass


async def test_an_error_in_the_block_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with nacos_core.open_node(port=None):
            _ = 1 / 0


async def test_a_block_that_is_cancelled_leaves_nothing() -> None:
    with trio.CancelScope() as scope:
        async with nacos_core.open_node(port=0) as node:
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert not node.data.exists()


async def test_an_open_node_needs_a_word(tmp_path: Path) -> None:
    with pytest.raises(nacos_core.SettingsError, match="--insecure"):
        async with nacos_core.open_node(host="0.0.0.0", data=tmp_path / "data"):
            pass
    assert not (tmp_path / "data").exists()


async def serving(node: nacos_core.Node, use: Callable[[trio.abc.Stream], Awaitable[None]]) -> None:
    """Uses a connection to the node that goes over memory."""
    client, server = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.serve_stream, server)
        async with client:
            await use(client)


async def test_a_connection_over_any_stream() -> None:
    async def use(stream: trio.abc.Stream) -> None:
        publish = post("/nacos/v1/cs/configs", "dataId=a.yaml&group=G&content=a%3A+1")
        assert await ask(stream, publish) == (200, b"true")
        assert await ask(stream, get("/nacos/v1/cs/configs?dataId=a.yaml&group=G")) == (200, b"a: 1")
        assert (await ask(stream, get("/nacos/v1/cs/configs?dataId=b&group=G")))[0] == 404
        for other, status in (("show=all", 200), ("search=accurate&pageNo=1&pageSize=1", 200), ("search=blur", 400)):
            assert (await ask(stream, get(f"/nacos/v1/cs/configs?dataId=a.yaml&group=G&{other}")))[0] == status
        beta = get("/nacos/v1/cs/configs?dataId=a.yaml&group=G&beta=true")
        assert json.loads((await ask(stream, beta))[1])["data"] is None, "there is no release for addresses"
        assert await ask(stream, post("/nacos/v1/ns/instance", "serviceName=orders&ip=10.0.0.1&port=80")) == (
            200,
            b"ok",
        )
        status, body = await ask(stream, get("/nacos/v1/ns/instance/list?serviceName=orders"))
        assert (status, len(json.loads(body)["hosts"])) == (200, 1)

    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None) as node:
            await serving(node, use)


async def test_a_long_poll_is_answered_by_a_change() -> None:
    async def use(stream: trio.abc.Stream) -> None:
        listening = post(
            "/nacos/v1/cs/configs/listener", "Listening-Configs=a%02G%02%01", "Long-Pulling-Timeout: 30000"
        )
        async with trio.open_nursery() as nursery:

            async def change() -> None:
                await trio.sleep(0.05)
                await node.config.publish("other", "1", group="G")
                await node.config.publish("a", "1", group="G")

            nursery.start_soon(change)
            assert await ask(stream, listening) == (200, b"a%02G%01\n")

    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None) as node:
            await serving(node, use)


async def test_a_long_poll_ends_with_its_time(autojump_clock: trio.testing.MockClock) -> None:
    async def use(stream: trio.abc.Stream) -> None:
        listening = post(
            "/nacos/v1/cs/configs/listener", "Listening-Configs=a%02G%02%01", "Long-Pulling-Timeout: 30000"
        )
        began = trio.current_time()
        assert await ask(stream, listening) == (200, b"")
        assert 29.4 < trio.current_time() - began < 29.7

    autojump_clock.autojump_threshold = 0.1  # the log's thread is real
    async with nacos_core.open_node(port=None) as node:
        await serving(node, use)


async def test_while_it_starts_a_node_answers_for_its_health_alone() -> None:
    async def use(stream: trio.abc.Stream) -> None:
        assert await ask(stream, get("/nacos/v1/cs/configs?dataId=a&group=G")) == (200, b"1")
        node._is_ready = False
        node._hub.set_ready(False)
        for path in ("/nacos/v1/cs/configs?dataId=a&group=G", "/nacos/v1/ns/instance/list?serviceName=orders"):
            assert (await ask(stream, get(path)))[0] == 503, "what is not read yet is not known to be absent"
        assert (await ask(stream, post("/nacos/v1/cs/configs", "dataId=a&group=G&content=2")))[0] == 503
        assert (await ask(stream, get("/nacos/v1/console/health/readiness")))[0] == 500
        assert (await ask(stream, get("/nacos/v3/admin/core/state/readiness")))[0] == 500
        assert (await ask(stream, get("/nacos/v1/console/health/liveness")))[0] == 200

    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None) as node:
            await node.config.publish("a", "1", group="G")
            await serving(node, use)


async def test_a_client_that_goes_away_ends_its_task() -> None:
    async def use(stream: trio.abc.Stream) -> None:
        await stream.send_all(b"GET /nacos/v1/cs")

    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_node(port=None) as node:
            await serving(node, use)


async def test_with_authentication_on_nothing_works_without_a_login() -> None:
    async with nacos_core.open_node(port=None, auth=True, admin_password="secret") as node:
        assert node.generated_password is None

        async def use(stream: trio.abc.Stream) -> None:
            publish = "dataId=a&group=G&content=1"
            assert (await ask(stream, post("/nacos/v1/cs/configs", publish)))[0] == 403
            assert (await ask(stream, get("/nacos/v1/console/health/readiness")))[0] == 200
            wrong = post("/nacos/v1/auth/login", "username=nacos&password=wrong")
            assert await ask(stream, wrong) == (403, b"User not found! Please check user exist or password is right!")
            status, body = await ask(stream, post("/nacos/v1/auth/login", "username=nacos&password=secret"))
            assert status == 200
            token = json.loads(body)["accessToken"]
            assert (await ask(stream, post("/nacos/v1/cs/configs", publish, f"accessToken: {token}")))[0] == 200

        with trio.fail_after(WITHIN_SECONDS):
            await serving(node, use)


async def test_a_password_is_made_up_once(tmp_path: Path) -> None:
    async with nacos_core.open_node(port=None, auth=True, data=tmp_path) as node:
        assert node.generated_password is not None
        assert len(node.generated_password) >= 20
    async with nacos_core.open_node(port=None, auth=True, data=tmp_path) as node:
        assert node.generated_password is None
    for file in tmp_path.rglob("*"):  # noqa: ASYNC240
        assert file.is_dir() or file.stat().st_mode & 0o077 == 0, f"{file} is for nobody else to read"
