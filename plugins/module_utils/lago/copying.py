# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files and folders to a guest and from it, as streams of tar over SSH: all that a guest needs is tar.

What comes from a guest is as it likes: nothing of it is put outside the folder that was asked for, no links are
followed there, and only files, folders and symbolic links are taken.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
import tarfile
import threading
import typing as t

from .errors import GuestError
from .ssh import Running, Ssh

# $1 the place, $2 the name of what comes. A file is whole or not there: it gets its name when all of it has come.
PUT_FILE = """set -e; umask 022
case $1 in */) mkdir -p "$1"; to=$1$2;; *) to=$1; [ ! -d "$1" ] || to=$1/$2;; esac
mkdir -p "$(dirname "$to")"; beside=$(mktemp -d "$(dirname "$to")/.lago-XXXXXX"); trap 'rm -rf "$beside"' EXIT
tar -xpof - -C "$beside"; mv -f "$beside/$2" "$to" """
PUT_FOLDER = """set -e; umask 022
case $1 in */) to=$1$2;; *) to=$1; [ ! -d "$1" ] || to=$1/$2;; esac
mkdir -p "$to"; tar -xpof - -C "$to" """
# tar ends with 1 when something changed while it was read, as logs do.
GET = """if [ -d "$1" ]; then echo folder; tar -cf - -C "$1" . || [ $? -eq 1 ]
elif [ -f "$1" ]; then echo file; tar -chf - -C "$(dirname "$1")" "./$(basename "$1")"
else echo "$1 is no file or folder there" >&2; exit 1; fi"""
LONGEST_KIND = 8  # bytes of the line `folder` or `file`


def copy_to(ssh: Ssh, local_path: str, remote_path: str, timeout: float | None = None, name: str = "") -> None:
    """As `cp -r`: what is at `remote_path`, if that is a folder or ends with /, gets it inside; `name`: as that.

    Raises GuestError, OSError.
    """
    name = name or os.path.basename(os.path.normpath(local_path))
    folder = os.path.isdir(local_path)
    doing = f"copying {local_path} to {remote_path} of {ssh.name}"
    os.stat(local_path)
    command = ["sh", "-c", PUT_FOLDER if folder else PUT_FILE, "copy", remote_path, name]

    def write(to: t.IO[bytes]) -> None:
        with tarfile.open(fileobj=to, mode="w|", format=tarfile.GNU_FORMAT, dereference=not folder) as archive:
            archive.add(local_path, "." if folder else name, filter=_roots)

    with ssh.start(command) as running:
        _stream(running, lambda: write(t.cast(t.IO[bytes], running.process.stdin)), doing, timeout)


def copy_from(ssh: Ssh, remote_path: str, local_path: str, timeout: float | None = None) -> None:
    """As `cp -r`: what is at `local_path`, if that is a folder or ends with /, gets it inside.

    Raises GuestError, OSError.
    """
    name = posixpath.basename(posixpath.normpath(remote_path))
    inside = local_path.endswith("/") or os.path.isdir(local_path)
    place = os.path.join(local_path, name) if inside else local_path
    doing = f"copying {remote_path} of {ssh.name} to {local_path}"

    def read(source: t.IO[bytes]) -> None:
        kind = source.readline(LONGEST_KIND)
        if kind:
            os.makedirs(os.path.dirname(os.path.abspath(place)), exist_ok=True)
            with tarfile.open(fileobj=source, mode="r|") as archive:
                if kind == b"folder\n":
                    unpack(archive, place)
                else:
                    _unpack_file(archive, place)

    with ssh.start(["sh", "-c", GET, "copy", remote_path]) as running:
        _stream(running, lambda: read(t.cast(t.IO[bytes], running.process.stdout)), doing, timeout)


