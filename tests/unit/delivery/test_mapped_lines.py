"""The file under a journal: room before use, whole lines or none, whatever a kill, a full disk or an older version left."""

from __future__ import annotations

import errno
import mmap
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.delivery import mapped_lines
from app.delivery.journal import Entry, JournalDirectory, JournalFull, SlotJournal, entries_of, is_empty
from app.delivery.transports.outcome import in_doubt
from tests.unit.delivery.conftest import CLAIM
from tests.unit.delivery.test_journal import outcome


def read_entries(file: Path) -> dict[tuple[int, int], Entry]:
    """Return what any process finds in the file of a slot, whoever holds it."""
    return entries_of(mapped_lines.whole_lines(file.read_bytes()).split(b"\n"))


@given(st.data())
def test_a_copy_that_was_torn_in_any_order_says_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """The processor may store the bytes of a copy in whatever order: some are there, and at least one is not."""
    directory = JournalDirectory(tmp_path_factory.mktemp("torn"))
    before, torn = f"D 7 1 {CLAIM}\n".encode(), f"D 7 2 {CLAIM}\nA 7 1 {CLAIM} [250,\"\",\"\",\"accepted\"]\n".encode()
    # Two lines are never copied at once; here they are, so that a whole one behind a torn one is seen to stay unread.
    missing = data.draw(st.sets(st.integers(0, len(torn) - 1))) | {data.draw(st.integers(0, torn.index(b"\n")))}
    half = bytes(0 if at in missing else byte for at, byte in enumerate(torn))
    directory.file("slot-1").write_bytes(before + half + bytes(50))
    assert set(read_entries(directory.file("slot-1"))) == {(7, 1)}
    again = directory.open("slot-1")
    again.under(7, CLAIM)
    for position in range(3, 3 + data.draw(st.integers(0, 4))):
        again.dot(position)
        assert again.entries() == {(7, one): Entry(CLAIM, "D") for one in (1, *range(3, position + 1))}
    again.close()


