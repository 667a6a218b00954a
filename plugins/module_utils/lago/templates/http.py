# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files from HTTP servers: small ones at once, large ones into a part that a later call goes on with.

A part is only gone on with while the server has the same file: its ETag or time of change is kept beside the part, and
sent along (If-Range, RFC 9110 13.1.5), so that a server with another file sends it from its beginning.
"""

from __future__ import annotations

import http.client
import json
import os
import time
import typing as t
import urllib.error
import urllib.request

from .. import files
from ..errors import TemplateError
from .digests import CHUNK, Digests

TIMEOUT = 30.0  # seconds without a byte
ATTEMPTS = 5  # that end without a single byte more
PAUSE = 0.2  # seconds before the second attempt; twice as long before each other

Progress = t.Callable[[int, int], None]  # bytes that are there, of how many (0: the server does not say)

BROKEN = (OSError, http.client.HTTPException)


class NotThere(TemplateError):
    """The server does not have it."""


class Interrupted(TemplateError):
    """It was not had to its end; trying again can help."""


def get_small(url: str, limit: int = 1 << 20) -> bytes:
    """A file of at most `limit` bytes. Raises NotThere, TemplateError."""
    try:
        with _opened(url, {}) as answer:
            data: bytes = answer.read(limit + 1)
    except BROKEN as error:
        raise Interrupted(f"getting {url}: {_said(error)}") from None
    if len(data) > limit:
        raise TemplateError(f"getting {url}: it has more than {limit} bytes")
    return data


def fetch(url: str, part: str, digests: Digests | None = None, progress: Progress | None = None) -> None:
    """The file at `url` into `part`, going on where that ends; `digests` are those of the whole then.

    Tries again while that brings something. Raises NotThere, Interrupted (`part` stays), TemplateError, OSError.
    """
    vain = 0
    while True:
        before = _size(part)
        try:
            return _attempt(url, part, digests, progress)
        except Interrupted:
            vain = 0 if _size(part) > before else vain + 1
            if vain >= ATTEMPTS:
                raise
        time.sleep(PAUSE * (1 << vain) if vain else 0)


def _attempt(url: str, part: str, digests: Digests | None, progress: Progress | None) -> None:
    with open(part, "a+b") as file:
        headers = _to_go_on(url, part, file)
        answer = _asked(url, headers)
        if answer is None:  # there is nothing behind what we have: it is whole, or of another file
            if headers.get("Range") != f"bytes={_whole(part)}-":
                file.truncate(0)
                raise Interrupted(f"getting {url}: the server has another file now")
            return _sum_up(file, digests)
        with answer:
            length = _prepare(url, part, file, answer)
            _sum_up(file, digests)
            _receive(url, answer, file, length, digests, progress)
    return None


def _to_go_on(url: str, part: str, file: t.BinaryIO) -> dict[str, str]:
    """The headers that ask for the rest; none where nothing is there of this file."""
    size = file.seek(0, os.SEEK_END)
    kept = _kept(part)
    if not size or kept.get("url") != url or not kept.get("validator"):
        file.truncate(0)
        return {}
    return {"Range": f"bytes={size}-", "If-Range": str(kept["validator"])}


def _asked(url: str, headers: dict[str, str]) -> t.Any:
    """The answer; None where the range lies behind the end."""
    try:
        return _opened(url, headers)
    except urllib.error.HTTPError as error:
        if error.code == 416 and headers:
            return None
        retry = error.code in (408, 429) or error.code >= 500
        kind = Interrupted if retry else TemplateError
        raise kind(f"getting {url}: {_said(error)}") from None
    except BROKEN as error:
        raise Interrupted(f"getting {url}: {_said(error)}") from None


def _opened(url: str, headers: dict[str, str]) -> t.Any:
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity", **headers})
    try:
        return urllib.request.build_opener().open(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code in (404, 410):
            raise NotThere(f"getting {url}: {_said(error)}") from None
        raise


def _prepare(url: str, part: str, file: t.BinaryIO, answer: t.Any) -> int:
    """Makes the file end where the answer begins; the length of the whole (0: not said)."""
    have = file.seek(0, os.SEEK_END)
    length = answer.headers.get("Content-Length") or ""
    said = int(length) if length.isdigit() else 0
    if answer.status == 206:
        start, _unused, total = (answer.headers.get("Content-Range") or "").rpartition("/")
        if not start.startswith(f"bytes {have}-"):
            file.truncate(0)
            raise Interrupted(f"getting {url}: the server sends {start or 'another part'}, not from byte {have}")
        return int(total) if total.isdigit() else have + said
    file.truncate(0)
    strong = answer.headers.get("ETag") or ""
    validator = strong if strong.startswith('"') else answer.headers.get("Last-Modified") or ""
    kept = {"url": url, "validator": validator, "length": said}
    files.write_whole(f"{part}.from", json.dumps(kept).encode())
    return said


def _receive(
    url: str, answer: t.Any, file: t.BinaryIO, length: int, digests: Digests | None, progress: Progress | None
) -> None:
    have = file.seek(0, os.SEEK_END)
    while True:
        try:
            data = answer.read(CHUNK)
        except BROKEN as error:
            raise Interrupted(f"getting {url}: it broke off after {have} bytes: {_said(error)}") from None
        if not data:
            break
        file.write(data)
        have += len(data)
        if digests is not None:
            digests.update(data)
        if progress is not None:
            progress(have, length)
    if length and have != length:
        raise Interrupted(f"getting {url}: it broke off after {have} of {length} bytes")


def _sum_up(file: t.BinaryIO, digests: Digests | None) -> None:
    """The digests of what is there already."""
    if digests is not None:
        digests.reset()
        file.seek(0)
        digests.read(file)


def _size(part: str) -> int:
    try:
        return os.stat(part).st_size
    except FileNotFoundError:
        return 0


def _kept(part: str) -> dict[str, t.Any]:
    try:
        found = json.loads((files.read_small(f"{part}.from") or b"{}").decode())
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _whole(part: str) -> int:
    """The length of the whole, as the server said it at first."""
    length = _kept(part).get("length")
    return length if isinstance(length, int) else 0


def _said(error: BaseException) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error or type(error).__name__)
