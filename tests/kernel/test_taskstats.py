# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel accounts of processes made here, beside what /proc says of them.

A stopped process does not change, so most is compared to the last nanosecond and byte.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.taskstats import (
    layout,
    procfs,
    report,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.taskstats.client import (
    SWITCH,
    TaskStats,
    delay_accounting,
    taskstats,
)

CPUS = f"0-{os.cpu_count() - 1}"

# Burns CPU, does I/O, takes 48 MiB and gives them back, in two threads of which one ends.
BUSY = """
import os, signal, sys, threading, time
os.nice(7)
def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))
ended = threading.Thread(target=burn, args=(0.2,))
ended.start()
ended.join()
threading.Thread(target=signal.pause, daemon=True).start()
burn(0.3)
memory = b"x" * (48 << 20)
del memory
with open(sys.argv[1], "wb") as file:
    file.write(b"y" * (3 << 20))
    file.flush()
    os.fsync(file.fileno())
with open(sys.argv[1], "rb") as file:
    while file.read(1000):
        pass
os.kill(os.getpid(), signal.SIGSTOP)
"""


@pytest.fixture
def client():
    with TaskStats() as client:
        yield client


def start(*argv):
    return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def settle(pid, seconds=10.0):
    """Waits until all threads have left their CPUs, which they do a little after they are stopped."""
    deadline, before = time.monotonic() + seconds, None
    while before != (before := [proc(pid, f"task/{tid}/status") for tid in procfs.threads(pid)]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A process that has worked and is stopped."""
    process = start(sys.executable, "-c", BUSY, str(tmp_path_factory.mktemp("busy") / "file"))
    try:
        _pid, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        settle(process.pid)
        yield process.pid
    finally:
        process.kill()
        process.wait()


def proc(pid, name):
    return pathlib.Path("/proc", str(pid), name).read_text()


def pairs(pid, name):
    return dict(line.split(":", 1) for line in proc(pid, name).splitlines())


def test_the_session_of_the_seed_runs():
    ts = taskstats()
    stats = ts.get_pid_stat(os.getpid())
    ts.close()
    assert stats["ac_pid"] == os.getpid()
    assert stats["ac_comm"] == proc(os.getpid(), "comm").rstrip("\n")


def test_the_version_goes_with_the_kernel(client):
    release = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
    version = client.get_pid_stat(1)["version"]
    kernels = {10: (5, 6), 11: (5, 17), 12: (5, 19), 13: (6, 0), 14: (6, 6), 15: (6, 14), 16: (6, 16)}
    if version in kernels:
        assert release >= kernels[version]
    assert version >= 9


def test_cpu_time_and_waiting_for_it(client, busy):
    stats = client.get_pid_stat(busy)
    run_ns, wait_ns, count = map(int, proc(busy, "schedstat").split())
    assert stats["cpu_run_virtual_total"] == run_ns > 300_000_000
    assert (stats["cpu_delay_total"], stats["cpu_count"]) == (wait_ns, count)
    used = stats["ac_utime"] + stats["ac_stime"]
    assert used == pytest.approx(run_ns / 1000, rel=0.3, abs=50_000)
    assert stats["ac_etime"] >= used


def test_switches_niceness_and_identity(client, busy):
    stats, status = client.get_pid_stat(busy), pairs(busy, "status")
    assert stats["nvcsw"] == int(status["voluntary_ctxt_switches"])
    assert stats["nivcsw"] == int(status["nonvoluntary_ctxt_switches"])
    assert (stats["ac_nice"], stats["ac_ppid"], stats["ac_uid"]) == (7, os.getpid(), os.geteuid())
    assert abs(time.time() - stats["ac_etime"] / 1e6 - stats["ac_btime"]) < 3
    if stats["version"] >= 12:
        assert stats["ac_exe_inode"] == os.stat(sys.executable).st_ino
        assert stats["ac_tgid"] == busy


def test_memory(client, busy):
    stats, status = client.get_pid_stat(busy), pairs(busy, "status")
    # Resident pages are counted per CPU and added up more or less exactly, by kernel and by file.
    assert stats["hiwater_rss"] == pytest.approx(int(status["VmHWM"].split()[0]), abs=2048)
    assert stats["hiwater_rss"] > 48 << 10
    assert stats["hiwater_vm"] == int(status["VmPeak"].split()[0])
    assert stats["ac_minflt"] == int(proc(busy, f"task/{busy}/stat").rsplit(")", 1)[1].split()[7])


def test_io_rounded_down_as_said(client, busy):
    stats, exact = client.get_pid_stat(busy), procfs.io(busy, busy)
    assert exact["write_bytes"] >= 3 << 20
    assert exact["read_syscalls"] >= (3 << 20) // 8192
    for ours, kernels in {
        "read_bytes": "read_bytes",
        "write_bytes": "write_bytes",
        "read_char_bytes": "read_char",
        "write_char_bytes": "write_char",
        "read_syscalls": "read_syscalls",
        "write_syscalls": "write_syscalls",
    }.items():
        assert stats[kernels] == exact[ours] // 1024 * 1024, kernels


def test_a_group_is_the_sum_with_ended_threads(client, busy):
    group = client.get_tgid_stat(busy)
    threads = procfs.threads(busy)
    assert len(threads) == 2
    alive = list(client.get_pid_stats(threads).values())
    run = sum(stats["cpu_run_virtual_total"] for stats in alive)
    assert group["cpu_run_virtual_total"] - run == pytest.approx(200_000_000, rel=0.3)
    for name in ("nvcsw", "nivcsw", "ac_utime", "ac_stime"):
        assert group[name] >= sum(stats[name] for stats in alive), name
    assert not group.keys() & {"ac_comm", "hiwater_rss", "write_bytes"}


def test_a_report_of_a_process(client, busy):
    (found,), missing = report.processes(client, [busy], report.GROUPS, False, threads=True)
    assert missing == []
    assert found["identity"]["nice"] == 7
    run = [thread["cpu"]["run_ns"] for thread in found["threads"]]
    assert found["cpu"]["run_ns"] - sum(run) > 150_000_000  # the ended thread
    assert found["io"]["write_bytes"] >= 3 << 20
    assert found["memory"]["hiwater_rss_kib"] > 48 << 10
    assert [thread["pid"] for thread in found["threads"]] == procfs.threads(busy)
    assert set(found["delays"]) == set(layout.DELAYS)


def test_who_is_not_there(client):
    gone = start("true")
    gone.wait()
    with pytest.raises(NetlinkError, match=f"taskstats of pid {gone.pid}: No such process"):
        client.get_pid_stat(gone.pid)
    with pytest.raises(NetlinkError, match=f"taskstats of tgid {gone.pid}: No such process"):
        client.get_tgid_stat(gone.pid)
    assert report.tasks(client, [gone.pid, os.getpid()], ["cpu"], False)[1] == [gone.pid]


def test_a_thousand_in_one_go(client):
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    unknown = [(1 << 22) + number for number in range(1000)]
    found = client.get_pid_stats([*pids, *unknown, *pids])
    assert len(found) == len(pids) + 1000
    assert found[os.getpid()]["ac_pid"] == os.getpid()
    assert all(isinstance(found[pid], NetlinkError) for pid in unknown)
    known = [pid for pid in pids if isinstance(found[pid], dict)]
    assert all(found[pid]["ac_pid"] == pid for pid in known)
    assert len(known) > len(pids) // 2


def test_without_the_right(tmp_path):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with TaskStats() as client:
                os.setgroups([])
                os.setuid(65534)
                client.get_pid_stat(os.getpid())
        except OSError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, encoding="utf-8") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    assert said.startswith(f"taskstats of pid {child}: Operation not permitted")


def ends(client, pid, seconds=10.0):
    """The exit of that process, waited for."""
    return next(found for found in client.exits(seconds) if found["task"]["pid"] == pid)


def test_tasks_are_told_as_they_end(client):
    client.register_mask(CPUS)
    child = start("sh", "-c", "exit 7")
    found = ends(client, child.pid)
    assert child.wait() == 7
    assert found["task"]["stats"]["ac_exitcode"] == 7 << 8
    assert found["task"]["stats"]["ac_comm"] == "sh"
    assert "group" not in found


def test_the_last_thread_brings_the_sum_of_its_group(client):
    client.register_mask(CPUS)
    work = "import threading; ts = [threading.Thread(target=sum, args=(range(10**6),)) for _ in 'ab']"
    child = start(sys.executable, "-c", f"{work}; [t.start() for t in ts]; [t.join() for t in ts]")
    # Which of the threads ends last is not said: Python joins a thread that is about to end. Two of them work, so that
    # the sum is more than any one: the kernel adds a task to its group a moment before it reads the task itself.
    found = next(found for found in client.exits(30) if "group" in found and of(found, child.pid))
    child.wait()
    group, last = found["group"]["stats"], found["task"]["stats"]
    assert group["cpu_run_virtual_total"] > last["cpu_run_virtual_total"] > 0


def of(found, tgid):
    return found["group"]["tgid"] == tgid


def test_after_unregistering_nothing_comes(client):
    client.register_mask(CPUS)
    client.unregister_mask(CPUS)
    start("true").wait()
    assert list(client.exits(0.3)) == []


def test_cpus_that_do_not_exist(client):
    with pytest.raises(NetlinkError, match="taskstats of tasks ending on CPUs 100000: "):
        client.register_mask("100000")


@pytest.mark.skipif(
    os.environ.get("FLEET_KERNEL") != "guest",
    reason="switches the whole machine's delay accounting: done in the guest only",
)
def test_delays_of_storage_are_counted_once_switched_on(client, tmp_path):
    before = proc("sys/kernel", "task_delayacct")
    try:
        pathlib.Path(SWITCH).write_text("1")
        assert delay_accounting() is True
        client.register_mask(CPUS)
        child = start("dd", "if=/dev/zero", f"of={tmp_path}/file", "bs=64k", "count=32", "oflag=dsync")
        stats = ends(client, child.pid, 60)["task"]["stats"]
        assert child.wait() == 0
        delays = report.delays(stats, counting=True)
        assert delays["blkio"]["count"] > 0
        assert delays["blkio"]["total_ns"] > 1000
        pathlib.Path(SWITCH).write_text("0")
        assert delay_accounting() is False
    finally:
        pathlib.Path(SWITCH).write_text(before)


def test_guests_by_name(client, tmp_path):
    qemu = tmp_path / "qemu-system-test"
    shutil.copy(shutil.which("sh"), qemu)
    name, uuid = f"guest-{os.getpid()}", "4dea22b3-1d52-d8f3-2516-782e98ab3fa0"
    # Nothing but its file says that it is QEMU; the words after the script are those of QEMU.
    argv = [qemu, "-c", "kill -STOP $$", "-name", f"guest={name},debug-threads=on", "-uuid", uuid]
    process = subprocess.Popen(argv)
    try:
        os.waitpid(process.pid, os.WUNTRACED)
        assert procfs.Guest(process.pid, name, uuid) in procfs.guests()
        (found,), _missing = report.processes(client, [process.pid], ["cpu"], False)
        assert found["comm"] == "qemu-system-tes"
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
