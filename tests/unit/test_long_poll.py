"""1.x listener requests hang until a key of theirs changes, or their time is up."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from nacos_core import limits
from nacos_core.config.long_poll import LongPolls

if TYPE_CHECKING:
    import pytest

    from nacos_core.config.long_poll import Hanging

A = ("a.yaml", "G", None, "md5 of a")
B = ("b.yaml", "G", "", "")
C = ("c.yaml", "G", "dev", "")


def test_a_change_answers_who_waits_for_it_with_the_key_as_it_was_sent() -> None:
    polls = LongPolls()
    polls.hang(1, 10, [A, B, C], 29_500, 0.0)
    polls.hang(2, 20, [C], 29_500, 0.0)
    answered = polls.changed("dev", "G", "c.yaml")
    assert [(hanging.connection, hanging.call, key) for hanging, key in answered] == [(1, 10, C[:3]), (2, 20, C[:3])]
    assert polls.changed("dev", "G", "c.yaml") == []
    assert len(polls) == 0


def test_no_tenant_and_an_empty_one_are_the_default_namespace() -> None:
    polls = LongPolls()
    polls.hang(1, 10, [A], 29_500, 0.0)
    polls.hang(2, 20, [B], 29_500, 0.0)
    assert polls.changed("", "G", "a.yaml") == []
    assert [key for _, key in polls.changed("public", "G", "a.yaml")] == [A[:3]]
    assert [key for _, key in polls.changed("public", "G", "b.yaml")] == [B[:3]]


def test_a_request_is_answered_once() -> None:
    polls = LongPolls()
    polls.hang(1, 10, [A, B], 29_500, 0.0)
    assert len(polls.changed("public", "G", "a.yaml")) == 1
    assert polls.changed("public", "G", "b.yaml") == []
    assert polls.next_deadline() == inf
    assert polls.ended(100.0) == []


def test_time_ends_the_waiting() -> None:
    polls = LongPolls()
    polls.hang(1, 10, [A], 29_500, 0.0)
    polls.hang(2, 20, [A], 10_000, 0.0)
    assert polls.next_deadline() == 10.0
    assert [hanging.call for hanging in polls.ended(10.0)] == [20]
    assert [hanging.call for hanging in polls.ended(29.5)] == [10]
    assert len(polls) == 0
    assert polls.changed("public", "G", "a.yaml") == []


def test_the_same_key_twice_is_one() -> None:
    polls = LongPolls()
    polls.hang(1, 10, [A, A], 29_500, 0.0)
    assert len(polls.changed("public", "G", "a.yaml")) == 1


def test_a_closed_connection_waits_no_more() -> None:
    polls = LongPolls()
    polls.hang(1, 10, [A], 29_500, 0.0)
    polls.hang(1, 11, [B], 29_500, 0.0)
    polls.gone(1)
    polls.gone(1)
    assert len(polls) == 0
    assert polls.changed("public", "G", "a.yaml") == []


def test_there_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LONG_POLLS_COUNT_MAX", 1)
    polls = LongPolls()
    assert polls.hang(1, 10, [A], 29_500, 0.0)
    assert not polls.hang(2, 20, [A], 29_500, 0.0)


def test_only_those_are_answered_for_whom_there_is_something_else() -> None:
    polls = LongPolls()
    polls.hang(1, 10, [A, B], 29_500, 0.0, client_ip="10.0.0.1", tag="t")
    polls.hang(2, 20, [A], 29_500, 0.0, client_ip="10.0.0.2")
    asked = []

    def is_news(hanging: Hanging, md5: str) -> bool:
        asked.append((hanging.client_ip, hanging.tag, md5))
        return hanging.client_ip == "10.0.0.2"

    assert [hanging.call for hanging, _ in polls.changed("public", "G", "a.yaml", is_news)] == [20]
    assert asked == [("10.0.0.1", "t", "md5 of a"), ("10.0.0.2", None, "md5 of a")]
    assert len(polls) == 1
    assert [key for _, key in polls.changed("public", "G", "b.yaml")] == [B[:3]], "the other still waits"


def test_who_waits_and_for_what_is_shown_until_it_is_answered() -> None:
    polls = LongPolls()
    polls.hang(1, 10, [A, (*C[:3], "two")], 29_500, 0.0, client_ip="10.0.0.1")
    polls.hang(2, 20, [(*C[:3], "three")], 29_500, 0.0, client_ip="10.0.0.2")
    assert polls.told("dev", "G", "c.yaml") == [("10.0.0.1", "two"), ("10.0.0.2", "three")]
    assert polls.listened("10.0.0.1") == [("public", "G", "a.yaml", "md5 of a"), ("dev", "G", "c.yaml", "two")]
    assert polls.listened("10.0.0.2") == [("dev", "G", "c.yaml", "three")]
    polls.changed("public", "G", "a.yaml")
    assert polls.told("dev", "G", "c.yaml") == [("10.0.0.2", "three")]
    assert polls.listened("10.0.0.1") == []
