"""docs/operators.md names every variable of the environment that something of ours reads, every command, and nothing else."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.delivery.crash import PLACES
from launch.processes import house

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/operators.md").read_text(encoding="utf-8")
NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
# These hand the environment on under another name; everywhere else "environ" is what a web server says of one request.
READERS = {"app/config.py", "launch/options.py"}
# The system's own, and what the scripts hand to each other.
NOT_OURS = {"PATH", "NAMED_PYTHON"}
SHELL = [ROOT / "run", ROOT / "test", ROOT / "bench", *sorted((ROOT / "setup").glob("*.sh"))]


def _is_environment(node: ast.expr, file: str) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr == "environ" and isinstance(node.value, ast.Name) and node.value.id == "os"
    return isinstance(node, ast.Name) and node.id in {"env", "environ"} and file in READERS


def _names(nodes: list[ast.expr]) -> Iterator[str]:
    yield from (node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str) and NAME.fullmatch(node.value))


def _read_by(path: Path) -> Iterator[str]:
    """The names that a module looks up: environ["X"], environ.get("X"), getenv("X"), and functions that are given the environment and a name."""
    file = path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Subscript) and _is_environment(node.value, file):
            yield from _names([node.slice])
        elif isinstance(node, ast.Call):
            called = node.func.value if isinstance(node.func, ast.Attribute) else node.func
            is_getenv = ast.unparse(node.func) in {"os.getenv", "getenv"}
            if is_getenv or _is_environment(called, file) or any(_is_environment(argument, file) for argument in node.args):
                yield from _names(node.args)


def _python(*folders: str) -> set[str]:
    files = [ROOT / "wsgi.py", *(file for folder in folders for file in (ROOT / folder).rglob("*.py"))]
    return {name for file in files for name in _read_by(file)} - NOT_OURS


def _in_shell() -> set[str]:
    return {name for file in SHELL for name in re.findall(r"\$\{([A-Z_]+):-", file.read_text(encoding="utf-8"))} - NOT_OURS


def _of_tests() -> set[str]:
    """Those that only tests read; what the tests call the house's variables by is the house's matter."""
    text = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "tests").rglob("*.py") if file != Path(__file__))
    return set(re.findall(r"\"(LETTERMILL_(?:CHROMIUM|PICTURES|ROUND_TRIPS|WRITE_DOCS))\"", text))


def _in_compose() -> set[str]:
    return set(re.findall(r"\$\{([A-Z_]+)", (ROOT / "compose.yaml").read_text(encoding="utf-8")))


def _told() -> list[str]:
    return re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \|", TEXT, re.MULTILINE)


def test_every_variable_that_is_read_is_explained_once_and_no_other() -> None:
    read = _python("app", "workers", "launch") | _in_shell() | _of_tests() | _in_compose()
    assert len(_told()) == len(set(_told()))
    assert set(_told()) == read


def test_the_variables_are_really_found() -> None:
    assert {"DATABASE_URL", "LETTERMILL_BASE_URL", "LETTERMILL_JOURNAL", "TRUSTED_PROXIES", "LETTERMILL_HOST", "WEB_THREADS"} <= _python("app", "launch")
    assert "PYTHON" in _in_shell()


def test_the_help_of_run_names_only_variables_that_are_explained() -> None:
    from launch.options import EPILOG

    assert set(re.findall(r"^ {2}([A-Z_]+) ", EPILOG, re.MULTILINE)) <= set(_told())


def test_every_option_of_run_is_told_in_the_readme() -> None:
    from launch.options import _parser

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    options = {option for action in _parser({})._actions for option in action.option_strings if option.startswith("--")} - {"--help"}
    assert not [option for option in options if f"`{option}" not in readme and f"./run {option}`" not in readme]
    assert set(re.findall(r"`\./run (--[a-z-]+)", readme + TEXT)) <= options


def test_every_command_is_told_and_no_other(app: Flask) -> None:
    flasks_own = {"routes", "run", "shell"}
    told = set(re.findall(r"^\| `flask --app wsgi ([a-z-]+)` \|", TEXT, re.MULTILINE))
    assert told == set(app.cli.commands) - flasks_own


@pytest.mark.parametrize("process", [program.name for program in house()])
def test_every_process_is_named(process: str) -> None:
    assert re.search(rf"\b{process}\b", TEXT)


def test_the_page_about_the_house_names_a_place_to_crash_at_that_exists() -> None:
    named = re.findall(r"LETTERMILL_CRASH_AT=(\w+)", (ROOT / "docs/architecture.md").read_text(encoding="utf-8"))
    assert named
    assert set(named) <= set(PLACES)
