"""Transactional mail as a program asks for it: what is taken goes out once, what is not is said member by member, and nothing is half saved."""

from __future__ import annotations

import re
import threading
from email.utils import parseaddr
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.accounts.models import User
from app.accounts.passwords import hash_password
from app.delivery.models import Batch, Recipient, Sending, TransactionalMail
from tests.factories.customers import Customer, customer, looking, words
from tests.factories.posted import door
from tests.factories.posting import MAIL, POST, Program, opened, text_of
from tests.factories.sending import make_server, send_whole
from tests.services.sink import Sink, sink  # noqa: F401 - a fixture

both = pytest.mark.databases("sqlite", "mariadb")


@pytest.fixture
def program(app: Flask, sink: Sink) -> Program:  # noqa: F811
    with looking(app) as session:
        make_server(session, sink.port, mfrom="bounce.example.com")
        session.commit()
    return Program(app)


def rows(app: Flask, table: type[Any]) -> list[Any]:
    with looking(app) as session:
        return list(session.scalars(sa.select(table)))


@both
def test_a_mail_that_is_asked_for_arrives_as_it_was_asked_for(program: Program, sink: Sink) -> None:  # noqa: F811
    mail, = program.post(reply_to="help@example.com", headers={"X-Order": "4711", "Importance": "high"}, to={"email": "Anna@Example.ORG", "name": "Anna Ö"},
                         subject="Order of %Value:Name%", plain="Dear %Value:Name%", track_opens=False)
    assert program.state(mail["id"])["state"] == "pending"
    program.send()
    taken, = sink.taken
    arrived = opened(taken.data)
    assert taken.rcpt_to == "Anna@example.org"
    assert re.fullmatch(r"b\+[a-z2-7]{31}@bounce\.example\.com", taken.mfrom)
    assert {name: arrived[name] for name in ("From", "To", "Reply-To", "Subject", "X-Order", "Importance", "Auto-Submitted", "Message-ID")} == {
        "From": "Shop <shop@example.com>", "To": "Anna Ö <Anna@example.org>", "Reply-To": "help@example.com", "Subject": "Order of Anna",
        "X-Order": "4711", "Importance": "high", "Auto-Submitted": "auto-generated", "Message-ID": mail["message_id"]}
    assert not [name for name in arrived if name.lower().startswith(("list-", "feedback"))]
    assert "Thank you, Anna" in text_of(arrived)
    assert "Dear Anna" in text_of(arrived, "plain")
    assert "/t/o/" not in text_of(arrived)
    told = program.state(mail["id"])
    assert {name: told[name] for name in ("state", "code", "attempts", "opens", "clicks", "to", "subject")} == {
        "state": "sent", "code": 250, "attempts": 1, "opens": 0, "clicks": 0, "to": "Anna@example.org", "subject": "Order of %Value:Name%"}


def test_fifty_recipients_get_a_mail_each_with_values_of_their_own(program: Program, sink: Sink) -> None:  # noqa: F811
    people = [{"email": f"p{number}@example.org", "values": {"Code": f"c{number}"}} for number in range(50)]
    mails = program.post(to=people, html="<p>%Value:Name% %Value:Code%</p>", subject="Code %Value:Code%")
    program.send()
    assert [mail["position"] for mail in mails] == list(range(1, 51))
    said = {taken.rcpt_to: (opened(taken.data)["Subject"], text_of(opened(taken.data), "plain").strip()) for taken in sink.taken}
    assert said == {f"p{number}@example.org": (f"Code c{number}", f"Anna c{number}") for number in range(50)}
    assert len(rows(program.app, TransactionalMail)) == 1


def test_the_plain_text_is_derived_where_none_is_sent(program: Program, sink: Sink) -> None:  # noqa: F811
    program.post(html='<p>Reset: <a href="%Value:Link%">here</a></p>', values={"Link": "https://shop.example/reset?a=1&b=2"})
    program.send()
    arrived = opened(sink.taken[0].data)
    assert 'href="https://shop.example/reset?a=1&amp;b=2"' in text_of(arrived)
    assert "https://shop.example/reset?a=1&b=2" in text_of(arrived, "plain")


