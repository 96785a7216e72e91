"""What came back, as administrators see it: numbers that lead to events, events to mails, and mails that are read again."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.db import writing
from app.inbound.models import Forward, InboundEvent, InboundMail
from app.inbound.read import Reading, read
from app.mail.reasons import Rules
from app.reports import inbound_events, inbound_rules
from app.settings.models import AuditEntry
from tests.factories import came_back as factory
from tests.factories.customers import looking, words
from tests.factories.returned import FULL, SPAM, Returned
from tests.factories.sending import make_user
from tests.factories.signing_in import browser_of, make_administrator
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

ADA, BEN, CY, DEE = PEOPLE = ["ada@one.example", "ben@one.example", "cy@two.example", "dee@two.example"]
both = pytest.mark.databases("sqlite", "mariadb")


class Desk:
    """An administrator's browser."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.browser: FlaskClient = browser_of(app, make_administrator(app))

    def go(self, path: str = "", status: int = 200) -> str:
        """Open a page below Inbound, or a whole address; return it."""
        answer = self.browser.get(path if path.startswith("/") else f"/admin/inbound/{path}", follow_redirects=True)
        assert answer.status_code == status, answer.text[:500]
        return answer.text

    def post(self, path: str, status: int = 200, **data: object) -> str:
        """Send a form; return the page behind it."""
        answer = self.browser.post(f"/admin/inbound/{path}", data=data, follow_redirects=True)
        assert answer.status_code == status, words(answer.text)[-800:]
        return answer.text

    def acts(self) -> list[str]:
        """Return what the audit has of it, oldest first."""
        with looking(self.app) as session:
            return list(session.scalars(sa.select(AuditEntry.act).where(AuditEntry.act.startswith("inbound")).order_by(AuditEntry.id)))


def said(page: str) -> str:
    """Return what a page says, with its signs."""
    return html.unescape(words(page)).replace("\N{NO-BREAK SPACE}", " ")


def rows(page: str, title: str) -> dict[str, list[str]]:
    """Return a table's rows: the numbers by the row's name."""
    table = re.search(rf'<table[^>]*aria-label="{title}".*?</table>', page, re.S)
    assert table, f"no table {title}"
    return {said(cells[0]).strip(): [said(cell).strip() for cell in cells[1:]] for row in re.findall(r"<tr>(.*?)</tr>", table[0], re.S)
            if (cells := re.findall(r"<td[^>]*>(.*?)</td>", row, re.S))}


def leads(page: str, name: str) -> str:
    """Return where the link of that name leads."""
    return html.unescape(next(url for url, text in re.findall(r'<a [^>]*href="([^"]+)"[^>]*>(.*?)</a>', page, re.S) if said(text).strip() == name))


@pytest.fixture
def desk(app: Flask) -> Desk:
    """An administrator."""
    return Desk(app)


@pytest.fixture
def back(app: Flask, sink: Sink) -> Returned:  # noqa: F811
    """A campaign of which one address is gone, one is full, and one reader complained."""
    with app.app_context():
        came = Returned(app, sink, PEOPLE)
        came.bounced(ADA)
        came.bounced(BEN, FULL)
        came.bounced(DEE, SPAM)
        came.arrive(came.mfrom(CY), came.complaint(CY))
    return came


@both
def test_what_came_back_is_counted_by_reason_campaign_and_domain_and_each_number_leads_to_its_events(back: Returned, desk: Desk) -> None:
    report = desk.go()

    assert rows(report, "By reason") == {"No such mailbox": ["1", "25 %"], "Mailbox full": ["1", "25 %"], "Taken for spam": ["1", "25 %"],
                                         "Marked as spam": ["1", "25 %"]}
    assert rows(report, "By domain") == {"one.example": ["1", "1", "0", "0", "2", "50 %"], "two.example": ["0", "0", "1", "1", "2", "50 %"]}
    assert list(rows(report, "By campaign").values()) == [["1", "1", "1", "1", "4", "100 %"]]
    assert rows(report, "By delivery server") == {f"sink {back.sink.port}": ["1", "1", "1", "1", "4", "100 %"]}
    for name, people in (("No such mailbox", {ADA}), ("Marked as spam", {CY}), ("one.example", {ADA, BEN}), ("two.example", {CY, DEE}),
                         (f"sink {back.sink.port}", set(PEOPLE))):
        events = desk.go(leads(report, name))
        assert {address for address in PEOPLE if address in said(events)} == people, name


