# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates on this host: each image once, by the sha256 of what is in it, read-only, for as long as a prefix uses it.

    sha256/<sha256>             the image, 0444
    names/<repo:template:version>.json   which image that is, and what is known of it
    users/<sha256>/<uuid>       the path of the file with a prefix's uuid: while it has that uuid, the image is in use
    partial/<repo:template:version>/     a download that goes on when it is asked for again

An image is in its place when it is whole, has the right digest, and is on the disk.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import typing as t

from .. import files
from ..errors import TemplateError
from . import http
from .digests import Digests
from .image import inspect
from .repository import TemplateVersion

DOWNLOAD = 6 * 3600.0  # seconds to wait for another process that downloads the same
ABANDONED = 7 * 86400.0  # seconds after which nobody goes on with a download


class Kept(t.NamedTuple):
    """An image that is in the store. `hash` is the source's own; `size` that of the file."""

    sha256: str
    format: str
    size: int
    hash: str
    metadata: t.Mapping[str, t.Any]


class TemplateStore:
    """In the folder `path`."""

    def __init__(self, path: str) -> None:
        self._path = path

    def _prefixed(self, *path: str) -> str:
        return os.path.join(self._path, *path)

    def __contains__(self, temp_ver: TemplateVersion) -> bool:
        kept = self._kept(temp_ver)
        return kept is not None and self._whole(kept)

    def get_path(self, temp_ver: TemplateVersion) -> str:
        """The image's file, which is in the format that `get_format` says. Raises TemplateError."""
        return self._image(self._needed(temp_ver).sha256)

    def get_format(self, temp_ver: TemplateVersion) -> str:
        return self._needed(temp_ver).format

    def get_stored_hash(self, temp_ver: TemplateVersion) -> str:
        """The sha256."""
        return self._needed(temp_ver).sha256

    def get_stored_metadata(self, temp_ver: TemplateVersion) -> dict[str, t.Any]:
        return dict(self._needed(temp_ver).metadata)

    def download(
        self,
        temp_ver: TemplateVersion,
        store_metadata: bool = True,
        key_path: str | None = None,
        refresh: bool = False,
        progress: http.Progress | None = None,
    ) -> bool:
        """Makes that the store has it, and that `key_path` uses it; whether it was downloaded.

        With `refresh` the source is asked whether it has another image under that name by now; without, what is there
        is used, also while the source cannot be reached. Raises TemplateError, LockTimeout, OSError.
        """
        if key_path is not None:
            _uuid(key_path)
        folder = self._prefixed("partial", _file_name(temp_ver.name))
        with files.locked(folder, DOWNLOAD, folder=True):
            fresh = temp_ver in self and not (refresh and self._outdated(temp_ver))
            if not fresh or not self._used_again(temp_ver, key_path):
                fresh = False
                self._fetch(temp_ver, folder, store_metadata, key_path, progress)
            shutil.rmtree(folder)  # whatever else was left there: the image is in its place
        try:
            os.rmdir(os.path.dirname(folder))
        except OSError:  # others download
            pass
        return not fresh

    def _used_again(self, temp_ver: TemplateVersion, key_path: str | None) -> bool:
        """Whether it is still there, now that nobody can remove it."""
        with files.locked(self._path, folder=True):
            if temp_ver not in self:
                return False
            self._mark(self._needed(temp_ver).sha256, key_path)
        return True

    def _outdated(self, temp_ver: TemplateVersion) -> bool:
        there = temp_ver.get_hash().strip().lower()
        return bool(there) and there != self._needed(temp_ver).hash

    def _fetch(
        self,
        temp_ver: TemplateVersion,
        folder: str,
        store_metadata: bool,
        key_path: str | None,
        progress: http.Progress | None,
    ) -> None:
        part = os.path.join(folder, "image")
        if os.path.exists(part):  # read-only, if we were killed just before it came to its place
            os.chmod(part, 0o600)
        digests = Digests(temp_ver.get_hash())
        metadata = temp_ver.get_metadata() if store_metadata else {}
        temp_ver.download(part, digests, progress)
        try:
            digests.check(temp_ver.name)
            form = inspect(part).format
        except TemplateError:
            files.remove(part)
            raise
        _settle(part)
        kept = Kept(digests.sha256, form, os.stat(part).st_size, digests.expected, metadata)
        with files.locked(self._path, folder=True):
            for name in ("sha256", "names"):
                os.makedirs(self._prefixed(name), exist_ok=True)
            files.sweep(self._prefixed("names"))
            self._put(part, kept)
            files.write_whole(self._record(temp_ver.name), json.dumps(kept._asdict()).encode())
            self._mark(kept.sha256, key_path)

    def _put(self, part: str, kept: Kept) -> None:
        """The image to its place; one that is there already stays, since guests may have it open."""
        if self._whole(kept):
            files.remove(part)
        else:
            os.rename(part, self._image(kept.sha256))
            files.sync_folder(self._prefixed("sha256"))

    def mark_used(self, temp_ver: TemplateVersion, key_path: str) -> None:
        """Keeps the image for as long as the file `key_path` has the uuid that it has now. Raises TemplateError."""
        with files.locked(self._path, folder=True):
            self._mark(self._needed(temp_ver).sha256, key_path)

    def _mark(self, sha256: str, key_path: str | None) -> None:
        folder = self._prefixed("users", sha256)
        os.makedirs(folder, exist_ok=True)
        if key_path is not None:
            files.write_whole(os.path.join(folder, _uuid(key_path)), key_path.encode())
        os.utime(folder)

    def use(self, sha256: str, key_path: str) -> str:
        """The path of an image by its digest, used from now on as by mark_used; "" where the store does not have it."""
        with files.locked(self._path, folder=True):
            path = self._image(sha256)
            if not os.path.exists(path):
                return ""
            self._mark(sha256, key_path)
        return os.path.abspath(path)

    def release(self, uuid: str, sha256: str = "") -> int:
        """Takes a prefix out of the users of all images, or of one; of how many it was one."""
        count = 0
        for image in [sha256] if sha256 else self._list("users"):
            count += files.remove(self._prefixed("users", image, uuid))
        return count

    def users(self, temp_ver: TemplateVersion) -> list[str]:
        """The paths of those who use it now."""
        return sorted(self._users(self._needed(temp_ver).sha256))

    def images(self) -> list[tuple[str, Kept, list[str]]]:
        """By the names of templates, with the paths of those who use them now."""
        records = [
            (name[: -len(".json")], files.read_small(self._prefixed("names", name))) for name in self._list("names")
        ]
        known = [(name, _parsed(raw)) for name, raw in records]
        return [(name, kept, sorted(self._users(kept.sha256))) for name, kept in known if kept and self._whole(kept)]

    def collect(self, keep: int = 0) -> dict[str, int]:
        """Removes images that nobody uses, those first whose last use is longest ago, until `keep` bytes are left.

        Returns the sizes in bytes of what was removed, by sha256. Downloads that were given up go too.
        """
        with files.locked(self._path, folder=True):
            removed = self.unused(keep)
            for sha256 in removed:
                self._remove(sha256)
            self._remove_records(self._list("sha256"))
            self._remove_abandoned()
        return removed

    def unused(self, keep: int = 0) -> dict[str, int]:
        """What `collect` would remove."""
        found: dict[str, int] = {}
        sizes = {sha256: os.stat(self._image(sha256)).st_size for sha256 in self._list("sha256")}
        for sha256 in sorted(sizes, key=self._last_use):
            if sum(sizes.values()) - sum(found.values()) <= keep:
                break
            if not self._users(sha256):
                found[sha256] = sizes[sha256]
        return found

    def _remove(self, sha256: str) -> None:
        files.remove(self._image(sha256))
        shutil.rmtree(self._prefixed("users", sha256), ignore_errors=True)

    def _remove_records(self, there: t.Collection[str]) -> None:
        if os.path.isdir(self._prefixed("names")):
            files.sweep(self._prefixed("names"))
        for name in self._list("names"):
            kept = _parsed(files.read_small(self._prefixed("names", name)))
            if kept is None or kept.sha256 not in there:
                files.remove(self._prefixed("names", name))

    def _remove_abandoned(self) -> None:
        for name in self._list("partial"):
            folder = self._prefixed("partial", name)
            if time.time() - os.stat(folder).st_mtime > ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)

    def _users(self, sha256: str) -> list[str]:
        folder = self._prefixed("users", sha256)
        found = [(uuid, files.first_line(os.path.join(folder, uuid))) for uuid in self._list("users", sha256)]
        return [path for uuid, path in found if files.first_line(path) == uuid]

    def _last_use(self, sha256: str) -> float:
        try:
            return os.stat(self._prefixed("users", sha256)).st_mtime
        except FileNotFoundError:
            return 0.0

    def _needed(self, temp_ver: TemplateVersion) -> Kept:
        kept = self._kept(temp_ver)
        if kept is None or not self._whole(kept):
            raise TemplateError(f"the store {self._path} does not have {temp_ver.name}")
        return kept

    def _kept(self, temp_ver: TemplateVersion) -> Kept | None:
        return _parsed(files.read_small(self._record(temp_ver.name)))

    def _whole(self, kept: Kept) -> bool:
        try:
            return os.stat(self._image(kept.sha256)).st_size == kept.size
        except FileNotFoundError:
            return False

    def _image(self, sha256: str) -> str:
        return self._prefixed("sha256", sha256)

    def _record(self, name: str) -> str:
        return self._prefixed("names", f"{_file_name(name)}.json")

    def _list(self, *folder: str) -> list[str]:
        try:
            return sorted(os.listdir(self._prefixed(*folder)))
        except FileNotFoundError:
            return []


def _uuid(key_path: str) -> str:
    found = files.first_line(key_path)
    if not found or "/" in found or found.startswith("."):
        raise TemplateError(f"using a template: {key_path} is no file with a uuid")
    return found


def _file_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\0" in name or len(name) > 200:
        raise TemplateError(f"{name!r} cannot be the name of a template")
    return name


def _settle(part: str) -> None:
    """The image on the disk, and never to be written again."""
    file = os.open(part, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchmod(file, 0o444)
        os.fsync(file)
    finally:
        os.close(file)


def _parsed(raw: bytes | None) -> Kept | None:
    try:
        return None if raw is None else Kept(**json.loads(raw.decode()))
    except (ValueError, TypeError):
        return None