@both
def test_requests_gather_in_one_batch_while_nobody_claims_it(program: Program) -> None:
    for number in range(5):
        program.post(to=f"p{number}@example.org")
    batch, = rows(program.app, Batch)
    assert (batch.first, batch.last, batch.state) == (1, 5, "waiting")
    program.send()
    program.post(to="later@example.org")
    assert [(found.first, found.last) for found in rows(program.app, Batch)] == [(1, 5), (6, 6)]
    assert len(rows(program.app, Sending)) == 1


@both
def test_a_repeated_key_is_answered_as_before_and_sends_nothing_again(program: Program, sink: Sink) -> None:  # noqa: F811
    first = program.ask(key="order-4711")
    program.send()
    again = program.ask(key="order-4711")
    quoted = program.ask(key='"order-4711"')
    program.send()
    assert (first.status_code, first.json) == (again.status_code, again.json) == (quoted.status_code, quoted.json)
    assert first.status_code == 202
    assert len(sink.taken) == 1


def test_the_order_of_members_makes_no_other_request(program: Program) -> None:
    first = program.ask(key="k")
    assert program.ask(body=dict(reversed(MAIL.items())), key="k").json == first.json


def test_a_key_that_came_with_another_request_is_refused(program: Program, sink: Sink) -> None:  # noqa: F811
    program.ask(key="k")
    answer = program.ask(key="k", subject="Something else")
    assert (answer.status_code, list(answer.json["errors"])) == (422, ["Idempotency-Key"])
    program.send()
    assert len(sink.taken) == 1


def test_without_a_key_each_request_is_a_mail(program: Program, sink: Sink) -> None:  # noqa: F811
    assert program.post() != program.post()
    program.send()
    assert len(sink.taken) == 2


def test_keys_of_two_accounts_are_two_keys(program: Program) -> None:
    other = Program(program.app, "mara")
    assert program.ask(key="k").json != other.ask(key="k").json


def test_a_request_that_was_refused_uses_up_no_key(program: Program) -> None:
    assert program.ask(key="k", subject="").status_code == 422
    assert program.ask(key="k").status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 129, "tab\there", '"', "ü"])
def test_a_key_that_is_none_is_refused(program: Program, key: str) -> None:
    assert list(program.ask(key=key).json["errors"]) == ["Idempotency-Key"]
    assert not rows(program.app, TransactionalMail)


@both
def test_the_same_key_from_many_threads_at_once_is_one_mail(program: Program) -> None:
    clients = [program.app.test_client() for _ in range(6)]
    answers: list[Any] = []
    ready = threading.Barrier(len(clients))

    def ask(client: Any) -> None:
        ready.wait()
        answers.append(program.ask(key="once", client=client).json)

    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert all(answer == answers[0] for answer in answers)
    recipient, = rows(program.app, Recipient)
    sending, = rows(program.app, Sending)
    assert (recipient.position, sending.total) == (1, 1)


def test_a_program_that_never_heard_the_answer_hears_it_when_it_asks_again(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    program.app.config.update(PROPAGATE_EXCEPTIONS=False, TESTING=False)
    with monkeypatch.context() as broken:
        # The process ends after the commit: nobody rings, nobody answers.
        broken.setattr(type(program.house.jobs), "ring", lambda *_args, **_ids: 1 / 0)
        assert program.ask(key="k").status_code == 500
    answer = program.ask(key="k")
    assert answer.status_code == 202
    assert len(rows(program.app, Recipient)) == 1


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"from": None}, "from"), ({"from": "nobody"}, "from"), ({"from": {"email": "a@example.com", "nick": 1}}, "from.nick"),
    ({"from": {"email": "a@example.com", "name": "a\r\nBcc: x@example.com"}}, "from.name"),
    ({"to": []}, "to"), ({"to": None}, "to"), ({"to": [f"p{n}@example.org" for n in range(51)]}, "to"), ({"to": ["a@example.org", "A@example.org"]}, "to"),
    ({"to": ["a@example.org", "b"]}, "to[1]"), ({"to": [{"email": "a@example.org", "values": {"Name": ["x"]}}]}, "to[0].values.Name"),
    ({"reply_to": "no address"}, "reply_to"), ({"subject": " "}, "subject"), ({"subject": "a\nb"}, "subject"), ({"subject": 7}, "subject"),
    ({"html": "", "plain": " "}, "html"), ({"html": "<p>\x00</p>"}, "html"), ({"html": "x" * 2_500_001}, "html"), ({"tag": "t" * 61}, "tag"),
    ({"html": "<p>%Value:Missing%</p>"}, "html"), ({"subject": "%Subscriber:FirstName%"}, "subject"), ({"plain": "%Link:Unsubscribe%"}, "plain"),
    ({"to": ["a@example.org", {"email": "b@example.org", "values": {"Name": ""}}]}, "to[1].values.Name"),
    ({"values": {"bad name": "x"}}, "values.bad name"), ({"values": ["x"]}, "values"), ({"values": {"Name": "\x07"}}, "values.Name"),
    ({"html": '<a href="%Value:Name%">x</a>', "values": {"Name": "javascript:alert(1)"}}, "to[0].values.Name"),
    ({"headers": {"Bcc": "x@example.com"}}, "headers.Bcc"), ({"headers": {"X-A": "b\r\nBcc: x@example.com"}}, "headers.X-A"),
    ({"headers": {"DKIM-Signature": "x"}}, "headers.DKIM-Signature"), ({"headers": {"List-Id": "x"}}, "headers.List-Id"),
    ({"track_opens": "yes"}, "track_opens"), ({"trck_opens": True}, "trck_opens")]


