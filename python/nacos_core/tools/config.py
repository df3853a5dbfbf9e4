"""``python -m nacos_core config``: the configurations of a running server."""

import argparse
import os
import sys
import tempfile
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from nacos_core.config.rules import TYPES
from nacos_core.errors import SettingsError
from nacos_core.naming.model import DEFAULT_GROUP
from nacos_core.tools import remote
from nacos_core.tools.remote import DONE, REFUSED, ProgressBar, administer, connect, say, say_json, say_table

if TYPE_CHECKING:
    from nacos_core.client import Config
    from nacos_core.client.admin import HistoryEvent

_COMMANDS = "get|set|remove|list|watch|history|rollback|diff|export|import"


def build_parser() -> argparse.ArgumentParser:
    """One subcommand for each thing that can be done."""
    parser = argparse.ArgumentParser(
        prog="nacos-core config",
        description="Shows and changes the configurations of a running server of this protocol.",
        epilog=remote.EPILOG,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar=_COMMANDS)

    def command(name: str, help: str, *arguments: str, group: str = DEFAULT_GROUP) -> argparse.ArgumentParser:
        common = remote.common_options(group)
        added = commands.add_parser(name, parents=[common], help=help, description=help, epilog=remote.EPILOG)
        for argument in arguments:
            added.add_argument(argument, metavar=argument.upper())
        return added

    command("get", "print the content as it is", "data_id")
    change = command("set", "publish the content that is given, of a file, or of stdin", "data_id")
    change.add_argument("content", metavar="CONTENT", nargs="?", help="- or left out: stdin")
    change.add_argument("--file", metavar="FILE", type=Path, help="the content is in this file")
    change.add_argument("--type", metavar="TYPE", choices=sorted(TYPES), help=", ".join(sorted(TYPES)))
    change.add_argument("--cas", metavar="MD5", default="", help="only if this is the md5 of what is there now")
    change.add_argument("--create-only", action="store_true", help="only if nothing is there")
    change.add_argument("--encrypted-data-key", metavar="KEY", default="", help="of a content that is encrypted")
    change.add_argument("--description")
    change.add_argument("--application")
    change.add_argument("--tags", help="with commas between")
    schema = change.add_mutually_exclusive_group()
    schema.add_argument("--schema", metavar="FILE", type=Path, help="with the JSON Schema that is in this file")
    schema.add_argument("--no-schema", action="store_true", help="without the one that is there, which stays otherwise")
    command("remove", "remove a configuration; one that is not there is no error", "data_id")
    listing = command("list", "list configurations; of all groups unless --group is given", group="")
    listing.add_argument("data_id", metavar="PATTERN", nargs="?", default="", help="with *, as in app-*")
    listing.add_argument("--content", default="", metavar="PATTERN", help="with *, as in *password*")
    listing.add_argument("--tags", default="", help="with commas between")
    listing.add_argument("--application", default="")
    listing.add_argument("--type", default="", help="with commas between")
    command("watch", "print the content now and after each change, until it is interrupted", "data_id")
    history = command("history", "list what happened to a configuration, the newest first", "data_id")
    history.add_argument("--count", type=int, default=100, help="how many events (%(default)s)")
    command("rollback", "make a configuration what it was before an event", "data_id", "event")
    compares = (
        "compare what was there before an event (after it, if it made the configuration) with another one, or now"
    )
    difference = command("diff", compares, "data_id", "old")
    difference.add_argument("new", metavar="NEW", nargs="?", help="another event; left out: what is there now")
    export = command("export", "write an archive of a namespace, or of one group or data id", group="")
    export.add_argument("file", metavar="FILE", type=Path)
    export.add_argument("--data-id", default="")
    imported = command("import", "publish what an archive holds")
    imported.add_argument("file", metavar="FILE", type=Path)
    policy = "what becomes of configurations that are there already (%(default)s)"
    imported.add_argument("--policy", choices=["abort", "skip", "overwrite"], default="abort", help=policy)
    return parser


