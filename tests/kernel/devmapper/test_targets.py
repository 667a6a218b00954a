# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every target type that the guest's kernel has: made, made again, changed, read, removed.

A new target type in the kernel fails the last test here until it is known or named as one that cannot be made.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.mapper import Mapper
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.targets.registry import TARGETS

from tests.kernel.devmapper.host import DISKS, Host, dmsetup, zero

B, C = DISKS
KEY, OTHER_KEY = "0123456789abcdef" * 4, "fedcba9876543210" * 4
BLOCK = bytes(4096)

Target = t.Dict[str, t.Any]


class Case(t.NamedTuple):
    """A target as made first and as changed, and keys of its parsed status."""

    first: Target
    second: Target
    read: t.Tuple[str, ...] = ()
    blank: t.Tuple[str, ...] = ()  # disks whose metadata has to be blank before the first
    anew: bool = False  # the kernel does not change one into the other: removed and blanked in between
    more: t.Mapping[str, t.Any] = {}  # other options


def legs() -> list[Target]:
    return [{"metadata_device": "-", "data_device": disk} for disk in DISKS]


CASES = {
    "linear": Case({"device": B, "offset": 0}, {"device": C, "offset": 8}),
    "striped": Case(
        {"chunk_size": 8, "stripes": [{"device": B, "offset": 0}, {"device": C, "offset": 0}]},
        {"chunk_size": 16, "stripes": [{"device": C, "offset": 64}, {"device": B, "offset": 0}]},
        ("devices", "health"),
    ),
    "unstriped": Case(
        {"stripes": 2, "chunk_size": 8, "stripe": 0, "device": B, "offset": 0},
        {"stripes": 2, "chunk_size": 8, "stripe": 1, "device": B, "offset": 0},
    ),
    "error": Case({}, {}),
    "zero": Case({}, {}),
    "delay": Case(
        {"device": B, "offset": 0, "delay": 1},
        {"device": B, "offset": 0, "delay": 1, "write_device": C, "write_offset": 8, "write_delay": 2},
    ),
    "flakey": Case(
        {"device": B, "offset": 0, "up_interval": 5, "down_interval": 0},
        {"device": B, "offset": 0, "up_interval": 5, "down_interval": 1, "features": ["drop_writes"]},
    ),
    "crypt": Case(
        {"cipher": "aes-xts-plain64", "key": KEY, "iv_offset": 0, "device": B, "offset": 0},
        {
            "cipher": "aes-xts-plain64",
            "key": OTHER_KEY,
            "iv_offset": 0,
            "device": B,
            "offset": 0,
            "options": ["same_cpu_crypt", "allow_discards"],
        },
    ),
    "snapshot-origin": Case({"origin": B}, {"origin": C}),
    "snapshot": Case(
        {"origin": B, "cow_device": C, "persistent": "P", "chunk_size": 16},
        {"origin": B, "cow_device": C, "persistent": "N", "chunk_size": 8},
        ("sectors_used", "sectors_total"),
        (C,),
        True,
    ),
    "snapshot-merge": Case(
        {"origin": B, "cow_device": C, "persistent": "P", "chunk_size": 16},
        {"origin": B, "cow_device": C, "persistent": "P", "chunk_size": 8},
        ("sectors_used",),
        (C,),
        True,
    ),
    "thin-pool": Case(
        {"metadata_device": B, "data_device": C, "block_size": 128, "low_water_mark": 0},
        {
            "metadata_device": B,
            "data_device": C,
            "block_size": 128,
            "low_water_mark": 16,
            "features": ["no_discard_passdown", "skip_block_zeroing"],
        },
        ("data_blocks_used", "data_blocks_total", "mode"),
        (B,),
    ),
    "cache": Case(
        {"metadata_device": "META", "cache_device": "REST", "origin": C, "block_size": 512, "policy": "smq"},
        {
            "metadata_device": "META",
            "cache_device": "REST",
            "origin": C,
            "block_size": 512,
            "features": ["writethrough"],
            "policy": "smq",
            "policy_options": ["migration_threshold 4096"],
        },
        ("cache_blocks_total", "policy"),
        (B,),
    ),
    "writecache": Case(
        {"mode": "s", "origin": B, "cache_device": C, "block_size": 4096},
        {"mode": "s", "origin": B, "cache_device": C, "block_size": 4096, "options": ["writeback_jobs 4", "cleaner"]},
        ("blocks", "error"),
        (C,),
    ),
    "raid": Case(
        {"level": "raid1", "params": [0, "nosync"], "legs": legs()},
        {"level": "raid1", "params": [0, "nosync", "write_mostly 1"], "legs": legs()},
        ("level", "health"),
    ),
    "mirror": Case(
        {
            "log": "core",
            "log_args": [1024, "nosync"],
            "legs": [{"device": B, "offset": 0}, {"device": C, "offset": 0}],
        },
        {
            "log": "core",
            "log_args": [2048, "nosync"],
            "legs": [{"device": B, "offset": 0}, {"device": C, "offset": 0}],
            "features": ["handle_errors"],
        },
        ("devices", "synced_regions_total", "health"),
    ),
    "multipath": Case(
        {
            "first_group": 1,
            "groups": [{"selector": "round-robin", "paths": [{"device": B, "args": [1]}, {"device": C, "args": [1]}]}],
        },
        {
            "features": ["queue_if_no_path"],
            "first_group": 1,
            "groups": [
                {"selector": "queue-length", "paths": [{"device": B, "args": [1]}]},
                {"selector": "queue-length", "paths": [{"device": C, "args": [1]}]},
            ],
        },
        ("groups",),
    ),
    "verity": Case(
        {
            "version": 1,
            "data_device": B,
            "hash_device": C,
            "data_block_size": 4096,
            "hash_block_size": 4096,
            "data_blocks": 1,
            "hash_start_block": 1,
            "algorithm": "sha256",
            "root_hash": hashlib.sha256(BLOCK).hexdigest(),
            "salt": "-",
        },
        {
            "version": 1,
            "data_device": B,
            "hash_device": C,
            "data_block_size": 4096,
            "hash_block_size": 4096,
            "data_blocks": 1,
            "hash_start_block": 1,
            "algorithm": "sha256",
            "root_hash": hashlib.sha256(b"\xab\xcd" + BLOCK).hexdigest(),
            "salt": "ABCD",
            "options": ["ignore_zero_blocks", "ignore_corruption"],
        },
        ("state",),
        (B,),
        more={"readonly": True},
    ),
    "integrity": Case(
        {"device": B, "reserved": 0, "tag_size": "-", "mode": "D", "options": ["internal_hash:crc32c"]},
        {
            "device": B,
            "reserved": 0,
            "tag_size": 4,
            "mode": "J",
            "options": ["internal_hash:crc32c", "journal_watermark:60"],
        },
        ("mismatches", "provided_sectors"),
        (B,),
    ),
    "era": Case(
        {"metadata_device": B, "origin": C, "granularity": 128},
        {"metadata_device": B, "origin": C, "granularity": 256},
        ("era",),
        (B,),
        True,
    ),
    "log-writes": Case({"device": B, "log_device": C}, {"device": C, "log_device": B}, ("logged",)),
    "switch": Case(
        {"region_size": 8, "paths": [{"device": B, "offset": 0}, {"device": C, "offset": 0}]},
        {"region_size": 16, "paths": [{"device": B, "offset": 8}, {"device": C, "offset": 0}]},
    ),
    "clone": Case(
        {"metadata_device": "META", "device": "REST", "source": C, "region_size": 8, "features": ["no_hydration"]},
        {"metadata_device": "META", "device": "REST", "source": C, "region_size": 8},
        ("hydrated_regions_total",),
        (B,),
    ),
}
LENGTHS = {"writecache": 524288 // 2, "verity": 8, "snapshot-merge": 2048, "thin-pool": 65536}
SEPARATE = {"thin": "test_thin"}  # needs a pool with a message sent to it
CANNOT = {"zoned": "takes zoned disks only"}


@pytest.fixture
def modules(host: Host) -> None:
    """Target types that a module brings are there before they are asked for."""
    for module in ("dm-queue-length", "dm-round-robin"):
        subprocess.run(["modprobe", module], check=True)


def parts(host: Host, values: Target) -> Target:
    """META and REST: two parts of one disk."""
    text = {"META": f"/dev/mapper/{host.name('meta')}", "REST": f"/dev/mapper/{host.name('rest')}"}
    return {key: text.get(value, value) if isinstance(value, str) else value for key, value in values.items()}


def with_parts(host: Host, case: Case) -> None:
    if "META" in case.first.values():
        host.run(
            devices=[
                {"name": host.name("meta"), "table": [f"0 32768 linear {B} 0"]},
                {"name": host.name("rest"), "table": [f"0 65536 linear {B} 32768"]},
            ]
        )


@pytest.mark.parametrize("kind", CASES)
def test_target(host: Host, modules: None, kind: str, lacking: t.Callable[[str], None]) -> None:
    case, name, length = CASES[kind], host.name(), LENGTHS.get(kind, 65536)
    with Mapper() as mapper:
        if mapper.target_version(kind) is None:
            if kind == "clone":
                pytest.skip("no kernel of Debian 12 has target type clone; its grammar is tested without one")
            lacking(f"target type {kind}")
    with_parts(host, case)
    for number, values in enumerate((case.first, case.second)):
        if number and case.anew:
            host.run(name=name, state="absent")
        for disk in case.blank if not number or case.anew else ():
            zero(disk)
        table = [{"type": kind, "length": length + 8 * number * (not case.first), **parts(host, values)}]
        done = host.run(name=name, table=table, **case.more)
        assert done["changed"]
        for check in (True, False):
            again = host.run(check=check, name=name, table=table, **case.more)
            assert (again["changed"], again["changes"]) == (False, [])
    for key in (KEY, OTHER_KEY):
        assert key not in repr(done)
    device = host.device(name)
    assert [line["type"] for line in device["table"]] == [kind]
    assert set(case.read) <= set(device["status"][0].get("read", {})), device["status"]
    status = re.sub(r"\S+: ", "", dmsetup("status", "--noflush", name), count=1)
    assert device["status"][0]["text"].split() == status.split()[3:]
    assert host.run(name=name, state="absent")["changed"]
    assert host.device(name) is None
    assert not os.path.lexists(f"/dev/mapper/{name}")


def test_thin(host: Host) -> None:
    pool, thin, snap = (host.name(rest) for rest in ("pool", "thin", "snap"))
    zero(B)
    host.apply(
        name=pool,
        table=[
            {
                "type": "thin-pool",
                "length": 65536,
                "metadata_device": B,
                "data_device": C,
                "block_size": 128,
                "low_water_mark": 8,
            }
        ],
    )
    assert host.run(name=pool, target_message={"text": "create_thin 0"})["response"] == ""
    volume = {"type": "thin", "length": 131072, "pool": f"/dev/mapper/{pool}", "id": 0}
    host.apply(name=thin, table=[volume])
    zero(f"/dev/mapper/{thin}", 256)
    read = host.device(thin)["status"][0]["read"]
    assert read["mapped_sectors"] >= 256
    host.run(name=thin, state="suspended")
    host.run(name=pool, target_message={"text": "create_snap 1 0"})
    host.run(name=thin, state="resumed")
    host.apply(name=snap, table=[{**volume, "id": 1}])
    tree = {node["device"]: node for node in host.info(gather=["tree"])["tree"]}
    grown = {**volume, "length": 262144}
    assert host.apply(name=thin, table=[grown])["changes"] == [f"{thin}: load the table", f"{thin}: swap the table in"]
    assert host.device(thin)["status"][0]["read"]["mapped_sectors"] >= 256
    host.run(name=pool, target_message={"text": "create_thin 2"})
    assert host.apply(name=snap, table=[{**volume, "id": 2}])["changed"]
    assert host.device(snap)["status"][0]["read"]["mapped_sectors"] == 0
    assert tree[f"/dev/mapper/{snap}"]["below"][0]["device"] == f"/dev/mapper/{pool}"
    assert {low["device"] for low in tree[f"/dev/mapper/{snap}"]["below"][0]["below"]} == {B, C}
    done = host.apply(devices=[{"name": name, "state": "absent"} for name in (pool, thin, snap)])
    assert done["changes"][-1] == f"{pool}: remove"


def test_all_target_types_are_known(host: Host) -> None:
    folder = f"/lib/modules/{os.uname().release}/kernel/drivers/md"
    kinds = {"striped", "linear", "error", "zero"}
    with Mapper() as mapper:
        for file in os.listdir(folder):
            found = re.match(r"dm-([a-z-]+)\.ko", file)
            if found and mapper.target_version(found[1]) is not None:
                kinds.add(found[1])
        kinds |= set(mapper.target_versions())
    assert kinds - set(CASES) - set(SEPARATE) - set(CANNOT) == set()
    assert [kind for kind, case in CASES.items() if case.first == case.second != {}] == []  # each is changed, too
    assert kinds - set(TARGETS) - set(CANNOT) == set()
