"""The process that checks documents against JSON Schemas for a node: a program of its own, to be run by its path.

It is one because no library bounds what a schema may cost: references that branch take exponential time, those that go
deep end the process, and both would be the end of the node. Here the kernel counts processor time and memory, and what
it ends is this process alone. ``schemas.py`` has the node's side, and starts another one.

On stdin and stdout: frames of msgpack behind their length in four bytes. In: type, schema, content; an empty type asks
about the schema alone. Out: a verdict (``config/schema.py``) and what is wrong. Nothing is fetched from anywhere.
"""

import base64
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, BinaryIO, Final

import jsonschema_rs
import msgspec

_LENGTH_BYTES: Final = 4
_TOLD_CHARACTERS_MAX: Final = 300
"""Of what is wrong."""
_PATTERN_HINT: Final = " that takes linear time: it cannot look around or back, and must be small"
_SCHEMAS_COUNT: Final = 8
"""Schemas that are kept ready, because an import brings many contents of one."""


class _Wrong(Exception):
    """With a verdict and its reason."""


@lru_cache(_SCHEMAS_COUNT)
def _validator(text: str) -> jsonschema_rs.Validator:
    """Raises ``_Wrong``."""
    try:
        schema = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _Wrong("schema", f"it is not JSON: {error}") from None

    def compile(mask: str | None) -> jsonschema_rs.Validator:
        # Matching takes linear time with this engine; patterns that look around need another one, and are refused.
        patterns = jsonschema_rs.RegexOptions()
        return jsonschema_rs.validator_for(schema, retriever=_fetch_nothing, mask=mask, pattern_options=patterns)

    try:
        return compile("value")  # contents may be secret, and what is wrong with them is logged
    except ValueError:
        pass
    try:
        compile(None)  # a schema is not, and says more if it may be shown
    except jsonschema_rs.ValidationError as error:
        raise _Wrong("schema", _tell_of_schema(error)) from None
    except ValueError as error:
        raise _Wrong("schema", _cut(str(error))) from None
    raise AssertionError("the same schema is as wrong as before")


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri} is not part of the schema, and nothing is fetched")


def _tell(error: jsonschema_rs.ValidationError) -> str:
    at = "/".join(["", *map(str, error.instance_path)])
    return _cut(f"at {at}: {error.message}" if at else error.message)


def _tell_of_schema(error: jsonschema_rs.ValidationError) -> str:
    is_pattern = isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Format) and error.kind.format == "regex"
    return _tell(error) + (_PATTERN_HINT if is_pattern else "")


def _cut(text: str) -> str:
    return text if len(text) <= _TOLD_CHARACTERS_MAX else f"{text[:_TOLD_CHARACTERS_MAX]}..."


def _documents_of_json(content: bytes) -> Iterable[Any]:
    return [msgspec.json.decode(content)]


def _documents_of_toml(content: bytes) -> Iterable[Any]:
    import tomllib

    return [_as_json(tomllib.loads(content.decode()))]


def _documents_of_yaml(content: bytes) -> Iterable[Any]:
    try:
        import yaml
        from yaml import CSafeLoader
    except ImportError:
        raise _Wrong("unknown", "YAML is not read here: install nacos-core[yaml]") from None

    class Loader(CSafeLoader):
        """Dates stay the texts that they are, as in JSON."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - as in the class that it comes from
            first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
            for first, resolvers in CSafeLoader.yaml_implicit_resolvers.items()
        }

    try:
        return [_as_json(document) for document in yaml.load_all(content, Loader)]
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


def _as_json(value: Any) -> Any:
    """What YAML and TOML know beside JSON becomes text, as it would be written there."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case dict():
            return {_as_key(key): _as_json(each) for key, each in value.items()}
        case list() | tuple() | set():
            return [_as_json(each) for each in value]
        case bytes():
            return base64.b64encode(value).decode()
        case _:
            return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _as_key(key: Any) -> str:
    return key if isinstance(key, str) else msgspec.json.encode(_as_json(key)).decode().strip('"')


_READERS: Final[dict[str, Callable[[bytes], Iterable[Any]]]] = {
    "json": _documents_of_json,
    "yaml": _documents_of_yaml,
    "toml": _documents_of_toml,
}


def _check(type: str, schema: str, content: bytes) -> tuple[str, str]:
    validator = _validator(schema)
    if not type:
        return "fits", ""
    try:
        documents = _READERS[type](content)
    except RecursionError:
        raise _Wrong("content", "it is nested too deeply") from None
    except ValueError as error:  # msgspec's are among them
        raise _Wrong("content", f"it is not {type}: {_cut(str(error))}") from None
    for document in documents:
        try:
            validator.validate(document)
        except jsonschema_rs.ValidationError as error:  # the first one: all of them may be more than fit into memory
            raise _Wrong("content", _tell(error)) from None
    return "fits", ""


def _verdict(type: str, schema: str, content: bytes) -> tuple[str, str]:
    try:
        return _check(type, schema, content)
    except _Wrong as error:
        verdict, text = error.args
        return verdict, text
    except MemoryError:
        return "unknown", "it takes too much memory"
    except ValueError as error:  # numbers and depths that the library does not take
        return "content", _cut(str(error))


def _limit(memory_bytes: int) -> None:
    os.nice(5)  # what the node does goes first
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGPROF])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere it is not kept to, or not taken
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _read(stream: BinaryIO) -> bytes | None:
    head = stream.read(_LENGTH_BYTES)
    return stream.read(int.from_bytes(head, "big")) if len(head) == _LENGTH_BYTES else None


def main(cpu_seconds: float, memory_bytes: int) -> None:
    """Answers until stdin ends. A check that takes longer ends the process."""
    _limit(memory_bytes)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while (request := _read(requests)) is not None:
        signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
        answer = msgspec.msgpack.encode(_verdict(*msgspec.msgpack.decode(request)))
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(len(answer).to_bytes(_LENGTH_BYTES, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]), int(sys.argv[2]))
