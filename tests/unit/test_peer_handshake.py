"""Who may become a peer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from nacos_core import limits
from nacos_core.peers.frames import FrameReader, encode
from nacos_core.peers.handshake import (
    NONCE_BYTES,
    SECRET_DIFFERS,
    VERSION,
    Challenge,
    Frame,
    Handshake,
    Hello,
    Identity,
    Proof,
    Refused,
    Welcome,
)

SECRET = b"sixteen letters!"
A = Identity("a", "10.0.0.1:8848", "")
B = Identity("b", "10.0.0.2:8848", "")
NEXT_NONCE = iter(range(1, 2**30))


def side(identity: Identity, *, is_dialling: bool, secret: bytes | None = SECRET, is_local: bool = False) -> Handshake:
    nonce = next(NEXT_NONCE).to_bytes(NONCE_BYTES, "big")
    return Handshake(identity=identity, secret=secret, nonce=nonce, is_dialling=is_dialling, is_local=is_local)


def dialling(identity: Identity = A, **more: Any) -> Handshake:
    return side(identity, is_dialling=True, **more)


def accepting(identity: Identity = B, **more: Any) -> Handshake:
    return side(identity, is_dialling=False, **more)


def talk(one: Handshake, other: Handshake) -> list[bytes]:
    """Lets two sides talk until neither says anything; gives what was said, in turns."""
    said: list[bytes] = []
    data = one.start()
    speaker, listener = one, other
    while data:
        said.append(data)
        data = listener.feed(data)
        speaker, listener = listener, speaker
    return said


def decode(data: bytes) -> Any:
    (frame,) = FrameReader(Frame).feed(data)
    return frame


@pytest.mark.parametrize("cluster_ids", [("", ""), ("red", ""), ("", "red"), ("red", "red")])
def test_two_nodes_with_one_secret_know_each_other(cluster_ids: tuple[str, str]) -> None:
    a, b = (replace_cluster(who, id_) for who, id_ in zip((A, B), cluster_ids, strict=True))
    one, other = dialling(a), accepting(b)
    said = talk(one, other)
    assert [type(decode(data)) for data in said] == [Hello, Challenge, Proof, Welcome]
    assert (one.peer, other.peer) == (b, a)
    assert one.refusal == other.refusal == ""
    assert one.is_over
    assert other.is_over
    assert not any(SECRET in data for data in said)


def replace_cluster(identity: Identity, cluster_id: str) -> Identity:
    return msgspec.structs.replace(identity, cluster_id=cluster_id)


def refused(one: Handshake, other: Handshake) -> str:
    said = talk(one, other)
    assert one.peer is None
    assert other.peer is None
    assert one.is_over
    assert other.is_over
    assert one.refusal == other.refusal, "both sides can log it"
    assert isinstance(decode(said[-1]), Refused)
    return one.refusal


def test_who_the_accepting_side_is_is_told_to_a_proven_peer_only() -> None:
    one, other = dialling(secret=b"another secret!!"), accepting()
    said = talk(one, other)
    assert not any(B.node_id.encode() in data for data in said[1::2] if isinstance(decode(data), Challenge | Welcome))
    assert not any(B.address.encode() in data for data in said)


def test_a_wrong_secret_is_refused_and_nothing_else_is_said() -> None:
    assert refused(dialling(secret=b"another secret!!"), accepting()) == SECRET_DIFFERS
    assert refused(dialling(secret=SECRET + b"x"), accepting(replace_cluster(B, "red"))) == SECRET_DIFFERS


def test_a_secret_on_one_side_only_names_the_side() -> None:
    one_sided = "the dialling side has a cluster secret and the accepting side has none"
    assert refused(dialling(), accepting(secret=None, is_local=True)) == one_sided
    one_sided = "the accepting side has a cluster secret and the dialling side has none"
    assert refused(dialling(secret=None, is_local=True), accepting()) == one_sided


def test_no_secret_at_all_is_for_one_machine_only() -> None:
    one, other = dialling(secret=None, is_local=True), accepting(secret=None, is_local=True)
    talk(one, other)
    assert (one.peer, other.peer) == (B, A)
    no_secret = "there is no cluster secret, and the connection does not stay on one machine"
    assert refused(dialling(secret=None), accepting(secret=None)) == no_secret
    assert refused(dialling(secret=None, is_local=True), accepting(secret=None)) == no_secret
    assert refused(dialling(secret=None), accepting(secret=None, is_local=True)) == no_secret


def test_two_clusters_are_named() -> None:
    reason = refused(dialling(replace_cluster(A, "red")), accepting(replace_cluster(B, "blue")))
    assert reason == "the dialling side belongs to cluster red, the accepting side to cluster blue"


def test_the_dialling_side_looks_at_the_cluster_too() -> None:
    class Careless(Handshake):
        def _reason_against_identity(self, other: Identity) -> str:
            return ""

    one = dialling(replace_cluster(A, "red"))
    blue = replace_cluster(B, "blue")
    other = Careless(identity=blue, secret=SECRET, nonce=bytes(NONCE_BYTES), is_dialling=False, is_local=False)
    talk(one, other)
    assert other.peer == one.identity, "it does not look"
    assert one.peer is None
    assert one.refusal == "the dialling side belongs to cluster red, the accepting side to cluster blue"


def test_a_node_that_meets_itself_refuses() -> None:
    assert (
        refused(dialling(), accepting(A))
        == "both sides are node a: a node has met itself, or a copy of its data folder"
    )


def test_other_versions_are_named() -> None:
    other = accepting()
    hello = Hello(VERSION + 1, True, bytes(NONCE_BYTES), A)
    answer = decode(other.feed(encode(hello)))
    assert answer == Refused("the dialling side speaks version 2 of the peer protocol, the accepting side version 1")
    one = dialling()
    one.start()
    answer = decode(one.feed(encode(Challenge(VERSION + 1, True, bytes(NONCE_BYTES)))))
    assert answer == Refused("the dialling side speaks version 1 of the peer protocol, the accepting side version 2")


def test_a_replayed_conversation_proves_nothing() -> None:
    hello, old_challenge, proof, welcome = talk(dialling(), accepting())
    other = accepting()
    other.feed(hello)
    assert decode(other.feed(proof)) == Refused(SECRET_DIFFERS)
    assert other.peer is None
    one = dialling()
    challenge = accepting().feed(one.start())
    one.feed(challenge)
    one.feed(welcome)
    assert one.peer is None
    assert one.refusal == SECRET_DIFFERS
    again = dialling()
    again.start()
    again.feed(old_challenge)
    again.feed(welcome)
    assert again.peer is None
    assert again.refusal == SECRET_DIFFERS


def test_a_reflected_proof_proves_nothing() -> None:
    """An attacker without the secret dials a node that dials it, and hands each side's frames to the other."""
    victim_dials, victim_accepts = dialling(A), accepting(A)
    challenge = victim_accepts.feed(victim_dials.start())
    proof = victim_dials.feed(challenge)
    answer = decode(victim_accepts.feed(proof))
    assert isinstance(answer, Refused), "it has met itself"
    # The dialling side's own proof is no welcome, whatever identity is put before it.
    mac = decode(proof).mac
    for identity in (A, B, Identity("c", "c:1")):
        one = dialling(A)
        one.start()
        one.feed(encode(Challenge(VERSION, True, bytes(NONCE_BYTES))))
        one.feed(encode(Welcome(identity, mac)))
        assert one.refusal == SECRET_DIFFERS


