"""``python -m nacos_core config`` and ``naming`` as people use them: processes, signals, exit codes, streams."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from support.node_process import clean_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from support.node_process import NodeProcess, StartNode

COMMAND = [sys.executable, "-W", "error", "-m", "nacos_core"]
WITHIN_S = 20.0


@pytest.fixture
def node(start_node: StartNode) -> NodeProcess:
    return start_node()


@pytest.fixture
def tool(node: NodeProcess, tmp_path: Path) -> Iterator[Tool]:
    used = Tool(node, tmp_path)
    yield used
    for process in used.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


class Tool:
    def __init__(self, node: NodeProcess, folder: Path) -> None:
        self.environment = clean_environment() | {"NACOS_CORE_SERVER": f"http://{node.address}"}
        self.folder = folder
        self.started: list[subprocess.Popen[str]] = []

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )

    def done(self, *arguments: str, stdin: str = "") -> str:
        done = self.run(*arguments, stdin=stdin)
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self.done(*arguments, "--json"))

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and stderr after Ctrl-C."""
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=WITHIN_S)
    assert "Traceback" not in errors
    return process.returncode, errors


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_content_comes_from_an_argument_a_file_or_stdin_and_goes_out_as_it_is(tool: Tool) -> None:
    tool.done("config", "set", "a", "grüß dich")
    assert tool.done("config", "get", "a") == "grüß dich"
    (tool.folder / "b.yaml").write_text("a: 1\n")
    tool.done("config", "set", "b", "--file", "b.yaml", "--type", "yaml", "--group", "G", "--namespace", "dev")
    told = tool.json("config", "get", "b", "--group", "G", "--namespace", "dev")
    assert (told["content"], told["type"], told["is_stale"]) == ("a: 1\n", "yaml", False)
    tool.done("config", "set", "c", stdin="from\nstdin\n")
    assert tool.done("config", "get", "c") == "from\nstdin\n"
    tool.done("config", "set", "c", "-", stdin="again")
    assert tool.done("config", "get", "c") == "again"
    assert tool.done("config", "remove", "c") == "done\n"
    gone = tool.run("config", "get", "c")
    assert (gone.returncode, gone.stdout) == (1, "")
    assert "c of group DEFAULT_GROUP is not there" in gone.stderr


def test_a_content_is_published_with_its_schema_and_must_conform_to_it(start_node: StartNode, tmp_path: Path) -> None:
    tool = Tool(start_node("--config-validation", "error"), tmp_path)
    (tmp_path / "schema.json").write_text('{"properties": {"port": {"type": "integer"}}}')
    of_type = ("--type", "yaml", "--schema", "schema.json")
    tool.done("config", "set", "a", "port: 80", *of_type)
    refused = tool.run("config", "set", "a", "port: http", *of_type)
    assert refused.returncode == 1
    assert 'does not conform to its schema: at /port: value is not of type "integer"' in refused.stderr
    assert tool.done("config", "get", "a") == "port: 80"
    assert tool.run("config", "set", "a", "port: http").returncode == 1, "the schema stays"
    assert tool.run("config", "set", "a", "port: http", "--no-schema", "--schema", "schema.json").returncode == 2
    tool.done("config", "set", "a", "port: http", "--no-schema")
    tool.done("config", "set", "a", "port: ftp", "--type", "yaml")


def test_compare_and_set(tool: Tool) -> None:
    md5 = tool.done("config", "set", "a", "1").strip()
    assert tool.json("config", "set", "a", "2", "--cas", md5)["md5"] != md5
    refused = tool.run("config", "set", "a", "3", "--cas", md5)
    assert refused.returncode == 1
    assert "md5 may have changed" in refused.stderr
    assert tool.done("config", "get", "a") == "2"


def test_only_what_is_not_there_is_created(tool: Tool) -> None:
    tool.done("config", "set", "a", "1", "--create-only", "--encrypted-data-key", "k")
    told = tool.json("config", "get", "a")
    assert (told["content"], told["encrypted_data_key"]) == ("1", "k")
    refused = tool.run("config", "set", "a", "2", "--create-only")
    assert refused.returncode == 1
    assert "already exist" in refused.stderr
    assert tool.done("config", "get", "a") == "1"


