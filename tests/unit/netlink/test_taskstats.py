# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import struct

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.taskstats import (
    client,
    layout,
    procfs,
    report,
)
from hypothesis import given
from hypothesis import strategies as st

# `sleep 60` as pid 5649, read on Linux 6.18 with delay accounting off; after the netlink header.
TASK = bytes.fromhex(
    "020100004002040008000100111600003402030010000000000000000000"
    "0000000000000400000000000000ecd7010000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000043a8120000000000736c6565700000000000000000000000000000000000"
    "000000000000000000000000000000000000000000000000000011160000e8150000db08016b0000000059100300"
    "00000000000000000000000000000000000000004c00000000000000010000000000000000000000000000000000"
    "0000000000001406000000000000680b000000000000001800000000000000000000000000000000000000000000"
    "00000000000000000030000000000000000000000000000000000000000000000200000000000000020000000000"
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "000000000000000000000000db08016b000000000000000000000000000000000000000011160000000000005910"
    "03000000000000fe0000000000000bfb030000000000000000000000000000000000000000000000000000000000"
    "0000000000000000fd40010000000000da0d00000000000000000000000000000000000000000000000000000000"
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
)
STATS = TASK[20:]
SIZES = {8: 328, 9: 344, 10: 352, 11: 368, 12: 400, 13: 416, 14: 432, 15: 560, 16: 560}


def stated(version, size=None):
    """The recorded structure as if of another version, and of another length."""
    data = struct.pack("=H", version) + STATS[2:]
    return data if size is None else data[:size].ljust(size, b"\xa5")


def decoded(data):
    return layout.decode(data, 0, len(data))


def test_an_answer_as_the_kernel_gives_it():
    found = client.decode(TASK, 0, len(TASK))
    assert list(found) == ["task"]
    assert found["task"]["pid"] == 5649
    stats = found["task"]["stats"]
    assert stats["ac_comm"] == "sleep"
    counted = {name: value for name, value in stats.items() if value and name != "ac_comm"}
    assert counted == {
        "version": 16,
        "ac_pid": 5649,
        "ac_ppid": 5608,
        "ac_tgid": 5649,
        "ac_btime": 1795229915,
        "ac_btime64": 1795229915,
        "ac_etime": 200793,
        "ac_tgetime": 200793,
        "ac_minflt": 76,
        "ac_majflt": 1,
        "ac_exe_dev": 65024,
        "ac_exe_inode": 260875,
        "cpu_count": 4,
        "cpu_delay_total": 120812,
        "cpu_delay_max": 82173,
        "cpu_delay_min": 3546,
        "cpu_run_virtual_total": 1222723,
        "hiwater_rss": 1556,
        "hiwater_vm": 2920,
        "read_char": 6144,
        "read_bytes": 12288,
        "nvcsw": 2,
        "nivcsw": 2,
    }


@pytest.mark.parametrize("version", SIZES)
def test_each_version_has_its_size_and_fields(version):
    data = stated(version, SIZES[version])
    stats = decoded(data)
    added = {9: "thrashing_count", 10: "ac_btime64", 12: "ac_tgid", 13: "wpcopy_count"}
    added.update({14: "irq_count", 15: "cpu_delay_max"})
    assert [added[since] in stats for since in added] == [version >= since for since in added]
    with pytest.raises(NetlinkDecodeError, match=f"version {version} of {SIZES[version] - 1} byte"):
        decoded(data[:-1])


@pytest.mark.parametrize("version", [8, 9, 10, 11, 12, 13, 14])
def test_the_version_decides_and_not_the_length(version):
    stats = decoded(stated(version))
    assert len(stats) == len(layout.rows(version))
    assert {**decoded(STATS), "version": version}.items() >= stats.items()


