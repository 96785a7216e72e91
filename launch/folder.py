"""The data folder: made for its owner alone, and held by one ``./run`` at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from launch.refusal import Refusal


def hold(data: Path) -> IO[str]:
    """Make the folder and return its lock, held until the file is closed; raise Refusal when it cannot be had.

    The system drops the lock with the process that holds it, however that ends: a lock file left over is not a lock.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        (data / "logs").mkdir(exist_ok=True, mode=0o700)
        lock = (data / "run.lock").open("a+", encoding="ascii")
    except OSError as error:
        raise Refusal(f"The data folder {data} cannot be used: {error.strerror}. Name another one: ./run --data DIR") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip()
        lock.close()
        by = f" (process {holder})" if holder else ""
        raise Refusal(f"Lettermill runs already on the data folder {data}{by}. End it, or name another one: ./run --data DIR") from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
