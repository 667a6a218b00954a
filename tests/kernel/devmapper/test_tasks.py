# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks: one device in all its states, stacks, messages, events, secrets."""

from __future__ import annotations

import os
import pathlib
import stat
import subprocess
import threading
import time

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import constants as c
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.control import ControlDevice
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices import task
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.wanted import WrongDevice
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmTimeout
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.header import Answer, Request
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.kernel.devmapper.host import DISKS, Host, dmsetup, zero

B, C = DISKS
LINE = f"0 8064 linear {B} 0"
KEY = "00112233445566778899aabbccddeeff"


def dm(name: str) -> str:
    return f"/dev/mapper/{name}"


def test_a_device_from_creation_to_removal(host: Host) -> None:
    name = host.name()
    made = host.apply(name=name, table=[LINE], uuid="an-id")
    assert made["changes"] == [f"{name}: create"]
    assert made["diff"] == {"before": "", "after": f"{name}  active  rw  uuid an-id\n{name}  {LINE}\n"}
    assert made["device"]["table"] == [{"start": 0, "length": 8064, "type": "linear", "args": f"{B} 0"}]
    changed = host.apply(name=name, table=[f"0 4096 linear {C} 8"])
    assert changed["changes"] == [f"{name}: load the table", f"{name}: swap the table in"]
    assert changed["diff"] == {
        "before": f"{name}  active  rw  uuid an-id\n{name}  {LINE}\n",
        "after": f"{name}  active  rw  uuid an-id\n{name}  0 4096 linear {C} 8\n",
    }
    gone = host.apply(name=name, state="absent")
    assert gone["diff"]["after"] == "" and gone["device"] is None


@pytest.mark.parametrize("spelling", ["{0} 0", "254:16 00", "/dev/disk/by-path/../../vdb 0", "254:016  0 "])
def test_a_device_is_the_same_however_it_is_written(host: Host, spelling: str) -> None:
    host.run(name=host.name(), table=[LINE])
    numbers = os.stat(B).st_rdev
    params = spelling.format(B).replace("254:16", f"{os.major(numbers)}:{os.minor(numbers)}").replace("254:016", "")
    if not params.startswith(("/", "2")):
        params = f"{os.major(numbers)}:0{os.minor(numbers)} 0"
    for check in (True, False):
        assert not host.run(check=check, name=host.name(), table=[f"0 8064 linear {params}"])["changed"]


def test_the_kernel_is_the_judge_of_what_no_grammar_knows(host: Host) -> None:
    """Another spelling of a number is the kernel's business: the inactive slot tells that nothing would change."""
    host.run(name=host.name(), table=[f"0 8064 striped 1 8 {B} 0"])
    table = [f"0 8064 striped 1 +8 {B} 0"]
    assert host.run(check=True, name=host.name(), table=table)["changed"]
    assert not host.run(name=host.name(), table=table)["changed"]
    assert not host.device(host.name())["inactive_table"]


def test_states(host: Host) -> None:
    name, new = host.name(), host.name("bläu und weiß")
    host.run(name=name, table=[LINE])
    assert host.apply(name=name, state="suspended")["device"]["state"] == "suspended"
    assert host.apply(name=name, state="resumed")["device"]["state"] == "active"
    host.run(name=name, state="suspended")
    assert host.apply(name=name, table=[LINE])["changes"] == [f"{name}: resume"]
    dmsetup("reload", name, "--table", "0 8 zero")
    assert host.device(name)["waiting"] == [{"start": 0, "length": 8, "type": "zero", "args": ""}]
    assert host.apply(name=name, state="cleared")["changes"] == [f"{name}: clear the inactive table"]
    dmsetup("reload", name, "--table", "0 8 zero")
    assert host.apply(name=name, state="resumed")["changes"] == [f"{name}: swap the inactive table in"]
    assert host.table(name) == ["0 8 zero "]
    renamed = host.apply(name=name, state="renamed", new_name=new, new_uuid="the id")
    assert renamed["device"]["name"] == new and renamed["device"]["uuid"] == "the id"
    nodes = [node for node in os.listdir("/dev/mapper") if node.startswith(host.prefix)]
    assert nodes == [renamed["device"]["path"][len("/dev/mapper/") :]]
    with pytest.raises(WrongDevice, match="has a uuid, and the kernel changes none"):
        host.run(name=new, state="renamed", new_uuid="another")
    assert host.apply(uuid="the id", state="absent")["changed"]


