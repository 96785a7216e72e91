"""Whom mail to the addresses for leaving and for complaints is taken for: by their settings, whatever their domain."""

from __future__ import annotations

import pytest

from app.inbound.policy import Known, judge
from app.mail.tokens import LedgerId
from tests.unit.inbound.conftest import KEYS

OURS = Known(tokens=KEYS, domains=frozenset({"relay.test"}), complaints=frozenset({"fbl@loops.test", "both+in@relay.test"}),
             unsubscribe=frozenset({"leave@out.test", "news+leave@out.test"}))
LEAVING, BOUNCING = KEYS.make("unsubscribe", 7, 9), KEYS.make("mfrom", 7, 9)


@pytest.mark.parametrize(("address", "kind", "about"), [
    ("leave@out.test", "unsubscribe", None), ("LEAVE@Out.Test", "unsubscribe", None), ("news+leave@out.test", "unsubscribe", None),
    (f"leave+{LEAVING}@out.test", "unsubscribe", LedgerId(7, 9)), (f"Leave+{LEAVING.upper()}@out.test", "unsubscribe", LedgerId(7, 9)),
    (f"leave+{BOUNCING}@out.test", "refused", None), (f"leave+{'a' * 31}@out.test", "refused", None), ("leave+@out.test", "refused", None),
    ("leave+please@out.test", "refused", None), ("news+else@out.test", "refused", None), ("abuse@out.test", "refused", None),
    (f"u+{LEAVING}@relay.test", "unsubscribe", LedgerId(7, 9)), (f"u+{LEAVING}@out.test", "refused", None),
    ("fbl@loops.test", "complaints", None), ("FBL+jmrp@loops.test", "complaints", None), ("both+in@relay.test", "complaints", None),
    ("leave@relay.test", "refused", None), (f"leave@out.test+{LEAVING}@other.test", "refused", None)])
def test_an_address_is_what_the_settings_make_of_it(address: str, kind: str, about: LedgerId | None) -> None:
    verdict = judge(address, OURS)
    assert (verdict.kind, verdict.about) == (kind, about)
