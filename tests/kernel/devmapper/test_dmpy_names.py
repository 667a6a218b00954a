# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What dmpy's names do that no session of its README shows: nodes, udev's part in them, waiting, numbers, settings."""

from __future__ import annotations

import errno
import os
import pathlib
import select
import signal
import stat
import subprocess
import threading
import time
import typing as t
import warnings

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import dmpy
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.dmsettings import SETTINGS

from tests.kernel.devmapper.host import DISKS, Host
from tests.kernel.devmapper.test_dmpy import made, own_dev, run

__all__ = ["own_dev"]  # a fixture
ZERO = (0, 8, "zero", "")


def info(name: str) -> dmpy.DmInfo:
    found = run(dmpy.DM_DEVICE_INFO, name).get_info()
    assert isinstance(found, dmpy.DmInfo)
    return found


def removed(name: str, flags: int = 0) -> None:
    task, cookie = dmpy.DmTask(dmpy.DM_DEVICE_REMOVE), dmpy.DmCookie()
    task.set_name(name)
    task.retry_remove()
    task.set_cookie(cookie, flags)
    task.run()
    cookie.udev_wait()


def test_versions_of_the_driver(host: Host) -> None:
    assert run(dmpy.DM_DEVICE_VERSION).get_driver_version() == dmpy.driver_version()
    assert dmpy.message_supports_precise_timestamps() and dmpy.stats_driver_supports_precise()


@pytest.mark.parametrize("checking", [True, False])
@pytest.mark.parametrize(
    ("flags", "here", "warned"),
    [
        (0, True, True),
        (dmpy.UDEV_DISABLE_DM_RULES_FLAG, True, False),
        (dmpy.UDEV_DISABLE_LIBRARY_FALLBACK, False, False),
    ],
)
def test_a_node_that_udev_does_not_make(
    host: Host, own_dev: pathlib.Path, flags: int, here: bool, warned: bool, checking: bool
) -> None:
    """In a directory that udev does not know: made after the wait, and told where it was udev's business."""
    name = host.name()
    assert dmpy.udev_get_checking() and dmpy.udev_set_checking(checking)
    try:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            task, cookie = dmpy.DmTask(dmpy.DM_DEVICE_CREATE), dmpy.DmCookie()
            task.set_name(name)
            task.add_target(*ZERO)
            task.set_cookie(cookie, flags)
            task.run()
            assert not os.path.lexists(own_dev / name)  # not before the wait
            cookie.udev_wait()
            assert os.path.lexists(own_dev / name) == here
            removed(name, flags)
        assert not os.path.lexists(own_dev / name)
        assert [one.category for one in told] == [RuntimeWarning] * 2 * (warned and checking)
    finally:
        dmpy.udev_set_checking(True)


def test_nodes_of_cookies_that_nobody_waits_for(host: Host, own_dev: pathlib.Path) -> None:
    names = [host.name(rest) for rest in "ab"]
    cookies = [dmpy.DmCookie() for _unused in names]
    for name, cookie, see_to in zip(names, cookies, (dmpy.update_nodes, dmpy.lib_release)):
        run(dmpy.DM_DEVICE_CREATE, name, add_target=ZERO, set_cookie=[cookie, dmpy.UDEV_DISABLE_DM_RULES_FLAG])
        assert not os.path.lexists(own_dev / name)
        assert see_to() and stat.S_ISBLK(os.stat(own_dev / name).st_mode)
    for cookie in cookies:
        assert cookie.udev_wait()


