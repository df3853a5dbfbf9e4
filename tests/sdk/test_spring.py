"""Applications on Spring Boot with Spring Cloud Alibaba: they register, call each other by name and follow their
configuration, with nothing of them changed for this server."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from harness import ClientKind, unique
from java_build import TOOLCHAIN, build_spring
from scenarios import eventually
from spring_application import ENDED_BY_SIGTERM, SpringApplication
from support.node_process import NodeProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PASSWORD = "correct horse"
HEAR_WITHIN_S = 5.0
RECOVER_WITHIN_S = 30.0
PROVIDER, CONSUMER = "provider", "consumer"

pytestmark = [pytest.mark.sdk, pytest.mark.timeout(600)]  # the first test builds the program


@dataclass(frozen=True)
class Place:
    """Where applications live: on which line of Spring Boot, and what they have to say to be let in and to be found."""

    line: str
    guarded: bool
    namespace: str = ""
    group: str = "DEFAULT_GROUP"

    def __str__(self) -> str:
        return f"{self.line}-{'guarded' if self.guarded else 'open'}"

    @property
    def kind(self) -> ClientKind:
        return ClientKind(name=f"spring-{self.line}", toolchain=TOOLCHAIN, build=partial(build_spring, self.line))

    @property
    def settings(self) -> dict[str, str]:
        cloud = "spring.cloud.nacos"
        login = {f"{cloud}.username": "nacos", f"{cloud}.password": PASSWORD} if self.guarded else {}
        found = {"namespace": self.namespace, "group": self.group}
        return login | {f"{cloud}.{what}.{name}": found[name] for what in ("config", "discovery") for name in found}


PLACES = [
    Place("boot3", guarded=False),
    Place("boot3", guarded=True, namespace="shop", group="fruit"),
    Place("boot4", guarded=True),
]


@dataclass
class Shop:
    """A node, and applications that were started at it."""

    place: Place
    command: list[str]
    node: NodeProcess
    folder: Path
    applications: list[SpringApplication] = field(default_factory=list)
    token: str = ""

    def ask(self, method: str, path: str, **fields: str) -> Any:
        """What an administrator is answered."""
        query = urlencode({"groupName": self.place.group, "accessToken": self.token} | fields)
        in_body = method == "POST"
        url = f"http://{self.node.address}/nacos/v3/{path}" + ("" if in_body else f"?{query}")
        with urlopen(Request(url, query.encode() if in_body else None, method=method), timeout=5) as answer:
            return json.loads(answer.read())

    def open(self) -> None:
        """Does what an administrator does before the first application is started."""
        if self.place.guarded:
            self.token = self.ask("POST", "auth/user/login", username="nacos", password=PASSWORD)["accessToken"]
        if self.place.namespace:
            name = self.place.namespace
            self.ask("POST", "admin/core/namespace", namespaceId=name, namespaceName=name)
        for application in (PROVIDER, CONSUMER):
            self.publish(application, "first")

    def publish(self, application: str, setting: str) -> None:
        named = {"namespaceId": self.place.namespace, "dataId": f"{application}.yaml", "type": "yaml"}
        published = self.ask("POST", "admin/cs/config", content=f"test:\n  setting: {setting}\n", **named)
        assert published["data"] is True

    def start(self, name: str, greeting: str) -> SpringApplication:
        """Starts an application; `wait_ready` before it is asked."""
        settings = {"spring.application.name": name, "greeting": greeting}
        settings |= {"spring.cloud.nacos.server-addr": self.node.address} | self.place.settings
        started = SpringApplication(self.command, self.folder / greeting, settings)
        self.applications.append(started)
        return started

    def listed(self, name: str) -> dict[int, Any]:
        """The instances of a service, by their ports."""
        named = {"namespaceId": self.place.namespace, "serviceName": name}
        return {one["port"]: one for one in self.ask("GET", "admin/ns/instance/list", **named)["data"]}


@dataclass(frozen=True)
class Opened:
    """The shop with an application that greets, and another that asks it to."""

    shop: Shop
    provider: SpringApplication
    consumer: SpringApplication

    def greetings(self, times: int = 4) -> set[str]:
        """What the consumer is told when it calls the provider by its name that many times."""
        return {self.consumer.ask(f"/call/{PROVIDER}")["greeting"] for _ in range(times)}


@pytest.fixture(scope="module", params=PLACES, ids=str)
def opened(
    request: pytest.FixtureRequest,
    command_of: Callable[[ClientKind], list[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Opened]:
    place: Place = request.param
    command, folder = command_of(place.kind), tmp_path_factory.mktemp(str(place))
    guard = ("--auth", "on") if place.guarded else ()
    with NodeProcess(folder / "node", *guard, environment={"NACOS_CORE_ADMIN_PASSWORD": PASSWORD}) as node:
        shop = Shop(place, command, node, folder)
        try:
            shop.open()
            started = shop.start(PROVIDER, "hello"), shop.start(CONSUMER, "nobody asks me")
            yield Opened(shop, *(one.wait_ready() for one in started))
        finally:
            for application in shop.applications:
                application.close()


def test_applications_are_listed_with_what_they_say_of_themselves(opened: Opened) -> None:
    for name, application, greeting in (
        (PROVIDER, opened.provider, "hello"),
        (CONSUMER, opened.consumer, "nobody asks me"),
    ):
        [instance] = opened.shop.listed(name).values()
        assert (instance["ip"], instance["port"]) == ("127.0.0.1", application.port)
        assert (instance["healthy"], instance["enabled"], instance["ephemeral"]) == (True, True, True)
        assert instance["metadata"] == {"preserved.register.source": "SPRING_CLOUD", "greeting": greeting}


def test_a_service_is_called_by_its_name(opened: Opened) -> None:
    assert opened.greetings() == {"hello"}
    assert opened.consumer.ask(f"/found/{PROVIDER}") == [opened.provider.port]


def seen(application: SpringApplication, setting: str) -> bool:
    """Both ways to take a setting have it: a bean that is made anew, and one that is filled again."""
    return bool(application.ask("/settings") == {"refreshed": setting, "bound": setting})


def test_a_change_of_configuration_is_seen_without_a_restart(opened: Opened) -> None:
    application = opened.consumer
    life, setting = application.ask("/life"), unique("changed")
    opened.shop.publish(CONSUMER, setting)
    eventually(lambda: seen(application, setting), HEAR_WITHIN_S, "the new setting")
    assert application.ask("/life") == life
    assert seen(opened.provider, "first"), "that of another application"


def test_a_second_instance_is_called_too_until_it_ends(opened: Opened) -> None:
    first, consumer, found = opened.provider, opened.consumer, f"/found/{PROVIDER}"
    second = opened.shop.start(PROVIDER, "good day").wait_ready()
    both = sorted([first.port, second.port])
    eventually(lambda: consumer.ask(found) == both, HEAR_WITHIN_S, "the second is found")
    assert opened.greetings() == {"hello", "good day"}
    assert second.end() == ENDED_BY_SIGTERM
    assert opened.shop.listed(PROVIDER).keys() == {first.port}
    assert "De-registration finished" in second.log()
    assert "ERR_NACOS" not in second.log(), "what it writes when the server refuses"
    eventually(lambda: consumer.ask(found) == [first.port], HEAR_WITHIN_S, "the consumer knows that it is gone")
    assert opened.greetings() == {"hello"}


def test_applications_have_nothing_to_complain_of(opened: Opened) -> None:
    for application in (opened.provider, opened.consumer):
        logged = application.log()
        assert "register finished" in logged, "the log is there"
        assert re.findall(r"^.* ERROR .*| WARN .* (?:com\.alibaba|c\.a)\..*", logged, re.MULTILINE) == []


def test_applications_are_there_again_after_the_server_was_killed(opened: Opened) -> None:
    shop, provider, consumer = opened.shop, opened.provider, opened.consumer
    lives = provider.ask("/life"), consumer.ask("/life")
    shop.node.kill()
    shop.node.start()

    def all_are_listed() -> bool:
        services = shop.listed(PROVIDER), shop.listed(CONSUMER)
        return [*map(list, services)] == [[provider.port], [consumer.port]]

    eventually(all_are_listed, RECOVER_WITHIN_S, "both are registered again")
    eventually(lambda: opened.greetings() == {"hello"}, RECOVER_WITHIN_S, "the provider is called by its name")
    setting = unique("later")
    shop.publish(PROVIDER, setting)
    eventually(lambda: seen(provider, setting), RECOVER_WITHIN_S, "the new setting")
    assert (provider.ask("/life"), consumer.ask("/life")) == lives


def test_who_ends_after_a_change_of_configuration_leaves_the_list_too(opened: Opened) -> None:
    """On Spring Boot 4 it has forgotten its name by then and deregisters nothing: its connection ends, that is all."""
    application, setting = opened.consumer, unique("last")
    opened.shop.publish(CONSUMER, setting)
    eventually(lambda: seen(application, setting), HEAR_WITHIN_S, "the new setting")
    assert application.end() == ENDED_BY_SIGTERM
    eventually(lambda: opened.shop.listed(CONSUMER) == {}, HEAR_WITHIN_S, "it has left the list")
