"""Gray releases, as the Go client and the Java clients over gRPC get them: by address, by a tag, by another label.

These clients have no parameter for a tag; they say it as a label of the application that runs them.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

import test_go
import test_java
from harness import GROUP, Client, ClientKind, unique
from scenarios import eventually

if TYPE_CHECKING:
    from conftest import Start

CONFIG = "/nacos/v3/admin/cs/config"
LABELS = "nacos_app_conn_labels"
ELSEWHERE = "10.255.0.1"
WITHIN_S = 10.0


def administer(server: str, method: str, path: str, **fields: str) -> Any:
    """A question or an order of an operator."""
    query = urlencode({"groupName": GROUP} | fields)
    in_body = method == "POST"
    url = f"http://{server}{path}" + ("" if in_body else f"?{query}")
    with urlopen(Request(url, query.encode() if in_body else None, method=method), timeout=5) as answer:
        return json.loads(answer.read())["data"]


def read_elsewhere(server: str, data_id: str) -> str:
    """What a client at an address of its own gets."""
    url = f"http://{server}/nacos/v1/cs/configs?{urlencode({'dataId': data_id, 'group': GROUP})}"
    with urlopen(Request(url, headers={"X-Forwarded-For": ELSEWHERE}), timeout=5) as answer:
        return str(answer.read().decode())


@pytest.fixture(scope="class")
def carol(start: Start) -> Client:
    """A client whose application has a tag and another label."""
    return start(**{LABELS: "Vipserver-Tag=t1,zone=b"}).wait_ready()


@pytest.mark.sdk
@pytest.mark.timeout(600)  # the first test of a class builds the client program
class GrayReleases:
    kind: ClassVar[ClientKind]

    def test_a_beta_reaches_the_client_of_its_address_and_ends_there(
        self, server: str, alice: Client, bob: Client
    ) -> None:
        data_id = unique("beta")
        assert alice.publish(data_id, "formal")
        listener = bob.listen(data_id)
        time.sleep(self.kind.listens_after.seconds)
        ips: list[str] = []

        def is_listening() -> bool:
            ips[:] = administer(server, "GET", f"{CONFIG}/listener", dataId=data_id)["listenersStatus"]
            return bool(ips)

        eventually(is_listening, WITHIN_S, "the server knows the listener")
        began = time.monotonic()
        assert administer(server, "POST", CONFIG, dataId=data_id, content="beta", betaIps=ips[0])
        listener.hears("beta", began)
        assert (bob.get(data_id), read_elsewhere(server, data_id)) == ("beta", "formal")
        began = time.monotonic()
        assert administer(server, "DELETE", f"{CONFIG}/beta", dataId=data_id)
        listener.hears("formal", began)
        assert bob.get(data_id) == "formal"

    def test_a_tag_reaches_the_client_that_has_it_and_then_all(
        self, server: str, carol: Client, alice: Client, bob: Client
    ) -> None:
        if self.kind.name == "go":
            pytest.skip("go cannot read the answer: it expects true or false where the tag is")
        self.released_to_carol(server, (alice, bob, carol), "tag_t1", tag="t1")

    def test_a_label_reaches_the_client_that_has_it_and_then_all(
        self, server: str, carol: Client, alice: Client, bob: Client
    ) -> None:
        self.released_to_carol(server, (alice, bob, carol), "label", grayLabels="zone in (a, b)")

    def released_to_carol(self, server: str, clients: tuple[Client, Client, Client], name: str, **release: str) -> None:
        alice, bob, carol = clients
        data_id = unique(name)
        assert alice.publish(data_id, "formal")
        of_bob, of_carol = bob.listen(data_id), carol.listen(data_id)
        time.sleep(self.kind.listens_after.seconds)
        began = time.monotonic()
        assert administer(server, "POST", CONFIG, dataId=data_id, content="gray", **release)
        of_carol.hears("gray", began)
        assert (carol.get(data_id), bob.get(data_id)) == ("gray", "formal")
        began = time.monotonic()
        assert administer(server, "POST", f"{CONFIG}/gray/promote", dataId=data_id, grayName=name)
        of_bob.hears("gray", began)
        assert (carol.get(data_id), bob.get(data_id)) == ("gray", "gray")


class TestGrayOfGo(GrayReleases):
    kind = test_go.TestGo.kind


class TestGrayOfJava2(GrayReleases):
    kind = test_java.V2


class TestGrayOfJava3(GrayReleases):
    kind = test_java.V3
