# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of whole labs: one window, all or none, what comes back; killed anywhere, a lab is whole."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.connection import Connection
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.errors import KvmError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import forgotten, layers, memory, snapshots, window
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import journal as journals
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import CommandError, SnapshotError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish

from tests.libvirt.lago.conftest import Conf, Host, lab
from tests.testbed.libvirt.daemon import Daemon

LETTERS = {"a": 0x11, "b": 0x22, "c": 0x33}


def up(host: Host, conf: Conf) -> Prefix:
    prefix = host.prefix()
    prefix.virt_conf(conf)
    prefix.start()
    return prefix


@pytest.fixture
def pair(host: Host) -> Prefix:
    """Two VMs that run, with a disk each, and no network: what is about networks is tested elsewhere."""
    return up(host, without_nics(lab("one", "two")))


def without_nics(conf: Conf) -> Conf:
    for domain in conf["domains"].values():
        domain["nics"] = [{"net": "wire"}]
        domain["bootstrap"] = False
    return {"domains": conf["domains"], "nets": {"wire": {"type": "bridge"}}}


def write(prefix: Prefix, vm: str, letter: str) -> None:
    put(prefix, vm, letter)
    assert read(prefix, vm) == letter


def put(prefix: Prefix, vm: str, letter: str) -> None:
    """The guest's first 4 KiB, written by QEMU as if the guest had."""
    import libvirt_qemu

    domain = prefix.virt_env.get_vm(vm).domain()
    for words in (f"write -P {LETTERS[letter]} 0 4k", "flush"):
        asked = f'qemu-io -d /machine/peripheral/virtio-disk0/virtio-backend "{words}"'
        libvirt_qemu.qemuMonitorCommand(domain, asked, 1)


def read(prefix: Prefix, vm: str) -> str:
    """The letter on the disk that the VM has now; "" where it is none that was written."""
    path, form = prefix.virt_env.get_vm(vm).disks()[0].chain[0]
    for letter, byte in LETTERS.items():
        argv = ["qemu-io", "-U", "-r", "-f", form, "-c", f"read -P {byte} 0 4k", path]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
        if done.returncode == 0:
            return letter
        assert "verification failed" in done.stdout, done
    return ""


def states(prefix: Prefix) -> dict[str, str]:
    return {name: vm.state() for name, vm in prefix.virt_env.get_vms().items()}


def check_whole(prefix: Prefix) -> None:
    """All VMs run and write to the file that is known; no file is too much or missing; nothing is half."""
    prefix.forget()
    env = prefix.virt_env
    things = prefix.standing().things.values()
    assert [thing for thing in things if thing.state != "made"] == []
    known = {os.path.basename(thing.detail["path"]) for thing in things if thing.kind in ("snapshot", "disk")}
    assert set(os.listdir(prefix.paths.images())) == known
    needed = snapshots.needed_files(env)
    assert {thing.detail["path"] for thing in things if thing.kind == "snapshot"} <= needed
    assert set(states(prefix).values()) == {"running"}
    for vm in env.get_vms().values():
        files = layers.active_files(prefix.connection, vm.domain())
        assert [files[disk.dev] for disk in vm.disks()] == [disk.chain[0][0] for disk in vm.disks()]
        assert qemu_has(prefix, vm) == {disk.chain[0][0] for disk in vm.disks()}


def qemu_has(prefix: Prefix, vm: t.Any) -> set[str]:
    """The files that the disks of a guest are, whatever libvirtd thinks of it."""
    drives = prefix.connection.ask_qemu(vm.domain(), "query-block")
    return {forgotten.file_of(drive["inserted"]) for drive in drives if "inserted" in drive}


