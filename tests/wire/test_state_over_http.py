"""What a node tells of itself, of its cluster and of its part in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nacos_core import __version__
from wire import phrases
from wire.client import call_http

if TYPE_CHECKING:
    from support.node_process import NodeProcess


def test_the_state_of_a_node_is_told(node: NodeProcess) -> None:
    v3 = call_http(node.port, "GET", "/nacos/v3/admin/core/state").json["data"]
    assert (v3["version"], v3["startup_mode"]) == (__version__, "standalone")
    assert v3["config_retention_days"] == "30"
    assert all(value is None or isinstance(value, str) for value in v3.values())
    v1 = call_http(node.port, "GET", "/nacos/v1/console/server/state").json
    assert (v1["version"], v1["auth_enabled"]) == (__version__, "false")


def test_a_node_alone_is_its_whole_cluster(node: NodeProcess) -> None:
    own = call_http(node.port, "GET", "/nacos/v3/admin/core/cluster/node/self").json["data"]
    assert call_http(node.port, "GET", "/nacos/v3/admin/core/cluster/node/list").json["data"] == [own]
    assert own["address"].endswith(f":{node.port}")
    state = call_http(node.port, "GET", "/nacos/v3/admin/core/raft/state").json["data"]
    assert (state["role"], state["followers"]) == ("leader", [])
    assert state["leaderId"] == state["nodeId"]
    answer = call_http(node.port, "POST", "/nacos/v3/admin/core/raft/transfer")
    assert (answer.status, answer.json["code"]) == (400, 20002)
    assert "stands alone" in answer.json["data"]


def test_members_are_listed_by_address_and_state(node: NodeProcess) -> None:
    def listed(**wanted: str) -> int:
        return len(call_http(node.port, "GET", "/nacos/v3/admin/core/cluster/node/list", wanted).json["data"])

    assert [listed(state=state) for state in ("", "UP", "up", "DOWN")] == [1, 1, 1, 0]
    assert [listed(address=address) for address in (f":{node.port}", "10.0.0.1")] == [1, 0]
    assert listed(address=f":{node.port}", state="DOWN") == 0


def test_older_versions_show_members_in_their_own_shapes(node: NodeProcess) -> None:
    def shown(path: str) -> dict[str, Any]:
        answer: dict[str, Any] = call_http(node.port, "GET", f"/nacos{path}").json
        return answer

    own = shown("/v3/admin/core/cluster/node/self")["data"]
    for name, data in (("nodes", [own]), ("self", own), ("simple/nodes", [own["address"]]), ("health", "UP")):
        assert shown(f"/v1/core/cluster/{name}") == {"code": 200, "message": None, "data": data}
    assert shown("/v1/core/cluster/nodes?keyword=nowhere")["data"] == []
    for name, data in (("list", [own]), ("self", own), ("self/health", "UP")):
        assert shown(f"/v2/core/cluster/node/{name}") == {"code": 0, "message": "success", "data": data}
    assert shown("/v3/admin/core/cluster/node/self/health")["data"] == "UP"


def test_clients_with_an_endpoint_find_the_members(node: NodeProcess) -> None:
    own = call_http(node.port, "GET", "/nacos/v3/admin/core/cluster/node/self").json["data"]["address"]
    answer = call_http(node.port, "GET", "/nacos/serverlist", {"nofix": "1"})
    assert (answer.status, answer.text) == (200, f"{own}\n")
    assert answer.headers["content-type"].startswith("text/plain")


def test_probes_of_old_recipes_and_of_the_newest_maintainer_are_answered(node: NodeProcess) -> None:
    assert call_http(node.port, "GET", "/nacos/v1/cs/health").text == "UP"
    for name in ("liveness", "readiness"):
        assert call_http(node.port, "GET", f"/nacos/v3/admin/core/ops/{name}").json["data"] == "ok"


def test_who_publishes_a_service_is_told(node: NodeProcess) -> None:
    name = phrases.unique("published")
    form = {"serviceName": name, "ip": "10.3.0.1", "port": 80}
    assert call_http(node.port, "POST", phrases.V1_INSTANCE, form=form).text == "ok"
    path = "/nacos/v3/admin/core/distro/consistency"
    shown = call_http(node.port, "GET", path, {"serviceName": name}).json["data"]
    assert (shown["namespaceId"], shown["groupName"], shown["serviceName"]) == ("public", phrases.GROUP, name)
    assert "10.3.0.1:80" in str(shown["publishers"])
    assert call_http(node.port, "GET", path).json["code"] == 0
    assert call_http(node.port, "GET", path, {"serviceName": "@@"}).status == 400