@both
def test_a_number_of_long_ago_stands_in_the_longer_range_only(app: Flask, desk: Desk) -> None:
    with looking(app) as session:
        user = make_user(session, "paul")
        for back, number in ((0, 1), (10, 20), (60, 300)):
            factory.count(session, user.id, "hard", number, back=back, domain="x.example")
        session.commit()

    for days, number in ((7, "1"), (30, "21"), (90, "321")):
        assert rows(desk.go(f"?days={days}"), "By domain")["x.example"][0] == number
    assert rows(desk.go("?days=12345"), "By domain")["x.example"][0] == "21"


@both
def test_of_many_domains_the_twenty_with_most_are_shown(app: Flask, desk: Desk) -> None:
    with looking(app) as session:
        user = make_user(session, "paul")
        for number in range(1, 26):
            factory.count(session, user.id, "soft", number, domain=f"d{number}.example")
        session.commit()

    assert list(rows(desk.go(), "By domain")) == [f"d{number}.example" for number in range(25, 5, -1)]


def test_the_report_reads_counts_and_never_an_event(back: Returned, desk: Desk) -> None:
    with _statements(back) as seen:
        desk.go()
    assert any("inbound_counts" in one for one in seen)
    assert not [one for one in seen if "inbound_events" in one]


@contextmanager
def _statements(back: Returned) -> Iterator[list[str]]:
    seen: list[str] = []
    engine = back.house.engine
    sa.event.listen(engine, "before_cursor_execute", listener := lambda _c, _cu, statement, *_rest: seen.append(statement))
    yield seen
    sa.event.remove(engine, "before_cursor_execute", listener)


def test_a_house_that_heard_nothing_says_what_to_do(desk: Desk) -> None:
    for page in ("", "mails"):
        text = said(desk.go(page))
        assert "Publish an MX record" in text
        assert "catch-all domain" in text
        assert "POP3 or IMAP" in text
    assert "No mail waits for you" in said(desk.go("unprocessed"))
    assert "need an MX record that leads here" in said(desk.go("/admin/"))


def test_the_checklist_turns_green_with_the_first_mail_that_came_in(back: Returned, desk: Desk) -> None:
    assert "A mail that came back found its way here." in said(desk.go("/admin/"))


# ----------------------------------------------------------------------------------------------------------------- mails


@both
def test_a_mails_page_says_what_was_read_matched_and_decided_and_whose_it_is(back: Returned, desk: Desk) -> None:
    page = said(desk.go(leads(desk.go("events?what=hard"), ADA)))

    for sentence in ("Hard bounce", "No such mailbox", "Suppressed: the address gets no more mail", "By the return path that it came to", "5.1.1", "user.plain",
                     f"550 5.1.1 <{ADA}>: Recipient address rejected: User unknown", "Example Ltd", "our own server (SMTP)"):
        assert sentence in page, sentence


def test_a_mail_is_shown_as_text_and_given_as_the_file_that_came(back: Returned, desk: Desk) -> None:
    raw = back.bounce(BEN, FULL).replace(b"I'm sorry", b"<script>alert(1)</script>\x00 I'm sorry")
    mail = back.arrive(back.mfrom(BEN), raw)

    page = desk.go(f"mails/{mail.id}?as=source")
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "Mailer-Daemon@Mx.Example.Net".lower() in desk.go(f"mails/{mail.id}?as=headers").lower()
    file = desk.browser.get(f"/admin/inbound/mails/{mail.id}/source")
    assert file.data == raw
    assert file.mimetype == "message/rfc822"
    assert file.headers["Content-Disposition"] == f'attachment; filename="mail-{mail.id}.eml"'


def test_a_mail_whose_bytes_are_gone_says_so_and_cannot_be_read_again(app: Flask, desk: Desk) -> None:
    with looking(app) as session:
        mail = factory.make_mail(session, factory.bounce("x@x.example"), with_source=False, state="unprocessed", problem="nobody").id
        session.commit()

    page = desk.go(f"mails/{mail}")
    assert "The raw mail is gone" in page
    assert "Read again" not in page
    desk.go(f"mails/{mail}/source", status=404)
    assert "None could be read again" in desk.post("read-again", mail=mail)


@both
def test_mails_are_found_by_kind_state_and_the_whole_address(app: Flask, desk: Desk, back: Returned) -> None:
    with looking(app) as session:
        factory.make_mail(session, factory.bounce("lost@x.example"), state="unprocessed", problem="nobody", subject="Lost one",
                          sender="Postmaster <pm@x.example>")
        session.commit()

    assert subjects(desk, "mails?kind=complaint") == {"FW: mail"}
    assert subjects(desk, "mails?state=unprocessed") == {"Lost one"}
    assert subjects(desk, f"mails?q={CY}") == {"FW: mail"}
    assert subjects(desk, f"mails?q={CY.upper()}") == {"FW: mail"}
    assert subjects(desk, "mails?q=pm@x.example") == {"Lost one"}
    for part in ("two.example", "cy", "pm@x", "no address"):
        assert subjects(desk, f"mails?q={part}") == set(), part
    assert "No such mail" in desk.go("mails?q=cy")


