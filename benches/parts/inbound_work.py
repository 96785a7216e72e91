"""What one worker does with mail that came back: read it, find whose it was, act; on a database that flushes at every commit."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy import event

from app.delivery import lifecycle
from app.delivery.ledger import RECIPIENTS, State
from app.house import House
from app.inbound.models import InboundEvent
from app.inbound.read import read
from app.inbound.reading import read_waiting
from app.inbound.spool import Spool, arrived
from app.inbound.take_in import take_in
from app.mail.mfrom import mfrom_address
from app.mail.tokens import TokenKeys
from app.settings.secrets import derive
from tests.factories import sending as factory
from tests.factories.returns.cases import whole
from tests.factories.returns.said import Own
from tests.factories.sending import KEY

MFROM = "returns.example"


@dataclass(frozen=True, slots=True)
class Worked:
    """Mails a second, and statements and commits that each cost."""

    take_in_per_s: float
    per_s: float
    statements: float
    commits: float


def own_of(tokens: TokenKeys, sending_id: int, position: int, size: int = 4000) -> Own:
    """Return a mail as it was sent to somebody; only its headers are true."""
    made = {purpose: tokens.make(purpose, sending_id, position) for purpose in ("mfrom", "unsubscribe", "message_id")}  # type: ignore[arg-type]
    head = (f"From: Example <news@example.com>\r\nTo: p{position}@example.org\r\nSubject: Jackets for p{position}\r\nDate: Tue, 24 Nov 2026 09:00:00 +0000\r\n"
            f"Message-ID: <{made['message_id']}@example.com>\r\nList-Unsubscribe: <mailto:u+{made['unsubscribe']}@{MFROM}?subject=unsubscribe>,\r\n"
            f" <https://mail.example.com/u/{made['unsubscribe']}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n")
    body = "New jackets have come in, and the mill is open on Saturday from ten to four.\r\n" * (size // 78)
    return Own(name="bench", address=f"p{position}@example.org", mfrom=mfrom_address(made["mfrom"], MFROM), envid=made["mfrom"], source=(head + body).encode(),
               sending_id=sending_id, position=position, campaign_id=1)


def classify_rate(mails: int, rounds: int = 3) -> tuple[float, int]:
    """Return how many generated mails one core reads in a second, the best of some rounds, and how many bytes they have on average."""
    cases = whole([own_of(TokenKeys(derive(KEY, "tokens")), 1, 1)])
    step = max(1, len(cases) // mails)
    sources = [case.data(number) for number, case in enumerate(cases[::step])][:mails]
    best = 0.0
    for _ in range(rounds):
        began = time.process_time()
        for source in sources:
            read(source)
        best = max(best, len(sources) / (time.process_time() - began))
    return best, sum(map(len, sources)) // len(sources)


def furnish(house: House, people: int) -> int:
    """Write down a campaign that was sent to so many people; return the sending."""
    with factory.every_tenant(), factory.session_of(house) as session:
        user = factory.make_user(session)
        factory.make_server(session, 1, mfrom=MFROM)
        members = factory.make_list(session, user, "Everybody", [f"p{number}@example.org" for number in range(1, people + 1)])
        campaign = factory.make_campaign(session, user, [members])
        session.commit()
        sending = lifecycle.start_campaign_sending(house, session, campaign)
        session.commit()
    assert sending is not None
    factory.freeze_whole(house, sending.id)
    with house.engine.begin() as connection:
        connection.execute(sa.update(RECIPIENTS).values(state=State.SENT, settled_at=sa.func.current_timestamp()))
    return int(sending.id)


def work(house: House, sending_id: int, people: int, mails: int) -> Worked:
    """Let so many different mails come back at the return paths of as many people, and read them all with one worker."""
    spool, cases = Spool(house.config.data), whole([own_of(house.tokens, sending_id, 1)])
    bounces = [case for case in cases if case.place == "return path" and case.meant[0] == "bounce"]
    for number in range(mails):
        own = own_of(house.tokens, sending_id, number % people + 1)
        case = bounces[number * 7919 % len(bounces)]
        spool.put(replace(case, own=own).data(number), arrived(mfrom="", recipients=(own.mfrom,), way="smtp", client="192.0.2.1", helo="mx.far.example"))
    began = time.perf_counter()
    take_in(house, spool)
    taken = time.perf_counter() - began
    with statements_of(house) as seen:
        began = time.perf_counter()
        with factory.every_tenant():
            while read_waiting(house, 0, 2**31):
                continue
        took = time.perf_counter() - began
    _check(house, mails)
    return Worked(mails / taken, mails / took, seen["statement"] / mails, seen["commit"] / mails)


def _check(house: House, mails: int) -> None:
    """Whoever is fast and wrong is not fast: each mail has its event."""
    with house.engine.connect() as connection:
        found = connection.scalar(sa.select(sa.func.count()).select_from(InboundEvent).where(InboundEvent.matched_by == "return_path"))
    if found != mails:
        raise SystemExit(f"{found} of {mails} mails were acted on")


@contextmanager
def statements_of(house: House) -> Iterator[Counter[str]]:
    """Count what the database is asked during the block."""
    seen: Counter[str] = Counter()

    def asked(*_: object) -> None:
        seen["statement"] += 1

    def committed(*_: object) -> None:
        seen["commit"] += 1

    event.listen(house.engine, "before_cursor_execute", asked)
    event.listen(house.engine, "commit", committed)
    try:
        yield seen
    finally:
        event.remove(house.engine, "before_cursor_execute", asked)
        event.remove(house.engine, "commit", committed)

