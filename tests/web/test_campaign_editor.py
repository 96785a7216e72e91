"""Writing a campaign: what is typed is kept, what cannot be sent is said beside it, and nothing typed gets into another place."""

from __future__ import annotations

import re
from email import message_from_bytes, policy

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.test import Client, TestResponse

from app.audience.models import CustomField
from app.campaigns.models import Campaign
from app.delivery.models import Sending
from app.whole import Whole
from tests.factories import sending as factory
from tests.factories.customers import Customer, looking, words
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

HTML = '<p>Hello %Subscriber:FirstName|friend%</p><a href="https://shop.example/">Shop</a> <a href="%Link:Unsubscribe%">leave</a>'


STEP_OF = {"name": "recipients", "list_ids": "recipients", "from_name": "recipients", "from_email": "recipients", "reply_to": "recipients",
           "channel": "delivery", "time_zone": "delivery", "track_opens": "delivery", "track_links": "delivery"}
PATHS = {"recipients": "/edit/recipients", "edit": "/edit", "delivery": "/edit/delivery"}


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
        self.url = paul.lands("/user/campaigns/new", {"name": "January"}).removesuffix("/edit/recipients")

    def values(self, step: str, **typed: object) -> dict[str, object]:
        """What the form of a step holds, with what is typed."""
        steps: dict[str, dict[str, object]] = {
            "recipients": {"name": "January", "list_ids": [str(self.list_id)], "from_name": "Example", "from_email": "news@example.com", "reply_to": ""},
            "edit": {"subject": "Hi %Subscriber:FirstName%", "preheader": "", "html": HTML, "plain": "", "plain_is_derived": "y"},
            "delivery": {"track_opens": "y", "track_links": "y", "channel": "smtp", "time_zone": "UTC"}}
        mine = {name: typed[name] for name in typed if STEP_OF.get(name, "edit") == step}
        return steps[step] | {"revision": str(self.stored.revision), "then": "stay"} | mine

    def save(self, status: int = 200, **typed: object) -> str:
        """Save every step, and return what the last page says: the one that refuses, where one is to."""
        page = ""
        for step in ("recipients", "edit", "delivery"):
            is_refused = status != 200 and any(STEP_OF.get(name, "edit") == step for name in typed)
            page = self.save_step(step, status if is_refused else 200, **typed)
            if is_refused:
                break
        return page

    def save_step(self, step: str, status: int = 200, **typed: object) -> str:
        """Save one step."""
        return self.paul.post(self.url + PATHS[step], self.values(step, **typed), status)

    def save_itself(self, step: str, status: int = 200, **typed: object) -> str:
        """Save one step as its page does of its own accord, and return what comes back."""
        answer = self.paul.client.post(self.url + PATHS[step], data=self.values(step, **typed), headers={"HX-Request": "true"})
        assert answer.status_code == status, answer.text[:500]
        return answer.text

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
    assert "News &amp; more" in editor.paul.go(editor.url + "/edit")
    assert "answers@example.com" in editor.paul.go(editor.url + "/edit/recipients")


def test_a_step_saves_its_own_fields_and_leaves_the_others_alone(editor: Editor) -> None:
    editor.save(reply_to="answers@example.com", track_opens="")
    before = editor.stored
    editor.save_step("edit", subject="Another", name="Taken for nothing", track_opens="y")
    after = editor.stored
    assert (after.subject, after.revision) == ("Another", before.revision + 1)
    assert (after.name, after.reply_to, after.track_opens, [one.id for one in after.lists]) == ("January", "answers@example.com", False, [editor.list_id])
    editor.save_step("recipients", name="February")
    assert (editor.stored.name, editor.stored.html, editor.stored.plain) == ("February", after.html, after.plain)


def test_continue_saves_and_leads_to_the_next_step(editor: Editor) -> None:
    for step, following in (("recipients", "/edit"), ("edit", "/edit/delivery"), ("delivery", "/send")):
        values = editor.values(step)
        values["then"] = "next"
        assert editor.paul.lands(editor.url + PATHS[step], values) == editor.url + following
    assert editor.stored.subject == "Hi %Subscriber:FirstName%"


def _steps(page: str) -> list[str]:
    """How the head draws each step: done, now or next."""
    return re.findall(r'lm-step-mark lm-step-(\w+)', page)


