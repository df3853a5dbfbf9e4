"""What each parameter means, whichever route takes it (protocol/http.md). All are texts on the wire."""

from typing import Final, Literal, NamedTuple, TypeAlias

Type: TypeAlias = Literal["string", "integer", "number", "boolean", "json"]


class Parameter(NamedTuple):
    """How its text is read, and what it means."""

    type: Type
    meaning: str


def _text(meaning: str) -> Parameter:
    return Parameter("string", meaning)


def _integer(meaning: str) -> Parameter:
    return Parameter("integer", meaning)


def _flag(meaning: str) -> Parameter:
    return Parameter("boolean", meaning)


def _json(meaning: str) -> Parameter:
    return Parameter("json", meaning)


_NAMESPACE: Final = _text("Id of the namespace; public where it may be left out.")
_GROUP: Final = _text("Group; DEFAULT_GROUP where it may be left out.")
_CLUSTER: Final = _text("Cluster within the service; DEFAULT where one is named and it is not given.")
_ENABLED: Final = _flag("Whether clients are told of the instance.")
_HEALTHY: Final = _flag("Whether the instance is healthy.")
_TAGS: Final = _text("Tags of a configuration, by commas.")
_TYPES: Final = _text("Types of configurations, by commas: text, json, xml, yaml, html, properties, toml.")
_DETAIL: Final = _text("A text that the content must hold.")
_USER: Final = _text("Who did it, for the history.")
_PUBLISHED: Final = "of the configuration that is published."

