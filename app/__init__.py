"""Lettermill: a self-hosted e-mail marketing platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Config


def create_app(config: Config | None = None, *, pages: bool = True) -> Flask:
    """Build the house (app/factory.py); without ``pages`` as workers have it. Imported here and not above, so that the engine rooms load without Flask."""
    from app.factory import build

    return build(config, pages=pages)
