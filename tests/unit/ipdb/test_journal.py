# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A transaction's journal: what was written is read, what was torn is not, what was forged is refused."""

from __future__ import annotations

import os
import stat

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import transaction
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.journal import Journal
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.records import (
    JournalDamaged,
    Record,
    pack,
    unpack,
)

RECORDS = [
    Record("begun", {"wanted": {"interfaces": [{"name": "br0"}]}, "at": 1.5}),
    Record("prepared", {"before": {}, "after": {"text": "line\nbreak \u00e4"}}),
    Record("wave", {"number": 0, "touched": {"links": [3]}}),
    Record("applied", {}),
]
WHOLE = b"".join(pack(number, record) for number, record in enumerate(RECORDS))


def test_what_was_packed_is_unpacked():
    assert unpack(WHOLE) == (RECORDS, len(WHOLE))
    assert WHOLE.count(b"\n") == len(RECORDS)


def test_a_line_is_what_the_documentation_says():
    assert pack(0, Record("begun", {})) == b'6e562df4 [0,"begun",{}]\n'


def test_cut_off_anywhere_the_whole_records_are_left():
    for size in range(len(WHOLE)):
        records, whole = unpack(WHOLE[:size])
        assert records == RECORDS[: WHOLE[:size].count(b"\n")]
        assert whole == WHOLE[:size].rfind(b"\n") + 1


def test_one_other_byte_anywhere_is_seen():
    for at in range(len(WHOLE) - 1):
        forged = WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :]
        with pytest.raises(JournalDamaged):
            unpack(forged)


def test_another_byte_for_the_last_line_s_end_looks_like_a_torn_record():
    assert unpack(WHOLE[:-1] + b"x")[0] == RECORDS[:-1]


def line(text: bytes) -> bytes:
    import zlib

    return b"%08x %s\n" % (zlib.crc32(text), text)


@pytest.mark.parametrize(
    "text",
    [
        b'[1,"begun",{}]',  # another number
        b'[0,"began",{}]',
        b'[0,"begun",[]]',
        b'[0,"begun"]',
        b'{"0":1}',
        b"0",
        b"",
        b"\xff",
        b"[" * 100000,
    ],
)
def test_a_line_with_its_checksum_that_is_no_record_is_refused(text):
    with pytest.raises(JournalDamaged):
        unpack(line(text))


def test_a_record_given_twice_is_refused():
    with pytest.raises(JournalDamaged, match="record 1 "):
        unpack(pack(0, RECORDS[0]) * 2)


# The file


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "7a637a44-8935-4395-b5e7-0ce40d31d937.journal")


def filled(path: str) -> None:
    with Journal.create(path) as journal:
        for record in RECORDS:
            journal.append(record.kind, **record.fields)


def test_a_journal_is_read_by_another(path):
    filled(path)
    with Journal.open(path) as journal:
        assert journal.records == RECORDS
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_whoever_reads_sees_what_is_added_later(path):
    with Journal.create(path) as writer, Journal.open(path) as reader:
        writer.append("begun", at=1)
        assert reader.records == []
        reader.read()
        assert reader.records == [Record("begun", {"at": 1})]


def test_what_is_known_is_not_read_again(path, monkeypatch):
    with Journal.create(path) as writer:
        writer.append("begun", at=1)
        with Journal.open(path) as other:
            other.append("prepared", at=2)
        seen = []
        real = os.pread
        monkeypatch.setattr(os, "pread", lambda file, size, at: seen.append(size) or real(file, size, at))
        writer.mend()
        writer.mend()
        assert [record.kind for record in writer.records] == ["begun", "prepared"]
        assert seen == [len(pack(1, writer.records[1]))]
        writer.append("wave", number=0)
    with Journal.open(path) as journal:
        assert [record.kind for record in journal.records] == ["begun", "prepared", "wave"]


def test_records_that_are_gone_are_damage(path):
    filled(path)
    with Journal.open(path) as journal:
        os.truncate(path, 10)
        with pytest.raises(JournalDamaged, match="gone"):
            journal.mend()


def test_a_torn_record_is_cut_off_before_others_follow(path):
    filled(path)
    os.truncate(path, os.stat(path).st_size - 3)
    with Journal.open(path) as journal:
        assert journal.records == RECORDS[:-1]
        journal.mend()
        journal.append("failed", error="x")
    with Journal.open(path) as journal:
        assert journal.records == [*RECORDS[:-1], Record("failed", {"error": "x"})]


def test_there_is_one_journal_of_a_name(path):
    filled(path)
    with pytest.raises(FileExistsError):
        Journal.create(path)


def test_what_others_may_write_is_not_believed(path):
    filled(path)
    os.chmod(path, 0o620)
    with pytest.raises(JournalDamaged, match="not ours alone"):
        Journal.open(path)


def test_a_link_is_not_followed(path, tmp_path):
    filled(path)
    os.symlink(path, tmp_path / "other")
    with pytest.raises(OSError):
        Journal.open(str(tmp_path / "other"))


def test_a_record_is_on_the_disk_before_it_counts(path, monkeypatch):
    order = []
    write, sync = os.write, os.fsync
    monkeypatch.setattr(os, "write", lambda *words: order.append("write") or write(*words))
    monkeypatch.setattr(os, "fsync", lambda file: order.append("sync") or sync(file))
    with Journal.create(path) as journal:
        order.clear()
        journal.append("begun")
    assert order == ["write", "sync"]


# Transactions


def begun(folder: str, at: float) -> str:
    with transaction.create(folder) as mine:
        mine.journal.append("begun", at=at)
        return mine.uuid


def test_several_are_found_in_the_order_in_which_they_were_begun(tmp_path):
    uuids = [begun(str(tmp_path), at) for at in (3, 1, 2)]
    found = transaction.find_all(str(tmp_path))
    assert [one.uuid for one in found] == [uuids[1], uuids[2], uuids[0]]
    for one in found:
        one.journal.close()


def test_none_is_found_where_nothing_ever_was(tmp_path):
    assert transaction.find_all(str(tmp_path / "none")) == []
    with pytest.raises(transaction.NoSuchTransaction):
        transaction.find(str(tmp_path / "none"), "7a637a44-8935-4395-b5e7-0ce40d31d937")


@pytest.mark.parametrize("name", ["", "x", "../../etc/passwd", "7a637a44"])
def test_only_a_uuid_names_one(tmp_path, name):
    with pytest.raises(ValueError, match="is not a UUID"):
        transaction.find(str(tmp_path), name)


@pytest.mark.parametrize(
    "kinds,over",
    [
        ([], False),
        (["begun"], False),
        (["prepared", "wave"], False),
        (["prepared", "wave", "applied"], True),
        (["prepared", "guarded", "wave", "applied"], False),
        (["prepared", "guarded", "wave", "applied", "confirmed"], True),
        (["prepared", "wave", "failed"], True),
        (["prepared", "wave", "rolled_back"], True),
    ],
)
def test_when_it_is_over(tmp_path, kinds, over):
    with transaction.create(str(tmp_path)) as mine:
        for kind in kinds:
            mine.journal.append(kind)
        assert mine.over is over


def test_what_failed_and_is_stuck_is_not_over(tmp_path):
    with transaction.create(str(tmp_path)) as mine:
        mine.journal.append("failed", stuck=["br0"])
        assert mine.stuck and not mine.over


def test_forgotten_it_leaves_nothing(tmp_path):
    with transaction.create(str(tmp_path)) as mine:
        for suffix in (".code", ".guard"):
            open(mine.path(suffix), "w").close()
        mine.forget()
    assert os.listdir(tmp_path) == []