def test_a_step_is_done_when_nothing_is_to_fix_in_it_and_before_it(editor: Editor) -> None:
    assert _steps(editor.paul.go(editor.url + "/send")) == ["next", "next", "next", "now"]
    editor.save_step("edit")
    assert _steps(editor.paul.go(editor.url + "/send")) == ["next", "next", "next", "now"]
    editor.save_step("recipients")
    assert _steps(editor.paul.go(editor.url + "/send")) == ["done", "done", "done", "now"]
    assert _steps(editor.paul.go(editor.url + "/edit")) == ["done", "now", "done", "next"]
    editor.save_step("edit", subject="")
    assert _steps(editor.paul.go(editor.url + "/edit/recipients")) == ["now", "next", "next", "next"]


def test_a_page_that_saves_itself_gets_what_changed_and_not_its_fields(editor: Editor) -> None:
    editor.save()
    answer = editor.save_itself("edit", html="<p>Hello</p>")
    assert f'name="revision" id="revision" value="{editor.stored.revision}"' in answer
    assert f"version {editor.stored.revision}" in words(answer)
    assert "The HTML has no way out" in answer
    assert 'name="html"' not in answer
    assert 'name="subject"' not in answer


def test_what_a_page_that_saves_itself_got_wrong_comes_back_for_its_field(editor: Editor) -> None:
    before = editor.stored.revision
    answer = editor.save_itself("edit", 422, subject="x" * 501)
    assert 'data-error-of="subject"' in answer
    assert "data-kept" not in answer
    assert editor.stored.revision == before
    assert 'data-error-of="from_email"' in editor.save_itself("recipients", 422, from_email="nonsense")


def test_a_page_that_saves_itself_is_told_of_another_author(editor: Editor) -> None:
    opened = editor.values("edit", subject="Mine")
    editor.save_step("edit", subject="Theirs")
    answer = editor.paul.client.post(editor.url + "/edit", data=opened, headers={"HX-Request": "true"})
    assert answer.status_code == 409
    assert "Theirs" in answer.text
    assert "data-kept" not in answer.text
    assert editor.stored.subject == "Theirs"


def test_the_plain_text_follows_the_html_until_it_is_the_authors(editor: Editor) -> None:
    editor.save()
    derived = editor.stored.plain
    assert "Hello %Subscriber:FirstName|friend%" in derived
    assert "%Link:Unsubscribe%" in derived
    assert "<p>" not in derived

    editor.save(plain_is_derived="", plain="My own %Link:Unsubscribe%")
    editor.save_step("delivery")
    editor.save(plain_is_derived="", plain="My own %Link:Unsubscribe%", html=HTML + "<p>More</p>")
    assert editor.stored.plain == "My own %Link:Unsubscribe%"


@pytest.mark.parametrize(("typed", "problem"), [
    ({"name": ""}, "Give the campaign a name"), ({"from_email": "nonsense"}, "whole address"), ({"reply_to": "a b@example.com"}, "address"),
    ({"subject": "x" * 501}, "500"), ({"list_ids": ["99999"]}, "valid choice"), ({"channel": "pigeon"}, "valid choice"),
    ({"time_zone": "Mars/Olympus"}, "valid choice")])
def test_what_cannot_be_saved_is_said_and_nothing_is_half_saved(editor: Editor, typed: dict[str, object], problem: str) -> None:
    step = STEP_OF.get(next(iter(typed)), "edit")
    other = {"recipients": "from_name", "edit": "preheader"}.get(step, "")
    before = editor.stored
    page = editor.save_step(step, 422, **({other: "still typed"} if other else {}) | typed)
    assert problem in words(page)
    assert not other or "still typed" in page
    assert (editor.stored.revision, editor.stored.preheader, editor.stored.from_name) == (before.revision, before.preheader, before.from_name)


def test_another_customers_list_cannot_be_chosen(app: Flask, editor: Editor, eve: Customer) -> None:
    with looking(app) as session:
        theirs = factory.make_list(session, session.merge(eve.user), "Secret readers", ["x@example.org"])
        session.commit()
    page = editor.save(422, list_ids=[str(editor.list_id), str(theirs.id)])
    assert "Secret" not in page
    for step in ("recipients", "edit", "delivery"):
        assert eve.go(editor.url + PATHS[step], 404)


