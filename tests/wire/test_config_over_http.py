"""Configuration for 1.x clients: content with its headers, and long polls that hang until something changes."""

from __future__ import annotations

import http.client
import select
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlencode

import pytest

from wire import phrases
from wire.client import GrpcConnection, HttpAnswer, call_http, http_headers

if TYPE_CHECKING:
    from support.node_process import NodeProcess

AT_ONCE_S = 1.0
HANG_MS = 30_000


def publish(node: NodeProcess, data_id: str, content: str, **fields: str) -> None:
    form = {"dataId": data_id, "group": phrases.GROUP, "content": content} | fields
    assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form).text == "true"


def remove(node: NodeProcess, data_id: str) -> None:
    query = {"dataId": data_id, "group": phrases.GROUP}
    assert call_http(node.port, "DELETE", phrases.V1_CONFIG, query).text == "true"


def read(node: NodeProcess, data_id: str, **query: str) -> HttpAnswer:
    return call_http(node.port, "GET", phrases.V1_CONFIG, {"dataId": data_id, "group": phrases.GROUP} | query)


class LongPoll:
    """A request that hangs on a connection of its own."""

    def __init__(
        self,
        node: NodeProcess,
        *keys: tuple[str, ...],
        hang_ms: int = HANG_MS,
        headers: dict[str, str] | None = None,
    ) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=20)
        sent = {"Content-Type": "application/x-www-form-urlencoded", "Long-Pulling-Timeout": str(hang_ms)}
        body = urlencode(phrases.listening(*keys))
        self._connection.request("POST", phrases.V1_LISTEN, body, sent | (headers or {}))
        self._began = time.monotonic()

    def answer(self) -> tuple[HttpAnswer, float]:
        response = self._connection.getresponse()
        took_s = time.monotonic() - self._began
        answer = HttpAnswer(response.status, http_headers(response), response.read())
        self._connection.close()
        return answer, took_s

    def is_answered(self, within_s: float) -> bool:
        readable, _, _ = select.select([self._connection.sock], [], [], within_s)
        return bool(readable)

    def leave(self) -> None:
        self._connection.close()


CONTENTS = ["a", "ä ö 中文 \U0001f680", " \n leading and trailing \n ", "%41+&=;", "\t", "x" * 100_000, "\x00\x01"]


@pytest.mark.parametrize("content", CONTENTS, ids=lambda content: ascii(content[:12]))
def test_content_is_read_as_it_was_published(node: NodeProcess, content: str) -> None:
    data_id = phrases.unique("content")
    if not content.strip():
        form = {"dataId": data_id, "group": phrases.GROUP, "content": content}
        assert call_http(node.port, "POST", phrases.V1_CONFIG, form=form).status == 400, "blank content"
        return
    publish(node, data_id, content)
    assert read(node, data_id).content == content.encode()


@pytest.mark.parametrize("tenant", ["", "public"])
def test_an_empty_tenant_and_public_are_one(node: NodeProcess, tenant: str) -> None:
    data_id = phrases.unique("tenant")
    publish(node, data_id, "a", tenant=tenant)
    assert [read(node, data_id).text, read(node, data_id, tenant="").text] == ["a", "a"]
    assert read(node, data_id, tenant="public").text == "a"
    assert read(node, data_id, tenant="other").status == 404


@pytest.mark.parametrize(("given", "kept"), [("json", "json"), ("", "text"), ("no-such", "text")])
def test_a_type_that_is_none_is_text(node: NodeProcess, given: str, kept: str) -> None:
    data_id = phrases.unique("type")
    publish(node, data_id, "{}", type=given)
    assert read(node, data_id).headers["config-type"] == kept


def test_a_hanging_poll_hears_of_a_change_at_once_in_the_form_that_it_used(node: NodeProcess) -> None:
    data_id = phrases.unique("poll")
    forms = [(data_id, phrases.GROUP, ""), (data_id, phrases.GROUP, "", "public")]
    polls = [LongPoll(node, (phrases.unique("other"), phrases.GROUP, ""), form) for form in forms]
    time.sleep(0.2)
    changed = time.monotonic()
    publish(node, data_id, "a")
    answers = [poll.answer()[0] for poll in polls]
    assert time.monotonic() - changed < AT_ONCE_S
    told = [unquote(answer.text) for answer in answers]
    assert told == [f"{data_id}\x02{phrases.GROUP}\x01\n", f"{data_id}\x02{phrases.GROUP}\x02public\x01\n"]


def test_a_hanging_poll_hears_of_a_removal(node: NodeProcess) -> None:
    data_id = phrases.unique("poll")
    publish(node, data_id, "a")
    poll = LongPoll(node, (data_id, phrases.GROUP, read(node, data_id).headers["content-md5"]))
    time.sleep(0.2)
    remove(node, data_id)
    answer, took_s = poll.answer()
    assert data_id in answer.text
    assert took_s < 0.2 + AT_ONCE_S


def test_a_poll_of_which_nothing_changes_is_answered_empty_when_its_time_is_over(node: NodeProcess) -> None:
    absent = LongPoll(node, (phrases.unique("poll"), phrases.GROUP, ""), hang_ms=10_500)
    answer, took_s = absent.answer()
    assert (answer.status, answer.text) == (200, "")
    assert 9.9 <= took_s <= 11.0


