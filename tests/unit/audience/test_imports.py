"""Imports: what becomes of each line of a file, whatever the file is like."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from app.accounts.models import User
from app.audience import fields, subscribers, suppression
from app.audience.imports import asking, running
from app.audience.imports.intake import FileRefused
from app.audience.models import SubscriberList
from app.house import House
from tests.factories.audience import check_counters, consent_kinds, counts, limit, look, make_import, people, reasons, run_import
from tests.factories.sending import make_list

pytestmark = pytest.mark.databases("sqlite", "mariadb")
FILE = "Email,First name,Last name\nanna@example.com,Anna,Berg\nPer@Example.com,Per,\n"


def test_a_file_becomes_people_with_their_consent(session: Session, house: House, found: SubscriberList) -> None:
    row = run_import(session, house, found, FILE)

    assert (row.state, counts(row), row.lines) == ("finished", (2, 0, 0, 0), 3)
    there = people(session, found)
    assert [(person.email, person.first_name, person.last_name, person.state, person.source) for person in there.values()] == [
        ("anna@example.com", "Anna", "Berg", "active", "import"), ("Per@example.com", "Per", "", "active", "import")]
    assert consent_kinds(session, there["anna@example.com"]) == ["imported"]
    assert subscribers.consent_of(session, there["anna@example.com"])[0].evidence == {"import": row.id, "file": "people.csv", "words": "sign-up sheet"}
    check_counters(session, found)


def test_the_file_is_gone_when_the_import_is_over(session: Session, house: House, found: SubscriberList) -> None:
    run_import(session, house, found, FILE)

    assert list((house.config.uploads / "imports").iterdir()) == []


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(("data", "names"), [
    ("Email;First name\nanna@example.com;Anna\n", ["Anna"]), ("Email\tFirst name\nanna@example.com\tAnna\n", ["Anna"]),
    ("\ufeffEmail,First name\r\nanna@example.com,Anna\r\n", ["Anna"]), ("Email,First name\nanna@example.com,Søren\n".encode("utf-16"), ["Søren"]),
    ("Email,First name\nanna@example.com,Søren\n".encode("cp1252"), ["Søren"]), ("anna@example.com,Anna\n", [""]), ("anna@example.com", [""]),
    ("Email,First name\ranna@example.com,Anna\rper@example.com,Per\r", ["Anna", "Per"]),
    ("Email,First name\n\n\n  anna@example.com  ,  Anna   B \n\n", ["Anna B"]),
    ("Email|First name\nanna@example.com|Anna\n", ["Anna"]), ('"Email","First name"\n"anna@example.com","Berg, Anna"\n', ["Berg, Anna"]),
    ('Email,First name\nanna@example.com,"Anna\nof Oslo"\nper@example.com,Per\n', ["Anna of Oslo", "Per"]),
    ('Email,First name\nanna@example.com,"Anna ""the boss"""\n', ['Anna "the boss"']),
    ("Email,First name\nanna@example.com,=1+1\n", ["=1+1"]),
    (b"Email,First name\n" + b"".join(b"a%d@example.com,x\n" % number for number in range(60_000)) + "z@example.com,Bjørn\n".encode("cp1252"), None),
])
def test_files_of_every_make_are_read(session: Session, house: House, found: SubscriberList, data: bytes | str, names: list[str] | None) -> None:
    row = run_import(session, house, found, data)

    assert row.rejected == 0
    there = people(session, found)
    if names is None:
        assert there["z@example.com"].first_name == "Bjørn"
    else:
        assert [person.first_name for person in there.values()] == names


@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(("data", "words"), [
    (b"", "empty"), (b"\n\n  \n", "empty"), (b"PK\x03\x04rest", "spreadsheet"), (b"\xd0\xcf\x11\xe0rest", "spreadsheet"), (b"a,b\0c\n", "no text file"),
    (b'"open\n', "can be read"), (b",,,\n", "can be read")])
def test_a_file_that_is_no_list_is_refused_and_nothing_is_left(session: Session, house: House, found: SubscriberList, data: bytes, words: str) -> None:
    with pytest.raises(FileRefused, match=words):
        make_import(session, house, found, data)

    assert list((house.config.uploads / "imports").iterdir()) == []


@pytest.mark.databases("sqlite")
def test_a_header_alone_adds_nobody(session: Session, house: House, found: SubscriberList) -> None:
    row = run_import(session, house, found, "Email,Name\n")

    assert (row.state, counts(row)) == ("finished", (0, 0, 0, 0))


