# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is planned for a lab that is to become another, and in which order: no host is asked for it."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import converge, identity, lab, paths, wanted
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.addressing import Subnets
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.documents.domain import Machine
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import InitFileError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.initfile.names import subnet

UUID = "8a6c30a4a5f04b7e9a6d3c7b2f0e1d2c"
CONF = {
    "domains": {
        name: {
            "memory": 512,
            "nics": [{"net": "mgmt"}, {"net": "data"}],
            "disks": [{"type": "template", "template_name": "debian"}, {"name": "more", "type": "empty", "size": "1G"}],
        }
        for name in ("one", "two")
    },
    "nets": {"mgmt": {"management": True, "dhcp": {"start": 10, "end": 20}}, "data": {"type": "bridge"}},
}


def made(conf: t.Any, known: lab.Mappings | None = None) -> lab.Lab:
    spec = lab.specified(conf, {}, known)
    addresses = lab.addressed(spec, {"mgmt": Subnets(subnet("", "192.168.200.0/24"))})
    machine = Machine("qemu", "x86_64", "pc")
    return lab.Lab(UUID, paths.Paths("/lab"), conf, {}, spec, addresses, machine, "ssh-rsa AAAA lab")


def things(one: lab.Lab, up: t.Container[str] = ("one", "two", "three")) -> wanted.Things:
    return {**wanted.files(one), **wanted.running(one, up)}


def changed(**by_path: t.Any) -> t.Any:
    """CONF with other values, at places such as domains__one__memory."""
    conf = copy.deepcopy(CONF)
    for path, value in by_path.items():
        *way, last = path.split("__")
        place: t.Any = conf
        for key in way:
            place = place[int(key) if isinstance(place, list) else key]
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    return conf


def steps(conf: t.Any) -> list[str]:
    """From CONF."""
    old = made(CONF)
    new = made(conf, {name: one.mapping for name, one in old.addresses.items()})
    return [f"{one.what}: {one.how}" for one in converge.changes(things(old), things(new), old, new)]


def test_a_new_lab_is_made_from_the_bottom_up() -> None:
    new = made(CONF)
    found = converge.changes({}, things(new), None, new)
    assert [one.do.kind for one in found] == [
        "template",
        *["disk", "disk", "seed"] * 2,
        *["network"] * 2,
        *["domain"] * 2,
    ]
    assert [one.wave for one in found] == sorted(one.wave for one in found)
    assert {one.undo.verb for one in found} == {"remove"}
    assert all(one.partly for one in found)


def test_a_lab_that_goes_is_removed_from_the_top() -> None:
    old = made(CONF)
    found = converge.changes(things(old), {}, old, None)
    assert [one.do.kind for one in found][:4] == ["domain", "domain", "network", "network"]
    assert found[-1].do.kind == "template"
    assert [one.what for one in found if one.undo is None] == [
        "disk one/root",
        "disk one/more",
        "disk two/root",
        "disk two/more",
    ]


def test_nothing_is_planned_for_what_is_as_it_should_be() -> None:
    assert steps(CONF) == []
    assert steps(changed(domains__one__groups=["web"], domains__one__metadata={"any": "thing"})) == []


@pytest.mark.parametrize(
    ("change", "planned"),
    [
        ({"domains__one__memory": 600}, ["domain one: stop", "domain one: start again"]),
        ({"domains__one__vcpu": 4}, ["domain one: stop", "domain one: start again"]),
        ({"domains__one__accel": "kvm"}, ["domain one: stop", "domain one: start again"]),
        ({"domains__one__disks__1__size": "2G"}, ["disk one/more: change size"]),
        (
            {"domains__one__disks__1__size": "1M"},
            [
                "domain one: stop",
                "disk one/more: remove",
                "disk one/more: make again",
                "domain one: start again",
            ],
        ),
        (
            {"domains__one__disks__1": {"name": "other", "type": "empty", "size": "1G"}},
            ["disk one/other: make", "domain one: change disks more other", "disk one/more: remove"],
        ),
        (
            {"domains__one__disks__1": {"name": "more", "type": "empty", "size": "1G", "dev": "hdb"}},
            ["domain one: stop", "domain one: start again"],
        ),
        ({"nets__data__mtu": 9000}, None),
        ({"nets__mgmt__dns_records": {"www": "192.168.200.9"}}, ["network mgmt: change names 192.168.200.9"]),
    ],
)
def test_a_change(change: dict, planned: list[str] | None) -> None:
    found = steps(changed(**change))
    if planned is None:  # all who are in the network start again with it, and are told of it
        assert [one for one in found if "seed" not in one] == [
            *("domain one: stop", "domain two: stop", "network data: stop"),
            *("network data: start again", "domain one: start again", "domain two: start again"),
        ]
    else:
        assert found == planned


