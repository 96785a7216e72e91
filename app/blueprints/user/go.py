"""Go anywhere: one box that finds pages, settings, and what the account in hand has."""

from __future__ import annotations

from flask import request
from werkzeug.wrappers import Response

from app.web.fragments import page_or_panel
from app.web.going import places
from app.web.policy import ACCOUNT, Room, policy

room = Room("go", __name__, url_prefix="/user/go")


@room.get("/")
@policy(ACCOUNT)
def find() -> Response:
    """Show where the words lead; without words, every page there is."""
    words = request.args.get("q", "").strip()[:100]
    return page_or_panel("weefive/user/go.html", block="found", words=words, groups=places(words))
