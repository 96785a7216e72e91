"""What the pages under docs/ name is there: paths, links, and the rooms in the order that the import contracts give them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
TOP = "app|benches|docs|launch|migrations|setup|tests|workers"
PATH = re.compile(rf"(?:{TOP})/[\w./-]*|[a-z_]+\.py")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[\w-]+)?\)")
NAMES = {file.name for folder in TOP.split("|") for file in (ROOT / folder).rglob("*.py")} | {file.name for file in ROOT.glob("*.py")}


def _id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _paths(page: Path) -> list[str]:
    """Every path of the repository that stands in backticks; what follows a colon is a name inside the file."""
    marked = (found.partition(":")[0] for found in re.findall(r"`([^`\n]+)`", page.read_text(encoding="utf-8")))
    return [found for found in marked if PATH.fullmatch(found)]


def _is_there(path: str) -> bool:
    return (ROOT / path).exists() if "/" in path else path in NAMES


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_path_that_a_page_names_is_there(page: Path) -> None:
    assert not [path for path in _paths(page) if not _is_there(path)]


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_link_between_pages_leads_somewhere(page: Path) -> None:
    links = [link for link in LINK.findall(page.read_text(encoding="utf-8")) if "://" not in link]
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_page_about_the_house_names_every_room_in_the_order_of_the_contracts() -> None:
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    table = text.partition("## Rooms")[2].partition("\n## ")[0]
    told = [re.findall(r"`(\w+)`", line.split("|")[1]) for line in table.splitlines() if line.startswith("| `")]
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract for contract in contracts if contract["type"] == "layers")["layers"]
    built = [[name for name in layer.split(" | ") if not name.startswith("(") or _is_built(name)] for layer in layers]
    assert told == [[name.strip("()") for name in layer] for layer in built if layer]


def _is_built(optional: str) -> bool:
    name = optional.strip("()")
    return (ROOT / f"app/{name}.py").exists() or (ROOT / "app" / name).is_dir()
