"""What most programs do: one Flask-Mail message for each recipient on one connection, the state kept by the ORM, a commit every hundred."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import flask_mail
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benches.parts.content import HTML, PLAIN

COMMIT_EVERY = 100


class _Base(DeclarativeBase):
    pass


class QueuedMail(_Base):
    """A row for each recipient, as such programs have it."""

    __tablename__ = "queue"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(254))
    name: Mapped[str] = mapped_column(sa.String(100))
    state: Mapped[str] = mapped_column(sa.String(10), default="pending")


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
            session.add_all([QueuedMail(email=f"p{number}@example.org", name=f"p{number}") for number in range(mails)])
            session.commit()
            began = time.monotonic()
            with app.app_context():
                _send_all(session, mail)
            took = time.monotonic() - began
        engine.dispose()
    return mails / took


def _send_all(session: Session, mail: flask_mail.Mail) -> None:
    with mail.connect() as connection:
        for number, row in enumerate(session.scalars(sa.select(QueuedMail).order_by(QueuedMail.id)).all(), start=1):
            connection.send(flask_mail.Message(f"January at the mill, {row.name}", recipients=[row.email], html=_filled(HTML, row),
                                               body=_filled(PLAIN, row)))
            row.state = "sent"
            if number % COMMIT_EVERY == 0:
                session.commit()
    session.commit()


def _filled(text: str, row: QueuedMail) -> str:
    return text.replace("%Subscriber:FirstName|friend%", row.name).replace("%Subscriber:EmailAddress%", row.email)
