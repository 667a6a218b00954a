# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generic netlink: families that are found by name (linux/genetlink.h).

A message is `u8 command, u8 version, u16 reserved`, then attributes; its type is the family's
number, which the kernel hands out as families are registered and tells through the family `nlctrl`,
whose own number is fixed.
"""

from __future__ import annotations

import errno
import struct
import typing as t

from .attribute import BYTES, STRING, U16, U32, Codec, Table, string, walk
from .channel import NETLINK_GENERIC, SEND_SIZE, NetlinkSocket
from .errors import NetlinkDecodeError, NetlinkError, NetlinkFailure
from .exchange import Batch, Decode, chunks
from .message import Request
from .netns import NetNS

HEADER = struct.Struct("=BBxx")  # struct genlmsghdr

GENL_ID_CTRL = 16
CTRL_CMD_GETFAMILY = 3


class NoSuchFamily(NetlinkFailure):
    """The kernel has no generic netlink family of that name, and no module that brings it."""


class Family(t.NamedTuple):
    name: str
    id: int
    version: int
    header_size: int  # bytes of the family's own fixed header, after genlmsghdr
    max_attribute: int
    groups: t.Dict[str, int]  # multicast groups: numbers by name


_GROUP = Table((1, "name", STRING), (2, "id", U32))


def _decode_groups(data: bytes, start: int, end: int) -> dict[str, int]:
    groups = [_GROUP.decode(data, at, stop) for _number, at, stop in walk(data, start, end)]
    return {group["name"]: group["id"] for group in groups if len(group) == 2}


CTRL = Table(
    (1, "id", U16),
    (2, "name", string(15)),
    (3, "version", U32),
    (4, "header_size", U32),
    (5, "max_attribute", U32),
    (7, "groups", Codec(_decode_groups, BYTES.encode)),
)


def get_family(name: str) -> Request:
    """Asks for a family by name; the kernel loads the module that brings it, when there is one."""
    body = HEADER.pack(CTRL_CMD_GETFAMILY, 1) + CTRL.encode({"name": name})
    return Request(f"CTRL_CMD_GETFAMILY {name}", GENL_ID_CTRL, 0, body, CTRL, HEADER.size)


def decode_family(data: bytes, start: int, end: int) -> Family:
    """One answer of nlctrl. Raises NetlinkDecodeError when it lacks the number or the name."""
    found = CTRL.decode(data, after_header(start, end), end)
    if "id" not in found or "name" not in found:
        raise NetlinkDecodeError("a generic netlink family without number or name")
    return Family(
        found["name"],
        found["id"],
        found.get("version", 0),
        found.get("header_size", 0),
        found.get("max_attribute", 0),
        found.get("groups", {}),
    )


def after_header(start: int, end: int) -> int:
    """Where the attributes of a message `data[start:end]` begin."""
    if end - start < HEADER.size:
        raise NetlinkDecodeError(f"a generic netlink message of {end - start} bytes")
    return start + HEADER.size


def request(
    operation: str,
    family: Family,
    command: int,
    attributes: t.Mapping[str, t.Any],
    table: Table,
    flags: int = 0,
) -> Request:
    """A command to a family that has no fixed header of its own. Raises NetlinkEncodeError."""
    body = HEADER.pack(command, family.version & 0xFF) + table.encode(attributes)
    return Request(operation, family.id, flags, body, table, HEADER.size)


class GenericSocket(NetlinkSocket):
    """A NetlinkSocket for generic netlink, which remembers the families it was asked for."""

    def __init__(self, netns: NetNS = None, timeout: float = 30.0) -> None:
        super().__init__(NETLINK_GENERIC, netns, timeout)
        self._families: dict[str, Family] = {}

    def family(self, name: str, brought_by: str) -> Family:
        """What nlctrl says of a family.

        `brought_by`: the kernel module or option to name when it is missing. Raises NoSuchFamily.
        """
        if name not in self._families:
            try:
                self._families[name] = self.ask(get_family(name), decode_family)[0]
            except NetlinkError as error:
                if error.errno != errno.ENOENT:
                    raise
                raise NoSuchFamily(
                    errno.ENOENT,
                    f"generic netlink family {name}: this kernel does not have it ({brought_by} is missing)",
                ) from None
            except IndexError:
                raise NetlinkDecodeError(f"CTRL_CMD_GETFAMILY {name}: agreed to without an answer") from None
        return self._families[name]

    def ask_each(self, requests: t.Sequence[Request], decode: Decode) -> list[list[t.Any] | NetlinkError]:
        """Sends all `requests`, many at a time; to each its answers, or the error that it met."""
        outcomes: list[list[t.Any] | NetlinkError] = []
        # An answer takes more of the receive buffer than an acknowledgement, for which `_most` is
        # reckoned.
        for some in chunks(requests, self._most // 4, SEND_SIZE):
            batch = self._converse(Batch(some, self._take_numbers(len(some)), decode))
            outcomes += [batch.failures.get(index) or batch.answers.get(index, []) for index in range(len(some))]
        return outcomes
