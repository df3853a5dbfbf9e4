"""Differences of contents: what is written can be applied, and what is written is as ``diff -u`` would."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st

from nacos_core import limits
from nacos_core.config.difference import unified


def patched(old: str, text: str) -> str:
    """Applies a unified difference, as a dumb reader of the format would."""
    old_lines = old.splitlines(keepends=True)
    new: list[str] = []
    at = 0
    last_mark = ""
    for line in text.splitlines(keepends=True)[2:]:
        if line.startswith("@@"):
            first, _, count = line.split()[1][1:].partition(",")
            place = int(first) if count == "0" else int(first) - 1
            new += old_lines[at:place]
            at = place
        elif line.startswith("\\"):
            new[-1:] = [new[-1][:-1]] if last_mark in " +" else new[-1:]
        else:
            last_mark, content = line[0], line[1:]
            if last_mark in " -":
                assert old_lines[at].rstrip("\n") == content.rstrip("\n")
                at += 1
            if last_mark in " +":
                new.append(content)
    return "".join(new + old_lines[at:])


LINES = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=12)
TEXTS = st.builds(lambda lines, ends: "\n".join(lines) + ("\n" if ends and lines else ""), LINES, st.booleans())


@given(TEXTS, TEXTS)
def test_what_is_different_leads_from_one_to_the_other(old: str, new: str) -> None:
    text = unified(old, new, "old", "new")
    assert (text == "") == (old == new)
    if text:
        assert patched(old, text) == new


def test_it_looks_as_people_know_it() -> None:
    old = "".join(f"line {number}\n" for number in range(20))
    new = old.replace("line 3\n", "line three\n").replace("line 17\n", "")
    expected = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), "a", "b")
    assert unified(old, new, "a", "b") == "".join(expected)
    assert "@@ -1,7 +1,7 @@" in unified(old, new, "a", "b")


def test_many_lines_are_not_compared_with_one_another() -> None:
    count = limits.DIFF_LINES_MAX + 1
    old, new = "x\n" + "a\nb\n" * count + "y\n", "x\n" + "b\na\n" * count + "y\n"
    text = unified(old, new, "old", "new")
    assert patched(old, text) == new
    assert text.count("\n-") == text.count("\n+") - 1 == 2 * count
