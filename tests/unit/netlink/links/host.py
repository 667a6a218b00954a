# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of dictionaries, in the place of a kernel: what the planner reads of it, and no way to change it."""

from __future__ import annotations

import errno

from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links import spec
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.host import Hosts
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.planner import plan
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.wanted import parse_all
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import address, link, route


def a_link(index, name, kind="dummy", **more):
    """A link as it is decoded."""
    info = {"linkinfo": {"info_kind": kind}} if kind else {}
    basics = {"ifindex": index, "ifname": name, "flags": 0, "type": 1, "family": 0, "mtu": 1500}
    return {**basics, "address": f"02:00:00:00:{index >> 8:02x}:{index & 255:02x}", **info, **more}


class Kernel:
    """Answers dumps and questions; counts them."""

    def __init__(self, links=(), addresses=(), routes=()):
        self.tables = {link.decode: list(links), address.decode: list(addresses), route.decode: list(routes)}
        self.asked = 0

    def socket(self, netns):
        return self

    def dump(self, request, decode):
        self.asked += 1
        return list(self.tables[decode])

    def ask(self, request, decode=None):
        self.asked += 1
        words = request.operation.split()[1]
        found = [one for one in self.tables[link.decode] if words in (one["ifname"], str(one["ifindex"]))]
        if not found:
            raise NetlinkError(errno.ENODEV, request.operation)
        return found


def filled(given):
    """Parameters of a link as Ansible hands them over."""
    out = {name: given.get(name, about.get("default")) for name, about in spec.LINK.items()}
    for item in out["vfs"] or ():
        for name in spec.VF:
            item.setdefault(name, None)
    return out


def planned(kernel, *links):
    return plan(Hosts(kernel), parse_all([filled(one) for one in links], None), kernel)
