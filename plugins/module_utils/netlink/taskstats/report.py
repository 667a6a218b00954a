# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounting of tasks and processes as people read it: few groups, with the unit in each name.

A task is one thread, a process a thread group. None stands for what this kernel does not count; a
zero is a counted one.
"""

from __future__ import annotations

import errno
import typing as t

from ..errors import NetlinkError
from . import layout, procfs
from .client import Stats, TaskStats, delay_accounting

# Reports, and the numbers that nothing has.
Found = t.Tuple[t.List[t.Dict[str, t.Any]], t.List[int]]

SCHEDULERS = {0: "other", 1: "fifo", 2: "rr", 3: "batch", 5: "idle", 6: "deadline", 7: "ext"}

Names = t.Mapping[str, str]

IDENTITY: Names = {
    "ppid": "ac_ppid",
    "uid": "ac_uid",
    "gid": "ac_gid",
    "nice": "ac_nice",
    "started_s": "ac_btime64",
    "exe_device": "ac_exe_dev",
    "exe_inode": "ac_exe_inode",
}
CPU: Names = {
    "user_us": "ac_utime",
    "system_us": "ac_stime",
    "run_ns": "cpu_run_virtual_total",
    "voluntary_switches": "nvcsw",
    "involuntary_switches": "nivcsw",
}
MEMORY_OF_PROCESS: Names = {"hiwater_rss_kib": "hiwater_rss", "hiwater_vm_kib": "hiwater_vm"}
MEMORY: Names = {
    **MEMORY_OF_PROCESS,
    "minor_faults": "ac_minflt",
    "major_faults": "ac_majflt",
    "rss_mib_us": "coremem",
    "vm_mib_us": "virtmem",
}
GROUPS = ("identity", "cpu", "delays", "peaks", "io", "memory")


def _renamed(stats: Stats, names: Names) -> dict[str, t.Any]:
    return {ours: stats.get(kernels) for ours, kernels in names.items()}


def _identity(stats: Stats) -> dict[str, t.Any]:
    out = _renamed(stats, IDENTITY)
    if out["started_s"] is None:  # kernels before 5.6
        out["started_s"] = stats["ac_btime"]
    out["scheduler"] = SCHEDULERS.get(stats["ac_sched"], str(stats["ac_sched"]))
    return out


def delays(stats: Stats, counting: bool) -> dict[str, dict[str, int] | None]:
    """Delays by cause: `count`, `total_ns`. With accounting off only those for a CPU count."""
    out: dict[str, dict[str, int] | None] = {}
    for name in layout.DELAYS:
        count = stats.get(f"{name}_count")
        out[name] = None
        if count is not None and (counting or count > 0 or name == "cpu"):
            out[name] = {"count": count, "total_ns": stats[f"{name}_delay_total"]}
    return out


def peaks(threads: t.Sequence[Stats]) -> dict[str, dict[str, int] | None]:
    """The largest and smallest delay among threads, by cause; None where none was recorded."""
    out: dict[str, dict[str, int] | None] = {}
    for name in layout.DELAYS:
        high = max((stats.get(f"{name}_delay_max", 0) for stats in threads), default=0)
        low = min(
            (stats[f"{name}_delay_min"] for stats in threads if stats.get(f"{name}_delay_min")),
            default=0,
        )
        out[name] = {"max_ns": high, "min_ns": low} if high else None
    return out


def read(
    pids: t.Sequence[int], tgids: t.Sequence[int], qemu: bool, gather: t.Collection[str], threads: bool
) -> dict[str, t.Any]:
    """All that is asked for, and what of it was missing. Raises NetlinkError, NoSuchFamily, NetlinkEncodeError."""
    guests = {guest.tgid: guest for guest in procfs.guests()} if qemu else {}
    counting = delay_accounting()
    with TaskStats() as client:
        found, no_tasks = tasks(client, pids, gather, counting)
        groups, no_groups = processes(client, tgids, gather, counting, threads)
        emulators, _ended = processes(client, guests, gather, counting, threads)
    named = [{"guest": guests[one["tgid"]].name, "uuid": guests[one["tgid"]].uuid, **one} for one in emulators]
    return {
        "delay_accounting": counting,
        "tasks": found,
        "processes": groups,
        "guests": named,
        "missing": {"pids": no_tasks, "tgids": no_groups},
    }


def tasks(client: TaskStats, pids: t.Iterable[int], gather: t.Collection[str], counting: bool) -> Found:
    """Reports of single tasks. `counting`: whether delay accounting is on. Raises NetlinkError."""
    found, missing = _split(client.get_pid_stats(pids))
    return [_task(pid, stats, gather, counting) for pid, stats in found.items()], missing


def _task(pid: int, stats: Stats, gather: t.Collection[str], counting: bool) -> dict[str, t.Any]:
    makers: dict[str, t.Callable[[], t.Any]] = {
        "identity": lambda: _identity(stats),
        "cpu": lambda: {**_renamed(stats, CPU), "elapsed_us": stats["ac_etime"]},
        "delays": lambda: delays(stats, counting),
        "peaks": lambda: peaks([stats]),
        "io": lambda: procfs.io(pid, pid),
        "memory": lambda: _renamed(stats, MEMORY),
    }
    return {
        "pid": pid,
        "comm": stats["ac_comm"],
        **{name: makers[name]() for name in GROUPS if name in gather},
    }


def processes(
    client: TaskStats,
    tgids: t.Iterable[int],
    gather: t.Collection[str],
    counting: bool,
    threads: bool = False,
) -> Found:
    """Reports of whole processes, with `threads` each of their threads too. As for `tasks`."""
    groups, missing = _split(client.get_tgid_stats(tgids))
    every = threads or "peaks" in gather
    members = {tgid: procfs.threads(tgid) if every else [tgid] for tgid in groups}
    known, _ended = _split(client.get_pid_stats(pid for pids in members.values() for pid in pids))
    out = []
    for tgid, group in groups.items():
        leader = known.get(tgid)
        # Ended meanwhile, or the pid of a thread was given.
        if leader is None or leader.get("ac_tgid", tgid) != tgid:
            missing.append(tgid)
            continue
        alive = {pid: known[pid] for pid in members[tgid] if pid in known}
        process = _process(tgid, group, leader, list(alive.values()), gather, counting)
        if threads:
            process["threads"] = [_task(pid, stats, gather, counting) for pid, stats in alive.items()]
        out.append(process)
    return out, missing


def _process(
    tgid: int,
    group: Stats,
    leader: Stats,
    threads: t.Sequence[Stats],
    gather: t.Collection[str],
    counting: bool,
) -> dict[str, t.Any]:
    makers: dict[str, t.Callable[[], t.Any]] = {
        "identity": lambda: _identity(leader),
        "cpu": lambda: {**_renamed(group, CPU), "elapsed_us": leader["ac_etime"]},
        "delays": lambda: delays(group, counting),
        "peaks": lambda: peaks(threads),
        "io": lambda: procfs.io(tgid),
        "memory": lambda: _renamed(leader, MEMORY_OF_PROCESS),
    }
    return {
        "tgid": tgid,
        "comm": leader["ac_comm"],
        **{name: makers[name]() for name in GROUPS if name in gather},
    }


def _split(answers: t.Mapping[int, Stats | NetlinkError]) -> tuple[dict[int, Stats], list[int]]:
    """What was found, and the numbers that the kernel does not know. Raises other refusals."""
    found: dict[int, Stats] = {}
    missing = []
    for number, answer in answers.items():
        if not isinstance(answer, NetlinkError):
            found[number] = answer
        elif answer.errno == errno.ESRCH:
            missing.append(number)
        else:
            raise answer
    return found, missing
