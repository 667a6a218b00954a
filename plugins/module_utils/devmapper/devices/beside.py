# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a device has beside its table: mode and owner of its node, read-ahead, geometry."""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import typing as t

from .. import readahead
from .mapper import Mapper
from .picture import Found

HDIO_GETGEO = 0x0301  # linux/hdreg.h
GEOMETRY = struct.Struct("@BBHL")  # struct hd_geometry: heads, sectors, cylinders, start

Numbers = t.Tuple[int, int, int, int]


class NodeState(t.NamedTuple):
    mode: int
    uid: int
    gid: int


def node_of(mapper: Mapper, found: Found) -> NodeState | None:
    """Mode and owner of the device's node; None where there is none."""
    try:
        state = os.stat(mapper.nodes.path(found.listed.name))
    except OSError:
        return None
    return NodeState(stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid)


def read_ahead_of(found: Found) -> int | None:
    return readahead.read(found.dev)


def geometry_of(mapper: Mapper, found: Found) -> Numbers | None:
    """Cylinders, heads, sectors, start; None where the device cannot be asked."""
    try:
        fd = os.open(mapper.nodes.path(found.listed.name), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        heads, sectors, cylinders, start = GEOMETRY.unpack(fcntl.ioctl(fd, HDIO_GETGEO, bytes(GEOMETRY.size)))
    except OSError:
        return None
    finally:
        os.close(fd)
    return cylinders, heads, sectors, start
