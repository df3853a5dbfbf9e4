"""``python -m nacos_core cluster`` and the paths behind it, against a cluster in this program."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

import nacos_core
from nacos_core.embedded_cluster import _free_ports
from nacos_core.node import run_node
from nacos_core.settings import Settings
from nacos_core.tools import cluster as tool
from nacos_core.tools import remote

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from nacos_core.embedded_cluster import EmbeddedCluster

WITHIN_SECONDS = 20


@pytest.fixture
async def cluster() -> AsyncIterator[EmbeddedCluster]:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(3) as opened:
            yield opened


async def use(cluster: EmbeddedCluster, *arguments: str, at: int = 0) -> int:
    return await do(*arguments, "--server", cluster.addresses[at])


async def do(*arguments: str) -> int:
    """As ``main`` does it, which is for the main thread."""
    return await remote.told("cluster", partial(tool.carry_out, tool.build_parser().parse_args(arguments)))


async def eventually(holds: Callable[[], bool]) -> None:
    with trio.fail_after(8):
        while not holds():  # noqa: ASYNC110 - seen from outside
            await trio.sleep(0.02)


async def told(cluster: EmbeddedCluster, capsys: pytest.CaptureFixture[str], at: int) -> Any:
    capsys.readouterr()
    assert await use(cluster, "list", "--json", at=at) == 0
    return json.loads(capsys.readouterr().out)


async def test_every_member_tells_the_same_members_and_leader(
    cluster: EmbeddedCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    leader = cluster.number_of(await cluster.leader())
    answers = [await told(cluster, capsys, at) for at in range(3)]
    for answer in answers:
        members = answer["members"]
        assert sorted(member["address"] for member in members) == sorted(cluster.addresses)
        assert [member["address"] for member in members if member["extendInfo"]["leader"]] == [
            cluster.addresses[leader]
        ]
        assert {member["extendInfo"]["part"] for member in members} == {"voter"}
        assert answer["raft"]["term"] == answers[leader]["raft"]["term"]
    followers = answers[leader]["raft"]["followers"]
    assert len(followers) == 2
    assert all(follower["heardMsAgo"] < 1000 for follower in followers)
    assert [answer["raft"]["role"] for answer in answers].count("leader") == 1


async def test_the_list_is_readable(cluster: EmbeddedCluster, capsys: pytest.CaptureFixture[str]) -> None:
    assert await use(cluster, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["ADDRESS", "ID", "PART", "STATE", "BEHIND"]
    assert sum(" leader " in line and " UP" in line for line in lines) == 1
    assert lines[-1].startswith("cluster ")


async def test_leadership_goes_to_whoever_is_named(cluster: EmbeddedCluster) -> None:
    leader = cluster.number_of(await cluster.leader())
    wanted, asked = (leader + 1) % 3, (leader + 2) % 3
    assert await use(cluster, "transfer", cluster.addresses[wanted], at=asked) == 0
    await eventually(lambda: cluster[wanted].raft.is_leader)


async def test_a_node_joins_gets_its_vote_and_is_taken_out(
    cluster: EmbeddedCluster, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    await cluster[0].config.publish("a", "1")
    (port,) = _free_ports(1)
    settings = Settings(port=port, data=tmp_path, join=cluster.addresses[1])
    async with run_node(settings) as fourth:
        assert fourth.config.get("a") is not None, "a node that has joined is ready when it has caught up"
        name = f"127.0.0.1:{port}"
        await eventually(lambda: len(cluster[0].raft.machine.state.configuration.voters) == 4)  # type: ignore[union-attr]
        await fourth.config.publish("a", "2")
        assert await use(cluster, "remove", name) == 0
        await eventually(lambda: fourth.raft.machine.state.is_removed)
        for node in cluster.nodes:
            configuration = node.raft.machine.state.configuration
            assert configuration is not None
            await eventually(lambda: fourth.identity.node_id not in node.raft.machine.state.configuration.voters)  # type: ignore[union-attr]  # noqa: B023
    await cluster[0].config.publish("a", "3")


async def test_what_cannot_be_done_is_refused_with_a_reason(
    cluster: EmbeddedCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, reason in (
        (("remove", "10.0.0.1:1"), "there is no member 10.0.0.1:1"),
        (("transfer", "nobody"), "there is no member nobody"),
        (("add", cluster.addresses[1]), "is a voter already"),
        (("add", "127.0.0.1:1"), "127.0.0.1:1002 cannot be reached"),
        (("add", "nonsense"), "'nonsense' is not host:port"),
    ):
        assert await use(cluster, *arguments) == 1
        assert reason in capsys.readouterr().err, arguments
    assert await do("list", "--server", "127.0.0.1:1") == remote.UNREACHABLE
    assert "no server answers" in capsys.readouterr().err
    assert await do("list", "--server", f"ftp://{cluster.addresses[0]}") == remote.USAGE


async def test_the_password_of_the_administrator_is_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with run_node(Settings(port=0, data=tmp_path, auth=True, admin_password="a secret of tests")) as node:
        assert await do("list", "--server", node.address) == remote.REFUSED
        assert "--username" in capsys.readouterr().err
        monkeypatch.setenv("NACOS_CORE_ADMIN_PASSWORD", "wrong")
        assert await do("list", "--server", node.address) == remote.REFUSED
        assert "password are wrong" in capsys.readouterr().err
        said = ("--username", "nacos", "--password", "a secret of tests")
        assert await do("list", "--server", node.address, *said) == 0
        monkeypatch.setenv("NACOS_CORE_ADMIN_PASSWORD", "a secret of tests")
        assert await do("list", "--server", node.address) == 0


async def test_a_node_that_stands_alone_has_a_list_of_one_and_takes_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with nacos_core.open_node() as node:
        assert await do("list", "--server", node.address) == 0
        assert node.address in capsys.readouterr().out
        assert await do("add", "127.0.0.1:1", "--server", node.address) == 1
        assert "stands alone" in capsys.readouterr().err


async def test_a_linearizable_read_over_http(cluster: EmbeddedCluster) -> None:
    from wire.client import call_http

    for turn in range(6):
        await cluster[turn % 3].config.publish("a", str(turn), group="G")
        reader = cluster[(turn + 1) % 3]
        for path, names in (
            ("/nacos/v1/cs/configs", ("dataId", "group")),
            ("/nacos/v3/client/cs/config", ("dataId", "groupName")),
        ):
            assert reader.http_port is not None
            query = {names[0]: "a", names[1]: "G", "linearizable": "true"}
            ask = partial(call_http, reader.http_port, "GET", path, query)
            answer = await trio.to_thread.run_sync(ask)
            assert answer.status == 200
            assert str(turn) in answer.text
    query = {"dataId": "none", "group": "G", "linearizable": "true"}
    ask = partial(call_http, cluster.nodes[0].http_port or 0, "GET", "/nacos/v1/cs/configs", query)
    assert (await trio.to_thread.run_sync(ask)).status == 404
