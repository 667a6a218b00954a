# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`DmTask` of dmpy: one command, filled in by setters, carried out by `run`, read by getters.

Beyond dmpy it reads tables and status (`get_targets`), makes the program's control device readable with the next event
(`DM_DEVICE_ARM_POLL`) and asks for one target type (`DM_DEVICE_GET_TARGET_VERSION`). `DM_DEVICE_WAITEVENT` waits as
long as it takes, as in dmpy, or until a deadline (`set_timeout`).
"""

from __future__ import annotations

import errno
import os
import time
import typing as t

from . import constants as c
from . import dmnodes, mangle, payload, readahead, udev
from .dmcookie import DmCookie, synchronous
from .dmcookie import create as create_cookie
from .dminfo import DmInfo
from .dmsettings import SETTINGS
from .dmtimestamp import DmTimestamp
from .errors import DmError, DmRefused, DmValueError
from .header import Answer, Request
from .nodes import Access, block_device

(
    DM_DEVICE_CREATE,
    DM_DEVICE_RELOAD,
    DM_DEVICE_REMOVE,
    DM_DEVICE_REMOVE_ALL,
    DM_DEVICE_SUSPEND,
    DM_DEVICE_RESUME,
    DM_DEVICE_INFO,
    DM_DEVICE_DEPS,
    DM_DEVICE_RENAME,
    DM_DEVICE_VERSION,
    DM_DEVICE_STATUS,
    DM_DEVICE_TABLE,
    DM_DEVICE_WAITEVENT,
    DM_DEVICE_LIST,
    DM_DEVICE_CLEAR,
    DM_DEVICE_MKNODES,
    DM_DEVICE_LIST_VERSIONS,
    DM_DEVICE_TARGET_MSG,
    DM_DEVICE_SET_GEOMETRY,
    DM_DEVICE_ARM_POLL,
    DM_DEVICE_GET_TARGET_VERSION,
) = range(21)

COMMAND = {
    DM_DEVICE_CREATE: c.DEV_CREATE,
    DM_DEVICE_RELOAD: c.TABLE_LOAD,
    DM_DEVICE_REMOVE: c.DEV_REMOVE,
    DM_DEVICE_REMOVE_ALL: c.REMOVE_ALL,
    DM_DEVICE_SUSPEND: c.DEV_SUSPEND,
    DM_DEVICE_RESUME: c.DEV_SUSPEND,
    DM_DEVICE_INFO: c.DEV_STATUS,
    DM_DEVICE_DEPS: c.TABLE_DEPS,
    DM_DEVICE_RENAME: c.DEV_RENAME,
    DM_DEVICE_VERSION: c.VERSION,
    DM_DEVICE_STATUS: c.TABLE_STATUS,
    DM_DEVICE_TABLE: c.TABLE_STATUS,
    DM_DEVICE_WAITEVENT: c.DEV_WAIT,
    DM_DEVICE_LIST: c.LIST_DEVICES,
    DM_DEVICE_CLEAR: c.TABLE_CLEAR,
    DM_DEVICE_MKNODES: c.DEV_STATUS,
    DM_DEVICE_LIST_VERSIONS: c.LIST_VERSIONS,
    DM_DEVICE_TARGET_MSG: c.TARGET_MSG,
    DM_DEVICE_SET_GEOMETRY: c.DEV_SET_GEOMETRY,
    DM_DEVICE_ARM_POLL: c.DEV_ARM_POLL,
    DM_DEVICE_GET_TARGET_VERSION: c.GET_TARGET_VERSION,
}
MAY_LACK = (DM_DEVICE_INFO, DM_DEVICE_STATUS, DM_DEVICE_MKNODES)  # no such device is an answer
EVENTS = (DM_DEVICE_REMOVE, DM_DEVICE_RESUME, DM_DEVICE_RENAME, DM_DEVICE_CREATE)
ADD_NODE_ON_RESUME, ADD_NODE_ON_CREATE = 0, 1
TABLE = c.STATUS_TABLE | c.SECURE_DATA  # a table may have a key in it
RETRIES, PAUSE = 25, 0.2  # of a removal: how often, and seconds between


class DmTask:
    """One task of the type DM_DEVICE_...; the setters return True, `run` raises DmError."""

    def __init__(self, kind: int) -> None:
        if kind not in COMMAND:
            raise DmValueError(f"there is no device-mapper task of type {kind}")
        self._kind = kind
        self._request = Request(
            COMMAND[kind], flags={DM_DEVICE_SUSPEND: c.SUSPEND, DM_DEVICE_TABLE: TABLE}.get(kind, 0)
        )
        self._targets: list[payload.Line] = []
        self._answer: Answer | None = None
        self._newname = ""
        self._fallback = False
        self._access = Access(0o600)
        self._read_ahead = (readahead.AUTO, 0)
        self._cookie: DmCookie | None = None
        self._cookie_flags = 0
        self._add_node = ADD_NODE_ON_RESUME
        self._suppress = self._retry = self._record = False
        self._timeout: float | None = None
        self._timestamp: DmTimestamp | None = None
        self._errno = 0

    # -- what the task is about

    def set_name(self, name: str) -> None:
        """A name, or the path of a node below /dev of an existing device."""
        if "/" in name:
            name = self._name_of_path(name)
        self._set(name=mangle.mangle(name, SETTINGS.mangling))

    def _name_of_path(self, path: str) -> str:
        if self._kind == DM_DEVICE_CREATE:
            raise DmValueError(f"the name {path!r} has a slash in it")
        full = path if path.startswith("/") else os.path.join(SETTINGS.dev_dir, path)
        dev = block_device(full)
        if dev is None:
            raise DmValueError(f"{full} is no device-mapper device")
        return mangle.unmangle(SETTINGS.control().ask(Request(c.DEV_STATUS, dev=dev)).name)

    def set_uuid(self, uuid: str) -> bool:
        """The UUID of the device, or for a new one the UUID that it gets."""
        return self._set(uuid=mangle.mangle(uuid, SETTINGS.mangling, "uuid"))

    def set_major(self, major: int) -> bool:
        """The major number of the device."""
        return self._set(dev=os.makedev(major, os.minor(self._request.dev)))

    def set_minor(self, minor: int) -> bool:
        """The minor number of the device, or that a new one is to get."""
        return self._set(dev=os.makedev(os.major(self._request.dev), minor))

    def set_major_minor(self, major: int, minor: int, allow_fallback: bool = False) -> bool:
        """With `allow_fallback` a new device gets another number where this one is taken."""
        self._fallback = allow_fallback
        return self._set(dev=os.makedev(major, minor))

    def set_newname(self, name: str) -> bool:
        """The name to give (DM_DEVICE_RENAME)."""
        self._newname = mangle.mangle(name, SETTINGS.mangling)
        return self._set(payload=self._newname.encode("utf-8", "surrogateescape") + b"\0")

    def set_newuuid(self, uuid: str) -> bool:
        """The UUID to give to a device that has none (DM_DEVICE_RENAME)."""
        raw = mangle.mangle(uuid, SETTINGS.mangling, "uuid").encode("utf-8", "surrogateescape")
        return self._set(payload=raw + b"\0", flags=self._request.flags | c.UUID)

    # -- how it is done

    def set_ro(self) -> bool:
        """The device can only be read."""
        return self._flag(c.READONLY)

    def no_flush(self) -> bool:
        """Requests wait in the queue while the device is suspended, instead of being finished before."""
        return self._flag(c.NOFLUSH)

    def no_open_count(self) -> bool:
        """Accepted for the sake of old programs."""
        return True

    def skip_lockfs(self) -> bool:
        """A file system on the device is not frozen when it is suspended."""
        return self._flag(c.SKIP_LOCKFS)

    def query_inactive_table(self) -> bool:
        """The table in the inactive slot is meant."""
        return self._flag(c.QUERY_INACTIVE_TABLE)

    def suppress_identical_reload(self) -> bool:
        """A reload with the table that is live already is not sent."""
        self._suppress = True
        return True

    def secure_data(self) -> bool:
        """The kernel wipes its copies of the request, and so does this; unasked where there is a key in it."""
        return self._flag(c.SECURE_DATA)

    def retry_remove(self) -> bool:
        """A device that is in use is tried again for some seconds."""
        self._retry = True
        return True

    def deferred_remove(self) -> bool:
        """A device that is in use goes when nobody has it open any more."""
        return self._flag(c.DEFERRED_REMOVE)

    def enable_checks(self) -> bool:
        """Accepted for the sake of old programs: names and sizes are always checked."""
        return True

    def set_event_nr(self, number: int) -> bool:
        """The last event that is known (DM_DEVICE_WAITEVENT)."""
        return self._set(event_nr=number)

    def set_timeout(self, seconds: float) -> bool:
        """When `run` gives up waiting for an event, with DmTimeout (DM_DEVICE_WAITEVENT)."""
        self._timeout = seconds
        return True

    def set_geometry(self, cylinders: int, heads: int, sectors: int, start: int) -> bool:
        """Cylinders, heads, sectors of a track, and the first sector (DM_DEVICE_SET_GEOMETRY)."""
        return self._set(payload=b"%d %d %d %d\0" % (cylinders, heads, sectors, start))

    def set_sector(self, sector: int) -> bool:
        """A sector of the target that a message is for."""
        return self._set(payload=payload.SECTOR.pack(sector) + self._request.payload[payload.SECTOR.size :])

    def set_message(self, text: str) -> DmTask:
        """The message (DM_DEVICE_TARGET_MSG)."""
        sector = self._request.payload[: payload.SECTOR.size] or payload.SECTOR.pack(0)
        self._set(payload=sector + payload.encode_message(0, text)[payload.SECTOR.size :])
        if payload.message_key(text):
            self.secure_data()
        return self

    def set_uid(self, uid: int) -> bool:
        """Owner of a node that is made here."""
        return self._permit(uid=uid)

    def set_gid(self, gid: int) -> bool:
        """Group of a node that is made here."""
        return self._permit(gid=gid)

    def set_mode(self, mode: int) -> bool:
        """Permissions of a node that is made here."""
        return self._permit(mode=mode)

    def set_add_node(self, when: int) -> bool:
        """When a new device gets its node: ADD_NODE_ON_RESUME or ADD_NODE_ON_CREATE."""
        self._add_node = when
        return True

    def set_read_ahead(self, sectors: int, flags: int = 0) -> bool:
        """Sectors to read ahead, READ_AHEAD_AUTO or READ_AHEAD_NONE; flags: READ_AHEAD_MINIMUM_FLAG."""
        self._read_ahead = (sectors, flags)
        return True

    def set_cookie(self, cookie: DmCookie, flags: int = 0) -> bool:
        """udev's rules count the cookie down when they are through; an empty cookie becomes a new one.

        Where udev is not waited for it stays as it is, and nodes are made here. `flags` are UDEV_..._FLAG: what the
        rules are to leave out, and with UDEV_DISABLE_LIBRARY_FALLBACK nodes are udev's alone.
        """
        self._cookie, self._cookie_flags = cookie, flags
        if not cookie.value:
            cookie.set_value(create_cookie().value)
        return True

    def set_record_timestamp(self) -> bool:
        """`run` notes when the command was through."""
        self._record = True
        return True

    def add_target(self, start: int, size: int, kind: str, params: str) -> bool:
        """A line of the table: sectors, sectors, target type, arguments."""
        self._targets.append((start, size, kind, params))
        return True

    def _set(self, **fields: t.Any) -> bool:
        self._request = self._request._replace(**fields)
        return True

    def _flag(self, flag: int) -> bool:
        return self._set(flags=self._request.flags | flag)

    def _permit(self, **fields: int) -> bool:
        self._access = self._access._replace(**fields)
        return True

    # -- carrying it out

    def run(self) -> None:
        """Carries the task out. Raises DmError; `get_errno` then has the kernel's number."""
        self._errno = 0
        try:
            self._answer = self._create() if self._kind == DM_DEVICE_CREATE else self._run()
        except DmError as error:
            self._errno = error.errno or errno.EIO
            if self._errno != errno.ENXIO or self._kind not in MAY_LACK:
                raise
            self._answer = None
        if self._record:
            self._timestamp = DmTimestamp()
            self._timestamp.get()
        if not SETTINGS.hold_control and self._kind == DM_DEVICE_REMOVE_ALL:
            SETTINGS.release()

    def _run(self) -> Answer:
        if self._kind == DM_DEVICE_RELOAD:
            if self._suppress and self._identical():
                return self._ask(Request(c.DEV_STATUS, *self._whom()))
            return self._ask(self._load())
        if self._kind == DM_DEVICE_WAITEVENT and self._timeout is not None:
            self._wait(self._timeout)
        answer = self._remove() if self._kind == DM_DEVICE_REMOVE else self._event(self._request)
        self._nodes(answer)
        return answer

    def _wait(self, seconds: float) -> None:
        """Until there has been an event, for the kernel's own waiting ends by nothing else but a signal."""
        from .devices.reader import Reader

        known = self._request.event_nr
        now = self._ask(Request(c.DEV_STATUS, *self._whom()))
        if now.event_nr == known:
            with Reader() as reader:
                reader.wait({now.name: known}, seconds)

    def _create(self) -> Answer:
        """Creates; with targets also loads and resumes, and leaves nothing behind where that fails."""
        request = self._request
        if os.minor(request.dev) or os.major(request.dev):
            request = request._replace(flags=request.flags | c.PERSISTENT_DEV)
        try:
            answer = self._ask(request)
        except DmRefused as error:
            if error.errno != errno.ENXIO or not self._fallback:  # what the kernel says of a number that is taken
                raise
            answer = self._ask(request._replace(flags=request.flags & ~c.PERSISTENT_DEV, dev=0))
        if self._add_node == ADD_NODE_ON_CREATE:
            dmnodes.now(answer.name, self._due(answer.dev))
        if not self._targets:
            return answer
        try:
            self._ask(self._load())
            answer = self._event(Request(c.DEV_SUSPEND, self._request.name, flags=request.flags & c.SECURE_DATA))
        except DmError:
            self._ask(Request(c.DEV_REMOVE, self._request.name))
            dmnodes.now(self._request.name, dmnodes.Due(None))
            raise
        self._nodes(answer)
        return answer

    def _load(self) -> Request:
        from .targets.secrets import has_secrets

        name, uuid, dev = self._whom()
        table = payload.encode_table(self._targets)
        flags = self._request.flags & (c.READONLY | c.SECURE_DATA)
        flags |= c.SECURE_DATA if has_secrets(self._targets) else 0
        return Request(c.TABLE_LOAD, name, uuid, dev, flags, 0, len(self._targets), table)

    def _identical(self) -> bool:
        from .targets.equality import same_table

        live = self._ask(Request(c.TABLE_STATUS, *self._whom(), flags=TABLE))
        return same_table(self._targets, payload.decode_table(live))

    def _whom(self) -> tuple[str, str, int]:
        """Name, uuid, number: only one of them, for the kernel takes no two."""
        asked = self._request
        if asked.uuid and self._kind != DM_DEVICE_CREATE:
            return "", asked.uuid, 0
        return (asked.name, "", 0) if asked.name else ("", "", asked.dev)

    def _remove(self) -> Answer:
        for _unused in range(RETRIES if self._retry else 0):
            try:
                return self._event(self._request)
            except DmRefused as error:
                if error.errno != errno.EBUSY:
                    raise
            time.sleep(PAUSE)
        return self._event(self._request)

    def _event(self, request: Request) -> Answer:
        """Sends a command; one that makes an event of udev carries the cookie."""
        cookie = self._cookie if self._kind in EVENTS else None
        if request.uuid and (request.name or request.dev):
            request = request._replace(name="", dev=0)
        elif request.name and request.dev:
            request = request._replace(dev=0)
        if cookie is None or not cookie.value or not synchronous():
            return self._ask(request)
        from . import semaphore

        semid, flags = semaphore.find(cookie.value), self._cookie_flags | udev.PRIMARY_SOURCE
        semaphore.add(semid, 1)
        made = False
        try:
            answer = self._ask(request._replace(event_nr=udev.event_nr(cookie.value, flags)))
            made = bool(answer.flags & c.UEVENT_GENERATED)
            return answer
        finally:
            if not made:
                semaphore.add(semid, -1)

    def _ask(self, request: Request) -> Answer:
        return SETTINGS.control().ask(request)

    # -- nodes

    def _nodes(self, answer: Answer) -> None:
        """At once; where udev makes them, when it has been waited for."""
        cookie = self._cookie
        waiting = self._kind in EVENTS and cookie is not None and bool(cookie.value) and synchronous()
        see_to = dmnodes.later if waiting else dmnodes.now
        name, due = answer.name or self._request.name, self._due(answer.dev, waiting)
        if self._kind == DM_DEVICE_REMOVE and not self._request.flags & c.DEFERRED_REMOVE:
            see_to(name, due._replace(dev=None))
        elif self._kind == DM_DEVICE_RENAME and self._newname:
            see_to(self._request.name or name, due._replace(dev=None))
            see_to(self._newname, due)
        elif self._kind in (DM_DEVICE_RESUME, DM_DEVICE_CREATE, DM_DEVICE_MKNODES):
            see_to(answer.name, due)

    def _due(self, dev: int, waiting: bool = False) -> dmnodes.Due:
        flags = self._cookie_flags if waiting else 0
        alone = bool(flags & udev.DISABLE_LIBRARY_FALLBACK)
        expected = waiting and not flags & udev.DISABLE_DM_RULES
        return dmnodes.Due(dev, self._access, self._read_ahead, alone, expected)

    # -- what came back

    def _got(self) -> Answer:
        if self._answer is None:
            raise DmValueError("the task has not run, or there is no such device")
        return self._answer

    def get_info(self) -> DmInfo:
        """State of the device; `exists` is 0 where there is none."""
        return DmInfo.of(self._answer) if self._answer is not None else DmInfo()

    def get_name(self, mangled: int | None = None) -> str:
        """The device's name: as people write it, or as the kernel has it with `mangled=1`."""
        return self._shown(self._got().name, mangled)

    def get_uuid(self, mangled: int | None = None) -> str:
        """The device's uuid: as people write it, or as the kernel has it with `mangled=1`."""
        return self._shown(self._got().uuid, mangled)

    def _shown(self, text: str, mangled: int | None) -> str:
        if mangled:
            return text
        return mangle.unmangle(text, mangle.AUTO if mangled is not None else SETTINGS.mangling)

    def get_names(self) -> list[tuple[str, int, int]]:
        """Name, major and minor number of every device (DM_DEVICE_LIST)."""
        found = payload.decode_names(self._got())
        return [(self._shown(one.name, None), os.major(one.dev), os.minor(one.dev)) for one in found]

    def get_deps(self) -> list[tuple[int, int]]:
        """Major and minor number of the devices below (DM_DEVICE_DEPS)."""
        return [(os.major(dev), os.minor(dev)) for dev in payload.decode_deps(self._got())]

    def get_versions(self) -> dict[str, tuple[int, int, int]]:
        """Version of each target type (DM_DEVICE_LIST_VERSIONS, DM_DEVICE_GET_TARGET_VERSION)."""
        return payload.decode_versions(self._got())

    def get_targets(self) -> list[tuple[int, int, str, str]]:
        """Start, length, type, and arguments or status of each line (DM_DEVICE_TABLE, DM_DEVICE_STATUS)."""
        return payload.decode_table(self._got())

    def get_message_response(self) -> str:
        """The answer to a message, an empty text where there is none (DM_DEVICE_TARGET_MSG)."""
        return payload.decode_message(self._got())

    def get_driver_version(self) -> str:
        """The kernel's version of the interface."""
        return "{}.{}.{}".format(*self._got().version)

    def get_ioctl_timestamp(self) -> DmTimestamp | None:
        """When the command was through, with `set_record_timestamp`."""
        return self._timestamp

    def get_errno(self) -> int:
        """The kernel's error number of the last `run`, 0 after a good one."""
        return self._errno
