# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lago's lock of a folder: who is in, alone or shared, while his prefix is there; and by processes that race."""

from __future__ import annotations

import json
import multiprocessing
import os

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import dirlock, files
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import LagoError, LockTimeout


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "shared"
    path.mkdir()
    return str(path)


@pytest.fixture
def key(tmp_path):
    """Makes the file with the uuid of a prefix."""

    def make(name):
        path = tmp_path / name
        path.write_text(f"uuid-of-{name}\n")
        return str(path)

    return make


def test_many_share_but_one_is_alone(folder, key):
    a, b, c = key("a"), key("b"), key("c")
    assert dirlock.trylock(folder, False, a)
    assert dirlock.trylock(folder, False, b)
    assert not dirlock.trylock(folder, True, c)
    assert dirlock.unlock(folder, a) and dirlock.unlock(folder, b)
    assert dirlock.trylock(folder, True, c)
    assert not dirlock.trylock(folder, False, a)
    assert not dirlock.trylock(folder, True, a)
    assert dirlock.holders(folder) == [c]


def test_the_file_is_lago_s(folder, key):
    a = key("a")
    dirlock.trylock(folder, True, a)
    assert os.listdir(folder) == [".rwlock"]
    with open(f"{folder}/.rwlock") as file:
        assert json.load(file) == {"excl": True, "users": {a: "uuid-of-a"}}


def test_a_lock_that_lago_wrote_is_kept_to(folder, key):
    a = key("a")
    with open(f"{folder}/.rwlock", "w") as file:
        json.dump({"excl": True, "users": {a: "uuid-of-a"}}, file)
    assert not dirlock.trylock(folder, False, key("b"))
    assert dirlock.unlock(folder, a)


def test_who_has_it_gets_it_again(folder, key):
    a = key("a")
    for excl in (True, True, False, True):
        assert dirlock.trylock(folder, excl, a)
    assert dirlock.unlock(folder, a)
    assert not dirlock.unlock(folder, a)
    assert os.listdir(folder) == []


def test_from_shared_to_alone_only_without_others(folder, key):
    a, b = key("a"), key("b")
    dirlock.trylock(folder, False, a)
    dirlock.trylock(folder, False, b)
    assert not dirlock.trylock(folder, True, a)
    dirlock.unlock(folder, b)
    assert dirlock.trylock(folder, True, a)
    assert not dirlock.trylock(folder, False, b)


def test_a_prefix_that_is_gone_or_another_one_holds_nothing(folder, key):
    a, b, c = key("a"), key("b"), key("c")
    dirlock.trylock(folder, True, a)
    os.unlink(a)
    assert dirlock.holders(folder) == []
    assert dirlock.trylock(folder, True, b)
    with open(b, "w") as file:
        file.write("another")
    assert dirlock.trylock(folder, True, c)


def test_an_empty_file_of_a_killed_lago_holds_nobody_up(folder, key):
    open(f"{folder}/.rwlock", "w").close()
    assert dirlock.trylock(folder, True, key("a"))


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"excl": 1, "users": 3}', "\xff", "[" * 50000])
def test_what_is_no_lock_is_refused(folder, key, text):
    with open(f"{folder}/.rwlock", "w", encoding="latin-1") as file:
        file.write(text)
    with pytest.raises(LagoError, match="is no lock of Lago's; remove it if nobody uses"):
        dirlock.trylock(folder, True, key("a"))


def test_without_a_uuid_nothing_is_locked(folder, tmp_path):
    with pytest.raises(LagoError, match="is no file with a uuid"):
        dirlock.trylock(folder, True, str(tmp_path / "none"))


def test_waiting_ends_with_those_who_have_it(folder, key):
    dirlock.lock(folder, True, key("a"))
    with pytest.raises(LockTimeout, match=r"is in use by .*/a for longer than 0\.05 s"):
        dirlock.lock(folder, True, key("b"), timeout=0.05)


def add_one(folder: str, key: str, counter: str) -> None:
    for _unused in range(10):
        dirlock.lock(folder, True, key, timeout=60)
        with open(counter) as file:
            count = int(file.read())
        with open(counter, "w") as file:
            file.write(str(count + 1))
        dirlock.unlock(folder, key)


def test_processes_that_race_are_alone_each(folder, key, tmp_path, monkeypatch):
    monkeypatch.setattr(dirlock, "PAUSE", 0.002)
    counter = tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("fork")
    racing = [context.Process(target=add_one, args=(folder, key(str(n)), str(counter))) for n in range(6)]
    for process in racing:
        process.start()
    for process in racing:
        process.join(60)
    assert [process.exitcode for process in racing] == [0] * 6
    assert counter.read_text() == "60"


# The lock beneath


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path):
    path = str(tmp_path / "lock")
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        with files.locked(path):
            os.write(writer, b"x")
            os.kill(os.getpid(), 9)
    os.read(reader, 1)
    os.waitpid(child, 0)
    os.close(reader)
    os.close(writer)
    with files.locked(path, timeout=5), pytest.raises(LockTimeout), files.locked(path, timeout=0.01):
        pass


def test_a_link_is_not_followed_to_a_lock(tmp_path):
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError), files.locked(str(tmp_path / "lock")):
        pass
    assert not (tmp_path / "elsewhere").exists()


def test_a_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    files.write_whole(str(path), b"old", 0o600)

    def full(_file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        files.write_whole(str(path), b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "file").write_bytes(b"x" * 11)
    with pytest.raises(OSError, match="more than 10 bytes"):
        files.read_small(str(tmp_path / "file"), 10)
    assert files.read_small(str(tmp_path / "none"), 10) is None
