"""Every job that can be asked for has exactly one function that does it, and every process of ours can start."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module
from pathlib import Path

import pytest

from app import jobs
from app.jobs import CATALOGUE, QUEUES, Job
from workers import __main__ as door
from workers.catalogue import MODULES, load_performers
from workers.runtime import PERFORMERS

ROOT = Path(__file__).resolve().parents[2]
WORKERS = sorted(f"workers.{file.stem}" for file in (ROOT / "workers").glob("*.py") if file.stem not in {"__init__", "__main__"})


@pytest.mark.parametrize("module", WORKERS)
def test_every_module_of_the_workers_can_be_imported(module: str) -> None:
    assert import_module(module).__doc__


def test_every_job_is_done_by_exactly_one_function() -> None:
    load_performers()
    assert sorted(PERFORMERS) == sorted(job.name for job in CATALOGUE)
    assert {function.__module__ for function in PERFORMERS.values()} == set(MODULES)


def test_the_catalogue_holds_every_job_once() -> None:
    declared = {value.name for value in vars(jobs).values() if isinstance(value, Job)}
    assert sorted(job.name for job in CATALOGUE) == sorted(declared)


@pytest.mark.parametrize("job", CATALOGUE, ids=lambda job: job.name)
def test_a_job_waits_in_a_queue_that_a_process_listens_to(job: Job) -> None:
    assert job.queue in QUEUES


@pytest.mark.parametrize("job", CATALOGUE, ids=lambda job: job.name)
def test_a_job_takes_numbers_only(job: Job) -> None:
    load_performers()
    for parameter in inspect.signature(PERFORMERS[job.name]).parameters.values():
        assert parameter.annotation in {"int", int}, f"{job.name}({parameter.name}) is no number"


def test_whoever_rings_names_the_numbers_that_the_job_takes() -> None:
    load_performers()
    constants = {name: value for name, value in vars(jobs).items() if isinstance(value, Job)}
    wrong = [f"{file.relative_to(ROOT)}:{node.lineno}" for file in [*(ROOT / "app").rglob("*.py"), *(ROOT / "workers").rglob("*.py")]
             for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if (job := _rung(node, constants)) is not None
             if {word.arg for word in node.keywords} != set(inspect.signature(PERFORMERS[job.name]).parameters)]  # type: ignore[attr-defined]
    assert not wrong


def _rung(node: ast.AST, constants: dict[str, Job]) -> Job | None:
    """The job that this piece of code rings for by name, with the numbers written out; None for any other code."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in {"ring", "after_commit"}:
        return None
    named = [constants[argument.id] for argument in node.args if isinstance(argument, ast.Name) and argument.id in constants]
    return named[0] if named and all(word.arg for word in node.keywords) else None


def test_every_queue_and_every_loop_is_a_process_of_the_launcher() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "launch").glob("*.py"))
    missing = [name for name in [*QUEUES, *door.LOOPS] if f'"{name}"' not in text]
    assert not missing