def test_everything_beside_the_table(host: Host) -> None:
    name = host.name()
    wanted = {"geometry": {"cylinders": 8, "heads": 16, "sectors": 63}, "mode": "0640", "owner": "1", "group": "tape"}
    done = host.apply(name=name, table=[LINE], read_ahead=1024, **wanted)
    node = os.stat(dm(name))
    assert (stat.S_IMODE(node.st_mode), node.st_uid) == (0o640, 1)
    assert "geometry 8/16/63/0  node 0640 1:26  read-ahead 1024" in done["diff"]["after"]
    assert dmsetup("info", "-c", "--noheadings", "-o", "read_ahead", name).strip() in ("1024", "512.00k")
    changed = host.apply(name=name, mode="0600", read_ahead=0)
    assert changed["changes"] == [f"{name}: node mode 0600", f"{name}: read-ahead 0 sectors"]
    assert host.apply(name=name, readonly=True)["device"]["readonly"]
    assert pathlib.Path(f"/sys/block/dm-{os.minor(node.st_rdev)}/ro").read_text() == "1\n"
    assert not host.apply(name=name, readonly=False)["device"]["readonly"]


def test_bad_input_is_told_by_its_place(host: Host) -> None:
    name = host.name()
    for given, words in (
        ({"table": []}, "table: a table has at least one line"),
        ({"table": ["8 8 zero"]}, r"table\[0\]: begins at sector 8"),
        ({"table": ["0 8"]}, "a line is: start length type arguments"),
        ({"table": [{"type": "linear", "length": 8, "device": B}]}, r"table\[0\]: offset is missing"),
        ({"table": [{"type": "zero", "length": 8, "x": 1}]}, r"table\[0\]: there is no x"),
        ({"table": [{"type": "linear", "length": 8, "device": "/dev/none", "offset": 0}]}, "there is no device /dev/n"),
        ({"table": [f"0 8 linear {dm('none')} 0"]}, "there is no device"),
        ({}, "and no table to make it with"),
        ({"state": "suspended", "table": ["0 8 zero"]}, "goes with state present"),
        ({"state": "renamed"}, "needs a new_name"),
        ({"mode": "abc", "table": ["0 8 zero"]}, "octal"),
        ({"owner": "nobody-at-all", "table": ["0 8 zero"]}, "knows no owner"),
    ):
        for check in (True, False):
            with pytest.raises(task.FAILURES, match=words):
                host.run(check=check, name=name, **given)
    with pytest.raises(WrongDevice, match=r"devices\[1\].table\[0\]"):
        host.run(devices=[{"name": name, "table": ["0 8 zero"]}, {"name": host.name("b"), "table": ["x"]}])
    with pytest.raises(WrongDevice, match=r"devices\[1\]: .* is listed before, at devices\[0\]"):
        host.run(devices=[{"name": name, "state": "absent"}, {"name": name, "state": "absent"}])
    with pytest.raises(WrongDevice, match="in a circle"):
        host.run(
            devices=[
                {"name": name, "table": [f"0 8 linear {dm(host.name('b'))} 0"]},
                {"name": host.name("b"), "table": [f"0 8 linear {dm(name)} 0"]},
            ]
        )


def stack(host: Host, disk: str, length: int) -> list[dict]:
    low, middle, top = (host.name(rest) for rest in ("low", "middle", "top"))
    return [
        {"name": top, "table": [f"0 {length} delay {dm(middle)} 0 1"]},
        {"name": middle, "table": [f"0 {length} linear {dm(low)} 0"]},
        {"name": low, "table": [f"0 {length} linear {disk} 0"]},
    ]