def test_who_comes_is_told_to_those_who_are_there_without_a_break() -> None:
    found = steps(changed(domains__three=CONF["domains"]["two"]))
    mac = identity.mac(UUID, "three", 0)
    assert f"network mgmt: change hosts {mac}, names 192.168.200.4" in found
    assert [one for one in found if "domain" in one] == ["domain three: start"]


def test_addresses_stay_when_others_go_and_when_they_are_asked_for() -> None:
    old = made(changed(domains__three=CONF["domains"]["two"]))
    less = changed(domains__three=copy.deepcopy(CONF["domains"]["two"]))
    del less["domains"]["one"]
    known = {name: one.mapping for name, one in old.addresses.items()}
    assert made(less, known).addresses["mgmt"].mapping["three"] == old.addresses["mgmt"].mapping["three"]
    asked = copy.deepcopy(less)
    asked["domains"]["two"]["nics"][0]["ip"] = old.addresses["mgmt"].mapping["three"]
    found = made(asked, known).addresses["mgmt"].mapping
    assert found["two"] == old.addresses["mgmt"].mapping["three"] != found["three"]


def test_a_network_that_is_gone_takes_its_vms_along() -> None:
    """As after somebody destroyed it: their links lead nowhere."""
    old = made(CONF)
    have = things(old)
    del have["network", "data"]
    found = [f"{one.what}: {one.how}" for one in converge.changes(have, things(old), old, old)]
    assert found == [
        *("domain one: stop", "domain two: stop"),
        *("network data: start", "domain one: start again", "domain two: start again"),
    ]


def test_what_was_not_changed_to_its_end_is_changed_again() -> None:
    old = made(CONF)
    have = things(old)
    have["domain", "one"]["redo"] = True
    assert [one.do.verb for one in converge.changes(have, things(old), old, old)] == ["change"]


def test_two_disks_never_have_one_file() -> None:
    conf = {
        "domains": {
            "a_b": {"nics": [{"net": "m"}], "disks": [{"name": "c", "type": "empty", "size": "1M"}]},
            "a": {"nics": [{"net": "m"}], "disks": [{"name": "b_c", "type": "empty", "size": "1M"}]},
        },
        "nets": {"m": {}},
    }
    spec = lab.specified(conf, {})
    one = made(CONF)._replace(spec=spec, addresses=lab.addressed(spec, {"m": Subnets(subnet("", "10.0.0.0/24"))}))
    with pytest.raises(InitFileError, match=r"domains\.a\.disks\[0\]\.name: its file is that of a_b/c too"):
        wanted.files(one)


def test_what_its_line_does_not_say_is_seen_in_the_diff_too() -> None:
    old, new = made(CONF), made(changed(nets__data__mtu=1400, domains__two__nics=[{"net": "mgmt"}]))
    found = {change.what: change for change in converge.changes(things(old), things(new), old, new)}
    told = {what: change.after.replace(change.before, "..") for what, change in found.items()}
    assert told["domain one"] == "..  started again"
    assert told["seed one"] == told["seed two"] == "..  changed"
    assert "again" not in told["domain two"] + told["network data"]


def test_lines_say_what_the_file_says_and_no_secrets() -> None:
    one = made(changed(**{"domains__one__root-password": "hidden"}))
    lines = [wanted.line(key, detail) for key, detail in things(one).items()]
    assert "disk one/root  template  debian  qcow2" in lines
    assert "domain one  tcg x86_64 pc  memory 512  vcpu 2  eth0 mgmt  eth1 data  vda root  vdb more  sdz seed" in lines
    assert "hidden" not in "".join(lines)
