"""``python -m nacos_core cluster``: who the members are, and how they are changed."""

import argparse
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from nacos_core.config.rules import DEFAULT_NAMESPACE
from nacos_core.tools import remote
from nacos_core.tools.remote import DONE, administer, say, say_json, say_table

if TYPE_CHECKING:
    from nacos_core.client.admin import Admin

MEMBER_PATH = "/nacos/v3/admin/core/cluster/member"
PATIENCE_SECONDS = 10.0
"""A member that is taken in is asked first, and the log has to say so."""


def build_parser() -> argparse.ArgumentParser:
    """One subcommand for each thing that can be done."""
    epilog = f"{remote.EPILOG} NACOS_CORE_ADMIN_PASSWORD is the password of nacos where no other is given."
    parser = argparse.ArgumentParser(
        prog="nacos-core cluster",
        description="Shows and changes the members of a running cluster, through any of them.",
        epilog=epilog,
    )
    common = remote.server_options(PATIENCE_SECONDS)
    commands = parser.add_subparsers(dest="command", required=True, metavar="list|add|remove|transfer")

    def command(name: str, help: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[common], help=help, description=help, epilog=epilog)

    command("list", "the members, who leads, and how far behind each is")
    add = command("add", "take in an empty node, or give a learner its vote")
    add.add_argument("member", metavar="HOST:PORT", help="where it waits; it was started with --join or --cluster")
    command("remove", "take out a member for good").add_argument("member", metavar="ID|HOST:PORT")
    transfer = command("transfer", "have another voter lead")
    transfer.add_argument("member", metavar="ID|HOST:PORT", nargs="?", default="", help="the best one if left out")
    return parser


def main(arguments: list[str]) -> int:
    """The exit code, as ``remote`` explains them."""
    chosen = build_parser().parse_args(arguments)
    return remote.run(f"cluster {chosen.command}", partial(carry_out, chosen))


async def carry_out(chosen: argparse.Namespace) -> int:
    """Does what the arguments say, and prints the answer."""
    password = os.environ.get("NACOS_CORE_ADMIN_PASSWORD")
    if password and chosen.username is None and chosen.password is None:
        chosen.username, chosen.password = "nacos", password
    async with administer(chosen, DEFAULT_NAMESPACE) as admin:
        answer = await _ask(admin, chosen)
    if chosen.json:
        say_json(answer)
    elif chosen.command == "list":
        _print_members(answer)
    else:
        say("done" if chosen.command != "transfer" else "begun")
    return DONE


async def _ask(admin: "Admin", chosen: argparse.Namespace) -> Any:
    match chosen.command:
        case "list":
            members = await admin.ask("GET", "/nacos/v3/admin/core/cluster/node/list", {})
            return {"members": members, "raft": await admin.ask("GET", "/nacos/v3/admin/core/raft/state", {})}
        case "add":
            return await admin.ask("POST", MEMBER_PATH, {"address": chosen.member})
        case "remove":
            return await admin.ask("DELETE", MEMBER_PATH, {"member": chosen.member})
        case _:
            named = {"member": chosen.member} if chosen.member else {}
            return await admin.ask("POST", "/nacos/v3/admin/core/raft/transfer", named)


def _print_members(answer: Any) -> None:
    raft = answer["raft"]
    behind = {follower["nodeId"]: follower["lag"] for follower in raft["followers"]}
    rows = []
    for member in answer["members"]:
        info = member["extendInfo"]
        part = "leader" if info["leader"] else info["part"]
        lag = behind.get(info["nodeId"])
        rows.append((member["address"] or "-", info["nodeId"], part, member["state"], "" if lag is None else str(lag)))
    say_table(("ADDRESS", "ID", "PART", "STATE", "BEHIND"), rows)
    say(f"cluster {raft['clusterId']}, term {raft['term']}, committed up to entry {raft['commitIndex']}")
