# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with XenStore, each kind with a name of its own (those of pyxs, and two more)."""

from __future__ import annotations

import errno
import os
import typing as t


class PyXSError(Exception):
    """Anything that went wrong; `args` are the errno and a sentence: what was done, to what, and what was said."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(code, sentence)

    @property
    def errno(self) -> int:
        return int(self.args[0])

    def __str__(self) -> str:
        return str(self.args[1])


class _Refused(ValueError, PyXSError):
    """A value that is not sent, for the daemon would refuse it or hang up."""

    reason = ""

    def __init__(self, value: t.Any, reason: str = "") -> None:
        PyXSError.__init__(self, errno.EINVAL, f"{_shown(value)}: {reason or self.reason}")
        self.value = value


class InvalidOperation(_Refused):
    reason = "is no operation of XenStore"


class InvalidPayload(_Refused):
    reason = "does not fit a XenStore packet"


class InvalidPath(_Refused):
    reason = "is no path of XenStore"


class InvalidPermission(_Refused):
    reason = "is no permission of XenStore: one of n (none), r (read), w (write), b (both), and a domain's number"


class ConnectionError(PyXSError):  # the name that users of pyxs catch
    """The daemon cannot be reached, hung up, or the conversation with it was given up."""


class UnexpectedPacket(ConnectionError):
    """The daemon sent what answers no request, or is no XenStore packet."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EPROTO, sentence)


class Timeout(ConnectionError):
    """Nothing came before the deadline."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.ETIMEDOUT, sentence)


class Conflict(PyXSError):
    """A transaction met with other writers at each of its attempts."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EAGAIN, sentence)


WORDS = {  # where the system's own words for an error would mislead
    errno.E2BIG: "larger than the daemon takes",
    errno.EACCES: "no permission, the node's owner has to grant it",
    errno.EAGAIN: "another client changed the same nodes meanwhile",
    errno.EIO: "the daemon failed, or does not know the transaction",
    errno.ENOENT: "no such node, domain, watch or transaction",
    errno.ENOSPC: "the domain's quota of nodes, watches, transactions or bytes is used up",
    errno.ENOSYS: "this daemon does not know the request",
}


def refused(code: int, doing: str) -> PyXSError:
    """The daemon's error number about what was being done, in a sentence."""
    return PyXSError(code, f"{doing}: {errno.errorcode.get(code, code)} ({WORDS.get(code) or os.strerror(code)})")


def _shown(value: t.Any) -> str:
    text = value.decode("ascii", "backslashreplace") if isinstance(value, bytes) else str(value)
    return repr(text if len(text) <= 64 else f"{text[:61]}...")
