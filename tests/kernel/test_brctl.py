# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lago's brctl, on the kernel."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import brctl
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link

UP = 1


def bridges(rtnl):
    found = {one["ifname"]: one for one in rtnl.dump(link.dump(), link.decode)}
    return {
        name: (one["linkinfo"]["info_data"]["stp_state"], bool(one["flags"] & UP))
        for name, one in found.items()
        if name != "lo"
    }


def test_bridges_come_and_go(netns, rtnl):
    assert not brctl.exists("br0", netns)
    brctl.create("br0", netns=netns)
    brctl.create("br1", False, netns)
    assert bridges(rtnl) == {"br0": (True, True), "br1": (False, True)}
    assert brctl.exists("br0", netns)
    brctl._set_link("br1", "down", netns)
    assert bridges(rtnl)["br1"] == (False, False)
    brctl.destroy("br0", netns)
    assert list(bridges(rtnl)) == ["br1"]


def test_what_there_is_already_and_what_is_no_bridge(netns):
    brctl.create("br0", netns=netns)
    with pytest.raises(NetlinkError, match="br0.*File exists") as caught:
        brctl.create("br0", netns=netns)
    assert caught.value.errno == errno.EEXIST
    assert not brctl.exists("lo", netns)
    for name in ("lo", "missing"):
        with pytest.raises(NetlinkError, match=f"removing the bridge {name}: No such device"):
            brctl.destroy(name, netns)
    with pytest.raises(NetlinkError, match="setting the link missing up: No such device"):
        brctl._set_link("missing", "up", netns)
