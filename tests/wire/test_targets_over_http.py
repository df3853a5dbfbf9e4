"""Instances as Prometheus asks for them, as targets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from wire import phrases
from wire.client import HttpAnswer, call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess

ALL = "/nacos/prometheus"


def register(node: NodeProcess, namespace: str, service: str, ip: str, **more: str) -> None:
    form = {"namespaceId": namespace, "serviceName": service, "ip": ip, "port": "80"} | more
    assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"


def ask(node: NodeProcess, *names: str) -> HttpAnswer:
    words = ("namespaceId", "service")
    path = "".join(f"/{word}/{quote(name, safe='')}" for word, name in zip(words, names, strict=False))
    return call_http(node.port, "GET", ALL + path)


def targets(node: NodeProcess, *names: str) -> dict[str, dict[str, Any]]:
    """Labels by target."""
    answer = ask(node, *names)
    assert answer.status == 200
    assert answer.headers["content-type"].replace(" ", "").lower() == "application/json;charset=utf-8"
    assert all(each.keys() == {"targets", "labels"} and len(each["targets"]) == 1 for each in answer.json)
    return {each["targets"][0]: each["labels"] for each in answer.json}


def test_instances_are_told_with_what_a_scraper_wants_to_know(node: NodeProcess) -> None:
    namespace = phrases.unique("scraped")
    metadata = '{"__metrics_path__":"/m","app.kubernetes.io/name":"shop","0day":"x","__meta_serviceName":"forged"}'
    register(node, namespace, "orders", "10.9.0.1", metadata=metadata, clusterName="c1", groupName="g")
    register(node, namespace, "orders", "fe80::1", healthy="false", enabled="false")
    assert targets(node, namespace) == {
        "10.9.0.1:80": {
            "__metrics_path__": "/m",
            "app_kubernetes_io_name": "shop",
            "_0day": "x",
            "__meta_clusterName": "c1",
            "__meta_namespaceId": namespace,
            "__meta_groupName": "g",
            "__meta_serviceName": "orders",
            "__meta_healthy": "true",
        },
        "[fe80::1]:80": {
            "__meta_clusterName": "DEFAULT",
            "__meta_namespaceId": namespace,
            "__meta_groupName": "DEFAULT_GROUP",
            "__meta_serviceName": "orders",
            "__meta_healthy": "false",
        },
    }


def test_all_those_of_a_namespace_or_those_of_a_service_are_told(node: NodeProcess) -> None:
    one, other = phrases.unique("scraped"), phrases.unique("scraped")
    for number in range(50):  # more than are looked at in one piece
        register(node, one, f"s{number}", f"10.9.1.{number}")
    register(node, one, "s1", "10.9.2.1", groupName="g")
    register(node, other, "s1", "10.9.3.1")
    assert len(targets(node, one)) == 51
    assert targets(node, other).keys() == {"10.9.3.1:80"}
    assert targets(node).keys() >= {*targets(node, one), *targets(node, other)}
    assert targets(node, one, "s1").keys() == {"10.9.1.1:80", "10.9.2.1:80"}
    assert targets(node, one, "g@@s1").keys() == {"10.9.2.1:80"}
    assert targets(node, one, "s").keys() == targets(node, phrases.unique("scraped")).keys() == set()
    assert list(targets(node, one)) == list(targets(node, one)), "in an order of their own"


@pytest.mark.parametrize("path", ["/namespaceId", "/namespaceId/", "/namespaceId/a/service", "/namespaceId/a/service/"])
def test_a_path_that_is_cut_off_is_none(node: NodeProcess, path: str) -> None:
    assert call_http(node.port, "GET", ALL + path).status == 404


def test_other_methods_are_not_for_these(node: NodeProcess) -> None:
    for path in (ALL, f"{ALL}/namespaceId/a", f"{ALL}/namespaceId/a/service/b"):
        answer = call_http(node.port, "POST", path)
        assert (answer.status, answer.headers["allow"]) == (405, "GET")