def test_a_stack_is_made_changed_and_removed_as_one(host: Host) -> None:
    low, middle, top = (host.name(rest) for rest in ("low", "middle", "top"))
    made = host.apply(devices=stack(host, B, 8192))
    assert made["changes"] == [f"{name}: create" for name in (low, middle, top)]
    assert [one["name"] for one in made["devices"]] == [top, middle, low]
    changed = stack(host, C, 8192)
    changed[0]["table"] = [f"0 8192 delay {dm(middle)} 0 2"]
    assert host.apply(devices=changed)["changes"] == [
        f"{low}: load the table",
        f"{top}: load the table",
        f"{low}: swap the table in",
        f"{top}: swap the table in",
    ]
    grown = host.apply(devices=stack(host, C, 16384))["changes"]
    assert grown.index(f"{low}: swap the table in") < grown.index(f"{middle}: load the table")
    assert host.apply(devices=stack(host, B, 4096))["changed"]  # and smaller again
    tree = next(node for node in host.info(gather=["tree"])["tree"] if node["device"] == dm(top))
    assert tree["below"][0]["below"][0]["below"] == [
        {"device": B, "dev": tree["below"][0]["below"][0]["below"][0]["dev"]}
    ]
    gone = host.apply(devices=[{"name": one["name"], "state": "absent"} for one in reversed(stack(host, B, 8))])
    assert gone["changes"] == [f"{name}: remove" for name in (top, middle, low)]


def test_a_stack_is_known_by_whatever_path(host: Host) -> None:
    low, top = host.name("low"), host.name("top")
    number = host.run(name=low, table=[f"0 8192 linear {B} 0"])["device"]["dev"].partition(":")[2]
    done = host.apply(
        devices=[
            {"name": top, "table": [f"0 16384 linear /dev/dm-{number} 0"]},
            {"name": low, "table": [f"0 16384 linear {C} 0"]},
        ]
    )
    assert done["changes"] == [f"{low}: load the table", f"{low}: swap the table in", f"{top}: create"]


@pytest.mark.parametrize("mangling", ["none", "hex"])
def test_a_stack_on_a_new_device_with_a_blank_in_its_name(host: Host, mangling: str) -> None:
    """With `none` the kernel gets the blank itself."""
    low, top = host.name("lów $1"), host.name("top")
    path = dm(low).replace(" ", "\\ ")
    wanted = [{"name": top, "table": [f"0 8192 linear {path} 0"]}, {"name": low, "table": [f"0 8192 linear {B} 0"]}]
    done = host.apply(devices=wanted, mangling=mangling)
    assert done["changes"] == [f"{low}: create", f"{top}: create"]
    assert (done["devices"][1]["path"] == dm(low)) == (mangling == "none")
    assert os.stat(done["devices"][1]["path"]).st_rdev == os.makedev(*map(int, done["devices"][1]["dev"].split(":")))
    assert host.device(top)["deps"] == [dm(low)]
    grown = [{**one, "table": [one["table"][0].replace("8192", "16384")]} for one in wanted]
    assert host.apply(devices=grown, mangling=mangling)["changed"]
    gone = host.apply(devices=[{"name": one, "state": "absent"} for one in (low, top)], mangling=mangling)
    assert gone["changes"] == [f"{top}: remove", f"{low}: remove"]
    assert not any(one.startswith(host.prefix) for one in os.listdir("/dev/mapper"))


def test_reads_go_on_while_a_stack_is_swapped(host: Host) -> None:
    host.run(devices=stack(host, B, 8192))
    stop, errors, reads = threading.Event(), [], []

    def read() -> None:
        with open(dm(host.name("top")), "rb", buffering=0) as disk:
            while not stop.is_set():
                try:
                    disk.seek(0)
                    reads.append(len(disk.read(4096)))
                except OSError as error:
                    errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for disk in (C, B, C):
            one, two, three = stack(host, disk, 8192)
            one["table"] = [f"0 8192 delay {dm(two['name'])} 0 {1 + (disk == C)}"]
            assert host.run(devices=[one, two, three])["changed"]
    finally:
        stop.set()
        reader.join()
    assert errors == [] and set(reads) == {4096}


