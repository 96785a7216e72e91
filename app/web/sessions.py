"""Flask's session over our rows: signed in, it lives in the database; before that, in a signed cookie that holds next to nothing.

The cookie is ``__Host-`` and Secure where people come by https. On plain http it cannot be: docs/adr/0002 says why.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Flask, Request, Response, request, session
from flask.sessions import SecureCookieSessionInterface, SessionInterface, SessionMixin
from flask_login import user_logged_in
from itsdangerous import BadSignature
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.datastructures import CallbackDict

from app.accounts import sessions
from app.db import db, utcnow
from app.settings.sections.system import SystemSettings
from app.web.house import settings

IDENTITY = "_user_id"
_SERVED = "s."


class HouseSession(CallbackDict[str, Any], SessionMixin):
    """A session as one request sees it. ``key`` is the cookie's secret where the session is stored.

    ``lost``: why the database could not say whose it is. Such a session is nobody's, and its cookie is left as it is.
    """

    def __init__(self, data: dict[str, Any] | None = None, key: str = "", row_id: int = 0, lost: SQLAlchemyError | None = None) -> None:
        def on_update(changed: HouseSession) -> None:
            changed.modified = True

        super().__init__(data, on_update)
        self.key, self.row_id, self.lost = key, row_id, lost
        self.modified = False
        self.accessed = True
        self.starts_anew = False


class HouseSessions(SessionInterface):
    """Opens and saves sessions."""

    def __init__(self) -> None:
        self._signer = SecureCookieSessionInterface()

    def get_cookie_name(self, app: Flask) -> str:
        """``__Host-lettermill`` over https, plain ``lettermill`` without."""
        return "__Host-lettermill" if app.config["SESSION_COOKIE_SECURE"] else "lettermill"

    def open_session(self, app: Flask, request: Request) -> HouseSession:
        """Return the session of the cookie, or an empty one; a forged or ended cookie is an empty one."""
        cookie = request.cookies.get(self.get_cookie_name(app), "")
        if cookie.startswith(_SERVED):
            try:
                return self._stored(cookie.removeprefix(_SERVED))
            except SQLAlchemyError as error:
                # Flask has no error page yet at this point; demand_session() raises it where there is one.
                return HouseSession(lost=error)
        signer = self._signer.get_signing_serializer(app)
        if not cookie or signer is None:
            return HouseSession()
        return HouseSession(_signed(signer, cookie))

    def _stored(self, key: str) -> HouseSession:
        found = sessions.find(db.engine, key, lifetime())
        if found is None:
            return HouseSession()
        if utcnow() - found.seen_at > sessions.TOUCH:
            sessions.touch(db.engine, found.id)
        return HouseSession(found.data, key, found.id)

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Store what changed; a new identity gets a new key, so that a cookie known before sign-in is worth nothing after it."""
        if not isinstance(session, HouseSession):
            raise TypeError("a session that is not ours")
        if session.lost is not None:
            return
        # The view is over: what it did not commit is not kept, and must not stand in the way of our own transaction.
        db.session.rollback()
        name = self.get_cookie_name(app)
        if session.key and (session.starts_anew or IDENTITY not in session):
            sessions.end(db.engine, session.key)
            session.key = ""
        if IDENTITY in session:
            self._save_stored(app, session, response, name)
        elif session:
            self._save_signed(app, session, response, name)
        elif session.modified:
            response.delete_cookie(name, path="/", secure=app.config["SESSION_COOKIE_SECURE"], httponly=True, samesite="Lax")

    def _save_stored(self, app: Flask, session: HouseSession, response: Response, name: str) -> None:
        if session.key:
            if session.modified:
                sessions.keep(db.engine, session.row_id, dict(session))
            return
        kind, _, number = session[IDENTITY].partition(":")
        session.key = sessions.begin(db.engine, (kind, int(number), session.pop("_epoch")), dict(session), *_origin())
        self._set(app, response, name, _SERVED + session.key)

    def _save_signed(self, app: Flask, session: HouseSession, response: Response, name: str) -> None:
        signer = self._signer.get_signing_serializer(app)
        if session.modified and signer is not None:
            self._set(app, response, name, str(signer.dumps(dict(session))))

    def _set(self, app: Flask, response: Response, name: str, value: str) -> None:
        response.headers.add("Vary", "Cookie")
        response.set_cookie(name, value, path="/", secure=app.config["SESSION_COOKIE_SECURE"], httponly=True, samesite="Lax")


def _signed(signer: Any, cookie: str) -> dict[str, Any]:
    try:
        return dict(signer.loads(cookie, max_age=int(timedelta(days=1).total_seconds())))
    except BadSignature:
        return {}  # Forged, or older than a day: as good as no cookie.


def _origin() -> tuple[str, str]:
    return request.remote_addr or "", request.headers.get("User-Agent", "")


def demand_session() -> None:
    """Raise what kept the database from saying who comes in, for a page that is not for anyone."""
    lost: SQLAlchemyError | None = getattr(session, "lost", None)
    if lost is not None:
        raise lost


def lifetime() -> timedelta:
    """Return how long a session lasts without being used (settings, System)."""
    return timedelta(hours=settings().get(SystemSettings).session_hours)


def init_sessions(app: Flask) -> None:
    """Give the house its sessions; a sign-in starts a new one."""
    app.session_interface = HouseSessions()

    @user_logged_in.connect_via(app)
    def _start_anew(_app: Flask, user: Any) -> None:
        session.starts_anew = True  # type: ignore[attr-defined]
        session["_epoch"] = user.epoch
