"""``python -m nacos_core naming``: the services of a running server."""

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from nacos_core.errors import SettingsError
from nacos_core.tools import remote
from nacos_core.tools.remote import DONE, connect, say, say_json, say_table

if TYPE_CHECKING:
    from nacos_core.client import Instance, Service, ServiceName

_PAGE_COUNT = 1000


def build_parser() -> argparse.ArgumentParser:
    """One subcommand for each thing that can be done."""
    parser = argparse.ArgumentParser(
        prog="nacos-core naming",
        description="Shows the services of a running server of this protocol, and registers instances.",
        epilog=remote.EPILOG,
    )
    common = remote.common_options()
    commands = parser.add_subparsers(dest="command", required=True, metavar="register|deregister|list|subscribe|watch")

    def command(name: str, help: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[common], help=help, description=help, epilog=remote.EPILOG)

    register = command("register", "register an instance until it is interrupted; a persistent one for good")
    deregister = command("deregister", "remove a persistent instance")
    for each in (register, deregister):
        each.add_argument("service", metavar="SERVICE")
        each.add_argument("address", metavar="IP:PORT")
        each.add_argument("--cluster", default="DEFAULT", help="(%(default)s)")
    register.add_argument("--weight", type=remote.number(0, 10_000), default=1.0, help="(%(default)s)")
    register.add_argument("--metadata", metavar="NAME=VALUE", action="append", default=[], help="may be repeated")
    register.add_argument("--persistent", action="store_true", help="it stays until it is deregistered")
    listing = command("list", "list the instances of a service, or the services of a group")
    listing.add_argument("service", metavar="SERVICE", nargs="?")
    listing.add_argument("--clusters", default="", help="with commas between")
    listing.add_argument("--healthy", action="store_true", help="only those that are healthy")
    subscribe = command("subscribe", "print the instances of a service now and after each change, until interrupted")
    watch = command("watch", "print each instance of a service, or each service, that comes or goes, until interrupted")
    subscribe.add_argument("service", metavar="SERVICE")
    named = "instances of this one; with *, as in order* or *, services like it (%(default)s)"
    watch.add_argument("service", metavar="SERVICE", nargs="?", default="*", help=named)
    return parser


def main(arguments: list[str]) -> int:
    """The exit code, as ``remote`` explains them."""
    chosen = build_parser().parse_args(arguments)
    does = {
        "register": _register,
        "deregister": _deregister,
        "list": _list,
        "subscribe": _subscribe,
        "watch": _watch,
    }[chosen.command]
    is_endless = chosen.command in ("register", "subscribe", "watch")
    return remote.run(f"naming {chosen.command}", partial(does, chosen), is_endless=is_endless)


async def _register(chosen: argparse.Namespace) -> int:
    ip, port = _address(chosen.address)
    metadata = dict(_pair(text) for text in chosen.metadata)
    async with connect(chosen) as client:
        await client.naming.register(
            chosen.service,
            ip,
            port,
            group=chosen.group,
            cluster=chosen.cluster,
            weight=chosen.weight,
            ephemeral=not chosen.persistent,
            metadata=metadata,
        )
        if chosen.json:
            said = {"registered": chosen.address, "service": chosen.service, "server": client.server}
            say_json(said, is_line=True)
        else:
            say(f"registered {chosen.address} as {chosen.service} at {client.server}")
        if chosen.persistent:
            return DONE
        await remote.wait_for_signal()
        await client.naming.deregister(chosen.service, ip, port, group=chosen.group, cluster=chosen.cluster)
    print(f"deregistered {chosen.address}", file=sys.stderr)
    return DONE


async def _deregister(chosen: argparse.Namespace) -> int:
    ip, port = _address(chosen.address)
    async with connect(chosen) as client:
        await client.naming.deregister(
            chosen.service, ip, port, group=chosen.group, cluster=chosen.cluster, ephemeral=False
        )
    say_json({"deregistered": chosen.address}) if chosen.json else say("done")
    return DONE