def _stream(running: Running, work: t.Callable[[], None], doing: str, timeout: float | None) -> None:
    """`work` reads or writes one pipe; meanwhile the errors are read, and the time is watched."""
    process = running.process
    errors: list[bytes] = []
    reader = threading.Thread(target=lambda: errors.append(t.cast(t.IO[bytes], process.stderr).read()), daemon=True)
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(timeout if timeout is not None else threading.TIMEOUT_MAX, end)
    reader.start()
    timer.start()
    failed: Exception | None = None
    try:
        try:
            work()
            t.cast(t.IO[bytes], process.stdin).close()
        except (tarfile.TarError, EOFError, BrokenPipeError) as error:
            failed = error  # mostly since the other side has ended, and what it says is better
            t.cast(t.IO[bytes], process.stdout).close()
        process.wait()
        reader.join(1.0)
    finally:
        timer.cancel()
    if late.is_set():
        raise GuestError(f"{doing}: it had not ended after {timeout:g} s")
    running.check()
    if process.returncode != 0 or failed is not None:
        lines = b"".join(errors).decode("utf-8", "replace").strip().splitlines()
        raise GuestError(f"{doing}: {lines[-1] if lines else failed or f'exit status {process.returncode}'}")


def _roots(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Files, folders and links; whose they are here means nothing there."""
    if not (info.isfile() or info.isdir() or info.issym() or info.islnk()):
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def unpack(archive: tarfile.TarFile, folder: str) -> None:
    """All of an archive that nobody has looked at into `folder`. Raises GuestError for what points out of it."""
    os.makedirs(folder, exist_ok=True)
    root = os.path.realpath(folder)
    for info in archive:
        name = posixpath.normpath(info.name)
        if name == ".":
            continue
        path = os.path.join(root, name)
        if name.startswith(("/", "../")) or name == ".." or "\0" in name or not _plain(root, name):
            raise GuestError(f"{info.name!r} does not lie in the folder that was asked for")
        _place(archive, info, path, root)


def _plain(root: str, name: str) -> bool:
    """Whether all folders on the way are real ones, which are made where they are missing."""
    path = root
    for part in name.split("/")[:-1]:
        path = os.path.join(path, part)
        try:
            os.mkdir(path)
        except FileExistsError:
            if not stat.S_ISDIR(os.lstat(path).st_mode):
                return False
    return True


def _place(archive: tarfile.TarFile, info: tarfile.TarInfo, path: str, root: str) -> None:
    there = os.lstat(path).st_mode if os.path.lexists(path) else 0
    if info.isdir():
        if not stat.S_ISDIR(there):
            _clear(path, there)
            os.mkdir(path)
        os.chmod(path, info.mode & 0o777 | 0o700)
        return
    _clear(path, there)
    if info.issym():
        os.symlink(info.linkname, path)
    elif info.islnk():
        _link(info, path, root)
    elif info.isfile():
        _write(archive, info, path)


def _clear(path: str, there: int) -> None:
    if stat.S_ISDIR(there):
        shutil.rmtree(path)
    elif there:
        os.unlink(path)


def _link(info: tarfile.TarInfo, path: str, root: str) -> None:
    """To a file that has come before; the name says nothing of what it may be here."""
    name = posixpath.normpath(info.linkname)
    before = os.path.join(root, name)
    inside = not name.startswith(("/", "../")) and _plain(root, name)
    if not inside or not os.path.lexists(before) or not stat.S_ISREG(os.lstat(before).st_mode):
        raise GuestError(f"{info.name!r} is a link to {info.linkname!r}, which has not come")
    os.link(before, path, follow_symlinks=False)


def _write(archive: tarfile.TarFile, info: tarfile.TarInfo, path: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, info.mode & 0o777 | 0o600), "wb") as file:
        shutil.copyfileobj(t.cast(t.IO[bytes], archive.extractfile(info)), file, 1 << 20)
    os.utime(path, (info.mtime, info.mtime))


def _unpack_file(archive: tarfile.TarFile, path: str) -> None:
    """The only one in the archive, under another name; put in its place when it is whole."""
    beside = f"{path}.part"
    for info in archive:
        if info.isfile():
            _clear(beside, os.lstat(beside).st_mode if os.path.lexists(beside) else 0)
            _write(archive, info, beside)
            os.replace(beside, path)
            return
    raise GuestError("no file came")