def main(arguments: list[str]) -> int:
    """The exit code, as ``remote`` explains them."""
    chosen = build_parser().parse_args(arguments)
    if chosen.command == "set" and chosen.file is None and chosen.content in (None, "-"):
        chosen.content = sys.stdin.buffer.read()  # here, where Ctrl-C ends it
    does = {
        "get": _get,
        "set": _set,
        "remove": _remove,
        "list": _list,
        "watch": _watch,
        "history": _history,
        "rollback": _roll_back,
        "diff": _difference,
        "export": _export,
        "import": _import,
    }[chosen.command]
    return remote.run(f"config {chosen.command}", partial(does, chosen), is_endless=chosen.command == "watch")


async def _get(chosen: argparse.Namespace) -> int:
    async with connect(chosen) as client:
        config = await client.config.get(chosen.data_id, group=chosen.group)
    if config is None:
        return _absent(chosen)
    _warn_if_stale(config)
    if chosen.json:
        say_json(msgspec.to_builtins(config))
    else:
        sys.stdout.write(config.content)
        sys.stdout.flush()
    return DONE


async def _set(chosen: argparse.Namespace) -> int:
    content = _content(chosen)
    schema = "" if chosen.no_schema else None if chosen.schema is None else _text_of(chosen.schema, "schema")
    async with connect(chosen) as client:
        md5 = await client.config.publish(
            chosen.data_id,
            content,
            group=chosen.group,
            type=chosen.type,
            cas_md5=chosen.cas,
            create_only=chosen.create_only,
            encrypted_data_key=chosen.encrypted_data_key,
            description=chosen.description,
            application=chosen.application,
            tags=chosen.tags,
            schema=schema,
        )
    say_json({"md5": md5}) if chosen.json else say(md5)
    return DONE


def _content(chosen: argparse.Namespace) -> str:
    if chosen.file is not None and chosen.content is not None:
        raise SettingsError("the content is given twice: as an argument and with --file")
    if chosen.file is not None:
        return _text_of(chosen.file, "content")
    return _decoded(chosen.content, "content") if isinstance(chosen.content, bytes) else str(chosen.content)


def _text_of(file: Path, what: str) -> str:
    return _decoded(remote.read_bytes(file), what)