def test_a_failure_in_a_stack_undoes_all_of_it(host: Host) -> None:
    host.run(devices=stack(host, B, 8192))
    before = dmsetup("table")
    wanted = stack(host, C, 8192)
    wanted[0]["table"] = [f"0 8192 striped 3 8 {dm(wanted[1]['name'])} 0"]
    with pytest.raises(ChangeFailed, match="NOT|undone again") as failure:
        host.run(devices=[*wanted, {"name": host.name("new"), "table": ["0 8 zero"]}])
    assert "striped" in str(failure.value) and "NOT undone" not in str(failure.value)
    assert dmsetup("table") == before
    assert not any(one["inactive_table"] for one in host.info()["devices"])


def test_messages(host: Host) -> None:
    name = host.name()
    host.run(name=name, table=[LINE])
    foretold = host.run(check=True, name=name, target_message={"text": "@stats_create - /1"})
    assert foretold["changed"] and "response" not in foretold
    assert host.run(name=name, target_message={"text": "@stats_create - /1"})["response"] == "0"
    listed = host.run(name=name, target_message={"text": "@stats_list"})
    assert (listed["changed"], listed["response"]) == (False, "0: 0+8064 8064 - -\n")
    with pytest.raises(OSError, match="the target does not take that message"):
        host.run(name=name, target_message={"text": "nonsense"})


def test_events_are_waited_for_with_a_deadline(host: Host) -> None:
    name = host.name()
    paths = f"0 8064 multipath 0 0 1 1 round-robin 0 1 1 {B} 1"
    host.run(name=name, table=[paths])
    known = host.device(name)["event_nr"]
    with pytest.raises(DmTimeout, match=f"no event of {name} within 0.3 s"):
        host.info(events={name: known}, timeout=0.3)
    numbers = os.stat(B).st_rdev
    fail = {"text": f"fail_path {os.major(numbers)}:{os.minor(numbers)}"}
    failing = threading.Timer(0.5, lambda: host.run(name=name, target_message=fail))
    began = time.monotonic()
    failing.start()
    told = host.info(name=[name], events={name: known}, timeout=20)
    failing.join()
    assert told["events"] == {name: known + 1} and time.monotonic() - began < 15
    assert told["devices"][0]["status"][0]["read"]["groups"][0]["paths"][0]["state"] == "failed"
    assert host.info(events={name: known}, timeout=5)["events"] == told["events"]


def test_keys_show_nowhere(host: Host) -> None:
    name = host.name()
    table = [{"type": "crypt", "length": 64, "cipher": "aes-xts-plain64", "iv_offset": 0, "device": B, "offset": 0}]
    key, other = KEY * 2, KEY[::-1] * 2
    results = [host.apply(name=name, table=[{**table[0], "key": key}])]
    assert key in host.hidden and host.table(name)[0].split()[4] == key
    changed = host.apply(name=name, table=[{**table[0], "key": other}])
    assert "[hidden]" in changed["diff"]["before"] and "[another, hidden]" in changed["diff"]["after"]
    assert not host.run(name=name, table=[{**table[0], "key": other.upper()}])["changed"]
    results += [changed, host.info(), host.run(name=name, state="absent")]
    with pytest.raises(task.FAILURES) as failure:
        host.run(name=name, table=[{**table[0], "key": key[:-2], "device": "/dev/none"}])
    assert key[:-2] in host.hidden
    assert not any(secret in text for secret in (key, other) for text in (*map(repr, results), str(failure.value)))


