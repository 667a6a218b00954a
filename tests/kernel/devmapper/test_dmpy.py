# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every session of dmpy's README, unchanged; and what dmpy cannot do."""

from __future__ import annotations

import contextlib
import doctest
import inspect
import io
import os
import pathlib
import stat
import sys
import time
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import dmpy, udev
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.dmsettings import SETTINGS

from tests.kernel.devmapper.host import DISKS, Host, dmsetup

VERSIONS = """
>>> import dmpy as dm
>>> dm.get_library_version()
'... (...-...-...)'
>>> dm.driver_version()
'4...'
>>>
"""

NAMES = """
>>> import dmpy as dm
>>> dmt = dm.DmTask(dm.DM_DEVICE_LIST)
>>> dmt.run()
>>> for d in dmt.get_names():
...     print("Device: %s (%d, %d)" % d)
...
Device: ...
>>>
"""

TARGETS = """
>>> dmt = dm.DmTask(dm.DM_DEVICE_LIST_VERSIONS)
>>> dmt.run()
>>> versions = dmt.get_versions()
>>> for t in versions.keys():
...     v = versions[t]
...     print("%s (%d.%d.%d)" % (t, v[0], v[1], v[2]))
...
striped (1...)
linear (1...)
error (1...)
"""

MESSAGE = """
>>> dmt = dm.DmTask(dm.DM_DEVICE_TARGET_MSG)
>>> dmt.set_name("vg_hex/lv_root")
>>> dmt.set_message("@stats_list")
<...DmTask object at 0x...>
>>> dmt.set_sector(0)
True
>>> dmt.run()
>>> print(dmt.get_message_response().strip())
0: 0+16777216 16777216 dmioscope -
1: 16777216+16777216 16777216 dmioscope -
2: 33554432+16777216 16777216 dmioscope -
3: 50331648+16777216 16777216 dmioscope -
4: 0+16777216 16777216 dmioscope -
5: 0+67108864 67108864 dmstats -
9: 16777216+16777216 16777216 dmioscope -
10: 33554432+16777216 16777216 dmioscope -
11: 50331648+16777216 16777216 dmioscope -
>>>
"""
REGIONS = [
    *((f"{n * 16777216}+16777216 16777216", "dmioscope") for n in range(4)),
    ("0+16777216 16777216", "dmioscope"),
    ("0+67108864 67108864", "dmstats"),
    *(("0+8 8", "gone") for _unused in range(3)),
    *((f"{n * 16777216}+16777216 16777216", "dmioscope") for n in range(1, 4)),
]


