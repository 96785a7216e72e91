"""Templates that were compiled once in this process: each test has a house of its own, and what their templates say is the same."""

from __future__ import annotations

from types import CodeType

from flask import Flask
from jinja2.bccache import Bucket, BytecodeCache


class Compiled(BytecodeCache):
    """Jinja's cache of compiled templates, in memory. It asks for the same name, file and content: a template that a test changes is new."""

    def __init__(self) -> None:
        self._codes: dict[tuple[str, str], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Give the code, where this very source was compiled before."""
        bucket.code = self._codes.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep the code."""
        if bucket.code is not None:
            self._codes[bucket.key, bucket.checksum] = bucket.code


_COMPILED = Compiled()


def compiled_once(app: Flask) -> Flask:
    """Let this house use what another one has compiled; return it."""
    app.jinja_env.bytecode_cache = _COMPILED
    return app
