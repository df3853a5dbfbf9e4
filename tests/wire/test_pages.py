"""Lists come in pages: how many are on one if nobody says, how many there are, and what is beyond the last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wire import phrases
from wire.client import call_http

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.node_process import NodeProcess

    Fill = Callable[[NodeProcess, str, int], dict[str, str]]
    """Makes so many of what is listed, all by a name of the test's own, and says what to ask for."""

ADMIN, CONSOLE = "/nacos/v3/admin", "/nacos/v3/console"
V3_INSTANCE = f"{ADMIN}/ns/instance"
CONFIG = f"{ADMIN}/cs/config"
SIZE = 100
"""Of a page of version 3 (protocol/http.md section 6.2)."""


def post(node: NodeProcess, path: str, **form: Any) -> None:
    assert call_http(node.port, "POST", path, form=form).json["code"] == 0


def services(node: NodeProcess, name: str, count: int) -> dict[str, str]:
    for number in range(count):
        post(node, V3_INSTANCE, namespaceId=name, serviceName=f"s{number}", ip="10.4.0.1", port=80)
    return {"namespaceId": name}


def instances(node: NodeProcess, name: str, count: int) -> dict[str, str]:
    for number in range(count):
        post(node, V3_INSTANCE, serviceName=name, ip="10.4.0.1", port=1000 + number)
    return {"serviceName": name, "clusterName": "DEFAULT"}


def configs(node: NodeProcess, name: str, count: int) -> dict[str, str]:
    for number in range(count):
        post(node, CONFIG, namespaceId=name, dataId=f"d{number}", groupName="g", content="x")
    return {"namespaceId": name}


def events(node: NodeProcess, name: str, count: int) -> dict[str, str]:
    for number in range(count):
        post(node, CONFIG, dataId=name, groupName="g", content=str(number))
    return {"dataId": name, "groupName": "g", "group": "g"}


def subscribers(node: NodeProcess, name: str, count: int) -> dict[str, str]:
    for number in range(count):
        query = {"serviceName": name, "udpPort": str(20_000 + number)}
        call_http(node.port, "GET", phrases.V1_LIST, query, headers={"User-Agent": "Nacos-Java-Client:v1.4.0"})
    return {"serviceName": name}


@pytest.mark.parametrize(
    ("path", "fill"),
    [
        (f"{ADMIN}/ns/service/list", services),
        (f"{CONSOLE}/ns/service/list", services),
        (f"{ADMIN}/ns/service/subscribers", subscribers),
        (f"{CONSOLE}/ns/service/subscribers", subscribers),
        (f"{CONSOLE}/ns/instance/list", instances),
        (f"{CONFIG}/list", configs),
        (f"{CONSOLE}/cs/config/list", configs),
    ],
)
def test_a_page_has_a_hundred_unless_said(node: NodeProcess, path: str, fill: Fill) -> None:
    asked = fill(node, phrases.unique("page"), SIZE + 1)

    def page(**query: int) -> dict[str, Any]:
        shown: dict[str, Any] = call_http(node.port, "GET", path, asked | query).json["data"]
        return shown

    def figures(shown: dict[str, Any]) -> tuple[int, int, int, int]:
        return (shown["totalCount"], shown["pageNumber"], shown["pagesAvailable"], len(shown["pageItems"]))

    assert figures(page()) == (SIZE + 1, 1, 2, SIZE)
    assert figures(page(pageNo=2)) == (SIZE + 1, 2, 2, 1)
    assert figures(page(pageNo=3)) == (SIZE + 1, 3, 2, 0)
    assert figures(page(pageNo=2, pageSize=40)) == (SIZE + 1, 2, 3, 40)
    assert figures(page(pageSize=SIZE + 1)) == (SIZE + 1, 1, 1, SIZE + 1)
    parts = [page(pageNo=number, pageSize=40)["pageItems"] for number in (1, 2, 3)]
    assert [each for part in parts for each in part] == page(pageSize=SIZE + 1)["pageItems"]


@pytest.mark.parametrize("api", [ADMIN, CONSOLE, "/nacos/v2"])
def test_a_page_of_history_has_a_hundred_unless_said(node: NodeProcess, api: str) -> None:
    asked = events(node, phrases.unique("page"), SIZE)  # as many as are kept
    shown = call_http(node.port, "GET", f"{api}/cs/history/list", asked).json["data"]
    assert (shown["totalCount"], shown["pagesAvailable"], len(shown["pageItems"])) == (SIZE, 1, SIZE)


def test_version_2_lists_twenty_services(node: NodeProcess) -> None:
    asked = services(node, phrases.unique("page"), 21)
    shown = call_http(node.port, "GET", "/nacos/v2/ns/service/list", asked).json["data"]
    assert (shown["count"], len(shown["services"])) == (21, 20)


def test_version_1_lists_many_subscribers(node: NodeProcess) -> None:
    asked = subscribers(node, phrases.unique("page"), SIZE + 1)
    shown = call_http(node.port, "GET", "/nacos/v1/ns/service/subscribers", asked).json
    assert (shown["count"], len(shown["subscribers"])) == (SIZE + 1, SIZE + 1)
