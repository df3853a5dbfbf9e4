"""What peers send, byte by byte: how it is cut changes nothing, and no bytes break anything."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nacos_core import limits
from nacos_core.errors import FrameError, WrongAddress
from nacos_core.peers.addresses import parse_member, parse_members
from nacos_core.peers.frames import FrameReader, encode
from nacos_core.peers.handshake import NONCE_BYTES, Handshake, Identity
from nacos_core.peers.protocol import Answer, Ask, Refuse, Tell
from property.sessions import changed, pieces
from support.peers import PROTOCOL, Note, Question, Reply

FRAME_TYPE = PROTOCOL.frame_type()

numbers = st.integers(0, 2**63 - 1)
frames = st.one_of(
    st.builds(Tell, st.builds(Note, numbers, st.binary(max_size=200))),
    st.builds(Ask, numbers, st.builds(Question, st.text(max_size=50))),
    st.builds(Answer, numbers, st.builds(Reply, st.text(max_size=50))),
    st.builds(Refuse, numbers, st.text(max_size=50)),
)
cuts = st.lists(st.integers(0, 2**20), max_size=40)
changes = st.lists(st.tuples(st.integers(0, 2**20), st.integers(0, 255)), max_size=10)


def read(parts: list[bytes], bytes_max: int = 10_000) -> tuple[list[Any], str]:
    """The frames, and the error that ended them."""
    reader = FrameReader(FRAME_TYPE, bytes_max)
    found: list[Any] = []
    try:
        for part in parts:
            for frame in reader.feed(part):
                found.append(frame)
            assert reader.pending_bytes <= bytes_max + 4
    except FrameError as error:
        return found, str(error)
    return found, ""


@given(st.lists(frames, max_size=20), cuts)
def test_frames_are_the_same_however_they_are_cut(sent: list[Any], places: list[int]) -> None:
    data = b"".join(map(encode, sent))
    assert read(pieces(data, places)) == (sent, "")
    assert read([data[index : index + 1] for index in range(len(data))]) == (sent, "")
    assert read([data]) == (sent, "")


@given(st.lists(frames, min_size=1, max_size=20), changes, cuts)
def test_errors_are_the_same_however_they_are_cut(
    sent: list[Any], where: list[tuple[int, int]], places: list[int]
) -> None:
    data = changed(b"".join(map(encode, sent)), where)
    assert read(pieces(data, places)) == read([data])


@given(st.lists(frames, min_size=1, max_size=10), st.integers(0, 2**20))
def test_a_frame_cut_short_is_waited_for(sent: list[Any], length: int) -> None:
    data = b"".join(map(encode, sent))
    found, error = read([data[: length % len(data)]])
    assert error == ""
    assert found == sent[: len(found)]
    assert len(found) < len(sent)


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_random_bytes_raise_the_documented_error_only(parts: list[bytes]) -> None:
    read(parts)
    read([len(part).to_bytes(4, "big") + part for part in parts])


@given(st.integers(0, 2**32 - 1))
def test_a_length_beyond_the_limit_is_refused_before_its_bytes_come(length: int) -> None:
    reader = FrameReader(FRAME_TYPE, 1000)
    try:
        assert list(reader.feed(length.to_bytes(4, "big"))) == []
        assert 1 <= length <= 1000
    except FrameError:
        assert not 1 <= length <= 1000


def test_a_value_nested_too_deeply_is_an_error_like_others() -> None:
    deep = b"\x91" * 100_000
    for nested in (deep, b"\x93\0" + deep, b"\x93\0\x92\xa4note\1" + deep):
        found, error = read([len(nested).to_bytes(4, "big") + nested], 1_000_000)
        assert found == []
        assert "cannot be read" in error


def new_handshake(*, is_dialling: bool) -> Handshake:
    return Handshake(
        identity=Identity("a" if is_dialling else "b", "h:1"),
        secret=b"sixteen letters!",
        nonce=(b"d" if is_dialling else b"a") * NONCE_BYTES,
        is_dialling=is_dialling,
        is_local=False,
    )


@given(st.booleans(), st.lists(st.binary(max_size=400), max_size=20), cuts)
def test_no_bytes_make_a_peer_of_somebody_without_the_secret(
    is_dialling: bool, parts: list[bytes], places: list[int]
) -> None:
    for data in (b"".join(parts), b"".join(len(part).to_bytes(4, "big") + part for part in parts)):
        machine = new_handshake(is_dialling=is_dialling)
        machine.start()
        for part in pieces(data, places):
            if machine.is_over:
                break
            machine.feed(part)
        assert machine.peer is None
        assert machine.is_over or sum(map(len, parts)) <= limits.PEER_HANDSHAKE_BYTES_MAX


@given(cuts, changes)
def test_a_handshake_is_the_same_however_it_is_cut(places: list[int], where: list[tuple[int, int]]) -> None:
    one, other = new_handshake(is_dialling=True), new_handshake(is_dialling=False)
    hello = one.start()
    proof = one.feed(other.feed(hello))
    for data in (hello, changed(hello, where)):
        whole, cut = new_handshake(is_dialling=False), new_handshake(is_dialling=False)
        answers = [whole.feed(data), b"".join(cut.feed(part) for part in pieces(data, places) if not cut.is_over)]
        assert answers[0] == answers[1]
        assert whole.refusal == cut.refusal
    altered = changed(proof, where)
    assert (b"welcome" in other.feed(altered)) == (altered == proof)


@given(st.text(max_size=60) | st.from_regex(r"[a-z0-9.\[\]:-]{0,40}:[0-9]{1,6}(@[0-9]{1,6})?", fullmatch=True))
def test_any_text_is_a_member_or_refused(text: str) -> None:
    try:
        member = parse_member(text)
    except WrongAddress:
        return
    assert parse_member(str(member)) == member


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(8848, 8852)), min_size=1, max_size=4), st.randoms())
def test_a_list_is_read_alike_in_any_order(entries: list[tuple[str, int]], shuffle: Any) -> None:
    names = [f"{host}:{port}" for host, port in entries]
    shuffled = list(names)
    shuffle.shuffle(shuffled)
    outcomes = []
    for one in (names, shuffled):
        try:
            outcomes.append(str(parse_members(",".join(one))))
        except WrongAddress as error:
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1], "errors too"
