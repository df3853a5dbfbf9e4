"""The config store against a dictionary, and the rules of the config service against their own words."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from nacos_core.config import rules
from nacos_core.config.service import ConfigService
from nacos_core.errors import InvalidParameter
from property.sessions import NOW_MS, new_hub

namespaces = st.sampled_from(["public", "other"])
words = st.sampled_from(["a", "b", "a.b"])
contents = st.text(min_size=1, max_size=50)
strange = st.text(max_size=300) | st.sampled_from(["..", "a/b", "\0", " ", "", "a" * 256, "a" * 257])


class ConfigStore(RuleBasedStateMachine):
    """Any history of writes leaves what a dictionary would hold, also through a snapshot."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = new_hub()
        self.model: dict[tuple[str, str, str], str] = {}

    @rule(namespace=namespaces, group=words, data_id=words, content=contents)
    def put(self, namespace: str, group: str, data_id: str, content: str) -> None:
        md5 = self.hub.put_config(namespace, group, data_id, content.encode(), type="text", now_ms=NOW_MS)
        assert md5 == hashlib.md5(content.encode()).hexdigest()
        self.model[namespace, group, data_id] = content

    @rule(namespace=namespaces, group=words, data_id=words)
    def remove(self, namespace: str, group: str, data_id: str) -> None:
        key = (namespace, group, data_id)
        assert self.hub.remove_config(*key, now_ms=NOW_MS) == (self.model.pop(key, None) is not None)

    @rule()
    def pass_through_a_snapshot(self) -> None:
        data = self.hub.freeze().encode()
        self.hub = new_hub()
        self.hub.restore_snapshot(data, NOW_MS)
        assert self.hub.freeze().encode() == data

    @rule(place=st.integers(0, 2**20), value=st.integers(0, 255))
    def refuse_a_damaged_snapshot_or_take_it_whole(self, place: int, value: int) -> None:
        data = bytearray(self.hub.freeze().encode())
        data[place % len(data)] = value
        other = new_hub()
        try:
            other.restore_snapshot(bytes(data), NOW_MS)
        except ValueError:
            assert other.config_count() == 0, "nothing is left behind by a refusal"

    @invariant()
    def holds_what_was_written(self) -> None:
        assert self.hub.config_count() == len(self.model)
        for key, content in self.model.items():
            view = self.hub.get_config(*key)
            assert view is not None
            assert view.content == content.encode()
            assert view.md5 == self.hub.config_md5(*key)
        assert self.hub.config_md5("public", "a", "no-such") == ""


TestConfigStore = ConfigStore.TestCase
TestConfigStore.settings = settings(max_examples=30, stateful_step_count=30)


def service() -> ConfigService:
    return ConfigService()


@given(strange, strange, strange, st.text(max_size=5))
def test_a_name_is_taken_as_it_is_or_refused(tenant: str, group: str, data_id: str, content: str) -> None:
    def publish() -> Any:
        return service().publication(tenant, group, data_id, content, None)

    key_right = all(re.fullmatch(r"[a-zA-Z0-9\-_:.]+", name) for name in (group, data_id))
    key_right = key_right and len(data_id) <= 256 and len(group) <= 128
    namespace = tenant.strip() or "public"
    space_right = re.fullmatch(r"[\w\-]+", namespace) is not None and len(namespace) <= 64
    if key_right and space_right and content.strip():
        command = publish()
        assert (command.group, command.data_id, command.content) == (group, data_id, content.encode())
        assert command.namespace == namespace
    else:
        with pytest.raises(InvalidParameter):
            publish()


@given(st.none() | st.text(max_size=40))
def test_an_unknown_type_is_text(given_type: str | None) -> None:
    if given_type is not None and len(given_type) > 32:
        with pytest.raises(InvalidParameter):
            rules.known_type(given_type)
    else:
        known = rules.known_type(given_type)
        assert known in rules.TYPES
        assert known == (given_type or "").lower() or known == "text"
