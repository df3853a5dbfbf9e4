"""The API document (OpenAPI 3.1), made of what the routes say of themselves (description.py)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Final, TypeAlias

from nacos_core.server.compatibility import audience_of
from nacos_core.server.description import Description
from nacos_core.server.parameters import HEADERS, PARAMETERS, Parameter
from nacos_core.server.versions import V1, V2, V3, Version

_Json: TypeAlias = dict[str, object]
Routes: TypeAlias = Mapping[tuple[str, str], tuple[Description, bool]]
"""By method and path; the flag: anybody may ask."""

_AREAS: Final = {"ns": "naming", "cs": "configuration", "auth": "authentication", "ops": "operations"}
_WITH_BODY: Final = ("POST", "PUT", "PATCH")

_TEXT: Final[_Json] = {"type": "string"}
_TYPES: Final[dict[str, _Json]] = {
    "string": _TEXT,
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "json": _TEXT,
}
_ANYTHING: Final[_Json] = {"*/*": {}}
_STATUSES: Final = {
    400: "The request makes no sense; the answer says why: a result, an error page or a text.",
    403: "The sender is not known, may not do it, or gave the key of something else.",
    404: "What is asked for is not there.",
    409: "It is there already.",
    429: "Too many logins; Retry-After says when to try again.",
    410: "Old paths of this kind are not answered by this node: an error page whose message is a JSON text.",
    500: (
        "What the protocol says with this status: casMd5 is not the md5 of what is there, metadata (v1) cannot be "
        "read, or the node is not ready."
    ),
    501: "This server does not offer it; the answer says what there is instead.",
    503: "The node is starting or leaving, is busy, or finds no leader; nothing was written.",
    504: "It is not known in time whether the write was made.",
}
_SCHEMAS: Final[_Json] = {
    "Result": {
        "type": "object",
        "description": "Every answer of v2 and v3.",
        "required": ["code", "message", "data"],
        "properties": {
            "code": {"type": "integer", "description": "0: it was done."},
            "message": _TEXT,
            "data": {},
        },
    },
    "Page": {
        "type": "object",
        "description": "A page of a list.",
        "required": ["totalCount", "pageNumber", "pagesAvailable", "pageItems"],
        "properties": {
            "totalCount": {"type": "integer"},
            "pageNumber": {"type": "integer"},
            "pagesAvailable": {"type": "integer"},
            "pageItems": {"type": "array"},
        },
    },
    "PageResult": {
        "allOf": [{"$ref": "#/components/schemas/Result"}],
        "type": "object",
        "properties": {"data": {"$ref": "#/components/schemas/Page"}},
    },
    "ErrorPage": {
        "type": "object",
        "description": "What is said before any handler is asked.",
        "required": ["timestamp", "status", "error", "message", "path"],
        "properties": {
            "timestamp": _TEXT,
            "status": {"type": "integer"},
            "error": _TEXT,
            "message": _TEXT,
            "path": _TEXT,
        },
    },
    "ConfigurationIds": {
        "type": "array",
        "description": "Configurations by their ids, and what their clones are to be called.",
        "items": {
            "type": "object",
            "properties": {
                "configId": {"type": ["integer", "string"]},
                "cfgId": {"type": ["integer", "string"]},
                "targetDataId": _TEXT,
                "dataId": _TEXT,
                "targetGroupName": _TEXT,
                "group": _TEXT,
            },
        },
    },
    "LogLevel": {
        "type": "object",
        "required": ["logName", "logLevel"],
        "properties": {"logName": _TEXT, "logLevel": _TEXT},
    },
    "RaftOperation": {
        "type": "object",
        "required": ["command"],
        "properties": {
            "command": _TEXT,
            "value": {"type": ["string", "null"]},
            "groupId": {"type": ["string", "null"]},
        },
    },
    "Archive": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "contentMediaType": "application/zip"}},
        "additionalProperties": {"type": "string", "description": "A parameter that is not in the query."},
    },
}
_OPERATIONS: Final = {"logLevel": "LogLevel", "raft": "RaftOperation"}
_SECURITY: Final[_Json] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "The accessToken that a login gave."},
    "header": {"type": "apiKey", "in": "header", "name": "accessToken"},
    "parameter": {"type": "apiKey", "in": "query", "name": "accessToken"},
}
_ABOUT: Final = (
    "Naming and configuration over the Nacos protocol. Parameters may be in the query or in a form, whatever the "
    "method; what is in the query counts. Without authentication the security schemes do not matter."
)


def document(routes: Routes, version: str) -> _Json:
    """The document as JSON. ``version``: of the server; the shape of its API changes with its first two numbers."""
    paths: dict[str, _Json] = {}
    for (method, path), (description, is_open) in sorted(routes.items(), key=lambda item: (item[0][1], item[0][0])):
        paths.setdefault(path, {})[method.lower()] = _operation(method, path, description, is_open)
    return {
        "openapi": "3.1.0",
        "info": {"title": "nacos-core", "version": ".".join(version.split(".")[:2]), "description": _ABOUT},
        "security": [{name: []} for name in _SECURITY],
        "paths": paths,
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": _SECURITY,
            "responses": {
                f"status{status}": {"description": text, "content": _ANYTHING} for status, text in _STATUSES.items()
            },
        },
    }


def version_of(path: str) -> Version:
    """Whose words a path is asked in."""
    return next((version for version in (V1, V2) if path.startswith(f"/nacos/v{version.number}/")), V3)


def wire_names(names: Iterable[str], version: Version) -> list[str]:
    """The names of parameters, with those that depend on the version as that has them, each once."""
    roles = asdict(version)
    return list(dict.fromkeys(name.format_map(roles) for name in names))


def _operation(method: str, path: str, description: Description, is_open: bool) -> _Json:
    version = version_of(path)
    operation: _Json = {
        "operationId": _operation_id(method, path),
        "summary": description.summary,
        "tags": [_area(path)],
        "parameters": [],
    }
    required = wire_names(description.required_names(version.number), version)
    names = wire_names(description.names(version.number), version)
    in_path = re.findall(r"{(\w+)}", path)
    stays = set(names if method not in _WITH_BODY else wire_names(description.in_query, version))
    in_query = [name for name in names if name in stays and name not in in_path]
    operation["parameters"] = [
        *(_parameter(name, "path", PARAMETERS[name], True) for name in in_path),
        *(_parameter(name, "query", PARAMETERS[name], name in required) for name in in_query),
        *(_parameter(HEADERS[name][0], "header", HEADERS[name][1], False) for name in description.headers),
    ]
    in_form = [name for name in names if name not in stays]
    if in_form or description.bodies:
        operation["requestBody"] = _body(description, in_form, [name for name in in_form if name in required])
    operation["responses"] = _responses(method, path, description, is_open, names)
    if is_open:
        operation["security"] = []
    if audience_of(method, path) is not None:
        operation["deprecated"] = True
    return operation


def _operation_id(method: str, path: str) -> str:
    words = re.split(r"[/{}-]+", path.removeprefix("/nacos/"))
    return method.lower() + "".join(word[:1].upper() + word[1:] for word in words)


def _area(path: str) -> str:
    return next((area for word, area in _AREAS.items() if f"/{word}/" in path), "operations")


def _parameter(name: str, place: str, parameter: Parameter, is_required: bool) -> _Json:
    described: _Json = {"name": name, "in": place, "description": parameter.meaning, "schema": _schema(parameter)}
    return described | {"required": True} if is_required else described


def _schema(parameter: Parameter) -> _Json:
    schema = _TYPES[parameter.type]
    return schema | {"contentMediaType": "application/json"} if parameter.type == "json" else schema


def _body(description: Description, names: list[str], required: list[str]) -> _Json:
    content: _Json = {}
    if names:
        properties = {name: _schema(PARAMETERS[name]) | {"description": PARAMETERS[name].meaning} for name in names}
        form: _Json = {"type": "object", "properties": properties}
        content["application/x-www-form-urlencoded"] = {"schema": form | ({"required": required} if required else {})}
    for body in description.bodies:
        match body:
            case "ids":
                content["application/json"] = {"schema": {"$ref": "#/components/schemas/ConfigurationIds"}}
            case "logLevel" | "raft":
                content["application/json"] = {"schema": {"$ref": f"#/components/schemas/{_OPERATIONS[body]}"}}
            case "file":
                content["multipart/form-data"] = {"schema": {"$ref": "#/components/schemas/Archive"}}
    return {"required": bool(required) or not names, "content": content}


def _responses(method: str, path: str, description: Description, is_open: bool, names: list[str]) -> _Json:
    statuses = {400, *description.statuses, *description.statuses_in.get(version_of(path).number, ())}
    if audience_of(method, path) is not None:
        statuses.add(410)
    if not is_open:
        statuses |= {403, 429, 503}
    if not is_open and (method != "GET" or "linearizable" in names):
        statuses.add(504)
    done: _Json = {"description": "It was done, or is answered.", "content": _content(path, description)}
    others = {str(status): {"$ref": f"#/components/responses/status{status}"} for status in sorted(statuses)}
    return {"200": done, **others}


def _content(path: str, description: Description) -> _Json:
    is_v1 = version_of(path) is V1
    match description.answer:
        case "by version" if not is_v1:
            return {"application/json": {"schema": {"$ref": "#/components/schemas/Result"}}}
        case "page" if not is_v1:
            return {"application/json": {"schema": {"$ref": "#/components/schemas/PageResult"}}}
        case "archive":
            return {"application/octet-stream": {}}
        case "text":
            return {"text/plain": {}}
        case _:
            return _ANYTHING
