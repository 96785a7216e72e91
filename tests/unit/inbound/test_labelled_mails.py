"""The labelled mails of the development set, where they are at hand: ``LETTERMILL_BOUNCES`` names their folder. Floors, not aims."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = Path(os.environ.get("LETTERMILL_BOUNCES", ROOT.parent / "shared" / "data" / "bounces"))


@pytest.mark.skipif(not (FOLDER / "evaluate.py").is_file(), reason="the labelled mails are not here; LETTERMILL_BOUNCES may name their folder")
def test_the_labelled_mails_are_read_as_well_as_before(tmp_path: Path) -> None:
    out = tmp_path / "score.json"
    command = f"cd {ROOT} && {sys.executable} -m app.inbound.read --batch"
    subprocess.run([sys.executable, str(FOLDER / "evaluate.py"), "--batch", command, "--json", str(out)], check=True, capture_output=True)
    score = json.loads(out.read_text())
    assert score["crashes"] == 0
    assert score["detect"]["bounce"]["p"] >= 0.99
    assert score["detect"]["bounce"]["r"] >= 0.98
    assert score["detect"]["complaint"]["r"] == 1
    assert score["hard_core"]["acc"] >= 0.95
    assert score["hard_core"]["wrongly_hard"] <= 0.01 * score["hard_core"]["n"]
    assert score["reason"]["acc"] >= 0.85
    assert score["recipient_corroborated"]["p"] >= 0.985
    assert score["recipient_corroborated"]["r"] >= 0.96
