# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel writes to its log while it refuses a table: the reason, of which the errno says nothing."""

from __future__ import annotations

import os

MOST = 2  # lines in a sentence
RECORD = 8192  # bytes, the most that one read of /dev/kmsg gives
SPEAKERS = ("device-mapper:", "dm-", "md/raid", "md:")


class KernelLog:
    """The kernel's messages from `mark` on. Where the log cannot be read there are none."""

    def __init__(self, path: str = "/dev/kmsg") -> None:
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self.fd = -1

    def mark(self) -> None:
        if self.fd >= 0:
            os.lseek(self.fd, 0, os.SEEK_END)

    def said(self) -> str:
        """What the device-mapper said since the mark, the last of it, "" for nothing."""
        found: dict[str, None] = {}
        while self.fd >= 0:
            try:
                record = os.read(self.fd, RECORD)
            except BlockingIOError:
                break
            except OSError:
                continue  # EPIPE: messages were overwritten before they were read
            text = record.decode("utf-8", "replace").partition(";")[2].partition("\n")[0]
            if text.startswith(SPEAKERS):
                found[text] = None
        return "; ".join(list(found)[-MOST:])

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
