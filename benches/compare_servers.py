"""The servers that are compared: how each is started, found and measured, and what machine they run on."""

from __future__ import annotations

import contextlib
import http.client
import importlib.metadata
import os
import platform
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Facts = dict[str, str]

RNACOS_VERSION = "0.8.5"
READY_PATH = "/nacos/v1/console/health/readiness"
READY_TIMEOUT_SECONDS = 60.0
READY_POLL_SECONDS = 0.002
STOP_SECONDS = 5.0
SHOWN_SECONDS = 3.0
GRPC_OFFSET = 1000
# Below the range from which the system takes the ports of outgoing connections.
PORTS = range(18_000, 30_000)


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    http_port: int
    grpc_port: int

    @staticmethod
    def parse(text: str) -> Address:
        """Reads `host:port` or `http://host:port`; gRPC is on the port + 1000 unless a `/grpc-port` follows."""
        place, _, grpc = text.removeprefix("http://").rstrip("/").partition("/")
        host, _, port = place.rpartition(":")
        return Address(host, int(port), int(grpc) if grpc else int(port) + GRPC_OFFSET)

    @property
    def http(self) -> str:
        return f"{self.host}:{self.http_port}"

    @property
    def grpc(self) -> str:
        return f"{self.host}:{self.grpc_port}"


@dataclass
class Server:
    """A server, running somewhere (`given`) or started here with `command` as often as it is needed."""

    name: str
    command: Callable[[Address, Path], list[str]] | None = None
    environment: Callable[[Address, Path], dict[str, str]] = lambda _address, _data: {}
    folder: Path = Path()
    given: Address | None = None
    given_pid: int | None = None
    ready_seconds: float = 0.0
    _process: subprocess.Popen[bytes] | None = None
    _address: Address | None = field(default=None)

    @property
    def is_ours_to_start(self) -> bool:
        return self.command is not None

    @property
    def address(self) -> Address:
        found = self.given or self._address
        if found is None:
            raise RuntimeError(f"{self.name} is not running")
        return found

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else self.given_pid

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Starts it with an empty data folder, waits until it is ready, stops it at the end."""
        if self.command is None:
            yield
            return
        self._address = Address("127.0.0.1", free_port(), 0)
        self._address = Address("127.0.0.1", self._address.http_port, self._address.http_port + GRPC_OFFSET)
        data = self.folder / f"{self.name}-{self._address.http_port}"
        data.mkdir(parents=True)
        log = data.with_suffix(".log")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NACOS_CORE_")}
        environment |= self.environment(self._address, data)
        began = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                self.command(self._address, data), stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=data
            )
        try:
            wait_ready(self._address, self._process, log)
            self.ready_seconds = time.monotonic() - began
            yield
        finally:
            stop(self._process)
            self._process = None
            shutil.rmtree(data, ignore_errors=True)

    def rss_bytes(self) -> float | None:
        return self._memory("VmRSS:")

    def rss_peak_bytes(self) -> float | None:
        return self._memory("VmHWM:")

    def _memory(self, name: str) -> float | None:
        if self.pid is None:
            return None
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(name):
                return float(line.split()[1]) * 1024
        return None


def shows_what_is_written(address: Address) -> bool:
    """Whether a configuration can be read soon after it was acknowledged."""
    path = "/nacos/v1/cs/configs?dataId=compare-start&group=DEFAULT_GROUP"
    deadline = time.monotonic() + SHOWN_SECONDS
    with contextlib.closing(http.client.HTTPConnection(address.host, address.http_port, timeout=5)) as connection:
        while time.monotonic() < deadline:
            connection.request("POST", f"{path}&content=there")
            is_acknowledged = connection.getresponse().read() == b"true"
            time.sleep(READY_POLL_SECONDS)
            connection.request("GET", path)
            if connection.getresponse().read() == b"there" and is_acknowledged:
                return True
            time.sleep(0.1)
    return False


def this_server(folder: Path) -> Server:
    """`python -m nacos_core` of the interpreter that runs this."""

    def command(address: Address, data: Path) -> list[str]:
        port = str(address.http_port)
        return [
            sys.executable,
            "-m",
            "nacos_core",
            "--port",
            port,
            "--data",
            str(data / "data"),
            "--log-level",
            "error",
        ]

    return Server("nacos-core", command, folder=folder)


def rnacos(program: Path, folder: Path) -> Server:
    """r-nacos as its users start it, without its log of every request."""

    def environment(address: Address, data: Path) -> dict[str, str]:
        return {
            "RUST_LOG": "error",
            "RNACOS_SDK_HOST": address.host,
            "RNACOS_HTTP_PORT": str(address.http_port),
            "RNACOS_GRPC_PORT": str(address.grpc_port),
            "RNACOS_HTTP_CONSOLE_PORT": str(address.http_port + 2 * GRPC_OFFSET),
            "RNACOS_DATA_DIR": str(data),
            "RNACOS_CONFIG_DB_DIR": str(data),
        }

    return Server(f"r-nacos {RNACOS_VERSION}", lambda _address, _data: [str(program)], environment, folder)


def wait_ready(address: Address, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if is_ready(address):
            return
        time.sleep(READY_POLL_SECONDS)
    words = log.read_text(errors="replace")[-2000:]
    raise RuntimeError(f"a server on {address.http} did not become ready (exit code {process.poll()}):\n{words}")


def is_ready(address: Address) -> bool:
    connection = http.client.HTTPConnection(address.host, address.http_port, timeout=5)
    try:
        connection.request("GET", READY_PATH)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that is free together with the ones 1,000, 1,001 and 2,000 above it."""
    for port in random.sample(PORTS, 200):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            for each in (port, port + GRPC_OFFSET, port + GRPC_OFFSET + 1, port + 2 * GRPC_OFFSET):
                listener = stack.enter_context(socket.socket())
                listener.bind(("127.0.0.1", each))
            return port
    raise RuntimeError("no free ports")


