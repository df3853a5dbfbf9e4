"""Words that fit together: requests of them get behind the checks of names, and meet what earlier ones made."""

from __future__ import annotations

from typing import Any

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
    **dict.fromkeys(("quota", "maxSize", "maxAggrCount", "maxAggrSize"), ("1000", "0", "-1", "2147483648")),
    **dict.fromkeys(("type", "types"), ("json", "yaml", "text", "json,text", "nonsense")),
    "beat": ('{"ip":"10.0.0.1","port":80}', '{"ip":"10.0.0.1","port":99999}', "{}", '{"ip":null}'),
    "betaIps": ("", "10.0.0.1", "10.0.0.1,10.0.0.2"),
    "casMd5": ("", "c4ca4238a0b923820dcc509a6f75849b", "nonsense"),
    "checkPort": ("80", "99999"),
    "clientId": ("10.0.0.1:80#true", "10.0.0.1:80#false"),
    "command": ("doSnapshot", "transferLeader", "removePeer", "changePeers", "nonsense"),
    "consistencyType": ("ephemeral", "persist"),
    "content": ("1", '{"a": 1}', "a: [", "\u4f60"),
    "dataId": ("a", "b.json", "a*"),
    "delType": ("ids", ""),
    "entry": ("pushEnabled", "lightBeatEnabled", "distroThreshold", "nonsense"),
    "grayLabels": ("", "app = a", "app in (a, b)", "("),
    "grayName": ("beta", "", "label", "percent", "tag_a", "own"),
    "grayPercent": ("", "10", "101"),
    "grayPriority": ("", "1", "x"),
    "healthChecker": ('{"type":"TCP"}', '{"type":"HTTP","path":"/"}', '{"type":"NONE"}', '{"type":1}', "null"),
    "healthy": FALSE_OR_TRUE,
    "ids": IDS,
    "instances": ('[{"ip":"10.0.0.1","port":80}]', "[]", "[null]", "{}"),
    "ip": ("10.0.0.1", "10.0.0.2", "::1", "127.0.0.1"),
    "loaderFactor": ("", "0", "0.1", "nan", "-1", "1e400"),
    "logLevel": ("debug", "INFO", "loud"),
    "logName": ("nacos_core.drivers.raft", "core-raft", "nacos_core.", "root"),
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


def with_words(document: dict[str, Any]) -> dict[str, Any]:
    """The document with these words as all that parameters may be, the sensible ones first."""
    for operation in (operation for item in document["paths"].values() for operation in item.values()):
        for parameter in operation["parameters"]:
            parameter["schema"] = _schema(parameter["name"], parameter["schema"])
        bodies = operation.get("requestBody", {}).get("content", {})
        form = bodies.get("application/x-www-form-urlencoded", {}).get("schema", {})
        for name, schema in form.get("properties", {}).items():
            form["properties"][name] = _schema(name, schema)
    return document


def _schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "string", "enum": [*DICTIONARY[name], *ODD]} if name in DICTIONARY else schema
