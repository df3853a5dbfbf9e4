"""What every client library is asked to do, written once: `class TestGo(Scenarios): kind = GO` asks one of them."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, ClassVar
from urllib.request import Request, urlopen

import pytest

from harness import GROUP, HEAR_WITHIN_S, PAUSE_S, Client, ClientError, ClientKind, Instance, instance, unique

if TYPE_CHECKING:
    from collections.abc import Callable

NO_MD5 = "0" * 32
SILENT_S = 1.5
"""Longer than what is told takes: changes are gathered for half a second."""


def md5(content: str) -> str:
    return hashlib.md5(content.encode()).hexdigest()


def eventually(check: Callable[[], bool], within_s: float, what: str) -> None:
    """Asks every 50 ms until `check` holds. An error of the client library counts as not yet."""
    began = time.monotonic()
    while True:
        try:
            if check():
                return
            last = "it was not so"
        except ClientError as error:
            last = str(error)
        if time.monotonic() - began > within_s:
            raise AssertionError(f"{what}: not within {within_s} s; last: {last}")
        time.sleep(0.05)


def lists(client: Client, service: str, wanted: list[Instance]) -> None:
    """Waits until the library lists exactly these: some libraries list what they were told last, as a subscriber is."""

    def listed() -> list[Instance]:
        return sorted(client.instances(service), key=lambda one: int(one["port"]))

    eventually(lambda: listed() == wanted, HEAR_WITHIN_S, f"{service} listed as {wanted}")


@pytest.mark.sdk
@pytest.mark.timeout(600)  # the first test of a class builds the client program
class Scenarios:
    kind: ClassVar[ClientKind]

    def needs(self, *operations: str) -> None:
        """Skips with the declared reason where the library cannot do one of these."""
        for operation in operations:
            if operation in self.kind.lacks:
                pytest.skip(f"{self.kind.name} cannot {operation}: {self.kind.lacks[operation]}")

    def with_no_poll(self, start: Callable[[], Client], other: Client) -> Client:
        """Who polls tells the server of one more listener only when the poll that hangs is over."""
        return start().wait_ready() if self.kind.beats else other

    # naming

    def test_a_registered_instance_is_listed_as_it_was_given(self, alice: Client, bob: Client) -> None:
        service = unique("listed")
        cluster = "east-1" if "underscores" in self.kind.lacks else "east_1"
        given = instance(7001, weight=2.5, cluster=cluster, metadata={"zone": "a b", "key": "ü=&%"})
        assert alice.register(service, given)
        assert bob.instances(service) == [given]

    def test_only_healthy_instances_are_selected(self, start: Callable[[], Client], alice: Client, bob: Client) -> None:
        self.needs("select_healthy")
        service = unique("selected")
        carol = start().wait_ready() if self.kind.beats else bob  # the first beat of a new client is seconds away
        assert alice.register(service, instance(7001))
        assert carol.register(service, instance(7002, healthy=False))
        lists(bob, service, [instance(7001), instance(7002, healthy=False)])
        assert bob.select_healthy(service) == [instance(7001)]

    def test_a_batch_is_registered_whole_and_replaced_whole(self, alice: Client, bob: Client) -> None:
        self.needs("batch_register")
        service = unique("batch")
        batch = [instance(7001), instance(7002, healthy=False, weight=3.0), instance(7003, metadata={"k": "v"})]
        assert alice.batch_register(service, batch)
        lists(bob, service, batch)
        assert alice.batch_register(service, batch[:1])
        lists(bob, service, batch[:1])

    def test_a_part_of_a_batch_is_deregistered(self, alice: Client, bob: Client) -> None:
        self.needs("batch_register", "batch_deregister")
        service = unique("batch")
        batch = [instance(7001), instance(7002, weight=3.0), instance(7003)]
        assert alice.batch_register(service, batch)
        lists(bob, service, batch)
        assert alice.batch_deregister(service, batch[1:])
        lists(bob, service, batch[:1])

    def test_an_instance_is_changed_by_its_registrant(self, alice: Client, bob: Client) -> None:
        service = unique("changed")
        assert alice.register(service, instance(7001, metadata={"version": "1", "zone": "a"}))
        changed = instance(7001, weight=0.5, metadata={"version": "2"})
        assert alice.update(service, changed)
        lists(bob, service, [changed])

    def test_instances_of_one_cluster_are_listed(self, alice: Client, bob: Client) -> None:
        service = unique("clusters")
        east, west = instance(7001, cluster="east"), instance(7002, cluster="west")
        assert alice.register(service, east)
        assert bob.register(service, west)
        lists(bob, service, [east, west])
        assert alice.of_cluster(service, "west") == [west]
        assert alice.of_cluster(service, "north") == []

    def test_one_healthy_instance_is_selected(self, start: Callable[[], Client], alice: Client, bob: Client) -> None:
        self.needs("select_one")
        service = unique("one")
        carol = start().wait_ready() if self.kind.beats else bob  # the first beat of a new client is seconds away
        assert alice.register(service, instance(7001))
        assert carol.register(service, instance(7002, healthy=False))
        lists(bob, service, [instance(7001), instance(7002, healthy=False)])
        assert [bob.select_one(service)["port"] for _ in range(8)] == [7001] * 8

    def test_a_deregistered_instance_is_gone(self, alice: Client, bob: Client) -> None:
        service = unique("deregistered")
        assert alice.register(service, instance(7001))
        assert bob.register(service, instance(7002))
        lists(bob, service, [instance(7001), instance(7002)])
        assert alice.deregister(service, instance(7001))
        lists(bob, service, [instance(7002)])

    def test_services_are_listed_by_group_and_page(self, alice: Client, bob: Client) -> None:
        self.needs("services")
        group = unique("group")
        names = sorted(unique("service") for _ in range(3))
        for name in names:
            assert alice.register(name, instance(7001), group)
        whole = bob.services(group)
        assert (whole["count"], sorted(whole["names"])) == (3, names)
        pages = [bob.services(group, page, 2) for page in (1, 2)]
        assert [page["count"] for page in pages] == [3, 3]
        assert sorted(name for page in pages for name in page["names"]) == names

    def test_a_subscriber_hears_of_every_change(self, alice: Client, bob: Client) -> None:
        service = unique("watched")
        assert bob.register(service, instance(7000))
        began = time.monotonic()
        subscription = bob.subscribe(service)
        subscription.hears([7000], began)
        for _ in range(2):
            began = time.monotonic()
            assert alice.register(service, instance(7001))
            subscription.hears([7000, 7001], began)
            began = time.monotonic()
            assert alice.deregister(service, instance(7001))
            subscription.hears([7000], began)

    def test_a_subscriber_hears_that_the_last_instance_is_gone(self, alice: Client, bob: Client) -> None:
        self.needs("hears_empty")
        service = unique("emptied")
        began = time.monotonic()
        assert alice.register(service, instance(7001))
        subscription = bob.subscribe(service)
        subscription.hears([7001], began)
        began = time.monotonic()
        assert alice.deregister(service, instance(7001))
        subscription.hears([], began)

    def test_who_unsubscribes_hears_nothing_more(self, alice: Client, bob: Client) -> None:
        service = unique("left")
        assert alice.register(service, instance(7001))
        began = time.monotonic()
        bob.subscribe(service).hears([7001], began)
        assert bob.unsubscribe(service)
        time.sleep(self.kind.leaves_after.seconds)
        left = time.monotonic()
        assert alice.update(service, instance(7001, weight=2.0))
        time.sleep(SILENT_S)
        assert [told for told in bob.events("instances", left) if told["service"] == service] == []

    def test_the_library_says_that_the_server_is_up(self, alice: Client) -> None:
        self.needs("server_is_up")
        eventually(lambda: alice.call("server_is_up") is True, HEAR_WITHIN_S, "the server is up")

    def test_the_instances_of_a_killed_client_vanish(self, start: Callable[[], Client], bob: Client) -> None:
        service = unique("orphaned")
        victim = start().wait_ready()
        assert bob.register(service, instance(7000))
        assert victim.register(service, instance(7001, metadata=dict(self.kind.victim_metadata)))
        began = time.monotonic()
        subscription = bob.subscribe(service)
        subscription.hears([7000, 7001], began)
        began = time.monotonic()
        victim.kill()
        subscription.hears([7000], began, self.kind.vanishes.seconds)
        assert bob.instances(service) == [instance(7000)]

    def test_a_persistent_instance_outlives_its_client(self, start: Callable[[], Client], bob: Client) -> None:
        self.needs("persistent")
        service = unique("persistent")
        owner = start().wait_ready()
        lasting = [instance(port, ephemeral=False) for port in (7001, 7002)]
        for one in lasting:
            assert owner.register(service, one)
        lists(bob, service, lasting)
        owner.kill()
        time.sleep(1)
        lists(bob, service, lasting)
        assert bob.deregister(service, lasting[0])
        lists(bob, service, lasting[1:])

    # configuration

    @pytest.mark.parametrize(
        "content", ["a: 1\n", "grüße 你好 %41+&=\t☃", "x" * 100_000], ids=["plain", "unicode", "long"]
    )
    def test_what_was_published_is_what_others_get(self, alice: Client, bob: Client, content: str) -> None:
        data_id = unique("published")
        assert bob.get(data_id) is None
        assert alice.publish(data_id, content)
        assert bob.get(data_id) == content
        assert alice.publish(data_id, content + "2")
        assert bob.get(data_id) == content + "2"

    def test_a_removed_configuration_is_gone(self, alice: Client, bob: Client) -> None:
        data_id = unique("removed")
        assert alice.publish(data_id, "content")
        assert bob.get(data_id) == "content"
        assert alice.remove(data_id)
        assert bob.get(data_id) is None

    def test_a_listener_hears_of_every_change(self, alice: Client, bob: Client) -> None:
        known, new = unique("known"), unique("new")
        assert alice.publish(known, "first")
        of_known, of_new = bob.listen(known), bob.listen(new)
        time.sleep(self.kind.listens_after.seconds)
        for content in ("second", "third", "fourth"):
            began = time.monotonic()
            assert alice.publish(known, content)
            of_known.hears(content, began)
            time.sleep(PAUSE_S)
        began = time.monotonic()
        assert alice.publish(new, "first")
        if "hears_creation" not in self.kind.lacks:
            of_new.hears("first", began)
        time.sleep(PAUSE_S)
        if "hears_removal" not in self.kind.lacks:
            began = time.monotonic()
            assert alice.remove(new)
            of_new.hears(None, began)

    def test_who_takes_its_listener_away_hears_nothing_more(
        self, start: Callable[[], Client], alice: Client, bob: Client
    ) -> None:
        carol = self.with_no_poll(start, bob)
        data_id = unique("left")
        assert alice.publish(data_id, "first")
        listener = carol.listen(data_id)
        time.sleep(self.kind.listens_after.seconds)
        began = time.monotonic()
        assert alice.publish(data_id, "second")
        listener.hears("second", began)
        assert carol.unlisten(data_id)
        time.sleep(self.kind.leaves_after.seconds)
        left = time.monotonic()
        assert alice.publish(data_id, "third")
        time.sleep(SILENT_S)
        assert [told for told in carol.events("config", left) if told["data_id"] == data_id] == []

    def test_a_content_is_published_with_its_type(self, server: str, alice: Client) -> None:
        data_id = unique("typed")
        assert alice.publish_as(data_id, '{"a": 1}', "json")
        assert read_at(server, data_id) == ('{"a": 1}', "json")

    def test_a_beta_is_published_for_an_address(self, server: str, alice: Client) -> None:
        self.needs("publish_beta")
        data_id = unique("beta")
        assert alice.publish(data_id, "formal")
        assert alice.publish_beta(data_id, "beta", "10.1.2.3,10.1.2.4")
        read = [read_at(server, data_id, client)[0] for client in ("10.1.2.4", "10.1.2.5")]
        assert read == ["beta", "formal"]

    def test_a_conditional_publish_compares(self, alice: Client, bob: Client) -> None:
        self.needs("publish_cas")
        data_id = unique("compared")
        assert alice.publish(data_id, "first")
        assert not succeeds(lambda: alice.publish_cas(data_id, "second", NO_MD5))
        assert bob.get(data_id) == "first"
        assert alice.publish_cas(data_id, "second", md5("first"))
        assert bob.get(data_id) == "second"


class PatternsAndLocks(Scenarios):
    """What the newest line has beyond the others."""

    def test_a_watcher_of_a_pattern_hears_of_services(self, alice: Client, bob: Client) -> None:
        stem = unique("pattern")
        assert alice.register(f"{stem}-a", instance(7001))
        watch = bob.watch("services", f"{stem}*")
        assert watch.keys == [f"public@@DEFAULT_GROUP@@{stem}-a"]
        for _ in range(2):
            began = time.monotonic()
            assert alice.register(f"{stem}-b", instance(7002))
            watch.hears("ADD_SERVICE", f"{stem}-b", began)
            began = time.monotonic()
            assert alice.deregister(f"{stem}-b", instance(7002))
            watch.hears("DELETE_SERVICE", f"{stem}-b", began)

    def test_a_watcher_of_a_pattern_hears_of_many_services(self, alice: Client, bob: Client) -> None:
        stem = unique("many")
        for number in range(23):
            assert alice.register(f"{stem}-{number:02}", instance(7001))
        keys = [f"public@@DEFAULT_GROUP@@{stem}-{number:02}" for number in range(23)]
        assert bob.watch("services", f"*{stem}*", "*").keys == keys

    def test_a_watcher_of_a_pattern_hears_of_configurations(self, alice: Client, bob: Client) -> None:
        stem = unique("pattern")
        assert alice.publish(f"{stem}-a", "1")
        watch = bob.watch("configs", f"{stem}*")
        assert watch.keys == [f"{stem}-a+DEFAULT_GROUP+public"]
        began = time.monotonic()
        assert alice.publish(f"{stem}-b", "1")
        watch.hears("ADD_CONFIG", f"{stem}-b", began)
        began = time.monotonic()
        assert alice.remove(f"{stem}-b")
        watch.hears("DELETE_CONFIG", f"{stem}-b", began)

    def test_who_takes_its_watch_away_hears_nothing_more(self, alice: Client, bob: Client) -> None:
        stem = unique("left")
        for what in ("services", "configs"):
            assert bob.watch(what, f"{stem}*").keys == []
            assert bob.unwatch(what, f"{stem}*")
        time.sleep(self.kind.leaves_after.seconds)
        left = time.monotonic()
        assert alice.register(f"{stem}-a", instance(7001))
        assert alice.publish(f"{stem}-b", "1")
        time.sleep(SILENT_S)
        assert [told for told in bob.events("watch", left) if told["name"].startswith(stem)] == []

    def test_a_lock_is_held_by_one_until_it_is_freed(self, alice: Client, bob: Client) -> None:
        key = unique("lock")
        assert alice.lock(key)
        assert not bob.lock(key)
        assert alice.unlock(key)
        assert not alice.unlock(key)
        assert bob.lock(key)

    def test_a_lock_is_free_when_its_time_is_over(self, alice: Client, bob: Client) -> None:
        key = unique("lock")
        assert alice.lock(key, 1000)
        assert not bob.lock(key)
        time.sleep(1.1)
        assert bob.lock(key)


def read_at(server: str, data_id: str, address: str = "127.0.0.1") -> tuple[str, str | None]:
    """Content and type, as a client at this address gets them over HTTP."""
    url = f"http://{server}/nacos/v1/cs/configs?dataId={data_id}&group={GROUP}"
    with urlopen(Request(url, headers={"X-Forwarded-For": address}), timeout=5) as answer:
        return answer.read().decode(), answer.headers["Config-Type"]


def succeeds(operation: Callable[[], object]) -> bool:
    """False when the library reports failure, whether by its answer or by an error."""
    try:
        return bool(operation())
    except ClientError:
        return False
