"""Pushes wait for their acknowledgement, are tried again, and in the end given up."""

from __future__ import annotations

from math import inf

from nacos_core.push.tracker import PushTracker


def a_tracker(tries_max: int | None = None) -> PushTracker[str]:
    return PushTracker(ack_timeout_seconds=5.0, retry_seconds=lambda tries: 2.0 * tries, tries_max=tries_max)


def test_an_acknowledged_push_is_forgotten() -> None:
    tracker = a_tracker()
    tracker.sent(1, 100, "orders", 0.0)
    assert tracker.next_deadline() == 5.0
    assert tracker.acknowledged(1, 100, True, 1.0)
    assert tracker.next_deadline() == inf
    assert tracker.due(100.0).retries == []


def test_answers_to_other_pushes_are_not_ours() -> None:
    tracker = a_tracker()
    tracker.sent(1, 100, "orders", 0.0)
    assert not tracker.acknowledged(1, 101, True, 1.0)
    assert not tracker.acknowledged(2, 100, True, 1.0)
    assert tracker.next_deadline() == 5.0


def test_a_push_without_an_answer_is_tried_again_and_waits_longer_each_time() -> None:
    tracker = a_tracker()
    tracker.sent(1, 100, "orders", 0.0)
    assert tracker.due(5.0).retries == []
    assert tracker.due(6.9).retries == []
    assert tracker.due(7.0).retries == [(1, "orders")]
    tracker.sent(1, 101, "orders", 7.0, is_retry=True)
    assert tracker.due(12.0).retries == []
    assert tracker.due(15.9).retries == []
    assert tracker.due(16.0).retries == [(1, "orders")]


def test_a_failure_that_is_answered_is_tried_again_without_the_timeout() -> None:
    tracker = a_tracker()
    tracker.sent(1, 100, "orders", 0.0)
    assert tracker.acknowledged(1, 100, False, 1.0)
    assert tracker.due(2.9).retries == []
    assert tracker.due(3.0).retries == [(1, "orders")]


def test_a_newer_push_takes_the_place_of_an_older_one() -> None:
    tracker = a_tracker()
    tracker.sent(1, 100, "orders", 0.0)
    tracker.sent(1, 101, "orders", 1.0)
    assert tracker.acknowledged(1, 101, True, 2.0)
    assert not tracker.acknowledged(1, 100, True, 2.0)
    assert tracker.due(100.0).retries == []


def test_after_the_last_try_the_connection_is_given_up() -> None:
    tracker = a_tracker(tries_max=2)
    tracker.sent(1, 100, "orders", 0.0)
    tracker.sent(1, 101, "stock", 0.0)
    tracker.due(5.0)
    assert sorted(tracker.due(7.0).retries) == [(1, "orders"), (1, "stock")]
    tracker.sent(1, 102, "orders", 7.0, is_retry=True)
    tracker.dropped(1, "stock")
    due = tracker.due(12.0)
    assert (due.retries, due.given_up) == ([], [1])
    assert tracker.next_deadline() == inf


def test_a_new_push_counts_its_tries_anew() -> None:
    tracker = a_tracker(tries_max=2)
    tracker.sent(1, 100, "orders", 0.0)
    tracker.due(5.0)
    tracker.due(7.0)
    tracker.sent(1, 101, "orders", 7.0)
    assert tracker.due(12.0).given_up == []


def test_a_closed_connection_is_forgotten() -> None:
    tracker = a_tracker()
    tracker.sent(1, 100, "orders", 0.0)
    tracker.sent(2, 100, "orders", 0.0)
    tracker.gone(1)
    tracker.due(5.0)
    assert tracker.due(7.0).retries == [(2, "orders")]
    tracker.gone(1)
