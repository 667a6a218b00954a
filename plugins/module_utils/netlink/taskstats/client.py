# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounting of tasks and thread groups over generic netlink (linux/taskstats.h)."""

from __future__ import annotations

import time
import typing as t

from ..attribute import BYTES, U32, Codec, Table, nested, string
from ..errors import NetlinkDecodeError, NetlinkError, NetlinkTimeout
from ..genl import GenericSocket, after_header, request
from ..message import Request, split
from . import layout

FAMILY, BROUGHT_BY = "TASKSTATS", "CONFIG_TASKSTATS"
TASKSTATS_CMD_GET = 1

SWITCH = "/proc/sys/kernel/task_delayacct"
COMMAND_LINE = "/proc/cmdline"

Stats = t.Dict[str, t.Any]

COMMAND = Table(
    (1, "pid", U32),
    (2, "tgid", U32),
    (3, "register_cpumask", string(4096)),
    (4, "deregister_cpumask", string(4096)),
)
TASK = Table((1, "pid", U32), (3, "stats", Codec(layout.decode, BYTES.encode)))
GROUP = Table((2, "tgid", U32), (3, "stats", Codec(layout.decode_group, BYTES.encode)))
ANSWER = Table((4, "task", nested(TASK)), (5, "group", nested(GROUP)))


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """An answer or an exit: `task` {pid, stats}, `group` {tgid, stats}; both for a last thread."""
    found = ANSWER.decode(data, after_header(start, end), end)
    for part in found.values():
        if len(part) != 2:
            raise NetlinkDecodeError("taskstats without the number of their task, or the number without them")
    return found


def delay_accounting() -> bool:
    """Whether the kernel now counts delays other than those waiting for a CPU (always counted).

    Off unless asked for since Linux 5.14 (sysctl kernel.task_delayacct, boot option delayacct), on
    before that unless booted with nodelayacct. Tasks that began while it was off are not counted
    even after it is switched on.
    """
    try:
        with open(SWITCH, encoding="ascii") as file:
            return file.read().strip() != "0"
    except FileNotFoundError:
        with open(COMMAND_LINE, encoding="utf-8", errors="replace") as file:
            return "nodelayacct" not in file.read().split()


class TaskStats:
    """Asks for the accounting of tasks (threads, by pid) and thread groups (processes, by tgid).

    Stats are dictionaries with the fields and units of `layout`. Root (CAP_NET_ADMIN) is needed.
    Raises NoSuchFamily when the kernel is without taskstats.
    """

    def __init__(self, timeout: float = 30.0) -> None:
        self._sock = GenericSocket(timeout=timeout)
        try:
            self._family = self._sock.family(FAMILY, BROUGHT_BY)
        except BaseException:
            self._sock.close()
            raise

    def __enter__(self) -> TaskStats:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        self._sock.close()

    def get_pid_stat(self, pid: int) -> Stats:
        """The accounting of one task. Raises NetlinkError, with ESRCH when there is none."""
        return _or_raise(self.get_pid_stats([pid])[pid])

    def get_tgid_stat(self, tgid: int) -> Stats:
        """The sums over a thread group and its ended threads: `layout.GROUP_FIELDS` alone."""
        return _or_raise(self.get_tgid_stats([tgid])[tgid])

    def get_pid_stats(self, pids: t.Iterable[int]) -> dict[int, Stats | NetlinkError]:
        """The accounting of many tasks in one go; for those that could not be had, the error."""
        return self._get("pid", "task", pids)

    def get_tgid_stats(self, tgids: t.Iterable[int]) -> dict[int, Stats | NetlinkError]:
        """The sums over many groups in one go; for those that could not be had, the error."""
        return self._get("tgid", "group", tgids)

    def _get(self, attribute: str, part: str, numbers: t.Iterable[int]) -> dict[int, Stats | NetlinkError]:
        wanted = list(dict.fromkeys(numbers))
        requests = [self._request(attribute, number, f"taskstats of {attribute} {number}") for number in wanted]
        answers = self._sock.ask_each(requests, decode)
        return {number: _one(answer, part, number) for number, answer in zip(wanted, answers)}

    def _request(self, attribute: str, value: t.Any, operation: str) -> Request:
        return request(operation, self._family, TASKSTATS_CMD_GET, {attribute: value}, COMMAND)

    def register_mask(self, cpus: str) -> None:
        """From now on tells of each task that ends on these CPUs ("0-3,8"), through `exits`."""
        self._sock.ask(self._request("register_cpumask", cpus, f"taskstats of tasks ending on CPUs {cpus}"))

    def unregister_mask(self, cpus: str) -> None:
        """Ends what `register_mask` began."""
        self._sock.ask(self._request("deregister_cpumask", cpus, f"no more taskstats of CPUs {cpus}"))

    deregister_mask = unregister_mask

    def exits(self, seconds: float) -> t.Iterator[dict[str, t.Any]]:
        """Tasks as they end, for so many seconds: `{"task": {"pid", "stats"}}`.

        With the last thread of a group of several comes `"group": {"tgid", "stats"}`. Exits that
        arrive while another question is answered on the same TaskStats are lost: listen with one of
        its own. Raises NetlinkOverrun when tasks ended faster than they were read.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                data = self._sock.receive(deadline, "taskstats of ending tasks")
            except NetlinkTimeout:
                return
            for message in split(data):
                if message.type == self._family.id:
                    yield decode(data, message.start, message.end)


taskstats = TaskStats  # the name that pyroute2 gave it


def _one(answer: list[dict[str, t.Any]] | NetlinkError, part: str, number: int) -> Stats | NetlinkError:
    if isinstance(answer, NetlinkError):
        return answer
    if len(answer) != 1 or part not in answer[0]:
        raise NetlinkDecodeError(f"taskstats of {number}: not the one answer that was asked for")
    stats: Stats = answer[0][part]["stats"]
    return stats


def _or_raise(stats: Stats | NetlinkError) -> Stats:
    if isinstance(stats, NetlinkError):
        raise stats
    return stats
