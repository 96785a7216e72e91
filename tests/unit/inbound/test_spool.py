"""The spool: whole mails in the order in which they came, one reader each, and an end to the room."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from app.inbound import spool as spools
from app.inbound.spool import FOLDER, Envelope, Spool, SpoolFull, Taken, arrived

DATA = b"Subject: x\r\n\r\n\x00\xff\n{}\r\n"


def envelope(*recipients: str) -> Envelope:
    return arrived(mfrom="", recipients=recipients or ("abuse@relay.test",), way="smtp", client="192.0.2.1", helo="mx.test")


def opened(spool: Spool, name: str) -> Taken:
    with spool.take(name) as taken:
        assert taken is not None
        return taken


def test_a_mail_comes_out_as_it_went_in(spool: Spool) -> None:
    went_in = envelope("a@relay.test", "ü\udcff@relay.test")
    taken = opened(spool, spool.put(DATA, went_in))
    assert (taken.data, taken.envelope) == (DATA, went_in)


def test_the_same_mail_twice_is_one_and_to_somebody_else_another(spool: Spool) -> None:
    first = spool.put(DATA, envelope("a@relay.test", "b@relay.test"))
    assert spool.put(DATA, envelope("b@relay.test", "a@relay.test")) == first
    assert spool.put(DATA, envelope("a@relay.test")) != first
    assert spool.put(DATA + b".", envelope("a@relay.test", "b@relay.test")) != first
    assert len(spool.waiting()) == 3


def test_mails_wait_in_the_order_in_which_they_came(spool: Spool) -> None:
    names = [spool.put(b"%d" % number, envelope()) for number in range(8)]
    assert spool.waiting() == names


def test_one_reader_has_a_mail_and_when_it_is_done_nobody_has(spool: Spool, tmp_path: Path) -> None:
    name = spool.put(DATA, envelope())
    with spool.take(name) as mine, Spool(tmp_path).take(name) as theirs:
        assert (mine is not None, theirs) == (True, None)
    with spool.take(name) as again:
        assert again is not None, "who lets go of it without being done leaves it to others"
        spool.done(name)
        with Spool(tmp_path).take(name) as late:
            assert late is None
    assert spool.waiting() == []
    spool.done(name)


def test_what_was_kept_does_not_wait_and_takes_room(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most_files=1)
    spool.keep(spool.put(DATA, envelope()))
    assert (spool.waiting(), len(spool.kept())) == ([], 1)
    with pytest.raises(SpoolFull):
        spool.put(b"another", envelope())


def test_room_is_counted_by_files_and_bytes_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "MEASURED_S", -1.0)
    few, small = Spool(tmp_path / "few", most_files=2), Spool(tmp_path / "small", most_bytes=1000)
    first = few.put(b"1", envelope())
    few.put(b"2", envelope())
    with pytest.raises(SpoolFull):
        few.put(b"3", envelope())
    assert few.put(b"1", envelope()) == first, "what is there needs no more room"
    few.done(first)
    few.put(b"3", envelope())
    with pytest.raises(SpoolFull):
        small.put(b"x" * 1000, envelope())
    small.put(b"x" * 500, envelope())


def test_a_disk_that_refuses_leaves_nothing_behind(spool: Spool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        spool.put(DATA, envelope())
    assert [file for file in (tmp_path / FOLDER).rglob("*") if file.is_file()] == []


def test_what_a_killed_process_left_is_swept_when_it_is_old(spool: Spool, tmp_path: Path) -> None:
    old, new = (tmp_path / FOLDER / "unnamed" / name for name in ("old", "new"))
    for file in (old, new):
        file.write_bytes(b"half a ma")
    os.utime(old, (time.time() - 3600,) * 2)
    assert spool.waiting() == []
    assert spool.sweep() == 1
    assert (old.exists(), new.exists()) == (False, True)
