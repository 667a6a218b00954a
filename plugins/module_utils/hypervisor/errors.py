# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with libvirt, told apart by what a caller can do about it."""

from __future__ import annotations

# VIR_ERR_* of libvirt/virterror.h
NO_SUPPORT, CONFIG_UNSUPPORTED, OPERATION_UNSUPPORTED = 3, 67, 84
OPERATION_DENIED, AUTH_FAILED, AUTH_CANCELLED, AUTH_UNAVAILABLE, ACCESS_DENIED = 29, 45, 79, 94, 88
NO_DOMAIN, NO_NETWORK, NO_STORAGE_POOL, NO_STORAGE_VOL, NO_NODE_DEVICE, NO_INTERFACE = 42, 43, 49, 50, 53, 57
NO_NWFILTER, NO_SECRET = 62, 66

UNSUPPORTED = frozenset((NO_SUPPORT, CONFIG_UNSUPPORTED, OPERATION_UNSUPPORTED))
DENIED = frozenset((OPERATION_DENIED, AUTH_FAILED, AUTH_CANCELLED, AUTH_UNAVAILABLE, ACCESS_DENIED))
GONE = frozenset(
    (NO_DOMAIN, NO_NETWORK, NO_STORAGE_POOL, NO_STORAGE_VOL, NO_NODE_DEVICE, NO_INTERFACE, NO_NWFILTER, NO_SECRET)
)


class KvmError(Exception):
    """Something that was asked of a hypervisor failed. `code` is libvirt's VIR_ERR_*, 0 if it is not from libvirt."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Refused(KvmError):
    """libvirt answered with an error; other questions may be answered."""


class NotSupported(Refused):
    """The hypervisor, its driver or this libvirt-python cannot do it."""


class Denied(Refused):
    """Whoever asks may not."""


class Gone(Refused):
    """The object was there when it was listed."""


class ConnectionLost(KvmError):
    """The daemon went away, or could not be reached."""


class LibvirtMissing(KvmError):
    """This Python has no libvirt-python."""


class TimedOut(KvmError):
    """The time allowed is over."""


def of_code(code: int) -> type[Refused]:
    """The class of an error that libvirt gave that number."""
    for codes, kind in ((UNSUPPORTED, NotSupported), (DENIED, Denied), (GONE, Gone)):
        if code in codes:
            return kind
    return Refused
