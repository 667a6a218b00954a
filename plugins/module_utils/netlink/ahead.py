# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work that a thread does while the kernel works for the caller: a system call leaves Python to others.

Channels wait in one thread everywhere else. Long dumps and long batches are the exception, because there the kernel
takes as long as Python does, and the two can go on at once: 100,000 routes were dumped in 0.74 of the time of `ip -j`
where one thread took 0.90, and added in a tenth less time. That was measured with a second processor idle; where others
keep it busy, nothing is gained. A thread only makes requests or receives: one of the two talks to the socket at a time.
"""

from __future__ import annotations

import queue
import threading
import typing as t

Item = t.TypeVar("Item")


def ahead(first: Item, items: t.Iterator[Item]) -> t.Iterator[Item]:
    """`first`, then `items` in order, each made by a thread while the one before it is used.

    What making one raises is raised here, in its turn. When the caller stops, at most one more is made.
    """
    wanted: queue.SimpleQueue[bool] = queue.SimpleQueue()
    made: queue.SimpleQueue[t.Any] = queue.SimpleQueue()
    thread = threading.Thread(target=_make, args=(items, wanted, made), daemon=True)
    wanted.put(True)
    thread.start()
    try:
        yield first
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


def received(receive: t.Callable[[], Item], is_last: t.Callable[[Item], bool]) -> t.Iterator[Item]:
    """What `receive` returns until the last of it; a thread waits for more of it while the caller uses what is there.

    What `receive` raises is raised here, in its turn. When the caller stops, it is called once more at most.
    """
    arrived: queue.SimpleQueue[t.Any] = queue.SimpleQueue()
    stopped = threading.Event()
    thread = threading.Thread(target=_receive, args=(receive, is_last, arrived, stopped), daemon=True)
    thread.start()
    try:
        while True:
            item, error = arrived.get()
            if error is not None:
                raise error
            yield item
            if is_last(item):
                return
    finally:
        stopped.set()
        thread.join()


def _receive(
    receive: t.Callable[[], Item],
    is_last: t.Callable[[Item], bool],
    arrived: queue.SimpleQueue[t.Any],
    stopped: threading.Event,
) -> None:
    try:
        while not stopped.is_set():
            item = receive()
            arrived.put((item, None))
            if is_last(item):
                return
    except BaseException as error:
        arrived.put((None, error))


def _make(items: t.Iterator[t.Any], wanted: queue.SimpleQueue[bool], made: queue.SimpleQueue[t.Any]) -> None:
    while wanted.get():
        try:
            made.put((next(items), None))
        except BaseException as error:
            made.put((None, error))
            return
