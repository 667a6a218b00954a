# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of dmpy, under which its documentation has them; nothing else here imports this file."""

from __future__ import annotations

from . import constants as c
from . import dmnodes, mangle, udev
from .dmcookie import DmCookie, synchronous
from .dmcookie import create as udev_create_cookie
from .dminfo import DmInfo
from .dmsettings import SETTINGS
from .dmstats import STATS_ALL_PROGRAMS, STATS_REGIONS_ALL, DmStats, DmStatsArea, DmStatsRegion
from .dmtask import (
    ADD_NODE_ON_CREATE,
    ADD_NODE_ON_RESUME,
    DM_DEVICE_ARM_POLL,
    DM_DEVICE_CLEAR,
    DM_DEVICE_CREATE,
    DM_DEVICE_DEPS,
    DM_DEVICE_GET_TARGET_VERSION,
    DM_DEVICE_INFO,
    DM_DEVICE_LIST,
    DM_DEVICE_LIST_VERSIONS,
    DM_DEVICE_MKNODES,
    DM_DEVICE_RELOAD,
    DM_DEVICE_REMOVE,
    DM_DEVICE_REMOVE_ALL,
    DM_DEVICE_RENAME,
    DM_DEVICE_RESUME,
    DM_DEVICE_SET_GEOMETRY,
    DM_DEVICE_STATUS,
    DM_DEVICE_SUSPEND,
    DM_DEVICE_TABLE,
    DM_DEVICE_TARGET_MSG,
    DM_DEVICE_VERSION,
    DM_DEVICE_WAITEVENT,
    DmTask,
)
from .dmtimestamp import DmTimestamp
from .errors import DmError
from .header import Request
from .nodes import Nodes
from .payload import decode_names
from .readahead import AUTO as READ_AHEAD_AUTO
from .readahead import MINIMUM_FLAG as READ_AHEAD_MINIMUM_FLAG
from .readahead import NONE as READ_AHEAD_NONE

__all__ = [
    "ADD_NODE_ON_CREATE",
    "ADD_NODE_ON_RESUME",
    "DM_DEVICE_ARM_POLL",
    "DM_DEVICE_CLEAR",
    "DM_DEVICE_CREATE",
    "DM_DEVICE_DEPS",
    "DM_DEVICE_GET_TARGET_VERSION",
    "DM_DEVICE_INFO",
    "DM_DEVICE_LIST",
    "DM_DEVICE_LIST_VERSIONS",
    "DM_DEVICE_MKNODES",
    "DM_DEVICE_RELOAD",
    "DM_DEVICE_REMOVE",
    "DM_DEVICE_REMOVE_ALL",
    "DM_DEVICE_RENAME",
    "DM_DEVICE_RESUME",
    "DM_DEVICE_SET_GEOMETRY",
    "DM_DEVICE_STATUS",
    "DM_DEVICE_SUSPEND",
    "DM_DEVICE_TABLE",
    "DM_DEVICE_TARGET_MSG",
    "DM_DEVICE_VERSION",
    "DM_DEVICE_WAITEVENT",
    "DmCookie",
    "DmError",
    "DmInfo",
    "DmStats",
    "DmStatsArea",
    "DmStatsRegion",
    "DmTask",
    "DmTimestamp",
    "READ_AHEAD_AUTO",
    "READ_AHEAD_MINIMUM_FLAG",
    "READ_AHEAD_NONE",
    "STATS_ALL_PROGRAMS",
    "STATS_REGIONS_ALL",
    "STRING_MANGLING_AUTO",
    "STRING_MANGLING_HEX",
    "STRING_MANGLING_NONE",
    "SUBSYSTEM_UDEV_FLAG0",
    "SUBSYSTEM_UDEV_FLAG1",
    "SUBSYSTEM_UDEV_FLAG2",
    "SUBSYSTEM_UDEV_FLAG3",
    "SUBSYSTEM_UDEV_FLAG4",
    "SUBSYSTEM_UDEV_FLAG5",
    "SUBSYSTEM_UDEV_FLAG6",
    "SUBSYSTEM_UDEV_FLAG7",
    "UDEV_DISABLE_DISK_RULES_FLAG",
    "UDEV_DISABLE_DM_RULES_FLAG",
    "UDEV_DISABLE_LIBRARY_FALLBACK",
    "UDEV_DISABLE_OTHER_RULES_FLAG",
    "UDEV_DISABLE_SUBSYSTEM_RULES_FLAG",
    "UDEV_LOW_PRIORITY_FLAG",
    "UDEV_PRIMARY_SOURCE_FLAG",
    "cookie_supported",
    "driver_version",
    "dump_memory",
    "get_dev_dir",
    "get_library_version",
    "get_name_mangling_mode",
    "get_sysfs_dir",
    "get_uuid_prefix",
    "hold_control_dev",
    "is_dm_major",
    "lib_release",
    "message_supports_precise_timestamps",
    "mknodes",
    "set_dev_dir",
    "set_name_mangling_mode",
    "set_sysfs_dir",
    "set_uuid_prefix",
    "stats_driver_supports_histogram",
    "stats_driver_supports_precise",
    "udev_complete",
    "udev_create_cookie",
    "udev_get_checking",
    "udev_get_sync_support",
    "udev_set_checking",
    "udev_set_sync_support",
    "udev_wait",
    "update_nodes",
]

