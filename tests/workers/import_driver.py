"""A worker that does one import, as ``python -m tests.workers.import_driver NUMBER``: for a test that kills it. Small chunks, short lease."""

from __future__ import annotations

import sys

from app.audience.imports import running
from workers import imports
from workers.catalogue import load_performers
from workers.runtime import perform

imports.LEASE_S = 1
running.CHUNK = 50


def main() -> None:
    """Perform the job once; its turns go on until the import is over."""
    load_performers()
    perform("run_import", {"import_id": int(sys.argv[1])})


if __name__ == "__main__":
    main()
