# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making persistent tun and tap links, which rtnetlink cannot: ioctls of /dev/net/tun
(linux/if_tun.h).

A channel of its own. The arguments are named as the options of the kind "tun" (tun.py).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import typing as t

from ..netns import NetNS, opened_in

DEVICE = "/dev/net/tun"

# _IOW('T', number, int); on a few architectures the bit for "written" differs (asm/ioctl.h).
_WRITE = 0x8 if os.uname().machine.startswith(("alpha", "mips", "parisc", "ppc", "sparc")) else 0x4
TUNSETIFF, TUNSETPERSIST, TUNSETOWNER, TUNSETGROUP, TUNSETIFINDEX = (
    _WRITE << 28 | 4 << 16 | ord("T") << 8 | number for number in (202, 203, 204, 206, 218)
)

IFF_TUN, IFF_TAP, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_VNET_HDR, IFF_TUN_EXCL = (0x1, 0x2, 0x100, 0x1000, 0x4000, 0x8000)
TYPES = {"tun": IFF_TUN, "tap": IFF_TAP}
IFREQ = struct.Struct("=16sH22x")


def _flags(type: str, multi_queue: bool, vnet_hdr: bool, pi: bool) -> int:
    return (
        TYPES[type]
        | (IFF_MULTI_QUEUE if multi_queue else 0)
        | (IFF_VNET_HDR if vnet_hdr else 0)
        | (0 if pi else IFF_NO_PI)
    )


def _open() -> int:
    return os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)


def _attached(
    what: str, name: str, flags: int, netns: NetNS, then: t.Sequence[t.Tuple[int, int]], index: int = 0
) -> None:
    """Attaches to the link and makes the ioctls `then`. A link that was not persistent ends with
    the descriptor. `index`: the one that a new link is to have.
    """
    raw = name.encode()
    if not 0 < len(raw) < 16 or b"%" in raw:
        raise OSError(errno.EINVAL, f"{what} {name!r}: a name has 1 to 15 bytes and no %")
    try:
        device = opened_in(netns, _open)
        try:
            if index:
                fcntl.ioctl(device, TUNSETIFINDEX, struct.pack("=I", index))
            fcntl.ioctl(device, TUNSETIFF, IFREQ.pack(raw, flags))
            for request, value in then:
                fcntl.ioctl(device, request, value)
        finally:
            os.close(device)
    except OSError as error:
        if error.filename == DEVICE and error.errno in (errno.ENOENT, errno.ENODEV):
            raise OSError(error.errno, f"{what} {name}: {DEVICE}: the kernel module tun is missing") from None
        raise OSError(error.errno, f"{what} {name}: {error.strerror}") from None


def _accounts(user: int | None, group: int | None) -> list[tuple[int, int]]:
    return [(request, value) for request, value in ((TUNSETOWNER, user), (TUNSETGROUP, group)) if value is not None]


def _require(what: str, name: str, netns: NetNS) -> None:
    """Attaching to a link that is not there would make it."""
    try:
        opened_in(netns, lambda: socket.if_nametoindex(name))
    except OSError as error:
        raise OSError(errno.ENODEV, f"{what} {name}: {os.strerror(errno.ENODEV)}") from error


def create(
    name: str,
    type: str,
    user: int | None = None,
    group: int | None = None,
    multi_queue: bool = False,
    vnet_hdr: bool = False,
    pi: bool = False,
    netns: NetNS = None,
    index: int = 0,
) -> None:
    """Makes a persistent link of `type` "tun" or "tap". `user`, `group`: numbers of those who may
    open it. `index`: the one to have; 0 for any.

    Raises OSError: EBUSY when there is a link of that name or index.
    """
    flags = _flags(type, multi_queue, vnet_hdr, pi) | IFF_TUN_EXCL
    _attached(f"creating {type}", name, flags, netns, [*_accounts(user, group), (TUNSETPERSIST, 1)], index)


def change(
    name: str,
    type: str,
    user: int | None = None,
    group: int | None = None,
    multi_queue: bool = False,
    vnet_hdr: bool = False,
    pi: bool = False,
    netns: NetNS = None,
) -> None:
    """Changes who may open a persistent link, and its header options. `type` and `multi_queue` are
    as they were.

    A user or group of None stays. Raises OSError: EBUSY while a program has the link open, ENODEV
    without the link.
    """
    _require(f"changing {type}", name, netns)
    _attached(f"changing {type}", name, _flags(type, multi_queue, vnet_hdr, pi), netns, _accounts(user, group))


def remove(name: str, type: str, multi_queue: bool = False, netns: NetNS = None) -> None:
    """Removes a persistent link. Raises OSError: EBUSY while a program has it open, ENODEV without
    the link.
    """
    _require(f"removing {type}", name, netns)
    _attached(f"removing {type}", name, _flags(type, multi_queue, False, False), netns, [(TUNSETPERSIST, 0)])