PARAMETERS: Final[dict[str, Parameter]] = {
    "Listening-Configs": _text("Keys and md5: words end with the character 2, lines with the character 1."),
    "address": _text("host:port of a node, or a part of it."),
    "aggregation": _flag("Whether the other nodes are asked, too; true unless said."),
    "all": _flag("Whether all namespaces are looked at."),
    "appName": _text("Name of the application that a configuration belongs to."),
    "beat": _json("What a heartbeat tells of its instance: an object with ip and port, weight, cluster and metadata."),
    "beta": _flag("Asks for the beta release."),
    "betaIps": _text("Addresses, by commas: publishes a beta release for them alone."),
    "casMd5": _text("Only if this is the md5 of what is there now."),
    "checkNamespaceIdExist": _flag("Asks whether there is a namespace of the id customNamespaceId."),
    "checkPort": _integer("Port at which the instances of a cluster are checked."),
    "clientId": _text("Id of a client: of its connection, or its address."),
    "clone": _flag("Clones configurations that the body names."),
    "cluster": _CLUSTER,
    "clusterName": _CLUSTER,
    "clusters": _text("Clusters, by commas; all if none is given."),
    "command": _text("What is done: transferLeader, removePeer or doSnapshot."),
    "configDetail": _DETAIL,
    "configTags": _TAGS,
    "config_detail": _DETAIL,
    "config_tags": _TAGS,
    "connectionId": _text("Id of a gRPC connection."),
    "consistencyType": _text("ephemeral or persist: only instances of this kind; of both if it is not given."),
    "content": _text(f"The content {_PUBLISHED}"),
    "count": _integer("How many stay, or are shown."),
    "createOnly": _flag("Only if there is no such configuration yet; otherwise the code is 410."),
    "customNamespaceId": _text("Id of a namespace; one is made up for a new one without it."),
    "dataId": _text("Name of the configuration within its group."),
    "delType": _text("ids: removes the configurations that ids names."),
    "desc": _text(f"Description {_PUBLISHED}"),
    "effect": _text(f"Effect {_PUBLISHED}"),
    "enable": _ENABLED,
    "enabled": _ENABLED,
    "enabledOnly": _flag("Chooses what clients are told of; false: what they are not told of."),
    "encryptedDataKey": _text("Key with which a client encrypted the content; kept as it is."),
    "entry": _text("Name of a switch."),
    "ephemeral": _flag("Whether instances live as long as their clients say so."),
    "export": _flag("Asks for an archive of the first layout."),
    "exportV2": _flag("Asks for an archive of the second layout."),
    "expr": _text("A part of the name, group@@name."),
    "from": _integer("Id of the event to compare."),
    "grayLabels": _text("Label expression: publishes a gray release for the clients that it takes."),
    "grayName": _text("Name of a gray release."),
    "grayPercent": _text("Share of the clients that get a gray release, in percent."),
    "grayPriority": _text("Which of several gray releases a client gets: the one with the highest."),
    "group": _GROUP,
    "groupName": _GROUP,
    "groupNameParam": _text("A part of the name of the group."),
    "hasIpCount": _flag("Leaves out services without instances."),
    "healthChecker": _json("How a cluster is checked: an object with type TCP, HTTP, MYSQL or NONE, and its fields."),
    "healthy": _HEALTHY,
    "healthyOnly": _flag("Leaves out what is not healthy."),
    "heartBeat": _flag("Says that the instance is still there, instead of registering it."),
    "id": _integer("Id of an event or of a configuration."),
    "ids": _text("Ids of configurations, by commas."),
    "ignoreEmptyService": _flag("Leaves out services without instances."),
    "import": _flag("Imports the archive in the body."),
    "instances": _json("A list of objects with ip, port and clusterName; all instances if it is not given."),
    "ip": _text("Address of the instance or client."),
    "key": _text("Names a service: group@@name, or namespace##group@@name."),
    "keyword": _text("A part of the address."),
    "linearizable": _flag("Has the leader confirm that the answer is not older than the question."),
    "loaderFactor": Parameter(
        "number", "How far from the average, as a share of it, a member may be; 0.1 unless said."
    ),
    "loaderFactorStr": Parameter("number", "The same as loaderFactor."),
    "logLevel": _text("all, trace, debug, info, warn, error or off."),
    "logName": _text("Name of a logger of the node."),
    "maxAggrCount": _integer("Of aggregated configurations, which do not exist: it is not kept."),
    "maxAggrSize": _integer("Of aggregated configurations, which do not exist: it is not kept."),
    "maxSize": _integer("How many bytes the content of a configuration may have; 0: as many as of others."),
    "member": _text("Id or host:port of a member of the cluster."),
    "metadata": _json("Metadata: an object of texts, or pairs of name=value by commas."),
    "namespace": _NAMESPACE,
    "namespaceDesc": _text("Description of the namespace."),
    "namespaceId": _NAMESPACE,
    "namespaceName": _text("Name of the namespace."),
    "namespaceShowName": _text("Name of the namespace."),
    "nid": _integer("Id of an event of the history."),
    "onlyStatus": _flag("Leaves out the counts; true unless said."),
    "pageNo": _integer("Number of the page; the first is 1."),
    "pageSize": _integer("How many a page holds."),
    "password": _text("Password of the user."),
    "policy": _text("What is done with a configuration that is there: ABORT (unless said), SKIP or OVERWRITE."),
    "port": _integer("Port of the instance or client."),
    "protectThreshold": Parameter("number", "Share of healthy instances, from 0 to 1, up to which all are told of."),
    "quota": _integer("How many configurations there may be; 0: as many as of others."),
    "redirectAddress": _text("ip:port that the clients are asked to go to."),
    "schema": _text(
        "JSON Schema of the content; empty: none any more. Without this parameter there is the same as before."
    ),
    "search": _text("accurate: names are taken as they are; blur: as patterns with *."),
    "selector": _json("Which instances a client is told of: an object with type none or label, and expression."),
    "serviceName": _text("Name of the service; its group may stand before it, as in group@@name."),
    "serviceNameParam": _text("A part of the name of the service."),
    "show": _text("all: asks for one with all its attributes."),
    "srcUser": _USER,
    "src_user": _USER,
    "state": _text("State of a node: UP, SUSPICIOUS or DOWN."),
    "tag": _text("Tag of a release."),
    "targetNamespaceId": _text("Id of the namespace to write to."),
    "tenant": _NAMESPACE,
    "to": _integer("Id of the event to compare with; what is there now if it is not given."),
    "type": _text("Type of the configuration: text, json, xml, yaml, html, properties, toml; in searches several."),
    "types": _TYPES,
    "udpPort": _integer("Port at which the client takes pushes over UDP."),
    "use": _text(f"Use {_PUBLISHED}"),
    "useInstancePort4Check": _flag("Checks instances at their own port."),
    "username": _text("Name of the user."),
    "valid": _HEALTHY,
    "value": _text("What the switch is set to; the member that an operation is about, by its id or host:port."),
    "weight": Parameter("number", "How often the instance is chosen, against others; from 0 to 10000."),
    "withInstances": _flag("Whether the instances are shown, too."),
    "withinMs": _integer("How far to look ahead."),
}

HEADERS: Final[dict[str, tuple[str, Parameter]]] = {
    "betaips": ("betaIps", PARAMETERS["betaIps"]),
    "casmd5": ("casMd5", PARAMETERS["casMd5"]),
    "long-pulling-timeout": ("Long-Pulling-Timeout", _integer("How many milliseconds the client waits.")),
    "long-pulling-timeout-no-hangup": (
        "Long-Pulling-Timeout-No-Hangup",
        _flag("Has the poll answered at once, whatever it finds."),
    ),
    "vipserver-tag": ("Vipserver-Tag", _text("Tag of the client, for releases by tag.")),
}
"""By the name in lower case: as clients write it, and what it means."""
