"""What replies mean: real texts, held against whom they are about."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.added_rules import AddedRule, with_added
from app.mail.reasons import judge
from app.mail.reply import Fate, Phase, Reply, classify, parse_reply


@pytest.mark.parametrize(("lines", "reply"), [
    ([b"250 2.0.0 Ok: queued as 4711"], Reply(250, "2.0.0", "Ok: queued as 4711")),
    ([b"250 ok"], Reply(250, "", "ok")),
    ([b"354"], Reply(354, "", "")),
    ([b"550-5.1.1 The account does not exist.", b"550 5.1.1 Learn more"], Reply(550, "5.1.1", "The account does not exist. Learn more")),
    ([b"550 #5.1.0 Address rejected."], Reply(550, "5.1.0", "Address rejected.")),
    ([b"550 sorry, no mailbox here by that name (#5.1.1)"], Reply(550, "5.1.1", "sorry, no mailbox here by that name (#5.1.1)")),
    ([b"550 host 10.5.1.1 is blocked"], Reply(550, "", "host 10.5.1.1 is blocked")),
    ([b"550 caf\xc3\xa9 \xff\x00x"], Reply(550, "", "café \ufffd x")),
])
def test_a_reply_is_read_whole(lines: list[bytes], reply: Reply) -> None:
    assert parse_reply(lines) == reply


@pytest.mark.parametrize("lines", [[], [b""], [b"ok"], [b"25"], [b"2x0 ok"]])
def test_what_is_no_reply_is_said_to_be_none(lines: list[bytes]) -> None:
    with pytest.raises(ValueError, match="three digits"):
        parse_reply(lines)


@given(st.lists(st.binary(max_size=400).filter(lambda text: b"\n" not in text), min_size=1, max_size=5), st.integers(200, 599),
       st.sampled_from(Phase))
def test_any_reply_has_a_meaning(texts: list[bytes], code: int, phase: Phase) -> None:
    reply = parse_reply([b"%d-" % code + text for text in texts[:-1]] + [b"%d " % code + texts[-1]])
    assert (classify(reply, phase) is Fate.ACCEPTED) is (code < 400)
    assert len(reply.text) <= 300
    assert reply.text.isprintable() or not reply.text.isascii()


@given(st.integers(400, 499), st.text(max_size=80), st.sampled_from(Phase))
def test_nothing_temporary_ever_marks_a_person(code: int, text: str, phase: Phase) -> None:
    assert classify(Reply(code, "", text), phase) in {Fate.DEFERRED, Fate.THROTTLED, Fate.OURS}


@given(st.integers(500, 599), st.text(max_size=80), st.sampled_from([Phase.CONNECT, Phase.HELLO, Phase.STARTTLS, Phase.AUTH, Phase.MAIL]))
def test_nothing_that_was_said_before_the_person_was_named_marks_the_person(code: int, text: str, phase: Phase) -> None:
    assert classify(Reply(code, "", text), phase) in {Fate.BLOCKED, Fate.OURS}


REAL = [
    # Whom nobody knows.
    ("550 5.1.1 <neko@example.co.jp>: Recipient address rejected: User unknown in virtual mailbox table", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550-5.1.1 The email account that you tried to reach does not exist.", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.1.6 recipient no longer on server: kijitora@example.go.jp", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 Unknown user kijitora@example.net", Phase.RCPT, Fate.BOUNCED_HARD),
    ("554 delivery error: dd This user doesn't have a example.com account (kijitora@example.com) [0]", Phase.DOT, Fate.BOUNCED_HARD),
    ("551 not our customer", Phase.RCPT, Fate.BOUNCED_HARD),
    ('550 "recipient@example.net" is not a known user', Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 ** No mail box available for this user **", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.1.1 RESOLVER.ADR.RecipNotFound; not found", Phase.REPORT, Fate.BOUNCED_HARD),
    ("550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", Phase.RCPT, Fate.BOUNCED_HARD),
    ("550 5.5.0 Requested action not taken: mailbox unavailable", Phase.RCPT, Fate.BOUNCED_HARD),
    ("556 5.1.10 Recipient address has a null MX", Phase.RCPT, Fate.BOUNCED_HARD),
    # Whose mailbox takes nothing now.
    ("552 5.2.2 Mailbox full", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("552-5.2.2 The recipient's inbox is out of storage space", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("550 5.2.1 The user you are trying to contact is receiving mail", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("550 Mailbox is frozen. See http://mail.i.ua/err/3/", Phase.RCPT, Fate.BOUNCED_SOFT),
    ("550 <recipient@example.net>", Phase.RCPT, Fate.BOUNCED_SOFT),
    # What is about the mail, or about the one who sends it.
    ("550-5.7.26 This mail has been blocked because the sender is unauthenticated.", Phase.DOT, Fate.BLOCKED),
    ("554 5.7.9 Message not accepted for policy reasons. See http://postmaster.yahoo.com/", Phase.DOT, Fate.BLOCKED),
    ("554 Service unavailable; Client host [192.0.2.4] blocked using zen.example.org", Phase.CONNECT, Fate.BLOCKED),
    ("550 5.7.1 Message content rejected, UBE, id=22220-02-222", Phase.DOT, Fate.BLOCKED),
    ("554 5.7.1 <a@example.com>: Relay access denied", Phase.RCPT, Fate.BLOCKED),
    ("550 DMARC check failed.", Phase.DOT, Fate.BLOCKED),
    ("550 Virus Detected; Content Rejected", Phase.DOT, Fate.BLOCKED),
    ("552 5.3.4 Message too large", Phase.MAIL, Fate.BLOCKED),
    ("550 5.2.3 RESOLVER.RST.RecipSizeLimit; message too large for this recipient", Phase.REPORT, Fate.BLOCKED),
    ("553 5.1.8 <a@b.example>... Domain of sender address a@b.example does not exist", Phase.RCPT, Fate.BLOCKED),
    ("550 Ip frequency limited", Phase.RCPT, Fate.BLOCKED),
    ("554 5.6.0 Message is malformed", Phase.DOT, Fate.BLOCKED),
    ("554 no", Phase.DOT, Fate.BLOCKED),
    # What is about us.
    ("530 5.7.0 Authentication required", Phase.MAIL, Fate.OURS),
    ("535 5.7.8 Error: authentication failed", Phase.AUTH, Fate.OURS),
    ("538 5.7.11 Encryption required", Phase.AUTH, Fate.OURS),
    ("454 4.7.0 Temporary authentication failure", Phase.AUTH, Fate.OURS),
    ("503 5.5.1 Error: need RCPT command", Phase.DATA, Fate.OURS),
    ("501 5.5.4 Syntax: MAIL FROM:<address>", Phase.MAIL, Fate.OURS),
    ("500 command not recognized", Phase.RCPT, Fate.OURS),
    # What will pass.
    ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints", Phase.CONNECT, Fate.THROTTLED),
    ("452 4.3.2 Connection rate limit exceeded.", Phase.MAIL, Fate.THROTTLED),
    ("450 4.7.1 Client host rejected: too many recipients", Phase.RCPT, Fate.THROTTLED),
    ("451 too many messages, slow down", Phase.RCPT, Fate.THROTTLED),
    ("450 4.2.0 <a@b.example>: Recipient address rejected: Greylisted, see http://postgrey", Phase.RCPT, Fate.DEFERRED),
    ("452 4.2.2 The email account that you tried to reach is over quota", Phase.RCPT, Fate.DEFERRED),
    ("450 4.1.1 <kijitora@example.org>: Recipient address rejected: unverified address", Phase.RCPT, Fate.DEFERRED),
    ("451 4.3.0 Temporary failure, try again later", Phase.DOT, Fate.DEFERRED),
    ("250 2.0.0 ok", Phase.DOT, Fate.ACCEPTED),
]


@pytest.mark.parametrize(("text", "phase", "fate"), REAL)
def test_real_replies_mean_what_their_senders_meant(text: str, phase: Phase, fate: Fate) -> None:
    assert classify(parse_reply([text.encode()]), phase) is fate


def test_user_unknown_behind_the_message_is_a_filters_excuse_while_sending_too() -> None:
    said = parse_reply([b"550 user unknown"])
    assert (classify(said, Phase.RCPT), classify(said, Phase.DOT)) == (Fate.BOUNCED_HARD, Fate.BOUNCED_SOFT)
    assert classify(parse_reply([b"550 5.1.1 user unknown"]), Phase.DOT) is Fate.BOUNCED_HARD


LINES = [line.split("\t") for line in Path(__file__).with_name("said_by_servers.txt").read_text(encoding="utf-8").splitlines() if line[:1] not in {"", "#"}]
REFUSALS = [text for _, text in LINES if text[:3].isdigit() and text[0] == "5"]
ABOUT_THE_MAIL = {"sender_blocked", "spam_content", "too_large", "rate_limited"}


@pytest.mark.parametrize("text", REFUSALS, ids=[text[:60] for text in REFUSALS])
def test_words_mean_the_same_while_sending_and_in_a_report(text: str) -> None:
    reply, reason = parse_reply([text.encode()]), judge(text)
    fate = classify(reply, Phase.RCPT)
    if fate is Fate.BOUNCED_HARD:
        assert reason.kind == "hard"
    if reason.reason in ABOUT_THE_MAIL:
        assert fate in {Fate.BLOCKED, Fate.OURS}
    if reason.kind == "hard" and not reply.enhanced.startswith("5.7."):
        assert fate is Fate.BOUNCED_HARD


@pytest.mark.parametrize(("kind", "fate"), [("hard", Fate.BOUNCED_HARD), ("soft", Fate.BOUNCED_SOFT), ("block", Fate.BLOCKED)])
def test_an_added_rule_decides_while_sending_too(kind: str, fate: Fate) -> None:
    rules = with_added([AddedRule("1", "the * flew away", "recipient_refused", kind)])
    reply = parse_reply([b"550 the bird flew away"])
    assert classify(reply, Phase.RCPT, rules) is fate
    assert classify(reply, Phase.MAIL, rules) in {Fate.BLOCKED, Fate.OURS}
    assert classify(parse_reply([b"450 the bird flew away"]), Phase.RCPT, rules) is Fate.DEFERRED
