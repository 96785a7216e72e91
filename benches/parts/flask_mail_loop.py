"""What most programs do: one Flask-Mail message for each recipient on one connection, the state kept by the ORM, a commit every hundred.

Each is the mail that ours is: the same tags filled, the same links counted, the same pixel, ways to leave and return path of its own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import flask_mail
import sqlalchemy as sa
from flask import Flask
from itsdangerous import URLSafeSerializer
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benches.parts.content import HTML, PLAIN, SUBJECT

COMMIT_EVERY = 100
BASE = "https://mail.example.com"
LINKS = tuple(f"https://shop.example/{number}" for number in range(1, 4))


class _Base(DeclarativeBase):
    pass


class QueuedMail(_Base):
    """A row for each recipient, as such programs have it."""

    __tablename__ = "queue"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(254))
    first_name: Mapped[str] = mapped_column(sa.String(100))
    last_name: Mapped[str] = mapped_column(sa.String(100))
    state: Mapped[str] = mapped_column(sa.String(10), default="pending")
    sent_at: Mapped[datetime | None]


def flask_mail_loop(port: int, mails: int, database: str) -> float:
    """Send; return the mails a second."""
    app = Flask("loop")
    app.config.update(MAIL_SERVER="127.0.0.1", MAIL_PORT=port, MAIL_DEFAULT_SENDER="news@example.com")
    mail = flask_mail.Mail(app)
    with tempfile.TemporaryDirectory() as folder:
        engine = sa.create_engine(database or f"sqlite:///{Path(folder) / 'loop.sqlite3'}")
        _Base.metadata.drop_all(engine)
        _Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all([QueuedMail(email=f"p{number}@example.org", first_name=f"First{number}", last_name=f"Last{number}")
                             for number in range(mails)])
            session.commit()
            began = time.monotonic()
            with app.app_context():
                _send_all(session, mail)
            took = time.monotonic() - began
        engine.dispose()
    return mails / took


def _send_all(session: Session, mail: flask_mail.Mail) -> None:
    signer = URLSafeSerializer("the key of the loop")
    with mail.connect() as connection:
        for number, row in enumerate(session.scalars(sa.select(QueuedMail).order_by(QueuedMail.id)).all(), start=1):
            token = str(signer.dumps([1, row.id]))
            connection.send(_message(row, token), envelope_from=f"b+{token}@mail.example.com")
            row.state, row.sent_at = "sent", datetime.now(UTC)
            if number % COMMIT_EVERY == 0:
                session.commit()
    session.commit()


def _message(row: QueuedMail, token: str) -> flask_mail.Message:
    leave = f"{BASE}/u/{token}"
    values = {"%Subscriber:FirstName|friend%": row.first_name, "%Subscriber:FirstName%": row.first_name,
              "%Subscriber:LastName|of ours%": row.last_name, "%Subscriber:EmailAddress%": row.email, "%List:ListName%": "Readers",
              "%Link:WebBrowser%": f"{BASE}/w/{token}", "%Link:Unsubscribe%": leave, "</body>": f'<img src="{BASE}/o/{token}" alt=""></body>'}
    counted = {f'"{link}"': f'"{BASE}/c/{token}/{number}"' for number, link in enumerate(LINKS)}
    return flask_mail.Message(_filled(SUBJECT, values), recipients=[row.email], html=_filled(HTML, values | counted), body=_filled(PLAIN, values),
                              extra_headers={"List-Unsubscribe": f"<{leave}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"})


def _filled(text: str, values: Mapping[str, str]) -> str:
    for tag, value in values.items():
        text = text.replace(tag, value)
    return text
