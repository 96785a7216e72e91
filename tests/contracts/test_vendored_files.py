"""The vendored front-end files are what their makers published, and each has its licence."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VENDOR = ROOT / "app/static/vendor"
ROW = re.compile(r"^\| (?P<package>\S+)[^|]* \| [\d.]+ \| \S+ \| `(?P<file>\S+)` \| `(?P<hash>[0-9a-f]{64})` \|$", re.MULTILINE)
ROWS = [match.groupdict() for match in ROW.finditer((VENDOR / "VENDOR.md").read_text(encoding="utf-8"))]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["file"])
def test_a_vendored_file_is_byte_for_byte_the_one_written_down(row: dict[str, str]) -> None:
    assert hashlib.sha256((ROOT / row["file"]).read_bytes()).hexdigest() == row["hash"]


@pytest.mark.parametrize("package", sorted({row["package"] for row in ROWS}))
def test_a_vendored_package_has_its_licence_beside_it(package: str) -> None:
    licence = VENDOR / "licences" / (package.lstrip("@").replace("/", "-") + ".txt")
    assert len(licence.read_text(encoding="utf-8")) > 300


def test_nothing_is_vendored_that_is_not_written_down() -> None:
    written = {row["file"] for row in ROWS}
    files = [file for folder in (VENDOR, ROOT / "tests/browser/vendor") for file in folder.rglob("*") if file.is_file()]
    found = {file.relative_to(ROOT).as_posix() for file in files}
    assert {file for file in found if "/licences/" not in file and not file.endswith("VENDOR.md")} <= written
