# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The channel: /dev/mapper/control, one ioctl a request, in a buffer that grows where the answer does."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import stat
import typing as t

from . import constants as c
from .errors import DmError, DmRefused, DmTimeout
from .header import NAME_AT, START, Answer, Request, build, parse, rename
from .mangle import unmangle
from .payload import decode_message, encode_message, message_key

CONTROL = "/dev/mapper/control"
REQUEST = 3 << 30 | START << 16 | 0xFD << 8  # _IOWR(0xfd, command, struct dm_ioctl)
FIRST, STEP, LARGEST = 1 << 11, 16, 1 << 30  # bytes of the buffer: at first, times when it is full, at most
LINE = 64  # bytes that a line of a table or status mostly fits in: a header and a few words
SMALL = 1 << 10  # bytes that the answers of hundreds of devices mostly fit in
ZEROS = bytes(1 << 14)
CONTROL_MAJOR, CONTROL_MINOR = 10, 236  # linux/miscdevice.h: opening it loads the driver


class ControlDevice:
    """An open control device. It sends what it is given and knows no device."""

    def __init__(self, path: str = CONTROL) -> None:
        """Opens the device, and makes its node where nobody has. Raises DmError."""
        self.size = FIRST  # of the buffer that a command begins with
        self.fd = -1
        try:
            if path == CONTROL and not os.path.exists(path):
                _make_node(path)
            self.fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            if not stat.S_ISCHR(os.fstat(self.fd).st_mode):
                raise OSError(errno.ENOTTY, "it is no character device")
        except OSError as error:
            self.close()
            hint = " (is the device-mapper in this kernel, and is this root?)"
            raise DmError(error.errno or errno.EIO, f"open {path}: {error.strerror}{hint}") from None

    def __enter__(self) -> ControlDevice:
        return self

    def __exit__(self, *_exception: t.Any) -> None:
        self.close()

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def ask(self, request: Request) -> Answer:
        """Carries out one command. Raises DmRefused with the kernel's errno, DmError."""
        grows = c.COMMANDS[request.command].grows
        size = self.size if grows else 0
        while True:
            answer = self._once(request, size)
            if not grows or not answer.flags & c.BUFFER_FULL:
                return answer
            size = max(size * STEP, START + answer.target_count * LINE)
            if size > LARGEST:
                raise DmRefused(errno.ENOBUFS, request.command, request.device, f"over {LARGEST >> 20} MiB")

    def _once(self, request: Request, size: int) -> Answer:
        buffer = build(request, size)
        try:
            fcntl.ioctl(self.fd, REQUEST | request.command, buffer, True)
            return parse(buffer)
        except DmError:
            raise
        except OSError as error:
            raise DmRefused(error.errno or errno.EIO, request.command, unmangle(request.device)) from None
        finally:
            if request.flags & c.SECURE_DATA:
                _wipe(buffer)

    def ask_each(self, request: Request, names: t.Iterable[str]) -> t.Iterator[Answer | None]:
        """Carries out one command that reads for each device: hundreds of requests, which are the same but for a name.

        None is for `ask` to explain: the kernel refused it, or the answer is a large one. Raises DmValueError.
        """
        buffer, command = build(request, SMALL), REQUEST | request.command
        head = bytes(buffer[:NAME_AT])
        try:
            for name in names:
                rename(head, name, buffer)
                try:
                    fcntl.ioctl(self.fd, command, buffer, True)
                    answer = parse(buffer, name)
                except OSError:
                    yield None
                else:
                    yield None if answer.flags & c.BUFFER_FULL else answer
        finally:
            _wipe(buffer)

    def wait_any(self, seconds: float) -> None:
        """Waits until anything happened to any device since `arm`. Raises DmTimeout."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        if not poll.poll(max(0, int(seconds * 1000))):
            raise DmTimeout(f"no event of the device-mapper within {seconds:g} s")

    def arm(self) -> None:
        """From now on every event makes `wait_any` return (Linux 4.13 on)."""
        self.ask(Request(c.DEV_ARM_POLL))


def _wipe(buffer: bytearray) -> None:
    for place in range(0, len(buffer), len(ZEROS)):
        buffer[place : place + len(ZEROS)] = ZEROS[: len(buffer) - place]


def _make_node(path: str) -> None:
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    try:
        os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(CONTROL_MAJOR, CONTROL_MINOR))
    except FileExistsError:
        pass  # udev was as fast


def message(channel: ControlDevice, device: str, sector: int, text: str, uuid: bool = False) -> str:
    """Sends a target message; its answer, "" where there is none.

    `device` is the kernel's name of the device (a mangled one), with `uuid` its uuid. `@stats_...` messages and sector
    0 go to the device-mapper itself, others to the target at that sector. The kernel wipes its copy of one with a key.
    Raises DmRefused.
    """
    name, own = ("", device) if uuid else (device, "")
    flags = c.SECURE_DATA if message_key(text) else 0
    request = Request(c.TARGET_MSG, name, own, flags=flags, payload=encode_message(sector, text))
    return decode_message(channel.ask(request))