def test_lists_and_history(tool: Tool) -> None:
    for name, group in (("app-1", "DEFAULT_GROUP"), ("app-2", "G"), ("other", "G")):
        tool.done("config", "set", name, f"password={name}", "--group", group)
    assert [each["data_id"] for each in tool.json("config", "list")] == ["app-1", "app-2", "other"]
    assert [each["data_id"] for each in tool.json("config", "list", "app*")] == ["app-1", "app-2"]
    assert [each["data_id"] for each in tool.json("config", "list", "--group", "G", "--content", "*app*")] == ["app-2"]
    table = tool.done("config", "list", "app-1").splitlines()
    assert table[0].split() == ["DATA", "ID", "GROUP", "TYPE", "MD5", "APPLICATION"]
    assert table[1].split()[:3] == ["app-1", "DEFAULT_GROUP", "text"]
    tool.done("config", "set", "app-1", "two")
    tool.done("config", "set", "app-1", "three")
    newest, middle, oldest = tool.json("config", "history", "app-1")
    assert [each["operation"] for each in (newest, middle, oldest)] == ["U", "U", "I"]
    difference = tool.done("config", "diff", "app-1", middle["id"])
    assert "-password=app-1" in difference
    assert "+three" in difference
    assert "+two" in tool.done("config", "diff", "app-1", middle["id"], newest["id"])
    tool.done("config", "rollback", "app-1", newest["id"])
    assert tool.done("config", "get", "app-1") == "two"
    for command in (["diff", "app-1", "999999"], ["rollback", "other", newest["id"]]):
        refused = tool.run("config", *command)
        assert refused.returncode == 1, command
        assert refused.stderr.startswith(f"nacos-core config {command[0]}: ")


