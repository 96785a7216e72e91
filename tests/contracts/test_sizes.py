"""Nothing is larger than a reader can hold: functions, files, views, and names on doors that say what is behind them.

What is too large today is written down here and may only get smaller; a new entry is a decision for a reviewer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ("app", "workers", "launch", "tests", "benches")
FUNCTION, VIEW, DOOR = 30, 15, 80
FILE, TEST_FILE = 300, 500
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc", "base", "stuff", "lib"}

LONG_FUNCTIONS: dict[str, int] = {
    "benches/message.py:_draft": 44,
}
LONG_FILES: dict[str, int] = {
    # The hooks' documentation is their docstrings; docs/hooks.md is made from it.
    "app/plugins/hookspecs.py": 366,
}
LONG_VIEWS: dict[str, int] = {
}


def _files() -> list[Path]:
    return sorted(file for folder in OURS for file in (ROOT / folder).rglob("*.py") if "skeleton_files" not in file.parts)


def _name(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """How many lines a function has, from its ``def``; its docstring and the functions inside it do not count."""
    lines = (node.end_lineno or 0) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or 0) - first.lineno + 1
    inside = [part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]
    return lines - sum((part.end_lineno or 0) - part.lineno + 1 + len(part.decorator_list) for part in inside)


def _functions(file: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{_name(file)}:{node.name}", node


def _is_view(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any("policy" in ast.unparse(decorator) for decorator in node.decorator_list)


def _grown(found: dict[str, int], known: dict[str, int]) -> list[str]:
    grown = [f"{name}: {size}, allowed {known.get(name, 'none')}" for name, size in found.items() if size > known.get(name, 0)]
    settled = [f"{name}: take it off the list, or write {found.get(name, 'nothing')}" for name, size in known.items() if found.get(name, 0) < size]
    return grown + settled


def test_no_function_is_longer_than_thirty_lines() -> None:
    doors = {"app/__init__.py:create_app", "app/factory.py:build"}
    found = {name: _length(node) for file in _files() for name, node in _functions(file)
             if name not in doors and _length(node) > FUNCTION}
    assert not _grown(found, LONG_FUNCTIONS)


def test_no_view_is_longer_than_fifteen_lines() -> None:
    found = {name: _length(node) for file in (ROOT / "app/blueprints").rglob("*.py") for name, node in _functions(file)
             if _is_view(node) and _length(node) > VIEW}
    assert not _grown(found, LONG_VIEWS)


def test_the_house_is_built_in_eighty_lines() -> None:
    lengths = {node.name: _length(node) for file in (ROOT / "app/__init__.py", ROOT / "app/factory.py") for _, node in _functions(file)}
    assert {"create_app", "build"} <= lengths.keys()
    assert max(lengths.values()) <= DOOR


def test_no_file_is_longer_than_three_hundred_lines_and_no_test_file_than_five_hundred() -> None:
    sizes = {_name(file): len(file.read_text(encoding="utf-8").splitlines()) for file in _files()}
    found = {name: size for name, size in sizes.items() if size > (TEST_FILE if name.startswith("tests/") else FILE)}
    assert not _grown(found, LONG_FILES)


def test_every_module_has_a_name_that_says_what_is_in_it() -> None:
    assert not [_name(file) for file in _files() if file.stem in NAMELESS or file.parent.name in NAMELESS]


def test_every_module_says_in_a_sentence_what_it_is_for() -> None:
    silent = [_name(file) for file in _files() if file.stat().st_size and not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))]
    assert not silent
