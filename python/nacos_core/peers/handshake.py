"""How two nodes prove to each other that they know the cluster secret, without saying it.

```
dialling                                accepting
  Hello(nonce, who I am)          →
                                  ←       Challenge(nonce)
  Proof(mac)                      →                            the dialling side is proven
                                  ←       Welcome(who I am, mac)
```

Each mac is an HMAC-SHA256 over the side that made it, both nonces and what both sides said of themselves so far: a
proof that is sent back, or sent again in another connection, fits nothing. Who the accepting node is, it says only to a
proven peer. Either side may say ``Refused`` instead, and the connection is closed. What follows the handshake is not
protected against somebody who can change bytes on the way.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Final, TypeAlias

import msgspec

from nacos_core.errors import FrameError
from nacos_core.limits import PEER_HANDSHAKE_BYTES_MAX
from nacos_core.peers.frames import FrameReader, encode

VERSION: Final = 1
NONCE_BYTES: Final = 32

SECRET_DIFFERS: Final = "the cluster secret differs"
_TOO_LONG: Final = f"the handshake is not over after {PEER_HANDSHAKE_BYTES_MAX} bytes"
_TOO_MUCH: Final = "more was sent than the handshake needs"

# Only what can be shown as it is: these texts get into logs and answers.
_Name = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{1,255}\Z")]
_NameOrNothing = Annotated[str, msgspec.Meta(pattern=r"\A[!-~]{0,255}\Z")]
_Line = Annotated[str, msgspec.Meta(pattern=r"\A[ -~]{1,800}\Z")]
_Nonce = Annotated[bytes, msgspec.Meta(min_length=NONCE_BYTES, max_length=NONCE_BYTES)]
_Mac = Annotated[bytes, msgspec.Meta(max_length=hashlib.sha256().digest_size)]


class Identity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a node says of itself."""

    node_id: _Name
    address: _NameOrNothing
    """``host:port`` under which it wants to be known; empty for somebody who only asks, as the command line does."""
    cluster_id: _NameOrNothing = ""
    """Empty: not in a cluster yet."""


class _Frame(msgspec.Struct, frozen=True, array_like=True, tag_field="handshake", gc=False):
    """What all frames of the handshake have in common."""


class Hello(_Frame, frozen=True, tag="hello"):
    """The dialling side begins."""

    version: int
    has_secret: bool
    nonce: _Nonce
    identity: Identity


class Challenge(_Frame, frozen=True, tag="challenge"):
    """The accepting side wants a proof."""

    version: int
    has_secret: bool
    nonce: _Nonce


class Proof(_Frame, frozen=True, tag="proof"):
    """The dialling side's proof; empty where no secret is used."""

    mac: _Mac


class Welcome(_Frame, frozen=True, tag="welcome"):
    """The accepting side has seen the proof, and gives its own."""

    identity: Identity
    mac: _Mac


class Refused(_Frame, frozen=True, tag="refused"):
    """No; the sender closes the connection."""

    reason: _Line


Frame: TypeAlias = Hello | Challenge | Proof | Welcome | Refused


