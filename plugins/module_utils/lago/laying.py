# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folder of a prefix: how it is laid out, and how it goes."""

from __future__ import annotations

import json
import os
import shutil
import stat
import typing as t

from . import files, identity
from .disks import run
from .errors import LagoError
from .journal import Journal
from .making import clear
from .paths import Paths

if t.TYPE_CHECKING:
    from .prefix import Prefix

VERSION = "1.0"  # of Lago, whose layout it is
FOLDERS = ("images", "virt", "logs", "scripts")
FILES = ("uuid", "initialized", "metadata", "id_rsa", "id_rsa.pub", "journal")
MODE = 0o711  # QEMU's user comes through to the images, and sees no list of them


def make_folder(paths: Paths) -> None:
    """The folder itself, for the journal to lie in. Raises LagoError where others' files are in the way, OSError."""
    folder = paths.prefix()
    missing = _missing(folder)
    try:
        os.makedirs(folder, mode=MODE)
    except FileExistsError:
        if not os.path.isdir(folder):
            raise LagoError(f"{folder} is no folder") from None
        if not os.path.exists(paths.journal()):
            _check_free(folder)
    try:
        _check_searchable(folder)
    except LagoError:
        _remove_empty(missing)
        raise


def _missing(folder: str) -> list[str]:
    """What makedirs will make of it, the deepest first."""
    found = []
    while not os.path.exists(folder):
        found.append(folder)
        folder = os.path.dirname(folder)
    return found


def _remove_empty(folders: t.Iterable[str]) -> None:
    for folder in folders:
        try:
            os.rmdir(folder)
        except OSError:  # somebody has put something into it meanwhile
            return


def _check_free(folder: str) -> None:
    hit = sorted({*FOLDERS, *FILES} & set(os.listdir(folder)))
    if hit:
        raise LagoError(f"making a prefix of {folder}: it has {', '.join(hit)} already, and no journal of ours")


def _check_searchable(folder: str) -> None:
    """QEMU runs as another user, which has to come through to the disks."""
    path = folder
    while path != "/":
        if os.geteuid() == 0 and not os.stat(path).st_mode & stat.S_IXOTH:
            raise LagoError(f"making a prefix of {folder}: QEMU's user cannot come through {path} (chmod o+x {path})")
        path = os.path.dirname(path)


def initialize(prefix: Prefix, journal: Journal) -> None:
    """All that is not there yet. Raises LagoError, OSError."""
    paths = prefix.paths
    if not identity.is_uuid(files.first_line(paths.uuid())):
        files.write_whole(paths.uuid(), identity.new_uuid().encode())
    text = json.dumps({"lago_version": VERSION, "settings": prefix.settings}, indent=4)
    files.write_whole(paths.metadata(), text.encode())
    for name in FOLDERS:
        if not journal.has("folder", name):
            with journal.making("folder", name, path=os.path.join(paths.prefix(), name)):
                os.makedirs(os.path.join(paths.prefix(), name), mode=MODE, exist_ok=True)
    if not journal.has("key", "ssh"):
        clear(prefix, journal, "key", "ssh")
        with journal.making("key", "ssh", path=paths.ssh_id_rsa()):
            make_key(paths.ssh_id_rsa(), f"lago {prefix.uuid[:8]}")
    files.write_whole(paths.initialized(), b"")


def make_key(path: str, comment: str) -> None:
    """A key pair of SSH without a password. RSA: guests of ten years ago know it too. Raises CommandError."""
    run("ssh-keygen", "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", comment, "-f", path)


def remove_folder(paths: Paths) -> None:
    """What is ours, the journal last; the folder too, unless others have put something into it."""
    for name in FOLDERS:
        shutil.rmtree(os.path.join(paths.prefix(), name), ignore_errors=True)
    for name in FILES:
        files.remove(os.path.join(paths.prefix(), name))
    files.sweep(paths.prefix())
    try:
        os.rmdir(paths.prefix())
    except OSError:
        pass
