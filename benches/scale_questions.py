"""What benches/scale.py asks for: each kind of request that lists, searches or pages, in each version of the API."""

from __future__ import annotations

import io
import json
import zipfile
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from scale_node import address_of, key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scale_clients import Grpc, Http

Question: TypeAlias = "tuple[str, Callable[[], object]]"

V1_CS, V2_CS, V3_CS = "/nacos/v1/cs", "/nacos/v2/cs", "/nacos/v3/admin/cs"
V1_NS, V2_NS, V3_NS = "/nacos/v1/ns", "/nacos/v2/ns", "/nacos/v3/admin/ns"
HOSTILE = "*a*a*a*b"
IDS_COUNT = 5000
BOUNDARY = "a-boundary-of-the-bench"
ELSEWHERE = "elsewhere"


def questions(http: Http, grpc: Grpc, configs_count: int, services_count: int) -> Iterator[Question]:
    """Those that are to be answered in time."""
    yield from _config_questions(http, configs_count)
    yield from _service_questions(http, grpc, services_count)
    yield "namespaces with their counts, v1", partial(http.get, "/nacos/v1/console/namespaces")
    yield "namespaces with their counts, v3", partial(http.get, "/nacos/v3/admin/core/namespace/list")
    numbers = iter(range(10**6))
    for module in ("Config", "Naming"):
        yield f"fuzzy watch of a new pattern, {module}", partial(_watch, grpc, module, numbers)


def _config_questions(http: Http, count: int) -> Iterator[Question]:
    v1 = {"dataId": "", "group": "", "search": "blur", "pageSize": 100, "pageNo": 1}
    v3 = {"pageSize": 100, "pageNo": 1}
    last = count // 100
    by: list[tuple[str, dict[str, Any]]] = [
        ("first page", {}),
        ("last page", {"pageNo": last}),
        ("third page by pattern", {"pageNo": 3, "dataId": "*5*"}),
        ("by group", {"$group": "G3"}),
        ("by tags", {"$tags": "t7,t8"}),
        ("by application", {"appName": "app-7"}),
        ("by type", {"types": "text"}),
        ("by content, all hit", {"$content": "number"}),
        ("by content, few hit", {"$content": "needle: there"}),
        ("by content, none hit", {"$content": "nowhere at all"}),
        ("by content, hostile pattern", {"$content": HOSTILE}),
    ]
    for what, asked in by:
        for version, path, fixed, names in (
            ("v1", f"{V1_CS}/configs", v1, {"$group": "group", "$tags": "config_tags", "$content": "config_detail"}),
            ("v2", f"{V2_CS}/config/searchDetail", v1, {"$group": "group", "$tags": "configTags"}),
            ("v3", f"{V3_CS}/config/list", v3, {"$group": "groupName", "$tags": "configTags"}),
        ):
            query = fixed | {
                names.get(name, name.replace("$content", "configDetail")): of for name, of in asked.items()
            }
            yield f"configurations {what}, {version}", partial(http.get, path, **query)
    _, group, data_id = key_of(7)
    for version, path, name in (("v1", V1_CS, "group"), ("v2", V2_CS, "group"), ("v3", V3_CS, "groupName")):
        key = {"dataId": data_id, name: group}
        of_v1 = {"search": "accurate", "pageNo": 1, "pageSize": 100}
        history = "/history" if version == "v1" else "/history/list"
        yield f"history of one, {version}", partial(http.get, f"{path}{history}", **key, **of_v1)
    yield "listeners of one, v1", partial(http.get, f"{V1_CS}/configs/listener", dataId=data_id, group=group)
    yield "listeners of one, v3", partial(http.get, f"{V3_CS}/config/listener", dataId=data_id, groupName=group)
    yield "what an address listens to, v3", partial(http.get, f"{V3_CS}/listener", ip="127.0.0.1")


