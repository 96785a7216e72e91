"""Transactional mail over the API: ask for one, and ask what became of it."""

from __future__ import annotations

from flask import Response, abort, jsonify

from app.db import db
from app.delivery.models import Sending
from app.extensions import csrf
from app.posting import Refused, post
from app.reports.streams import mail_of
from app.web.house import house
from app.web.mail_requests import accepted, mail_json, sent_body, sent_key
from app.web.policy import ACCOUNT_KEY, Room, key_holder, policy

room = Room("api_transactional", __name__, url_prefix="/api/v1/transactional")


@room.post("")
@csrf.exempt
@policy(ACCOUNT_KEY, "transactional")
def send() -> tuple[Response, int]:
    """Take a mail: 202 with its ids, or what is wrong, member by member."""
    key, errors = sent_key()
    if errors:
        return jsonify(errors=errors), 422
    try:
        return jsonify(accepted(post(house(), key_holder(), sent_body(), key))), 202
    except Refused as refused:
        return jsonify(errors=refused.errors), 422


@room.get("/<int:stream_id>-<int:position>")
@policy(ACCOUNT_KEY, "transactional", stream=Sending)
def read(stream: Sending, position: int) -> Response:
    """Say what became of a mail."""
    row = mail_of(db.session(), stream, position)
    return jsonify(mail_json(stream, row)) if row else abort(404)
