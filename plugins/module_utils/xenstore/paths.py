# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths of XenStore: what is one, and joining them (docs/misc/xenstore.txt of Xen)."""

from __future__ import annotations

import string
import typing as t

from .errors import InvalidPath, UnexpectedPacket

ABSOLUTE_MAX, RELATIVE_MAX = 3072, 2048  # bytes (xs_wire.h: XENSTORE_*_PATH_MAX)

NAME = (string.ascii_letters + string.digits + "-_@").encode()  # what names are made of

AnyPath = t.Union[bytes, str]


def check(path: AnyPath) -> bytes:
    """`path` as bytes. Raises InvalidPath."""
    if isinstance(path, str):
        path = path.encode("utf-8", "surrogateescape")
    if not path or path.translate(None, NAME + b"/"):
        raise InvalidPath(path, "a path takes letters, digits and -/_@")
    if path[-1:] == b"/" and path != b"/":
        raise InvalidPath(path, "only the root's path ends with a /")
    if b"//" in path:
        raise InvalidPath(path, "a path has no empty names")
    most = ABSOLUTE_MAX if path[:1] == b"/" else RELATIVE_MAX
    if len(path) > most:
        raise InvalidPath(path, f"{len(path)} bytes, and {most} is the most")
    return path


def check_node(path: AnyPath) -> bytes:
    """A path that can hold a value: not one of the special ones, which are only watched. Raises InvalidPath."""
    checked = check(path)
    if checked[:1] == b"@":
        raise InvalidPath(checked, "is a special path: it can be watched, and have permissions")
    return checked


def check_removable(path: AnyPath) -> bytes:
    """A path that may be removed: oxenstored would empty the whole store for "/". Raises InvalidPath."""
    checked = check_node(path)
    if checked == b"/":
        raise InvalidPath(checked, "the root holds the whole store and is not removed")
    return checked


def join(parent: bytes, name: bytes) -> bytes:
    if not name:
        return parent
    return parent + name if parent[-1:] == b"/" else b"%s/%s" % (parent, name)


def parents(path: bytes) -> list[bytes]:
    """The paths above `path`, the topmost first, without the root."""
    return [path[:end] for end in range(1, len(path)) if path[end : end + 1] == b"/"]


def names_of(listing: bytes) -> list[bytes]:
    """The children's names in a daemon's listing. Raises UnexpectedPacket."""
    if not listing:
        return []
    names = listing[:-1].split(b"\0")
    if listing[-1:] != b"\0" or b"" in names or listing.translate(None, NAME + b"\0"):
        raise UnexpectedPacket(f"a listing of children holds what is no name: {listing[:64]!r}")
    return names
