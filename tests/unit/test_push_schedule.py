"""The first change goes out at once, what follows within the merge time as one."""

from __future__ import annotations

from math import inf

from nacos_core.push.schedule import PushSchedule

KEY = ("public", "DEFAULT_GROUP", "orders")
OTHER = ("public", "DEFAULT_GROUP", "stock")


def test_the_first_change_is_pushed_at_once_and_the_next_ones_together() -> None:
    schedule = PushSchedule(0.1)
    assert schedule.changed(KEY, 1.0)
    assert not schedule.changed(KEY, 1.01)
    assert not schedule.changed(KEY, 1.09)
    assert schedule.next_deadline() == 1.1
    assert schedule.due(1.09) == ([], [])
    assert schedule.due(1.1) == ([KEY], [])
    assert schedule.due(1.2) == ([], []), "nothing more has changed"


def test_a_service_that_keeps_changing_is_pushed_once_in_each_merge_time() -> None:
    schedule = PushSchedule(0.1)
    pushes = 0
    now = 0.0
    for tick in range(1000):
        now = tick / 1000
        pushes += len(schedule.due(now)[0]) + schedule.changed(KEY, now)
    assert pushes == 10


def test_after_a_quiet_merge_time_a_change_is_a_first_one_again() -> None:
    schedule = PushSchedule(0.1)
    schedule.changed(KEY, 1.0)
    schedule.due(1.1)
    assert schedule.next_deadline() == inf
    assert schedule.changed(KEY, 1.2)


def test_services_do_not_hold_back_one_another() -> None:
    schedule = PushSchedule(0.1)
    assert schedule.changed(KEY, 1.0)
    assert schedule.changed(OTHER, 1.0)


def test_a_new_subscription_is_pushed_to_its_connection() -> None:
    schedule = PushSchedule(0.1)
    schedule.subscribed(7, KEY, 1.0)
    schedule.subscribed(8, KEY, 1.05)
    assert schedule.due(1.1) == ([], [(7, KEY), (8, KEY)])
    assert schedule.due(2.0) == ([], [])


def test_a_subscription_does_not_hold_back_the_first_change_which_serves_it() -> None:
    schedule = PushSchedule(0.1)
    schedule.subscribed(7, KEY, 1.0)
    assert schedule.changed(KEY, 1.05)
    assert schedule.due(1.15) == ([], [])


def test_a_merged_push_serves_new_subscriptions_too() -> None:
    schedule = PushSchedule(0.1)
    schedule.changed(KEY, 1.0)
    schedule.subscribed(7, KEY, 1.01)
    schedule.changed(KEY, 1.02)
    assert schedule.due(1.1) == ([KEY], [])
    assert schedule.due(1.2) == ([], [])


def test_without_a_merge_time_every_turn_pushes() -> None:
    schedule = PushSchedule(0.0)
    assert schedule.changed(KEY, 1.0)
    assert not schedule.changed(KEY, 1.0)
    assert schedule.due(1.0) == ([KEY], [])
    assert schedule.due(1.0) == ([], [])