def test_version_15_has_its_peaks_in_the_middle():
    # struct taskstats of Linux 6.14, counted out by hand from its header.
    offsets = {
        "cpu_count": 16, "cpu_delay_total": 24, "cpu_delay_max": 32, "cpu_delay_min": 40,
        "blkio_count": 48, "blkio_delay_max": 64, "swapin_delay_min": 104,
        "cpu_run_real_total": 112, "cpu_run_virtual_total": 120, "ac_etime": 192,
        "read_bytes": 296, "nvcsw": 320, "freepages_count": 360, "freepages_delay_min": 384,
        "thrashing_count": 392, "thrashing_delay_max": 408, "ac_btime64": 424,
        "compact_delay_total": 440, "compact_delay_min": 456, "ac_tgetime": 472,
        "ac_exe_inode": 488, "wpcopy_count": 496, "wpcopy_delay_min": 520, "irq_count": 528,
        "irq_delay_min": 552,
    }  # fmt: skip
    data = bytearray(560)
    struct.pack_into("=H", data, 0, 15)
    for offset in offsets.values():
        struct.pack_into("=Q", data, offset, 1000 + offset)
    data[128:133] = b"qemu\0"
    struct.pack_into("=I", data, 168, 77)
    struct.pack_into("=I", data, 464, 78)
    stats = decoded(bytes(data))
    assert {name: stats[name] - 1000 for name in offsets} == offsets
    assert (stats["ac_comm"], stats["ac_uid"], stats["ac_tgid"]) == ("qemu", 77, 78)


def test_a_newer_version_is_read_as_far_as_it_is_known():
    assert decoded(stated(17, 688)) == {**decoded(STATS), "version": 17}


@pytest.mark.parametrize("version", [0, 1, 7])
def test_older_versions_are_refused(version):
    with pytest.raises(NetlinkDecodeError, match=f"taskstats version {version}; known are 8"):
        decoded(stated(version))


def test_names_of_commands_are_text():
    data = bytearray(STATS)
    data[80:112] = b"\xff" + b"x" * 31
    assert decoded(bytes(data))["ac_comm"] == "\\xff" + "x" * 31


def test_a_negative_niceness():
    data = bytearray(STATS)
    data[9] = 0xEC
    assert decoded(bytes(data))["ac_nice"] == -20


def test_a_group_has_only_what_the_kernel_adds_up():
    group = b"\x02\x01\0\0\x40\x02\x05\x00\x08\x00\x02\x00\x11\x16\0\0" + TASK[16:]
    stats = client.decode(group, 0, len(group))["group"]["stats"]
    assert stats["nvcsw"] == 2
    assert stats["cpu_delay_total"] == 120812
    assert not stats.keys() & {"ac_comm", "hiwater_rss", "read_bytes", "ac_uid", "cpu_delay_max"}


@given(st.binary(max_size=700))
def test_any_bytes_are_stats_or_a_decode_error(data):
    for decode in (layout.decode, client.decode):
        try:
            decode(data, 0, len(data))
        except NetlinkDecodeError:
            pass


@given(st.integers(8, 40), st.binary(min_size=560, max_size=720))
def test_any_counters_are_decoded(version, data):
    stats = decoded(struct.pack("=H", version) + data[2:])
    assert stats["version"] == version
    assert isinstance(stats["ac_comm"], str)


@pytest.mark.parametrize("part", [b"\x08\x00\x01\x00\x11\x16\x00\x00", TASK[16:]])
def test_stats_without_their_task_are_refused(part):
    data = b"\x02\x01\0\0" + struct.pack("=HH", len(part) + 4, 4) + part
    with pytest.raises(NetlinkDecodeError, match="taskstats without"):
        client.decode(data, 0, len(data))


@pytest.mark.parametrize("switch, on", [("0\n", False), ("1\n", True)])
def test_delay_accounting_is_what_the_switch_says(tmp_path, monkeypatch, switch, on):
    monkeypatch.setattr(client, "SWITCH", str(tmp_path / "task_delayacct"))
    (tmp_path / "task_delayacct").write_text(switch)
    assert client.delay_accounting() is on


@pytest.mark.parametrize("words, on", [("quiet", True), ("quiet nodelayacct", False)])
def test_before_there_was_a_switch_it_was_on(tmp_path, monkeypatch, words, on):
    monkeypatch.setattr(client, "SWITCH", str(tmp_path / "none"))
    monkeypatch.setattr(client, "COMMAND_LINE", str(tmp_path / "cmdline"))
    (tmp_path / "cmdline").write_text(f"root=/dev/vda {words}\n")
    assert client.delay_accounting() is on


