"""Fixtures for the tests with real client libraries: the server, and client programs that end with their test class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

pytest.register_assert_rewrite("harness", "scenarios")  # before they are imported

from harness import Client, ClientKind  # noqa: E402
from support.node_process import NodeProcess  # noqa: E402

MISSING = pytest.StashKey[dict[str, str]]()
Start = Callable[..., Client]
"""Takes what the program is to have in its environment beside the usual."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[MISSING] = {}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for what, why in config.stash[MISSING].items():
        terminalreporter.section(f"NOT TESTED: {what}", sep="!", red=True, bold=True)
        terminalreporter.line(why)


def not_tested(config: pytest.Config, what: str, why: str) -> None:
    """Skips, and says so at the end of the run where nobody overlooks it; in continuous integration it is a failure."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"{what}: {why}")
    config.stash[MISSING][what] = why
    pytest.skip(why)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of one server that all tests share."""
    external = os.environ.get("NACOS_TEST_SERVER")
    if external:
        yield external
        return
    node = NodeProcess(tmp_path_factory.mktemp("node"))
    try:
        node.start()
        yield node.address
    finally:
        node.stop()


@pytest.fixture(scope="module")
def own_node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node of the module's own, to kill and restart."""
    if os.environ.get("NACOS_TEST_SERVER"):
        not_tested(request.config, "kill and restart", "NACOS_TEST_SERVER names a server that is not ours to kill")
    node = NodeProcess(tmp_path_factory.mktemp("own-node"))
    try:
        node.start()
        yield node
    finally:
        node.stop()


@pytest.fixture(scope="session")
def command_of(request: pytest.FixtureRequest) -> Callable[[ClientKind], list[str]]:
    """Finds or builds the client program of a kind; skips loudly where its toolchain is missing."""

    def find(kind: ClientKind) -> list[str]:
        missing = kind.missing_tools()
        if missing:
            not_tested(request.config, f"client {kind.name}", f"not on PATH: {', '.join(missing)}")
        return kind.build()

    return find


@pytest.fixture(scope="class")
def command(request: pytest.FixtureRequest, command_of: Callable[[ClientKind], list[str]]) -> list[str]:
    return command_of(request.cls.kind)


@pytest.fixture(scope="class")
def start(
    request: pytest.FixtureRequest, command: list[str], server: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Start]:
    """Starts one more client of the class's kind at the shared server; `wait_ready` before it is used."""
    clients: list[Client] = []

    def start_one(**environment: str) -> Client:
        folder = tmp_path_factory.mktemp(request.cls.kind.name)
        clients.append(Client(request.cls.kind, command, server, folder, environment))
        return clients[-1]

    yield start_one
    for client in clients:
        client.close()


@pytest.fixture(scope="class")
def pair(start: Start) -> tuple[Client, Client]:
    """Two clients, started side by side."""
    clients = start(), start()
    for client in clients:
        client.wait_ready()
    return clients


@pytest.fixture(scope="class")
def alice(pair: tuple[Client, Client]) -> Client:
    """The one that registers and publishes."""
    return pair[0]


@pytest.fixture(scope="class")
def bob(pair: tuple[Client, Client]) -> Client:
    """The one that subscribes and listens."""
    return pair[1]
