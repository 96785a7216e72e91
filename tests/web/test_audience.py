"""Lists, subscribers, fields and suppression, as a customer uses them, and as another customer tries to."""

from __future__ import annotations

import csv
import io

import pytest
import sqlalchemy as sa
from flask import Flask

from app.audience.models import ConsentEvent, Subscriber, SubscriberList, Suppression
from app.plugins.models import PluginNotice
from tests.factories.audience import check_counters, limit
from tests.factories.customers import Customer, looking, words

pytestmark = pytest.mark.databases("sqlite", "mariadb")
LIST = {"name": "Readers"}


@pytest.fixture
def readers(paul: Customer) -> str:
    """The address of a new list."""
    return paul.lands("/user/lists/new", LIST)


def _one(app: Flask, table: type, **values: object) -> object:
    with looking(app) as session:
        return session.scalars(sa.select(table).filter_by(**values)).one()


def test_a_list_is_made_renamed_and_found(paul: Customer, readers: str) -> None:
    assert "Nobody is on this list yet" in paul.go(readers)
    assert "Readers" in paul.go("/user/lists/")

    paul.post(readers + "/settings", LIST | {"name": "Friends", "sender_email": "a@example.com"})
    page = paul.go("/user/lists/")
    assert "Friends" in page
    assert "a@example.com" in page


@pytest.mark.parametrize(("values", "problem"), [({"name": ""}, "Give the list a name"), ({"name": "Readers"}, "You have a list of this name"),
                                                 ({"name": "  readers "}, "You have a list of this name"), ({"name": "x" * 121}, "120"),
                                                 ({"name": "New", "sender_email": "nonsense"}, "whole address")])
def test_a_list_that_cannot_be_made_is_refused_beside_its_field(paul: Customer, readers: str, values: dict[str, str], problem: str) -> None:
    assert problem in words(paul.post("/user/lists/new", LIST | values, 422))


def test_a_list_keeps_its_own_name_when_saved_again(paul: Customer, readers: str) -> None:
    assert "Saved" in paul.post(readers + "/settings", LIST)


def test_the_limit_of_the_group_is_said_in_words(app: Flask, paul: Customer) -> None:
    with looking(app) as session:
        limit(session, session.merge(paul.user), lists=1)
    paul.lands("/user/lists/new", LIST)

    assert "may have 1 list." in words(paul.post("/user/lists/new", LIST | {"name": "Two"}, 422))


def test_a_list_is_deleted_by_its_name_only(app: Flask, paul: Customer, readers: str) -> None:
    paul.post(readers + "/subscribers/new", {"email": "anna@example.com"})
    assert "Type the list’s name" in words(paul.post(readers + "/delete", {"confirm": "readers"}, 422))
    assert "1" in words(paul.go(readers + "/delete"))

    assert "The list is gone" in paul.post(readers + "/delete", {"confirm": "Readers"})
    paul.go(readers, 404)
    with looking(app) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Subscriber)) == 0


def test_a_person_is_added_changed_unsubscribed_and_erased(app: Flask, paul: Customer, readers: str) -> None:
    paul.post(readers + "/subscribers/new", {"email": "Anna@Example.com", "first_name": "Anna"})
    person = _one(app, Subscriber)
    url = f"/user/subscribers/{person.id}"  # type: ignore[attr-defined]
    assert person.email == "Anna@example.com"  # type: ignore[attr-defined]
    assert "already" in words(paul.post(readers + "/subscribers/new", {"email": "ANNA@example.com"}, 422))

    assert "Saved" in paul.post(url, {"first_name": "Annika", "email": "other@example.com"})
    assert (_one(app, Subscriber).first_name, _one(app, Subscriber).email) == ("Annika", "Anna@example.com")  # type: ignore[attr-defined]

    for _ in range(2):
        assert "Unsubscribed" in words(paul.post(url + "/unsubscribe"))
    with looking(app) as session:
        found = session.scalars(sa.select(SubscriberList)).one()
        assert (found.active_count, found.total_count) == (0, 1)
        assert list(session.scalars(sa.select(ConsentEvent.kind).order_by(ConsentEvent.id))) == ["subscribed", "unsubscribed"]
        check_counters(session, found)

    paul.post(url + "/erase")
    paul.go(url, 404)
    with looking(app) as session:
        found = session.scalars(sa.select(SubscriberList)).one()
        assert (found.active_count, found.total_count) == (0, 0)
        assert session.scalar(sa.select(sa.func.count()).select_from(ConsentEvent)) == 0