def test_a_key_in_a_message_shows_nowhere(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    name, key, other = host.name(), KEY * 2, KEY[::-1] * 2
    asked = spied(monkeypatch)
    host.run(name=name, table=[f"0 64 crypt aes-xts-plain64 {key} 0 {B} 0"])
    message = {"text": f"key set {other}"}
    with pytest.raises(OSError, match="does not take that message") as failure:  # it is not suspended
        host.run(name=name, target_message=message)
    done = host.run(name=name, state="suspended", target_message=message)
    assert other in host.hidden and host.table(name)[0].split()[4] == other
    assert not any(secret in text for secret in (key, other) for text in (repr(done), str(failure.value)))
    host.run(name=name, state="resumed")
    carrying = [one for one in asked if any(secret.encode() in one.payload for secret in (key, other))]
    assert {one.command for one in carrying} == {c.TABLE_LOAD, c.TARGET_MSG}
    assert all(one.flags & c.SECURE_DATA for one in carrying)


def spied(monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """What the control device is asked from now on."""
    asked: list[Request] = []
    once = ControlDevice._once

    def noted(self: ControlDevice, request: Request, size: int) -> Answer:
        asked.append(request)
        return once(self, request, size)

    monkeypatch.setattr(ControlDevice, "_once", noted)
    return asked


def test_deferred_removal_and_its_end(host: Host) -> None:
    name = host.name()
    host.run(name=name, table=[LINE])
    with open(dm(name), "rb"):
        with pytest.raises(ChangeFailed, match=rf"EBUSY .*held by process {os.getpid()} \("):
            host.run(name=name, state="absent", retry=0.2)
        assert host.apply(name=name, state="absent", deferred=True)["device"]["deferred_remove"]
        assert host.apply(name=name)["changes"] == [f"{name}: cancel the deferred removal"]
        host.run(name=name, state="absent", deferred=True)
    deadline = time.monotonic() + 10
    while host.device(name) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not host.run(name=name, state="absent")["changed"]


def test_who_has_a_disk_that_a_table_wants(host: Host) -> None:
    name = host.name()
    subprocess.run(["mkswap", B], check=True, capture_output=True)
    subprocess.run(["swapon", B], check=True)
    try:
        host.run(name=name, table=["0 8 zero"])
        for given in (name, host.name("new")):
            with pytest.raises(ChangeFailed, match=rf"EBUSY .*{B} is held by swap space on it"):
                host.run(name=given, table=[LINE])
    finally:
        subprocess.run(["swapoff", B], check=True)
        zero(B)
    assert host.table(name) == ["0 8 zero "] and host.device(host.name("new")) is None
    assert host.run(name=name, table=[LINE])["changed"]


def test_who_has_a_part_of_a_disk_that_a_table_wants(host: Host, tmp_path: pathlib.Path) -> None:
    subprocess.run(["addpart", B, "1", "2048", "65536"], check=True)
    subprocess.run(["udevadm", "settle"], check=True)
    try:
        subprocess.run(["mkfs.ext4", "-q", f"{B}1"], check=True)
        subprocess.run(["mount", f"{B}1", str(tmp_path)], check=True)
        try:
            with pytest.raises(ChangeFailed, match=rf"{B}1, a part of {B}, is held by a mount on {tmp_path}"):
                host.run(name=host.name(), table=[LINE])
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)
    finally:
        subprocess.run(["delpart", B, "1"], check=True)
        subprocess.run(["udevadm", "settle"], check=True)
        zero(B, 4096)
    assert not os.path.exists(f"{B}1")


def test_a_removal_goes_on_until_the_holder_leaves(host: Host) -> None:
    name = host.name()
    host.run(name=name, table=[LINE])
    holder = os.open(dm(name), os.O_RDONLY)
    leaving = threading.Timer(0.3, os.close, [holder])
    began = time.monotonic()
    leaving.start()
    assert host.run(name=name, state="absent", retry=5)["changed"]
    leaving.join()
    assert 0.2 < time.monotonic() - began < 5 and host.device(name) is None


def test_a_uuid_for_a_device_that_has_none(host: Host) -> None:
    host.run(name=host.name(), table=[LINE])
    assert host.apply(name=host.name(), uuid="late")["changes"] == [f"{host.name()}: set the uuid late"]
    with pytest.raises(WrongDevice, match="has the uuid late, and the kernel changes none"):
        host.run(name=host.name(), uuid="other")


def test_info_narrows_down(host: Host) -> None:
    names = [host.name(rest) for rest in ("one", "two", "Drei ß")]
    host.run(devices=[{"name": name, "uuid": f"u-{name}", "table": ["0 8 zero"]} for name in names])
    assert {one["name"] for one in host.info(name_prefix=host.prefix)["devices"]} == set(names)
    assert [one["name"] for one in host.info(name=[names[2], "none"])["devices"]] == [names[2]]
    assert [one["name"] for one in host.info(uuid_prefix=f"u-{names[1]}")["devices"]] == [names[1]]
    bare = host.info(gather=[], target_types=["no-such", "zero"])
    assert bare["targets"]["no-such"] is None and bare["targets"]["zero"]
    assert not {"table", "status", "deps"} & set(bare["devices"][0])
