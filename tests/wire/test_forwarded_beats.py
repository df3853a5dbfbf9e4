"""Addresses that register, beat and deregister at the node that does not handle them, in a cluster of two."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import trio

import nacos_core
from nacos_core.distro.forwarding import Forward, Forwarded
from wire.client import HttpAnswer, call_http

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from nacos_core.peers.handshake import Identity

WITHIN_SECONDS = 20
REGISTER = ("POST", "/nacos/v1/ns/instance")
BEAT = ("PUT", "/nacos/v1/ns/instance/beat")
DEREGISTER = ("DELETE", "/nacos/v1/ns/instance")
REGISTER_V3 = ("POST", "/nacos/v3/client/ns/instance")
DEREGISTER_V3 = ("DELETE", "/nacos/v3/client/ns/instance")
IP = "10.1.1.1"


@pytest.fixture
async def cluster() -> AsyncIterator[nacos_core.EmbeddedCluster]:
    with trio.fail_after(WITHIN_SECONDS):
        async with nacos_core.open_cluster(2) as cluster:
            ids = [node.identity.node_id for node in cluster.nodes]
            for node, own_id in zip(cluster.nodes, ids, strict=True):
                node._hub.distro_set_members(ids, own_id=own_id)
            yield cluster


async def ask(node: nacos_core.Node, what: tuple[str, str], **form: Any) -> HttpAnswer:
    assert node.http_port is not None
    call = partial(call_http, node.http_port, *what, form={"serviceName": "orders", "ip": IP, **form})
    return await trio.to_thread.run_sync(call)


def ports_of(asked: nacos_core.Node, responsible: nacos_core.Node) -> Iterator[int]:
    """Ports at which the address is, in the eyes of the node that is asked, the other one's."""
    wanted = responsible.identity.node_id
    return (port for port in range(1, 1000) if asked._hub.distro_responsible(IP, port) == wanted)


def ports_at(node: nacos_core.Node) -> list[int]:
    return [host.port for host in node.naming.list("orders").hosts]


def said(answer: HttpAnswer) -> tuple[int, dict[str, str], bytes]:
    return answer.status, dict(answer.headers), answer.content


def count_forwarded(node: nacos_core.Node) -> list[bytes]:
    """Every request that the node handles for another one from now on."""
    requests: list[bytes] = []
    assert node.cluster is not None
    answer = node.cluster._peers.callbacks.requests[Forward]

    def note(peer: Identity, question: Forward) -> Any:
        requests.append(question.request)
        return answer(peer, question)

    node.cluster.answer(Forward, note)
    return requests


async def test_what_reaches_the_wrong_node_is_handled_by_the_right_one(cluster: nacos_core.EmbeddedCluster) -> None:
    wrong, right = cluster.nodes
    port = next(ports_of(wrong, right))
    forwarded = count_forwarded(right)
    steps: list[tuple[tuple[str, str], dict[str, Any], str, list[int]]] = [
        (BEAT, {}, "20404", []),
        (REGISTER, {"metadata": "a=1"}, "ok", [port]),
        (BEAT, {}, "10200", [port]),
        (REGISTER_V3, {"heartBeat": "true"}, "success", [port]),
        (DEREGISTER, {}, "ok", []),
        (REGISTER_V3, {"heartBeat": "true"}, "not found", []),
        (BEAT, {"beat": f'{{"ip":"{IP}","port":{port}}}'}, "10200", [port]),
        (DEREGISTER_V3, {}, "success", []),
    ]
    for number, (what, form, text, ports) in enumerate(steps, 1):
        answer = await ask(wrong, what, port=port, **form)
        assert text in answer.text, what
        assert ports_at(right) == ports, what
        assert len(forwarded) == number
    answer = await ask(wrong, REGISTER, port=port, weight=-1)
    assert (answer.status, len(forwarded)) == (400, len(steps)), "what is wrong is said at once"


async def test_a_client_sees_the_same_bytes_wherever_it_asks(cluster: nacos_core.EmbeddedCluster) -> None:
    wrong, right = cluster.nodes
    port = next(ports_of(wrong, right))
    forwarded = count_forwarded(right)
    cases: list[tuple[tuple[str, str], dict[str, Any]]] = [
        (BEAT, {}),
        (REGISTER, {}),
        (BEAT, {}),
        (REGISTER_V3, {}),
        (REGISTER_V3, {"heartBeat": "true"}),
        (DEREGISTER, {}),
        (DEREGISTER_V3, {}),
        (BEAT, {"beat": f'{{"ip":"{IP}","port":{port},"weight":-1}}'}),
    ]
    for what, form in cases:
        assert said(await ask(wrong, what, port=port, **form)) == said(await ask(right, what, port=port, **form)), what
    assert len(forwarded) == len(cases)


async def test_what_cannot_get_there_is_handled_here(cluster: nacos_core.EmbeddedCluster) -> None:
    left, gone = cluster.nodes
    ports = ports_of(left, gone)
    steps = (BEAT, REGISTER, BEAT, DEREGISTER)
    forwarded = count_forwarded(gone)
    port = next(ports)
    there = [said(await ask(left, what, port=port)) for what in steps]
    assert there[2][2] != there[0][2], "it was registered"
    assert len(forwarded) == len(steps)
    await cluster.kill(1)
    port = next(ports)
    here = []
    for what, is_there in zip(steps, (False, True, True, False), strict=True):
        here.append(said(await ask(left, what, port=port)))
        assert (port in ports_at(left)) == is_there
    assert here == there


async def test_a_node_that_says_nothing_is_waited_for_a_second(cluster: nacos_core.EmbeddedCluster) -> None:
    left, silent = cluster.nodes
    port = next(ports_of(left, silent))
    assert silent.cluster is not None

    async def say_nothing(peer: Identity, question: Forward) -> Forwarded:
        await trio.sleep_forever()
        raise AssertionError

    silent.cluster.answer(Forward, say_nothing)
    started = trio.current_time()
    assert (await ask(left, REGISTER, port=port)).text == "ok"
    assert 0.9 < trio.current_time() - started < 3
    assert ports_at(left) == [port]


async def test_what_is_done_for_another_node_is_told_to_those_who_wait_for_it(
    cluster: nacos_core.EmbeddedCluster,
) -> None:
    wrong, right = cluster.nodes
    port = next(ports_of(wrong, right))
    async with right.naming.subscribe("orders") as states:
        async for service in states:
            if [host.port for host in service.hosts] == [port]:
                break
            assert service.hosts == ()
            assert (await ask(wrong, REGISTER, port=port)).text == "ok"
