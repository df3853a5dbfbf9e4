"""How an answer may differ from the recorded one: in times, in ids, in the order of instances, and in nothing else."""

from __future__ import annotations

import re
from typing import Any

TIMES_AND_IDS = {
    "lastRefTime": r"\d{13}",
    "lastModified": r"\d{13}|0",
    "createTime": r"\d{13}",
    "modifyTime": r"\d{13}",
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(\+00:00|Z)",
    "connectionId": r"\d{13}_[0-9.]+_\d+",
    "requestId": r"\d+",
    "serviceKey": r"public@@DEFAULT_GROUP@@demo-\w+",
    "id": r"\d+",
}
"""Fields whose values are never the recorded ones, and what they look like. The value 0 stays 0."""

FIGURES = frozenset(
    {"count", "configCount", "cpu", "load", "mem"}
    | {"serviceCount", "instanceCount", "subscribeCount", "responsibleInstanceCount", "clientCount"}
    | {"connectionBasedClientCount", "ephemeralIpPortClientCount", "persistentIpPortClientCount"}
    | {"responsibleClientCount"}
)
"""Fields that count what else the recorded server held: only their types are protocol."""

NAME_LISTS = frozenset({"doms", "serviceNames", "contexts"})
"""Lists of what the server held: what an element looks like is protocol, which are there is not."""


def differences(recorded: Any, ours: Any, at: str = "") -> list[str]:
    """What differs, each with its place; none if the answer is as recorded."""
    if type(recorded) is not type(ours):
        return [f"{at}: {type(recorded).__name__} {recorded!r} expected, not {type(ours).__name__} {ours!r}"]
    if isinstance(recorded, dict):
        return _object(recorded, ours, at)
    if isinstance(recorded, list):
        return _list(recorded, ours, at)
    return [] if recorded == ours else [f"{at}: {recorded!r} expected, not {ours!r}"]


def _object(recorded: dict[str, Any], ours: dict[str, Any], at: str) -> list[str]:
    found = [f"{at}.{name}: missing" for name in recorded if name not in ours]
    found += [f"{at}.{name}: not in the recorded answer" for name in ours if name not in recorded]
    for name in recorded:
        if name in ours:
            found += _member(name, recorded[name], ours[name], f"{at}.{name}")
    return found


def _member(name: str, recorded: Any, ours: Any, at: str) -> list[str]:
    same_type = type(recorded) is type(ours)
    if same_type and recorded is not None and name in TIMES_AND_IDS:
        looks_right = re.fullmatch(TIMES_AND_IDS[name], str(ours)) and (recorded == 0) == (ours == 0)
        return [] if looks_right else [f"{at}: {ours!r} does not look like {recorded!r}"]
    if same_type and name in FIGURES:
        return []
    if same_type and name in NAME_LISTS:
        if isinstance(recorded[0], dict):
            return differences(recorded[:1], ours[:1], at)
        is_list_of_names = bool(ours) and all(isinstance(each, str) and each for each in ours)
        return [] if is_list_of_names else [f"{at}: names expected, not {ours!r}"]
    return differences(recorded, ours, at)


def _list(recorded: list[Any], ours: list[Any], at: str) -> list[str]:
    if len(recorded) != len(ours):
        return [f"{at}: {len(recorded)} elements expected, not {len(ours)}: {ours!r}"]
    pairs = zip(_ordered(recorded), _ordered(ours), strict=True)
    return [text for index, pair in enumerate(pairs) for text in differences(*pair, f"{at}[{index}]")]


def _ordered(elements: list[Any]) -> list[Any]:
    """Instances by address; their order in a list is not protocol."""
    if all(isinstance(element, dict) and "ip" in element for element in elements):
        return sorted(elements, key=lambda element: (element["ip"], element["port"]))
    return elements
