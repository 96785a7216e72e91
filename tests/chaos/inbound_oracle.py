"""What has to be true when everything is quiet again: what was answered is there and read, and every figure is what the events say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

from app.audience.models import ConsentEvent, Subscriber, SubscriberList, Suppression
from app.db import table_of
from app.delivery.models import Sending
from app.inbound.models import AddressBounces, InboundCount, InboundEvent, InboundMail
from app.inbound.soft import COUNTED, WEIGHTS
from app.inbound.spool import Spool
from tests.chaos.inbound_clients import Client, Mail
from tests.chaos.inbound_house import InboundHouse

MAILS, EVENTS, COUNTS, SENDINGS, PEOPLE, LISTS, SUPPRESSIONS, CONSENTS, ROWS = (table_of(model) for model in (
    InboundMail, InboundEvent, InboundCount, Sending, Subscriber, SubscriberList, Suppression, ConsentEvent, AddressBounces))
HOUSE = 0


class Oracle:
    """Reads everything once and compares. ``wrong`` has a figure for each promise; all are 0 where all is well."""

    def __init__(self, chaos: InboundHouse, clients: Iterable[Client]) -> None:
        self._chaos = chaos
        self._answered: list[Mail] = [mail for client in clients for mail in client.answered]
        self._tried = {name for client in clients for name in client.tried}
        self.mails, self.events = self._rows(MAILS), self._rows(EVENTS)

    def _rows(self, table: sa.Table) -> list[Any]:
        with self._chaos.house.engine.connect() as connection:
            return list(connection.execute(sa.select(table)))

    def wrong(self) -> dict[str, int]:
        """Return how often each promise was broken."""
        return self._of_mails() | self._of_counts() | self._of_sendings() | self._of_people()

    def _of_mails(self) -> dict[str, int]:
        by_name = {mail.digest: mail for mail in self.mails}
        of_mail = Counter(event.mail_id for event in self.events)
        spool = Spool(self._chaos.house.config.data)
        due = {mail.name: mail.has_event for mail in self._answered}
        return {
            "lost": sum(name not in by_name for name in due), "unread": sum(mail.state == "waiting" for mail in self.mails),
            "twice_in_database": len(self.mails) - len(by_name), "strangers": len(set(by_name) - self._tried),
            "unprocessed": sum(mail.state == "unprocessed" for mail in self.mails), "left_in_spool": len(spool.waiting()) + len(spool.kept()),
            "acted_twice": sum(number > 1 for number in of_mail.values()),
            "not_acted": sum(has_event and not of_mail[by_name[name].id] for name, has_event in due.items() if name in by_name),
            "shunted": self._number("SELECT COUNT(*) FROM shunted_jobs")}

    def _of_counts(self) -> dict[str, int]:
        """Hold the counters by day, campaign, domain, reason and server against the events."""
        expected = Counter[tuple[Any, ...]]()
        for event in self.events:
            what = event.bounce_class or event.kind
            if what != "unsubscribe" or event.decision == "unsubscribed":
                self._expect(expected, event, what, event.reason)
        found = {(row.user_id, row.dimension, row.day, row.what, row.value): row.number for row in self._rows(COUNTS) if row.number}
        return {"counters_wrong": sum(expected[key] != found.get(key, 0) for key in {*expected, *found})}

    @staticmethod
    def _expect(expected: Counter[tuple[Any, ...]], event: Any, what: str, reason: str) -> None:
        values = {"": "", "domain": event.domain, "campaign": str(event.campaign_id), "reason": reason}
        if what != "unsubscribe" and event.server_id:
            expected[HOUSE, "server", event.at.date(), what, str(event.server_id)] += 1
        for user in (HOUSE, event.user_id):
            expected.update((user, dimension, event.at.date(), what, value) for dimension, value in values.items() if value or not dimension)

    def _of_sendings(self) -> dict[str, int]:
        """A report's figures count people, each once."""
        people: dict[tuple[str, int], set[int]] = {}
        for event in self.events:
            what = "unsubscribe" if event.decision == "unsubscribed" else ""
            for kind in {event.bounce_class or event.kind, what} - {"", "unsubscribe" if event.decision != "unsubscribed" else ""}:
                people.setdefault((kind, event.sending_id), set()).add(event.position)
        columns = {"hard": "bounced_hard", "soft": "bounced_soft", "block": "blocked", "complaint": "complained", "unsubscribe": "unsubscribed"}
        return {"sendings_wrong": sum(getattr(row, column) != len(people.get((kind, row.id), ())) for row in self._rows(SENDINGS)
                                      for kind, column in columns.items())}

    def _of_people(self) -> dict[str, int]:
        suppressed = {event.address for event in self.events if event.decision in {"suppressed", "became_hard"} or event.kind == "complaint"}
        gone = {event.address for event in self.events if event.decision == "unsubscribed"}
        counted, people = Counter[str](), self._rows(PEOPLE)
        for event in self.events:
            counted[event.address] += WEIGHTS.get(event.reason, 1) if event.decision in COUNTED else 0
        rows = Counter({row.address: row.number for row in self._rows(ROWS)})
        patterns = Counter(row.pattern for row in self._rows(SUPPRESSIONS))
        hard = {event.address for event in self.events if event.decision in {"suppressed", "became_hard"}}
        return {
            "suppressions_wrong": len(set(patterns) ^ suppressed) + sum(number > 1 for number in patterns.values()),
            "softs_wrong": sum(counted[address] != rows[address] for address in {*counted, *rows}),
            "hards_wrong": sum((person.bounce_state == "hard") != (person.dedupe_key in hard) for person in people),
            "leavings_wrong": sum((person.state == "unsubscribed") != (person.dedupe_key in gone) for person in people),
            "consents_wrong": self._consents(people),
            "lists_wrong": sum(row.active_count != sum(person.state == "active" for person in people) for row in self._rows(LISTS))}

    def _consents(self, people: list[Any]) -> int:
        left = Counter(row.subscriber_id for row in self._rows(CONSENTS) if row.kind == "unsubscribed")
        return sum(left[person.id] != (person.state == "unsubscribed") for person in people)

    def _number(self, query: str) -> int:
        with self._chaos.house.engine.connect() as connection:
            return int(connection.scalar(sa.text(query)) or 0)