def session(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dmpy", dmpy)
    parsed = doctest.DocTestParser().get_doctest(text, {"dm": dmpy}, "README", None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    out = io.StringIO()
    runner.run(parsed, out=out.write)
    assert runner.summarize(verbose=False).failed == 0, out.getvalue()


def run(kind: int, name: str = "", **setters: t.Any) -> dmpy.DmTask:
    task = dmpy.DmTask(kind)
    if name:
        task.set_name(name)
    for setter, values in setters.items():
        getattr(task, setter)(*values)
    task.run()
    return task


def made(name: str, *targets: tuple[int, int, str, str]) -> None:
    """A device by dmpy's own means, udev waited for."""
    task, cookie = dmpy.DmTask(dmpy.DM_DEVICE_CREATE), dmpy.DmCookie()
    task.set_name(name)
    for target in targets:
        task.add_target(*target)
    task.set_cookie(cookie)
    task.run()
    cookie.udev_wait()


def test_versions(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    session(VERSIONS, monkeypatch)


def test_list_of_devices(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [host.name(rest) for rest in ("lv_home", "souflé", "vg_hex-lv_images")]
    for name in names:
        made(name, (0, 8, "zero", ""))
    session(NAMES, monkeypatch)
    told = run(dmpy.DM_DEVICE_LIST).get_names()
    assert set(names) <= {name for name, _major, _minor in told}
    numbers = dict(line.split("\t") for line in dmsetup("ls").splitlines())
    assert {name: f"({major}:{minor})" for name, major, minor in told} == numbers


def test_target_versions(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = run(dmpy.DM_DEVICE_LIST_VERSIONS).get_versions()
    told = {line.split()[0]: line.split()[1][1:] for line in dmsetup("targets").splitlines()}
    assert {kind: "{}.{}.{}".format(*version) for kind, version in everything.items()} == told
    if list(everything) == ["striped", "linear", "error"]:
        session(TARGETS, monkeypatch)
    else:  # others are loaded: the same session, with what they are in its output
        lines = [f"{kind} ({version[0]}.{version[1]}.{version[2]})" for kind, version in everything.items()]
        session(TARGETS[: TARGETS.index("striped")] + "\n".join(lines) + "\n", monkeypatch)


def test_message_and_response(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    name = host.name("vg_hex-lv_root")
    made(name, (0, 67108864, "zero", ""))
    for place, program in REGIONS:
        run(dmpy.DM_DEVICE_TARGET_MSG, name, set_message=[f"@stats_create {place} {program}"])
    for region in (6, 7, 8):
        run(dmpy.DM_DEVICE_TARGET_MSG, name, set_message=[f"@stats_delete {region}"])
    os.makedirs("/dev/vg_hex", exist_ok=True)
    os.symlink(f"../mapper/{name}", "/dev/vg_hex/lv_root")
    try:
        session(MESSAGE, monkeypatch)
    finally:
        os.unlink("/dev/vg_hex/lv_root")
        os.rmdir("/dev/vg_hex")


def test_help(host: Host) -> None:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        help(dmpy.DmTask.get_uuid)
    assert "UUID" in out.getvalue().upper() and "mangled" in out.getvalue()


def test_everything_has_help(host: Host) -> None:
    objects = [getattr(dmpy, name) for name in dmpy.__all__]
    functions = [one for one in objects if callable(one)]
    methods = [
        method
        for one in functions
        if inspect.isclass(one)
        for name, method in vars(one).items()
        if callable(method) and name[0] != "_"
    ]
    assert len(functions) > 30 and len(methods) >= 50
    assert [one for one in functions + methods if not inspect.getdoc(one)] == []


def test_table_status_and_reload(host: Host) -> None:
    name = host.name()
    made(name, (0, 1024, "linear", f"{DISKS[0]} 0"), (1024, 8, "error", ""))
    table = run(dmpy.DM_DEVICE_TABLE, name)
    assert [f"{a} {b} {kind} {args}".rstrip() for a, b, kind, args in table.get_targets()] == [
        line.rstrip() for line in host.table(name)
    ]
    assert table.get_info().live_table == 1 and table.get_info().target_count == 2
    run(dmpy.DM_DEVICE_RELOAD, name, add_target=[0, 8, "zero", ""])
    info = run(dmpy.DM_DEVICE_INFO, name).get_info()
    assert (info.inactive_table, info.suspended, info.exists) == (1, 0, 1)
    waiting = run(dmpy.DM_DEVICE_TABLE, name, query_inactive_table=[])
    assert [one[:3] for one in waiting.get_targets()] == [(0, 8, "zero")]
    run(dmpy.DM_DEVICE_CLEAR, name)
    assert run(dmpy.DM_DEVICE_INFO, name).get_info().inactive_table == 0
    run(dmpy.DM_DEVICE_RELOAD, name, add_target=[0, 8, "zero", ""])
    run(dmpy.DM_DEVICE_RESUME, name)
    assert [one[:3] for one in run(dmpy.DM_DEVICE_STATUS, name).get_targets()] == [(0, 8, "zero")]


def test_an_identical_reload_is_suppressed(host: Host) -> None:
    name = host.name()
    made(name, (0, 1024, "linear", f"{DISKS[0]} 0"))
    for offset, loaded in (("00", 0), ("8", 1)):
        run(
            dmpy.DM_DEVICE_RELOAD,
            name,
            add_target=[0, 1024, "linear", f"{DISKS[0]} {offset}"],
            suppress_identical_reload=[],
        )
        assert run(dmpy.DM_DEVICE_INFO, name).get_info().inactive_table == loaded


def test_a_device_that_is_not_there(host: Host) -> None:
    assert run(dmpy.DM_DEVICE_INFO, host.name()).get_info().exists == 0
    task = dmpy.DmTask(dmpy.DM_DEVICE_TABLE)
    task.set_name(host.name())
    with pytest.raises(dmpy.DmError, match="no such device"):
        task.run()
    assert task.get_errno() == 6


def test_a_failed_creation_leaves_nothing(host: Host) -> None:
    task = dmpy.DmTask(dmpy.DM_DEVICE_CREATE)
    task.set_name(host.name())
    task.add_target(0, 8, "linear", "/dev/none 0")
    with pytest.raises(dmpy.DmError, match="load a table into"):
        task.run()
    assert run(dmpy.DM_DEVICE_INFO, host.name()).get_info().exists == 0


def test_rename_deps_geometry_and_numbers(host: Host) -> None:
    name, new = host.name("old"), host.name("new one")
    made(name, (0, 8064, "linear", f"{DISKS[0]} 0"))
    run(dmpy.DM_DEVICE_RENAME, name, set_newname=[new])
    run(dmpy.DM_DEVICE_RENAME, new, set_newuuid=["an id"])
    info = run(dmpy.DM_DEVICE_INFO, new)
    assert (info.get_name(), info.get_uuid()) == (new, "an id")
    assert info.get_name(mangled=1) == new.replace(" ", "\\x20")
    disk = os.stat(DISKS[0]).st_rdev
    assert run(dmpy.DM_DEVICE_DEPS, new).get_deps() == [(os.major(disk), os.minor(disk))]
    run(dmpy.DM_DEVICE_SET_GEOMETRY, new, set_geometry=[8, 16, 63, 0])
    number = run(dmpy.DM_DEVICE_INFO, new).get_info()
    by_number = dmpy.DmTask(dmpy.DM_DEVICE_INFO)
    by_number.set_major_minor(number.major, number.minor)
    by_number.run()
    assert by_number.get_name() == new
    by_uuid = dmpy.DmTask(dmpy.DM_DEVICE_INFO)
    by_uuid.set_uuid("an id")
    by_uuid.run()
    assert by_uuid.get_name() == new
    assert dmpy.is_dm_major(number.major) and not dmpy.is_dm_major(os.major(disk))


def test_suspend_resume_and_timestamps(host: Host) -> None:
    name = host.name()
    made(name, (0, 8, "zero", ""))
    before = dmpy.DmTimestamp()
    before.get()
    task = run(dmpy.DM_DEVICE_SUSPEND, name, set_record_timestamp=[], no_flush=[], skip_lockfs=[])
    after = task.get_ioctl_timestamp()
    assert after.compare(before) == 1 and before.compare(after) == -1 and after.compare(after.copy()) == 0
    assert 0 < after.delta(before) < 60 * 10**9
    assert run(dmpy.DM_DEVICE_INFO, name).get_info().suspended == 1
    run(dmpy.DM_DEVICE_RESUME, name)
    assert run(dmpy.DM_DEVICE_INFO, name).get_info().suspended == 0


def test_deferred_and_retried_removal(host: Host) -> None:
    name = host.name()
    made(name, (0, 8, "zero", ""))
    with open(f"/dev/mapper/{name}", "rb"):
        run(dmpy.DM_DEVICE_REMOVE, name, deferred_remove=[])
        assert run(dmpy.DM_DEVICE_INFO, name).get_info().deferred_remove == 1
    deadline = time.monotonic() + 10  # the kernel does it in a while of its own
    while run(dmpy.DM_DEVICE_INFO, name).get_info().exists and time.monotonic() < deadline:
        time.sleep(0.02)
    made(name, (0, 8, "zero", ""))
    run(dmpy.DM_DEVICE_REMOVE, name, retry_remove=[])
    assert not os.path.lexists(f"/dev/mapper/{name}")


def test_cookies(host: Host) -> None:
    cookie = dmpy.udev_create_cookie()
    assert cookie.prefix == 0x0D4D and cookie.value == cookie.prefix << 16 | cookie.base
    assert dmpy.udev_wait(cookie) and cookie.ready == 1
    with pytest.raises(dmpy.DmError, match="semaphore"):
        dmpy.udev_wait(cookie)
    with pytest.raises(dmpy.DmError, match="is no cookie"):
        dmpy.DmCookie(1).udev_wait()
    waiting = dmpy.udev_create_cookie()
    from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import semaphore

    semaphore.add(semaphore.find(waiting.value), 1)
    assert waiting.udev_wait(immediate=True) and waiting.ready == 0
    assert waiting.udev_complete()
    assert waiting.udev_wait(immediate=True) and waiting.ready == 1


def test_a_cookie_has_a_deadline(host: Host) -> None:
    cookie = dmpy.udev_create_cookie()
    from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import semaphore

    semaphore.add(semaphore.find(cookie.value), 1)
    with pytest.raises(dmpy.DmError, match="is not through"):
        cookie.udev_wait(timeout=0.1)


@pytest.fixture
def own_dev(tmp_path: pathlib.Path) -> t.Iterator[pathlib.Path]:
    """Where dmpy makes nodes, and udev none."""
    assert dmpy.set_dev_dir(f"{tmp_path}/")
    yield tmp_path / "mapper"
    dmpy.set_dev_dir("/dev")


def without_udev(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "no udevd":
        monkeypatch.setattr(udev, "CONTROL", "/run/there/is/none")
    else:
        monkeypatch.setattr(SETTINGS, "udev_sync", True)  # as it is in the end
        assert dmpy.udev_get_sync_support() and dmpy.udev_set_sync_support(False)
    assert not dmpy.udev_get_sync_support()


@pytest.mark.parametrize("how", ["no udevd", "not wanted"])
def test_nobody_waits_for_an_udev_that_does_not_count(
    how: str, host: Host, own_dev: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, new, old = host.name(), host.name("new"), dmpy.udev_create_cookie()
    before = set(udev.leaked())
    assert old.value in before
    without_udev(how, monkeypatch)
    began = time.monotonic()
    empty = dmpy.udev_create_cookie()
    assert empty.value == 0 and dmpy.udev_wait(empty) and empty.ready == 1
    made(name, (0, 8, "zero", ""))
    assert stat.S_ISBLK(os.stat(own_dev / name).st_mode)
    run(dmpy.DM_DEVICE_RENAME, name, set_newname=[new], set_cookie=[old])
    assert os.listdir(own_dev) == [new]
    assert dmpy.udev_wait(old) and set(udev.leaked()) == before - {old.value}
    run(dmpy.DM_DEVICE_REMOVE, new, set_cookie=[dmpy.DmCookie()], retry_remove=[])
    assert os.listdir(own_dev) == []
    assert time.monotonic() - began < 20


def test_one_target_type(host: Host) -> None:
    asked = dmpy.DmTask(dmpy.DM_DEVICE_GET_TARGET_VERSION)
    asked.set_name("crypt")
    asked.run()
    assert list(asked.get_versions()) == ["crypt"]


def test_settings(host: Host) -> None:
    assert dmpy.get_name_mangling_mode() == dmpy.STRING_MANGLING_AUTO
    assert dmpy.set_name_mangling_mode(dmpy.STRING_MANGLING_HEX)
    try:
        assert dmpy.get_name_mangling_mode() == dmpy.STRING_MANGLING_HEX
        with pytest.raises(ValueError):
            dmpy.set_name_mangling_mode(7)
    finally:
        dmpy.set_name_mangling_mode(dmpy.STRING_MANGLING_AUTO)
    assert (dmpy.get_dev_dir(), dmpy.get_sysfs_dir(), dmpy.get_uuid_prefix()) == ("/dev", "/sys", "LVM-")
    with pytest.raises(ValueError, match="15 bytes"):
        dmpy.set_uuid_prefix("x" * 16)
    assert dmpy.cookie_supported() and dmpy.stats_driver_supports_histogram()
