"""A variable of the environment that cannot be used: one line says what to set instead, whichever program is started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launch.options import ROOT


@pytest.mark.parametrize("words", [("-m", "flask", "--app", "wsgi", "upgrade"), ("-m", "workers", "delivery")])
@pytest.mark.parametrize(("name", "value", "says"), [
    ("DATABASE_URL", "postgres://somewhere/x", "DATABASE_URL must begin with sqlite:/// or mysql+pymysql://"),
    ("TRUSTED_PROXIES", "the-one-in-front", "TRUSTED_PROXIES must be addresses or networks"),
])
def test_a_bad_variable_is_named_in_one_line(tmp_path: Path, words: tuple[str, ...], name: str, value: str, says: str) -> None:
    environ = os.environ | {"LETTERMILL_DATA": str(tmp_path), "PYTHONPATH": str(ROOT), name: value}
    ended = subprocess.run([sys.executable, *words], check=False, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode in (1, 2)
    assert ended.stderr.strip().startswith(says)
    assert len(ended.stderr.strip().splitlines()) == 1
