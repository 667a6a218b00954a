# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other namespaces: the kernel has numbers for those that a link's other end lies in, which are found again by name
or by a process (linux/net_namespace.h).
"""

from __future__ import annotations

import itertools
import os
import struct
import typing as t

from ..attribute import S32, U32, Table
from ..channel import NetlinkSocket
from ..errors import NetlinkDecodeError, NetlinkFailure, NoSuchNamespace
from ..message import Request
from ..netns import OWN, NetNS, names, open_file

RTM_GETNSID = 90
NSID = Table((1, "nsid", S32), (3, "fd", U32))  # NETNSA_*
RTGENMSG = struct.Struct("=B3x")  # family


def get_number(file: int) -> Request:
    """Asks for the number that the socket's namespace has for that of a file; -1 for none yet."""
    body = RTGENMSG.pack(0) + NSID.encode({"fd": file})
    return Request("RTM_GETNSID", RTM_GETNSID, 0, body, NSID, RTGENMSG.size)


def decode_number(data: bytes, start: int, end: int) -> int:
    if end - start < RTGENMSG.size:
        raise NetlinkDecodeError(f"a namespace message of {end - start} bytes")
    return NSID.decode(data, start + RTGENMSG.size, end).get("nsid", -1)


def numbered(sock: NetlinkSocket, known: t.Iterable[NetNS]) -> dict[int, NetNS]:
    """The namespaces that the socket's has numbers for: as they are `known` if they are, else by name or process.

    Those that have neither are not found.
    """
    found: dict[int, NetNS] = {}
    candidates: t.Iterator[NetNS] = itertools.chain(known, (None,), names(), _of_processes())
    for netns in candidates:
        try:
            file = open_file(OWN if netns is None else netns)
        except NoSuchNamespace:
            continue  # ended meanwhile
        try:
            number = sock.ask(get_number(file), decode_number)[0]
        except NetlinkFailure:
            continue  # a stale name is a plain file
        finally:
            os.close(file)
        if number >= 0:
            found.setdefault(number, netns)
    return found


def _of_processes() -> t.Iterator[int]:
    """One process of each namespace."""
    seen = set()
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            place = os.stat(f"/proc/{pid}/ns/net").st_ino
        except OSError:
            continue  # ended meanwhile
        if place not in seen:
            seen.add(place)
            yield int(pid)
