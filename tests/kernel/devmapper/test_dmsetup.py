# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Generated tables and names: what this makes, dmsetup reads the same, and the other way round."""

from __future__ import annotations

import os
import random
import re
import subprocess
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.mapper import Mapper

from tests.kernel.devmapper.host import DISKS, Host, dmsetup

BATCH = 20  # devices that are made in one task and read by one dmsetup
SEEDS = range(5)  # 5 * 20 made here, as many by dmsetup: 200 cases
LETTERS = "abcXYZ019#+-.:=@_ \t äöüß€日本{}[]()'\"$&;*?!\\%"
LONGEST = 127

Cases = t.Dict[str, t.List[str]]  # name -> lines of the table


def number(path: str) -> str:
    dev = os.stat(path).st_rdev
    return f"{os.major(dev)}:{os.minor(dev)}"


def tables(random: random.Random) -> list[str]:
    lines, start = [], 0
    for _unused in range(random.choice((1, 1, 2, 5))):
        length = random.randint(1, 500) * 24
        places = [f"{number(random.choice(DISKS))} {random.randint(0, 999) * 8}" for _unused in range(3)]
        params = {
            "linear": places[0],
            "striped": f"3 8 {' '.join(places)}",
            "zero": "",
            "error": "",
            "delay": f"{places[0]} {random.randint(0, 3)}",
            "flakey": f"{places[0]} 5 0 {random.choice(('0', '1 drop_writes', '1 error_writes'))}",
        }
        kind = random.choice(list(params))
        lines.append(f"{start} {length} {kind} {params[kind]}".rstrip())
        start += length
    return lines


def mangled_length(name: str) -> int:
    return len(re.sub(rb"[^0-9A-Za-z#+\-.:=@_]", b"1234", name.encode()))


def names(random: random.Random, prefix: str) -> t.Iterator[str]:
    """Blanks, other scripts, everything a shell would trip over; one in five as long as can be."""
    while True:
        name = prefix + "".join(random.choice(LETTERS) for _unused in range(random.randint(1, 12)))
        if random.random() < 0.2:
            name += "x" * (LONGEST - mangled_length(name))
        if mangled_length(name) <= LONGEST and not re.search(r"\\x|\\$", name):
            yield name


def cases(host: Host, seed: int) -> Cases:
    source = random.Random(seed)
    found = names(source, host.prefix)
    out: Cases = {}
    while len(out) < BATCH:
        out.setdefault(next(found), tables(source))
    return out


def by_dmsetup(command: str, host: Host) -> dict[str, list[str]]:
    """Lines of a `dmsetup` listing, by name."""
    out: dict[str, list[str]] = {}
    for line in dmsetup(command, "--manglename", "none").splitlines():
        if line.startswith(host.prefix):
            name, _colon, rest = line.partition(": ") if command != "ls" else line.partition("\t")
            out.setdefault(name, []).append(rest.rstrip())
    return out


def mangled(name: str) -> str:
    return "".join(
        chr(one) if chr(one) in "#+-.:=@_" or chr(one).isalnum() and one < 128 else f"\\x{one:02x}"
        for one in name.encode()
    )


