"""Which parameters and headers the handlers read, found in their sources: what the description of a route must name."""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
SOURCES = [
    *sorted((ROOT / "python" / "nacos_core" / "server").glob("*.py")),
    ROOT / "python" / "nacos_core" / "config" / "gray.py",
]
CORE = ROOT / "rust" / "core" / "src" / "serve"

CALL_METHODS = {"text", "required", "flag", "optional_flag", "number", "whole_number"}
"""Of naming_call.Call: all texts that they are given are names."""
NAMED_THIRD = {"required", "_required", "_required_v1", "integer", "optional_integer", "positive"}
"""Functions of (version or context, request, name, ...)."""
NOT_DESCRIBED = {"header content-type"}
"""What every body has."""

Function = tuple[str, str]
"""Module and name; of methods of Call, the name alone counts."""


class _Reads(ast.NodeVisitor):
    """What one function reads, and which functions it calls or hands on."""

    def __init__(self, function: ast.FunctionDef | ast.AsyncFunctionDef, imported: dict[str, Function]) -> None:
        self.function = function
        self.imported = imported
        self.names: set[str] = set()
        self.uses: set[Function] = set()
        stored = (
            node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        )
        taken = (each.arg for each in (*function.args.args, *function.args.kwonlyargs))
        self.own = {*stored, *taken}
        for statement in chain(function.body, function.args.defaults):
            self.visit(statement)

    def visit_Call(self, node: ast.Call) -> None:
        match node.func:
            case ast.Attribute(attr="get", value=value) if _is(value, "parameters"):
                self._read(node.args[:1])
            case ast.Attribute(attr="get", value=value) if _is(value, "headers"):
                self._read(node.args[:1], "header ")
            case ast.Name(id="get"):
                self._read(node.args[:1])
            case ast.Name(id="header"):
                self._read(node.args[:1], "header ")
            case ast.Attribute(attr=method, value=ast.Name(id="call" | "self")):
                self.uses.add(("naming_call", method))
                if method in CALL_METHODS:
                    self._read(node.args)
            case ast.Name(id=name) if name in NAMED_THIRD:
                self._read(node.args[2:3])
            case ast.Name(id="_require"):
                self._read(node.args[2:])
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if _is(node.value, "parameters"):
            self._read([node.slice])
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if isinstance(node.ops[0], ast.In | ast.NotIn) and _is(node.comparators[0], "parameters"):
            self._read([node.left])
        self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        if node.id in self.imported and node.id not in self.own:
            self.uses.add(self.imported[node.id])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name):
            module = self.imported.get(node.value.id, ("", ""))
            if module[1] == "":
                self.uses.add((module[0], node.attr))
        self.generic_visit(node)

    def _read(self, arguments: list[ast.expr], prefix: str = "") -> None:
        for argument in arguments:
            self.names.update(prefix + name for name in self._texts(argument))

    def _texts(self, node: ast.expr) -> Iterator[str]:
        match node:
            case ast.Constant(value=str(text)):
                yield text
            case ast.Attribute(value=ast.Name(id="version" | "V1" | "V2" | "V3"), attr=role):
                yield "{" + role + "}"
            case ast.IfExp(body=body, orelse=orelse):
                yield from chain(self._texts(body), self._texts(orelse))
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                yield from chain.from_iterable(map(self._texts, elements))
            case ast.Name(id=name):
                for iterated in self._iterated(name):
                    yield from self._texts(iterated)

    def _iterated(self, name: str) -> Iterator[ast.expr]:
        """Each value that a loop gives a variable, or what it is set to."""
        for node in ast.walk(self.function):
            match node:
                case ast.For(target=target, iter=values) | ast.comprehension(target=target, iter=values):
                    yield from _values(target, values, name)
                case ast.Assign(targets=[ast.Name(id=assigned)], value=value) if assigned == name:
                    yield value


def _values(target: ast.expr, values: ast.expr, name: str) -> Iterator[ast.expr]:
    match target, values:
        case ast.Name(id=found), _ if found == name:
            yield values
        case ast.Tuple(elts=targets), ast.Tuple(elts=rows):
            for row in rows:
                if isinstance(row, ast.Tuple):
                    pairs = zip(targets, row.elts, strict=True)
                    yield from (value for each, value in pairs if isinstance(each, ast.Name) and each.id == name)


def _is(node: ast.expr, name: str) -> bool:
    match node:
        case ast.Name(id=found) | ast.Attribute(attr=found):
            return found == name
        case _:
            return False


@cache
def _functions() -> dict[Function, _Reads]:
    known: dict[Function, _Reads] = {}
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        imported: dict[str, Function] = {}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                module = node.module.rpartition(".")[2]
                is_package = node.module in ("nacos_core.server", "nacos_core.config")
                for each in node.names:
                    found = (each.name, "") if is_package else (module, each.name)
                    imported[each.asname or each.name] = found
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Call"]
        for node in chain(tree.body, *(each.body for each in classes)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                imported.setdefault(node.name, (path.stem, node.name))
        for node in chain(tree.body, *(each.body for each in classes)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                known[path.stem, node.name] = _Reads(node, imported)
    return known


def read_by_handler(module: str, name: str) -> set[str]:
    """Names, and `{role}` for those that differ by version; `header ...` for headers."""
    functions = _functions()
    reached: set[Function] = set()
    waiting = [(module, name)]
    while waiting:
        function = waiting.pop()
        if function in functions and function not in reached:
            reached.add(function)
            waiting.extend(functions[function].uses)
    return set().union(*(functions[each].names for each in reached)) - NOT_DESCRIBED


_rust_function = re.compile(r"^(?:    )?(?:pub(?:\([a-z]+\))? )?fn (\w+)", re.MULTILINE)
_rust_name = re.compile(r'(?:call\.get|call\.flag|self\.get|whole_number)\((?:call, )?("\w[\w-]*"|[A-Z_]+)')
_rust_header = re.compile(r'\.header\("([\w-]+)"\)')


def read_by_core(function: str) -> set[str]:
    """The same for a function of the core that answers itself."""
    text = "\n".join((CORE / name).read_text() for name in ("naming_http.rs", "config_http.rs"))
    starts = [*_rust_function.finditer(text)]
    ends = [*(each.start() for each in starts[1:]), len(text)]
    bodies = {each[1]: text[each.end() : end] for each, end in zip(starts, ends, strict=True)}
    constants = dict(re.findall(r'^const (\w+): &str = "(\w+)"', text, re.MULTILINE))
    reached: set[str] = set()
    waiting = [function]
    names: set[str] = set()
    while waiting:
        reached.add(each := waiting.pop())
        body = bodies[each]
        names |= {constants.get(found, found.strip('"')) for found in _rust_name.findall(body)}
        names |= {f"header {found}" for found in _rust_header.findall(body)}
        if "call.asker()" in body:
            names |= {"tag", "header vipserver-tag"}
        waiting += (set(re.findall(r"(?<![.\w])(\w+)\(", body)) & bodies.keys()) - reached
    return names
