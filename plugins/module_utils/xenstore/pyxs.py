# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of pyxs, under which its documentation has them; nothing else here imports this file."""

from __future__ import annotations

import contextlib
import typing as t

from .client import Client
from .compat import Error, xs
from .connection import UnixSocketConnection, XenBusConnection
from .errors import (
    ConnectionError,
    InvalidOperation,
    InvalidPath,
    InvalidPayload,
    InvalidPermission,
    PyXSError,
    UnexpectedPacket,
)
from .monitor import Event, Monitor
from .packet import Op, Packet
from .router import Router

__all__ = [
    "Client",
    "ConnectionError",
    "Error",
    "Event",
    "InvalidOperation",
    "InvalidPath",
    "InvalidPayload",
    "InvalidPermission",
    "Monitor",
    "Op",
    "Packet",
    "PyXSError",
    "Router",
    "UnexpectedPacket",
    "UnixSocketConnection",
    "XenBusConnection",
    "monitor",
    "xs",
]


@contextlib.contextmanager
def monitor(*args: t.Any, **kwargs: t.Any) -> t.Iterator[Monitor]:
    """A monitor with a client of its own, made from the arguments."""
    with Client(*args, **kwargs) as client, client.monitor() as made:
        yield made
