"""Tokens: whom they stand for, and that nobody but us can write one."""

from __future__ import annotations

import base64
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.mail import tokens
from app.mail.mfrom import mfrom_address, read_mfrom
from app.mail.tokens import LENGTH, LedgerId, Purpose, TokenKeys

KEYS = TokenKeys(b"k" * 32)
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
# What a row's tokens were when this was written.
KNOWN = {
    "mfrom": "aeaaaaahaaaaabpvfzchd5nvdomxm5a", "open": "aeaaaaahaaaaabp7olaiefbk5bn5f6y", "click": "aeaaaaahaaaaabkoxcxgfoefwmw2bai",
    "unsubscribe": "aeaaaaahaaaaabmm6ttv6dscxyihhoy", "webview": "aeaaaaahaaaaabngn45stwgq5ewqloq", "message_id": "aeaaaaahaaaaabonqf5ypl4j4dnhcba",
    "confirm": "aeaaaaahaaaaabprdjanvtrchy4erqi", "preview": "aeaaaaahaaaaabjwy6ncuhr34zma4ba"}
NUMBER = st.integers(0, 2**32 - 1)
PURPOSE = st.sampled_from(PURPOSES)


def _raw(token: str) -> bytes:
    return base64.b32decode(token.upper() + "=")


def _token(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


@given(purpose=PURPOSE, sending=NUMBER, position=NUMBER, data=st.data())
@settings(max_examples=100)
def test_a_token_is_read_by_its_own_purpose_in_any_case(purpose: Purpose, sending: int, position: int, data: st.DataObject) -> None:
    token = KEYS.make(purpose, sending, position)
    mixed = "".join(data.draw(st.sampled_from([mark, mark.upper()])) for mark in token)

    assert len(token) == LENGTH
    assert KEYS.read(purpose, mixed) == LedgerId(sending, position)
    assert [other for other in PURPOSES if KEYS.read(other, token)] == [purpose]
    assert TokenKeys(b"another key" * 3).read(purpose, token) is None


@given(purpose=PURPOSE, sending=NUMBER, position=NUMBER)
@settings(max_examples=30)
def test_no_bit_of_a_token_can_be_changed(purpose: Purpose, sending: int, position: int) -> None:
    raw = _raw(KEYS.make(purpose, sending, position))
    for bit in range(len(raw) * 8):
        forged = bytearray(raw)
        forged[bit // 8] ^= 1 << bit % 8
        assert KEYS.read(purpose, _token(bytes(forged))) is None


@given(sending=NUMBER, position=NUMBER)
@settings(max_examples=50)
def test_the_unused_last_bit_of_a_token_must_be_zero(sending: int, position: int) -> None:
    token = KEYS.make("click", sending, position)
    alphabet = "abcdefghijklmnopqrstuvwxyz234567"
    others = [token[:-1] + mark for mark in alphabet if mark != token[-1]]

    assert [KEYS.read("click", other) for other in others] == [None] * 31


def test_a_token_of_another_version_is_read_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "VERSION", 2)
    of_tomorrow = KEYS.make("mfrom", 1, 1)
    monkeypatch.undo()

    assert KEYS.read("mfrom", of_tomorrow) is None


@given(text=st.one_of(st.text(max_size=40), st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567=018\n", min_size=29, max_size=33)))
@settings(max_examples=150)
def test_any_other_text_is_no_token_and_no_error(text: str) -> None:
    assert KEYS.read("open", text) is None


def test_tokens_that_are_out_there_stay_good() -> None:
    """Each is in somebody's mail: a change of the layout, such as of the order of purposes, would close every link behind it."""
    of_row = {purpose: KEYS.make(purpose, 7, 5) for purpose in PURPOSES}

    assert of_row == KNOWN


def test_the_tokens_of_a_mail_have_nothing_in_common_but_whom_they_name() -> None:
    secrets = [KEYS.make(purpose, 7, 5)[15:] for purpose in PURPOSES]

    assert len({part[start:start + 4] for part in secrets for start in range(0, 16, 4)}) == 4 * len(PURPOSES)


def test_many_tokens_are_what_each_would_be() -> None:
    assert KEYS.make_many("open", 7, range(5)) == [KEYS.make("open", 7, position) for position in range(5)]


@given(text=st.text(max_size=80), expires=st.integers(0, 2**40), later=st.integers(-1000, 1000))
@settings(max_examples=100)
def test_a_signed_text_is_read_until_it_ends(text: str, expires: int, later: int) -> None:
    signed = KEYS.sign_text("preview", text, expires)

    assert KEYS.verify_text("preview", signed, expires + later) == (text if later <= 0 else None)
    assert KEYS.verify_text("confirm", signed, 0) is None


@given(data=st.data())
@settings(max_examples=100)
def test_a_changed_text_is_forged(data: st.DataObject) -> None:
    signed = KEYS.sign_text("preview", "campaign:1:0", 2_000_000_000)
    at = data.draw(st.integers(0, len(signed) - 1))
    changed = signed[:at] + data.draw(st.characters().filter(lambda mark: mark != signed[at])) + signed[at + 1 :]

    assert KEYS.verify_text("preview", changed, 0) is None


@pytest.mark.parametrize("signed", ["", ".", "..", "x.y.z", "9.é.", "1e5.YQ." + "0" * 32, "\0", "9" * 5000 + ".a.b", "99.YQ", "٣.YQ.00"])
def test_malformed_text_is_forged_and_no_error(signed: str) -> None:
    assert KEYS.verify_text("preview", signed, 0) is None


@given(text=st.text(max_size=120))
@settings(max_examples=100)
def test_any_text_is_forged_and_no_error(text: str) -> None:
    assert KEYS.verify_text("preview", text, 0) is None


def test_a_return_path_gives_its_token_back_whatever_a_mail_server_made_of_it() -> None:
    token = KEYS.make("mfrom", 12, 34)
    address = mfrom_address(token, "bounces.example.com")

    assert len(address.partition("@")[0]) <= 64
    for spelled in (address, address.upper(), f"<{address}>", f"  {address}\r\n"):
        assert KEYS.read("mfrom", read_mfrom(spelled) or "") == LedgerId(12, 34)


@pytest.mark.parametrize("address", ["", "b+@x", "b+abc@x.test", "news@example.com", "b+" + "a" * 31, "b+" + "1" * 31 + "@x.test", "b+" + "a" * 31 + "@x y"])
def test_any_other_address_is_no_return_path(address: str) -> None:
    assert read_mfrom(address) is None
