"""Lettermill: a self-hosted e-mail marketing platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from app.config import Config


def create_app(config: Config | None = None) -> Flask:
    """Build the house (app/factory.py). Imported here and not above, so that the engine rooms load without Flask."""
    from app.factory import build

    return build(config)
