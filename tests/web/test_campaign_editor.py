"""Writing a campaign: what is typed is kept, what cannot be sent is said beside it, and nothing typed gets into another place."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import Client

from app.audience.models import CustomField
from app.campaigns.models import Campaign
from app.delivery.models import Sending
from app.whole import Whole
from tests.factories import sending as factory
from tests.factories.customers import Customer, looking, words
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

HTML = '<p>Hello %Subscriber:FirstName|friend%</p><a href="https://shop.example/">Shop</a> <a href="%Link:Unsubscribe%">leave</a>'


class Editor:
    """A customer with a list, and a campaign in the editor."""

    def __init__(self, app: Flask, paul: Customer) -> None:
        self.app, self.paul = app, paul
        with looking(app) as session:
            user = session.merge(paul.user)
            readers = factory.make_list(session, user, "Readers", ["anna@example.org", "bo@example.org"])
            session.add(CustomField(user_id=user.id, name="Favourite colour", alias="Colour", kind="text"))
            session.commit()
            self.list_id = readers.id
        self.url = paul.lands("/user/campaigns/new", {"name": "January"}).removesuffix("/edit")

    def values(self, **typed: object) -> dict[str, object]:
        """What the form holds, with what is typed."""
        return {"name": "January", "list_ids": [str(self.list_id)], "from_name": "Example", "from_email": "news@example.com", "reply_to": "",
                "subject": "Hi %Subscriber:FirstName%", "preheader": "", "html": HTML, "plain": "", "plain_is_derived": "y", "track_opens": "y",
                "track_links": "y", "channel": "smtp", "time_zone": "UTC", "revision": str(self.stored.revision), "then": "stay"} | typed

    def save(self, status: int = 200, **typed: object) -> str:
        """Save, and return what the page says."""
        return self.paul.post(self.url + "/edit", self.values(**typed), status)

    @property
    def stored(self) -> Campaign:
        """The campaign as it is stored."""
        with looking(self.app) as session:
            found = session.scalars(sa.select(Campaign).where(Campaign.id == int(self.url.rsplit("/", 1)[1]))).one()
            found.lists  # noqa: B018 - loaded while the session is open
            return found


@pytest.fixture
def editor(app: Flask, paul: Customer) -> Editor:
    """A campaign that has a name and nothing else."""
    return Editor(app, paul)


def test_what_is_typed_is_there_again(editor: Editor) -> None:
    editor.save(preheader="News & more", reply_to="answers@example.com")
    found = editor.stored
    assert (found.subject, found.preheader, found.reply_to, found.html) == ("Hi %Subscriber:FirstName%", "News & more", "answers@example.com", HTML)
    assert [one.id for one in found.lists] == [editor.list_id]
    page = editor.paul.go(editor.url + "/edit")
    assert "News &amp; more" in page
    assert "answers@example.com" in page


def test_the_plain_text_follows_the_html_until_it_is_the_authors(editor: Editor) -> None:
    editor.save()
    derived = editor.stored.plain
    assert "Hello %Subscriber:FirstName|friend%" in derived
    assert "%Link:Unsubscribe%" in derived
    assert "<p>" not in derived

    editor.save(plain_is_derived="", plain="My own %Link:Unsubscribe%")
    editor.save(plain_is_derived="", plain="My own %Link:Unsubscribe%", html=HTML + "<p>More</p>")
    assert editor.stored.plain == "My own %Link:Unsubscribe%"


@pytest.mark.parametrize(("typed", "problem"), [
    ({"name": ""}, "Give the campaign a name"), ({"from_email": "nonsense"}, "whole address"), ({"reply_to": "a b@example.com"}, "address"),
    ({"subject": "x" * 501}, "500"), ({"list_ids": ["99999"]}, "valid choice"), ({"channel": "pigeon"}, "valid choice"),
    ({"time_zone": "Mars/Olympus"}, "valid choice")])
def test_what_cannot_be_saved_is_said_and_nothing_is_half_saved(editor: Editor, typed: dict[str, object], problem: str) -> None:
    before = editor.stored.revision
    page = editor.save(422, **{"preheader": "still typed"} | typed)
    assert problem in words(page)
    assert "still typed" in page
    assert (editor.stored.revision, editor.stored.preheader) == (before, "")


def test_another_customers_list_cannot_be_chosen(app: Flask, editor: Editor, eve: Customer) -> None:
    with looking(app) as session:
        theirs = factory.make_list(session, session.merge(eve.user), "Secret readers", ["x@example.org"])
        session.commit()
    page = editor.save(422, list_ids=[str(editor.list_id), str(theirs.id)])
    assert "Secret" not in page
    assert eve.go(editor.url + "/edit", 404)


def test_two_authors_do_not_write_over_each_other(editor: Editor) -> None:
    opened = editor.values(subject="Mine")
    editor.save(subject="Theirs")
    page = editor.paul.post(editor.url + "/edit", opened, 409)
    assert "Theirs" in page
    assert "Mine" in page
    assert editor.stored.subject == "Theirs"


def test_the_picker_offers_the_tags_of_ones_own_fields(editor: Editor) -> None:
    page = editor.paul.go(editor.url + "/edit")
    for tag in ("%Subscriber:FirstName%", "%Subscriber:Colour%", "%Link:Unsubscribe%"):
        assert f'data-insert="{tag}"' in page
    assert "Favourite colour" in page


@pytest.mark.parametrize(("typed", "problem"), [
    ({"subject": ""}, "There is no subject"), ({"from_email": ""}, "The From address is missing"), ({"list_ids": []}, "No list is chosen"),
    ({"html": "<p>Hello</p>"}, "has no way out"), ({"html": "", "plain_is_derived": ""}, "says nothing yet")])
def test_a_draft_may_be_unfinished_but_does_not_go(editor: Editor, typed: dict[str, object], problem: str) -> None:
    editor.save(**typed)
    assert problem in words(editor.paul.go(editor.url + "/send"))
    assert problem in words(editor.paul.post(editor.url + "/send", {"time_zone": "UTC"}, 422))
    assert editor.stored.state == "draft"


def test_a_preview_shows_one_subscriber_and_runs_nothing(app: Flask, editor: Editor) -> None:
    with looking(app) as session:
        session.execute(sa.text("UPDATE subscribers SET first_name='<script>1</script>' WHERE email='anna@example.org'"))
        session.commit()
    editor.save()
    frame = re.search(r'<iframe[^>]*src="([^"]+)"', editor.paul.go(editor.url + "/preview"))
    assert frame is not None
    shown = Client(Whole(app), use_cookies=False).get(frame[1])
    assert shown.status_code == 200
    assert "Hello &lt;script&gt;1&lt;/script&gt;" in shown.text
    assert shown.headers["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize("trick", ["Hi\r\nBcc: victim@example.org", "Hi\nX-Evil: 1", "=?utf-8?q?Hi?=\r\n =?utf-8?b?DQpCY2M6IHZAZS5vcmc=?=",
                                   "=?utf-8?q?a=0D=0ABcc:_v=40e.org?="])
def test_a_subject_never_becomes_another_header(app: Flask, editor: Editor, sink: Sink, trick: str) -> None:  # noqa: F811
    status = editor.paul.client.post(editor.url + "/edit", data=editor.values(subject=trick, from_name=trick)).status_code
    assert status in {200, 302, 422}
    if status == 422:
        return
    mail = _tested(app, editor, sink)
    assert "Bcc" not in mail
    assert "X-Evil" not in mail
    assert sink.copies().keys() == {"me@example.org"}


def _tested(app: Flask, editor: Editor, sink: Sink) -> object:  # noqa: F811
    house = app.extensions["lettermill"]
    with looking(app) as session:
        factory.make_server(session, sink.port)
        session.commit()
    editor.paul.post(editor.url + "/test", {"addresses": "me@example.org"})
    with looking(app) as session:
        number = session.scalars(sa.select(Sending.id).where(Sending.kind == "test")).one()
    factory.freeze_whole(house, number)
    factory.send_whole(house, number)
    return message_from_bytes(sink.taken[0].data, policy=policy.default)


def test_a_test_looks_like_the_mail_and_is_counted_nowhere(app: Flask, editor: Editor, sink: Sink) -> None:  # noqa: F811
    editor.save()
    mail = _tested(app, editor, sink)
    assert str(mail["Subject"]) == "[Test] Hi Anna"  # type: ignore[index]
    assert (editor.stored.state, sink.copies()["me@example.org"]) == ("draft", 1)
    assert "0 sent" not in editor.paul.go("/user/campaigns/")


@pytest.mark.parametrize(("addresses", "problem"), [
    ("", "Type one address"), ("nonsense", "address"), (",".join(f"p{n}@example.org" for n in range(11)), "10")])
def test_a_test_needs_addresses(editor: Editor, addresses: str, problem: str) -> None:
    editor.save()
    assert problem in words(editor.paul.post(editor.url + "/test", {"addresses": addresses}, 422))
