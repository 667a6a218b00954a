# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where templates come from: a folder, or an HTTP server with the same files.

HANDLE   HANDLE.xz (instead, or besides)   HANDLE.hash (sha1, sha256 or sha512)   HANDLE.metadata (JSON)
"""

from __future__ import annotations

import json
import lzma
import os
import typing as t
import urllib.parse

from .. import files
from ..errors import TemplateError
from . import http
from .digests import CHUNK, Digests

XZ_MEMORY = 256 << 20  # bytes; `xz -9` makes files that take 65 MiB


class FileSystemTemplateProvider:
    """The folder `root`."""

    def __init__(self, root: str) -> None:
        self._root = root

    def _prefixed(self, *path: str) -> str:
        return os.path.join(self._root, *path)

    def download_image(
        self, handle: str, dest: str, digests: Digests | None = None, progress: http.Progress | None = None
    ) -> None:
        """Copies the image to `dest`, unpacked. Raises TemplateError, OSError (of the destination)."""
        packed, plain = (self._prefixed(checked(handle) + suffix) for suffix in (".xz", ""))
        if os.path.exists(packed):
            return unpack(packed, dest, digests)
        if not os.path.isfile(plain):
            raise TemplateError(f"copying {plain}: there is no such file")
        with open(plain, "rb") as source, open(dest, "wb") as target:
            length = os.fstat(source.fileno()).st_size
            for data in iter(lambda: source.read(CHUNK), b""):
                _write_sparse(target, data)
                if digests is not None:
                    digests.update(data)
                if progress is not None:
                    progress(target.tell(), length)
            target.truncate()
        return None

    def get_hash(self, handle: str) -> str:
        """The digest that the image has; "" where there is none."""
        return _first_word(files.read_small(self._prefixed(checked(handle) + ".hash")) or b"")

    def get_metadata(self, handle: str) -> dict[str, t.Any]:
        """{} where there is none. Raises TemplateError."""
        path = self._prefixed(checked(handle) + ".metadata")
        return _metadata(path, files.read_small(path))


class HttpTemplateProvider:
    """What lies below the URL `baseurl`."""

    def __init__(self, baseurl: str) -> None:
        if not baseurl.startswith(("http://", "https://")):
            raise TemplateError(f"{baseurl!r} begins with neither http:// nor https://")
        self.baseurl = baseurl.rstrip("/")

    def _url(self, handle: str, suffix: str = "") -> str:
        return f"{self.baseurl}/{urllib.parse.quote(checked(handle) + suffix)}"

    def download_image(
        self, handle: str, dest: str, digests: Digests | None = None, progress: http.Progress | None = None
    ) -> None:
        """The image to `dest`, unpacked; goes on where an earlier call ended. Raises TemplateError, OSError."""
        packed = f"{dest}.xz"
        try:
            http.fetch(self._url(handle, ".xz"), packed, None, progress)
        except http.NotThere:
            files.remove(packed)
            http.fetch(self._url(handle), dest, digests, progress)
            return
        try:
            unpack(packed, dest, digests)
        except TemplateError:  # nothing that goes on with it can be right
            files.remove(packed)
            raise
        files.remove(packed)

    def get_hash(self, handle: str) -> str:
        """The digest that the image has; "" where there is none. Raises TemplateError."""
        try:
            return _first_word(http.get_small(self._url(handle, ".hash")))
        except http.NotThere:
            return ""

    def get_metadata(self, handle: str) -> dict[str, t.Any]:
        """{} where there is none. Raises TemplateError."""
        url = self._url(handle, ".metadata")
        try:
            return _metadata(url, http.get_small(url))
        except http.NotThere:
            return {}


Provider = t.Union[FileSystemTemplateProvider, HttpTemplateProvider]


def checked(handle: str) -> str:
    """A handle comes from a file that others wrote: it has to stay below its root. Raises TemplateError."""
    parts = handle.split("/")
    if not handle or ".." in parts or "" in parts or any(ord(one) < 0x20 for one in handle):
        raise TemplateError(f"{handle!r} cannot be the handle of a template")
    return handle


def unpack(packed: str, dest: str, digests: Digests | None = None) -> None:
    """What is in an .xz file, to `dest`; zeros become holes. Raises TemplateError, OSError."""
    if digests is not None:
        digests.reset()
    with open(packed, "rb") as source, open(dest, "wb") as target:
        try:
            for data in _unpacked(source):
                _write_sparse(target, data)
                if digests is not None:
                    digests.update(data)
        except (lzma.LZMAError, EOFError) as error:
            raise TemplateError(f"unpacking {packed}: {error}") from None
        target.truncate()


def _unpacked(source: t.BinaryIO) -> t.Iterator[bytes]:
    """One stream after the other (as `xz` packs with several threads, or `cat` joins)."""
    data = source.read(CHUNK)
    while data:
        stream = lzma.LZMADecompressor(memlimit=XZ_MEMORY)
        while not stream.eof:
            if stream.needs_input and not data:
                raise EOFError("it ends in the middle")
            yield stream.decompress(data, max_length=CHUNK)
            data = b"" if not stream.needs_input else source.read(CHUNK)
        data = stream.unused_data.lstrip(b"\0") or source.read(CHUNK)


def _write_sparse(target: t.BinaryIO, data: bytes) -> None:
    if data.count(0) == len(data):
        target.seek(len(data), os.SEEK_CUR)
    else:
        target.write(data)


def _first_word(raw: bytes) -> str:
    words = raw.decode("ascii", "replace").split()
    return words[0] if words else ""


def _metadata(where: str, raw: bytes | None) -> dict[str, t.Any]:
    if raw is None:
        return {}
    try:
        found = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"{where} is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise TemplateError(f"{where} has to be a dictionary")
    return found