def subjects(desk: Desk, path: str) -> set[str]:
    """Return the subjects that a list shows."""
    return {said(text) for text in re.findall(r'<a class="lm-name[^"]*" href="/admin/inbound/mails/\d+">(.*?)</a>', desk.go(path))}


def test_the_list_of_mails_is_paged_by_number(app: Flask, desk: Desk) -> None:
    with looking(app) as session:
        for number in range(53):
            factory.make_mail(session, factory.bounce(f"p{number}@x.example"), subject=f"Mail {number}")
        session.commit()

    first = desk.go("mails")
    assert "Mail 52" in first
    assert "Mail 2<" not in first
    later = desk.go(leads(first, "Older"))
    assert {f"Mail {number}" for number in range(3)} <= set(re.findall(r"Mail \d+", later))
    assert "Mail 3<" not in later


def test_what_is_rare_is_looked_for_a_bounded_way_back_each_time(app: Flask, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbound_events, "LOOKS", 5)
    with looking(app) as session:
        user = make_user(session, "paul")
        factory.make_event(session, user.id, "rare@x.example", reason="too_large", bounce_class="block")
        for number in range(12):
            factory.make_event(session, user.id, f"p{number}@x.example")
        session.commit()

    page, looks = desk.go("events?reason=too_large"), 1
    while "rare@x.example" not in page:
        assert "None so far" in page
        page, looks = desk.go(leads(page, "Look further back")), looks + 1
    assert looks == 3
    assert "rare@x.example" in desk.go("events?q=rare@x.example"), "an address is found by its index, however far back"


# ------------------------------------------------------------------------------------------------------------ read again


def test_unprocessed_mails_have_a_tab_with_their_number_and_are_read_again_when_chosen(app: Flask, desk: Desk) -> None:
    with looking(app) as session:
        ids = [factory.make_mail(session, factory.bounce(f"p{number}@x.example"), state="unprocessed", problem="nobody").id for number in range(3)]
        session.commit()
    assert re.search(r'Unprocessed<span class="lm-count lm-tone-bad">3</span>', desk.go())
    assert "3 mails that came in are unprocessed" in desk.go("/admin/")

    assert "1 mail is read again" in desk.post("read-again", mail=ids[1])
    assert states(app) == {ids[0]: "unprocessed", ids[1]: "waiting", ids[2]: "unprocessed"}
    assert "No mail is chosen" in desk.post("read-again")
    assert "2 mails are read again" in desk.post("read-again", all="1")
    assert set(states(app).values()) == {"waiting"}
    assert desk.acts() == ["inbound_mails.read_again"] * 2


def states(app: Flask) -> dict[int, str]:
    """Return the state of each mail."""
    with looking(app) as session:
        return {row.id: row.state for row in session.execute(sa.select(InboundMail.id, InboundMail.state))}


def test_a_mail_that_is_read_again_leads_back_to_its_page_and_says_that_it_waits(back: Returned, desk: Desk) -> None:
    mail = back.one(InboundMail, kind="complaint").id  # type: ignore[attr-defined]
    page = desk.post("read-again", mail=mail, back=mail)
    assert "1 mail is read again" in page
    assert "Waiting" in page
    back.read()
    assert "Read" in said(desk.go(f"mails/{mail}"))
    assert len(back.events()) == 4, "a complaint is one person's word, and is not said twice"


# ----------------------------------------------------------------------------------------------------------------- rules


SOFT = {"pattern": "address rejected: * unknown", "reason": "mailbox_inactive", "bounce_class": "soft", "priority": "0", "note": "seen at one.example"}


@both
def test_a_rule_is_tried_without_changing_anything_then_saved_then_applied_to_what_is_kept(back: Returned, desk: Desk) -> None:
    before = (back.decisions(), back.suppressed(), desk.acts())
    trial = desk.post("rules/", **SOFT, **{"try": "1"})
    assert "1 recipient would be judged otherwise" in said(trial)
    assert rows(trial, "What would change")[ADA][:2] == ["No such mailbox Hard · user.plain", "Mailbox switched off Soft · added:new"]
    assert (back.decisions(), back.suppressed(), desk.acts()) == before
    assert "None yet" in desk.go("rules/")

    saved = desk.post("rules/", **SOFT)
    assert "Read this 1 mail again" in said(saved)
    assert (back.decisions(), back.suppressed()) == before[:2]
    assert "1 mail is read again" in desk.post("rules/apply")
    back.read()
    assert ("bounce", "soft", "return_path", "counted") in back.decisions()
    assert ADA not in back.suppressed()
    assert back.bounce_states()[ADA] != "hard"
    assert rows(desk.go(), "By reason").keys() == {"Mailbox switched off", "Mailbox full", "Taken for spam", "Marked as spam"}
    assert "Nothing would change" in desk.go("rules/trial")
    assert desk.acts() == ["inbound_rule.added", "inbound_mails.read_again"]


