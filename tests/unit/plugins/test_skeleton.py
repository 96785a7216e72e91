"""``flask plugin new``: what it makes passes its own tests, as an author runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.plugins.loading import Refused
from app.plugins.skeleton import make

ROOT = Path(__file__).parents[3]


def test_a_new_plug_in_passes_the_tests_that_it_comes_with(tmp_path: Path, redis_url: str) -> None:
    folder = make("stock_feed", tmp_path, "Stock feed")

    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "REDIS_URL": redis_url, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=90, check=False)

    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-1000:]
    assert "4 passed" in ended.stdout


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    make("stock_feed", tmp_path)

    with pytest.raises(Refused, match="exists"):
        make("stock_feed", tmp_path)


@pytest.mark.parametrize("name", ["Stock", "stock-feed", "../up", "1st", ""])
def test_a_name_that_could_not_be_loaded_is_not_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused):
        make(name, tmp_path)
    assert list(tmp_path.iterdir()) == []