@pytest.mark.parametrize("email", ["", "anna", "a b@example.com", "=?utf-8?q?x?=@example.com"])
def test_what_is_no_address_is_refused(paul: Customer, readers: str, email: str) -> None:
    assert "ddress" in words(paul.post(readers + "/subscribers/new", {"email": email}, 422))


def test_custom_fields_have_a_tag_of_their_own_and_a_kind(app: Flask, paul: Customer, readers: str) -> None:
    page = paul.post(readers + "/fields", {"name": "Shoe size", "kind": "number"})
    assert "%Subscriber:ShoeSize%" in page
    for values, problem in (({"name": "x", "alias": "shoesize", "kind": "text"}, "Another field"), ({"name": "x", "alias": "FirstName", "kind": "text"}, "own"),
                            ({"name": "x", "alias": "a-b", "kind": "text"}, "letters and digits"), ({"name": "", "kind": "text"}, "name")):
        assert problem in words(paul.post(readers + "/fields", values, 422))

    assert "Type a number" in words(paul.post(readers + "/subscribers/new", {"email": "a@example.com", "field_ShoeSize": "big"}, 422))
    paul.post(readers + "/subscribers/new", {"email": "a@example.com", "field_ShoeSize": "42,5"})
    assert _one(app, Subscriber).fields == {"ShoeSize": "42.5"}  # type: ignore[attr-defined]


def test_suppression_takes_lines_and_names_the_wrong_one(app: Flask, paul: Customer, eve: Customer) -> None:
    problem = words(paul.post("/user/suppression/", {"patterns": "a@example.com\nnonsense\n@b.example"}, 422))
    assert "nonsense" in problem
    with looking(app) as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Suppression)) == 0

    assert "3 lines" in words(paul.post("/user/suppression/", {"patterns": "a@example.com\n\n@B.example\n@.c.example\na@example.com"}))
    with looking(app) as session:
        patterns = list(session.scalars(sa.select(Suppression.pattern).order_by(Suppression.id)))
        number = session.scalars(sa.select(Suppression.id).order_by(Suppression.id)).first()
    assert patterns == ["a@example.com", "@b.example", "@.c.example"]
    assert "a@example.com" not in eve.go("/user/suppression/")
    eve.post(f"/user/suppression/{number}/remove", status=404)
    assert "may be mailed again" in paul.post(f"/user/suppression/{number}/remove")
    paul.post(f"/user/suppression/{number}/remove", status=404)


def test_a_list_comes_as_a_file_that_no_spreadsheet_computes(app: Flask, paul: Customer, readers: str) -> None:
    paul.post(readers + "/fields", {"name": "City", "kind": "text"})
    for email, first_name in (("anna@example.com", "=cmd()"), ("per@example.com", "＋1"), ("+x@example.com", 'Q "uote", x')):
        paul.post(readers + "/subscribers/new", {"email": email, "first_name": first_name, "field_City": "Oslo"})
    answer = paul.client.get(readers + "/export.csv")

    assert answer.is_streamed
    assert answer.mimetype == "text/csv"
    rows = list(csv.reader(io.StringIO(answer.text)))
    assert rows[0] == ["email", "first_name", "last_name", "time_zone", "City", "state", "subscribed_at", "unsubscribed_at"]
    assert [row[:5] for row in rows[1:]] == [["anna@example.com", "'=cmd()", "", "", "Oslo"], ["per@example.com", "'＋1", "", "", "Oslo"],
                                             ["'+x@example.com", 'Q "uote", x', "", "", "Oslo"]]


