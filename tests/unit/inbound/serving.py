"""Inbound servers in processes of their own, to be killed: ``python -m tests.unit.inbound.serving FOLDER`` forks one for each line.

Each says its process number and its port. Forking spares it the second that it takes to load the house.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from app.inbound.spool import Spool
from tests.unit.inbound.conftest import OURS
from tests.unit.inbound.wire import listening


def serve(folder: Path) -> None:
    """Serve until killed."""
    with listening(lambda: OURS, Spool(folder)) as port:
        os.write(1, b"%d %d\n" % (os.getpid(), port))
        time.sleep(3600)


if __name__ == "__main__":
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            serve(Path(sys.argv[1]))
        os.waitpid(child, 0)
