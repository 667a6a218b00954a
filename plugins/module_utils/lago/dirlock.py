# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses a folder, shared or alone, for longer than a process lives: Lago's lock of a folder.

A holder is the path of a file with a uuid in it (that of a prefix), and holds the lock for as long as the file has that
uuid. `.rwlock` in the folder is as Lago writes it: `{"excl": false, "users": {"/lab/uuid": "<uuid>"}}`. Other than
Lago's, a holder who asks again gets it again, the only one who shares it can have it alone, and giving up what one does
not hold is no error, so that what was interrupted can be done again.
"""

from __future__ import annotations

import json
import os
import time
import typing as t

from . import files
from .errors import LagoError, LockTimeout

PAUSE = 0.1  # seconds between two attempts


class State(t.NamedTuple):
    excl: bool
    users: t.Dict[str, str]


def _lock_path(path: str) -> str:
    return os.path.join(path, ".rwlock")


def trylock(path: str, excl: bool, key_path: str) -> bool:
    """Whether `key_path` now holds the folder `path`. Raises LagoError where that file has no uuid, and OSError."""
    key = files.first_line(key_path)
    if not key:
        raise LagoError(f"locking {path}: {key_path} is no file with a uuid")
    with files.locked(path, folder=True):
        state = _read(path)
        others = [user for user in state.users if user != key_path]
        if others and (excl or state.excl):
            return False
        _write(path, State(excl, {**state.users, key_path: key}))
    return True


def lock(path: str, excl: bool, key_path: str, timeout: float | None = None) -> None:
    """Waits until `key_path` holds the folder; after `timeout` seconds raises LockTimeout that says who has it."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while not trylock(path, excl, key_path):
        if deadline is not None and time.monotonic() > deadline:
            who = ", ".join(holders(path)) or "others"
            raise LockTimeout(f"{path} is in use by {who} for longer than {timeout:g} s")
        time.sleep(PAUSE)


def unlock(path: str, key_path: str) -> bool:
    """Whether `key_path` had held it."""
    with files.locked(path, folder=True):
        state = _read(path)
        if key_path not in state.users:
            return False
        rest = {user: key for user, key in state.users.items() if user != key_path}
        _write(path, State(state.excl and bool(rest), rest))
    return True


def holders(path: str) -> list[str]:
    """The paths of those who hold the folder now."""
    return sorted(_read(path).users)


def _read(path: str) -> State:
    """Those who are still there. An empty file is what Lago leaves that was killed as it wrote."""
    raw = files.read_small(_lock_path(path))
    if not raw:
        return State(False, {})
    try:
        found = json.loads(raw.decode())
        excl, users = found["excl"], found["users"].items()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise LagoError(f"{_lock_path(path)} is no lock of Lago's; remove it if nobody uses {path}") from None
    alive = {user: key for user, key in users if isinstance(key, str) and files.first_line(user) == key}
    return State(bool(excl) and bool(alive), alive)


def _write(path: str, state: State) -> None:
    if state.users:
        files.write_whole(_lock_path(path), json.dumps({"excl": state.excl, "users": state.users}).encode())
    else:
        files.remove(_lock_path(path))
