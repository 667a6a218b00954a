# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests that a thread makes while the kernel works for the caller: a system call leaves Python to others.

Channels wait in one thread everywhere else. A long batch is the exception, since the kernel takes as long for it as
Python does, and the two can go on at once: 100,000 routes are added in four fifths of the time, with a second processor
idle. Dumps gain nothing by a thread that receives them. The thread only makes requests: it never talks to the socket.
"""

from __future__ import annotations

import queue
import threading
import typing as t

Item = t.TypeVar("Item")


def ahead(items: t.Iterator[Item]) -> t.Iterator[Item]:
    """`items` in order, each made by a thread while the one before it is used.

    What making one raises is raised here, in its turn. When the caller stops, at most one more is made.
    """
    wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
    made: queue.SimpleQueue[t.Any] = queue.SimpleQueue()
    thread = threading.Thread(target=_make, args=(items, wanted, made), daemon=True)
    wanted.put(True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            wanted.put(True)
            yield item
    finally:
        wanted.put(False)
        thread.join()


def _make(items: t.Iterator[t.Any], wanted: queue.SimpleQueue[bool], made: queue.SimpleQueue[t.Any]) -> None:
    while wanted.get():
        try:
            made.put((next(items), None))
        except BaseException as error:
            made.put((None, error))
            return
