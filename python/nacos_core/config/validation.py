"""Whether a content is what its type says, before it is published: an operator may want that to be checked.

A content is only parsed, nothing is made of it, and only up to a length that takes a few milliseconds: publications are
checked between the turns of everything else. YAML is checked if PyYAML with its C library is installed, which the extra
``nacos-core[yaml]`` does: the parser in Python would take too long.
"""

import logging
import re
from collections.abc import Callable
from enum import Enum
from typing import Final

import msgspec

from nacos_core import limits
from nacos_core.config.rules import ConfigRefused

_logger = logging.getLogger(__name__)


class Strictness(Enum):
    """What happens to a content that is not what its type says."""

    OFF = "off"
    WARN = "warn"
    """It is published, and the log of the server says what is wrong with it."""
    ERROR = "error"
    """It is refused."""


class _Wrong(ValueError):
    """What is wrong with a content."""


def _check_json(content: str) -> None:
    msgspec.json.decode(content)


def _check_toml(content: str) -> None:
    import tomllib

    tomllib.loads(content)


def _check_xml(content: str) -> None:
    from xml.parsers import expat

    parser = expat.ParserCreate()

    def refuse_entity(name: str, *_: object) -> None:
        # Entities within entities can be more than any memory holds.
        raise _Wrong(f"it declares the entity {name!r}")

    parser.EntityDeclHandler = refuse_entity
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise _Wrong(str(error)) from None


_no_escape = re.compile(r"(?<!\\)(?:\\\\)*\\u(?![0-9a-fA-F]{4})").search


def _check_properties(content: str) -> None:
    for number, line in enumerate(content.splitlines(), 1):
        if not line.lstrip().startswith(("#", "!")) and _no_escape(line):
            raise _Wrong(f"line {number}: \\u must be followed by four hexadecimal digits")


def _yaml_checker() -> Callable[[str], None] | None:
    try:
        import yaml
        from yaml import CSafeLoader
    except ImportError:
        return None

    def check(content: str) -> None:
        try:
            for _ in yaml.compose_all(content, Loader=CSafeLoader):
                pass
        except yaml.YAMLError as error:
            raise _Wrong(" ".join(str(error).split())) from None

    return check


_CHECKERS: Final[dict[str, tuple[int, Callable[[str], None]]]] = {
    "json": (limits.VALIDATION_FAST_CHARACTERS_MAX, _check_json),
    "xml": (limits.VALIDATION_FAST_CHARACTERS_MAX, _check_xml),
    "properties": (limits.VALIDATION_FAST_CHARACTERS_MAX, _check_properties),
    "toml": (limits.VALIDATION_SLOW_CHARACTERS_MAX, _check_toml),
}


class Validation:
    """Checks contents as strictly as it is told."""

    def __init__(self, strictness: Strictness = Strictness.OFF) -> None:
        self._strictness = strictness
        self._checkers = dict(_CHECKERS)
        if strictness is Strictness.OFF:
            return
        if check_yaml := _yaml_checker():
            self._checkers["yaml"] = (limits.VALIDATION_SLOW_CHARACTERS_MAX, check_yaml)
        else:
            _logger.warning("YAML is not checked: install nacos-core[yaml]")

    @property
    def types(self) -> list[str]:
        """Those that can be checked here."""
        return sorted(self._checkers)

    def check(self, namespace: str, group: str, data_id: str, type: str, content: str) -> None:
        """Raises ``ConfigRefused`` if it is wrong and that is to be an error."""
        if self._strictness is Strictness.OFF or type not in self._checkers:
            return
        characters_max, checker = self._checkers[type]
        if len(content) > characters_max:
            _logger.info("%s/%s/%s is not checked: over %d characters", namespace, group, data_id, characters_max)
            return
        try:
            checker(content)
        except RecursionError:
            wrong = "it is nested too deeply"
        except (ValueError, msgspec.DecodeError) as error:
            wrong = str(error)
        else:
            return
        if self._strictness is Strictness.ERROR:
            raise ConfigRefused(f"content is not {type}: {wrong}")
        _logger.warning("the content of %s/%s/%s is not %s: %s", namespace, group, data_id, type, wrong)
