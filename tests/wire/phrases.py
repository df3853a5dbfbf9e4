"""Bodies of the requests that most tests send, with every field that SDKs send."""

from __future__ import annotations

import uuid
from typing import Any

GROUP = "DEFAULT_GROUP"
V1_INSTANCE = "/nacos/v1/ns/instance"
V1_LIST = "/nacos/v1/ns/instance/list"
V1_BEAT = "/nacos/v1/ns/instance/beat"
V1_CONFIG = "/nacos/v1/cs/configs"
V1_LISTEN = "/nacos/v1/cs/configs/listener"
V3_INSTANCE = "/nacos/v3/client/ns/instance"
V3_CONFIG = "/nacos/v3/client/cs/config"


def unique(stem: str) -> str:
    return f"{stem}-{uuid.uuid4().hex[:8]}"


def instance(port: int = 80, **changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"ip": "10.3.0.1", "port": port, "weight": 1.0, "healthy": True, "enabled": True}
    return whole | {"ephemeral": True, "clusterName": "DEFAULT", "metadata": {}} | changes


def service(name: str, **fields: Any) -> dict[str, Any]:
    return {"namespace": "public", "serviceName": name, "groupName": GROUP} | fields


def register(name: str, port: int = 80, **changes: Any) -> dict[str, Any]:
    return service(name, type="registerInstance", instance=instance(port, **changes))


def deregister(name: str, port: int = 80, **changes: Any) -> dict[str, Any]:
    return service(name, type="deregisterInstance", instance=instance(port, **changes))


def batch(name: str, instances: list[dict[str, Any]]) -> dict[str, Any]:
    return service(name, type="batchRegisterInstance", instances=instances)


def subscribe(name: str, clusters: str = "", subscribe: bool = True) -> dict[str, Any]:
    return service(name, subscribe=subscribe, clusters=clusters)


def query(name: str, cluster: str = "", healthy_only: bool = False) -> dict[str, Any]:
    return service(name, cluster=cluster, healthyOnly=healthy_only, udpPort=0)


def config(data_id: str, **fields: Any) -> dict[str, Any]:
    return {"dataId": data_id, "group": GROUP, "tenant": ""} | fields


def listen(*contexts: tuple[str, str], listen: bool = True, tenant: str = "") -> dict[str, Any]:
    """Contexts are (data id, md5)."""
    keys = [{"dataId": data_id, "group": GROUP, "tenant": tenant, "md5": md5} for data_id, md5 in contexts]
    return {"listen": listen, "configListenContexts": keys}


def ports(hosts: list[dict[str, Any]]) -> list[int]:
    return sorted(host["port"] for host in hosts)


def listening(*keys: tuple[str, ...]) -> dict[str, str]:
    """The form of a 1.x long poll: keys are (data id, group, md5) or (data id, group, md5, tenant)."""
    return {"Listening-Configs": "".join("\x02".join(key) + "\x01" for key in keys)}
