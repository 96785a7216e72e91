"""SRS: a bounce finds whoever sent the mail first, and nobody but us writes such an address."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.srs import DAY_S, DAYS, LONGEST_LOCAL, Original, Srs
from app.mail.tokens import TokenKeys

SRS, OTHERS = Srs(b"k" * 32), Srs(b"another key")
NOW, US, NUMBER = 1_795_660_000.0, "returns.example.com", 4711
MOMENT = st.integers(0, 10**11)
LOCAL = st.from_regex(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[A-Za-z0-9=+-]{1,43}){0,3}", fullmatch=True)
HOST = st.from_regex(r"([A-Za-z0-9]([A-Za-z0-9-]{0,20}[A-Za-z0-9])?\.){1,6}[A-Za-z]{2,12}", fullmatch=True)
SENDER = st.one_of(st.builds("{}@{}".format, LOCAL, HOST), st.builds("{}@{}".format, st.text(min_size=1, max_size=70), HOST),
                   st.builds("SRS0={}=Xy={}@{}".format, LOCAL, LOCAL, HOST), st.builds("{}@[192.0.2.{}]".format, LOCAL, st.integers(0, 255)))


def there_and_back(sender: str, now: float = NOW) -> str:
    """Send a mail on, let it bounce, and return whom the bounce goes to; of the short form, whom its number stands for."""
    found = SRS.reverse(SRS.forward(sender, US, NUMBER, now), now)
    assert found is not None
    assert found.address or found.number == NUMBER
    return found.address or sender


def any_case(data: st.DataObject, text: str) -> str:
    """Return the text as some mail server may have changed it."""
    return "".join(data.draw(st.sampled_from([mark.lower(), mark.upper()])) for mark in text)


@given(sender=SENDER, now=MOMENT)
def test_a_bounce_finds_the_first_sender(sender: str, now: int) -> None:
    assert there_and_back(sender, now) == sender


@given(sender=SENDER, number=st.integers(1, 2**63 - 1))
def test_the_address_can_stand_in_any_envelope(sender: str, number: int) -> None:
    local, _, domain = SRS.forward(sender, US, number, NOW).rpartition("@")
    assert domain == US
    assert len(local) <= LONGEST_LOCAL
    assert re.fullmatch(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]+", local)


@given(sender=st.builds("{}@{}".format, LOCAL, HOST), data=st.data())
def test_servers_may_change_its_case(sender: str, data: st.DataObject) -> None:
    found = SRS.reverse(any_case(data, SRS.forward(sender, US, NUMBER, NOW)), NOW)
    assert found is not None
    assert found.number == NUMBER or found.address.lower() == sender.lower()


@given(sender=SENDER, days=st.integers(-5, 3000), second=st.integers(0, DAY_S - 1))
def test_it_is_good_for_three_weeks_and_never_again(sender: str, days: int, second: int) -> None:
    midnight = NOW // DAY_S * DAY_S
    address = SRS.forward(sender, US, NUMBER, midnight)
    # The day before its first one is another machine's clock.
    assert (SRS.reverse(address, midnight + days * DAY_S + second) is not None) == (-1 <= days <= DAYS)


@given(sender=SENDER, data=st.data())
def test_no_mark_of_it_can_be_changed(sender: str, data: st.DataObject) -> None:
    local = SRS.forward(sender, US, NUMBER, NOW).rpartition("@")[0]
    at = data.draw(st.integers(0, len(local) - 1))
    mark = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda one: one.lower() != local[at].lower()))
    assert SRS.reverse(f"{local[:at]}{mark}{local[at + 1:]}@{US}", NOW) is None


@given(sender=SENDER)
def test_another_key_writes_nothing_that_is_ours(sender: str) -> None:
    assert SRS.reverse(OTHERS.forward(sender, US, NUMBER, NOW), NOW) is None


@given(text=st.one_of(st.text(max_size=80), st.from_regex(r"(?i)srs[01]=[a-z2-7]{2,10}=[a-z2-7]{0,4}=.{0,30}", fullmatch=True)))
def test_what_somebody_made_up_is_nothing(text: str) -> None:
    assert SRS.reverse(text, NOW) is None
    assert SRS.reverse(f"{text}@{US}", NOW) is None


def test_a_usual_address_can_be_read_in_it() -> None:
    address = SRS.forward("Anna.Berg@example.org", US, NUMBER, NOW)
    assert re.fullmatch(r"SRS0=[a-z2-7]{8}=[a-z2-7]{2}=example\.org=Anna\.Berg@returns\.example\.com", address)
    assert SRS.reverse(address, NOW) == Original("Anna.Berg@example.org")


@pytest.mark.parametrize("sender", ["a" * 40 + "@some.rather.long.host.example.org", '"Anna Berg"@example.org', "jürgen@example.org", "a@[192.0.2.1]", "root"])
def test_what_does_not_fit_becomes_a_number(sender: str) -> None:
    address = SRS.forward(sender, US, NUMBER, NOW)
    assert re.fullmatch(r"SRS0=[a-z2-7]{8}=[a-z2-7]{2}==4711@returns\.example\.com", address)
    assert SRS.reverse(address, NOW) == Original(number=NUMBER)


def test_another_forwarders_address_is_kept_for_them_to_read() -> None:
    address = SRS.forward("SRS0=Ab3d=Xy=example.org=anna@first.example", US, NUMBER, NOW)
    assert re.fullmatch(r"SRS1=[a-z2-7]{10}=first\.example==Ab3d=Xy=example\.org=anna@returns\.example\.com", address)
    assert SRS.reverse(address, NOW) == Original("SRS0=Ab3d=Xy=example.org=anna@first.example")


def test_a_bounce_skips_the_forwarders_between() -> None:
    address = SRS.forward("SRS1=Qq7f=first.example==Ab3d=Xy=e.org=anna@second.example", US, NUMBER, NOW)
    assert SRS.reverse(address, NOW) == Original("SRS0=Ab3d=Xy=e.org=anna@first.example")


def test_what_was_written_in_one_form_is_not_read_in_the_other() -> None:
    first = SRS.forward("=Ab3d=Xy=e.org=anna@first.example", US, NUMBER, NOW)
    mac, stamp, rest = first.removeprefix("SRS0=").split("=", 2)
    assert SRS.reverse(first, NOW) == Original("=Ab3d=Xy=e.org=anna@first.example")
    assert SRS.reverse(f"SRS1={stamp}{mac}={rest}", NOW) is None


@pytest.mark.parametrize("sender", ["", "b+aeaaaaahaaaaabpvfzchd5nvdomxm5a@returns.example.com", "anna@RETURNS.example.com"])
def test_a_bounce_and_our_own_domain_stay_as_they_are(sender: str) -> None:
    assert SRS.forward(sender, US, NUMBER, NOW) == sender


def test_the_key_belongs_to_the_installation() -> None:
    address = TokenKeys(b"m" * 32).srs.forward("anna@example.org", US, NUMBER, NOW)
    assert TokenKeys(b"m" * 32).srs.reverse(address, NOW) == Original("anna@example.org")
    assert TokenKeys(b"n" * 32).srs.reverse(address, NOW) is None