STRING_MANGLING_NONE, STRING_MANGLING_AUTO, STRING_MANGLING_HEX = mangle.NONE, mangle.AUTO, mangle.HEX

UDEV_DISABLE_DM_RULES_FLAG = udev.DISABLE_DM_RULES
UDEV_DISABLE_SUBSYSTEM_RULES_FLAG = udev.DISABLE_SUBSYSTEM_RULES
UDEV_DISABLE_DISK_RULES_FLAG = udev.DISABLE_DISK_RULES
UDEV_DISABLE_OTHER_RULES_FLAG = udev.DISABLE_OTHER_RULES
UDEV_LOW_PRIORITY_FLAG = udev.LOW_PRIORITY
UDEV_DISABLE_LIBRARY_FALLBACK = udev.DISABLE_LIBRARY_FALLBACK
UDEV_PRIMARY_SOURCE_FLAG = udev.PRIMARY_SOURCE
(
    SUBSYSTEM_UDEV_FLAG0,
    SUBSYSTEM_UDEV_FLAG1,
    SUBSYSTEM_UDEV_FLAG2,
    SUBSYSTEM_UDEV_FLAG3,
    SUBSYSTEM_UDEV_FLAG4,
    SUBSYSTEM_UDEV_FLAG5,
    SUBSYSTEM_UDEV_FLAG6,
    SUBSYSTEM_UDEV_FLAG7,
) = (udev.SUBSYSTEM_FLAG0 << bit for bit in range(8))

RELEASE, DATE = "0.1.0", "2026-11-21"
UUID_PREFIX_LENGTH = 15
COOKIES_SINCE = (4, 15)


def get_library_version() -> str:
    """Version and date of what speaks to the kernel: of this collection."""
    return f"{RELEASE} ({DATE})"


def driver_version() -> str:
    """The kernel's. Raises DmError."""
    return "{}.{}.{}".format(*SETTINGS.control().ask(Request(c.VERSION)).version)


def cookie_supported() -> bool:
    """Whether the kernel passes cookies on to udev."""
    return SETTINGS.control().ask(Request(c.VERSION)).version[:2] >= COOKIES_SINCE


def is_dm_major(major: int) -> bool:
    """Whether that major number is the device-mapper's."""
    with open("/proc/devices", encoding="ascii") as table:
        rows = [line.split() for line in table.read().partition("Block devices:")[2].splitlines() if line]
    return [str(major), "device-mapper"] in rows


def mknodes(name: str | None = None) -> bool:
    """Makes the node of a device, or of all, where it is missing or wrong; removes one of a device that is gone."""
    nodes = Nodes(SETTINGS.dev_dir)
    there = {one.name: one.dev for one in decode_names(SETTINGS.control().ask(Request(c.LIST_DEVICES)))}
    wanted = list(there) if name is None else [mangle.mangle(name, SETTINGS.mangling)]
    for one in wanted:
        if one in there:
            nodes.ensure(one, there[one])
        else:
            nodes.remove(one)
    return True


