"""The maintainer client of the Java 3.x line, nacos-maintainer-client, against the API for administrators.

Everything that its interfaces offer is either asked for here, by name, or in `LACKS` with the reason why not.
"""

from __future__ import annotations

import contextlib
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from harness import Client, ClientError, ClientKind, instance, unique
from java_build import TOOLCHAIN, build
from scenarios import eventually, md5
from support.node_process import NodeProcess
from test_java import V3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KIND = ClientKind(name="maintainer-3", toolchain=TOOLCHAIN, build=partial(build, "maintainer", "Maintainer"))
GROUP = "g"
APPLICATION, USER, DESCRIPTION = "app", "somebody", "for a test"
ABSENT, CONFLICT, NOT_EMPTY, NO_SERVICE, NO_NAMESPACE, NOT_OFFERED, NO_SUCH_PATH = (
    *("20004", "21007", "21009", "21008", "22001", "40001"),
    "No endpoint",
)
UNREADABLE = "NacosDeserializationException"
"""The client looks for the bare value where servers of its own version, as this one, answer with a Result."""
LACKS: dict[str, tuple[list[Any], str, str]] = {
    "config.updateLocalCacheFromStore": ([], NO_SUCH_PATH, "there is one store and no cache beside it"),
    "core.updateLookupMode": (["file"], NOT_OFFERED, "members are agreed on by Raft, not looked up"),
    "naming.getClientList": ([], UNREADABLE, "an error of the client"),
    "naming.getHealthCheckers": ([], UNREADABLE, "an error of the client"),
    "naming.listSelectorTypes": ([], UNREADABLE, "an error of the client"),
}
"""Operation → arguments, what the client says of the answer, and why. All of `ai` (registries of agents and of MCP
servers) is not built either."""

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(600)]  # the first test builds the program


class Ask(Protocol):
    def __call__(self, operation: str, *arguments: Any) -> Any:
        """Calls `interface.method` of the library."""