@pytest.mark.parametrize(("changes", "member"), WRONG, ids=[f"{number} {member}" for number, (_, member) in enumerate(WRONG)])
def test_what_is_wrong_is_said_under_its_own_name_and_nothing_is_saved(program: Program, changes: dict[str, Any], member: str) -> None:
    errors = program.refused(**changes)
    assert member in errors, errors
    assert errors[member].endswith((".", "…%."))
    assert not rows(program.app, Sending)


def test_every_fault_of_a_request_is_said_at_once(program: Program) -> None:
    assert set(program.refused(subject="", to="x", track_links=1)) == {"subject", "to", "track_links"}


@pytest.mark.parametrize("body", [[], "text", 7])
def test_what_is_no_object_is_refused(program: Program, body: object) -> None:
    assert set(program.ask(body=body).json["errors"]) == {"body"}


def test_a_mail_larger_than_ten_mebibytes_is_refused(program: Program) -> None:
    # Within the limits of characters: quoting makes nine bytes of each of these.
    assert set(program.refused(html="€" * 1_200_000)) == {"html"}
    assert not rows(program.app, Sending)


@both
def test_the_mails_of_thirty_days_are_limited(app: Flask, program: Program) -> None:
    limited = Program(app, "mara", mails_per_month=3)
    limited.post(to=["a@example.org", "b@example.org"])
    assert "1" in limited.refused(to=["c@example.org", "d@example.org"])["to"]
    limited.post(to="c@example.org")
    assert set(limited.refused(to="d@example.org")) == {"to"}
    with looking(app) as session:
        assert session.scalars(sa.select(Sending).where(Sending.user_id == limited.user_id)).one().total == 3


def test_without_a_delivery_server_nothing_is_taken(app: Flask) -> None:
    assert set(Program(app).refused()) == {"from"}


def test_the_stranger_learns_nothing_of_a_mail(program: Program) -> None:
    mail, = program.post()
    other = Program(program.app, "mara")
    strange = {"Authorization": f"Bearer {other.key}"}
    assert other.client.get(f"{POST}/{mail['id']}", headers=strange).status_code == 404
    assert other.client.get(f"{POST}/{mail['id'].partition('-')[0]}-999", headers=strange).status_code == 404
    assert other.client.get(f"{POST}/{mail['id']}").status_code == 401


NASTY = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u2028\u2029"), max_size=60)


NASTIEST = ['"><script>x</script>', "%Link:Unsubscribe%", "%Value:Name%", "=?utf-8?q?a=0D=0ABcc=3A_x?=", ".", "a\r\n.\r\nQUIT", "=3D"]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=NASTY | st.sampled_from(NASTIEST))
def test_a_value_stands_in_its_place_and_injects_nothing(program: Program, sink: Sink, value: str) -> None:  # noqa: F811
    sink.taken.clear()
    answer = program.ask(values={"Name": value}, subject="a %Value:Name|none% b", plain="[%Value:Name|none%]", to={"email": "anna@example.org", "name": "N"},
                         html='<i title="%Value:Name|none%">[%Value:Name|none%]</i>')
    if answer.status_code == 422:
        assert re.search(r"[\x00-\x1f\x7f\x85]", value)
        return
    program.send()
    arrived = opened(sink.taken[-1].data)
    assert "<script" not in text_of(arrived)
    assert re.sub(r"\r\n?", "\n", text_of(arrived, "plain")).strip() == re.sub(r"\r\n?", "\n", f"[{value or 'none'}]")
    assert len(sink.taken) == 1
    assert arrived["Bcc"] is None
    assert len(arrived.get_all("Subject", [])) == 1
    assert parseaddr(str(arrived["From"]))[1] == "shop@example.com"


