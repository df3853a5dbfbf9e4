"""What is different between two contents, as a unified text."""

from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import TypeAlias

from nacos_core import limits

_Step: TypeAlias = tuple[str, int, int, int, int]

_CONTEXT_LINES = 3


def content_name(data_id: str, event_id: object, operation: str) -> str:
    """What the content is that an event shows: what was before it, except of I, which shows what came."""
    return f"{data_id} {'after' if operation.strip() == 'I' else 'before'} event {event_id}"


def unified(old: str, new: str, old_name: str, new_name: str) -> str:
    """As ``diff -u`` writes it; empty if they are equal.

    Between the lines that both begin and end with, no more than ``limits.DIFF_LINES_MAX`` of either are compared: if
    there are more, all of them are shown as gone and come.
    """
    old_lines, new_lines = _lines(old), _lines(new)
    return "".join(_write(old_lines, new_lines, old_name, new_name)) if old != new else ""


def _lines(text: str) -> list[str]:
    """Each with its end; only LF ends a line."""
    lines = text.split("\n")
    ended = [f"{line}\n" for line in lines[:-1]]
    return [*ended, lines[-1]] if lines[-1] else ended


def _write(old: list[str], new: list[str], old_name: str, new_name: str) -> Iterator[str]:
    yield f"--- {old_name}\n+++ {new_name}\n"
    for group in _Steps(old, new).get_grouped_opcodes(_CONTEXT_LINES):
        (_, old_first, _, new_first, _), (_, _, old_end, _, new_end) = group[0], group[-1]
        yield f"@@ -{_range(old_first, old_end)} +{_range(new_first, new_end)} @@\n"
        for kind, old_from, old_to, new_from, new_to in group:
            if kind == "equal":
                yield from _marked(" ", old[old_from:old_to])
                continue
            yield from _marked("-", old[old_from:old_to])
            yield from _marked("+", new[new_from:new_to])


class _Steps(SequenceMatcher[str]):
    """Groups the steps of ours as the library groups its own."""

    def __init__(self, old: list[str], new: list[str]) -> None:
        super().__init__(None, "", "")
        self._steps = list(_steps(old, new))

    def get_opcodes(self) -> list[_Step]:  # type: ignore[override]
        return self._steps


def _marked(mark: str, lines: list[str]) -> Iterator[str]:
    for line in lines:
        yield f"{mark}{line}" if line.endswith("\n") else f"{mark}{line}\n\\ No newline at end of file\n"


def _range(first: int, end: int) -> str:
    count = end - first
    return f"{first + 1}" if count == 1 else f"{first + 1 if count else first},{count}"


def _steps(old: list[str], new: list[str]) -> Iterator[_Step]:
    shortest = min(len(old), len(new))
    same = next((at for at in range(shortest) if old[at] != new[at]), shortest)
    rest = shortest - same
    same_end = next((at for at in range(rest) if old[-1 - at] != new[-1 - at]), rest)
    old_end, new_end = len(old) - same_end, len(new) - same_end
    if same:
        yield "equal", 0, same, 0, same
    if max(old_end, new_end) - same > limits.DIFF_LINES_MAX:
        yield "replace", same, old_end, same, new_end
    else:
        between = SequenceMatcher(None, old[same:old_end], new[same:new_end], autojunk=False)
        for kind, old_from, old_to, new_from, new_to in between.get_opcodes():
            yield kind, same + old_from, same + old_to, same + new_from, same + new_to
    if same_end:
        yield "equal", old_end, len(old), new_end, len(new)
