"""The command line, as other software builds on it: options and their sources, what is printed, signals, exit codes."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from importlib import metadata
from typing import TYPE_CHECKING

import msgspec
import pytest

from nacos_core import commands
from nacos_core._core import Log
from nacos_core.raft import entries
from nacos_core.raft.entries import Entry
from support.node_process import NodeProcess, clean_environment
from wire import phrases
from wire.client import GrpcConnection, call_http

if TYPE_CHECKING:
    from pathlib import Path

    from support.node_process import StartNode

COMMAND = [sys.executable, "-m", "nacos_core"]
READINESS = ["/nacos/v3/admin/core/state/readiness", "/nacos/v1/console/health/readiness"]
ENDS_WITHIN_S = 1.0


def run(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A run that ends by itself."""
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=clean_environment() | environment,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The message of a run that ended because of what it was told."""
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "ready" not in done.stdout
    return done.stderr


def free_pair() -> int:
    """A port that is free now, and so is the one 1000 above."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            if port + 1000 > 65535:
                continue
            try:
                second.bind(("127.0.0.1", port + 1000))
            except OSError:
                continue
            return port


def test_version_and_help(tmp_path: Path) -> None:
    version = run("--version", folder=tmp_path)
    assert (version.returncode, version.stdout.strip()) == (0, f"nacos-core {metadata.version('nacos-core')}")
    told = run("--help", folder=tmp_path)
    assert told.returncode == 0
    for option in ("host", "port", "data", "auth", "insecure", "log-level", "config", "version"):
        assert f"--{option}" in told.stdout
    assert list(tmp_path.iterdir()) == [], "asking writes nothing"


def test_the_first_lines_say_what_runs_where(start_node: StartNode) -> None:
    node = start_node()
    *banner, ready = node.lines
    text = "\n".join(banner)
    assert metadata.version("nacos-core") in banner[0]
    assert f"127.0.0.1:{node.port}" in text
    assert f"127.0.0.1:{node.grpc_port}" in text
    assert str(node.data) in text
    assert "authentication off" in text
    assert re.fullmatch(r"ready in \d+ ms", ready)
    assert node.errors == "", "nothing is logged where nothing is wrong"


def test_ready_means_that_both_ports_answer(start_node: StartNode) -> None:
    node = start_node()
    for path in READINESS:
        assert call_http(node.port, "GET", path).status == 200
    with GrpcConnection(node.grpc_port) as connection:
        connection.set_up()
        assert connection.call("ConfigPublishRequest", phrases.config("a", content="a")).body["success"] is True


def test_a_line_of_the_log_is_what_the_node_made_it(start_node: StartNode) -> None:
    node = start_node("--log-level", "debug")
    with GrpcConnection(node.grpc_port) as connection:
        connection.set_up(version="x\n2026-01-01 ERROR nacos_core: forged")
    node.end()
    assert r"of x\n2026-01-01 ERROR nacos_core: forged" in node.errors
    assert "\n2026-01-01 ERROR" not in node.errors


def test_serve_is_what_no_command_means(start_node: StartNode) -> None:
    node = start_node("serve")
    assert call_http(node.port, "GET", READINESS[0]).status == 200


def test_nodes_with_port_0_do_not_meet(start_node: StartNode) -> None:
    nodes = [start_node(name=f"node-{number}") for number in range(3)]
    assert len({node.port for node in nodes}) == 3


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT], ids=lambda by: by.name)
def test_a_signal_ends_it_cleanly_within_a_second(start_node: StartNode, by: signal.Signals) -> None:
    """With connections open, a stream, a long poll and a request half sent: none of them may hold it up."""
    node = start_node()
    with GrpcConnection(node.grpc_port) as connection, socket.create_connection(("127.0.0.1", node.port)) as half:
        connection.set_up()
        connection.call("InstanceRequest", phrases.register("a"))
        connection.call("ConfigPublishRequest", phrases.config("kept", content="a"))
        half.sendall(b"POST /nacos/v1/cs/configs HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n")
        with socket.create_connection(("127.0.0.1", node.port)) as poll:
            body = b"Listening-Configs=a%02b%02%01"
            head = b"POST /nacos/v1/cs/configs/listener HTTP/1.1\r\nHost: a\r\nLong-Pulling-Timeout: 30000\r\n"
            head += b"Content-Type: application/x-www-form-urlencoded\r\n"
            poll.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            time.sleep(0.1)
            code, took_s = node.end(by)
        assert connection.stream_ended()
    assert (code, took_s <= ENDS_WITHIN_S) == (0, True), took_s
    assert node.errors == ""
    node.start()
    assert call_http(node.port, "GET", phrases.V1_CONFIG, {"dataId": "kept", "group": phrases.GROUP}).text == "a"


