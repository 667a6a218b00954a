# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names as people write them and as the kernel gets them (libdevmapper's mangling).

udev cannot hold every byte in the name of a node, so what is not in ALLOWED becomes `\\xNN`. All tools have to agree:
one raw name in the kernel breaks `dmsetup ls` for everybody. Mangled and plain names are text; bytes that are not
UTF-8 are surrogates in it.
"""

from __future__ import annotations

import re

from . import constants as c
from .errors import DmValueError

NONE, AUTO, HEX = 0, 1, 2
MODES = {NONE: "none", AUTO: "auto", HEX: "hex"}
BY_WORD = {word: mode for mode, word in MODES.items()}

ALLOWED = frozenset(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#+-.:=@_")
MANGLED = re.compile(rb"\\x([0-9A-Fa-f]{2})")
TWICE = b"\\x5cx"

LIMITS = {"name": c.NAME_LENGTH, "uuid": c.UUID_LENGTH}


def mangle(text: str, mode: int = AUTO, kind: str = "name") -> str:
    """The kernel's form of a name or uuid. Raises DmValueError.

    `auto` takes a name that is mangled already as it is, and refuses one that is so in part. `hex` mangles whatever it
    gets. `none` changes nothing.
    """
    raw = _checked(text, kind)
    if mode == AUTO:
        raw = _auto(raw, text, kind)
    elif mode == HEX:
        raw = _hex(raw)
    limit = LIMITS[kind]
    if len(raw) > limit:
        raise DmValueError(f"the {kind} {text!r} has {len(raw)} bytes as the kernel gets it, which takes {limit}")
    return raw.decode("utf-8", "surrogateescape")


def unmangle(text: str, mode: int = AUTO) -> str:
    """What people call a name or uuid of the kernel."""
    if mode == NONE or "\\" not in text:
        return text
    raw = text.encode("utf-8", "surrogateescape")
    return MANGLED.sub(lambda found: bytes([int(found.group(1), 16)]), raw).decode("utf-8", "surrogateescape")


def _checked(text: str, kind: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if not raw and kind == "name":
        raise DmValueError("a device has no empty name")
    if b"\0" in raw or (b"/" in raw and kind == "name"):
        raise DmValueError(f"the {kind} {text!r} has a {'NUL' if 0 in raw else 'slash'} in it")
    return raw


def _hex(raw: bytes) -> bytes:
    return b"".join(bytes([one]) if one in ALLOWED else b"\\x%02x" % one for one in raw)


def _auto(raw: bytes, text: str, kind: str) -> bytes:
    if TWICE in raw:
        raise DmValueError(f"the {kind} {text!r} seems to be mangled more than once")
    plain = MANGLED.sub(b"", raw)
    if plain == raw:
        return _hex(raw)
    if any(one not in ALLOWED for one in plain):
        raise DmValueError(f"the {kind} {text!r} is mangled in part only")
    return raw
