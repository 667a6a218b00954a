# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not be left behind, whatever happens: a suspended device, an inactive table, a cookie, half a device."""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import subprocess
import time
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import udev
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.wanted import WrongDevice
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.kernel.devmapper.host import DISKS, Host, dmsetup
from tests.kernel.devmapper.killing import Deadly
from tests.kernel.devmapper.test_tasks import stack

B, C = DISKS
LINE = f"0 8064 linear {B} 0"


def killed(method: str, number: int, given: dict[str, t.Any], before: str = "pass") -> None:
    """Where `Mapper`'s method of that name is about to be called for the n-th time."""
    does = f'Host("").run(**{given!r})'
    Deadly("devices.mapper", "Mapper", "tests.kernel.devmapper.host import Host", does).run(method, number, before)


def settled(ask: t.Callable[[], bool], seconds: float = 20) -> bool:
    """Whether the watchdog sees to it in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ask():
            return True
        time.sleep(0.05)
    return False


def clean(host: Host) -> bool:
    """No suspended device, inactive table, cookie or region: slots, semaphores and regions as the kernel lists them."""
    devices = host.info(gather=[])["devices"]
    regions = [dmsetup("message", one["name"], "0", "@stats_list") for one in devices]
    slots = [one["name"] for one in devices if one["inactive_table"] or one["state"] != "active"]
    return not udev.leaked() and not slots and not any(regions)


@pytest.fixture(autouse=True)
def nothing_left(host: Host) -> t.Iterator[None]:
    yield
    assert clean(host)


def test_a_refused_table_changes_nothing(host: Host) -> None:
    name = host.name()
    host.run(name=name, table=[LINE])
    with pytest.raises(ChangeFailed, match="the kernel refuses the table.*striped.*divisible"):
        host.run(name=name, table=[f"0 8065 striped 3 8 {B} 0 {B} 8192 {C} 1"])
    assert clean(host) and host.table(name) == [LINE.replace(B, "254:16")]
    with pytest.raises(ChangeFailed, match="the kernel refuses"):  # accepted, and then not live
        host.run(name=name, table=[f"0 8064 linear {B} 99999999"])
    assert clean(host) and host.table(name) == [LINE.replace(B, "254:16")]
    with pytest.raises(ChangeFailed, match="create: .*no such|create: .*refuses"):
        host.run(name=host.name("new"), table=["0 8 no-such-target"])
    assert host.device(host.name("new")) is None


@pytest.mark.parametrize(("method", "number"), [("load", 1), ("resume", 1), ("settle", 2)])
def test_killed_on_the_way(host: Host, method: str, number: int) -> None:
    """Between load and resume, and around: nobody is suspended, nothing waits, and the next run converges."""
    name = host.name()
    host.run(name=name, table=[LINE])
    given = {"name": name, "table": [f"0 8064 linear {C} 0"]}
    killed(method, number, given)
    assert settled(lambda: clean(host))
    assert host.run(**given)["changed"] == (method != "settle")
    assert host.table(name) == [f"0 8064 linear {os.major(os.stat(C).st_rdev)}:{os.minor(os.stat(C).st_rdev)} 0"]


def test_killed_while_a_stack_is_suspended(host: Host) -> None:
    host.run(devices=stack(host, B, 8192))
    wanted = stack(host, C, 8192)
    wanted[0]["table"] = [f"0 8192 delay /dev/mapper/{host.name('middle')} 0 2"]
    wanted[1]["table"] = [f"0 8192 striped 1 8 /dev/mapper/{host.name('low')} 0"]
    before = dmsetup("table")
    check = "import subprocess; assert subprocess.run(['dmsetup', 'info', '-c', '--noheadings', '-o', 'suspended'],"
    check += " capture_output=True, text=True).stdout.split().count('Suspended') == 3"
    killed("resume", 1, {"devices": wanted}, before=check)
    assert settled(lambda: clean(host))
    assert dmsetup("table") == before
    assert host.run(devices=wanted)["changed"] and clean(host)


@pytest.mark.parametrize("method", ["load", "resume"])
def test_killed_while_a_device_is_made(host: Host, method: str) -> None:
    given = {"name": host.name(), "table": [LINE]}
    killed(method, 1, given)
    assert settled(lambda: host.device(host.name()) is None)
    assert clean(host) and host.run(**given)["changed"]


@contextlib.contextmanager
def udevd_stopped() -> t.Iterator[None]:
    """udevd is there, and does nothing."""
    pid = subprocess.run(
        ["systemctl", "show", "-p", "MainPID", "--value", "systemd-udevd"], capture_output=True, text=True, check=True
    ).stdout.strip()
    os.kill(int(pid), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(int(pid), signal.SIGCONT)
        subprocess.run(["udevadm", "settle"], check=True)


def test_udevd_that_does_nothing(host: Host) -> None:
    """The deadline holds, the node is there all the same, and no cookie is left."""
    name = host.name()
    with udevd_stopped():
        began = time.monotonic()
        with pytest.raises(ChangeFailed, match="udev is not through with its rules for .* after 0.5 s"):
            host.run(name=name, table=[LINE], timeout=0.5)
        assert time.monotonic() - began < 10
        assert udev.leaked() == {}
    assert clean(host)
    host.apply(name=name, table=[LINE])


def test_no_udevd_at_all(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(udev, "CONTROL", "/run/udev/none")
    name, new = host.name("a b"), host.name("c d")
    with udevd_stopped():
        done = host.run(name=name, table=[LINE])
        path = done["device"]["path"]
        assert os.stat(path).st_rdev == os.makedev(*map(int, done["device"]["dev"].split(":")))
        renamed = host.run(name=name, state="renamed", new_name=new)["device"]["path"]
        assert os.path.exists(renamed) and not os.path.lexists(path)
        host.run(name=new, state="absent")
        assert not os.path.lexists(renamed)


def test_a_busy_device_tells_who_holds_it(host: Host) -> None:
    low, top = host.name("low"), host.name("top")
    host.run(devices=[{"name": low, "table": [f"0 131072 linear {B} 0"]}])
    host.run(devices=[{"name": top, "table": [f"0 131072 linear /dev/mapper/{low} 0"]}])
    with pytest.raises(ChangeFailed, match=f"EBUSY .*held by the device {top} .* on top of it"):
        host.run(name=low, state="absent", retry=0)
    subprocess.run(["mkfs.ext4", "-q", f"/dev/mapper/{top}"], check=True)
    mounted = f"/mnt/{host.name('mount point')}"
    script = f"mkdir -p '{mounted}' && mount /dev/mapper/{top} '{mounted}' && exec sleep 60"
    holder = subprocess.Popen(["unshare", "-m", "sh", "-c", script])
    try:
        assert settled(lambda: mounted.replace(" ", r"\040") in _mountinfo(holder.pid))
        with pytest.raises(ChangeFailed, match=f"a mount on {mounted} in the mount namespace of pid {holder.pid}"):
            host.run(name=top, state="absent", retry=0.2)
    finally:
        holder.kill()
        holder.wait()
        os.rmdir(mounted)
    assert host.run(devices=[{"name": low, "state": "absent"}, {"name": top, "state": "absent"}])["changed"]


@contextlib.contextmanager
def opened(path: str) -> t.Iterator[str]:
    with open(path, "rb") as file, subprocess.Popen(["sleep", "60"], stdin=file) as holder:
        file.close()
        try:
            yield rf"process {holder.pid} \(sleep\), which has it open"
        finally:
            holder.kill()


@contextlib.contextmanager
def swapped_to(path: str) -> t.Iterator[str]:
    subprocess.run(["mkswap", "-q", path], check=True)
    subprocess.run(["swapon", path], check=True)
    try:
        yield "swap space on it"
    finally:
        subprocess.run(["swapoff", path], check=True)


@contextlib.contextmanager
def looped(path: str) -> t.Iterator[str]:
    done = subprocess.run(["losetup", "--find", "--show", path], stdout=subprocess.PIPE, text=True, check=True)
    loop = done.stdout.strip()
    try:
        yield f"the loop device {loop[5:]} on top of it"
    finally:
        subprocess.run(["losetup", "--detach", loop], check=True)


@pytest.mark.parametrize("hold", [opened, swapped_to, looped])
def test_other_holders_are_told_too(host: Host, hold: t.Callable[[str], t.ContextManager[str]]) -> None:
    host.run(name=host.name(), table=[f"0 131072 linear {B} 0"])
    with hold(f"/dev/mapper/{host.name()}") as told:
        with pytest.raises(ChangeFailed, match=f"EBUSY .*held by {told}"):
            host.run(name=host.name(), state="absent", retry=0.5)
        assert host.device(host.name())["state"] == "active"
    assert host.run(name=host.name(), state="absent")["changed"]


def _mountinfo(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/mountinfo").read_text()


def test_a_disk_that_vanishes(host: Host) -> None:
    """The device stays usable for tasks: read, moved to another disk, removed."""
    name, moved = host.name("a"), host.name("b")
    for one in (name, moved):
        host.run(name=one, table=[f"0 8064 linear {C} 0"])
    virtio = os.path.basename(os.path.realpath(f"/sys/block/{C[5:]}/device"))
    driver = pathlib.Path("/sys/bus/virtio/drivers/virtio_blk")
    (driver / "unbind").write_text(virtio)
    try:
        assert settled(lambda: not os.path.exists(C))
        assert host.device(name)["state"] == "active"
        with pytest.raises(WrongDevice, match=f"there is no device {C}"):
            host.run(name=host.name("c"), table=[f"0 8 linear {C} 0"])
        assert host.run(name=moved, table=[LINE])["changed"]
        assert host.run(name=name, state="absent")["changed"]
        assert clean(host)
    finally:
        host.clean()
        assert settled(lambda: _bound(driver, virtio), 60)


def _bound(driver: pathlib.Path, virtio: str) -> bool:
    """Gives the disk back under its name. Whoever still has the vanished one open, udev say, has its name too."""
    (driver / "bind").write_text(virtio)
    name = os.listdir(f"/sys/bus/virtio/devices/{virtio}/block")[0]
    if name == C[5:]:
        return settled(lambda: os.path.exists(C))
    (driver / "unbind").write_text(virtio)
    return False
