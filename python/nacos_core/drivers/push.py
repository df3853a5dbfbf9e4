"""Sends what changed to whom it concerns: subscribers, listeners, long polls, UDP clients, watchers in the process."""

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, TypeAlias, TypeVar

import trio

from nacos_core import limits
from nacos_core.config.long_poll import LongPolls
from nacos_core.drivers.fuzzy import FuzzyPushes
from nacos_core.naming.udp_subscribers import Subscriber, UdpSubscribers
from nacos_core.push import fuzzy
from nacos_core.push.schedule import PushSchedule
from nacos_core.push.tracker import PushTracker

if TYPE_CHECKING:
    from nacos_core._core import FuzzyWatched, Hub, LongPoll, PushAcknowledged, UdpSubscribed
    from nacos_core.clock import WallClock
    from nacos_core.config.long_poll import Hanging
    from nacos_core.drivers.udp import UdpPort
    from nacos_core.state_machine import StateMachine

Key: TypeAlias = tuple[str, str, str]
AnyKey = TypeVar("AnyKey")
Watcher: TypeAlias = Callable[[], None]


def _naming_tracker() -> PushTracker[AnyKey]:
    return PushTracker(
        ack_timeout_seconds=limits.PUSH_ACK_TIMEOUT_SECONDS,
        retry_seconds=lambda tries: limits.PUSH_RETRY_SECONDS,
        tries_max=None,
    )


def _config_tracker() -> PushTracker[AnyKey]:
    return PushTracker(
        ack_timeout_seconds=limits.CONFIG_PUSH_ACK_TIMEOUT_SECONDS,
        retry_seconds=lambda tries: limits.CONFIG_PUSH_RETRY_STEP_SECONDS * tries,
        tries_max=limits.CONFIG_PUSH_TRIES_MAX,
    )


