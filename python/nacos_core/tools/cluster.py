"""``python -m nacos_core cluster``: who the members are, and how they are changed."""

import argparse
import json
import os
import sys
from typing import Any

from nacos_core.tools.server import Refused, Server

MEMBER_PATH = "/nacos/v3/admin/core/cluster/member"


def build_parser() -> argparse.ArgumentParser:
    """One subcommand for each thing that can be done."""
    parser = argparse.ArgumentParser(
        prog="nacos-core cluster",
        description="Shows and changes the members of a running cluster, through any of them.",
        epilog="With authentication on, the password of nacos is taken from NACOS_CORE_ADMIN_PASSWORD.",
    )
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--server", metavar="URL", default="http://127.0.0.1:8848", help="any member (%(default)s)")
    common.add_argument("--json", action="store_true", help="print what the server says as it is")
    commands = parser.add_subparsers(dest="command", required=True, metavar="list|add|remove|transfer")
    commands.add_parser("list", parents=[common], help="the members, who leads, and how far behind each is")
    add = commands.add_parser("add", parents=[common], help="take in an empty node, or give a learner its vote")
    add.add_argument("member", metavar="HOST:PORT", help="where it waits; it was started with --join or --cluster")
    remove = commands.add_parser("remove", parents=[common], help="take out a member for good")
    remove.add_argument("member", metavar="ID|HOST:PORT")
    transfer = commands.add_parser("transfer", parents=[common], help="have another voter lead")
    transfer.add_argument("member", metavar="ID|HOST:PORT", nargs="?", default="", help="the best one if left out")
    return parser


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 refused or not reached, 2 wrong arguments."""
    chosen = build_parser().parse_args(arguments)
    server = Server(chosen.server, os.environ.get("NACOS_CORE_ADMIN_PASSWORD"))
    try:
        answer = _do(server, chosen)
    except Refused as error:
        print(f"nacos-core cluster {chosen.command}: {error}", file=sys.stderr)
        return 1
    if chosen.json:
        print(json.dumps(answer, indent=2))
    elif chosen.command == "list":
        _print_members(answer)
    else:
        print("done" if chosen.command != "transfer" else "begun")
    return 0


def _do(server: Server, chosen: argparse.Namespace) -> Any:
    match chosen.command:
        case "list":
            members = server.ask("GET", "/nacos/v3/admin/core/cluster/node/list", {})
            return {"members": members, "raft": server.ask("GET", "/nacos/v3/admin/core/raft/state", {})}
        case "add":
            return server.ask("POST", MEMBER_PATH, {"address": chosen.member})
        case "remove":
            return server.ask("DELETE", MEMBER_PATH, {"member": chosen.member})
        case _:
            return server.ask("POST", "/nacos/v3/admin/core/raft/transfer", {"member": chosen.member})


def _print_members(answer: Any) -> None:
    raft = answer["raft"]
    behind = {follower["nodeId"]: follower["lag"] for follower in raft["followers"]}
    rows = [("ADDRESS", "ID", "PART", "STATE", "BEHIND")]
    for member in answer["members"]:
        info = member["extendInfo"]
        part = "leader" if info["leader"] else info["part"]
        lag = behind.get(info["nodeId"])
        rows.append((member["address"] or "-", info["nodeId"], part, member["state"], "" if lag is None else str(lag)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())
    print(f"cluster {raft['clusterId']}, term {raft['term']}, committed up to entry {raft['commitIndex']}")