def test_what_is_over_a_quota_is_told_with_the_limit(start_node: StartNode, tmp_path: Path) -> None:
    tool = Tool(start_node("--config-quota", "on", "--config-quota-namespace", "2"), tmp_path)
    with zipfile.ZipFile(tool.folder / "three.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"G/app-{number}", "1")
    over = "namespace 'public' has 2 configurations, and its quota is 2"
    told = tool.run("config", "import", "three.zip")
    assert (told.returncode, told.stdout.splitlines()) == (1, ["2 published", f"not published: app-2 G: {over}"])
    refused = tool.run("config", "set", "app-2", "1", "--group", "G")
    assert refused.returncode == 1
    assert over in refused.stderr
    tool.done("config", "set", "app-1", "2", "--group", "G")


def test_what_was_exported_is_imported(tool: Tool) -> None:
    for number in range(3):
        tool.done("config", "set", f"app-{number}", f"content {number}")
    assert "bytes" in tool.done("config", "export", "all.zip")
    with zipfile.ZipFile(tool.folder / "all.zip") as archive:
        assert {f"DEFAULT_GROUP/app-{number}" for number in range(3)} <= set(archive.namelist())
    tool.done("config", "set", "app-1", "changed")
    tool.done("config", "remove", "app-2")
    told = tool.done("config", "import", "all.zip", "--policy", "skip")
    assert "1 published" in told
    assert "skipped: app-1 DEFAULT_GROUP" in told
    assert tool.done("config", "get", "app-1") == "changed"
    assert tool.json("config", "import", "all.zip", "--policy", "overwrite")["succCount"] == 3
    assert tool.done("config", "get", "app-1") == "content 1"
    stopped = tool.run("config", "import", "all.zip")
    assert (stopped.returncode, "not published: app-0" in stopped.stdout) == (1, True)
    (tool.folder / "no.zip").write_bytes(b"no archive")
    refused = tool.run("config", "import", "no.zip")
    assert refused.returncode == 1
    assert refused.stderr
    before = (tool.folder / "all.zip").read_bytes()
    assert tool.run("config", "export", "all.zip", NACOS_CORE_SERVER="127.0.0.1:1").returncode == 3
    assert (tool.folder / "all.zip").read_bytes() == before, "an export that fails leaves what was there"
    assert {path.name for path in tool.folder.iterdir()} == {"node", "all.zip", "no.zip"}


def test_what_is_done_is_told_in_json(tool: Tool) -> None:
    first = tool.json("config", "set", "a", "1")["md5"]
    tool.done("config", "set", "a", "2")
    newest, _ = tool.json("config", "history", "a")
    changed = tool.json("config", "diff", "a", newest["id"])["diff"].splitlines()
    assert {"-1", "+2"} <= set(changed)
    assert tool.json("config", "rollback", "a", newest["id"]) == {"md5": first}
    size = tool.json("config", "export", "all.zip")["bytes"]
    assert size == (tool.folder / "all.zip").stat().st_size
    assert tool.json("config", "remove", "a") == {"removed": True}
    server = tool.environment["NACOS_CORE_SERVER"]
    kept = tool.json("naming", "register", "db", "10.0.0.1:80", "--persistent")
    assert kept == {"registered": "10.0.0.1:80", "service": "db", "server": server}
    watch = tool.start("naming", "watch", "db", "--json")
    came = json.loads(line_of(watch))
    assert (came["change"], came["instance"]["ip"]) == ("came", "10.0.0.1")
    assert tool.json("naming", "deregister", "db", "10.0.0.1:80") == {"deregistered": "10.0.0.1:80"}
    assert json.loads(line_of(watch)) == came | {"change": "gone"}
    register = tool.start("naming", "register", "db2", "10.0.0.1:80", "--json")
    assert json.loads(line_of(register)) == kept | {"service": "db2"}
    assert interrupted(register)[0] == 0


def test_progress_is_shown_to_people_alone(tool: Tool) -> None:
    tool.done("config", "set", "a", "1")
    person, terminal = pty.openpty()
    command = [*COMMAND, "config", "export", "all.zip"]
    done = subprocess.run(command, cwd=tool.folder, env=tool.environment, stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    shown = os.read(person, 10_000).decode()
    os.close(person)
    assert done.returncode == 0
    assert "100 %" in shown
    assert tool.run("config", "export", "all.zip").stderr == ""


def test_a_watch_prints_each_state_until_ctrl_c(tool: Tool) -> None:
    watch = tool.start("config", "watch", "a", "--json")
    assert json.loads(line_of(watch)) is None
    for content in ("1", "2"):
        tool.done("config", "set", "a", content)
        assert json.loads(line_of(watch))["content"] == content
    assert interrupted(watch) == (0, "")
    plain = tool.start("config", "watch", "a")
    assert line_of(plain).startswith("--- a ")
    assert line_of(plain) == "2\n"
    plain.send_signal(signal.SIGTERM)
    assert plain.wait(WITHIN_S) == 0


def test_an_instance_is_there_until_ctrl_c(tool: Tool) -> None:
    watch = tool.start("naming", "watch", "orders")
    subscribe = tool.start("naming", "subscribe", "orders", "--json")
    assert json.loads(line_of(subscribe))["hosts"] == []
    register = tool.start("naming", "register", "orders", "10.0.0.7:8080", "--weight", "2", "--metadata", "zone=a")
    assert line_of(register).startswith("registered 10.0.0.7:8080 as orders at http://127.0.0.1:")
    (host,) = json.loads(line_of(subscribe))["hosts"]
    assert (host["ip"], host["port"], host["weight"], host["metadata"]) == ("10.0.0.7", 8080, 2.0, {"zone": "a"})
    assert line_of(watch).split() == ["+", "10.0.0.7:8080", "DEFAULT", "2", "yes", "zone=a"]
    assert tool.json("naming", "list") == ["orders"]
    assert len(tool.json("naming", "list", "orders")["hosts"]) == 1
    assert interrupted(register) == (0, "deregistered 10.0.0.7:8080\n")
    assert json.loads(line_of(subscribe))["hosts"] == []
    assert line_of(watch).startswith("- 10.0.0.7:8080")
    assert interrupted(subscribe) == (0, "")
    assert interrupted(watch) == (0, "")


def test_services_that_come_and_go_are_printed(tool: Tool) -> None:
    watch = tool.start("naming", "watch", "order*", "--json")
    everything = tool.start("naming", "watch")
    tool.done("naming", "register", "cart", "10.0.0.7:80", "--persistent")
    assert line_of(everything) == "+ cart  DEFAULT_GROUP\n"
    register = tool.start("naming", "register", "orders", "10.0.0.7:80")
    line_of(register)
    assert json.loads(line_of(watch)) == {"change": "came", "service": "orders", "group": "DEFAULT_GROUP"}
    assert line_of(everything) == "+ orders  DEFAULT_GROUP\n"
    assert interrupted(register)[0] == 0
    assert json.loads(line_of(watch))["change"] == "gone"
    assert line_of(everything) == "- orders  DEFAULT_GROUP\n"
    assert interrupted(watch) == interrupted(everything) == (0, "")


def test_a_persistent_instance_stays(tool: Tool) -> None:
    tool.done("naming", "register", "db", "[2001:db8::1]:5432", "--persistent")
    assert [each["ip"] for each in tool.json("naming", "list", "db")["hosts"]] == ["2001:db8::1"]
    tool.done("naming", "deregister", "db", "[2001:db8::1]:5432")
    assert tool.json("naming", "list", "db")["hosts"] == []


def test_registrations_and_watches_survive_a_killed_server(tool: Tool, node: NodeProcess) -> None:
    register = tool.start("naming", "register", "orders", "10.0.0.7:8080")
    line_of(register)
    watch = tool.start("config", "watch", "a", "--json")
    assert json.loads(line_of(watch)) is None
    node.kill()
    node.start()
    eventually(lambda: len(tool.json("naming", "list", "orders")["hosts"]) == 1)
    tool.done("config", "set", "a", "after")
    assert json.loads(line_of(watch))["content"] == "after"
    assert interrupted(watch) == (0, "")
    assert interrupted(register)[0] == 0


def test_the_cache_outlives_the_server(tool: Tool, node: NodeProcess) -> None:
    tool.done("config", "set", "a", "kept")
    assert tool.done("config", "get", "a", "--cache", "cache") == "kept"
    node.kill()
    stale = tool.run("config", "get", "a", "--cache", "cache")
    assert (stale.returncode, stale.stdout) == (0, "kept")
    assert "no server answers" in stale.stderr
    assert tool.run("config", "get", "a").returncode == 3


def test_nobody_answers(tool: Tool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{unused.getsockname()[1] - 1000}"
    for arguments in (["config", "list"], ["naming", "list", "s"]):
        done = tool.run(*arguments, "--server", server)
        assert (done.returncode, done.stdout) == (3, ""), arguments
        assert "no server answers" in done.stderr
        assert "Traceback" not in done.stderr


def test_wrong_arguments(tool: Tool) -> None:
    for arguments in (["config", "frob"], ["naming", "register", "s", "nonsense"]):
        done = tool.run(*arguments)
        assert (done.returncode, done.stdout) == (2, ""), arguments
        assert done.stderr
        assert "Traceback" not in done.stderr


def test_what_the_server_refuses(tool: Tool) -> None:
    for arguments in (["config", "set", "a", ""], ["config", "get", "a b"]):
        done = tool.run(*arguments)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error(tool: Tool) -> None:
    tool.done("config", "set", "a", stdin="x" * 1_000_000)
    command = [*COMMAND, "config", "get", "a"]
    with subprocess.Popen(command, env=tool.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as get:
        assert get.stdout is not None
        assert get.stderr is not None
        get.stdout.read(10)
        get.stdout.close()
        assert get.stderr.read() == b""
    assert get.returncode == 0


def test_a_simulation_whose_reader_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    command = [*COMMAND, "simulate", "--trace"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_ctrl_c_ends_what_waits_for_a_content_and_a_simulation(tool: Tool) -> None:
    reading = subprocess.Popen(
        [*COMMAND, "config", "set", "a"], env=tool.environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    tool.started.append(reading)
    assert reading.stdin is not None
    reading.stdin.write("begun")
    reading.stdin.flush()
    eventually(lambda: fcntl.ioctl(reading.stdin, termios.FIONREAD, bytes(4)) == bytes(4))  # it has read that
    assert interrupted(reading) == (130, "")
    simulating = tool.start("simulate", "--seeds", "100000")
    assert simulating.stderr is not None
    simulating.stderr.read(1)  # it says how far it is
    assert interrupted(simulating)[0] == 130


def test_who_may(start_node: StartNode, tmp_path: Path) -> None:
    node = start_node("--auth", "on", environment={"NACOS_CORE_ADMIN_PASSWORD": "a secret of tests"}, name="guarded")
    tool = Tool(node, tmp_path)
    right = {"NACOS_CORE_USERNAME": "nacos", "NACOS_CORE_PASSWORD": "a secret of tests"}
    assert tool.run("config", "set", "a", "1", **right).returncode == 0
    assert tool.run("config", "list", **right).stdout.count("\n") == 2
    for environment in ({}, right | {"NACOS_CORE_PASSWORD": "wrong"}):
        for arguments in (["config", "get", "a"], ["config", "list"]):
            done = tool.run(*arguments, **environment)
            assert (done.returncode, done.stdout) == (1, ""), (arguments, environment)
            assert "--username" in done.stderr
            assert "{" not in done.stderr, "the words of the answer alone"


def test_a_node_starts_without_the_client() -> None:
    program = "import sys, nacos_core.node; print([name for name in sys.modules if name in ('anyio', 'httpx')])"
    loaded = subprocess.check_output([sys.executable, "-c", program], text=True)
    assert loaded == "[]\n"
