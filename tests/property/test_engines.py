"""Both engines through the Python boundary: how bytes are cut changes nothing, and no bytes break anything."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from property.sessions import GrpcClient, Session, changed, grpc_requests, http_requests, pieces

cuts = st.lists(st.integers(0, 2**20), max_size=40)
requests = st.lists(http_requests(), min_size=1, max_size=8)
calls = st.lists(grpc_requests(), min_size=1, max_size=8)


def speak(parts: list[bytes], *, grpc: bool) -> Session:
    session = Session(grpc=grpc)
    for part in parts:
        session.feed(part)
    return session


def grpc_bytes(said: list[tuple[str, bytes]]) -> tuple[GrpcClient, bytes]:
    client = GrpcClient()
    client.set_up()
    for kind, body in said:
        client.ask(kind, body)
    return client, client.sent()


@given(requests, cuts)
def test_http_is_answered_alike_however_it_is_cut(said: list[bytes], places: list[int]) -> None:
    data = b"".join(said)
    whole, cut = speak([data], grpc=False), speak(pieces(data, places), grpc=False)
    assert (cut.seen, cut.output) == (whole.seen, whole.output)
    assert whole.output.count(b"HTTP/1.1 ") == len(said)


@given(calls, cuts, st.booleans())
def test_grpc_is_answered_alike_however_it_is_cut(
    said: list[tuple[str, bytes]], places: list[int], on_grpc_port: bool
) -> None:
    client, data = grpc_bytes(said)
    twin, same = grpc_bytes(said)
    assert same == data
    whole = client.answers(bytes(speak([data], grpc=True).output))
    cut = twin.answers(bytes(speak(pieces(data, places), grpc=on_grpc_port).output))
    assert cut == whole
    assert len(whole) == len(said) + 1, "every call is answered, and the stream has its acknowledgement"


@given(st.lists(st.binary(max_size=300), max_size=20), st.booleans())
def test_random_bytes_raise_nothing(parts: list[bytes], grpc: bool) -> None:
    speak(parts, grpc=grpc).end()


@given(requests, st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=10), cuts)
def test_http_with_some_bytes_changed_raises_nothing(
    said: list[bytes], changes: list[tuple[int, int]], places: list[int]
) -> None:
    session = speak(pieces(changed(b"".join(said), changes), places), grpc=False)
    session.end()
    assert session.output == b"" or session.output.startswith(b"HTTP/1.1 ")


@given(calls, st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=10), cuts)
def test_grpc_with_some_bytes_changed_raises_nothing(
    said: list[tuple[str, bytes]], changes: list[tuple[int, int]], places: list[int]
) -> None:
    _, data = grpc_bytes(said)
    speak(pieces(changed(data, changes), places), grpc=True).end()


@given(requests, st.integers(0, 2**20))
def test_a_request_cut_short_is_not_answered(said: list[bytes], length: int) -> None:
    data = b"".join(said)
    answered = speak([data[: length % len(data)]], grpc=False)
    assert answered.output.count(b"HTTP/1.1 ") < len(said)


@settings(max_examples=5, deadline=None)
@given(st.binary(min_size=1, max_size=64))
def test_input_without_end_is_cut_off(pattern: bytes) -> None:
    """Whatever is repeated for ever, the connection is ended or the input is used up: it is never all kept."""
    session = Session(grpc=False)
    sent = 0
    while sent < 40 * 1024 * 1024 and not session.hub.wants_close(session.connection):
        block = pattern * (65536 // len(pattern))
        session.feed(block)
        session.output.clear()
        sent += len(block)
    assert session.hub.wants_close(session.connection) or b"\r\n\r\n" in pattern
