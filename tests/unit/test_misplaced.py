"""Addresses that beat over HTTP are shared among the members: the core says whose one is, and serves for others."""

from __future__ import annotations

import pytest

from nacos_core import _core

REGISTER = b"POST /nacos/v1/ns/instance?serviceName=orders&ip=10.0.0.1&port=%d HTTP/1.1\r\nHost: h\r\n\r\n"


def make_hub(own_id: str, *node_ids: str) -> _core.Hub:
    hub = _core.Hub(digest_key=bytes(16), abilities={}, require_tokens=False)
    hub.set_ready(True)
    if node_ids:
        hub.distro_set_members(node_ids, own_id=own_id)
    return hub


def ask(hub: _core.Hub, connection: int, port: int) -> tuple[bytes, list[_core.Event]]:
    """What comes back at once, and what goes up."""
    events = hub.feed(connection, REGISTER % port, 1)
    return hub.take_output(connection), events


def test_members_agree_on_who_is_responsible() -> None:
    alone = make_hub("a")
    assert alone.distro_responsible("10.0.0.1", 80) == ""
    alone.distro_set_members([], own_id="a")
    assert alone.distro_responsible("10.0.0.1", 80) == "a"
    hubs = [make_hub(own_id, "a", "b", "c") for own_id in "abc"]
    said = [[hub.distro_responsible("10.0.0.1", port) for port in range(100)] for hub in hubs]
    assert said[0] == said[1] == said[2]
    assert set(said[0]) == {"a", "b", "c"}


def test_a_node_needs_to_know_only_once_who_it_is() -> None:
    hub = make_hub("")
    hub.distro_set_members([])
    with pytest.raises(ValueError, match="own_id"):
        hub.distro_set_members(["a", "b"])
    hub.distro_set_members([], own_id="a")
    hub.distro_set_members(["a", "b"])
    assert {hub.distro_responsible("10.0.0.1", port) for port in range(100)} == {"a", "b"}
    assert hub.distro_responsible("10.0.0.1", 1) == make_hub("b", "a", "b").distro_responsible("10.0.0.1", 1)


def test_a_request_goes_over_and_its_answer_comes_back() -> None:
    here, there = make_hub("a", "a", "b"), make_hub("b", "a", "b")
    connection = here.open("10.0.0.9", 1, grpc=False, now_ms=1)
    port = next(port for port in range(1, 100) if here.distro_responsible("10.0.0.1", port) == "b")
    output, events = ask(here, connection, port)
    assert output == b""
    (event,) = events
    assert isinstance(event, _core.Misplaced)
    assert (event.connection, event.node_id, event.remote_ip) == (connection, "b", "10.0.0.9")
    response = there.serve_forwarded(event.request, event.remote_ip, 1)
    here.reply_raw(event.connection, event.call, response)
    assert here.take_output(connection) == response
    assert response.endswith(b"\r\n\r\nok")
    assert (here.counts()["instances"], there.counts()["instances"]) == (0, 1)
    (event,) = ask(here, connection, port)[1]
    assert isinstance(event, _core.Misplaced)
    here.handle_here(event.connection, event.call, 1)
    assert here.take_output(connection) == response
    assert here.counts()["instances"] == 1


@pytest.mark.parametrize("request_", [b"", b"nonsense", REGISTER % 80 + b"x", b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"])
def test_nonsense_is_refused(request_: bytes) -> None:
    hub = make_hub("a", "a", "b")
    with pytest.raises(ValueError, match="forwarded"):
        hub.serve_forwarded(request_, "10.0.0.9", 1)
    with pytest.raises(ValueError, match="answer"):
        hub.reply_raw(1, 1, request_)
    assert hub.counts()["instances"] == 0