def test_nobody_waits_for_a_rule_that_is_tried(back: Returned, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_while_another_writes(raw: bytes, rules: Rules) -> Reading:
        with writing(back.house.engine) as connection:
            connection.execute(sa.update(AuditEntry).values(subject="somebody writes"))
        return read(raw, rules)

    monkeypatch.setattr(inbound_rules, "read", read_while_another_writes)
    assert "1 recipient would be judged otherwise" in said(desk.post("rules/", **SOFT, **{"try": "1"}))


def test_an_added_rule_decides_the_next_mail_until_it_is_off_or_gone(back: Returned, desk: Desk) -> None:
    desk.post("rules/", **SOFT | {"pattern": "spoons are *", "reason": "policy", "bounce_class": "block"})
    odd = "550 5.1.1 <{address}>: Our Spoons are out"
    assert judged(back, odd) == "policy"
    desk.post("rules/1/switch", to="off")
    assert judged(back, odd + " now") == "invalid_recipient"
    desk.post("rules/1/switch", to="on")
    assert judged(back, odd + " again") == "policy"
    desk.post("rules/1", **SOFT | {"pattern": "spoons are *", "reason": "too_large", "bounce_class": "block"})
    assert judged(back, odd + " today") == "too_large"
    assert "The rule is gone" in desk.post("rules/1/remove")
    assert judged(back, odd + " still") == "invalid_recipient"
    assert desk.acts() == [f"inbound_rule.{what}" for what in ("added", "disabled", "enabled", "changed", "removed")]


def judged(back: Returned, says: str) -> str:
    """Return the reason that the next bounce is counted under."""
    mail = back.bounced(BEN, says)
    return str(back.one(InboundEvent, mail_id=mail.id).reason)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("wrong", "says"), [({"pattern": ""}, "Type a part of what mail servers say"), ({"pattern": " * "}, "matches everything"),
                                             ({"pattern": "x" * 201}, "200 characters or fewer"), ({"priority": "5000"}, "from -1000 to 1000"),
                                             ({"priority": "soon"}, "Not a valid integer"), ({"reason": "weather"}, "Not a valid choice"),
                                             ({"bounce_class": "harsh"}, "Not a valid choice")])
def test_a_rule_that_is_wrong_is_not_saved_and_what_was_typed_stays(desk: Desk, wrong: dict[str, str], says: str) -> None:
    page = desk.post("rules/", status=422, **SOFT | wrong)
    assert says in said(page)
    assert "seen at one.example" in page
    assert "None yet" in desk.go("rules/")


def test_shipped_rules_are_found_by_any_of_their_words(desk: Desk) -> None:
    page = said(desk.go("rules/?q=greylist"))
    assert "Greylisted, see postgrey" in page
    assert "list.too-many-invalid" not in page
    assert "nothing" in said(desk.go("rules/?all=1"))
    assert "No shipped rule holds these words" in desk.go("rules/?q=zzzz")


# --------------------------------------------------------------------------------------------------------------- sent on


@pytest.mark.parametrize(("act", "state", "says"), [("release", "waiting", "It is on its way to office@house.test"),
                                                    ("drop", "dropped", "The mail stays here")])
def test_a_mail_that_is_held_on_its_way_is_let_go_or_dropped(app: Flask, desk: Desk, act: str, state: str, says: str) -> None:
    with looking(app) as session:
        number = factory.house_came_back(session, "x")["forward_id"]
        session.commit()
    for page in (desk.go("unprocessed"), desk.go("mails/1")):
        assert "Held" in page
        assert "More than 100 an hour." in page

    assert says in said(desk.post(f"forwards/{number}/{act}"))
    with looking(app) as session:
        assert session.get_one(Forward, number).state == state
    assert "office@house.test" not in desk.go("unprocessed")
    assert "settled meanwhile" in desk.post(f"forwards/{number}/{act}")
    assert desk.acts() == [f"inbound_forward.{act}{'d' if act == 'release' else 'ped'}"]
