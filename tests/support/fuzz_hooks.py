"""What schemathesis, started by tests/process/test_api_document.py, makes of the values that it thought of.

Random names find nothing, so most values are taken from a few that belong together: requests meet what earlier ones
made, and get behind the checks of names. Which one is decided by the value that it stands for, so that a seed says all.
"""

from __future__ import annotations

import json
import zlib
from typing import Any

import schemathesis

ODD = ("", "a b", "\x00", "n" * 3000, "\U0001f600", "-1", "1e400", "%", "\r\n")
"""What any parameter may be by mistake or malice."""
FALSE_OR_TRUE = ("true", "false")
IDS = ("1", "2", "3", "1,2")
PARTS = ("", "o", "*", "a*")
NAMESPACES = ("", "public", "made")
GROUPS = ("DEFAULT_GROUP", "other")
CLUSTERS = ("", "DEFAULT", "c1", "DEFAULT,c1")
METADATA = ('{"a":"1"}', "a=1,b=2", "{}", '{"a":{"b":1}}', "[")
DICTIONARY = {
    **dict.fromkeys(("tenant", "namespaceId", "namespace", "targetNamespaceId", "customNamespaceId"), NAMESPACES),
    **dict.fromkeys(("group", "groupName"), GROUPS),
    **dict.fromkeys(("cluster", "clusterName", "clusters"), CLUSTERS),
    **dict.fromkeys(("groupNameParam", "serviceNameParam", "configDetail", "config_detail"), PARTS),
    **dict.fromkeys(("configTags", "config_tags"), ("", "red", "red,blue")),
    **dict.fromkeys(("id", "nid", "from", "to"), ("1", "2", "3", str(2**63 - 1), str(2**64))),
    **dict.fromkeys(("pageNo", "pageSize", "count", "withinMs"), ("1", "2", "0", "2147483647", "-1")),
    **dict.fromkeys(("ephemeral", "linearizable", "beta", "clone", "import", "export", "exportV2"), FALSE_OR_TRUE),
    **dict.fromkeys(("createOnly", "heartBeat", "all", "aggregation", "withInstances"), FALSE_OR_TRUE),
    **dict.fromkeys(("type", "types"), ("json", "yaml", "text", "json,text", "nonsense")),
    "beat": ('{"ip":"10.0.0.1","port":80}', '{"ip":"10.0.0.1","port":99999}', "{}", '{"ip":null}'),
    "betaIps": ("", "10.0.0.1", "10.0.0.1,10.0.0.2"),
    "casMd5": ("", "c4ca4238a0b923820dcc509a6f75849b", "nonsense"),
    "checkPort": ("80", "99999"),
    "clientId": ("10.0.0.1:80#true", "10.0.0.1:80#false"),
    "consistencyType": ("ephemeral", "persist"),
    "content": ("1", '{"a": 1}', "a: [", "\u4f60"),
    "dataId": ("a", "b.json", "a*"),
    "delType": ("ids", ""),
    "entry": ("pushEnabled", "lightBeatEnabled", "distroThreshold", "nonsense"),
    "grayLabels": ("", "app = a", "app in (a, b)", "("),
    "grayName": ("beta", "label", "percent", "tag_a", "own"),
    "grayPercent": ("", "10", "101"),
    "grayPriority": ("", "1", "x"),
    "healthChecker": ('{"type":"TCP"}', '{"type":"HTTP","path":"/"}', '{"type":"NONE"}', '{"type":1}', "null"),
    "healthy": FALSE_OR_TRUE,
    "ids": IDS,
    "instances": ('[{"ip":"10.0.0.1","port":80}]', "[]", "[null]", "{}"),
    "ip": ("10.0.0.1", "10.0.0.2", "::1", "127.0.0.1"),
    "metadata": METADATA,
    "namespaceName": ("made", "@"),
    "policy": ("ABORT", "SKIP", "OVERWRITE", "nonsense"),
    "port": ("80", "0", "65536"),
    "protectThreshold": ("0.5", "1e400", "nan"),
    "redirectAddress": ("", "10.0.0.1:80", "x:y:1"),
    "search": ("accurate", "blur", ""),
    "selector": ('{"type":"none"}', '{"type":"label","expression":"a=1"}', '{"type":"label"}', "1"),
    "serviceName": ("orders", "DEFAULT_GROUP@@orders", "other@@bills", "@@"),
    "show": ("all", ""),
    "tag": ("", "a"),
    "value": ("true", "false", "1"),
    "weight": ("1", "0", "10001", "nan", "-0"),
}


def _chosen(name: str, value: Any) -> Any:
    kind, number = divmod(zlib.crc32(json.dumps(value, default=repr).encode()), 1000)
    match kind % 8:
        case 0:
            return value
        case 1:
            return ODD[number % len(ODD)]
        case _:
            words = DICTIONARY.get(name, ODD)
            return words[number % len(words)]


def _with_words(values: Any) -> Any:
    return {name: _chosen(name, value) for name, value in values.items()} if isinstance(values, dict) else values


@schemathesis.hook
def map_query(_context: schemathesis.HookContext, query: Any) -> Any:
    return _with_words(query)


@schemathesis.hook
def map_body(_context: schemathesis.HookContext, body: Any) -> Any:
    return _with_words(body)