# Reports


def test_delays_that_are_not_counted_are_not_zero():
    stats = decoded(STATS)
    assert report.delays(stats, counting=False) == {
        "cpu": {"count": 4, "total_ns": 120812},
        **dict.fromkeys(layout.DELAYS[1:]),
    }
    assert report.delays(stats, counting=True)["blkio"] == {"count": 0, "total_ns": 0}


def test_delays_counted_before_accounting_was_switched_off_are_told():
    stats = {**decoded(STATS), "blkio_count": 3, "blkio_delay_total": 9000}
    assert report.delays(stats, counting=False)["blkio"] == {"count": 3, "total_ns": 9000}


def test_delays_that_this_kernel_does_not_know_are_none():
    found = report.delays(decoded(stated(13)), counting=True)
    assert found["wpcopy"] == {"count": 0, "total_ns": 0}
    assert found["irq"] is None


def test_peaks_are_those_of_all_threads():
    one = decoded(STATS)
    other = {**one, "cpu_delay_max": 90000, "cpu_delay_min": 0, "irq_delay_max": 7}
    assert report.peaks([one, other, decoded(stated(14))]) == {
        **dict.fromkeys(layout.DELAYS),
        "cpu": {"max_ns": 90000, "min_ns": 3546},
        "irq": {"max_ns": 7, "min_ns": 0},
    }


class FakeClient:
    """Answers as the kernel would that knows the recorded task, with two threads, and none else."""

    def __init__(self, refusal=3):
        self.refusal = refusal

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        pass

    def get_pid_stats(self, pids):
        return {pid: self._answer(pid, decoded(STATS)) for pid in pids}

    def get_tgid_stats(self, tgids):
        return {tgid: self._answer(tgid, layout.decode_group(STATS, 0, 560)) for tgid in tgids}

    def _answer(self, number, stats):
        known = number in (5649, 5650)
        return stats if known else NetlinkError(self.refusal, f"taskstats of {number}")


@pytest.fixture
def proc(tmp_path, monkeypatch):
    monkeypatch.setattr(procfs, "PROC", str(tmp_path))
    for tid in (5649, 5650):
        (tmp_path / "5649" / "task" / str(tid)).mkdir(parents=True)
    return tmp_path


def test_a_task_is_reported_by_groups(proc):
    found, missing = report.tasks(FakeClient(), [5649, 17], ["cpu", "memory", "identity"], False)
    assert missing == [17]
    assert found == [
        {
            "pid": 5649,
            "comm": "sleep",
            "identity": {
                "ppid": 5608,
                "uid": 0,
                "gid": 0,
                "nice": 0,
                "started_s": 1795229915,
                "exe_device": 65024,
                "exe_inode": 260875,
                "scheduler": "other",
            },
            "cpu": {
                "user_us": 0,
                "system_us": 0,
                "run_ns": 1222723,
                "voluntary_switches": 2,
                "involuntary_switches": 2,
                "elapsed_us": 200793,
            },
            "memory": {
                "hiwater_rss_kib": 1556,
                "hiwater_vm_kib": 2920,
                "minor_faults": 76,
                "major_faults": 1,
                "rss_mib_us": 0,
                "vm_mib_us": 0,
            },
        }
    ]


def test_a_process_with_its_threads(proc):
    found, missing = report.processes(FakeClient(), [5649], ["delays"], False, threads=True)
    assert missing == []
    assert [thread["pid"] for thread in found[0]["threads"]] == [5649, 5650]
    assert found[0]["tgid"] == 5649
    assert found[0]["delays"]["cpu"]["count"] == 4


def test_a_thread_is_no_process(proc):
    assert report.processes(FakeClient(), [5650, 12], ["cpu"], False) == ([], [12, 5650])


def test_other_refusals_are_raised(proc):
    with pytest.raises(NetlinkError, match="Operation not permitted"):
        report.tasks(FakeClient(refusal=1), [17], ["cpu"], False)


