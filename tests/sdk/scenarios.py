"""What every client library is asked to do, written once: `class TestGo(Scenarios): kind = GO` asks one of them."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, ClassVar

import pytest

from harness import HEAR_WITHIN_S, PAUSE_S, Client, ClientError, ClientKind, Instance, instance, unique

if TYPE_CHECKING:
    from collections.abc import Callable

NO_MD5 = "0" * 32


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


def succeeds(operation: Callable[[], object]) -> bool:
    """False when the library reports failure, whether by its answer or by an error."""
    try:
        return bool(operation())
    except ClientError:
        return False
