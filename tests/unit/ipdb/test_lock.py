# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of a namespace's transactions: one holder at a time, and none that is dead."""

from __future__ import annotations

import os
import signal
import stat

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import lock
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.journal import JournalDamaged


@pytest.fixture
def folder(tmp_path):
    return str(tmp_path / "run" / "ipdb" / "netns-1")


def test_it_leaves_nothing(folder, tmp_path):
    with lock.locked(folder):
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert os.listdir(tmp_path) == []


def test_what_lies_in_the_folder_stays(folder):
    with lock.locked(folder):
        open(f"{folder}/x", "w").close()
    assert os.listdir(folder) == ["x"]


def test_one_at_a_time(folder):
    with lock.locked(folder):
        with pytest.raises(lock.Busy, match="another process is changing"):
            with lock.locked(folder, 0.05):
                pytest.fail("two at a time")
    with lock.locked(folder, 0):
        pass


def test_it_ends_with_who_is_killed(folder):
    ready, told = os.pipe()
    pid = os.fork()
    if not pid:
        with lock.locked(folder):
            os.write(told, b"x")
            signal.pause()
    os.read(ready, 1)
    with pytest.raises(lock.Busy):
        with lock.locked(folder, 0):
            pytest.fail("two at a time")
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with lock.locked(folder, 5):
        pass
    os.close(ready)
    os.close(told)


def test_many_take_turns(folder):
    """Each removes the empty folder as it leaves, while others wait at it: nobody may end up in a removed one."""
    os.makedirs(os.path.dirname(os.path.dirname(folder)))
    counter = os.path.dirname(os.path.dirname(os.path.dirname(folder))) + "/counter"
    with open(counter, "w") as file:
        file.write("0")
    pids = []
    for _unused in range(8):
        pid = os.fork()
        if not pid:
            status = 1
            try:
                for _again in range(25):
                    with lock.locked(folder, 60):
                        with open(counter) as file:
                            number = int(file.read())
                        with open(counter, "w") as file:
                            file.write(str(number + 1))
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 8
    with open(counter) as file:
        assert file.read() == "200"


def test_a_folder_that_others_may_write_to_is_refused(folder):
    os.makedirs(folder)
    os.chmod(folder, 0o777)
    with pytest.raises(JournalDamaged, match="not ours alone"):
        with lock.locked(folder):
            pytest.fail("it was taken")


def test_a_link_in_place_of_the_folder_is_refused(folder, tmp_path):
    os.makedirs(os.path.dirname(folder))
    os.mkdir(tmp_path / "elsewhere", 0o700)
    os.symlink(tmp_path / "elsewhere", folder)
    with pytest.raises(JournalDamaged):
        with lock.locked(folder):
            pytest.fail("it was taken")
