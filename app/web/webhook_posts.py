"""What a relay sends to a webhook, and what it is told."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response, jsonify, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.inbound.webhooks.refused import Refused
from app.inbound.webhooks.taking import LARGEST, Post, Taken
from app.web import actor, faults
from app.words import words


def sent_post() -> Post:
    """Return the request; raise Refused for a body that is too large, which is not read."""
    request.max_content_length = LARGEST
    try:
        body = request.get_data(cache=False)
    except RequestEntityTooLarge as error:
        raise Refused(413, words("The body has at most %(most)s KB.", most=LARGEST // 1024)) from error
    return Post({name.lower(): value for name, value in request.headers.items()}, body, actor.client_address())


def taken(what: Taken) -> tuple[Response, int]:
    """Return the answer to a post that is kept; ``new`` are those that were not there yet."""
    return jsonify(kept=what.items, new=len(what.ids)), 200


def refusal(status: int, said: str = "", errors: Mapping[str, str] | None = None) -> tuple[Response, int]:
    """Return the answer to a post that is not taken, in the form of the API's."""
    fault = faults.of_status(status)
    told = {"error": words("The post is not taken"), "message": said} if said else {"error": fault.title, "message": fault.text}
    response = jsonify(told | ({"errors": dict(errors)} if errors else {}))
    if status == 503:
        response.headers["Retry-After"] = "60"
    return response, status