def test_opens_clicks_and_the_web_view_work_for_each_mail(app: Flask, program: Program, sink: Sink) -> None:  # noqa: F811
    from app.tracking.drain import drain

    mails = [program.post(to=f"p{number}@example.org", html=f'<p><a href="https://shop.example/{number}?who=%Value:Name%">go</a> '
                          '<a href="%Link:WebBrowser%">view</a></p>', values={"Name": f"a b{number}"})[0] for number in range(2)]
    program.send()
    visitor = door(app)
    person = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"}
    for number, taken in enumerate(sorted(sink.taken, key=lambda one: one.rcpt_to)):
        html = text_of(opened(taken.data))
        paths = {kind: re.search(rf'"http://localhost(/t/{kind}/[^"]+)"', html)[1] for kind in "cov"}  # type: ignore[index]
        assert visitor.get(paths["c"], headers=person).location == f"https://shop.example/{number}?who=a%20b{number}"
        assert visitor.get(paths["o"], headers=person).status_code == 200
        view = visitor.get(visitor.get(paths["v"], headers=person).location.removeprefix("http://localhost"))
        assert f"https://shop.example/{number}" not in view.text
        assert ">go</a>" in view.text
        assert visitor.get(paths["c"].rpartition("/")[0] + "/9", headers=person).status_code == 404
    drain(program.house)
    told = program.state(mails[0]["id"])
    assert told["clicks"] == 1
    assert told["clicked_at"]


def test_a_mail_may_name_no_tag_of_a_list(program: Program) -> None:
    assert set(program.refused(plain="%List:ListName%")) == {"plain"}


@both
def test_a_customer_makes_a_key_and_sees_what_was_sent_with_it(app: Flask, sink: Sink) -> None:  # noqa: F811
    with looking(app) as session:
        make_server(session, sink.port)
        session.commit()
    paul = customer(app, "paul")
    with looking(app) as session:
        session.get_one(User, paul.user.id).password_hash = hash_password("mill pond heron")
        session.commit()
    assert "No transactional mail yet" in paul.go("/user/transactional/")
    assert "This is not your password" in paul.post("/user/transactional/key", {"password": "wrong"}, status=422)
    made = re.search(r"lm_[\w-]{43}", paul.post("/user/transactional/key", {"password": "mill pond heron"}))
    assert made
    assert made[0] not in paul.go("/user/transactional/key")
    sent = app.test_client().post(POST, json=MAIL | {"tag": "order"}, headers={"Authorization": f"Bearer {made[0]}"})
    number = int(sent.json["mails"][0]["id"].partition("-")[0])
    send_whole(app.extensions["lettermill"], number)
    assert f'href="/user/transactional/{number}"' in paul.go("/user/transactional/")
    day = words(paul.go(f"/user/transactional/{number}"))
    assert all(said in day for said in ("anna@example.org", "Accepted", "Your order", "order", "250"))
    assert "anna@example.org" not in paul.go(f"/user/transactional/{number}?state=failed")
    paul.go("/user/transactional/999", status=404)


def test_a_day_is_read_page_by_page(program: Program, eve: Customer) -> None:
    for number in range(3):
        program.post(to=[f"p{number}x{one}@example.org" for one in range(40)])
    with looking(program.app) as session:
        session.execute(sa.update(Sending).values(user_id=eve.user.id))
        session.execute(sa.update(TransactionalMail).values(user_id=eve.user.id))
        session.commit()
    seen: list[str] = []
    address = f"/user/transactional/{rows(program.app, Sending)[0].id}"
    while address:
        page = eve.go(address)
        seen += re.findall(r"p\dx\d+@example\.org", page)
        older = re.search(r'href="(/user/transactional/\d+\?before=\d+)"', page)
        address = older[1] if older else ""
    assert len(seen) == len(set(seen)) == 120
    assert seen[0] == "p2x39@example.org"
