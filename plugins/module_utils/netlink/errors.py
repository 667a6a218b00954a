# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong on a netlink socket, each kind with a name of its own."""

from __future__ import annotations

import errno
import os
import typing as t

# Kernels answer in a few words that say little to who meets them first.
EXPLAINED = {
    1: "Operation not permitted (root, or CAP_NET_ADMIN in this network namespace, is needed)",
}


class NetlinkDecodeError(ValueError):
    """Bytes that are not a netlink message, or an attribute that is not of its type."""


class NetlinkEncodeError(ValueError):
    """A value that an attribute cannot hold; `attribute` is its name, `reason` what it takes."""

    def __init__(self, attribute: str, reason: str) -> None:
        super().__init__(f"{attribute}: {reason}")
        self.attribute = attribute
        self.reason = reason

    def inside(self, outer: str) -> NetlinkEncodeError:
        """The same error, seen from the attribute that this one lies in."""
        return NetlinkEncodeError(f"{outer}.{self.attribute}", self.reason)


class NetlinkFailure(OSError):
    """What went wrong is said in words; the number of the errno is for programs (`errno`)."""

    def __str__(self) -> str:
        return str(self.strerror)


class NetlinkTimeout(NetlinkFailure):
    """Nothing came before the deadline."""


class NetlinkOverrun(NetlinkFailure):
    """The kernel dropped messages for this socket (ENOBUFS): what was received is not the whole."""


class DumpInterrupted(NetlinkFailure):
    """The table changed while it was read, at every attempt: no consistent picture could be had."""


class NoSuchNamespace(NetlinkFailure):
    """There is no network namespace of that name, path or pid."""


class ExtAck(t.NamedTuple):
    """What the kernel said besides the errno (extended acknowledgement, linux/netlink.h NLMSGERR_ATTR_*)."""

    message: str = ""
    attribute: str = ""  # the offending attribute, as a path of names
    missing: str = ""  # the attribute that the kernel misses
    allowed: str = ""  # what the kernel's policy allows there, e.g. "68..65535"


class NetlinkError(NetlinkFailure):
    """The kernel refused a request.

    `errno` as the kernel gave it, `operation` what was being done to what ("RTM_NEWLINK br0"), `ack` an `ExtAck`.
    """

    def __init__(self, code: int, operation: str, ack: ExtAck | None = None) -> None:
        ack = ack or ExtAck()
        self.operation = operation
        self.ack = ack
        super().__init__(code, self._sentence(code, operation, ack))

    @staticmethod
    def _sentence(code: int, operation: str, ack: ExtAck) -> str:
        words = EXPLAINED.get(code) or os.strerror(code)
        said = f"{ack.message.rstrip('.')} ({words})" if ack.message else words
        notes = [
            f"{label} {value}"
            for label, value in (
                ("attribute", ack.attribute),
                ("missing attribute", ack.missing),
                ("allowed", ack.allowed),
            )
            if value
        ]
        return f"{operation}: {said}" + (f" [{', '.join(notes)}]" if notes else "")


def without_module(error: NetlinkError, module: str) -> NetlinkError:
    """A kernel without a kind of link says "Unknown device type", which helps nobody to get it: the module is named."""
    if error.errno != errno.EOPNOTSUPP or not module or "Unknown device type" not in error.ack.message:
        return error
    words = f"{error.ack.message}: this kernel does not have the module {module}, or could not load it"
    return NetlinkError(error.errno, error.operation, error.ack._replace(message=words))
