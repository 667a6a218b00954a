# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Permissions of a node: an ordered list, the owner and what all others may, then single domains."""

from __future__ import annotations

import typing as t

from .errors import InvalidPermission, UnexpectedPacket

ACCESS = {"n": "none", "r": "read", "w": "write", "b": "both"}
DOMID_MAX = 65535

AnyPermission = t.Union[bytes, str, "Permission"]


class Permission(t.NamedTuple):
    """What `domid` may: of the first in a list, what all domains that are not listed may, for `domid` owns the node."""

    access: str  # of ACCESS
    domid: int

    def __str__(self) -> str:
        return f"{self.access}{self.domid}"


def parse(permission: AnyPermission) -> Permission:
    """`b"r5"` as a Permission. Raises InvalidPermission."""
    if isinstance(permission, Permission):
        permission = str(permission)
    raw = permission.encode("utf-8", "surrogateescape") if isinstance(permission, str) else permission
    access, domid = raw[:1].decode("ascii", "replace"), raw[1:]
    if access not in ACCESS or not domid.isdigit() or len(domid) > 5 or int(domid) > DOMID_MAX:
        raise InvalidPermission(raw)
    return Permission(access, int(domid))


def render(permissions: t.Iterable[AnyPermission]) -> list[bytes]:
    """As they go over the wire. Raises InvalidPermission, also for an empty list."""
    found = [str(parse(one)).encode() for one in permissions]
    if not found:
        raise InvalidPermission(b"", "a node has at least one permission, its owner's")
    return found


def received(payload: bytes) -> list[bytes]:
    """The answer to GET_PERMS. Raises UnexpectedPacket."""
    try:
        return render(payload[:-1].split(b"\0"))
    except InvalidPermission as error:
        raise UnexpectedPacket(f"the daemon told a permission that is none: {error}") from None