OPEN_NODE = """
import time, trio, nacos_core
async def main():
    began = time.perf_counter()
    async with nacos_core.open_node(port=0):
        print((time.perf_counter() - began) * 1000)
trio.run(main)
"""


def open_node_ms() -> float:
    """How long a node in a program of its own needs until it is ready, without the import."""
    done = subprocess.run([sys.executable, "-c", OPEN_NODE], capture_output=True, text=True, timeout=60, check=True)
    return float(done.stdout)


def open_files_limit_raised() -> None:
    """Lets the servers that are started have as many sockets as the system allows."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def find_load(given: str | None, checkout: Path) -> Path:
    """The load generator."""
    program = Path(given) if given else target_folder(checkout) / "release" / "nacos-load"
    if not program.exists():
        raise SystemExit(f"{program} is missing: build it with `cargo build --release -p nacos-load`")
    return program.resolve()


def find_rnacos(given: str | None, checkout: Path) -> Path:
    """r-nacos: as given, from RNACOS, from PATH, or installed once under the checkout."""
    named = given or os.environ.get("RNACOS") or shutil.which("rnacos")
    if named:
        if not Path(named).exists():
            raise SystemExit(f"there is no r-nacos at {named}")
        return Path(named).resolve()
    root = checkout / "target" / "rnacos"
    program = root / "bin" / "rnacos"
    if not program.exists():
        print(f"installing r-nacos {RNACOS_VERSION} into {root} (some minutes, once)", file=sys.stderr, flush=True)
        command = ["cargo", "install", "rnacos", "--version", RNACOS_VERSION, "--locked", "--root", str(root)]
        subprocess.run(command, check=True)
    return program


def target_folder(checkout: Path) -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", checkout / "target"))


def machine_facts(checkout: Path) -> Facts:
    """What the figures depend on."""
    return {
        "Date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "Machine": f"{processor()}, {os.cpu_count()} cores, {memory_gib():.0f} GiB,"
        f" {platform.system()} {platform.release()}",
        "Load average before": f"{os.getloadavg()[0]:.2f} (near 0 on a machine that is free)",
        "Versions": f"nacos-core {version()} at {commit(checkout)}, CPython {platform.python_version()},"
        f" {first_line(['rustc', '--version'])}",
    }


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)


def version() -> str:
    try:
        return importlib.metadata.version("nacos-core")
    except importlib.metadata.PackageNotFoundError:
        return "(not installed)"


def commit(checkout: Path) -> str:
    return first_line(["git", "-C", str(checkout), "describe", "--always", "--dirty"])


def first_line(command: list[str]) -> str:
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip().partition("\n")[0]
    return "unknown"
