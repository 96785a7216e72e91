"""The journal: what is on disk is what happened, whoever dies when."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
import uuid
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.delivery import journal
from app.delivery.journal import Entry, JournalDirectory, JournalRefused, SlotBusy, SlotJournal, entries_of, file_system_of
from app.delivery.transports.outcome import Outcome, in_doubt
from app.mail.reply import Fate, Reply
from tests.unit.delivery.conftest import CLAIM


def outcome(position: int, state: str = "sent", text: str = "ok") -> Outcome:
    codes = {"sent": (250, Fate.ACCEPTED), "deferred": (451, Fate.DEFERRED), "failed": (550, Fate.BOUNCED_HARD),
             "unstarted": (0, Fate.DEFERRED)}
    code, fate = codes[state]
    return Outcome(position, state, fate, Reply(code, "2.0.0", text))  # type: ignore[arg-type]


def test_what_was_written_is_what_is_read(slot: SlotJournal) -> None:
    for position in range(5):
        slot.dot(position)
    slot.reply(0, outcome(0))
    slot.reply(1, outcome(1, "deferred"))
    slot.reply(2, outcome(2, "failed", 'no "such"\nuser ü'))
    slot.reply(3, outcome(3, "unstarted"))
    entries = slot.entries()
    assert [entries[7, position].word for position in range(5)] == ["A", "T", "F", "U", "D"]
    assert entries[7, 2] == Entry(CLAIM, "F", 550, "2.0.0", 'no "such"\nuser ü', "bounced_hard")


def test_a_mail_in_doubt_keeps_its_dot_as_the_last_word(slot: SlotJournal) -> None:
    slot.dot(1)
    slot.reply(1, in_doubt(1, "gone"))
    assert slot.entries()[7, 1].word == "D"


def test_a_later_claim_of_the_same_mail_is_told_from_the_first(slot: SlotJournal) -> None:
    slot.dot(1)
    slot.reply(1, outcome(1, "deferred"))
    slot.under(7, "newer")
    slot.dot(1)
    assert slot.entries()[7, 1] == Entry("newer", "D")


@given(st.text(max_size=400), st.text(max_size=12), st.integers(0, 2**31))
def test_any_reply_is_one_line_that_reads_back(text: str, enhanced: str, position: int) -> None:
    lines: list[bytes] = []
    slot = object.__new__(SlotJournal)
    slot._process, slot._named = os.getpid(), {}
    slot._write = lines.append  # type: ignore[method-assign]
    slot.under(9, CLAIM)
    printable = text.encode("utf-8", "replace").decode()
    slot.reply(position, Outcome(position, "failed", Fate.BLOCKED, Reply(554, enhanced.encode("utf-8", "replace").decode(), printable)))
    assert lines[0].count(b"\n") == 1
    assert entries_of([lines[0][:-1]])[9, position].text == printable[:300]


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_line_makes_the_reader_fail(lines: list[bytes]) -> None:
    found = [*entries_of(lines).values(), *entries_of([b"A 7 1 claim " + line for line in lines]).values()]
    assert {entry.word for entry in found} <= set("DATFU")


def lines_of(directory: JournalDirectory, name: str = "slot-1") -> bytes:
    """Return what stands in the file of a slot before its free room."""
    return directory.file(name).read_bytes().partition(b"\0")[0]


@pytest.mark.parametrize("room", [0, 100])
def test_a_line_that_a_crash_has_torn_says_nothing_and_swallows_no_other(directory: JournalDirectory, slot: SlotJournal, room: int) -> None:
    slot.dot(1)
    slot.close()
    whole = lines_of(directory)
    for cut in range(1, len(whole) + 1):
        directory.file("slot-1").write_bytes(whole + whole.replace(b" 1 ", b" 2 ")[:cut - 1] + bytes(room))
        again = directory.open("slot-1")
        assert set(again.entries()) == {(7, 1)}
        again.under(7, CLAIM)
        again.dot(3)
        assert {key: entry.word for key, entry in again.entries().items()} == {(7, 1): "D", (7, 3): "D"}
        again.close()


def test_the_slot_is_held_by_one_opener_until_it_lets_go(directory: JournalDirectory, slot: SlotJournal) -> None:
    with pytest.raises(SlotBusy):
        directory.open("slot-1")
    directory.open("slot-2").close()
    slot.close()
    directory.open("slot-1").close()


def test_the_lock_goes_with_the_process_and_its_lines_stay(directory: JournalDirectory) -> None:
    program = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from app.delivery.journal import JournalDirectory
        slot = JournalDirectory(Path({str(directory.path)!r})).open("slot-1")
        slot.under(7, "{CLAIM}")
        slot.dot(12)
        print("ready", flush=True)
        time.sleep(60)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(SlotBusy):
            directory.open("slot-1")
        other.send_signal(signal.SIGKILL)
        other.wait()
    opened = directory.open("slot-1")
    assert opened.entries() == {(7, 12): Entry(CLAIM, "D")}
    opened.close()


def test_a_fork_cannot_write_under_the_lock_of_its_parent(slot: SlotJournal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal.os, "getpid", lambda: -1)
    with pytest.raises(RuntimeError, match="fork"):
        slot.under(7, CLAIM)


def test_every_line_is_in_the_file_at_once(slot: SlotJournal, directory: JournalDirectory) -> None:
    accepted = '[250,"","","accepted"]'
    slot.dot(1)
    assert lines_of(directory) == f"D 7 1 {CLAIM}\n".encode()
    slot.reply(1, outcome(1))
    slot.dot(2)
    assert lines_of(directory) == f"D 7 1 {CLAIM}\nA 7 1 {CLAIM} {accepted}\nD 7 2 {CLAIM}\n".encode()
    slot.reply(2, outcome(2, "failed"))
    assert [line[:1] for line in lines_of(directory).splitlines()] == [b"D", b"A", b"D", b"F"]


@pytest.mark.parametrize("claim", ["", "a b", "a\nb", "a\0b"])
def test_no_claim_can_tear_a_line(slot: SlotJournal, claim: str) -> None:
    with pytest.raises(ValueError, match="claim"):
        slot.under(7, claim)


def test_the_folder_has_one_id_for_good(tmp_path: Path) -> None:
    first = JournalDirectory(tmp_path / "a").id
    assert JournalDirectory(tmp_path / "a").id == first
    assert str(uuid.UUID(first)) == first
    assert JournalDirectory(tmp_path / "b").id != first
    assert [file.name for file in (tmp_path / "a").iterdir()] == ["id"]


def test_an_id_that_cannot_be_read_is_not_replaced_silently(tmp_path: Path) -> None:
    (tmp_path / "id").write_text("")
    with pytest.raises(JournalRefused, match="id"):
        JournalDirectory(tmp_path)


@pytest.mark.parametrize("name", ["../slot", "", "a/b", ".hidden", "x" * 65])
def test_a_slot_cannot_be_named_out_of_its_folder(directory: JournalDirectory, name: str) -> None:
    with pytest.raises(ValueError, match="slot"):
        directory.open(name)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "9p", "fuse.sshfs"])
def test_a_network_file_system_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setattr(journal, "file_system_of", lambda _path: kind)
    with pytest.raises(JournalRefused, match="disk of this machine"):
        JournalDirectory(tmp_path / "journal")


def test_a_folder_whose_files_cannot_be_mapped_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unable(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENODEV, "No such device")

    monkeypatch.setattr(journal.mmap, "mmap", unable)
    with pytest.raises(JournalRefused, match=r"cannot be mapped .* disk of this machine"):
        JournalDirectory(tmp_path / "journal")


def test_the_mount_that_holds_a_path_is_the_longest_and_the_last(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {tmp_path}/with\\040space nfs4 rw 0 0\ntmpfs {tmp_path} tmpfs rw 0 0\n"
                      f"/dev/b {tmp_path} xfs rw 0 0\n")
    assert file_system_of(tmp_path / "with space" / "journal", mounts) == "nfs4"
    assert file_system_of(tmp_path / "with", mounts) == "xfs"
    assert file_system_of(Path("/usr"), mounts) == "ext4"
    assert file_system_of(tmp_path, tmp_path / "none") == ""