BAD = ('Email,First name\nanna@example.com,Anna\n"open@example.com,x\nper@example.com,Per\nno address,x\n,empty\nb@example.com,5" disc\nc@example.com,6" disc\n'
       '"d@example.com","D"\nnul\0@example.com,x\n' + "x" * 1_000_000 + '\ne@example.com,E\nanna@example.com,again\n"never closed\n')


def test_each_bad_line_costs_one_line_and_is_kept_with_its_reason(session: Session, house: House, found: SubscriberList) -> None:
    row = run_import(session, house, found, BAD)

    assert sorted(people(session, found)) == [f"{name}@example.com" for name in ("anna", "b", "c", "d", "e", "per")]
    kept = reasons(session, row)
    assert [line for line, _ in kept] == [3, 5, 6, 10, 11, 13, 14]
    words = ["quotation mark", "no spaces", "no address", "no text", "64 KB", "twice", "quotation mark"]
    assert [word for word, (_, reason) in zip(words, kept, strict=True) if word in reason] == words
    assert people(session, found)["b@example.com"].first_name == '5" disc'
    assert (row.added, row.rejected, row.lines) == (6, 7, 14)
    check_counters(session, found)


def test_an_address_that_comes_again_in_a_later_chunk_is_taken_once(session: Session, house: House, found: SubscriberList,
                                                                    monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK", 2)
    lines = "".join(f"p{number}@example.com,x\n" for number in (1, 2, 3, 1, 4, 2))
    row = run_import(session, house, found, f"Email,First name\n{lines}P1@EXAMPLE.com,y\n")

    assert counts(row) == (4, 0, 0, 3)
    assert [line for line, _ in reasons(session, row)] == [5, 7, 8]


def test_who_has_unsubscribed_is_left_alone_and_who_is_suppressed_is_not_taken(session: Session, house: House, found: SubscriberList, user: User) -> None:
    gone = subscribers.add(session, found, "gone@example.com")
    assert gone is not None
    subscribers.unsubscribe(session, gone, via="user", evidence={})
    other = make_list(session, user, "Other", [])
    suppression.add(session, user.id, "held@example.com")
    suppression.add(session, suppression.EVERYBODY, "@blocked.example")
    suppression.add(session, user.id, "@.sub.example", list_id=found.id)
    suppression.add(session, user.id, "free@example.com", list_id=other.id)
    suppression.add(session, user.id + 1000, "free@example.com")
    session.commit()

    row = run_import(session, house, found, "Email\nGone@example.com\nheld@example.com\nx@blocked.example\ny@a.sub.example\nfree@example.com\nz@sub.example\n")

    assert counts(row) == (2, 0, 0, 4)
    there = people(session, found)
    assert sorted(there) == ["free@example.com", "gone@example.com", "z@sub.example"]
    assert there["gone@example.com"].state == "unsubscribed"
    check_counters(session, found)


@pytest.mark.parametrize(("update", "expected"), [(True, ((0, 1, 1, 0), "Annika", "Berg")), (False, ((0, 0, 2, 0), "Anna", "Berg"))])
def test_who_is_there_is_updated_if_wanted_and_no_value_is_emptied(session: Session, house: House, found: SubscriberList, update: bool,
                                                                   expected: tuple[tuple[int, ...], str, str]) -> None:
    subscribers.add(session, found, "anna@example.com", first_name="Anna", last_name="Berg")
    subscribers.add(session, found, "same@example.com", first_name="Same")
    session.commit()

    row = run_import(session, house, found, "Email,First name,Last name\nANNA@example.com,Annika,\nsame@example.com,Same,\n", update=update)

    person = people(session, found)["anna@example.com"]
    assert (counts(row), person.first_name, person.last_name) == expected


def test_custom_fields_are_checked_by_their_kind(session: Session, house: House, found: SubscriberList, user: User) -> None:
    for name, kind in (("City", "text"), ("Age", "number"), ("Since", "date"), ("Member", "yes_no")):
        fields.create(session, user.id, name=name, alias=name, kind=kind)
    session.commit()

    row = run_import(session, house, found, "Email,City,Age,Since,Member\na@example.com,Oslo,\"12,5\",2026-01-31,Y\n"
                     "b@example.com,,,,\nc@example.com,Rome,old,,\n")

    there = people(session, found)
    assert there["a@example.com"].fields == {"City": "Oslo", "Age": "12.5", "Since": "2026-01-31", "Member": "yes"}
    assert there["b@example.com"].fields == {}
    assert reasons(session, row) == [(4, "Age: Type a number, such as 12 or 12.5.")]


def test_a_column_of_time_zones_is_found_and_checked(session: Session, house: House, found: SubscriberList) -> None:
    subscribers.add(session, found, "kept@example.com", time_zone="Asia/Tokyo")
    subscribers.add(session, found, "moved@example.com", time_zone="Asia/Tokyo")
    session.commit()

    row = run_import(session, house, found, "Email,Time zone\na@example.com,europe/oslo\nb@example.com,\nc@example.com,Oslo\nkept@example.com,\n"
                     "moved@example.com,America/New York\n")

    assert {email: person.time_zone for email, person in people(session, found).items()} == {
        "a@example.com": "Europe/Oslo", "b@example.com": "", "kept@example.com": "Asia/Tokyo", "moved@example.com": "America/New_York"}
    assert (counts(row), reasons(session, row)) == ((2, 1, 1, 1), [(4, "Oslo is no time zone. Type one as Europe/Oslo.")])


def test_the_limit_of_the_account_stops_adding_and_not_updating(session: Session, house: House, found: SubscriberList, user: User) -> None:
    limit(session, user, subscribers=2)
    subscribers.add(session, found, "old@example.com")
    session.commit()

    row = run_import(session, house, found, "Email,First name\na@example.com,A\nb@example.com,B\nold@example.com,Old\n")

    assert counts(row) == (1, 1, 0, 1)
    assert "as many subscribers as it may" in reasons(session, row)[0][1]
    check_counters(session, found)


def test_a_cancelled_import_keeps_what_was_written(session: Session, house: House, found: SubscriberList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK", 10)
    number = make_import(session, house, found, "Email\n" + "".join(f"p{index}@example.com\n" for index in range(100)))
    written = []

    def write_then_stop(*arguments: object) -> object:
        result = write(*arguments)
        if len(written) == 2:
            assert asking.stop(session, look(session, number))
            session.commit()
        written.append(result)
        return result

    write = running._write
    monkeypatch.setattr(running, "_write", write_then_stop)
    assert running.run_for(house.engine, house.config.uploads, number, 60)

    row = look(session, number)
    assert (row.state, row.added, len(people(session, found))) == ("cancelled", 30, 30)
    assert not asking.stop(session, row)
    assert list((house.config.uploads / "imports").iterdir()) == []
    check_counters(session, found)


def test_an_import_goes_on_from_where_its_worker_left_it(session: Session, house: House, found: SubscriberList, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "CHUNK", 7)
    data = 'Email,First name\n"p0@example.com","two\nlines"\n' + "".join(f"p{index}@example.com,x\n" for index in range(1, 50)) + "bad\n"
    number = make_import(session, house, found, data)
    turns = 0
    while not running.run_for(house.engine, house.config.uploads, number, 0.000001):
        turns += 1

    row = look(session, number)
    assert turns > 3
    assert (row.state, counts(row)) == ("finished", (50, 0, 0, 1))
    assert reasons(session, row)[0][0] == 53
    check_counters(session, found)


def test_a_file_that_has_vanished_fails_in_words(session: Session, house: House, found: SubscriberList) -> None:
    number = make_import(session, house, found, FILE)
    next((house.config.uploads / "imports").iterdir()).unlink()

    assert running.run_for(house.engine, house.config.uploads, number, 60)
    row = look(session, number)
    assert (row.state, row.finished_at is not None) == ("failed", True)
    assert "Import it again" in row.problem


def test_beginning_twice_begins_once(session: Session, house: House, found: SubscriberList) -> None:
    number = make_import(session, house, found, FILE)

    assert not asking.begin(session, look(session, number))


@pytest.mark.databases("sqlite")
def test_the_rejected_lines_come_as_a_file_that_no_spreadsheet_computes(session: Session, house: House, found: SubscriberList) -> None:
    row = run_import(session, house, found, 'Email,x\n=cmd|calc,"a"\n')

    assert "".join(asking.rejected_lines(house.engine, row.id)).splitlines()[1].endswith(",\"'=cmd|calc,\"\"a\"\"\"")