def test_all_are_paused_while_each_is_taken_and_run_again(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = up(host, without_nics(lab("one", "two", "three")))
    seen: list[dict[str, str]] = []
    taking = memory.take

    def looking(*arguments: t.Any) -> None:
        seen.append(states(prefix))
        taking(*arguments)
        seen.append(states(prefix))

    monkeypatch.setattr(memory, "take", looking)
    assert prefix.create_snapshots("before") is True
    assert len(seen) == 6 and all(set(one.values()) == {"paused"} for one in seen)
    monkeypatch.undo()
    assert prefix.create_snapshots("after") is True
    check_whole(prefix)
    found = prefix.virt_env.snapshots
    assert found["at"] == "after" and found["taken"]["after"]["parent"] == "before"
    assert 0 < found["taken"]["after"]["paused"] < 1, "tens of milliseconds where the machine has nothing else to do"
    assert prefix.create_snapshots("before") is False, "it is there"
    assert not prefix.plan(Wish("started")), "a lab with snapshots is the lab that it was"


def test_disks_come_back_and_later_snapshots_stay(pair: Prefix) -> None:
    write(pair, "one", "a")
    pair.create_snapshots("first")
    write(pair, "one", "b")
    write(pair, "two", "b")
    pair.create_snapshots("second")
    write(pair, "one", "c")
    pair.revert_snapshots("first")
    check_whole(pair)
    assert (read(pair, "one"), read(pair, "two")) == ("a", "")
    write(pair, "one", "c")
    pair.revert_snapshots("second")
    check_whole(pair)
    assert (read(pair, "one"), read(pair, "two")) == ("b", "b")
    assert pair.virt_env.snapshots["at"] == "second"


def test_deleting_keeps_what_the_vms_have_and_leaves_no_layers(pair: Prefix) -> None:
    write(pair, "one", "a")
    pair.create_snapshots("first")
    write(pair, "one", "b")
    pair.create_snapshots("second")
    write(pair, "one", "c")
    assert pair.delete_snapshots("first") is True and pair.delete_snapshots("first") is False
    assert pair.virt_env.snapshots["taken"]["second"]["parent"] == ""
    pair.stop()  # what is below belongs to nobody who runs, then
    pair.revert_snapshots("second")
    assert read(pair, "one") == "b"
    write(pair, "one", "c")
    pair.delete_snapshots("second")
    check_whole(pair)
    assert read(pair, "one") == "c"
    assert len(pair.virt_env.get_vm("one").disks()[0].chain) == 1, "folded into one file while it ran"
    assert sorted(os.listdir(pair.paths.images())) == ["one_root.qcow2", "two_root.qcow2"]


def test_labs_that_are_off_and_half_off(pair: Prefix) -> None:
    write(pair, "one", "a")
    pair.stop()
    pair.create_snapshots("off")
    pair.start(["one"])
    write(pair, "one", "b")
    pair.create_snapshots("half", memory=True)
    assert [part["state"] for part in pair.virt_env.snapshots["taken"]["half"]["vms"].values()] == [
        "running",
        "shut off",
    ]
    pair.start()
    pair.revert_snapshots("off")
    assert states(pair) == {"one": "missing", "two": "missing"} and read(pair, "one") == "a"
    pair.revert_snapshots("half")
    assert states(pair) == {"one": "running", "two": "missing"} and read(pair, "one") == "b"
    pair.stop()
    for name in ("off", "half"):
        pair.delete_snapshots(name)
    assert read(pair, "one") == "b"
    assert sorted(os.listdir(pair.paths.images())) == ["one_root.qcow2", "two_root.qcow2"]
    pair.start()
    check_whole(pair)


def test_a_guest_that_turned_itself_off_starts_with_its_newest_file(pair: Prefix) -> None:
    pair.virt_env.get_vm("one").domain().destroy()
    pair.create_snapshots("before")
    pair.start()
    check_whole(pair)


def test_a_vm_with_its_memory_has_new_disks_and_can_be_changed(pair: Prefix) -> None:
    """What is in the memory is asked of real guests, in test_warm.py."""
    assert pair.create_snapshots("warm", memory=True)
    write(pair, "one", "b")
    pair.revert_snapshots("warm")
    check_whole(pair)
    assert read(pair, "one") == ""
    assert pair.virt_env.get_vm("one").domain().isPersistent()
    assert not pair.plan(Wish("started"))


def test_one_that_fails_undoes_all(pair: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    taking = memory.take
    first_done = threading.Event()

    def failing(connection: Connection, domain: t.Any, new: t.Any, *rest: t.Any) -> None:
        if new[0].vm == "two":
            assert first_done.wait(30)
            os.unlink(new[0].path)
        taking(connection, domain, new, *rest)
        first_done.set()

    monkeypatch.setattr(memory, "take", failing)
    write(pair, "one", "a")
    with pytest.raises(KvmError, match=r"two_root\.1\.qcow2"):
        pair.create_snapshots("before")
    check_whole(pair)
    assert snapshots.taken(pair.virt_env) == {} and read(pair, "one") == "a"
    assert len(pair.virt_env.get_vm("one").disks()[0].chain) == 1


def test_what_cannot_be_made_stops_nobody(pair: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[str] = []
    monkeypatch.setattr(window.Window, "_suspend", lambda _self, name: paused.append(name))
    Path(pair.paths.images("two_root.1.qcow2")).mkdir()
    with pytest.raises(CommandError, match=r"two_root\.1\.qcow2"):
        pair.create_snapshots("before")
    os.rmdir(pair.paths.images("two_root.1.qcow2"))
    monkeypatch.undo()
    assert paused == []
    pair.create_snapshots("before")
    check_whole(pair)


def test_without_an_agent_nobody_holds_still(pair: Prefix) -> None:
    with pytest.raises(SnapshotError, match="its file systems cannot be held still"):
        pair.create_snapshots("before", quiesce=True)
    check_whole(pair)
    pair.create_snapshots("before")
    assert pair.virt_env.snapshots["taken"]["before"]["frozen"] == []


def test_a_snapshot_that_is_not_whole_is_refused_before_anything_stops(pair: Prefix) -> None:
    pair.create_snapshots("before", memory=True)
    with pytest.raises(SnapshotError, match="there is no snapshot after; there are: before"):
        pair.revert_snapshots("after")
    part = pair.virt_env.snapshots["taken"]["before"]["vms"]["two"]
    image, disk = part["memory"], part["chains"]["root"][0][0]
    os.rename(image, f"{image}.away")
    with pytest.raises(SnapshotError, match="memory of the VM two is gone"):
        pair.revert_snapshots("before")
    Path(image).write_bytes(b"not an image")
    with pytest.raises(KvmError):
        pair.revert_snapshots("before")
    os.rename(f"{image}.away", image)
    times = os.stat(disk)
    os.utime(disk)
    with pytest.raises(SnapshotError, match="two_root.qcow2 of the VM two was written to since"):
        pair.revert_snapshots("before")
    os.utime(disk, ns=(times.st_atime_ns, times.st_mtime_ns))
    check_whole(pair)
    pair.revert_snapshots("before")
    check_whole(pair)


@pytest.mark.parametrize("form", ["raw", "qcow2"])
def test_a_layer_is_as_large_as_what_is_below_it(tmp_path: Path, form: str) -> None:
    below, above = str(tmp_path / "below"), str(tmp_path / "above")
    subprocess.run(["qemu-img", "create", "-q", "-f", form, below, "5632K"], check=True)
    chain = ((below, form),)
    for path in (above, f"{above}.2"):
        layers.make_all([layers.Layer("one", "root", "vda", path, chain)])
        told = subprocess.run(["qemu-img", "info", "--output=json", path], check=True, capture_output=True).stdout
        found = json.loads(told)
        assert (found["virtual-size"], found["backing-filename-format"]) == (5632 << 10, chain[0][1])
        assert layers.virtual_size(path, "qcow2") == 5632 << 10
        assert found["full-backing-filename"] == chain[0][0]
        chain = ((path, "qcow2"), *chain)


@pytest.mark.parametrize("head", [b"", b"QFI\xfb", b"no image" * 100])
def test_what_is_no_image_has_no_size(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "image").write_bytes(head)
    with pytest.raises(SnapshotError, match="image is no qcow2 image"):
        layers.virtual_size(str(tmp_path / "image"), "qcow2")


@pytest.mark.parametrize("name", ["", "../x", "a b", "-"])
def test_names_that_are_none(pair_off: Prefix, name: str) -> None:
    with pytest.raises(SnapshotError, match="cannot be the name of a snapshot"):
        pair_off.create_snapshots(name)


@pytest.fixture(scope="module")
def pair_off(tmp_path_factory: pytest.TempPathFactory) -> Prefix:
    return Prefix(str(tmp_path_factory.mktemp("nothing") / "lab"))


# Killed


def killed_at(prefix: Prefix, count: int, where: str, work: t.Callable[[Prefix], t.Any]) -> bool:
    """Runs `work` in a process that is killed after so many records (`record`), or before so many questions to
    libvirt (`question`); whether it came so far.
    """
    pid = os.fork()
    if pid == 0:
        try:
            _die_at(count, where)
            work(Prefix(prefix.paths.prefix(), prefix.settings))
        except BaseException:
            os._exit(1)
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    assert os.WIFSIGNALED(status) or status == 0, "it was killed, or ended well"
    return os.WIFSIGNALED(status)


def _die_at(count: int, where: str) -> None:
    left = [count]
    lock = threading.Lock()

    def one() -> None:
        with lock:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), 9)

    writing, asking = journals._write, Connection.ask_of

    def write_and_die(file: int, line: bytes) -> None:
        writing(file, line)
        one()

    def die_and_ask(self: Connection, *arguments: t.Any) -> t.Any:
        one()
        return asking(self, *arguments)

    if where == "record":
        journals._write = write_and_die
    else:
        Connection.ask_of = die_and_ask


def settled(prefix: Prefix) -> list[str]:
    """The snapshots, after what anybody does next with the lab."""
    prefix.forget()
    with prefix.working("snapshot", forget="none"):
        pass
    check_whole(prefix)
    return list(snapshots.taken(prefix.virt_env))


@pytest.mark.parametrize(("where", "with_memory"), [("record", True), ("question", False)])
def test_killed_anywhere_a_snapshot_is_there_or_not(pair: Prefix, where: str, with_memory: bool) -> None:
    write(pair, "one", "a")
    count, ways = 0, set()
    while True:
        count += 1
        died = killed_at(pair, count, where, lambda it: it.create_snapshots("x", memory=with_memory))
        there = settled(pair) == ["x"]
        assert read(pair, "one") == "a"
        ways.add(there)
        if there:
            pair.revert_snapshots("x")
            pair.delete_snapshots("x")
            check_whole(pair)
        if not died:
            break
    assert count > 10 and ways == {True, False}


def test_killed_at_each_record_a_revert_is_gone_on_with(pair: Prefix) -> None:
    """What the memory has after that is asked of real guests, in test_warm.py."""
    write(pair, "one", "a")
    pair.create_snapshots("x", memory=True)
    write(pair, "one", "b")
    actions = []
    while killed_at(pair, len(actions) + 1, "record", lambda it: it.revert_snapshots("x")):
        pair.forget()
        actions.append(pair.resume())
        check_whole(pair)
        assert read(pair, "one") == "a"
        write(pair, "one", "b")
    assert actions == ["revert"] * (len(actions) - 1) + [""], "the last record is that it ended"
    assert len(actions) > 15


def test_killed_at_each_record_a_deletion_is_gone_on_with(pair: Prefix) -> None:
    count, died = 0, True
    while died:
        count += 1
        pair.create_snapshots("x")
        write(pair, "one", "b")
        died = killed_at(pair, count, "record", lambda it: it.delete_snapshots("x"))
        pair.forget()
        pair.resume()
        check_whole(pair)
        assert snapshots.taken(pair.virt_env) == {} and read(pair, "one") == "b"
    assert count > 5


def opened(connection: Connection, domain: t.Any, layer: layers.Layer) -> tuple[str, str]:
    """QEMU has the new file open, by the commands of libvirtd: the nodes of the one below and of the new one."""
    path, form = layer.below[0]
    owner = os.stat(path)
    os.chown(layer.path, owner.st_uid, owner.st_gid)
    nodes = connection.ask_qemu(domain, "query-named-block-nodes", flat=True)
    (below,) = [node["node-name"] for node in nodes if forgotten.file_of(node) == path and node["drv"] == form]
    number = 1 + max(int(node["node-name"].split("-")[1]) for node in nodes if node["node-name"].startswith("libvirt-"))
    storage, new = f"libvirt-{number}-storage", f"libvirt-{number}-format"
    connection.ask_qemu(domain, "blockdev-add", driver="file", filename=layer.path, **{"node-name": storage})
    connection.ask_qemu(domain, "blockdev-add", driver="qcow2", file=storage, backing=None, **{"node-name": new})
    return below, new


@pytest.mark.parametrize("begun", ["opened", "written to"])
def test_a_file_that_libvirtd_forgot(pair: Prefix, monkeypatch: pytest.MonkeyPatch, begun: str) -> None:
    """As one leaves it that is killed in the middle of a snapshot, and is back: what the guest wrote since stays."""
    write(pair, "one", "a")

    def half(connection: Connection, domain: t.Any, new: t.Sequence[layers.Layer], *_rest: t.Any) -> None:
        for layer in new:
            below, node = opened(connection, domain, layer)
            if begun == "written to":
                action = {"type": "blockdev-snapshot", "data": {"node": below, "overlay": node}}
                connection.ask_qemu(domain, "transaction", actions=[action])
                assert layers.active_files(connection, domain)[layer.dev] == layer.below[0][0]
                put(pair, layer.vm, "b")
        raise KvmError("libvirtd was killed")

    monkeypatch.setattr(memory, "take", half)
    with pytest.raises(KvmError, match="libvirtd was killed"):
        pair.create_snapshots("x")
    monkeypatch.undo()
    assert settled(pair) == []
    kept = "b" if begun == "written to" else "a"
    assert read(pair, "one") == kept
    pair.create_snapshots("x")
    write(pair, "one", "c")
    pair.revert_snapshots("x")
    assert read(pair, "one") == kept
    check_whole(pair)


def test_a_vm_that_ends_while_its_file_is_taken_back(pair: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    """libvirtd still stops a VM for a revert that was killed when the next one has found that VM live."""

    def failing(*_arguments: t.Any) -> None:
        raise KvmError("refused")

    taking_back = forgotten.take_back

    def ending(connection: Connection, domain: t.Any, *rest: t.Any) -> None:
        domain.destroy()
        taking_back(connection, domain, *rest)

    monkeypatch.setattr(memory, "take", failing)
    monkeypatch.setattr(forgotten, "take_back", ending)
    with pytest.raises(KvmError, match="refused"):
        pair.create_snapshots("x")
    monkeypatch.undo()
    pair.forget()
    assert [thing.name for thing in pair.standing().things.values() if thing.kind == "snapshot"] == []
    pair.start()
    check_whole(pair)


@pytest.mark.parametrize("when", ["blockCommit", "blockJobInfo", "blockJobAbort"])
def test_a_file_that_libvirtd_still_folds_for_one_who_was_killed(
    pair: Prefix, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """It has done so when the next one asks: before it looks at the job, once it has, and when it wants it to end."""
    pair.create_snapshots("first")
    write(pair, "one", "b")
    asking = Connection.ask_of
    done: list[str] = []

    def ask_of(self: Connection, thing: t.Any, method: str, *rest: t.Any) -> t.Any:
        begun = method == when and (when == "blockCommit" or asking(self, thing, "blockJobInfo", rest[0], 0))
        if begun and thing.name().endswith("-one") and not done:
            done.append(rest[0])
            if when == "blockCommit":
                asking(self, thing, method, *rest)
            _pivot(self, thing, rest[0])
            if when == "blockCommit":
                return None
        return asking(self, thing, method, *rest)

    def _pivot(connection: Connection, domain: t.Any, dev: str) -> None:
        for _again in range(500):
            time.sleep(0.01)
            try:
                asking(connection, domain, "blockJobAbort", dev, layers.ABORT_PIVOT)
                return
            except KvmError:
                assert asking(connection, domain, "blockJobInfo", dev, 0)
        raise AssertionError("it does not end")

    monkeypatch.setattr(Connection, "ask_of", ask_of)
    pair.delete_snapshots("first")
    monkeypatch.undo()
    assert done, "what is tested did not happen"
    check_whole(pair)
    assert read(pair, "one") == "b"
    assert sorted(os.listdir(pair.paths.images())) == ["one_root.qcow2", "two_root.qcow2"]


def test_libvirtd_killed_in_the_window(fresh: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fresh.folder / "labs"
    folder.mkdir(mode=0o755)
    prefix = up(Host(fresh, folder), without_nics(lab("one", "two")))
    taking = memory.take

    def crashing(connection: Connection, domain: t.Any, new: t.Any, *rest: t.Any) -> None:
        taking(connection, domain, new, *rest)
        if new[0].vm == "one":
            fresh.kill()
            threading.Timer(0.5, fresh.start).start()

    monkeypatch.setattr(memory, "take", crashing)
    with pytest.raises(KvmError):
        prefix.create_snapshots("x")
    monkeypatch.undo()
    prefix.connection.reopen(20)
    assert settled(prefix) == []
    prefix.create_snapshots("x")
    prefix.revert_snapshots("x")
    check_whole(prefix)
    prefix.destroy()
    assert not folder.joinpath("lab").exists()
