"""An instance list whose digest is computed anew after each change: md5 over the sorted list of its texts, as the 1.x
servers of this protocol did."""

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PlainInstance:
    ip: str
    port: int
    weight: float
    healthy: bool
    enabled: bool
    cluster: str
    metadata: tuple[tuple[str, str], ...]

    def text(self) -> str:
        metadata = ",".join(f"{name}={value}" for name, value in self.metadata)
        return f"{self.ip}:{self.port}_{self.weight}_{self.healthy}_{self.enabled}_{self.cluster}_{metadata}"


class PlainService:
    """The instances of one service by who publishes them."""

    def __init__(self) -> None:
        self.instances: dict[int, PlainInstance] = {}

    def register(self, publisher: int, instance: PlainInstance) -> None:
        self.instances[publisher] = instance

    def digest(self) -> bytes:
        return hashlib.md5(
            ",".join(sorted([instance.text() for instance in self.instances.values()])).encode()
        ).digest()
