# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A prefix's journal: cut off anywhere, damaged, killed at each record; it ends whole or gone."""

from __future__ import annotations

import errno
import os
import random
import stat

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import journal as journals
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import JournalDamaged, LockTimeout
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.journal import Journal
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.records import pack, unpack
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.standing import (
    THINGS,
    Record,
    records_of,
    replay,
    to_remove,
    to_resume,
)


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "journal")


def names(things):
    return [f"{thing.kind} {thing.name}" for thing in things]


def filled(path):
    with Journal(path) as journal:
        journal.begin("start", vms=["vm0"])
        with journal.making("network", "mgmt", uuid="u1") as more:
            more["bridge"] = "lg0"
        with journal.making("disk", "vm0_root", path="/p"):
            pass
        with pytest.raises(ZeroDivisionError), journal.making("domain", "vm0", uuid="u2"):
            raise ZeroDivisionError


def test_what_was_written_is_known_to_the_next(path):
    filled(path)
    with Journal(path) as journal:
        assert (journal.standing.action, journal.standing.arguments) == ("start", {"vms": ["vm0"]})
        assert journal.standing.things["network", "mgmt"].detail == {"uuid": "u1", "bridge": "lg0"}
        assert journal.has("disk", "vm0_root") and not journal.has("domain", "vm0") and not journal.has("disk", "x")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_a_half_is_cleared_away_before_a_resume_and_all_at_a_removal(path):
    filled(path)
    with Journal(path) as journal:
        assert names(to_resume(journal.standing)) == ["domain vm0"]
        assert names(to_remove(journal.standing)) == ["domain vm0", "disk vm0_root", "network mgmt"]


def test_what_goes_on_where_it_ended_is_not_cleared_away(path):
    with Journal(path) as journal:
        journal.begin("initialize")
        for thing in THINGS:
            with pytest.raises(KeyError), journal.making(thing, "x"):
                raise KeyError
        kept = set(THINGS) - {thing.kind for thing in to_resume(journal.standing)}
    assert kept == {"folder", "lease", "template"}


def test_a_removal_that_was_interrupted_is_gone_on_with(path):
    filled(path)
    with Journal(path) as journal:
        journal.begin("destroy")
        with pytest.raises(ZeroDivisionError), journal.removing("disk", "vm0_root"):
            raise ZeroDivisionError
        assert names(to_resume(journal.standing)) == ["domain vm0", "disk vm0_root"]
        for thing in to_remove(journal.standing):
            with journal.removing(thing.kind, thing.name):
                pass
        journal.end()
        assert journal.standing == replay([])


def test_cut_off_anywhere_it_is_what_it_was_a_record_before(path):
    filled(path)
    with open(path, "rb") as file:
        whole = file.read()
    records, size = unpack(whole)
    assert size == len(whole) and len(records) == 6
    for cut in range(len(whole)):
        with open(path, "wb") as file:
            file.write(whole[:cut])
        with Journal(path) as journal:
            assert journal.records == records[: whole[:cut].count(b"\n")]
            journal.begin("destroy")
        with Journal(path) as journal:
            assert journal.standing.action == "destroy", "what is added behind a torn record can be read"


def test_one_other_byte_anywhere_is_seen(path):
    filled(path)
    with open(path, "rb") as file:
        whole = file.read()
    for at in range(len(whole) - 1):
        with pytest.raises(JournalDamaged):
            unpack(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([("began", {})], "record 0: began without 'began'"),
        ([("ended", {"outcome": "done"})], "record 0: an end, and nothing had begun"),
        ([("begun", {"action": "dance", "arguments": {}})], "record 0: 'dance' is not known"),
        ([("making", {"name": "x"})], "record 0: making without 'thing'"),
        ([("making", {"thing": "moon", "name": "x"})], "record 0: 'moon' is not known"),
        ([("made", {"thing": "disk", "name": "x"})], "record 0: the disk x is not there"),
        ([("making", {"thing": "disk", "name": "x"}), ("removed", {"thing": "disk", "name": "x"})],
         "record 1: the disk x is making"),
    ],
)  # fmt: skip
def test_records_that_do_not_follow_are_refused(path, records, message):
    with open(path, "wb") as file:
        file.write(b"".join(pack(number, Record(*record)) for number, record in enumerate(records)))
    os.chmod(path, 0o600)
    with pytest.raises(JournalDamaged) as caught:
        Journal(path)
    assert str(caught.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    "text", [b"[1]", b'{"a": 1}', b"3", b"[" * 9999, b'[1,"made",{}]', b"[0,3,{}]", b'[0,"made",[]]']
)
def test_lines_that_are_no_records_are_refused(text):
    import zlib

    with pytest.raises(JournalDamaged, match="^record 0 is no record"):
        unpack(b"%08x %s\n" % (zlib.crc32(text), text))


def test_a_program_s_mistake_is_refused_before_it_is_written(path):
    with Journal(path) as journal:
        with pytest.raises(JournalDamaged), journal.making("moon", "x"):
            pass
        with pytest.raises(JournalDamaged), journal.removing("disk", "x"):
            pass
        with pytest.raises(TypeError), journal.making("disk", "x", detail_that=object()):
            pass
    assert os.stat(path).st_size == 0