def test_fifty_people_are_a_page_and_the_next_one_goes_on(app: Flask, paul: Customer, readers: str) -> None:
    with looking(app) as session:
        found = session.scalars(sa.select(SubscriberList)).one()
        session.execute(sa.insert(Subscriber), [{"user_id": found.user_id, "list_id": found.id, "email": f"p{number:03}@example.com",
                                                 "dedupe_key": f"p{number:03}@example.com", "fields": {}} for number in range(60)])
        session.commit()
    first = paul.go(readers)
    assert first.count("@example.com</a>") == 50
    following = first.partition("after=")[2].partition('"')[0].partition("&")[0]
    assert paul.go(f"{readers}?after={following}").count("@example.com</a>") == 10
    assert paul.go(readers + "?q=P05").count("@example.com</a>") == 10
    assert "Nobody like that" in paul.go(readers + "?q=p%25")


def test_another_customers_things_are_not_there(app: Flask, paul: Customer, eve: Customer, readers: str) -> None:
    paul.post(readers + "/subscribers/new", {"email": "anna@example.com"})
    paul.post(readers + "/fields", {"name": "City", "kind": "text"})
    upload = paul.lands(readers + "/imports", {"file": (io.BytesIO(b"Email\na@example.com\n"), "a.csv")})
    person = _one(app, Subscriber)
    of_import = upload.removesuffix("/columns")
    before = _rows(app)
    own = eve.lands("/user/lists/new", LIST)
    for url in (readers, readers + "/settings", readers + "/delete", readers + "/export.csv", readers + "/subscribers/new", readers + "/fields",
                readers + "/imports",
                f"/user/subscribers/{person.id}", of_import, upload, of_import + "/preview", of_import + "/rejected.csv", "/user/lists/99999"):  # type: ignore[attr-defined]
        eve.go(url, 404)
    for url in (readers + "/settings", readers + "/delete", readers + "/subscribers/new", readers + "/fields",
                readers + "/fields/1/delete", own + "/fields/1/delete",
                readers + "/imports", f"/user/subscribers/{person.id}", f"/user/subscribers/{person.id}/unsubscribe",  # type: ignore[attr-defined]
                f"/user/subscribers/{person.id}/erase", upload, of_import + "/start", of_import + "/stop"):  # type: ignore[attr-defined]
        eve.post(url, LIST | {"confirm": "Readers"}, 404)
    eve.post(own + "/delete", {"confirm": "Readers"})
    assert _rows(app) == before


def _rows(app: Flask) -> list[object]:
    with looking(app) as session:
        return [tuple(row) for table in ("lists", "subscribers", "custom_fields", "imports", "consent_events")
                for row in session.execute(sa.select(SubscriberList.metadata.tables[table]))]


@pytest.mark.databases("sqlite")
def test_nobody_who_is_signed_out_comes_in(app: Flask, readers: str) -> None:
    assert app.test_client().get(readers).status_code == 302
    assert app.test_client().post(readers + "/delete", data={"confirm": "Readers"}).status_code in {302, 401}


@pytest.mark.databases("sqlite")
def test_plug_ins_that_listen_are_told_who_came_and_who_left(app: Flask, paul: Customer, readers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.plugins.manager import EnabledPlugins

    monkeypatch.setattr(EnabledPlugins, "listens", lambda _self, _hook: True)
    paul.post(readers + "/subscribers/new", {"email": "anna@example.com", "first_name": "Anna"})
    number = _one(app, Subscriber).id  # type: ignore[attr-defined]
    for _ in range(2):
        paul.post(f"/user/subscribers/{number}/unsubscribe")
    with looking(app) as session:
        told = [(row.hook, row.content["subscriber"]["email"]) for row in session.scalars(sa.select(PluginNotice).order_by(PluginNotice.id))]
    assert told == [("lettermill_after_subscribe", "anna@example.com"), ("lettermill_after_unsubscribe", "anna@example.com")]


