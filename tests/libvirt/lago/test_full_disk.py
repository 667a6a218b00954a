# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that is full: it is said, a lab is as it was before, and can be destroyed; once there is room, all is done."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.errors import KvmError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import journal as journals
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import snapshots
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import LagoError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.importing import import_lab
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.libvirt.lago.conftest import Conf, Host, lab
from tests.libvirt.lago.inside import in_small_place, resize
from tests.libvirt.lago.test_snapshots import check_whole, read, without_nics, write

ROOM = "64m"
FULL = "No space left on device"
ERRORS = (ChangeFailed, KvmError, LagoError, OSError)


@pytest.fixture
def place(host: Host) -> Path:
    folder = host.folder / "kept" / "small"
    (host.folder / "kept").mkdir(mode=0o755)
    folder.mkdir(mode=0o755)
    return folder


def fill(place: Path, left: int) -> Path:
    """All but so many bytes."""
    found = os.statvfs(place)
    filling = place / "filling"
    filling.write_bytes(bytes(found.f_bavail * found.f_bsize - left))
    return filling


def check_empty(place: Path, prefix: Prefix) -> None:
    assert os.listdir(place) == []
    assert prefix.connection.ask("listAllDomains") == prefix.connection.ask("listAllNetworks") == []


def test_up(host: Host, place: Path, two: Conf) -> None:
    """With ever more room, until it is enough: the error of each is said, and what is there can go."""

    def work() -> None:
        told: list[str] = []
        for size in range(64, 4096, 96):
            resize(place, f"{size}k")
            with Prefix(str(place / "lab"), host.settings) as prefix:
                try:
                    prefix.converge(Wish("started", two))
                except ERRORS as error:
                    assert re.search(f"{FULL}(: '{place}|$)|{place}.*{FULL}", str(error)), "it says which file"
                    told.append(str(error))
                    prefix.destroy()
                    check_empty(place, prefix)
                else:
                    check_empty_after(place, prefix)
                    break
        assert len(set(told)) > 3, told

    in_small_place(host.daemon, place, "64k", work)


def check_empty_after(place: Path, prefix: Prefix) -> None:
    assert {thing.state for thing in prefix.standing().things.values()} == {"made"}
    prefix.destroy()
    check_empty(place, prefix)


@pytest.mark.parametrize(("memory", "left"), [(False, 100 << 10), (True, 1 << 20)])
def test_a_snapshot(host: Host, place: Path, memory: bool, left: int) -> None:
    """Of the disks, where there is room for none of the new files; and of the memory, which is larger."""

    def work() -> None:
        with Prefix(str(place / "lab"), host.settings) as prefix:
            prefix.converge(Wish("started", without_nics(lab("one", "two"))))
            write(prefix, "one", "a")
            filling = fill(place, left)
            with pytest.raises(ERRORS, match=FULL):
                prefix.create_snapshots("x", memory=memory)
            check_whole(prefix)
            assert snapshots.taken(prefix.virt_env) == {} and read(prefix, "one") == "a"
            filling.unlink()
            assert prefix.create_snapshots("x", memory=memory)
            write(prefix, "one", "b")
            prefix.revert_snapshots("x")
            assert read(prefix, "one") == "a"
            check_empty_after(place, prefix)

    in_small_place(host.daemon, place, ROOM, work)


def test_an_import(host: Host, place: Path) -> None:
    prefix = host.prefix()
    prefix.converge(Wish("started", without_nics(lab("one", "two"))))
    for vm in ("one", "two"):
        write(prefix, vm, "a")
    archive = str(host.folder / "kept.tar")
    prefix.export(archive)

    def work() -> None:
        with Prefix(str(place / "other"), host.settings) as other:
            with pytest.raises(OSError, match=f"{FULL}: .*/images/.*qcow2"):
                import_lab(other.paths.prefix(), archive, host.settings)
            assert not other.specified()
            other.destroy()
            assert os.listdir(place) == []
            resize(place, ROOM)
            import_lab(other.paths.prefix(), archive, host.settings)
            assert read(other, "one") == "a"
            other.destroy()
            assert os.listdir(place) == []

    in_small_place(host.daemon, place, "320k", work)


def test_a_lab_on_a_full_disk_can_go(host: Host, two: Conf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its journal gets no further record, too."""
    prefix = host.prefix()
    prefix.converge(Wish("started", two))
    writing, count = journals._write, [0]

    def write_a_bit(file: int, line: bytes) -> None:
        count[0] += 1
        if count[0] > 5:
            raise OSError(errno.ENOSPC, FULL)
        writing(file, line)

    monkeypatch.setattr(journals, "_write", write_a_bit)
    with pytest.raises(OSError, match=FULL):
        prefix.create_snapshots("x")
    prefix.destroy()
    assert not Path(prefix.paths.prefix()).exists()