class Pushes:
    """Everything that waits to be told of a change, and the one timer task for all of it.

    Args:
        is_ready: until then nothing of services is sent; what changed meanwhile is told afterwards.
    """

    def __init__(
        self,
        *,
        hub: "Hub",
        state_machine: "StateMachine",
        wall_clock: "WallClock",
        merge_seconds: float,
        udp_port: "UdpPort | None",
        is_ready: Callable[[], bool],
    ) -> None:
        self._hub = hub
        self._state_machine = state_machine
        self._wall_clock = wall_clock
        self._schedule = PushSchedule(merge_seconds)
        self._naming: PushTracker[Key] = _naming_tracker()
        self._config: PushTracker[Key] = _config_tracker()
        self._service_watches = FuzzyPushes(hub, fuzzy.SERVICES, _naming_tracker(), _naming_tracker())
        self._config_watches = FuzzyPushes(hub, fuzzy.CONFIGS, _config_tracker(), _config_tracker())
        self._long_polls = LongPolls()
        self._udp = UdpSubscribers()
        self._udp_port = udp_port
        self._is_ready = is_ready
        if udp_port is not None:
            udp_port.on_acknowledged = self._udp.acknowledged
        self._watchers: dict[tuple[str, Key], dict[object, Watcher]] = {}
        self._sleeps_until = inf
        self._wake = trio.Event()

    # --- what clients and the embedding program ask for

    def hang(self, event: "LongPoll") -> None:
        """A 1.x listener waits."""
        kept = self._long_polls.hang(
            event.connection,
            event.call,
            event.keys,
            event.hang_ms,
            trio.current_time(),
            client_ip=event.client_ip,
            tag=event.tag,
        )
        if not kept:
            self._hub.reply_long_poll(event.connection, event.call, [])

    def udp_subscribed(self, event: "UdpSubscribed") -> None:
        """A 1.x client wants datagrams."""
        key = (event.namespace, event.group, event.service)
        self._udp.subscribe(key, (event.ip, event.port), event.clusters, trio.current_time(), event.agent)

    def udp_subscribers(self, key: Key) -> list[Subscriber]:
        """1.x clients that are told of a service by UDP."""
        return self._udp.of(key, trio.current_time())

    @property
    def long_polls(self) -> LongPolls:
        """1.x clients that wait for a change of configurations, to look at."""
        return self._long_polls

    @property
    def udp_subscriptions_count(self) -> int:
        """Pairs of a 1.x client and a service."""
        return len(self._udp)

    def fuzzy_watched(self, event: "FuzzyWatched") -> None:
        """A client watches a pattern."""
        watches = self._service_watches if event.module == fuzzy.SERVICES.module else self._config_watches
        watches.watched(event, trio.current_time())

    def gone(self, connection: int) -> None:
        """Nothing is sent to this connection any more."""
        self._long_polls.gone(connection)
        self._naming.gone(connection)
        self._config.gone(connection)
        self._service_watches.gone(connection)
        self._config_watches.gone(connection)

    def acknowledged(self, event: "PushAcknowledged") -> None:
        """A client answered a push; answers to other pushes than ours are of no interest here."""
        answer = (event.connection, event.request_id, event.succeeded, trio.current_time())
        if self._naming.acknowledged(*answer) is None and self._config.acknowledged(*answer) is None:
            _ = self._service_watches.acknowledged(*answer) or self._config_watches.acknowledged(*answer)

    def watch(self, kind: str, key: Key, token: object, watcher: Watcher) -> None:
        """Calls ``watcher`` at every change of a ``service`` or ``config``, until ``unwatch``."""
        self._watchers.setdefault((kind, key), {})[token] = watcher

    def unwatch(self, kind: str, key: Key, token: object) -> None:
        """Ends what ``watch`` began."""
        watchers = self._watchers.get((kind, key), {})
        watchers.pop(token, None)
        if not watchers:
            self._watchers.pop((kind, key), None)

    # --- changes

    def settle(self) -> None:
        """Takes what has changed since the last call, sends what is due, and sets the timer for the rest."""
        now = trio.current_time()
        for key in self._state_machine.take_changed_grays():
            self._tell_listeners(key, now)
        for key in self._state_machine.take_changed_configs():
            self._tell_watchers("config", key)
            self._tell_listeners(key, now)
            self._config_watches.changed(key, now)
        # While lists are being loaded nobody is told what is only a part of them.
        if self._is_ready():
            self._services_changed(now)
        if self._next_deadline() < self._sleeps_until:
            self._wake.set()

    def _services_changed(self, now: float) -> None:
        if not self._state_machine.switches.push_enabled:
            self._hub.take_new_subscriptions()  # each has been answered with the list
            return  # what changes is told once it is enabled
        for key in self._hub.take_changed_services():
            self._tell_watchers("service", key)
            if self._schedule.changed(key, now):
                self._push_service(key, now)
        for key in self._hub.take_come_and_gone_services():
            self._service_watches.changed(key, now)
        for connection, namespace, group, service in self._hub.take_new_subscriptions():
            self._schedule.subscribed(connection, (namespace, group, service), now)

    def _tell_listeners(self, key: Key, now: float) -> None:
        """Those for whom there is something else now."""

        def is_news(hanging: "Hanging", md5: str) -> bool:
            return self._hub.config_md5_for(*key, client_ip=hanging.client_ip, tag=hanging.tag) != md5

        for hanging, listen_key in self._long_polls.changed(*key, is_news):
            self._hub.reply_long_poll(hanging.connection, hanging.call, [listen_key])
        for connection, request_id in self._hub.push_config_change(*key):
            self._config.sent(connection, request_id, key, now)

    def _push_service(self, key: Key, now: float) -> None:
        for connection, request_id in self._hub.push_service(*key, self._wall_clock()):
            self._naming.sent(connection, request_id, key, now)
        if self._udp_port is not None:
            for subscriber in self._udp.of(key, now):
                clusters = subscriber.clusters
                service = self._hub.service_info(*key, clusters, False, self._wall_clock(), grouped_name=True)
                stamp, datagram = self._udp_port.push(subscriber.address, service)
                if datagram:
                    self._udp.sent(subscriber.address, stamp, datagram, now)

    def _tell_watchers(self, kind: str, key: Key) -> None:
        for watcher in list(self._watchers.get((kind, key), {}).values()):
            watcher()

    # --- time

    async def run(self, flush: Callable[[], None]) -> None:
        """Sends what becomes due, until cancelled. ``flush`` writes out what was queued."""
        while True:
            self._wake = trio.Event()
            self._sleeps_until = self._next_deadline()
            with trio.move_on_at(self._sleeps_until):
                await self._wake.wait()
            self._sleeps_until = -inf
            self._send_due(trio.current_time())
            flush()

    def expire_subscriptions(self) -> None:
        """Forgets UDP subscriptions that were not renewed; called now and then."""
        self._udp.expire(trio.current_time())

    def _next_deadline(self) -> float:
        return min(
            self._schedule.next_deadline(),
            self._naming.next_deadline(),
            self._config.next_deadline(),
            self._long_polls.next_deadline(),
            self._udp.next_deadline(),
            self._service_watches.next_deadline(),
            self._config_watches.next_deadline(),
        )

    def _send_due(self, now: float) -> None:
        to_all, to_one = self._schedule.due(now)
        for key in to_all:
            self._push_service(key, now)
        for connection, key in to_one:
            self._push_service_to(connection, key, now, is_retry=False)
        for connection, key in self._naming.due(now).retries:
            self._push_service_to(connection, key, now, is_retry=True)
        self._send_due_configs(now)
        self._service_watches.send_due(now)
        self._config_watches.send_due(now)
        for hanging in self._long_polls.ended(now):
            self._hub.reply_long_poll(hanging.connection, hanging.call, [])
        if self._udp_port is not None:
            for address, datagram in self._udp.due(now):
                self._udp_port.send(address, datagram)

    def _push_service_to(self, connection: int, key: Key, now: float, *, is_retry: bool) -> None:
        request_id = self._hub.push_service_to(connection, *key, self._wall_clock())
        if request_id is None:
            self._naming.dropped(connection, key)
        else:
            self._naming.sent(connection, request_id, key, now, is_retry=is_retry)

    def _send_due_configs(self, now: float) -> None:
        due = self._config.due(now)
        for connection, key in due.retries:
            request_id = self._hub.push_config_change_to(connection, *key)
            if request_id is None:
                self._config.dropped(connection, key)
            else:
                self._config.sent(connection, request_id, key, now, is_retry=True)
        for connection in due.given_up:
            self._hub.close_connection(connection)
