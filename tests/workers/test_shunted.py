"""A job that meets what nobody foresaw waits for a person, with what it met; nothing is lost meanwhile, Redis or not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest.mock import patch

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy.exc import OperationalError

from app.audience.models import SubscriberList
from app.db import db
from app.processes.models import ShuntedJob
from app.settings.audit import AuditEntry
from launch.ports import free_port
from tests.factories.customers import customer, looking, words
from tests.factories.sending import make_list, make_user
from tests.factories.signing_in import browser_of, make_administrator
from workers import runtime

URL = "/admin/system/shunted-jobs"
both = pytest.mark.databases("sqlite", "mariadb")


@pytest.fixture(autouse=True)
def worker(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be a worker of the test's house; performers are the test's own."""
    monkeypatch.setattr(runtime, "application", lambda: app)
    monkeypatch.setattr(runtime, "PERFORMERS", {})


@pytest.fixture
def maya(app: Flask) -> FlaskClient:
    """An administrator's browser."""
    return browser_of(app, make_administrator(app))


def jobs(app: Flask) -> list[ShuntedJob]:
    """Return what waits for a person, oldest first."""
    with looking(app) as session:
        return list(session.scalars(sa.select(ShuntedJob).order_by(ShuntedJob.id)))


def rung(app: Flask) -> list[tuple[str, dict[str, int]]]:
    """Return the jobs that wait in the delivery queue."""
    queue = Queue("delivery", connection=app.extensions["lettermill"].redis, serializer=JSONSerializer)
    return [tuple(job.args) for job in queue.jobs]


def breaking(message: str = "it broke") -> Callable[..., None]:
    """Return a performer that fails."""
    def perform(**ids: int) -> None:
        raise RuntimeError(message)
    return perform


@both
def test_a_job_that_fails_again_and_again_is_one_row_with_its_last_traceback(app: Flask) -> None:
    for message in ("the first", "the second", "the third"):
        runtime.PERFORMERS["send"] = breaking(message)
        runtime.perform("send", {"sending": 7})
    runtime.perform("send", {"sending": 8})
    first, second = jobs(app)
    assert (first.job, first.ids, first.times, first.error) == ("send", {"sending": 7}, 3, "RuntimeError: the third")
    assert "in perform\n    raise RuntimeError(message)" in first.traceback
    assert (second.ids, second.times) == ({"sending": 8}, 1)


