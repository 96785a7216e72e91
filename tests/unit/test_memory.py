"""What a process has loaded is out of the collector's sight; what it makes afterwards is not."""

from __future__ import annotations

import gc
import weakref

from app.processes.memory import keep_what_is_loaded


class Circle:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_loaded_is_kept_and_a_new_circle_is_still_found() -> None:
    try:
        keep_what_is_loaded()
        assert gc.get_freeze_count() > 10_000
        circle = weakref.ref(Circle())
        gc.collect()
        assert circle() is None
    finally:
        gc.unfreeze()