def _service_questions(http: Http, grpc: Grpc, count: int) -> Iterator[Question]:
    last = count // 100
    for what, page in (("first page", 1), ("last page", last)):
        asked = {"pageNo": page, "pageSize": 100}
        yield f"services {what}, v1", partial(http.get, f"{V1_NS}/service/list", **asked)
        yield f"services {what}, v2", partial(http.get, f"{V2_NS}/service/list", **asked)
        yield f"services {what}, v3", partial(http.get, f"{V3_NS}/service/list", **asked)
        yield f"services {what}, gRPC", partial(grpc.ask, "ServiceListRequest", groupName="DEFAULT_GROUP", **asked)
        yield f"catalog {what}, v1", partial(http.get, f"{V1_NS}/catalog/services", withInstances="false", **asked)
    v3 = {"pageNo": 2, "pageSize": 100}
    for what, asked in (
        ("by pattern", {"serviceNameParam": "77"}),
        ("without empty ones", {"ignoreEmptyService": "true"}),
        ("with instances", {"withInstances": "true"}),
    ):
        yield f"services {what}, v3", partial(http.get, f"{V3_NS}/service/list", **{**v3, "pageNo": 1}, **asked)
    yield "catalog with instances, v1", partial(http.get, f"{V1_NS}/catalog/services", **v3)
    one = {"serviceName": "s00007"}
    yield "instances of one, v1", partial(http.get, f"{V1_NS}/instance/list", **one)
    yield "instances of one, v2", partial(http.get, f"{V2_NS}/instance/list", **one)
    yield "instances of one, v3", partial(http.get, f"{V3_NS}/instance/list", **one)
    yield "a page of instances, v3 console", partial(http.get, "/nacos/v3/console/ns/instance/list", **one, **v3)
    yield "subscribers, v1", partial(http.get, f"{V1_NS}/service/subscribers", **one)
    yield "subscribers, v3", partial(http.get, f"{V3_NS}/service/subscribers", **one)
    yield "publishers, v3", partial(http.get, f"{V3_NS}/client/service/publisher/list", **one)
    client = {"clientId": f"{address_of(77)}:80#true"}
    yield "what a client publishes, v2", partial(http.get, f"{V2_NS}/client/publish/list", **client)


def _watch(grpc: Grpc, module: str, numbers: Iterator[int]) -> None:
    """Nothing but a look at all names can tell that there is nothing like it."""
    pattern = f"public>>*>>*-{next(numbers)}-*"
    for kind in ("WATCH", "CANCEL_WATCH"):
        answer = grpc.ask(f"{module}FuzzyWatchRequest", groupKeyPattern=pattern, watchType=kind, initializing=False)
        assert answer["resultCode"] == 200, answer


def at_once_questions(http: Http) -> Iterator[Question]:
    """Lists that the protocol does not cut into pages."""
    for version, path, asked in (
        ("v2", f"{V2_CS}/history/configs", {"namespaceId": "public"}),
        ("v3", f"{V3_CS}/history/configs", {"namespaceId": "public"}),
        ("v2", f"{V2_NS}/client/list", {}),
        ("v3", f"{V3_NS}/client/list", {}),
    ):
        what = "all configurations" if asked else "all clients"
        yield f"{what}, {version}", partial(_sized, http, path, asked)


def _sized(http: Http, path: str, asked: dict[str, Any]) -> str:
    return f"{len(http.get(path, **asked)) / 1e6:.1f} MB"


def many_at_once(http: Http, groups_count: int) -> list[Question]:
    """What is done with many configurations in one request."""
    http.ask("POST", "/nacos/v3/admin/core/namespace", {"namespaceId": ELSEWHERE, "namespaceName": ELSEWHERE})
    packed: list[bytes] = []

    def export() -> str:
        whole = http.get(f"{V3_CS}/config/export", namespaceId="public")
        return f"{len(whole) / 1e6:.1f} MB"

    def export_by_group() -> str:
        for number in range(groups_count):
            packed.append(http.get(f"{V3_CS}/config/export", namespaceId="public", groupName=f"G{number}"))
        return f"{sum(map(len, packed)) / 1e6:.1f} MB"

    def import_all() -> str:
        done = [_import(http, each) for each in packed]
        return f"{sum(done):,} published through the log"

    def clone() -> str:
        found = _ids(http)
        body = json.dumps([{"configId": each, "targetDataId": f"clone-{each}"} for each in found]).encode()
        query = {"targetNamespaceId": ELSEWHERE, "policy": "OVERWRITE"}
        said = json.loads(http.ask("POST", f"{V3_CS}/config/clone", query, body, "application/json"))
        return f"{said['data']['succCount']:,} published through the log"

    def delete() -> str:
        found = _ids(http)
        http.ask("DELETE", f"{V3_CS}/config/batch", {"ids": ",".join(found)})
        return f"{len(found):,} removed through the log"

    return [
        ("export of all, HTTP", export),
        ("export of each group, HTTP", export_by_group),
        ("import of each group, HTTP", import_all),
        (f"clone of {IDS_COUNT:,}", clone),
        (f"removal of {IDS_COUNT:,} by their ids", delete),
    ]


def _ids(http: Http) -> list[str]:
    found: list[str] = []
    while len(found) < IDS_COUNT:
        page = json.loads(http.get(f"{V3_CS}/config/list", pageNo=len(found) // 1000 + 1, pageSize=1000))["data"]
        if not page["pageItems"]:
            break
        found += [each["id"] for each in page["pageItems"]]
    return found[:IDS_COUNT]


def _import(http: Http, packed: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        count = len(archive.namelist()) - 1
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.zip"\r\n\r\n'
    body = head.encode() + packed + f"\r\n--{BOUNDARY}--\r\n".encode()
    query = {"namespaceId": ELSEWHERE, "policy": "OVERWRITE"}
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    said = json.loads(http.ask("POST", f"{V3_CS}/config/import", query, body, kind))
    assert said["data"]["succCount"] == count, said
    return count