@both
@pytest.mark.parametrize("message", ["x" * 70_000, "half a character \ud800", "caf\xe9 \U0001f600 \x00", ""])
def test_whatever_an_error_says_it_can_be_kept(app: Flask, message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # What pytest captures must be printable; these words are not.
    monkeypatch.setattr(runtime.log, "disabled", True)
    runtime.PERFORMERS["send"] = breaking(message)
    runtime.perform("send", {"sending": 7})
    (job,) = jobs(app)
    assert job.error.startswith("RuntimeError")
    assert len(job.error) <= 300
    assert "raise RuntimeError" in job.traceback


def test_what_the_job_had_not_committed_is_not_kept(app: Flask) -> None:
    def half_way(sending: int) -> None:
        user = make_user(db.session())  # type: ignore[arg-type]
        make_list(db.session(), user, "Half", [])  # type: ignore[arg-type]
        raise RuntimeError("half way")

    runtime.PERFORMERS["send"] = half_way
    runtime.perform("send", {"sending": 7})
    with looking(app) as session:
        assert session.scalars(sa.select(SubscriberList)).all() == []
    assert len(jobs(app)) == 1


def test_a_broken_transaction_does_not_keep_the_shunt_from_being_written(app: Flask) -> None:
    def refused(sending: int) -> None:
        db.session.execute(sa.text("SELECT * FROM nothing_of_that_name"))

    runtime.PERFORMERS["send"] = refused
    runtime.perform("send", {"sending": 7})
    assert "nothing_of_that_name" in jobs(app)[0].error


def test_a_traceback_shows_no_values_of_a_statement(app: Flask) -> None:
    typed = "-".join(["reset", "secret", "7"])  # Not in one piece: a traceback quotes the lines of this file.

    def refused(sending: int) -> None:
        db.session.execute(sa.text("INSERT INTO nothing_of_that_name VALUES (:a)"), {"a": typed})

    runtime.PERFORMERS["send"] = refused
    runtime.perform("send", {"sending": 7})
    assert typed not in jobs(app)[0].traceback + jobs(app)[0].error


def test_a_job_that_this_version_does_not_know_waits_too_and_can_only_be_discarded(app: Flask, maya: FlaskClient) -> None:
    runtime.perform("of_another_version", {"thing": 1})
    number = jobs(app)[0].id
    page = maya.post(f"{URL}/{number}/retry")
    assert (page.status_code, "This version has no job of that name." in words(page.text)) == (409, True)
    assert len(jobs(app)) == 1
    maya.post(f"{URL}/{number}/discard")
    assert jobs(app) == []


def test_the_page_says_what_was_met_and_how_often(app: Flask, maya: FlaskClient) -> None:
    assert "No job was set aside" in words(maya.get(URL).text)
    runtime.PERFORMERS["send"] = breaking("<script>alert(1)</script>")
    runtime.perform("send", {"sending": 7})
    runtime.perform("send", {"sending": 7})
    page = maya.get(URL).text
    assert "2 times · sending 7" in words(page)
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page


@both
def test_a_job_that_is_tried_again_leaves_the_page_and_is_done_by_a_worker(app: Flask, maya: FlaskClient) -> None:
    runtime.PERFORMERS["send"] = breaking()
    runtime.perform("send", {"sending": 7})
    assert rung(app) == []
    assert "The job is on its way again." in words(maya.post(f"{URL}/{jobs(app)[0].id}/retry", follow_redirects=True).text)
    assert jobs(app) == []
    assert rung(app) == [("send", {"sending": 7})]
    done: list[dict[str, int]] = []
    runtime.PERFORMERS["send"] = lambda **ids: done.append(ids)
    queue = Queue("delivery", connection=app.extensions["lettermill"].redis, serializer=JSONSerializer)
    with patch("signal.signal"):
        SimpleWorker([queue], connection=queue.connection, serializer=JSONSerializer).work(burst=True, logging_level="ERROR")
    assert done == [{"sending": 7}]
    assert (jobs(app), rung(app)) == ([], [])
    with looking(app) as session:
        entry = session.scalars(sa.select(AuditEntry)).one()
        assert (entry.act, entry.subject) == ("shunted_job.retried", "send")


def test_a_job_that_is_let_go_leaves_no_bell_and_a_record(app: Flask, maya: FlaskClient) -> None:
    runtime.PERFORMERS["send"] = breaking()
    runtime.perform("send", {"sending": 7})
    maya.post(f"{URL}/{jobs(app)[0].id}/discard")
    assert (jobs(app), rung(app)) == ([], [])
    with looking(app) as session:
        assert session.scalars(sa.select(AuditEntry.act)).all() == ["shunted_job.discarded"]


def test_a_look_tries_nothing_again_and_a_second_press_is_told_that_it_is_gone(app: Flask, maya: FlaskClient) -> None:
    runtime.PERFORMERS["send"] = breaking()
    runtime.perform("send", {"sending": 7})
    number = jobs(app)[0].id
    assert maya.get(f"{URL}/{number}/retry").status_code == 405
    assert maya.get(f"{URL}/{number}/discard").status_code == 405
    assert len(jobs(app)) == 1
    maya.post(f"{URL}/{number}/retry")
    assert maya.post(f"{URL}/{number}/retry").status_code == 404
    assert len(rung(app)) == 1


def test_a_customer_sees_none_of_it(app: Flask) -> None:
    runtime.PERFORMERS["send"] = breaking()
    runtime.perform("send", {"sending": 7})
    eve = customer(app, "eve")
    assert eve.client.get(URL).status_code == 404
    assert eve.client.post(f"{URL}/{jobs(app)[0].id}/discard").status_code == 404
    assert len(jobs(app)) == 1


@both
def test_a_redis_that_lost_everything_loses_no_job_that_waits_for_a_person(app: Flask, maya: FlaskClient) -> None:
    runtime.PERFORMERS["send"] = breaking()
    runtime.perform("send", {"sending": 7})
    app.extensions["lettermill"].redis.flushall()
    assert "sending 7" in words(maya.get(URL).text)
    maya.post(f"{URL}/{jobs(app)[0].id}/retry")
    assert rung(app) == [("send", {"sending": 7})]


def test_a_job_that_cannot_be_rung_for_now_stays_on_the_page(app: Flask, maya: FlaskClient) -> None:
    runtime.PERFORMERS["send"] = breaking()
    runtime.perform("send", {"sending": 7})
    whole = app.extensions["lettermill"]
    away = Redis.from_url(f"redis://127.0.0.1:{free_port()}")
    app.extensions["lettermill"] = replace(whole, redis=away, jobs=type(whole.jobs)(away))
    page = maya.post(f"{URL}/{jobs(app)[0].id}/retry", follow_redirects=True)
    assert page.status_code == 503
    assert "Redis does not answer" in words(page.text)
    app.extensions["lettermill"] = whole
    assert len(jobs(app)) == 1


def test_a_shunt_that_cannot_be_written_is_not_swallowed(app: Flask) -> None:
    runtime.PERFORMERS["send"] = breaking("the first cause")
    away = patch.object(runtime, "writing", side_effect=OperationalError("", {}, OSError("gone")))
    with away, pytest.raises(OperationalError) as raised:
        runtime.perform("send", {"sending": 7})
    assert "the first cause" in str(raised.value.__context__), "RQ's own record shows both"
