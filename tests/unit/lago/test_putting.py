# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that VMs are to have: told exactly, copied where they differ. The guest is this host's own shell."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import putting
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import GuestError, LagoError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.utils import CommandStatus

OF_X = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


class Vm:
    """Runs what it is asked here; `says`: answers that instead."""

    def __init__(self, says=None, alive=True):
        self.says, self._alive = says, alive

    def name(self):
        return "vm0"

    def alive(self):
        return self._alive

    def run(self, command, data, timeout):
        if isinstance(self.says, Exception):
            raise self.says
        if self.says is not None:
            return CommandStatus(*self.says)
        done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=timeout)
        return CommandStatus(done.returncode, done.stdout, done.stderr)

    def _get_ssh_client(self):
        return self


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder to be copied, and where it is to be; copying is this host's."""

    def copy(_ssh, src, folder, name):
        to = folder + name
        if os.path.isdir(src):
            shutil.copytree(src, to, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns("socket"))
        else:
            shutil.copy(src, to)

    monkeypatch.setattr(putting, "copy_to", copy)
    source = tmp_path / "site"
    (source / "deep er").mkdir(parents=True)
    (source / "deep er" / "file\\x").write_text("x")
    (source / "deep er" / "file\\x").chmod(0o640)
    (source / "link").symlink_to("deep er/no file")
    (source / "\udcff").write_text("x")
    (source / "\udcff").chmod(0o755)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(source / "socket"))
        yield source, tmp_path / "there"


def lines(changes):
    return [(change.before, change.after) for change in changes]


def test_a_folder_is_copied_once_and_what_differs_is_told(places):
    source, there = places
    copies = putting.read([{"src": str(source), "dest": f"{there}/"}])
    vm, told = Vm(), []
    first = putting.put([vm], copies, lambda what, vm: told.append((what, vm)))
    assert sorted(lines(first)) == sorted(
        ("", f"file vm0:{there}{line}")
        for line in (
            *("  folder", "/deep er  folder", "/link  link deep er/no file"),
            *(f"/deep er/file\\x  640 {OF_X}", f"/\udcff  755 {OF_X}"),
        )
    )
    assert told == [("files copied", "vm0")]
    (there / "more").write_text("stays")
    assert putting.differing(vm, copies) == [] == putting.put([vm], copies, lambda what, vm: None)
    (there / "deep er" / "file\\x").chmod(0o4600)
    (there / "link").unlink()
    changes = putting.differing(vm, copies)
    assert sorted(lines(changes)) == [
        ("", f"file vm0:{there}/link  link deep er/no file"),
        (f"file vm0:{there}/deep er/file\\x  600 {OF_X}", f"file vm0:{there}/deep er/file\\x  640 {OF_X}"),
    ]
    assert {(change.what.partition(":")[0], change.how) for change in changes} == {("file vm0", "copy")}
    putting.put([vm], copies, lambda what, vm: None)
    assert putting.differing(vm, copies) == [] and (there / "more").exists()


def test_a_file_is_that_behind_a_link(places):
    source, there = places
    (source / "link").unlink()
    (source / "link").symlink_to("deep er/file\\x")
    copies = putting.read([{"src": str(source / "link"), "dest": str(there)}])
    assert lines(putting.differing(Vm(), copies)) == [("", f"file vm0:{there}  640 {OF_X}")]
    there.mkdir()
    with pytest.raises(LagoError, match=f"^copying .*/link to {there} of vm0: {there} is a folder there$"):
        putting.differing(Vm(), copies)


@pytest.mark.parametrize("dest", ["", "/", "//", "etc/motd", "/../", "/a\nb"])
def test_places_that_are_none(places, dest):
    with pytest.raises(LagoError, match="^copy: "):
        putting.read([{"src": str(places[0]), "dest": dest}])


def test_what_is_not_here_is_told_before_anything_is_done(tmp_path):
    with pytest.raises(FileNotFoundError):
        putting.read([{"src": str(tmp_path / "none"), "dest": "/x"}])


@pytest.mark.parametrize(
    "says",
    [(1, b"", b"sh: no such thing\n"), (0, b"", b""), (0, b"folder\n" * 9, b""), (0, b"no end", b"")],
)
def test_a_guest_that_answers_something_else(places, says):
    copies = putting.read([{"src": str(places[0]), "dest": "/x"}])
    with pytest.raises(GuestError, match="^looking at the files of vm0: (sh: no such thing|it said something else)$"):
        putting.differing(Vm(says), copies)


def test_nonsense_is_no_file_that_is_as_it_should_be(places):
    copies = putting.read([{"src": str(places[0] / "deep er" / "file\\x"), "dest": "/x"}])
    for said in (b"999 zz\n", b"640\n", b"\xff\n", f"640 {OF_X} \n".encode(), b"8 " + OF_X.encode() + b"\n"):
        assert len(putting.differing(Vm((0, said, b"")), copies)) == 1
    assert putting.differing(Vm((0, f"100640 {OF_X}\n".encode(), b"")), copies) == []


def test_what_is_foretold_of_vms_that_cannot_be_asked_yet(places):
    source, there = places
    copies = putting.read([{"src": str(source), "dest": str(there)}])
    putting.put([Vm()], copies, lambda what, vm: None)
    every = len(copies[0].wanted)
    for vms, anew, count in (
        ({"vm0": Vm()}, (), 0),
        ({"vm0": Vm()}, ("vm0",), every),
        ({"vm0": Vm(alive=False)}, (), every),
        ({"vm0": Vm(GuestError("not yet"))}, (), every),
        ({}, (), every),
    ):
        assert len(putting.foretold(["vm0"], vms, copies, anew)) == count