def test_what_udev_is_told(host: Host) -> None:
    flags = {
        "DM_UDEV_DISABLE_SUBSYSTEM_RULES_FLAG": dmpy.UDEV_DISABLE_SUBSYSTEM_RULES_FLAG,
        "DM_UDEV_DISABLE_DISK_RULES_FLAG": dmpy.UDEV_DISABLE_DISK_RULES_FLAG,
        "DM_UDEV_DISABLE_OTHER_RULES_FLAG": dmpy.UDEV_DISABLE_OTHER_RULES_FLAG,
        "DM_UDEV_LOW_PRIORITY_FLAG": dmpy.UDEV_LOW_PRIORITY_FLAG,
        **{f"DM_SUBSYSTEM_UDEV_FLAG{bit}": getattr(dmpy, f"SUBSYSTEM_UDEV_FLAG{bit}") for bit in range(8)},
    }
    cookie = dmpy.udev_create_cookie()
    run(dmpy.DM_DEVICE_CREATE, host.name(), add_target=ZERO, set_cookie=[cookie, sum(flags.values())])
    assert dmpy.udev_wait(cookie)
    told = subprocess.run(
        ["udevadm", "info", "--query=property", f"--name=/dev/dm-{info(host.name()).minor}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert {f"{name}=1" for name in (*flags, "DM_UDEV_PRIMARY_SOURCE_FLAG")} <= set(told)


def test_nodes_that_are_made_here(host: Host, own_dev: pathlib.Path) -> None:
    name, late = host.name(), host.name("late")
    access = {"set_uid": [1], "set_gid": [2], "set_mode": [0o640]}
    run(dmpy.DM_DEVICE_CREATE, name, set_add_node=[dmpy.ADD_NODE_ON_CREATE], **access)
    run(dmpy.DM_DEVICE_CREATE, late, set_add_node=[dmpy.ADD_NODE_ON_RESUME])
    node = os.stat(own_dev / name)
    assert (stat.S_IMODE(node.st_mode), node.st_uid, node.st_gid) == (0o640, 1, 2)
    assert node.st_rdev == os.makedev(info(name).major, info(name).minor)
    assert not os.path.lexists(own_dev / late)
    run(dmpy.DM_DEVICE_RELOAD, late, add_target=ZERO)
    run(dmpy.DM_DEVICE_RESUME, late)
    assert os.path.lexists(own_dev / late)
    for again in (lambda: dmpy.mknodes(name), dmpy.mknodes, lambda: run(dmpy.DM_DEVICE_MKNODES, name)):
        os.unlink(own_dev / name)
        assert again() and os.stat(own_dev / name).st_rdev == node.st_rdev
    (own_dev / host.name("gone")).touch()
    assert dmpy.mknodes(host.name("gone")) and not os.path.lexists(own_dev / host.name("gone"))


def test_read_ahead(host: Host, tmp_path: pathlib.Path) -> None:
    name = host.name()
    made(name, (0, 8, "linear", f"{DISKS[0]} 0"))
    number = f"{info(name).major}:{info(name).minor}"
    real = pathlib.Path(f"/sys/dev/block/{number}/bdi/read_ahead_kb")
    for sectors, flags, kilobytes in (
        (512, 0, "256"),
        (256, dmpy.READ_AHEAD_MINIMUM_FLAG, "256"),
        (dmpy.READ_AHEAD_AUTO, 0, "256"),
        (1024, dmpy.READ_AHEAD_MINIMUM_FLAG, "512"),
        (dmpy.READ_AHEAD_NONE, 0, "0"),
    ):
        run(dmpy.DM_DEVICE_RESUME, name, set_read_ahead=[sectors, flags])
        assert real.read_text().strip() == kilobytes
    other = tmp_path / f"dev/block/{number}/bdi"
    other.mkdir(parents=True)
    (other / "read_ahead_kb").write_text("128")
    assert dmpy.set_sysfs_dir(str(tmp_path))
    try:
        run(dmpy.DM_DEVICE_RESUME, name, set_read_ahead=[64])
    finally:
        dmpy.set_sysfs_dir("/sys")
    assert ((other / "read_ahead_kb").read_text(), real.read_text().strip()) == ("32", "0")


def test_numbers_that_are_wanted(host: Host) -> None:
    first, second, third = (host.name(rest) for rest in "abc")
    made(first, ZERO)
    major, minor = info(first).major, info(first).minor + 50
    run(dmpy.DM_DEVICE_CREATE, second, set_major=[major], set_minor=[minor])
    assert (info(second).major, info(second).minor) == (major, minor)
    task = dmpy.DmTask(dmpy.DM_DEVICE_CREATE)
    task.set_name(third)
    task.set_major_minor(major, minor)
    with pytest.raises(dmpy.DmError, match="is a wanted number taken"):
        task.run()
    assert task.get_errno() == errno.ENXIO
    task.set_major_minor(major, minor, allow_fallback=True)
    task.run()
    assert info(third).minor not in (minor, info(first).minor)


def test_state_of_a_device(host: Host) -> None:
    name = host.name()
    run(dmpy.DM_DEVICE_CREATE, name, set_ro=[], secure_data=[], add_target=(0, 8, "linear", f"{DISKS[0]} 0"))
    with open(f"/dev/mapper/{name}", "rb"):
        found = run(dmpy.DM_DEVICE_INFO, name, no_open_count=[], enable_checks=[]).get_info()
    assert (found.read_only, found.open_count >= 1, found.internal_suspend, found.target_count) == (1, True, 0, 1)


def multipath(host: Host) -> tuple[str, int, t.Callable[[], t.Any]]:
    """A device, its event number, and what makes an event of it."""
    name, disk = host.name(), os.stat(DISKS[0]).st_rdev
    made(name, (0, 8064, "multipath", f"0 0 1 1 round-robin 0 1 1 {DISKS[0]} 1"))
    path = f"{os.major(disk)}:{os.minor(disk)}"
    return name, info(name).event_nr, lambda: host.run(name=name, target_message={"text": f"fail_path {path}"})


def waiting(name: str, known: int) -> dmpy.DmTask:
    task = dmpy.DmTask(dmpy.DM_DEVICE_WAITEVENT)
    task.set_name(name)
    task.set_event_nr(known)
    return task


def test_waiting_for_an_event_has_a_deadline(host: Host) -> None:
    name, known, fail = multipath(host)
    task = waiting(name, known)
    task.set_timeout(0.3)
    began = time.monotonic()
    with pytest.raises(dmpy.DmError, match=f"no event of {name} within 0.3 s"):
        task.run()
    assert time.monotonic() - began < 5 and task.get_errno() == errno.ETIMEDOUT
    failing = threading.Timer(0.5, fail)
    failing.start()
    task.set_timeout(30)
    thread = threading.Thread(target=task.run)  # no alarm clock: that would be for the main thread only
    thread.start()
    thread.join(30)
    failing.join()
    assert task.get_info().event_nr == known + 1 and time.monotonic() - began < 25
    assert " F " in task.get_targets()[0][3]
    task.run()  # what has been is not waited for
    assert task.get_info().event_nr == known + 1


def test_waiting_without_a_deadline_ends_by_a_signal(host: Host) -> None:
    class Rung(Exception):
        pass

    def ring(*_args: t.Any) -> None:
        raise Rung

    name, known, fail = multipath(host)
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    began = time.monotonic()
    try:
        with pytest.raises(Rung):
            waiting(name, known).run()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert 0.3 < time.monotonic() - began < 10
    fail()
    task = waiting(name, known)
    task.run()
    assert task.get_info().event_nr == known + 1


def test_the_control_device_becomes_readable(host: Host) -> None:
    name, _known, fail = multipath(host)
    run(dmpy.DM_DEVICE_ARM_POLL)
    poll = select.poll()
    poll.register(SETTINGS.control().fd, select.POLLIN)
    assert poll.poll(100) == []
    fail()
    assert poll.poll(10000) != []
    run(dmpy.DM_DEVICE_ARM_POLL)
    assert poll.poll(0) == []


def test_the_control_device_is_held_or_not(host: Host) -> None:
    fd = SETTINGS.control().fd
    assert dmpy.hold_control_dev(True) and dmpy.lib_release()
    assert stat.S_ISCHR(os.fstat(fd).st_mode) and SETTINGS.control().fd == fd
    assert dmpy.hold_control_dev(False) and dmpy.lib_release()
    assert SETTINGS.channel is None
    assert dmpy.driver_version() and dmpy.dump_memory()


def test_names_that_are_not_mangled(host: Host) -> None:
    assert dmpy.set_name_mangling_mode(dmpy.STRING_MANGLING_NONE)
    try:
        run(dmpy.DM_DEVICE_CREATE, host.name("a b"))
        assert run(dmpy.DM_DEVICE_INFO, host.name("a b")).get_name(mangled=1) == host.name("a b")
        run(dmpy.DM_DEVICE_REMOVE, host.name("a b"))
    finally:
        dmpy.set_name_mangling_mode(dmpy.STRING_MANGLING_AUTO)


def test_all_devices_are_removed(host: Host) -> None:
    if os.environ.get("FLEET_KERNEL") != "guest":
        pytest.skip("takes every device that nobody uses: in the guest only")
    made(host.name(), ZERO)
    run(dmpy.DM_DEVICE_CREATE, host.name("b"))
    subprocess.run(["udevadm", "settle"], check=True)  # udev may have one open
    run(dmpy.DM_DEVICE_REMOVE_ALL)
    assert run(dmpy.DM_DEVICE_LIST).get_names() == []
    subprocess.run(["udevadm", "settle"], check=True)
    dmpy.mknodes(host.name())