@pytest.fixture(scope="module")
def ask(
    server: str, command_of: Callable[[ClientKind], list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ask]:
    client = Client(KIND, command_of(KIND), server, tmp_path_factory.mktemp(KIND.name))
    try:
        client.wait_ready()
        yield lambda operation, *arguments: client.call(operation, arguments=list(arguments))
    finally:
        client.close()


@pytest.fixture
def namespace(ask: Ask) -> str:
    """A namespace of the test's own."""
    name = unique("ns")
    assert ask("core.createNamespace", name, name, "")
    return name


@pytest.fixture
def application(
    server: str, command_of: Callable[[ClientKind], list[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    """A client of the other kind, for administrators to look at."""
    client = Client(V3, command_of(V3), server, tmp_path_factory.mktemp(V3.name))
    try:
        yield client.wait_ready()
    finally:
        client.close()


def refused(code: str, ask: Ask, operation: str, *arguments: Any) -> None:
    with pytest.raises(ClientError, match=code):
        ask(operation, *arguments)


def test_every_operation_of_the_library_is_asked_for_or_known_to_be_lacking(ask: Ask) -> None:
    offered = {operation for operation in ask("operations") if not operation.startswith("ai.")}
    source = Path(__file__).read_text()
    asked = {operation for operation in offered - LACKS.keys() if f'"{operation}"' in source}
    assert offered - asked == LACKS.keys()


@pytest.mark.parametrize("operation", LACKS)
def test_what_is_lacking_is_still_lacking(ask: Ask, operation: str) -> None:
    arguments, error, _ = LACKS[operation]
    refused(error, ask, operation, *arguments)


# namespaces and the node


def test_namespaces_are_made_changed_listed_and_removed(ask: Ask) -> None:
    name = unique("ns")
    assert not ask("core.checkNamespaceIdExist", name)
    assert ask("core.createNamespace", name, "First", "one")
    assert ask("core.checkNamespaceIdExist", name)
    assert ask("core.updateNamespace", name, "Second", "two")
    shown = ask("core.getNamespace", name)
    assert (shown["namespaceShowName"], shown["namespaceDesc"], shown["configCount"]) == ("Second", "two", 0)
    assert shown in ask("core.getNamespaceList")
    assert ask("core.deleteNamespace", name)
    refused(NO_NAMESPACE, ask, "core.getNamespace", name)


def test_the_node_tells_of_itself(ask: Ask, server: str) -> None:
    assert ask("core.liveness")
    assert ask("core.readiness")
    state = ask("core.getServerState")
    assert (state["startup_mode"], state["server_port"]) == ("standalone", server.rpartition(":")[2])
    [member] = ask("core.listClusterNodes", "", "")
    assert (member["ip"], str(member["port"]), member["state"]) == (*server.split(":"), "UP")
    assert ask("core.listClusterNodes", "", "DOWN") == []
    assert ask("naming.getMetrics", True) == {"status": "UP"}
    assert ask("naming.getMetrics", False).keys() > {"serviceCount", "instanceCount", "connectionBasedClientCount"}


def test_loggers_of_the_node_get_their_levels(ask: Ask) -> None:
    for operation in ("core.updateLogLevel", "config.setLogLevel", "naming.setLogLevel"):
        assert ask(operation, "core-raft", "DEBUG") == (None if operation == "core.updateLogLevel" else "ok")
        refused("there is no logger 'naming-main'", ask, operation, "naming-main", "DEBUG")
        ask(operation, "nacos_core", "INFO")


def test_the_log_of_the_node_is_administered(ask: Ask, namespace: str) -> None:
    assert ask("core.raftOps", "doSnapshot", "", "naming_persistent_service") is None
    refused("stands alone", ask, "core.raftOps", "transferLeader", "127.0.0.1:1", "")
    refused("changePeers is not offered", ask, "core.raftOps", "changePeers", "127.0.0.1:1", "")
    publish(ask, namespace, "d", "x")
    [counter] = ask("core.getIdGenerators")
    assert counter == {"resource": "config", "info": {"currentId": id_of(ask, namespace, "d"), "workerId": 0}}


def test_clients_are_counted_member_by_member(ask: Ask, server: str, application: Client) -> None:
    assert application.register(unique("counted"), instance(7001))
    told = ask("core.getClusterLoaderMetrics")
    [member] = told["detail"]
    assert (member["address"], member["sdkConCount"]) == (server, told["total"])
    assert told["total"] >= 1
    assert (told["completed"], told["memberCount"]) == (True, 1)
    assert ask("core.smartReloadCluster", "0.1") == "ignore", "there is no other member"


def test_who_logs_in_administers_a_guarded_node_and_nobody_else(
    command_of: Callable[[ClientKind], list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    java, *rest = command_of(KIND)
    folder, password = tmp_path_factory.mktemp("guarded"), "correct horse"
    environment = {"NACOS_CORE_ADMIN_PASSWORD": password}
    with NodeProcess(folder / "node", "--auth", "on", environment=environment) as node, contextlib.ExitStack() as stack:

        def namespaces(who: str, secret: str) -> list[str]:
            command = [java, "-Dusername=nacos", f"-Dpassword={secret}", *rest]
            client = Client(KIND, command, node.address, folder / who)
            stack.callback(client.close)
            return [one["namespace"] for one in client.wait_ready().call("core.getNamespaceList", arguments=[])]

        assert namespaces("operator", password) == ["public"]
        with pytest.raises(ClientError, match="403"):
            namespaces("stranger", "wrong")


# configurations


def publish(ask: Ask, namespace: str, data_id: str, content: str, tags: str = "", kind: str = "text") -> None:
    attributes = (APPLICATION, USER, tags, DESCRIPTION, kind)
    assert ask("config.publishConfig", data_id, GROUP, namespace, content, *attributes)


def id_of(ask: Ask, namespace: str, data_id: str) -> int:
    return int(ask("config.getConfig", data_id, GROUP, namespace)["id"])


def test_a_configuration_is_read_with_the_attributes_it_was_published_with(ask: Ask, namespace: str) -> None:
    began_ms = time.time() * 1000
    publish(ask, namespace, "d", "a: ü=&%", "t1,t2", "yaml")
    shown = ask("config.getConfig", "d", GROUP, namespace)
    assert began_ms - 1000 < shown.pop("createTime") == shown.pop("modifyTime") < began_ms + 60_000
    assert (shown.pop("id").isdigit(), shown.pop("createIp")) == (True, "127.0.0.1")
    assert shown == {
        "namespaceId": namespace,
        "groupName": GROUP,
        "dataId": "d",
        "content": "a: ü=&%",
        "md5": md5("a: ü=&%"),
        "encryptedDataKey": "",
        "type": "yaml",
        "configTags": "t1,t2",
        "desc": DESCRIPTION,
        "appName": APPLICATION,
        "createUser": USER,
    }
    assert ask("config.deleteConfig", "d", GROUP, namespace)
    refused(ABSENT, ask, "config.getConfig", "d", GROUP, namespace)


def test_description_and_tags_are_changed_without_the_content(ask: Ask, namespace: str) -> None:
    publish(ask, namespace, "d", "a: 1", "t1", "yaml")
    before = ask("config.getConfig", "d", GROUP, namespace)
    assert ask("config.updateConfigMetadata", "d", GROUP, namespace, "in other words", "t2,t3")
    shown = ask("config.getConfig", "d", GROUP, namespace)
    assert (shown["desc"], shown["configTags"]) == ("in other words", "t2,t3")
    for name in ("id", "content", "md5", "type", "appName", "createTime"):
        assert shown[name] == before[name]
    refused(ABSENT, ask, "config.updateConfigMetadata", "absent", GROUP, namespace, "words", "t1")


def test_configurations_are_found_by_name_content_kind_tag_and_application(ask: Ask, namespace: str) -> None:
    publish(ask, namespace, "alpha-1", "content: one", "t1", "yaml")
    publish(ask, namespace, "alpha-2", "content: two", "t2", "yaml")
    publish(ask, namespace, "beta", "content one", "t1", "text")

    def found(data_id: str, how: str, content: str = "", kind: str = "", tag: str = "", app: str = "") -> list[str]:
        group = "" if how == "blur" else GROUP
        page = ask("config.searchConfigByDetails", data_id, group, namespace, how, content, kind, tag, app, 1, 10)
        assert page["totalCount"] == len(page["pageItems"])
        return sorted(item["dataId"] for item in page["pageItems"])

    assert found("alpha-*", "blur") == ["alpha-1", "alpha-2"]
    assert found("beta", "accurate") == ["beta"]
    assert found("alph", "accurate") == []
    assert found("*", "blur", content="one") == ["alpha-1", "beta"]
    assert found("*", "blur", kind="yaml") == ["alpha-1", "alpha-2"]
    assert found("*", "blur", tag="t1") == ["alpha-1", "beta"]
    assert found("*", "blur", app=APPLICATION) == ["alpha-1", "alpha-2", "beta"]
    assert found("*", "blur", app="other") == []
    assert [each["dataId"] for each in ask("config.getConfigListByNamespace", namespace)] == found("*", "blur")


def test_a_search_is_told_page_by_page(ask: Ask, namespace: str) -> None:
    for number in range(3):
        publish(ask, namespace, f"d{number}", "x")
    pages = [
        ask("config.searchConfigByDetails", "*", "", namespace, "blur", "", "", "", "", number, 2) for number in (1, 2)
    ]
    assert [(page["totalCount"], page["pageNumber"], page["pagesAvailable"]) for page in pages] == [
        (3, 1, 2),
        (3, 2, 2),
    ]
    assert [item["dataId"] for page in pages for item in page["pageItems"]] == ["d0", "d1", "d2"]


def test_the_history_tells_what_was_there_before_each_change(ask: Ask, namespace: str) -> None:
    for content in ("one", "two"):
        publish(ask, namespace, "d", content)
    assert ask("config.deleteConfig", "d", GROUP, namespace)
    page = ask("config.listConfigHistory", "d", GROUP, namespace, 1, 10)
    assert [item["opType"].strip() for item in page["pageItems"]] == ["D", "U", "I"]
    removed, changed, _ = (int(item["id"]) for item in page["pageItems"])
    detail = ask("config.getConfigHistoryInfo", "d", GROUP, namespace, removed)
    assert (detail["content"], detail["publishType"]) == ("two", "formal")
    before = ask("config.getPreviousConfigHistoryInfo", "d", GROUP, namespace, removed)
    assert (int(before["id"]), before["content"], before["srcUser"]) == (changed, "one", USER)


def test_a_beta_is_shown_and_stopped_and_leaves_the_content_as_it_was(ask: Ask, namespace: str) -> None:
    publish(ask, namespace, "d", "for all")
    attributes = (APPLICATION, USER, "", DESCRIPTION, "text", "10.0.0.1,10.0.0.2")
    assert ask("config.publishBetaConfig", "d", GROUP, namespace, "for some", *attributes)
    beta = ask("config.queryBeta", "d", GROUP, namespace)
    assert (beta["content"], beta["grayName"]) == ("for some", "beta")
    assert "10.0.0.1,10.0.0.2" in beta["grayRule"]
    assert ask("config.getConfig", "d", GROUP, namespace)["content"] == "for all"
    assert ask("config.stopBeta", "d", GROUP, namespace)
    refused(ABSENT, ask, "config.queryBeta", "d", GROUP, namespace)


def test_a_configuration_is_cloned_by_its_id_under_another_name(ask: Ask, namespace: str) -> None:
    publish(ask, namespace, "d", "cloned", "t1", "yaml")
    one = {"configId": id_of(ask, namespace, "d"), "targetDataId": "copy", "targetGroupName": "other"}
    assert ask("config.cloneConfig", namespace, [one], USER, "ABORT")["succCount"] == 1
    copy = ask("config.getConfig", "copy", "other", namespace)
    assert (copy["content"], copy["type"], copy["configTags"]) == ("cloned", "yaml", "t1")
    assert ask("config.cloneConfig", namespace, [one], USER, "SKIP") == {"succCount": 0, "skipCount": 1} | {
        "skipData": [{"dataId": "copy", "group": "other"}]
    }


def test_many_are_removed_by_their_ids(ask: Ask, namespace: str) -> None:
    for number in range(3):
        publish(ask, namespace, f"d{number}", "x")
    assert ask("config.deleteConfigs", [id_of(ask, namespace, "d0"), id_of(ask, namespace, "d2")])
    assert [each["dataId"] for each in ask("config.getConfigListByNamespace", namespace)] == ["d1"]


# services and instances


def a_service(namespace: str, **changes: Any) -> dict[str, Any]:
    whole = {"namespaceId": namespace, "groupName": GROUP, "name": "s", "ephemeral": False, "protectThreshold": 0.5}
    return whole | {"metadata": {"a": "b"}, "selector": {"type": "none"}} | changes


def an_instance(port: int, **changes: Any) -> dict[str, Any]:
    whole = {"ip": "10.0.0.1", "port": port, "ephemeral": False, "weight": 2.0, "enabled": True, "healthy": True}
    return whole | {"clusterName": "east", "metadata": {"k": "v"}} | changes


def listed(ask: Ask, service: dict[str, Any], *, healthy_only: bool = False) -> dict[int, Any]:
    return {each["port"]: each for each in ask("naming.listInstances", service, "east", healthy_only)}


def test_the_life_of_a_service(ask: Ask, namespace: str) -> None:
    service = a_service(namespace)
    assert ask("naming.createService", service) == "ok"
    refused(CONFLICT, ask, "naming.createService", service)
    detail = ask("naming.getServiceDetail", service)
    assert (detail["serviceName"], detail["groupName"], detail["ephemeral"]) == ("s", GROUP, False)
    assert (detail["metadata"], detail["protectThreshold"], detail["selector"]["type"]) == ({"a": "b"}, 0.5, "none")
    assert ask("naming.updateService", a_service(namespace, metadata={"c": "d"}, protectThreshold=0.25)) == "ok"
    detail = ask("naming.getServiceDetail", service)
    assert (detail["metadata"], detail["protectThreshold"]) == ({"c": "d"}, 0.25)
    assert ask("naming.removeService", service) == "ok"
    refused(NO_SERVICE, ask, "naming.getServiceDetail", service)


def test_services_are_listed_with_counts_or_with_their_instances(ask: Ask, namespace: str) -> None:
    full, empty = a_service(namespace), a_service(namespace, name="empty")
    for service in (full, empty):
        assert ask("naming.createService", service) == "ok"
    assert ask("naming.registerInstance", full, an_instance(80)) == "ok"
    page = ask("naming.listServices", namespace, "", "", False, 1, 10)
    assert sorted(item["name"] for item in page["pageItems"]) == ["empty", "s"]
    [view] = ask("naming.listServices", namespace, "", "", True, 1, 10)["pageItems"]
    assert view == {"name": "s", "groupName": GROUP, "triggerFlag": "false"} | dict.fromkeys(
        ("clusterCount", "ipCount", "healthyInstanceCount"), 1
    )
    [detail] = ask("naming.listServicesWithDetail", namespace, GROUP, "s", 1, 10)["pageItems"]
    assert [host["port"] for host in detail["clusterMap"]["east"]["hosts"]] == [80]
    refused(NOT_EMPTY, ask, "naming.removeService", full)


def test_instances_are_registered_changed_and_deregistered(ask: Ask, namespace: str) -> None:
    service = a_service(namespace)
    assert ask("naming.registerInstance", service, an_instance(80)) == "ok"
    shown = ask("naming.getInstanceDetail", service, an_instance(80))
    assert shown.items() >= an_instance(80).items()
    assert listed(ask, service) == {80: shown}
    assert ask("naming.updateInstance", service, an_instance(80, weight=3.0, metadata={"k": "w"})) == "ok"
    shown = listed(ask, service)[80]
    assert (shown["weight"], shown["metadata"]) == (3.0, {"k": "w"})
    assert ask("naming.partialUpdateInstance", service, an_instance(80, enabled=False, metadata={"p": "q"})) == "ok"
    shown = ask("naming.getInstanceDetail", service, an_instance(80))
    assert (shown["enabled"], shown["metadata"]) == (False, {"k": "v", "p": "q"}), "in place of what was said before"
    assert ask("naming.deregisterInstance", service, an_instance(80)) == "ok"
    assert listed(ask, service) == {}


def test_metadata_of_several_instances_are_added_and_taken_out(ask: Ask, namespace: str) -> None:
    service, both = a_service(namespace), [an_instance(80), an_instance(81)]
    for one in both:
        assert ask("naming.registerInstance", service, one) == "ok"
    assert len(ask("naming.batchUpdateInstanceMetadata", service, both, {"m": "n"})["updated"]) == 2
    assert [each["metadata"] for each in listed(ask, service).values()] == [{"k": "v", "m": "n"}] * 2
    assert len(ask("naming.batchDeleteInstanceMetadata", service, both[:1], {"m": "n"})["updated"]) == 1
    metadata = {port: each["metadata"] for port, each in listed(ask, service).items()}
    assert metadata == {80: {"k": "v"}, 81: {"k": "v", "m": "n"}}


def test_health_is_set_by_hand_where_a_cluster_is_not_checked(ask: Ask, namespace: str) -> None:
    service = a_service(namespace)
    assert ask("naming.registerInstance", service, an_instance(80)) == "ok"
    cluster = {"clusterName": "east", "healthChecker": {"type": "NONE"}, "healthyCheckPort": 8080}
    cluster |= {"useInstancePortForCheck": False, "metadata": {"c": "m"}}
    assert ask("naming.updateCluster", service, cluster) == "ok"
    shown = ask("naming.getServiceDetail", service)["clusterMap"]["east"]
    assert shown == cluster
    assert ask("naming.updateInstanceHealthStatus", service, an_instance(80, healthy=False)) == "ok"
    assert not listed(ask, service)[80]["healthy"]
    assert listed(ask, service, healthy_only=True) == {}


# clients


def test_what_a_client_publishes_and_subscribes_to_is_told(ask: Ask, application: Client) -> None:
    name, mine = unique("seen"), ("public", "DEFAULT_GROUP")
    service = a_service("public", name=name, groupName="DEFAULT_GROUP", ephemeral=True)
    assert application.register(name, instance(7001))
    application.subscribe(name)
    [publisher] = ask("naming.getPublishedClientList", *mine, name, "127.0.0.1", 7001)
    client_id = publisher["clientId"]
    assert publisher == {"clientId": client_id, "ip": "127.0.0.1", "port": 7001, "clusterName": "DEFAULT"}
    client = ask("naming.getClientDetail", client_id)
    assert (client["ephemeral"], client["connectType"], client["clientId"]) == (True, "GRPC", client_id)
    [published] = ask("naming.getPublishedServiceList", client_id)
    assert (published["serviceName"], published["publisherInfo"]) == (name, publisher)
    [subscribed] = ask("naming.getSubscribeServiceList", client_id)
    assert (subscribed["serviceName"], subscribed["subscriberInfo"]["clientId"]) == (name, client_id)
    own = (client["clientIp"], client["clientPort"])
    [subscriber] = ask("naming.getSubscribeClientList", *mine, name, *own)
    assert subscriber == subscribed["subscriberInfo"]
    [shown] = ask("naming.getSubscribers", service, 1, 10, True)["pageItems"]
    assert (shown["serviceName"], shown["ip"], shown["port"]) == (name, *own)


def test_who_listens_to_a_configuration_is_told(ask: Ask, application: Client) -> None:
    data_id = unique("listened")
    assert application.publish(data_id, "heard")
    application.listen(data_id)

    def listeners() -> dict[str, str]:
        return dict(ask("config.getListeners", data_id, "DEFAULT_GROUP", "public", True)["listenersStatus"])

    eventually(lambda: list(listeners().values()) == [md5("heard")], 5, "the listener is known with what it holds")
    [address] = listeners()
    told = ask("config.getAllSubClientConfigByIp", address, True, "public", True)["listenersStatus"]
    assert [held for key, held in told.items() if data_id in key] == [md5("heard")]


def test_connections_are_shown_and_asked_to_come_anew(ask: Ask, application: Client) -> None:
    name = unique("moved")
    assert application.register(name, instance(7001))

    def connections() -> list[str]:
        told = ask("naming.getPublishedClientList", "public", "DEFAULT_GROUP", name, "127.0.0.1", 7001)
        return [each["clientId"] for each in told]

    def is_another(former: list[str]) -> bool:
        return len(connections()) == 1 and connections() != former

    first = connections()
    meta = ask("core.getCurrentClients")[first[0]]["metaInfo"]
    assert (meta["connectionId"], meta["connectType"]) == (first[0], "GRPC")
    assert meta["version"].startswith("Nacos-Java-Client")
    assert ask("core.reloadSingleClient", first[0], "") == "ok"
    eventually(lambda: is_another(first), 20, "registered over another connection")
    second = connections()
    assert ask("core.reloadConnectionCount", 0, "") == "ok"
    eventually(lambda: is_another(second), 20, "registered over a third connection")