@pytest.mark.parametrize("character", list("-_.:"))
def test_a_name_may_have_these_characters(node: NodeProcess, character: str) -> None:
    form = {"dataId": f"a{character}{phrases.unique('n')}", "group": f"g{character}1", "content": "named"}
    for path in (phrases.V1_CONFIG, "/nacos/v2/cs/config"):
        assert call_http(node.port, "POST", path, form=form).status == 200
    assert call_http(node.port, "GET", phrases.V1_CONFIG, form).text == "named"
    assert call_http(node.port, "DELETE", phrases.V1_CONFIG, form).text == "true"


@pytest.mark.parametrize("character", list(" /\\+*@#%,;\u00e4"))
@pytest.mark.parametrize("name", ["dataId", "group"])
def test_a_name_may_have_no_other_character(node: NodeProcess, name: str, character: str) -> None:
    key = {"dataId": "a", "group": "g"} | {name: f"a{character}b"}
    refused = call_http(node.port, "POST", phrases.V1_CONFIG, form=key | {"content": "named"})
    text = f"Param '{name}' is illegal, illegal characters should not appear in the param.\r\n"
    assert (refused.status, refused.text) == (400, text)


@pytest.mark.parametrize("name", ["groupName", "group"])
@pytest.mark.parametrize("group", [phrases.GROUP, "absent"])
def test_the_client_api_of_3x_takes_either_name_of_the_group(node: NodeProcess, name: str, group: str) -> None:
    data_id = phrases.unique("either")
    publish(node, data_id, "a")
    answer = call_http(node.port, "GET", phrases.V3_CONFIG, {"dataId": data_id, name: group})
    assert (answer.status, answer.json["code"]) == (200, 0 if group == phrases.GROUP else 20004)


def test_a_poll_may_name_ten_thousand_keys_and_no_more(node: NodeProcess) -> None:
    def ask(count: int) -> HttpAnswer:
        form = phrases.listening(*((f"d{number}", "g", "x") for number in range(count)))
        return call_http(node.port, "POST", phrases.V1_LISTEN, form=form)

    most = ask(10_000)
    assert (most.status, most.text.count("%01")) == (200, 10_000)
    refused = ask(10_001)
    assert (refused.status, refused.text) == (400, "caused: invalid probeModify;")


def test_a_poll_without_a_timeout_is_answered_at_once(node: NodeProcess) -> None:
    began = time.monotonic()
    form = phrases.listening((phrases.unique("poll"), phrases.GROUP, ""))
    answer = call_http(node.port, "POST", phrases.V1_LISTEN, form=form)
    assert (answer.status, answer.text) == (200, "")
    assert time.monotonic() - began < AT_ONCE_S


def test_polls_whose_clients_have_left_do_no_harm(node: NodeProcess) -> None:
    data_id = phrases.unique("poll")
    polls = [LongPoll(node, (data_id, phrases.GROUP, "")) for _ in range(5)]
    time.sleep(0.1)
    for poll in polls[:4]:
        poll.leave()
    publish(node, data_id, "a")
    assert data_id in polls[4].answer()[0].text


def test_http_and_grpc_hear_of_each_others_changes(node: NodeProcess, connection: GrpcConnection) -> None:
    data_id = phrases.unique("both")
    connection.call("ConfigBatchListenRequest", phrases.listen((data_id, "")))
    poll = LongPoll(node, (data_id, phrases.GROUP, ""))
    time.sleep(0.1)
    publish(node, data_id, "a")
    connection.wait_push("ConfigChangeNotifyRequest", where=lambda body: body["dataId"] == data_id)
    assert data_id in poll.answer()[0].text
    poll = LongPoll(node, (data_id, phrases.GROUP, read(node, data_id).headers["content-md5"]))
    time.sleep(0.1)
    connection.call("ConfigRemoveRequest", phrases.config(data_id))
    assert data_id in poll.answer()[0].text
    connection.wait_push("ConfigChangeNotifyRequest", where=lambda body: body["dataId"] == data_id)


@pytest.mark.parametrize("tenant", ["", "public"])
def test_a_change_is_told_with_the_tenant_that_the_listener_gave(connection: GrpcConnection, tenant: str) -> None:
    data_id = phrases.unique("tenant")
    connection.call("ConfigBatchListenRequest", phrases.listen((data_id, ""), tenant=tenant))
    connection.call("ConfigPublishRequest", phrases.config(data_id, content="a"))
    push = connection.wait_push("ConfigChangeNotifyRequest", where=lambda body: body["dataId"] == data_id)
    assert push.body.get("tenant", "") == tenant


def test_a_listener_that_left_hears_nothing_more(connection: GrpcConnection) -> None:
    quiet, loud = phrases.unique("quiet"), phrases.unique("loud")
    connection.call("ConfigBatchListenRequest", phrases.listen((quiet, ""), (loud, "")))
    connection.call("ConfigBatchListenRequest", phrases.listen((quiet, ""), listen=False))
    for data_id in (quiet, loud):
        connection.call("ConfigPublishRequest", phrases.config(data_id, content="a"))
    connection.wait_push("ConfigChangeNotifyRequest", where=lambda body: body["dataId"] == loud)
    connection.settle(0.3)
    assert connection.pushes == []
