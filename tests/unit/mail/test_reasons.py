"""The rules about why mail did not arrive: each is held against its own example, and the file against what a rules file must be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.mail.added_rules import AddedRule, with_added
from app.mail.reasons import RULES, RULES_FILE, ReasonRule, hint_of, judge, read_rules
from app.mail.reply import Fate, Phase, classify, parse_reply

LINES = Path(__file__).with_name("said_by_servers.txt").read_text(encoding="utf-8").splitlines()
SERVERS = [line.split("\t") for line in LINES if line and not line.startswith("#")]


@pytest.mark.parametrize("rule", RULES.tried, ids=lambda rule: rule.id)
def test_every_rule_decides_its_own_example(rule: ReasonRule) -> None:
    found = judge(rule.example)
    assert (found.rule, found.reason, found.kind) == (rule.id, rule.reason, rule.kind)


def test_the_prefilter_never_hides_a_wording() -> None:
    texts = [*(rule.example.lower() for rule in RULES), *(text.lower() for _, text in SERVERS)]
    hidden = [(way.hint, text) for rule in RULES for way in rule.ways for text in texts if way.hint not in text and way.search(text)]
    assert not hidden


@pytest.mark.parametrize("added", [[], [AddedRule("1", "user*unknown", "policy"), AddedRule("2", "no", "too_large", priority=165)]])
def test_passing_over_what_cannot_fit_finds_what_trying_everything_finds(added: list[AddedRule]) -> None:
    rules = with_added(added)
    for text in [*(rule.example for rule in rules), *(text for _, text in SERVERS), "", "a", "550", "no"]:
        words, found = text.lower(), judge(text, rules=rules)
        tried = next(each.rule for each in rules.tries if each.fits(words, found.status, found.code, words))
        assert rules.first(words, found.status, found.code, words) is tried


HINTS = [
    ("gr[ae]y-?list", "list"),
    (r"\(s\d{4}\)", "s"),
    ("(?:over|above) quota", " quota"),
    (r"ab+c\d+xyz", "xyz"),
    (r"ip[\])>]{0,2} listed", " listed"),
    ("a(?:b(?:c(?:d)?)e)?feg{2}", "fe"),
]


@pytest.mark.parametrize(("pattern", "hint"), HINTS)
def test_a_hint_is_plain_text_of_every_match(pattern: str, hint: str) -> None:
    assert hint_of(pattern) == hint


@pytest.mark.parametrize("change", [{"reason": "bad_luck"}, {"class": "mild"}, {"example": ""}, {"source": ""}])
def test_a_wrong_rule_is_refused_when_the_file_is_read(change: dict[str, str]) -> None:
    row = json.loads(RULES_FILE.read_text())["rules"][0]
    with pytest.raises(ValueError, match=row["id"]):
        read_rules(json.dumps({"version": 1, "rules": [row | change]}))


def test_two_rules_of_one_name_are_refused() -> None:
    row = json.loads(RULES_FILE.read_text())["rules"][0]
    with pytest.raises(ValueError, match="same name"):
        read_rules(json.dumps({"version": 1, "rules": [row, row]}))


# fmt: off
SAID = [
    ("550 5.1.1 <a@example.org>... User unknown", "5.1.1", "hard", "invalid_recipient"),
    ("450 4.1.1 <a@example.org>: User unknown in local recipient table", "4.1.1", "soft", "invalid_recipient"),
    ("550 No such user here", "5.0.0", "hard", "invalid_recipient"),
    ("Host or domain name not found. Name service error for name=gone.example type=A: Host not found", "5.4.4", "hard", "invalid_domain"),
    ("Host or domain name not found. Name service error for name=x.example type=MX: Host not found, try again", "4.4.3", "soft", "network_timeout"),
    ("556 5.1.10 Domain example.org has a null MX", "5.0.0", "hard", "invalid_domain"),
    ("552 5.2.2 mailbox is full", "5.0.0", "soft", "mailbox_full"),
    ("550 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "5.7.1", "block", "sender_blocked"),
    ("550 5.1.0 MailFrom domain is listed in Spamhaus. To request removal", "5.1.0", "block", "sender_blocked"),
    ("554 5.7.1 This message was classified as spam", "5.7.1", "block", "spam_content"),
    ("550 5.7.515 Access denied, sending domain example.org does not meet the required authentication level.", "5.7.515", "block", "sender_blocked"),
    ("550 5.4.1 Recipient address rejected: Access denied", "5.4.1", "hard", "invalid_recipient"),
    ("554 5.7.1 <a@example.org>: Relay access denied", "5.7.1", "block", "policy"),
    ("552 5.3.4 Message size exceeds fixed limit", "5.3.4", "block", "too_large"),
    ("550 5.2.1 This account has been disabled or discontinued", "5.2.1", "soft", "mailbox_inactive"),
    ("421 4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user complaints", "4.7.0", "block", "sender_blocked"),
    ("5.1.0 - Unknown address error 550-'5.2.2 <a@example.org>... Mailbox Full'", "5.0.0", "soft", "mailbox_full"),
    ("", "5.1.1", "hard", "invalid_recipient"),
    ("", "5.2.2", "soft", "mailbox_full"),
    ("", "", "soft", "undetermined"),
]
# fmt: on


@pytest.mark.parametrize(("text", "status", "kind", "reason"), SAID, ids=[row[0][:50] or row[1] for row in SAID])
def test_what_servers_say_is_understood(text: str, status: str, kind: str, reason: str) -> None:
    found = judge(text, status)
    assert (found.kind, found.reason) == (kind, reason)


FOR_GOOD = {"invalid_recipient", "invalid_domain"}


@pytest.mark.parametrize(("reason", "text"), SERVERS, ids=[text[:60] for _, text in SERVERS])
def test_what_each_server_says_gives_its_reason(reason: str, text: str) -> None:
    found = judge(text)
    assert found.reason == reason
    assert (found.kind == "hard") is (reason in FOR_GOOD and not 400 <= found.code < 500)


NOT_FOR_GOOD = [line for line in Path(__file__).with_name("not_for_good.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("text", NOT_FOR_GOOD)
def test_what_only_sounds_like_a_missing_mailbox_marks_nobody(text: str) -> None:
    assert judge(text).kind != "hard"
    assert classify(parse_reply([text.encode()]), Phase.RCPT) is not Fate.BOUNCED_HARD


@pytest.mark.parametrize("pattern", ["no such user|gone", "a|(b)"])
def test_a_choice_that_hides_a_wording_from_the_prefilter_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="each way"):
        hint_of(pattern)


def test_words_in_an_address_decide_nothing() -> None:
    assert judge("550 <userunknown.spam@example.org> failed").reason == "undetermined"


def test_user_unknown_after_data_is_a_filters_excuse() -> None:
    assert (judge("550 User unknown", step="data").kind, judge("550 5.1.1 User unknown", step="data").kind) == ("soft", "hard")


def test_the_standards_sentence_is_believed_of_a_mailbox_only_at_rcpt() -> None:
    sentence = "550 Requested action not taken: mailbox unavailable"
    assert [judge(sentence, step=step).kind for step in ("rcpt", "data", "")] == ["hard", "soft", "soft"]
    assert judge(sentence, "5.1.1", step="").kind == "hard"
    assert judge(sentence, "5.5.0", step="").kind == "hard"
    assert judge("550 no such user", step="").kind == "hard"