@dataclass(slots=True, kw_only=True)
class Handshake:
    """One side of one handshake: bytes in, bytes out. It is over once ``peer`` or ``refusal`` is set.

    Args:
        identity: what this node says of itself.
        secret: the cluster secret; None if this node has none.
        nonce: 32 bytes that nobody can foretell, never used before.
        is_dialling: which side this is.
        is_local: both ends of the connection are loopback addresses, so that no secret is needed.
    """

    identity: Identity
    secret: bytes | None = field(repr=False)
    nonce: bytes
    is_dialling: bool
    is_local: bool

    peer: Identity | None = field(default=None, init=False)
    """Who the other side is, once it is proven."""
    refusal: str = field(default="", init=False)
    """Why it failed, for people; in words that hold for both sides."""
    _hello: Hello | None = field(default=None, init=False)
    _challenge: Challenge | None = field(default=None, init=False)
    _reader: FrameReader = field(init=False)
    _bytes_count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if len(self.nonce) != NONCE_BYTES:
            raise ValueError(f"a nonce has {NONCE_BYTES} bytes")
        if self.secret is not None and not self.secret:
            raise ValueError("an empty secret is none")
        self._reader = FrameReader(Frame, PEER_HANDSHAKE_BYTES_MAX)

    @property
    def is_over(self) -> bool:
        """Nothing more is read: the peer is known, or refused."""
        return self.peer is not None or bool(self.refusal)

    @property
    def bytes_left(self) -> int:
        """How many more bytes may be read; more than 0 until it is over."""
        return PEER_HANDSHAKE_BYTES_MAX - self._bytes_count

    def start(self) -> bytes:
        """What to send first; nothing on the accepting side."""
        if not self.is_dialling:
            return b""
        self._hello = Hello(VERSION, self.secret is not None, self.nonce, self.identity)
        return encode(self._hello)

    def feed(self, data: bytes | bytearray) -> bytes:
        """Takes the next bytes of the other side and gives what to send, also when that is a refusal."""
        if self.is_over:
            return b""
        self._bytes_count += len(data)
        if self.bytes_left < 0:
            return self._refuse(_TOO_LONG)
        output = b""
        try:
            for frame in self._reader.feed(data):
                if self.is_over:
                    return self._refuse(_TOO_MUCH)
                output += self._take(frame)
        except FrameError as error:
            return self._refuse(_TOO_MUCH if self.is_over else str(error))
        if self.is_over:
            return self._refuse(_TOO_MUCH) if self._reader.pending_bytes else output
        return output if self.bytes_left else self._refuse(_TOO_LONG)

    def _take(self, frame: Frame) -> bytes:
        if isinstance(frame, Refused):
            self.refusal = frame.reason
            return b""
        step = self._steps().get(type(frame))
        if step is None:
            return self._refuse(f"{type(frame).__name__} was not expected")
        return step(frame)

    def _steps(self) -> dict[type, Callable[..., bytes]]:
        """What this side waits for."""
        if self.is_dialling:
            return {Challenge: self._take_challenge} if self._challenge is None else {Welcome: self._take_welcome}
        return {Hello: self._take_hello} if self._hello is None else {Proof: self._take_proof}

    def _take_hello(self, hello: Hello) -> bytes:
        self._hello = hello
        self._challenge = Challenge(VERSION, self.secret is not None, self.nonce)
        if reason := self._reason_against(hello, self._challenge):
            return self._refuse(reason)
        return encode(self._challenge)

    def _take_challenge(self, challenge: Challenge) -> bytes:
        assert self._hello is not None, "the dialling side begins with a hello"
        self._challenge = challenge
        # Checked on this side as well: nobody can talk a node with a secret into going without.
        if reason := self._reason_against(self._hello, challenge):
            return self._refuse(reason)
        return encode(Proof(self._mac("dialling", None)))

    def _take_proof(self, proof: Proof) -> bytes:
        assert self._hello is not None, "a proof is expected after a hello only"
        if not hmac.compare_digest(proof.mac, self._mac("dialling", None)):
            return self._refuse(SECRET_DIFFERS)
        if reason := self._reason_against_identity(self._hello.identity):
            return self._refuse(reason)
        self.peer = self._hello.identity
        return encode(Welcome(self.identity, self._mac("accepting", self.identity)))

    def _take_welcome(self, welcome: Welcome) -> bytes:
        if not hmac.compare_digest(welcome.mac, self._mac("accepting", welcome.identity)):
            return self._refuse(SECRET_DIFFERS)
        if reason := self._reason_against_identity(welcome.identity):
            return self._refuse(reason)
        self.peer = welcome.identity
        return b""

    def _reason_against(self, hello: Hello, challenge: Challenge) -> str:
        """What is wrong with the two sides before anything is proven."""
        if hello.version != challenge.version:
            return (
                f"the dialling side speaks version {hello.version} of the peer protocol, "
                f"the accepting side version {challenge.version}"
            )
        match hello.has_secret, challenge.has_secret:
            case True, False:
                return "the dialling side has a cluster secret and the accepting side has none"
            case False, True:
                return "the accepting side has a cluster secret and the dialling side has none"
            case False, False if not self.is_local:
                return "there is no cluster secret, and the connection does not stay on one machine"
        return ""

    def _reason_against_identity(self, other: Identity) -> str:
        """What is wrong with a peer that is proven."""
        if other.node_id == self.identity.node_id:
            return f"both sides are node {other.node_id}: a node has met itself, or a copy of its data folder"
        own, its = self.identity.cluster_id, other.cluster_id
        if own and its and own != its:
            dialling, accepting = (own, its) if self.is_dialling else (its, own)
            return f"the dialling side belongs to cluster {dialling}, the accepting side to cluster {accepting}"
        return ""

    def _mac(self, side: str, accepting: Identity | None) -> bytes:
        if self.secret is None:
            return b""
        # One msgpack value: every part has its length, so that no two different conversations have the same bytes.
        said = msgspec.msgpack.encode((side, self._hello, self._challenge, accepting))
        return hmac.digest(self.secret, said, "sha256")

    def _refuse(self, reason: str) -> bytes:
        self.peer = None
        self.refusal = reason
        return encode(Refused(_printable(reason)))


def _printable(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)[:800]