def full(monkeypatch, after):
    """A disk with room for so many more records."""
    writing, left = journals._write, [after]

    def write(file, line):
        left[0] -= 1
        if left[0] < 0:
            os.write(file, line[:10])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        writing(file, line)

    monkeypatch.setattr(journals, "_write", write)


def test_a_record_that_does_not_fit_on_the_disk_is_told_and_leaves_no_torn_line(path, monkeypatch):
    filled(path)
    full(monkeypatch, 1)
    with Journal(path) as journal:
        with pytest.raises(OSError, match=f"No space left on device: '{path}'"), journal.making("disk", "more"):
            pass
        before = journal.standing
    with Journal(path) as journal:
        assert journal.standing == before


@pytest.mark.parametrize("room", range(6))
def test_who_removes_all_needs_no_room(path, monkeypatch, room):
    """And who reads the journal after that one was killed, finds all that may be there."""
    filled(path)
    full(monkeypatch, room)
    with Journal(path, all_goes=True) as journal:
        journal.begin("destroy")
        for thing in to_remove(journal.standing):
            with journal.removing(thing.kind, thing.name):
                pass
        assert journal.standing.things == {}
    with Journal(path) as journal:
        assert len(journal.standing.things) == 3 - max(room - 1, 0) // 2


def test_one_at_a_time(path):
    with Journal(path):
        with pytest.raises(LockTimeout, match="another process works on this prefix"):
            Journal(path)
    Journal(path).close()


def test_what_others_can_write_is_not_read(path):
    open(path, "w").close()
    os.chmod(path, 0o666)
    with pytest.raises(JournalDamaged, match="no file that we alone can write"):
        Journal(path)
    os.unlink(path)
    os.symlink("/etc/passwd", path)
    with pytest.raises(OSError):
        Journal(path)


def test_a_long_one_is_shortened_when_an_action_ends(path, monkeypatch):
    monkeypatch.setattr(journals, "LONG", 20)
    with Journal(path) as journal:
        with journal.making("network", "mgmt", uuid="u"):
            pass
        for number in range(30):
            journal.begin("start")
            with journal.making("domain", f"vm{number}"):
                pass
            with journal.removing("domain", f"vm{number}"):
                pass
            journal.end()
        standing = journal.standing
        with pytest.raises(LockTimeout):
            Journal(path)
    with Journal(path) as journal:
        assert journal.standing == standing and names(standing.things.values()) == ["network mgmt"]
        assert len(journal.records) < 22


def test_random_lives_have_the_same_meaning_shortened():
    source = random.Random(9)
    for _unused in range(100):
        records = []
        for _again in range(30):
            record = Record(
                source.choice(["begun", "making", "made", "removing", "removed", "ended"]),
                {
                    "thing": source.choice(["disk", "lease"]),
                    "name": source.choice("abc"),
                    "detail": {source.choice("xy"): source.random()},
                    "action": "start",
                    "arguments": {},
                    "outcome": "done",
                },
            )
            try:
                replay([*records, record])
            except JournalDamaged:
                continue
            records.append(record)
        assert replay(records_of(replay(records))) == replay(records)


# Killed at each record of a life, with a world of things that are really made


class Killed(BaseException):
    pass


class World:
    """Files in a folder are the things. Counts the moments at which a process can be killed."""

    def __init__(self, folder, until):
        self.folder, self.left = folder, until

    def moment(self):
        self.left -= 1
        if self.left < 0:
            raise Killed

    def make(self, name):
        self.moment()
        assert not os.path.exists(f"{self.folder}/{name}"), "a half was not cleared away"
        open(f"{self.folder}/{name}", "w").close()
        self.moment()

    def remove(self, name):
        self.moment()
        if os.path.exists(f"{self.folder}/{name}"):
            os.unlink(f"{self.folder}/{name}")
        self.moment()


PARTS = [("network", "mgmt"), ("disk", "vm0_root"), ("domain", "vm0"), ("disk", "vm1_root"), ("domain", "vm1")]


def up(path, world):
    """Starts, or goes on with what was interrupted."""
    with Journal(path) as journal:
        for thing in to_resume(journal.standing):
            with journal.removing(thing.kind, thing.name):
                world.remove(thing.name)
        journal.begin("start")
        for kind, name in PARTS:
            if not journal.has(kind, name):
                with journal.making(kind, name):
                    world.make(name)
        journal.end()


def down(path, world):
    with Journal(path) as journal:
        journal.begin("destroy")
        for thing in to_remove(journal.standing):
            with journal.removing(thing.kind, thing.name):
                world.remove(thing.name)
        journal.end()


@pytest.mark.parametrize("ending", [up, down])
@pytest.mark.parametrize("torn", [False, True])
def test_killed_at_every_moment_it_ends_whole_or_gone(tmp_path, ending, torn):
    for first in range(11):
        for second in range(0, 12, 3):
            folder = tmp_path / f"{first}-{second}"
            folder.mkdir()
            path = str(tmp_path / f"{first}-{second}.journal")
            for life, until in ((up, first), (down if second % 2 else up, second)):
                try:
                    life(path, World(str(folder), until))
                except Killed:
                    if torn:
                        with open(path, "ab") as file:
                            file.write(b"00000000 [")
            ending(path, World(str(folder), 1000))
            assert sorted(os.listdir(folder)) == (sorted(name for _unused, name in PARTS) if ending is up else [])
            with Journal(path) as journal:
                assert journal.standing.action == ""
