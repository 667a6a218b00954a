# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual functions, planned against the message of a NIC that has two, laid out as linux/if_link.h has it."""

from __future__ import annotations

import struct

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.attribute import attribute
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.wanted import WrongLink
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link

from tests.unit.netlink.links.host import Kernel, planned

NESTED = 0x8000


def vf_info(vf, mac, vlan=0, qos=0, rates=(0, 0), spoofchk=1, state=0, trust=0):
    """IFLA_VF_INFO: struct ifla_vf_mac, _vlan, _rate, _tx_rate, _spoofchk, _link_state, _rss_query_en, _trust."""
    return attribute(
        1 | NESTED,
        b"".join(
            [
                attribute(1, struct.pack("=I32s", vf, bytes.fromhex(mac.replace(":", "")))),
                attribute(2, struct.pack("=III", vf, vlan, qos)),
                attribute(6, struct.pack("=III", vf, *rates)),
                attribute(3, struct.pack("=II", vf, rates[1])),
                attribute(4, struct.pack("=II", vf, spoofchk)),
                attribute(5, struct.pack("=II", vf, state)),
                attribute(7, struct.pack("=II", vf, 0)),
                attribute(9, struct.pack("=II", vf, trust)),
            ]
        ),
    )


def nic():
    """A physical NIC as the kernel tells of it, decoded."""
    body = struct.pack("=BxHiII", 0, 1, 7, 0x1003, 0) + b"".join(
        [
            attribute(3, b"ens1\0"),
            attribute(4, struct.pack("=I", 1500)),
            attribute(1, bytes.fromhex("3cfdfe000001")),
            attribute(21, struct.pack("=I", 2)),
            attribute(
                22 | NESTED, vf_info(0, "02:00:00:00:00:aa") + vf_info(1, "02:00:00:00:00:bb", 100, 3, (10, 1000))
            ),
        ]
    )
    return link.decode(body, 0, len(body))


class Place:
    def index(self, name):
        return 7


def settings(change, direction="do"):
    """The IFLA_VFINFO_LIST that a change sends, decoded again."""
    [request] = getattr(change, direction).build(Place())
    assert request.operation == "RTM_SETLINK ens1"
    return link.decode(request.body, 0, len(request.body))["vfinfo_list"]


def changes(*vfs):
    plan = planned(Kernel([nic()]), {"name": "ens1", "vfs": list(vfs)})
    return plan.changes


def test_what_is_right_already_is_left():
    assert changes({"vf": 0, "address": "02-00-00-00-00-AA", "vlan": 0, "spoofchk": True, "state": "auto"}) == []
    assert changes({"vf": 1, "vlan": 100, "qos": 3, "min_tx_rate": 10, "max_tx_rate": 1000, "trust": False}) == []


def test_every_setting_and_its_way_back():
    [change] = changes(
        {
            "vf": 1,
            "address": "02:00:00:00:00:cc",
            "vlan": 200,
            "max_tx_rate": 500,
            "spoofchk": False,
            "trust": True,
            "state": "disable",
        }
    )
    assert settings(change) == [
        {
            "vf": 1,
            "mac": "02:00:00:00:00:cc",
            "vlan_list": [{"vlan": 200, "qos": 3}],  # the kernel takes VLAN and priority, and both rates, together
            "rate": {"max_tx": 500, "min_tx": 10},
            "spoofchk": False,
            "trust": True,
            "link_state": "disable",
        }
    ]
    assert settings(change, "undo") == [
        {
            "vf": 1,
            "mac": "02:00:00:00:00:bb",
            "vlan_list": [{"vlan": 100, "qos": 3}],
            "rate": {"max_tx": 1000, "min_tx": 10},
            "spoofchk": True,
            "trust": False,
            "link_state": "auto",
        }
    ]
    assert change.partly
    assert "vf 1: " in change.how
    assert "vlan 100 -> 200" in change.how
    assert change.before.startswith("ens1  up  vf 1 address=02:00:00:00:00:bb,vlan=100,")
    assert "vlan=200" in change.after


def test_a_vlan_is_taken_away():
    [change] = changes({"vf": 1, "vlan": 0, "qos": 0})
    assert settings(change) == [{"vf": 1}]


def test_each_function_is_a_change():
    assert [change.how.split(":")[0] for change in changes({"vf": 0, "trust": True}, {"vf": 1, "trust": True})] == [
        "vf 0",
        "vf 1",
    ]


@pytest.mark.parametrize(
    ("vf", "words"),
    [
        ({"vf": 2, "trust": True}, r"vfs\[0\]: ens1 has no virtual function 2; it has 2 of them"),
        ({"vf": 0, "vlan": 4095}, r"vfs\[0\].vlan: takes 0 to 4094, not 4095"),
        ({"vf": 0, "vlan": -1}, r"vfs\[0\].vlan: takes 0 to 4094, not -1"),
        ({"vf": 0, "qos": 8}, r"vfs\[0\].qos: takes 0 to 7, not 8"),
        ({"vf": 0, "max_tx_rate": 1 << 32}, r"vfs\[0\].max_tx_rate: takes 0 to 4294967295"),
        ({"vf": 0, "address": "xx"}, r"vfs\[0\].address: takes six bytes in hexadecimal"),
    ],
)
def test_settings_out_of_range(vf, words):
    with pytest.raises(WrongLink, match=rf"^links\[0\].{words}"):
        changes(vf)


def test_a_link_without_functions():
    with pytest.raises(WrongLink, match=r"d0 has no virtual function 0; it has none"):
        planned(Kernel([{**nic(), "ifname": "d0", "vfinfo_list": []}]), {"name": "d0", "vfs": [{"vf": 0}]})
