"""The Payload message of the Nacos gRPC protocol, written and read by hand: three field shapes are all there is.

Payload { Metadata metadata = 2; Any body = 3 }    Metadata { string type = 3; map<string,string> headers = 7;
string clientIp = 8 }    Any { string type_url = 1; bytes value = 2 }; the value is JSON text.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003  a dataclass field's type should be found at run time
from dataclasses import dataclass


@dataclass(frozen=True)
class Payload:
    kind: str
    body: bytes
    headers: Mapping[str, str]
    client_ip: str = ""

    def encode(self) -> bytes:
        metadata = _field(3, self.kind.encode())
        for name, value in self.headers.items():
            metadata += _field(7, _field(1, name.encode()) + _field(2, value.encode()))
        if self.client_ip:
            metadata += _field(8, self.client_ip.encode())
        return _field(2, metadata) + _field(3, _field(2, self.body))

    @staticmethod
    def decode(message: bytes) -> Payload:
        top = dict(_fields(message))
        metadata = _fields(top.get(2, b""))
        headers = {}
        for entry in (value for number, value in metadata if number == 7):
            pair = dict(_fields(entry))
            headers[pair.get(1, b"").decode()] = pair.get(2, b"").decode()
        named = dict(metadata)
        body = dict(_fields(top.get(3, b""))).get(2, b"")
        return Payload(named.get(3, b"").decode(), body, headers, named.get(8, b"").decode())


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _fields(message: bytes) -> list[tuple[int, bytes]]:
    """Length-delimited fields in order; the protocol has no others, so any other wire type is an error."""
    position = 0

    def varint() -> int:
        nonlocal position
        number = shift = 0
        while True:
            byte = message[position]
            position += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    found = []
    while position < len(message):
        tag = varint()
        if tag & 7 != 2:
            raise ValueError(f"field {tag >> 3} has wire type {tag & 7}")
        size = varint()
        found.append((tag >> 3, message[position : position + size]))
        position += size
    return found