def agree(host: Host, made: Cases) -> None:
    told = {one["name"]: one for one in host.info(name_prefix=host.prefix)["devices"]}
    assert set(told) == set(made)
    raw = {mangled(name): name for name in made}
    fields = "name,attr,open,segments,events,uuid,major,minor,suspended,readonly"
    table, status = by_dmsetup("table", host), by_dmsetup("status", host)
    for line in dmsetup(
        "info", "-c", "--noheadings", "--manglename", "none", "--separator", "|", "-o", fields
    ).splitlines():
        if not line.startswith(host.prefix):
            continue
        words = line.rsplit("|", 9)
        one = told[raw[words[0]]]
        assert one["dev"] == f"{words[6]}:{words[7]}"
        assert (len(one["table"]), one["open_count"], one["event_nr"]) == (int(words[3]), int(words[2]), int(words[4]))
        assert mangled(one["uuid"] or "") == words[5]
        assert one["state"] == words[8].lower() and one["readonly"] == (words[9] != "Writeable")
        shown = [f"{a['start']} {a['length']} {a['type']} {a['args']}".rstrip() for a in one["table"]]
        for disk in DISKS:
            shown = [row.replace(f"{disk} ", f"{number(disk)} ") for row in shown]
        assert shown == table[words[0]], one["name"]
        said = [f"{a['start']} {a['length']} {a['type']} {a['text']}".rstrip() for a in one["status"]]
        assert said == status[words[0]]
        assert one["name"] == raw[words[0]]
    deps = by_dmsetup("deps", host)
    for name, one in told.items():
        numbers = sorted(number(path) for path in one["deps"])
        found = re.findall(r"\((\d+), (\d+)\)", deps[mangled(name)][0])
        assert numbers == sorted(f"{major}:{minor}" for major, minor in found)


@pytest.mark.parametrize("seed", SEEDS)
def test_dmsetup_reads_what_this_makes(host: Host, seed: int) -> None:
    made = cases(host, seed)
    wanted = [{"name": name, "uuid": f"uuid-{name}"[:30], "table": lines} for name, lines in made.items()]
    assert host.run(devices=wanted)["changed"]
    for check in (True, False):
        assert not host.run(check=check, devices=wanted)["changed"]
    agree(host, made)
    assert sorted(os.listdir("/dev/mapper")) == sorted(["control", *map(mangled, made)])
    assert host.run(devices=[{"name": name, "state": "absent"} for name in made])["changed"]
    assert "No devices" in dmsetup("ls")


@pytest.mark.parametrize("seed", SEEDS)
def test_this_reads_what_dmsetup_makes(host: Host, seed: int) -> None:
    made = cases(host, 1000 + seed)
    for name, lines in made.items():
        table = "\n".join(lines)
        dmsetup("create", "--noudevsync", "--manglename", "hex", name, "--table", table)
    subprocess.run(["udevadm", "settle"], check=True)  # udev has every new device open for a moment
    agree(host, made)
    wanted = [{"name": name, "table": lines} for name, lines in made.items()]
    assert not host.run(devices=wanted, mangling="hex")["changed"]
    gone = [{"name": name, "state": "absent"} for name in made]
    assert len(host.run(devices=gone, mangling="hex")["changes"]) == len(made)


def test_a_table_of_thousands_of_lines(host: Host) -> None:
    """The buffer grows with what the kernel has to say."""
    lines = [f"{n * 8} 8 linear {number(DISKS[n % 2])} {n * 8}" for n in range(4000)]
    host.run(name=host.name(), table=lines)
    assert host.table(host.name()) == lines
    assert not host.run(name=host.name(), table=lines)["changed"]


def test_one_pass_finds_each_device_as_it_is_alone(host: Host) -> None:
    """Small tables, one that is too large for the pass's buffer, one that waits, and none at all."""
    sizes = {"a": 1, "large": 100, "b": 3}
    for rest, size in sizes.items():
        host.run(name=host.name(rest), table=[f"{n * 8} 8 linear {number(DISKS[0])} {n * 8}" for n in range(size)])
    names = [host.name(rest) for rest in (*sizes, "waiting", "gone")]
    dmsetup("create", "--notable", names[3])
    dmsetup("load", names[3], "--table", "0 8 error")
    with Mapper() as mapper:
        assert mapper.tables(names) == [mapper.table(name) for name in names]
        assert [found and len(found[1]) for found in mapper.tables(names)] == [1, 100, 3, 0, None]
    assert [len(device["table"]) for device in host.info(name=names)["devices"]] == [1, 100, 3, 0]
    assert host.device(names[3])["waiting"][0]["type"] == "error"
