"""What a process has loaded when it begins its work stays to its end: the garbage collector need not look through it again and again."""

from __future__ import annotations

import gc


def keep_what_is_loaded() -> None:
    """Take everything that exists now out of the collector's sight; what is made from now on is looked at as ever.

    A sender makes some thousand objects a slice, which live for as long; each time that they were a quarter of all, Python looked through
    the whole house for circles.
    """
    gc.collect()
    gc.freeze()
