"""Rules that an administrator adds: what they match, when they are asked, and what is refused."""

from __future__ import annotations

import pytest

from app.inbound.read import read
from app.mail.added_rules import USUAL_CLASS, AddedRule, check_pattern, with_added
from app.mail.reasons import REASONS, RULES, judge
from app.words import Words
from tests.unit.inbound.mails import CASES

CLOSED = AddedRule("7", "mailbox * is resting", "mailbox_inactive")


def test_an_added_rule_is_asked_before_those_of_the_file_and_gives_its_name() -> None:
    said = "550 5.1.1 User unknown: Mailbox  of\n lou@example.org is RESTING"
    assert (judge(said).rule, judge(said).kind) == ("user.plain", "hard")
    found = judge(said, rules=with_added([CLOSED]))
    assert (found.rule, found.reason, found.kind) == ("added:7", "mailbox_inactive", "soft")


def test_an_address_in_a_pattern_is_looked_for_as_it_was_said() -> None:
    rules = with_added([AddedRule("1", "*@closed.example>: User unknown", "policy")])
    assert judge("550 <lou@closed.example>: user unknown", rules=rules).rule == "added:1"
    assert judge("550 <lou@other.example>: user unknown", rules=rules).rule == "user.plain"


def test_its_own_class_and_priority_hold() -> None:
    assert judge("550 user unknown", rules=with_added([AddedRule("1", "user unknown", "policy", "soft")])).kind == "soft"
    assert judge("550 user unknown", rules=with_added([AddedRule("1", "user unknown", "policy", "soft", priority=10_000)])).rule == "user.plain"
    both = [AddedRule("late", "user", "policy", priority=2), AddedRule("early", "unknown", "policy", priority=1)]
    assert judge("550 user unknown", rules=with_added(both)).rule == "added:early"


def test_for_now_marks_nobody_for_good_and_after_data_the_added_word_holds() -> None:
    rules = with_added([AddedRule("1", "gone fishing", "invalid_recipient")])
    assert judge("450 gone fishing", rules=rules).kind == "soft"
    assert judge("550 gone fishing", step="data", rules=rules).kind == "hard"


def test_the_reader_takes_added_rules() -> None:
    rules = with_added([AddedRule("1", "user unknown", "sender_blocked")])
    assert read(CASES[0].raw.encode(), rules).events[0].rule == "added:1"
    assert read(CASES[0].raw.encode()).events[0].rule == "user.plain"


def test_the_version_changes_with_whatever_is_added() -> None:
    versions = {RULES.version, with_added([CLOSED]).version, with_added([AddedRule("7", "mailbox * is resting", "policy")]).version}
    assert len(versions) == 3
    assert with_added([]).version == RULES.version
    assert with_added([CLOSED]).version == with_added([CLOSED]).version


def test_every_reason_has_a_usual_class() -> None:
    assert set(USUAL_CLASS) == REASONS


@pytest.mark.parametrize("text", ["", "  ", "*", " * ** ", "x" * 201])
def test_what_is_no_pattern_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"^Type") as refused:
        check_pattern(text)
    assert isinstance(refused.value.args[0], Words)
    with pytest.raises(ValueError, match=r"^Type"):
        with_added([AddedRule("1", text, "policy")])


@pytest.mark.parametrize("rule", [AddedRule("1", "a", "bad_luck"), AddedRule("1", "a", "policy", "mild")])
def test_a_wrong_reason_or_class_is_refused(rule: AddedRule) -> None:
    with pytest.raises(ValueError, match="added rule 1"):
        with_added([rule])


def test_two_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        with_added([CLOSED, CLOSED])