def test_two_authors_do_not_write_over_each_other(editor: Editor) -> None:
    opened = editor.values("edit", subject="Mine")
    editor.save(subject="Theirs")
    page = editor.paul.post(editor.url + "/edit", opened, 409)
    assert "Theirs" in page
    assert 'value="Mine"' in page
    assert editor.stored.subject == "Theirs"
    found = re.search(r'name="revision" id="revision" value="(\d+)"', page)
    assert found is not None
    editor.paul.post(editor.url + "/edit", opened | {"revision": found[1]})
    assert editor.stored.subject == "Mine"


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
    shown = _framed(app, editor.paul.go(editor.url + "/preview"))
    assert "Hello &lt;script&gt;1&lt;/script&gt;" in shown.text
    assert shown.headers["Content-Security-Policy"].startswith("sandbox")


def _framed(app: Flask, page: str) -> TestResponse:
    """What stands in the frame of a page's preview, as anybody with its address gets it."""
    frame = re.search(r'<iframe[^>]*src="([^"]+)"', page)
    assert frame is not None
    shown = Client(Whole(app), use_cookies=False).get(frame[1])
    assert shown.status_code == 200
    return shown


def test_a_preview_without_images_may_load_none_and_one_in_the_dark_is_dark(app: Flask, editor: Editor) -> None:
    editor.save()
    plain, bare, dark = (_framed(app, editor.paul.go(f"{editor.url}/preview?{look}")) for look in ("", "images=off", "colours=dark&width=phone"))
    assert "img-src http:" in plain.headers["Content-Security-Policy"]
    assert "img-src" not in bare.headers["Content-Security-Policy"]
    assert "default-src 'none'" in bare.headers["Content-Security-Policy"]
    assert "color-scheme:dark" in dark.text
    assert "color-scheme:dark" not in plain.text


def test_the_preview_goes_from_one_person_to_the_next(editor: Editor) -> None:
    editor.save()
    first = editor.paul.go(editor.url + "/preview")
    assert "Hi anna" in first
    following = re.search(r'href="([^"]+)" title="The next person"', first)
    assert following is not None
    second = editor.paul.go(following[1].replace("&amp;", "&"))
    assert "Hi bo" in second
    assert 'title="The next person"' not in second
    assert "Hi anna" in editor.paul.go(editor.url + "/preview?subscriber=999999&width=tram&colours=beige")


@pytest.mark.parametrize("trick", ["Hi\r\nBcc: victim@example.org", "Hi\nX-Evil: 1", "=?utf-8?q?Hi?=\r\n =?utf-8?b?DQpCY2M6IHZAZS5vcmc=?=",
                                   "=?utf-8?q?a=0D=0ABcc:_v=40e.org?="])
def test_a_subject_never_becomes_another_header(app: Flask, editor: Editor, sink: Sink, trick: str) -> None:  # noqa: F811
    statuses = {editor.paul.client.post(editor.url + PATHS[step], data=editor.values(step, subject=trick, from_name=trick)).status_code
                for step in ("recipients", "edit")}
    assert statuses <= {302, 422}
    if 422 in statuses:
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


def test_a_test_that_is_sent_in_place_says_so_in_place(app: Flask, editor: Editor) -> None:
    editor.save()
    said = editor.paul.client.post(editor.url + "/test", data={"addresses": "me@example.org"}, headers={"HX-Request": "true"})
    assert (said.status_code, "on its way to 1 address" in words(said.text)) == (200, True)
    refused = editor.paul.client.post(editor.url + "/test", data={"addresses": "nonsense"}, headers={"HX-Request": "true"})
    assert (refused.status_code, 'value="nonsense"' in refused.text) == (422, True)


def test_a_campaign_that_is_on_its_way_has_no_steps(app: Flask, editor: Editor) -> None:
    editor.save()
    with looking(app) as session:
        session.execute(sa.update(Campaign).values(state="sending"))
        session.commit()
    for step in ("recipients", "edit", "delivery"):
        assert editor.paul.client.get(editor.url + PATHS[step]).location == editor.url
        assert "copy it to change it" in words(editor.save_step(step, 409))


def test_who_may_not_send_goes_as_far_as_delivery(app: Flask, editor: Editor) -> None:
    with looking(app) as session:
        session.merge(editor.paul.user).group.permissions = ["campaigns", "lists"]
        session.commit()
    assert _steps(editor.paul.go(editor.url + "/edit/delivery")) == ["next", "next", "now"]
    values = editor.values("delivery")
    values["then"] = "next"
    assert editor.paul.lands(editor.url + "/edit/delivery", values) == editor.url + "/edit/delivery"
