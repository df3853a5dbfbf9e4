"""What a route takes and how it may answer, said where its handler is: the API document is made of it (openapi.py).

The first paragraph of the handler's docstring says what the route does. tests/unit/test_openapi.py compares the names
with those that the sources read, so that none is forgotten and none is made up.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final, Literal, TypeAlias, TypeVar

NAMESPACE: Final = "{namespace}"
GROUP: Final = "{group}"
TAGS: Final = "{tags}"
SOURCE_USER: Final = "{source_user}"
"""Parameters whose name depends on the version of the API: fields of ``versions.Version``."""

KEY: Final = ("dataId", GROUP)
"""Of a configuration, beside its namespace."""

ATTRIBUTES: Final = (
    *("type", "casMd5", "encryptedDataKey", "desc", "appName", "use", "effect", "schema"),
    *("betaIps", "tag"),
)
"""Of a publication, those that have the same name in each version."""

Answer: TypeAlias = Literal["by version", "bare", "page", "archive", "text"]
"""``by version``: bare in v1, a result in v2 and v3; ``page``: the same, and the result holds a page of a list."""

Body: TypeAlias = Literal["ids", "file", "logLevel", "raft"]
"""JSON that names configurations, an uploaded archive, or the parameters of an operation as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What one route takes and how it may answer.

    Numbers of versions are those of the API. A name that only one version has is in ``only_in`` alone; one that some
    versions want and others do not is in ``optional`` and in ``required_in``.
    """

    summary: str
    required: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    required_in: Mapping[int, tuple[str, ...]]
    only_in: Mapping[int, tuple[str, ...]]
    in_query: tuple[str, ...] = ()
    """Those that are in the query although the method has a body, because the body may be something else."""
    headers: tuple[str, ...] = ()
    """Names in lower case."""
    bodies: tuple[Body, ...] = ()
    """What the body may be instead of a form."""
    answer: Answer = "by version"
    statuses: tuple[int, ...] = ()
    """Beside those that every route may answer with."""
    statuses_in: Mapping[int, tuple[int, ...]]
    """And of only some versions."""

    def names(self, version: int) -> tuple[str, ...]:
        """Of all parameters that this version of the API has."""
        return (*self.required, *self.optional, *self.only_in.get(version, ()))

    def required_names(self, version: int) -> tuple[str, ...]:
        """Of those without which a request is refused."""
        return (*self.required, *self.required_in.get(version, ()))


_Handler = TypeVar("_Handler", bound=Callable[..., None])

_described: Final[dict[object, Description]] = {}


def takes(
    *required: str,
    optional: tuple[str, ...] = (),
    required_in: Mapping[int, tuple[str, ...]] | None = None,
    only_in: Mapping[int, tuple[str, ...]] | None = None,
    in_query: tuple[str, ...] = (),
    headers: tuple[str, ...] = (),
    bodies: tuple[Body, ...] = (),
    answer: Answer = "by version",
    statuses: tuple[int, ...] = (),
    statuses_in: Mapping[int, tuple[int, ...]] | None = None,
    also: tuple[Callable[..., None], ...] = (),
) -> Callable[[_Handler], _Handler]:
    """Describes a handler. ``also``: those to which it hands some of its requests; what they take is optional here."""

    def describe(handler: _Handler) -> _Handler:
        others = [_described[each] for each in also]
        theirs = chain.from_iterable((*each.required, *each.optional) for each in others)
        _described[handler] = Description(
            summary=_summary(handler.__doc__ or ""),
            required=required,
            optional=tuple(dict.fromkeys(name for name in chain(optional, theirs) if name not in required)),
            required_in=required_in or {},
            only_in=only_in or {},
            in_query=in_query,
            headers=headers,
            bodies=(*bodies, *chain.from_iterable(each.bodies for each in others)),
            answer=answer,
            statuses=(*statuses, *chain.from_iterable(each.statuses for each in others)),
            statuses_in=statuses_in or {},
        )
        return handler

    return describe


def described(
    summary: str,
    *required: str,
    optional: tuple[str, ...] = (),
    headers: tuple[str, ...] = (),
    answer: Answer = "by version",
    statuses: tuple[int, ...] = (),
) -> Description:
    """A description of what the core answers without a handler here."""
    return Description(
        summary=summary,
        required=required,
        optional=optional,
        required_in={},
        only_in={},
        statuses_in={},
        headers=headers,
        answer=answer,
        statuses=statuses,
    )


def handler_of(route: Callable[..., None]) -> Callable[..., None]:
    """The function that was described, below what binds its first arguments."""
    while isinstance(route, partial):
        bound = (each for each in route.args if callable(each) and each in _described)
        route = next(bound, route.func)
    return route


def description_of(route: Callable[..., None]) -> Description:
    """Raises ``LookupError`` for a handler that is not described."""
    handler = handler_of(route)
    if handler not in _described:
        raise LookupError(f"{handler.__module__}.{handler.__qualname__} is not described: put @takes above it")
    return _described[handler]


def _summary(docstring: str) -> str:
    first = docstring.strip().partition("\n\n")[0]
    return " ".join(first.split()).replace("``", "'")
