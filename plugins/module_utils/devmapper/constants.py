# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers of the device-mapper's ioctl interface (include/uapi/linux/dm-ioctl.h)."""

from __future__ import annotations

import typing as t

VERSION = 0
REMOVE_ALL = 1
LIST_DEVICES = 2
DEV_CREATE = 3
DEV_REMOVE = 4
DEV_RENAME = 5
DEV_SUSPEND = 6  # with the flag SUSPEND suspends, without resumes
DEV_STATUS = 7
DEV_WAIT = 8
TABLE_LOAD = 9
TABLE_CLEAR = 10
TABLE_DEPS = 11
TABLE_STATUS = 12
LIST_VERSIONS = 13
TARGET_MSG = 14
DEV_SET_GEOMETRY = 15
DEV_ARM_POLL = 16
GET_TARGET_VERSION = 17


class Command(t.NamedTuple):
    """What a command is called in an error, and the interface version that brought it."""

    doing: str
    since: t.Tuple[int, int, int] = (4, 0, 0)
    grows: bool = False  # its answer can be larger than the buffer, and asking again does no harm


COMMANDS: t.Dict[int, Command] = {
    VERSION: Command("ask for the driver's version"),
    REMOVE_ALL: Command("remove all devices"),
    LIST_DEVICES: Command("list devices", grows=True),
    DEV_CREATE: Command("create"),
    DEV_REMOVE: Command("remove"),
    DEV_RENAME: Command("rename"),
    DEV_SUSPEND: Command("suspend or resume"),
    DEV_STATUS: Command("ask for the state of"),
    DEV_WAIT: Command("wait for an event of", grows=True),
    TABLE_LOAD: Command("load a table into"),
    TABLE_CLEAR: Command("clear the inactive table of"),
    TABLE_DEPS: Command("ask for the devices below", grows=True),
    TABLE_STATUS: Command("read table or status of", grows=True),
    LIST_VERSIONS: Command("list target types", (4, 1, 0), grows=True),
    TARGET_MSG: Command("send a message to", (4, 2, 0), grows=True),
    DEV_SET_GEOMETRY: Command("set the geometry of", (4, 6, 0)),
    DEV_ARM_POLL: Command("arm the waiting for events", (4, 37, 0)),
    GET_TARGET_VERSION: Command("ask for the version of target type", (4, 41, 0), grows=True),
}

# Flags of struct dm_ioctl, in and out.
READONLY = 1 << 0
SUSPEND = 1 << 1
PERSISTENT_DEV = 1 << 3  # the number in `dev` is wanted for a new device
STATUS_TABLE = 1 << 4  # tables, not status
ACTIVE_PRESENT = 1 << 5
INACTIVE_PRESENT = 1 << 6
BUFFER_FULL = 1 << 8
SKIP_LOCKFS = 1 << 10
NOFLUSH = 1 << 11
QUERY_INACTIVE_TABLE = 1 << 12
UEVENT_GENERATED = 1 << 13
UUID = 1 << 14  # rename: the new name is a uuid; list: uuids are wanted
SECURE_DATA = 1 << 15  # the kernel wipes its copies of the buffer
DATA_OUT = 1 << 16  # a message has an answer
DEFERRED_REMOVE = 1 << 17
INTERNAL_SUSPEND = 1 << 18
IMA_MEASUREMENT = 1 << 19

NAME_LENGTH = 127  # bytes without the NUL
UUID_LENGTH = 128
TARGET_TYPE_LENGTH = 15

HAS_UUID = 1  # flags of an entry of LIST_DEVICES

SECTOR = 512  # bytes: every sector of an interface or table
