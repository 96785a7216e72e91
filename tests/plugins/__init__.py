"""Plug-ins as strangers write them: packages with metadata on disk, some good, some broken."""

from __future__ import annotations

from pathlib import Path

SITE = Path(__file__).parent / "site"
