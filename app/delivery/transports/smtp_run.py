"""One call of ``deliver``: where its messages come from, which of them are under way, what became of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from app.delivery.journal import JournalFull
from app.delivery.transports.outcome import Outcome, unstarted
from app.delivery.transports.smtp_server import SessionFailed
from app.delivery.transports.smtp_task import Task
from app.delivery.transports.transport import Journal
from app.delivery.transports.wire import WireMessage

TOO_LATE_TO_BEGIN = "Its time was up before it could be begun."


class Run:
    """Messages are taken one by one, as sessions can carry them; each gets exactly one outcome. ``wake`` is called when there is news."""

    def __init__(self, messages: Iterator[WireMessage], journal: Journal, wake: Callable[[], None]) -> None:
        self.journal, self._messages, self._wake = journal, messages, wake
        self.outcomes: deque[Outcome] = deque()
        self._ready: deque[Task] = deque()
        self._in_hand = 0
        self._is_exhausted = False
        self.trouble: SessionFailed | None = None
        self.error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        """Whether nothing is under way and no more will come."""
        return self._in_hand == 0 and (self._is_exhausted or self.is_stopped)

    @property
    def is_stopped(self) -> bool:
        """Whether no further message may be begun: the server, the journal, or the source of messages failed."""
        return self.trouble is not None or self.error is not None

    @property
    def ready(self) -> int:
        """How many messages have been taken and wait for a session."""
        return len(self._ready)

    def take(self) -> Task | None:
        """Return the next message that may be begun now, None where there is none."""
        while self.trouble is None and self.error is None:
            task = self._ready.popleft() if self._ready else self._pull()
            if task is None or task.may_begin:
                return task
            self.put(unstarted(task.message.position, TOO_LATE_TO_BEGIN))
        return None

    def look_ahead(self) -> bool:
        """Take one more message for a session that is about to be opened; return whether there was one."""
        task = None if self.is_stopped else self._pull()
        if task is not None:
            self._ready.append(task)
        return task is not None

    def _pull(self) -> Task | None:
        if self._is_exhausted:
            return None
        try:
            message = next(self._messages, None)
        except BaseException as error:  # noqa: BLE001 - the source is the caller's: what it raised is raised to the caller, by deliver
            self.error, self._is_exhausted, message = error, True, None
        if message is None:
            self._is_exhausted = True
            self._give_up()
            return None
        self._in_hand += 1
        return Task(message)

    def put(self, outcome: Outcome) -> None:
        """Hear what became of a message."""
        self._in_hand -= 1
        self.outcomes.append(outcome)
        self._wake()

    def give_back(self, task: Task, why: str, *, again: bool) -> None:
        """Take back a message of which nothing was sent. It is tried once more where that makes sense."""
        if again and task.tries == 0 and task.may_begin and not self.is_stopped:
            task.tries += 1
            task.forget_session()
            self._ready.append(task)
        else:
            self.put(self._unstarted(task.message, why))

    def fail(self, failure: SessionFailed) -> None:
        """The server takes nothing for now: what has not been begun stays so."""
        self.trouble = self.trouble or failure
        self._give_up()

    def stop(self, error: JournalFull) -> None:
        """No dot may be written any more."""
        self.error = self.error or error
        self._give_up()

    def _give_up(self) -> None:
        while self.is_stopped and self._ready:
            task = self._ready.popleft()
            self.put(self._unstarted(task.message, "Sending stopped before it could be begun."))
        self._wake()

    def rest(self) -> Iterator[Outcome]:
        """Yield the outcomes of the messages that were never taken."""
        while not self._is_exhausted and (message := next(self._messages, None)) is not None:
            yield self._unstarted(message, "Sending stopped before it could be begun.")
        self._is_exhausted = True

    def _unstarted(self, message: WireMessage, why: str) -> Outcome:
        failure = self.trouble
        if failure is not None:
            return unstarted(message.position, failure.why, server_at_fault=True, reply=failure.reply, fate=failure.fate)
        return unstarted(message.position, str(self.error or why), server_at_fault=self.error is None)