def full(_handle: int, _start: int, _size: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_stops_the_first_dot_and_the_next_one_goes_when_there_is_room(slot: SlotJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(mapped_lines.os, "posix_fallocate", full)
        with pytest.raises(JournalFull, match=r"No space left on device. Nothing is sent until it can."):
            slot.dot(1)
        assert slot.entries() == {}
    slot.dot(2)
    assert set(slot.entries()) == {(7, 2)}


def test_a_full_disk_stops_the_first_line_that_needs_more_room_and_leaves_no_half_of_it(
    slot: SlotJournal, directory: JournalDirectory, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mapped_lines, "STEP", 100)
    for position in range(4):
        slot.dot(position)  # 23 bytes each
    before = directory.file("slot-1").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(mapped_lines.os, "posix_fallocate", full)
        for _ in range(2):
            with pytest.raises(JournalFull):
                slot.dot(4)
            with pytest.raises(JournalFull):
                slot.reply(1, outcome(1))
        assert directory.file("slot-1").read_bytes() == before
    slot.reply(1, outcome(1))
    assert {position: entry.word for (_, position), entry in slot.entries().items()} == {0: "D", 1: "A", 2: "D", 3: "D"}


def test_what_is_no_matter_of_the_disk_is_raised_as_it_is(slot: SlotJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(_handle: int, _start: int, _size: int) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(mapped_lines.os, "posix_fallocate", bad)
    with pytest.raises(OSError, match="Bad file descriptor"):
        slot.dot(1)


def run_apart(program: str) -> str:
    """Run a program in a process of its own; return what it printed. It must end well: a signal would be a failure here."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, cwd=Path(__file__).parents[3],
                          timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_where_the_kernel_itself_refuses_room_every_line_before_it_is_there(directory: JournalDirectory) -> None:
    went = int(run_apart(f"""
        import resource
        from pathlib import Path
        from app.delivery.journal import JournalDirectory, JournalFull
        from app.delivery.mapped_lines import STEP
        slot = JournalDirectory(Path({str(directory.path)!r})).open("slot-1")
        slot.under(7, "{CLAIM}")
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * STEP + 1000, resource.RLIM_INFINITY))
        went = 0
        try:
            while True:
                slot.dot(went)
                went += 1
        except JournalFull as error:
            assert "File too large" in str(error), error
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        slot.dot(went)
        print(went)
    """))
    opened = directory.open("slot-1")
    assert set(opened.entries()) == {(7, position) for position in range(went + 1)}
    assert 2 * mapped_lines.STEP - 40 < len(b"".join(b"D 7 %d %s\n" % (position, CLAIM.encode()) for position in range(went))) <= 2 * mapped_lines.STEP
    opened.close()


@pytest.mark.parametrize("problem", [None, errno.EOPNOTSUPP])
def test_where_room_cannot_be_reserved_it_is_written(
    slot: SlotJournal, directory: JournalDirectory, monkeypatch: pytest.MonkeyPatch, problem: int | None,
) -> None:
    def unknown(_handle: int, _start: int, _size: int) -> None:
        raise OSError(problem, "Operation not supported")

    if problem is None:
        monkeypatch.delattr(mapped_lines.os, "posix_fallocate")
    else:
        monkeypatch.setattr(mapped_lines.os, "posix_fallocate", unknown)
    monkeypatch.setattr(mapped_lines, "STEP", 4096)
    for position in range(400):
        slot.dot(position)
    assert directory.file("slot-1").stat().st_size == directory.file("slot-1").stat().st_blocks * 512 == 12288
    assert set(slot.entries()) == {(7, position) for position in range(400)}


def test_room_is_reserved_before_it_is_used_also_where_a_file_has_holes(directory: JournalDirectory) -> None:
    with directory.file("slot-1").open("wb") as sparse:
        sparse.truncate(3 * mapped_lines.STEP)
    slot = directory.open("slot-1")
    slot.under(7, CLAIM)
    slot.dot(1)
    assert directory.file("slot-1").stat().st_blocks * 512 >= 3 * mapped_lines.STEP
    slot.close()


def test_a_journal_grows_past_its_first_step_and_loses_nothing(slot: SlotJournal, directory: JournalDirectory) -> None:
    mails = mapped_lines.STEP // 60 * 3
    for position in range(mails):
        slot.dot(position)
        slot.reply(position, outcome(position))
    assert directory.file("slot-1").stat().st_size >= 4 * mapped_lines.STEP
    assert [entry.word for entry in slot.entries().values()] == ["A"] * mails
    slot.close()
    again = directory.open("slot-1")
    assert len(again.entries()) == mails
    again.close()


def test_a_line_longer_than_a_step_has_room(slot: SlotJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_lines, "STEP", 16)
    slot.dot(1)
    slot.reply(1, outcome(1, "failed", "x" * 300))
    assert slot.entries()[7, 1].text == "x" * 300


def test_truncating_forgets_and_the_slot_goes_on(slot: SlotJournal, directory: JournalDirectory) -> None:
    for position in range(1, 100):
        slot.dot(position)
    slot.truncate()
    assert slot.entries() == {}
    assert is_empty(directory.file("slot-1"))
    slot.dot(2)
    assert set(slot.entries()) == {(7, 2)}
    assert not is_empty(directory.file("slot-1"))


def test_an_emptied_slot_keeps_its_room_until_it_is_a_lot(slot: SlotJournal, directory: JournalDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapped_lines, "STEP", 4096)
    monkeypatch.setattr(mapped_lines, "MOST_KEPT", 8192)
    sizes = []
    for mails in (300, 1000, 1):
        for position in range(mails):
            slot.dot(position)
        slot.truncate()
        sizes.append(directory.file("slot-1").stat().st_size)
    assert sizes == [8192, 0, 4096]
    slot.dot(5)
    assert set(slot.entries()) == {(7, 5)}


def test_a_slot_that_was_never_used_is_empty(slot: SlotJournal, directory: JournalDirectory) -> None:
    assert is_empty(directory.file("slot-1"))
    assert slot.entries() == read_entries(directory.file("slot-1")) == {}


@given(st.data())
def test_of_a_journal_that_a_kill_found_half_emptied_nothing_comes_alive_again(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject,
) -> None:
    """The first byte is gone, and any others."""
    directory = JournalDirectory(tmp_path_factory.mktemp("half"))
    old = b"".join(b"D 7 %d %s\n" % (position, CLAIM.encode()) for position in range(10, 20))
    gone = data.draw(st.sets(st.integers(0, len(old) - 1))) | {0} | set(range(data.draw(st.integers(0, len(old)))))
    directory.file("slot-1").write_bytes(bytes(0 if at in gone else byte for at, byte in enumerate(old)) + bytes(100))
    assert is_empty(directory.file("slot-1"))
    again = directory.open("slot-1")
    again.under(7, "newer")
    assert again.entries() == {}
    for position in range(10):
        again.dot(position)
        assert again.entries() == {(7, one): Entry("newer", "D") for one in range(position + 1)}
    again.close()


def test_emptying_takes_the_first_byte_before_any_other(slot: SlotJournal, directory: JournalDirectory) -> None:
    class Watched:
        """The mapping, and the first byte of the file each time that something was stored into it."""

        def __init__(self, inner: mmap.mmap) -> None:
            self.inner, self.seen = inner, list[tuple[bytes, bytes]]()

        def __len__(self) -> int:
            return len(self.inner)

        def __setitem__(self, at: Any, value: Any) -> None:
            self.inner[at] = value
            content = directory.file("slot-1").read_bytes()
            self.seen.append((content[:1], content[1:20].strip(b"\0")[:1]))

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    slot.dot(1)
    assert slot._lines._map is not None
    watched = Watched(slot._lines._map)
    slot._lines._map = watched  # type: ignore[assignment]
    slot.truncate()
    assert watched.seen == [(b"\0", b" "), (b"\0", b"")]


def test_a_journal_of_an_older_version_is_read_and_taken_over(directory: JournalDirectory) -> None:
    """Lines alone, no room behind them, the last one torn, and one that was torn before and ended by whoever came next."""
    accepted = '[250,"","","accepted"]'
    directory.file("slot-1").write_text(f"D 7 1 {CLAIM}\nD 7 2 {CLAIM}\nA 7 1 {CLAIM} {accepted}\nD 7 \nT 7 2 {CLAIM} [451,\"\",\"x\",\"deferred\"]\n"
                                        f"D 7 3 {CLAIM}\nA 7 3 {CLAIM} [25")
    assert not is_empty(directory.file("slot-1"))
    slot = directory.open("slot-1")
    slot.under(8, CLAIM)
    for position in range(2):
        assert {key: entry.word for key, entry in slot.entries().items()} == (
            {(7, 1): "A", (7, 2): "T", (7, 3): "D"} | {(8, one): "D" for one in range(position)})
        slot.dot(position)
    slot.truncate()
    assert slot.entries() == {}
    slot.close()


def test_an_older_journal_is_read_and_emptied_where_the_disk_has_no_room(directory: JournalDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.file("slot-1").write_text(f"D 7 1 {CLAIM}\nD 7 ")
    monkeypatch.setattr(mapped_lines.os, "posix_fallocate", full)
    slot = directory.open("slot-1")
    assert set(slot.entries()) == {(7, 1)}
    slot.truncate()
    assert is_empty(directory.file("slot-1"))
    slot.close()


def test_no_line_calls_the_kernel_once_there_is_room(slot: SlotJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    slot.dot(0)
    for call in ("write", "pwrite", "fstat", "ftruncate", "posix_fallocate"):
        monkeypatch.delattr(mapped_lines.os, call)
    slot.dot(1)
    slot.reply(1, outcome(1))
    monkeypatch.undo()
    assert {position: entry.word for (_, position), entry in slot.entries().items()} == {0: "D", 1: "A"}


def test_what_a_slot_holds_is_known_also_when_its_file_was_removed(slot: SlotJournal, directory: JournalDirectory) -> None:
    slot.dot(1)
    directory.file("slot-1").unlink()
    assert set(slot.entries()) == {(7, 1)}


EMPTIED_EVERY = 701


def write_until_killed(directory: JournalDirectory, said: int) -> None:
    """Dot after dot, emptied now and then; every tenth time say how much is finished."""
    slot = directory.open("slot-1")
    slot.under(7, CLAIM)
    for done in range(10_000_000):
        if done % EMPTIED_EVERY == EMPTIED_EVERY - 1:
            slot.truncate()
            slot.under(7, CLAIM)
        else:
            slot.dot(done)
        if done % 10 == 9:
            os.write(said, (done + 1).to_bytes(4, "big"))


def after(steps: int) -> set[int]:
    """Return the dots that stand in the journal when so many steps of ``write_until_killed`` are done."""
    return set(range(steps - steps % EMPTIED_EVERY, steps))


def test_whatever_was_finished_before_a_kill_is_there(directory: JournalDirectory) -> None:
    chance = random.Random(3)
    for _ in range(40):
        hears, says = os.pipe()
        child = os.fork()
        if not child:
            try:
                write_until_killed(directory, says)
            finally:
                os._exit(1)
        os.close(says)
        with open(hears, "rb", buffering=0) as said:  # noqa: PTH123 - a pipe
            said.read(4)
            time.sleep(chance.random() * 0.01)
            os.kill(child, signal.SIGKILL)
            assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
            told = said.read()
        finished = int.from_bytes(told[-4:] or b"\0\0\0\x0a", "big")
        opened = directory.open("slot-1")
        found = {position for _, position in opened.entries()}
        assert any(found == after(finished + more) for more in range(11)), (finished, sorted(found)[-3:])
        opened.truncate()
        opened.close()


Step = tuple[str, int]
STEPS = st.one_of(
    st.tuples(st.just("dot"), st.integers(0, 9)),
    st.tuples(st.sampled_from(["sent", "deferred", "failed", "unstarted", "in doubt"]), st.integers(0, 9)),
    st.tuples(st.sampled_from(["truncate", "reopen", "claim"]), st.integers(0, 3)))


class Model:
    """A slot, and a dictionary that knows what it should hold."""

    def __init__(self, directory: JournalDirectory) -> None:
        self.directory, self.claim, self.known = directory, "0", dict[tuple[int, int], tuple[str, str]]()
        self.slot = directory.open("slot-1")
        self.slot.under(7, self.claim)

    def do(self, what: str, number: int) -> None:
        if what == "dot":
            self.slot.dot(number)
            self.known[7, number] = ("D", self.claim)
        elif what == "truncate":
            self.slot.truncate()
            self.known.clear()
        elif what in {"reopen", "claim"}:
            self.begin_anew(what, number)
        else:
            self.hear(what, number)

    def begin_anew(self, what: str, number: int) -> None:
        if what == "reopen":
            self.slot.close()
            self.slot = self.directory.open("slot-1")
        else:
            self.claim = str(number)
        self.slot.under(7, self.claim)

    def hear(self, what: str, number: int) -> None:
        self.slot.reply(number, in_doubt(number, "gone") if what == "in doubt" else outcome(number, what))
        if what != "in doubt":
            self.known[7, number] = ({"sent": "A", "deferred": "T", "failed": "F", "unstarted": "U"}[what], self.claim)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_any_use_of_a_slot_is_what_a_dictionary_would_say(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, steps: list[Step],
) -> None:
    monkeypatch.setattr(mapped_lines, "STEP", 128)
    monkeypatch.setattr(mapped_lines, "MOST_KEPT", 512)
    model = Model(JournalDirectory(tmp_path_factory.mktemp("any")))
    for what, number in steps:
        model.do(what, number)
        assert {key: (entry.word, entry.claim) for key, entry in model.slot.entries().items()} == model.known
        assert is_empty(model.directory.file("slot-1")) == (not model.known)
    model.slot.close()