@pytest.mark.parametrize(
    "forged", [A, Identity("c", A.address), Identity("a", "10.9.9.9:1"), Identity("a", A.address, "x")]
)
def test_a_proof_holds_for_one_identity(forged: Identity) -> None:
    """Somebody between the two changes who the dialling side says it is."""
    one, other = dialling(), accepting()
    hello = decode(one.start())
    challenge = other.feed(encode(msgspec.structs.replace(hello, identity=forged)))
    answer = decode(other.feed(one.feed(challenge)))
    assert isinstance(answer, Welcome) == (forged == A)


def test_a_welcome_holds_for_one_identity() -> None:
    one, other = dialling(), accepting()
    welcome = decode(other.feed(one.feed(other.feed(one.start()))))
    one.feed(encode(msgspec.structs.replace(welcome, identity=Identity("c", B.address))))
    assert one.peer is None
    assert one.refusal == SECRET_DIFFERS


@pytest.mark.parametrize("mac", [b"", b"\0" * 32, b"x"])
def test_nothing_is_no_proof(mac: bytes) -> None:
    other = accepting()
    other.feed(dialling().start())
    assert decode(other.feed(encode(Proof(mac)))) == Refused(SECRET_DIFFERS)


def test_a_node_with_a_secret_cannot_be_talked_into_going_without() -> None:
    one = dialling(is_local=True)
    one.start()
    answer = decode(one.feed(encode(Challenge(VERSION, False, bytes(NONCE_BYTES)))))
    assert answer == Refused("the dialling side has a cluster secret and the accepting side has none")