# /proc


def test_io_is_exact_and_of_the_process_or_of_a_thread(proc):
    text = "rchar: 323\nwchar: 12\nsyscr: 3\nsyscw: 1\nread_bytes: 4096\nwrite_bytes: 0\n"
    (proc / "5649" / "io").write_text(text + "cancelled_write_bytes: 7\n")
    assert procfs.io(5649) == {
        "read_bytes": 4096,
        "write_bytes": 0,
        "cancelled_write_bytes": 7,
        "read_char_bytes": 323,
        "write_char_bytes": 12,
        "read_syscalls": 3,
        "write_syscalls": 1,
    }
    assert procfs.io(5649, 5650) is None
    (proc / "5649" / "task" / "5650" / "io").write_text(text)  # without the last line
    assert procfs.io(5649, 5650) is None


@pytest.mark.parametrize(
    "option, name",
    [
        ("web1", "web1"),
        ("web1,debug-threads=on", "web1"),
        ("guest=web1,debug-threads=on", "web1"),
        ("debug-threads=on,guest=web1", "web1"),
        ("guest=a,,b=c,process=x", "a,b=c"),
        ("with,,comma", "with,comma"),
        ("process=x", None),
        ("", None),
    ],
)
def test_names_of_guests(option, name):
    assert procfs.guest_name(option) == name


def running(proc, pid, program, *arguments):
    folder = proc / str(pid)
    folder.mkdir()
    (folder / "cmdline").write_bytes(b"\0".join(map(os.fsencode, arguments)) + b"\0")
    if program:
        (folder / "exe").symlink_to(program)


def test_guests_are_found_by_what_runs_and_not_by_what_is_said(proc):
    qemu = "/usr/bin/qemu-system-x86_64"
    named = ["-S", "-name", "guest=web1,debug-threads=on", "-uuid", "4dea22b3-1d52"]
    running(proc, 30, qemu, qemu, *named)
    running(proc, 4, "/usr/libexec/qemu-kvm (deleted)", "qemu-kvm", "--name", "db", "-name", "db2")
    running(proc, 5, "/usr/bin/sleep", qemu, "-name", "guest=liar")
    running(proc, 6, "", "/usr/bin/kvm", "-m", "64")
    running(proc, 7, "/usr/bin/qemu-img", "qemu-img", "-name", "no")
    (proc / "8").mkdir()
    (proc / "8" / "cmdline").write_bytes(b"")  # a kernel thread
    assert procfs.guests() == [
        procfs.Guest(4, "db2", None),
        procfs.Guest(6, None, None),
        procfs.Guest(30, "web1", "4dea22b3-1d52"),
    ]


def test_all_that_is_asked_for_in_one_reading(proc, monkeypatch):
    monkeypatch.setattr(report, "TaskStats", FakeClient)
    monkeypatch.setattr(report, "delay_accounting", lambda: True)
    monkeypatch.setattr(procfs, "guests", lambda: [procfs.Guest(5649, "web1", None), procfs.Guest(88, "gone", "u")])
    found = report.read([5650, 9], [5649, 10], qemu=True, gather=["delays"], threads=False)
    delays = {name: {"count": 0, "total_ns": 0} for name in layout.DELAYS}
    delays["cpu"] = {"count": 4, "total_ns": 120812}
    process = {"tgid": 5649, "comm": "sleep", "delays": delays}
    assert found == {
        "delay_accounting": True,
        "tasks": [{"pid": 5650, "comm": "sleep", "delays": delays}],
        "processes": [process],
        "guests": [{"guest": "web1", "uuid": None, **process}],
        "missing": {"pids": [9], "tgids": [10]},
    }


def test_guests_are_looked_for_only_when_asked(proc, monkeypatch):
    monkeypatch.setattr(report, "TaskStats", FakeClient)
    monkeypatch.setattr(report, "delay_accounting", lambda: False)
    monkeypatch.setattr(procfs, "guests", None)
    assert report.read([], [], qemu=False, gather=["cpu"], threads=False)["guests"] == []