def _decoded(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise SettingsError(f"the {what} is not UTF-8: {error}") from None


async def _remove(chosen: argparse.Namespace) -> int:
    async with connect(chosen) as client:
        await client.config.remove(chosen.data_id, group=chosen.group)
    say_json({"removed": True}) if chosen.json else say("done")
    return DONE


async def _list(chosen: argparse.Namespace) -> int:
    found, bar = [], ProgressBar("listed")
    async with administer(chosen, chosen.namespace) as admin:
        pages = admin.search(
            data_id=chosen.data_id,
            group=chosen.group,
            content=chosen.content,
            tags=chosen.tags,
            application=chosen.application,
            types=chosen.type,
        )
        async for config, count in pages:
            found.append(config)
            if count > remote.LONG_COUNT:
                bar(len(found), count)
    if len(found) > remote.LONG_COUNT:
        bar.end()
    if chosen.json:
        say_json([msgspec.to_builtins(each) for each in found])
    else:
        rows = [(each.data_id, each.group, each.type, each.md5, each.application) for each in found]
        say_table(("DATA ID", "GROUP", "TYPE", "MD5", "APPLICATION"), rows)
    return DONE


async def _watch(chosen: argparse.Namespace) -> int:
    async with connect(chosen) as client, client.config.watch(chosen.data_id, group=chosen.group) as states:
        async for config in states:
            if chosen.json:
                say_json(None if config is None else msgspec.to_builtins(config), is_line=True)
            elif config is None:
                say(f"--- {chosen.data_id} is not there")
            else:
                _warn_if_stale(config)
                say(f"--- {config.data_id} {config.md5} {_time(config.last_modified_ms)}")
                say(config.content)
    return DONE


async def _history(chosen: argparse.Namespace) -> int:
    async with administer(chosen, chosen.namespace) as admin:
        events = await admin.history(chosen.data_id, group=chosen.group, count=chosen.count)
    if chosen.json:
        say_json([msgspec.to_builtins(each) for each in events])
    else:
        rows = [(each.id, _what(each), _time(each.time), each.source_ip, each.source_user) for each in events]
        say_table(("EVENT", "WHAT", "WHEN", "FROM", "WHO"), rows)
    return DONE


async def _roll_back(chosen: argparse.Namespace) -> int:
    async with administer(chosen, chosen.namespace) as admin:
        md5 = await admin.roll_back(chosen.data_id, chosen.event, group=chosen.group)
    say_json({"md5": md5}) if chosen.json else say(md5 or "removed, as it was before")
    return DONE


async def _difference(chosen: argparse.Namespace) -> int:
    now = ""
    if chosen.new is None:
        async with connect(chosen) as client:
            config = await client.config.get(chosen.data_id, group=chosen.group)
        now = "" if config is None else config.content
    async with administer(chosen, chosen.namespace) as admin:
        text = await admin.difference(chosen.data_id, chosen.old, chosen.new, now, group=chosen.group)
    if chosen.json:
        say_json({"diff": text})
    else:
        sys.stdout.write(text)
        sys.stdout.flush()
    return DONE


async def _export(chosen: argparse.Namespace) -> int:
    """The file is there with everything in it, or as it was before."""
    folder = chosen.file.absolute().parent
    if not folder.is_dir():
        raise SettingsError(f"there is no folder {folder}")
    if chosen.file.is_dir():
        raise SettingsError(f"{chosen.file} is a folder: name a file in it")
    bar = ProgressBar("export")
    bar.wait()
    with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{chosen.file.name}.", delete=False) as file:
        try:
            async with administer(chosen, chosen.namespace) as admin:
                count = await admin.export(file, data_id=chosen.data_id, group=chosen.group, progress=bar)
            file.flush()
            os.fsync(file.fileno())
            os.replace(file.name, chosen.file)
        except BaseException:
            os.unlink(file.name)
            raise
        finally:
            bar.end()
    say_json({"file": str(chosen.file), "bytes": count}) if chosen.json else say(f"{chosen.file}: {count} bytes")
    return DONE


async def _import(chosen: argparse.Namespace) -> int:
    content = remote.read_bytes(chosen.file)
    bar = ProgressBar("import")
    try:
        async with administer(chosen, chosen.namespace) as admin:
            said = await admin.import_(content, policy=chosen.policy.upper(), progress=bar)
    finally:
        bar.end()
    failed, skipped = said.get("failData") or [], said.get("skipData") or []
    unrecognized = said.get("unrecognizedData") or []
    if chosen.json:
        say_json(said)
    else:
        say(f"{said.get('succCount', 0)} published")
        for kind, items in (("skipped", skipped), ("not published", failed), ("not recognized", unrecognized)):
            for one in items:
                why = f": {one['message']}" if one.get("message") else ""
                say(f"{kind}: {one.get('itemName') or one.get('dataId')} {one.get('group', '')}".rstrip() + why)
    return REFUSED if failed else DONE


def _absent(chosen: argparse.Namespace) -> int:
    print(f"nacos-core config {chosen.command}: {chosen.data_id} of group {chosen.group} is not there", file=sys.stderr)
    return REFUSED


def _warn_if_stale(config: "Config") -> None:
    if config.is_stale:
        print("nacos-core config: no server answers; this is what was heard last", file=sys.stderr)


def _what(event: "HistoryEvent") -> str:
    return {"I": "made", "U": "changed", "D": "removed"}.get(event.operation, event.operation)


def _time(stamp: int | str) -> str:
    if isinstance(stamp, str):
        return stamp
    return datetime.fromtimestamp(stamp / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