def test_frames_out_of_turn_are_refused() -> None:
    hello, challenge, proof, welcome = talk(dialling(), accepting())
    for wrong in (challenge, proof, welcome):
        assert "was not expected" in decode(accepting().feed(wrong)).reason
    for wrong in (hello, proof, welcome):
        one = dialling()
        one.start()
        assert "was not expected" in decode(one.feed(wrong)).reason


def test_no_more_is_taken_than_the_limit() -> None:
    other = accepting()
    assert other.feed((limits.PEER_HANDSHAKE_BYTES_MAX - 4).to_bytes(4, "big")) == b""
    assert other.feed(bytes(limits.PEER_HANDSHAKE_BYTES_MAX - 5)) == b""
    assert other.bytes_left == 1
    other.feed(bytes(1))
    assert other.is_over
    exact = accepting()
    assert decode(exact.feed(bytes([0, 0, 16, 0]) + bytes(4092))).reason == "the handshake is not over after 4096 bytes"
    many = accepting()
    many.feed(dialling().start())
    while not many.is_over:
        many.feed(b"\0\0\x01\0")
    assert many.refusal
    assert (
        "handshake is not over after 4096 bytes" in decode(accepting().feed(bytes([0, 0, 15, 0]) + bytes(4093))).reason
    )


def test_what_follows_too_early_is_refused() -> None:
    hello, _, _, _ = talk(dialling(), accepting())
    for extra in (b"\0", hello, b"\xff\xff\xff\xff"):
        one, other = dialling(), accepting()
        proof = one.feed(other.feed(one.start()))
        assert decode(other.feed(proof + extra)) == Refused("more was sent than the handshake needs")
        assert other.peer is None


@pytest.mark.parametrize(
    "identity",
    [
        Identity("", "h:1"),
        Identity("a" * 256, "h:1"),
        Identity("a\n2026 ERROR forged line", "h:1"),
        Identity("a", "h:1\x1b[2J"),
        Identity("a", "h:1", "\n"),
        Identity("a\n", "h:1"),
    ],
)
def test_names_that_would_spoil_a_log_are_refused(identity: Identity) -> None:
    other = accepting()
    answer = decode(other.feed(encode(Hello(VERSION, True, bytes(NONCE_BYTES), identity))))
    assert "cannot be read" in answer.reason


def test_a_refusal_that_would_spoil_a_log_is_not_shown() -> None:
    one = dialling()
    one.start()
    one.feed(encode(Refused("no\nERROR forged")))
    assert "forged" not in one.refusal


def test_somebody_who_only_asks_needs_no_address() -> None:
    one, other = dialling(Identity("command-line-1", "")), accepting()
    talk(one, other)
    assert other.peer == Identity("command-line-1", "")


def test_a_short_nonce_or_an_empty_secret_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="nonce"):
        Handshake(identity=A, secret=SECRET, nonce=b"short", is_dialling=True, is_local=True)
    with pytest.raises(ValueError, match="empty secret"):
        dialling(secret=b"")


def test_the_secret_is_not_shown() -> None:
    assert SECRET.decode() not in repr(dialling())


def test_nonces_are_said_as_given() -> None:
    one = dialling()
    assert decode(one.start()).nonce == one.nonce
    twin = replace(dialling(), nonce=one.nonce)
    assert decode(twin.start()).nonce == one.nonce
