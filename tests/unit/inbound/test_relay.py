"""Whom mail is taken for: never for another host, whatever an address looks like."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inbound.policy import Known, judge
from app.mail.aliases import AliasRule
from tests.unit.inbound.conftest import KEYS, OURS
from tests.unit.inbound.wire import Wire

B, U = KEYS.make("mfrom", 7, 9), KEYS.make("unsubscribe", 7, 9)
DENIED, UNKNOWN, MALFORMED = "550 5.7.1 Relaying denied", "550 5.1.1", "553"
TRICKS = {
    "victim@other.test": DENIED, "victim%other.test@relay.test": UNKNOWN, "other.test!victim@relay.test": UNKNOWN,
    '"victim@other.test"@relay.test': UNKNOWN, '"victim%other.test"@relay.test': UNKNOWN, "@relay.test:victim@other.test": DENIED,
    "@relay.test,@relay.test:victim@other.test": DENIED, "@other.test:victim@relay.test": UNKNOWN, "victim@other.test@relay.test": MALFORMED,
    "victim@relay.test@other.test": MALFORMED, "victim@other.test%relay.test": DENIED, "victim@[127.0.0.1]": DENIED, "victim@[relay.test]": DENIED,
    "victim@[IPv6:::1]": DENIED, "victim@localhost": DENIED, "victim": UNKNOWN, "victim@": MALFORMED, "@relay.test": MALFORMED, "": UNKNOWN,
    "victim@sub.relay.test": DENIED, "victim@relay.test.other.test": DENIED, "victim@otherrelay.test": DENIED, "victim@relay.test\x00.other.test": MALFORMED,
    "victim@relay.test other.test": MALFORMED, "victim@other.test\t@relay.test": MALFORMED, 'victim@other.test"@relay.test': MALFORMED,
    "relay.test!victim@other.test": DENIED, "victim@relay.test#other.test": DENIED, "victim@relay.test/other.test": DENIED,
    "victim@ｏther.test": DENIED, "victim@relay。test。other.test": DENIED, "postmaster@other.test": DENIED, f"b+{B}@other.test": DENIED,
    "fbl@other.test": DENIED, "returns@other.test": DENIED, "postmaster%other.test": UNKNOWN, "victim;other.test@relay.test": MALFORMED,
    "victim@(relay.test)other.test": DENIED, "=?utf-8?q?victim=40other.test?=@relay.test": UNKNOWN, "victim@127.0.0.1": DENIED,
    "|/bin/sh@relay.test": UNKNOWN, "victim@relay.test>,<victim@other.test": MALFORMED,
}
TAKEN = {
    "postmaster": "role", "PostMaster": "role", "abuse@relay.test": "role", "ROOT@RELAY.test": "role", "postmaster+x@relay.test": "role",
    f"b+{B}@relay.test": "bounce", f"B+{B.upper()}@Relay.Test": "bounce", f"u+{U}@relay.test": "unsubscribe", f"u+{U}@müller.test": "unsubscribe",
    f"u+{U}@xn--mller-kva.test": "unsubscribe", "fbl@loops.test": "complaints", "fbl+anything@LOOPS.test": "complaints", "returns@fixed.test": "bounce",
    "sales-7@relay.test": "alias", "Sales-a.b@relay.test": "alias", "abuse@relay.test.": "role",
}


@pytest.mark.parametrize(("address", "reply"), TRICKS.items())
def test_nobody_is_relayed_for(wire: Wire, address: str, reply: str) -> None:
    said = wire.rcpt(address)
    # What is no address at all may be told so, too.
    assert said.startswith((reply, "501", "555") if reply == MALFORMED else reply), said


@pytest.mark.parametrize(("address", "kind"), TAKEN.items())
def test_what_is_ours_is_taken(wire: Wire, address: str, kind: str) -> None:
    assert wire.rcpt(address) == "250 2.1.5 OK"
    assert judge(address, OURS).kind == kind


def test_the_first_rule_that_matches_holds() -> None:
    rule = judge("sales-2@relay.test", OURS).rule
    assert rule is not None
    assert rule.target == "office@elsewhere.test"


@pytest.mark.parametrize("forged", [
    f"b+{U}", f"u+{B}", f"b+{KEYS.make('open', 7, 9)}", f"b+{B[:-1]}", f"b+{B}a", "b+", "u+", f"b+{'a' * 31}",
    f"b+{B[:-1]}{'a' if B[-1] != 'a' else 'b'}", f"b+ü{B[1:]}"])
def test_a_forged_token_is_an_unknown_address_even_under_a_catch_all(forged: str) -> None:
    verdict = judge(f"{forged}@relay.test", _with_catch_all())
    assert (verdict.kind, verdict.reply) == ("refused", "550 5.1.1 No such address here")


@given(st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=31, max_size=31), st.sampled_from("bu"))
def test_whatever_somebody_makes_up_is_no_token(token: str, mark: str) -> None:
    assert judge(f"{mark}+{token}@relay.test", OURS).is_refused


@given(st.text(max_size=80), st.sampled_from(["@other.test", "@sub.relay.test", "@other.test.", "@[192.0.2.1]"]))
def test_no_local_part_opens_another_domain(local: str, domain: str) -> None:
    assert judge(local + domain, _with_catch_all()).is_refused


def test_a_catch_all_takes_the_rest_of_our_domains() -> None:
    assert judge("anybody@relay.test", _with_catch_all()).kind == "alias"
    assert judge("anybody@other.test", _with_catch_all()).reply == DENIED
    assert judge(f"b+{B}@relay.test", _with_catch_all()).kind == "bounce"


def _with_catch_all() -> Known:
    return replace(OURS, rules=(AliasRule("*", "*", "all@elsewhere.test"),))