def test_a_node_goes_on_when_nobody_reads_what_it_says(tmp_path: Path) -> None:
    port = free_pair()
    command = [*COMMAND, "--port", str(port), "--data", str(tmp_path / "data")]
    unread, output = os.pipe()
    os.close(unread)
    with subprocess.Popen(command, env=clean_environment(), stdout=output, stderr=subprocess.PIPE) as process:
        os.close(output)
        until = time.monotonic() + 20
        while not answers(port):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 0


def answers(port: int) -> bool:
    try:
        return call_http(port, "GET", READINESS[0]).status == 200
    except OSError:
        return False


def test_two_signals_in_a_row_are_as_good_as_one(start_node: StartNode) -> None:
    node = start_node()
    node.process.send_signal(signal.SIGTERM)
    code, took_s = node.end(signal.SIGTERM)
    assert (code, took_s <= ENDS_WITHIN_S) == (0, True)


SLOW_REPLAY = """
import sys, time
from nacos_core import cli, state_machine
apply = state_machine.StateMachine.apply
def apply_slowly(machine, batch):
    time.sleep(0.0001 * len(batch))
    return apply(machine, batch)
state_machine.StateMachine.apply = apply_slowly
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGINT], ids=lambda by: by.name)
def test_a_signal_ends_the_replay_of_a_long_log_too(tmp_path: Path, by: signal.Signals) -> None:
    node = NodeProcess(tmp_path / "node", command=[sys.executable, "-c", SLOW_REPLAY])
    node.launch()
    while not any("ready" in line for line in node.lines):
        assert node.process.poll() is None, node.errors
        time.sleep(0.01)
    node.end(signal.SIGTERM)
    node_id = msgspec.json.decode((node.data / "node.json").read_bytes())["node_id"]
    log = Log.open(node.data / "log")
    command = msgspec.Raw(commands.encode(commands.PublishConfig("public", "G", "a", b"1", "text")))
    log.append(log.term, [entries.encode(Entry(node_id, 2, number, 1, 1, command)) for number in range(1, 100_001)])
    log.close()
    node.launch()
    while not any("data folder" in line for line in node.lines):
        assert node.process.poll() is None, node.errors
        time.sleep(0.01)
    time.sleep(0.5)
    code, took_s = node.end(by)
    assert (code, took_s <= ENDS_WITHIN_S) == (0, True), (took_s, node.errors)
    assert not any("ready" in line for line in node.lines), "the replay takes many seconds"
    assert "Traceback" not in node.errors


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path) -> None:
    ports = [free_pair() for _ in range(3)]
    settings = tmp_path / "settings.toml"
    settings.write_text(f'port = {ports[0]}\ndata = "{tmp_path / "from-file"}"\nlog_level = "debug"\nauth = "on"\n')
    sources = [
        (["--config", str(settings)], {}, ports[0]),
        ([], {"NACOS_CORE_CONFIG": str(settings)}, ports[0]),
        (["--config", str(settings)], {"NACOS_CORE_PORT": str(ports[1])}, ports[1]),
        (["--config", str(settings), "--port", str(ports[2])], {"NACOS_CORE_PORT": str(ports[1])}, ports[2]),
    ]
    for number, (arguments, environment, port) in enumerate(sources):
        node = NodeWithoutOptions(tmp_path / f"{number}", *arguments, environment=environment)
        with node:
            assert node.port == port
            assert str(tmp_path / "from-file") in "\n".join(node.lines)
            assert "authentication on" in node.lines


class NodeWithoutOptions(NodeProcess):
    """The command line holds only what the test says."""

    def command_line(self) -> list[str]:
        return [*COMMAND, *self.arguments]


def test_the_default_folder_is_in_the_working_folder(tmp_path: Path) -> None:
    with NodeWithoutOptions(tmp_path, "--port", "0") as node:
        assert str(tmp_path / "nacos-data") in "\n".join(node.lines)
    assert {path.name for path in tmp_path.iterdir()} == {"nacos-data", "stderr"}, "nothing is written elsewhere"


WRONG = {
    "port = 8848\nport_number = 1\n": "port_number",
    "[server]\nport = 8848\n": "server",
    "port = 'a'\n": "port",
    "port = 70000\n": "port",
    "auth = 'maybe'\n": "auth",
    "log_level = 'loud'\n": "log_level",
    "port = \n": "TOML",
}


@pytest.mark.parametrize(("content", "named"), WRONG.items())
def test_a_wrong_settings_file_is_refused_by_name(tmp_path: Path, content: str, named: str) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text(content)
    message = refused(run("--config", str(settings), folder=tmp_path))
    assert named in message
    assert str(settings) in message


@pytest.mark.parametrize(
    ("arguments", "environment", "named"),
    [
        (["--no-such"], {}, "--no-such"),
        (["--port", "x"], {}, "--port"),
        (["--port", "65000"], {}, "--port"),
        ([], {"NACOS_CORE_PORT": "x"}, "NACOS_CORE_PORT"),
        (["--auth", "maybe"], {}, "--auth"),
        (["--config", "not-there.toml"], {}, "not-there.toml"),
        (["--host", "no.such.host.invalid"], {}, "no.such.host.invalid"),
        (["no-such-command"], {}, "no-such-command"),
    ],
)
def test_a_wrong_option_is_refused_by_name(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], named: str
) -> None:
    assert named in refused(run(*arguments, folder=tmp_path, **environment))


def test_an_open_address_needs_authentication_or_a_flag(tmp_path: Path, start_node: StartNode) -> None:
    message = refused(run("--host", "0.0.0.0", "--port", "0", folder=tmp_path))
    assert "--auth on" in message
    assert "--insecure" in message
    for name, arguments in [("insecure", ["--insecure"]), ("auth", ["--auth", "on"])]:
        node = start_node("--host", "0.0.0.0", *arguments, name=name)
        assert call_http(node.port, "GET", READINESS[0]).status == 200


def test_a_second_process_on_the_same_folder_is_refused(tmp_path: Path, start_node: StartNode) -> None:
    node = start_node()
    message = refused(run("--port", "0", "--data", str(node.data), folder=tmp_path))
    assert str(node.data) in message
    assert re.search(r"in use|another process|locked", message)
    assert call_http(node.port, "GET", READINESS[0]).status == 200, "the first one goes on"
    node.kill()
    node.start()


@pytest.mark.parametrize("offset", [0, 1000])
def test_a_port_that_is_taken_is_named(tmp_path: Path, offset: int) -> None:
    port = free_pair()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port + offset))
        taken.listen()
        message = refused(run("--port", str(port), "--data", str(tmp_path / "data"), folder=tmp_path))
    assert str(port + offset) in message


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = refused(run("--port", "0", "--data", str(tmp_path / "file" / "data"), folder=tmp_path))
    assert str(tmp_path / "file") in message


def test_a_log_whose_node_is_not_known_any_more_is_refused(start_node: StartNode, tmp_path: Path) -> None:
    node = start_node()
    node.end()
    identity = node.data / "node.json"
    kept = identity.read_bytes()
    identity.unlink()
    for _ in range(2):
        message = refused(run("--port", "0", "--data", str(node.data), folder=tmp_path))
        assert f"{node.data} holds a log, but node.json" in message
    identity.write_bytes(b"{")
    assert f"{identity} cannot be read" in refused(run("--port", "0", "--data", str(node.data), folder=tmp_path))
    identity.write_bytes(kept)
    node.start()


def test_a_damaged_log_is_refused_by_file_and_offset(start_node: StartNode, tmp_path: Path) -> None:
    node = start_node()
    for number in range(50):
        form = {"dataId": f"key-{number}", "group": phrases.GROUP, "content": "x" * 200}
        assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form).text == "true"
    node.kill()
    segment = max((path for path in node.data.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(segment.read_bytes())
    place = content.index(b"key-10")
    content[place] ^= 0xFF
    segment.write_bytes(content)
    message = refused(run("--port", "0", "--data", str(node.data), folder=tmp_path))
    assert segment.name in message
    assert re.search(r"offset|byte|\d{3,}", message)
    content[place] ^= 0xFF
    segment.write_bytes(content)
    node.start()