async def _list(chosen: argparse.Namespace) -> int:
    async with connect(chosen) as client:
        if chosen.service is not None:
            service = await client.naming.list(
                chosen.service, group=chosen.group, clusters=chosen.clusters, healthy_only=chosen.healthy
            )
            _show(service, chosen)
            return DONE
        names: list[str] = []
        while True:
            number = len(names) // _PAGE_COUNT + 1
            page = await client.naming.services(group=chosen.group, page=number, page_size=_PAGE_COUNT)
            names += page.names
            if not page.names or len(names) >= page.count:
                break
    if chosen.json:
        say_json(names)
    else:
        for name in names:
            say(name)
    return DONE


async def _subscribe(chosen: argparse.Namespace) -> int:
    async with connect(chosen) as client, client.naming.subscribe(chosen.service, group=chosen.group) as states:
        async for service in states:
            _show(service, chosen, is_line=True)
    return DONE


async def _watch(chosen: argparse.Namespace) -> int:
    if "*" in chosen.service or "*" in chosen.group:
        return await _watch_services(chosen)
    known: dict[tuple[str, int, str], Instance] = {}
    async with connect(chosen) as client, client.naming.subscribe(chosen.service, group=chosen.group) as states:
        async for service in states:
            _warn_if_stale(service)
            there = {(each.ip, each.port, each.cluster): each for each in service.hosts}
            for place in sorted(known.keys() | there.keys()):
                before, now = known.get(place), there.get(place)
                if now is None and before is not None:
                    _tell("-", "gone", before, chosen)
                elif now is not None and before is None:
                    _tell("+", "came", now, chosen)
                elif now is not None and now != before:
                    _tell("~", "changed", now, chosen)
            known = there
    return DONE


async def _watch_services(chosen: argparse.Namespace) -> int:
    known: frozenset[ServiceName] = frozenset()
    async with connect(chosen) as client, client.naming.watch(chosen.service, group=chosen.group) as states:
        async for there in states:
            for each in sorted(known ^ there):
                has_come = each in there
                if chosen.json:
                    said = {"change": "came" if has_come else "gone", "service": each.name, "group": each.group}
                    say_json(said, is_line=True)
                else:
                    say(f"{'+' if has_come else '-'} {each.name}  {each.group}")
            known = there
    return DONE


def _tell(mark: str, change: str, instance: "Instance", chosen: argparse.Namespace) -> None:
    if chosen.json:
        say_json({"change": change, "instance": msgspec.to_builtins(instance)}, is_line=True)
    else:
        say(f"{mark} {'  '.join(_row(instance))}".rstrip())


def _show(service: "Service", chosen: argparse.Namespace, *, is_line: bool = False) -> None:
    _warn_if_stale(service)
    if chosen.json:
        say_json(msgspec.to_builtins(service), is_line=is_line)
        return
    rows = [_row(each) for each in sorted(service.hosts, key=lambda each: (each.ip, each.port, each.cluster))]
    say_table(("ADDRESS", "CLUSTER", "WEIGHT", "HEALTHY", "METADATA"), rows)
    if is_line:
        say("")


def _row(instance: "Instance") -> tuple[str, ...]:
    host = f"[{instance.ip}]" if ":" in instance.ip else instance.ip
    metadata = ",".join(f"{name}={value}" for name, value in sorted(instance.metadata.items()))
    is_healthy = "yes" if instance.healthy else "no"
    return f"{host}:{instance.port}", instance.cluster, f"{instance.weight:g}", is_healthy, metadata


def _warn_if_stale(service: "Service") -> None:
    if service.is_stale:
        print("nacos-core naming: no server answers; this is what was heard last", file=sys.stderr)


def _address(text: str) -> tuple[str, int]:
    ip, _, port = text.rpartition(":")
    ip = ip.removeprefix("[").removesuffix("]")
    if not ip or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise SettingsError(f"{text!r} is not IP:PORT")
    return ip, int(port)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise SettingsError(f"{text!r} is not NAME=VALUE")
    return name, value
