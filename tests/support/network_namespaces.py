"""Machines that are namespaces of this one: each node has a network of its own, and a wire that can be pulled.

All nodes of a test hang on a switch; a second wire to each, which is never pulled, is how the test itself talks to it.
A pulled wire is silent, as a network is that has failed: nobody is told that a connection is over.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Self

from support.cluster_process import ClusterProcess
from support.node_process import NodeProcess

if TYPE_CHECKING:
    from pathlib import Path

PORT = 8848
SECRET = "a secret of sixteen characters"


def why_not() -> str:
    """Why there can be no namespaces here; "" if there can."""
    if sys.platform != "linux":
        return "only Linux has network namespaces"
    if os.geteuid() != 0:
        return "network namespaces are only for root"
    name = f"nacos-try-{os.getpid()}"
    try:
        _ip("netns", "add", name)
        try:
            _ip("-n", name, "link", "add", "switch", "type", "bridge")
            _ip("-n", name, "link", "add", "one", "type", "veth", "peer", "name", "two")
        finally:
            _ip("netns", "delete", name)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"this system permits no network namespaces: {getattr(error, 'stderr', '') or error}"
    return ""


class NamespaceCluster(ClusterProcess):
    """A cluster whose nodes are as far from each other as machines are."""

    def __init__(self, folder: Path, *arguments: str, count: int = 3) -> None:
        self.folder = folder
        self.arguments = arguments
        self.count = count
        self.members = ",".join(f"{self.inner_host(number)}:{PORT}" for number in range(count))
        self.nodes = [self._new_node(number) for number in range(count)]

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self._tear_down()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            super().__exit__(*exception)
        finally:
            self._tear_down()

    @staticmethod
    def inner_host(number: int) -> str:
        """Where the other nodes find this one."""
        return f"10.99.0.{number + 1}"

    def cut(self, *nodes: NodeProcess) -> None:
        """Pulls the wires of these; among each other they are cut off as well."""
        for node in nodes:
            _ip("-n", self._switch, "link", "set", self._port(node), "nomaster")

    def cut_together(self, *nodes: NodeProcess) -> None:
        """Puts these on a switch of their own: they reach each other, and nobody else."""
        for node in nodes:
            _ip("-n", self._switch, "link", "set", self._port(node), "master", "other")

    def cut_between(self, one: NodeProcess, other: NodeProcess) -> None:
        """These two do not reach each other, and everybody else does."""
        for here, there in ((one, other), (other, one)):
            host = self.inner_host(self.nodes.index(there))
            _ip("-n", self._name(self.nodes.index(here)), "route", "add", "blackhole", f"{host}/32")

    def heal(self) -> None:
        for number, node in enumerate(self.nodes):
            _ip("-n", self._switch, "link", "set", self._port(node), "master", "switch")
            _ip("-n", self._name(number), "route", "flush", "type", "blackhole")

    def _port(self, node: NodeProcess) -> str:
        return f"port-{self.nodes.index(node)}"

    def _new_node(self, number: int) -> NodeProcess:
        node = NodeProcess(
            self.folder / f"node-{number}",
            "--cluster",
            self.members,
            "--host",
            "0.0.0.0",
            "--insecure",
            "--advertise",
            f"{self.inner_host(number)}:{PORT}",
            *self.arguments,
            environment={"NACOS_CORE_CLUSTER_SECRET": SECRET},
            command=("ip", "netns", "exec", self._name(number), sys.executable, "-m", "nacos_core"),
        )
        node.port, node.host = PORT, f"10.98.{number}.2"
        return node

    def _build(self) -> None:
        _ip("netns", "add", self._switch)
        for switch in ("switch", "other"):
            _ip("-n", self._switch, "link", "add", switch, "type", "bridge")
            _ip("-n", self._switch, "link", "set", switch, "up")
        for number in range(self.count):
            name, port = self._name(number), f"port-{number}"
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", self._switch, "link", "add", port, "type", "veth", "peer", "name", "inner", "netns", name)
            _ip("-n", self._switch, "link", "set", port, "master", "switch", "up")
            _ip("-n", name, "address", "add", f"{self.inner_host(number)}/24", "dev", "inner")
            _ip("-n", name, "link", "set", "inner", "up")
            _ip("link", "add", self._outer(number), "type", "veth", "peer", "name", "outer", "netns", name)
            _ip("address", "add", f"10.98.{number}.1/30", "dev", self._outer(number))
            _ip("link", "set", self._outer(number), "up")
            _ip("-n", name, "address", "add", f"10.98.{number}.2/30", "dev", "outer")
            _ip("-n", name, "link", "set", "outer", "up")

    def _tear_down(self) -> None:
        # Links go a while after the namespace that holds one end of them, so that is not waited for.
        for number in range(self.count):
            subprocess.run(["ip", "link", "delete", self._outer(number)], check=False, capture_output=True)
        for name in (self._switch, *(self._name(number) for number in range(self.count))):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)

    @property
    def _switch(self) -> str:
        return f"nacos-{os.getpid()}-switch"

    def _name(self, number: int) -> str:
        return f"nacos-{os.getpid()}-{number}"

    def _outer(self, number: int) -> str:
        return f"nc{os.getpid()}n{number}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
