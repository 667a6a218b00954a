# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions as the module makes them: planned, journaled, applied, verified; each in a process of its own."""

from __future__ import annotations

import ctypes
import os
import typing as t

from names import GATEWAY, bridge_address, bridge_name, destination

Work = t.Callable[[], t.Any]
Items = t.List[t.Dict[str, t.Any]]


CLONE_NEWNS, MS_PRIVATE_ALL = 0x20000, 0x44000  # linux/sched.h, linux/mount.h


def _bridges(count: int) -> Items:
    return [
        {"name": bridge_name(number), "kind": "bridge", "state": "up", "addresses": [bridge_address(number)]}
        for number in range(count)
    ]


def _task(check: bool = False, **wanted: t.Any) -> t.Callable[[], dict[str, t.Any]]:
    """A task whose parameters Ansible has filled in already."""
    from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import task
    from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.ipdb_transaction import filled
    from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.spec import TRANSACTION

    params = filled(wanted, TRANSACTION)
    return lambda: task.run(params, check)


def _in_memory() -> None:
    """Journals lie in memory, as /run does on a host that was booted; elsewhere it may be on a disk."""
    from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.lock import BASE

    run = os.path.dirname(BASE)
    os.makedirs(run, 0o700, exist_ok=True)
    libc = ctypes.CDLL(None, use_errno=True)
    if (
        libc.unshare(CLONE_NEWNS)
        or libc.mount(b"none", b"/", None, MS_PRIVATE_ALL, None)
        or libc.mount(b"tmpfs", run.encode(), b"tmpfs", 0, b"mode=0700")
    ):
        raise OSError(ctypes.get_errno(), f"a file system in memory at {run}")


def _load(**wanted: t.Any) -> None:
    """Code is loaded when it is needed; in check mode nothing is changed."""
    from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import applying  # noqa: F401  # what changes it
    from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import ahead  # noqa: F401

    _in_memory()
    _task(check=True, **wanted)()


def make_bridges(count: int) -> Work:
    wanted = _bridges(count)
    _load(interfaces=wanted[:1])
    run = _task(interfaces=wanted)
    return lambda: len(run()["network"]["links"])


def make_all_bridges(count: int) -> Work:
    """The same, for a comparison of one count with another: whether all of them are there."""
    return _whether_all(make_bridges, count)


def make_all_by_ip(count: int) -> Work:
    from iproute2 import make_bridges as by_ip

    return _whether_all(by_ip, count)


def _whether_all(how: t.Callable[[int], Work], count: int) -> Work:
    make = how(count)
    return lambda: make() == count


def make_routes(count: int) -> Work:
    wanted = [{"dst": destination(number), "gateway": GATEWAY} for number in range(count)]
    _load(routes=wanted[:1])
    run = _task(routes=wanted)
    return lambda: len(run()["network"]["routes"])


def nothing_to_do(count: int) -> Work:
    """The second run on `count` bridges, which are the world."""
    wanted = _bridges(count)
    _load(interfaces=wanted[:1])
    run = _task(interfaces=wanted)

    def work() -> int:
        done = run()
        if done["changed"]:
            raise AssertionError("there was something to do")
        return len(done["network"]["links"])

    return work


def read_all(count: int) -> Work:
    """What a second run cannot do without: one dump each kind."""
    from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.capture import capture
    from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket

    def work() -> int:
        with NetlinkSocket() as channel:
            return sum(one.get("kind") == "bridge" for one in capture(channel).links.values())

    return work


def _pairs(count: int) -> Items:
    """Pairs, which are quickly gone: a bridge alone takes the kernel some 16 ms to remove, however it is asked."""
    ends = [
        {"name": f"v{number}", "kind": "veth", "options": {"peer": {"ifname": f"w{number}"}}, "state": "up"}
        for number in range(count // 2)
    ]
    return [*ends, *({"name": f"w{number}", "addresses": [bridge_address(number)]} for number in range(count // 2))]


def fail_alone(count: int) -> Work:
    """Until the kernel refuses: what was applied is left there."""
    from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import apply

    work = fail_and_undo(count)
    apply._undo = lambda *_everything: []
    return work


def fail_and_undo(count: int) -> Work:
    """Links with a route at the end that the kernel refuses: the time is that of all of it."""
    wanted = _pairs(count)
    refused = [{"dst": "198.51.100.0/24", "gateway": "203.0.113.1", "dev": "w0"}]
    _load(interfaces=wanted[:1])
    run = _task(interfaces=wanted, routes=refused)

    def work() -> int:
        try:
            run()
        except Exception as error:
            if "everything was undone" in str(error):
                return len(wanted)
            raise
        raise AssertionError("the kernel took it")

    return work


def tasks_in_turn(pairs: int) -> Work:
    """Whole tasks of the module, with nothing to do, beside those of an empty one."""
    from tasks import WANTED, in_turn

    return in_turn("fleet.hypervisor.ipdb_txn", {"interfaces": [WANTED]}, pairs)


def tasks_of_many(turns: int, count: int) -> Work:
    """The same with `count` bridges listed, beside an empty one without and with that list."""
    from tasks import in_turn

    return in_turn("fleet.hypervisor.ipdb_txn", {"interfaces": _bridges(count)}, turns, given=True)
