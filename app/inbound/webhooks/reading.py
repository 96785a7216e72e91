"""What a kept item of a webhook says, in the words of the reader of mails: so that one hand matches and acts, whichever way it came."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.inbound.result import Event, Reading, judged
from app.inbound.webhooks.ses import read_notification
from app.mail.reasons import RULES, Judgement, Rules, judge

FOUND_IN = "webhook"


def read_item(way: str, body: bytes, rules: Rules = RULES) -> Reading:
    """Return what an item says; ``body`` is its JSON as ``taking`` kept it, ``way`` webhook or ses. Raise ValueError where it is neither."""
    item = json.loads(body)
    if not isinstance(item, dict):
        raise ValueError("an item is an object")  # noqa: TRY004 - bytes of the wrong form are a wrong value
    return read_notification(item, rules) if way == "ses" else _read(item, rules)


def _read(item: Mapping[str, Any], rules: Rules) -> Reading:
    kind = str(item["type"])
    event = _bounce(item, rules) if kind == "bounce" else Event(str(item["recipient"]), FOUND_IN, status=item.get("status", ""),
                                                              diagnostic=item.get("reply", "")[:1000])
    returned = {name: str(item[member])[:1000] for member, name in (("message_id", "message-id"), ("return_path", "return-path")) if item.get(member)}
    keys: dict[str, Any] = {"arrival": {}, "report": {}, "returned": returned} | {name: item[name] for name in ("token", "at") if item.get(name)}
    return Reading(kind, "webhook", [event], "abuse" if kind == "complaint" else "", keys)


def _bounce(item: Mapping[str, Any], rules: Rules) -> Event:
    """What the receiving server said decides, where a rule knows its words; else the class that came with it, and soft without one."""
    reply, status = item.get("reply", ""), item.get("status", "")
    judgement = judge(reply, status, rules=rules)
    if judgement.reason == "undetermined" or not (reply or status):
        judgement = Judgement(item.get("class", "soft"), "undetermined", judgement.status, judgement.code, "webhook: its class")
    return judged(str(item["recipient"]), FOUND_IN, reply, judgement)
