"""The command line: reads the settings, runs one node, and says on stdout where it is."""

import logging
import os
import re
import sys
from typing import TYPE_CHECKING, Final

from nacos_core import clock, limits, settings
from nacos_core.errors import NacosCoreError, SettingsError
from nacos_core.memory import keep_what_is_there, return_large_buffers

if TYPE_CHECKING:
    import argparse

    from nacos_core.node import Node


TOOLS = {
    "cluster": "nacos_core.tools.cluster",
    "config": "nacos_core.tools.config",
    "naming": "nacos_core.tools.naming",
    "simulate": "nacos_core.simulation.command",
}
"""Commands with arguments of their own, by module; loaded when they are wanted."""
INTERRUPTED: Final = 130
"""The exit code after Ctrl-C, as shells have it (128 and the number of the signal)."""


_CONTROLS = {code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}
_CONTROLS_IN_LINES = {code: shown for code, shown in _CONTROLS.items() if code != ord("\n")}


class OneLine(logging.Formatter):
    """A record takes one line, so that nothing that a client sends looks like another one; a traceback is indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, with control characters as Python writes them."""
        return super().formatMessage(record).translate(_CONTROLS)

    def formatException(self, ei: "logging._SysExcInfoType") -> str:
        """The lines of the traceback."""
        return super().formatException(ei).translate(_CONTROLS_IN_LINES).replace("\n", "\n  ")


def build_parser() -> "argparse.ArgumentParser":
    """Every option is left out of the result when it is not given, so that lesser sources can say."""
    import argparse

    parser = argparse.ArgumentParser(
        prog="nacos-core",
        description="A naming and configuration server that speaks the Nacos wire protocols.",
        epilog="Each option is also read from NACOS_CORE_<OPTION> in the environment and from the TOML file of "
        "--config. The administrator's password is that of NACOS_CORE_ADMIN_PASSWORD; without it, one is made up and "
        "printed at the first start.",
        allow_abbrev=False,
    )
    commands = ["serve", *TOOLS]
    help_text = "what to do (serve); each of the others explains itself with --help"
    parser.add_argument("command", nargs="?", choices=commands, default="serve", help=help_text)
    for option in settings.OPTIONS:
        if option.is_flag:
            parser.add_argument(_flag(option), action="store_const", const=True, help=option.help)
        else:
            parser.add_argument(_flag(option), metavar=option.metavar, help=option.help)
    parser.add_argument("--config", metavar="FILE", help="TOML file with the same options")
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Runs until SIGTERM or Ctrl-C. Gives the exit code: 0 clean, 1 the node failed, 2 wrong settings."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments and arguments[0] in TOOLS:
        return _use(arguments[0], arguments[1:])
    parser = build_parser()
    _check_flags(parser, arguments)
    flags = vars(parser.parse_args(arguments))
    if flags.pop("version"):
        from nacos_core import __version__

        print(f"nacos-core {__version__}")
        return 0
    try:
        chosen = settings.load(flags, os.environ)
        log = logging.StreamHandler(sys.stderr)
        log.setFormatter(OneLine("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logging.basicConfig(level=chosen.log_level.upper(), handlers=[log])
        return_large_buffers()
        sys.setswitchinterval(limits.SWITCH_SECONDS)
        return _run(chosen)
    except SettingsError as error:
        print(f"nacos-core: {error}", file=sys.stderr)
        return 2
    except (NacosCoreError, OSError) as error:
        print(f"nacos-core: {error}", file=sys.stderr)
        return 1


def _check_flags(parser: "argparse.ArgumentParser", arguments: list[str]) -> None:
    """Before argparse does, which takes the value behind an unknown flag for the command and names that."""
    known = ["--config", "--help", "--version", "-h", *(_flag(option) for option in settings.OPTIONS)]
    for name in (argument.partition("=")[0] for argument in arguments):
        if re.match(r"--?[A-Za-z]", name) and name not in known:
            from difflib import get_close_matches

            near = get_close_matches(name, known, n=1)
            parser.error(f"there is no option {name}" + (f"; is {near[0]} meant?" if near else ""))


def _flag(option: settings.Option) -> str:
    return "--" + option.name.replace("_", "-")


def _use(tool: str, arguments: list[str]) -> int:
    from importlib import import_module

    try:
        code: int = import_module(TOOLS[tool]).main(arguments)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:  # before the tool heeds signals itself
        return INTERRUPTED
    except BrokenPipeError:  # whoever read this has seen enough
        _drop_output()
        return 0


def _run(chosen: settings.Settings) -> int:
    import trio

    from nacos_core._core import LogError, LogFailed

    try:
        trio.run(_serve, chosen)
    except LogFailed as error:
        print(f"nacos-core: the log cannot be used any more, so the node has stopped: {error}", file=sys.stderr)
        return 1
    except LogError as error:
        print(f"nacos-core: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(chosen: settings.Settings) -> None:
    import signal

    import trio

    from nacos_core.node import run_node

    serving: trio.CancelScope | None = None

    async def stop_at_a_signal() -> None:
        async for number in signals:
            logging.getLogger("nacos_core").debug("%s: stopping", signal.Signals(number).name)
            if serving is None or serving.cancel_called:
                nursery.cancel_scope.cancel()
            else:
                serving.cancel()  # the node goes on until its block has ended: a leader hands over first

    failure: Exception | None = None
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        # From before the node starts: the replay of a long log takes its time, and can be ended like all else.
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop_at_a_signal)
            try:
                async with run_node(chosen, announce=_announce_addresses) as node:
                    if node.generated_password is not None:
                        _say(f"password of the administrator nacos, shown only now: {node.generated_password}")
                    _say(f"ready in {clock.process_age_ms()} ms")
                    keep_what_is_there()
                    with trio.CancelScope() as serving:
                        await trio.sleep_forever()
            except Exception as error:
                failure = error  # raised below as it is, not within the group of the nursery
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _announce_addresses(node: "Node") -> None:
    from nacos_core import __version__

    host = f"[{node.host}]" if ":" in node.host else node.host
    _say(f"nacos-core {__version__}")
    _say(f"HTTP http://{host}:{node.http_port}/nacos, gRPC {host}:{node.grpc_port}")
    if node.dns_port is not None:
        _say(f"DNS {host}:{node.dns_port}, names end with .nacos")
    _say(f"data folder {node.data.resolve()}")
    _say(f"authentication {'on' if node.settings.auth else 'off'}")


def _say(line: str) -> None:
    try:
        print(line, flush=True)
    except BrokenPipeError:  # whoever started the node wanted to know no more: it goes on
        _drop_output()


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
