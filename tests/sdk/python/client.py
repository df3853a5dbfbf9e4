"""The client program for `nacos-sdk-python` 2.x and 3.x, which have one API; the protocol is in ../harness.py."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any

from v2.nacos import (
    BatchRegisterInstanceParam,
    ClientConfigBuilder,
    ConfigParam,
    DeregisterInstanceParam,
    ListInstanceParam,
    ListServiceParam,
    NacosConfigService,
    NacosNamingService,
    RegisterInstanceParam,
    SubscribeServiceParam,
)

OUTPUT = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # what a library prints belongs to standard error


def say(message: dict[str, Any]) -> None:
    OUTPUT.write(json.dumps(message) + "\n")
    OUTPUT.flush()


def to_library(service: str, group: str, one: dict[str, Any]) -> dict[str, Any]:
    fields = {name: one[name] for name in ("ip", "port", "weight", "healthy", "enabled", "ephemeral", "metadata")}
    return fields | {"cluster_name": one["cluster"], "service_name": service, "group_name": group}


def from_library(one: Any) -> dict[str, Any]:
    names = ("ip", "port", "weight", "healthy", "enabled", "ephemeral", "metadata")
    return {name: getattr(one, name) for name in names} | {"cluster": one.clusterName}


class Program:
    def __init__(self, naming: NacosNamingService, config: NacosConfigService) -> None:
        self.naming = naming
        self.config = config
        self.told: dict[tuple[str, str], Any] = {}
        """The library takes away only what it was given."""

    async def register(self, service: str, group: str, instance: dict[str, Any]) -> bool:
        return await self.naming.register_instance(RegisterInstanceParam(**to_library(service, group, instance)))

    async def batch_register(self, service: str, group: str, instances: list[dict[str, Any]]) -> bool:
        each = [RegisterInstanceParam(**to_library(service, group, one)) for one in instances]
        request = BatchRegisterInstanceParam(service_name=service, group_name=group, instances=each)
        return await self.naming.batch_register_instances(request)

    async def update(self, service: str, group: str, instance: dict[str, Any]) -> bool:
        return await self.naming.update_instance(RegisterInstanceParam(**to_library(service, group, instance)))

    async def batch_deregister(self, service: str, group: str, instances: list[dict[str, Any]]) -> bool:
        each = [RegisterInstanceParam(**to_library(service, group, one)) for one in instances]
        request = BatchRegisterInstanceParam(service_name=service, group_name=group, instances=each)
        return await self.naming.batch_deregister_instances(request)

    async def deregister(self, service: str, group: str, instance: dict[str, Any]) -> bool:
        fields = to_library(service, group, instance)
        wanted = {name: fields[name] for name in DeregisterInstanceParam.model_fields}
        return await self.naming.deregister_instance(DeregisterInstanceParam(**wanted))

    async def instances(self, service: str, group: str, healthy_only: bool | None = None) -> list[dict[str, Any]]:
        request = ListInstanceParam(service_name=service, group_name=group, subscribe=False, healthy_only=healthy_only)
        return [from_library(one) for one in await self.naming.list_instances(request)]

    async def select_healthy(self, service: str, group: str) -> list[dict[str, Any]]:
        return await self.instances(service, group, True)

    async def of_cluster(self, service: str, group: str, cluster: str) -> list[dict[str, Any]]:
        which = {"service_name": service, "group_name": group, "clusters": [cluster]}
        request = ListInstanceParam(**which, subscribe=False, healthy_only=None)
        return [from_library(one) for one in await self.naming.list_instances(request)]

    async def server_is_up(self) -> bool:
        return await self.naming.server_health() and await self.config.server_health()

    async def services(self, group: str, page: int, page_size: int) -> dict[str, Any]:
        found = await self.naming.list_services(ListServiceParam(group_name=group, page_no=page, page_size=page_size))
        return {"count": found.count, "names": found.services}

    async def subscribe(self, service: str, group: str) -> bool:
        async def changed(instances: list[Any]) -> None:
            told = [from_library(one) for one in instances]
            say({"event": "instances", "service": service, "group": group, "instances": told})

        request = SubscribeServiceParam(service_name=service, group_name=group, subscribe_callback=changed)
        self.told[service, group] = request
        await self.naming.subscribe(request)
        return True

    async def unsubscribe(self, service: str, group: str) -> bool:
        await self.naming.unsubscribe(self.told[service, group])
        return True

    async def publish(
        self, data_id: str, group: str, content: str, md5: str = "", type: str = "", ips: str = ""
    ) -> bool:
        said = {"data_id": data_id, "group": group, "content": content, "type": type}
        return await self.config.publish_config(ConfigParam(**said, cas_md5=md5, beta_ips=ips))

    publish_cas = publish_as = publish_beta = publish

    async def get(self, data_id: str, group: str) -> str | None:
        return await self.config.get_config(ConfigParam(data_id=data_id, group=group)) or None

    async def remove(self, data_id: str, group: str) -> bool:
        return await self.config.remove_config(ConfigParam(data_id=data_id, group=group))

    async def listen(self, data_id: str, group: str) -> bool:
        async def changed(tenant: str, changed_group: str, changed_id: str, content: str) -> None:
            say({"event": "config", "data_id": changed_id, "group": changed_group, "content": content or None})

        self.told[data_id, group] = changed
        await self.config.add_listener(data_id, group, changed)
        return True

    async def unlisten(self, data_id: str, group: str) -> bool:
        await self.config.remove_listener(data_id, group, self.told[data_id, group])
        return True


async def main(server: str, folder: str) -> None:
    settings = ClientConfigBuilder().server_address(server).log_dir(f"{folder}/logs").log_level(logging.INFO).build()
    settings.set_cache_dir(f"{folder}/cache")
    settings.set_update_cache_when_empty(True)
    settings.disable_use_config_cache = True
    program = Program(
        await NacosNamingService.create_naming_service(settings),
        await NacosConfigService.create_config_service(settings),
    )
    say({"event": "ready"})
    while line := await asyncio.to_thread(sys.stdin.readline):
        command = json.loads(line)
        number, op = command.pop("id"), command.pop("op")
        try:
            say({"id": number, "ok": True, "result": await getattr(program, op)(**command)})
        except Exception as error:
            say({"id": number, "ok": False, "error": repr(error)})
    os._exit(0)  # its own shutdown waits up to 5 s for the listener's timer


asyncio.run(main(sys.argv[1], sys.argv[2]))
