"""Where relays post what came back: no session, no cookie; the post itself proves who it is from."""

from __future__ import annotations

from flask import Response

from app.extensions import csrf
from app.inbound.take_in import ring_reading
from app.inbound.webhooks.refused import Refused
from app.inbound.webhooks.taking import find, take
from app.web.house import house
from app.web.policy import ANYONE, Room, policy
from app.web.webhook_posts import refusal, sent_post, taken

room = Room("inbound_webhooks", __name__, url_prefix="/in")


@room.post("/<public_id>")
@csrf.exempt
@policy(ANYONE)
def post(public_id: str) -> tuple[Response, int]:
    """Take what was posted: 200 once it is kept, else what is wrong with it."""
    if (webhook := find(house().engine, public_id)) is None:
        return refusal(404)
    try:
        return taken(take(house(), webhook, sent_post(), ring_reading))
    except Refused as refused:
        return refusal(refused.status, refused.said, refused.errors)