def update_nodes() -> bool:
    """Makes the nodes of tasks whose cookie nobody has waited for, where udev has not. Raises DmError."""
    dmnodes.update()
    return True


def set_name_mangling_mode(mode: int) -> bool:
    """How names get to the kernel from now on, one of STRING_MANGLING_.... Raises ValueError."""
    if mode not in mangle.MODES:
        raise ValueError(f"there is no mangling mode {mode}")
    SETTINGS.mangling = mode
    return True


def get_name_mangling_mode() -> int:
    """How names get to the kernel."""
    return SETTINGS.mangling


def set_dev_dir(path: str) -> bool:
    """The directory that `mapper` is in, /dev at first. Raises ValueError."""
    return _directory("dev_dir", path)


def get_dev_dir() -> str:
    """The directory that `mapper` is in."""
    return SETTINGS.dev_dir


def set_sysfs_dir(path: str) -> bool:
    """Where sysfs is mounted, /sys at first. Raises ValueError."""
    return _directory("sysfs_dir", path)


def get_sysfs_dir() -> str:
    """Where sysfs is mounted."""
    return SETTINGS.sysfs_dir


def _directory(which: str, path: str) -> bool:
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is no absolute path")
    setattr(SETTINGS, which, path.rstrip("/") or "/")
    return True


def set_uuid_prefix(prefix: str) -> bool:
    """What UUIDs of this program begin with, up to 15 bytes. Raises ValueError.

    It is only kept: in libdevmapper, too, no task looks at it, only the trees of devices do, which dmpy has not.
    """
    if len(prefix.encode("utf-8", "surrogateescape")) > UUID_PREFIX_LENGTH:
        raise ValueError(f"a uuid prefix has up to {UUID_PREFIX_LENGTH} bytes, not {prefix!r}")
    SETTINGS.uuid_prefix = prefix
    return True


def get_uuid_prefix() -> str:
    """What UUIDs of this program begin with."""
    return SETTINGS.uuid_prefix


def hold_control_dev(hold: bool) -> bool:
    """Whether the control device stays open after `lib_release` would have closed it."""
    SETTINGS.hold_control = bool(hold)
    return True


def lib_release() -> bool:
    """Makes the nodes that are due, and closes the control device unless it is held. Raises DmError."""
    dmnodes.update()
    if not SETTINGS.hold_control:
        SETTINGS.release()
    return True


def dump_memory() -> bool:
    """Does nothing: there is no pool of memory to show."""
    return True


def udev_set_sync_support(on: bool) -> bool:
    """Whether tasks with a cookie wait for udev."""
    SETTINGS.udev_sync = bool(on)
    return True


def udev_get_sync_support() -> bool:
    """Whether tasks with a cookie wait for udev: it runs, and nobody has switched that off."""
    return synchronous()


def udev_set_checking(on: bool) -> bool:
    """Whether there is a RuntimeWarning where a node is made here that udev should have made."""
    SETTINGS.udev_checking = bool(on)
    return True


def udev_get_checking() -> bool:
    """Whether there is a RuntimeWarning where a node is made here that udev should have made."""
    return SETTINGS.udev_checking


def udev_complete(cookie: DmCookie) -> bool:
    """Counts a cookie down by one, as udev's rules do. Raises DmError."""
    return cookie.udev_complete()


def udev_wait(cookie: DmCookie, immediate: bool = False) -> bool:
    """Waits for all events of a cookie, and ends it. Raises DmTimeout, DmError."""
    return cookie.udev_wait(immediate=immediate)


def _stats_since(minor: int) -> bool:
    return SETTINGS.control().ask(Request(c.VERSION)).version[:2] >= (4, minor)


def message_supports_precise_timestamps() -> bool:
    """Whether statistics can count nanoseconds."""
    return _stats_since(32)


def stats_driver_supports_precise() -> bool:
    """Whether statistics can count nanoseconds."""
    return _stats_since(32)


def stats_driver_supports_histogram() -> bool:
    """Whether statistics can have histograms."""
    return _stats_since(32)
