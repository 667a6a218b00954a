# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bridge keeps of a port and forgets as the port leaves: its VLANs, and the forwarding entries somebody set."""

from __future__ import annotations

import typing as t

from ..message import Request
from ..rtnl import bridge_vlan, fdb
from .found import Link, kind_of
from .host import Host


class Bridged(t.NamedTuple):
    """`own`: of a bridge itself, not of a port. `given`: the VLAN that the kernel gives to a new one, 0 for none."""

    own: bool
    given: int
    vlans: t.Sequence[t.Dict[str, t.Any]]
    entries: t.Sequence[t.Dict[str, t.Any]]

    def requests(self, index: int) -> list[Request]:
        """An entry without a VLAN is made for each VLAN of the port besides, and so comes while there is none."""
        bare = [one for one in self.entries if not one.get("vlan")]
        tagged = [one for one in self.entries if one.get("vlan")]
        found = [bridge_vlan.delete(index, [{"vlan": self.given}], self.own)] if self.given else []
        found += [fdb.replace(index, one) for one in bare]
        if self.vlans:
            found.append(bridge_vlan.add(index, self.vlans, self.own))
        return found + [fdb.replace(index, one) for one in tagged]


NOTHING = Bridged(False, 0, (), ())


def observe(host: Host, found: Link) -> Bridged:
    """Of a bridge or a port of one; nothing of any other link."""
    own, port = kind_of(found) == "bridge", (found.get("linkinfo") or {}).get("info_slave_kind") == "bridge"
    if not own and not port:
        return NOTHING
    bridge = found if own else host.by_index(found["master"]) or {}
    data = (bridge.get("linkinfo") or {}).get("info_data") or {}
    given = data.get("vlan_default_pvid") or 0 if host.knows_vlans() else 0
    return Bridged(own, given, host.vlans_of(found["ifindex"]), [] if own else _entries(host, found))


def _entries(host: Host, found: Link) -> list[dict[str, t.Any]]:
    """But for the port's own address, which the bridge keeps by itself, and what is of a VLAN that it has no more."""
    vlans = host.vlans_of(found["ifindex"])

    def lives(entry: t.Mapping[str, t.Any]) -> bool:
        vlan = entry.get("vlan", 0)
        return not vlan or any(one["vlan"] <= vlan <= one.get("vlanEnd", one["vlan"]) for one in vlans)

    return [
        {**one, "flags": [flag for flag in one["flags"] if flag != "self"]}
        for one in host.entries_of(found["master"])
        if one["index"] == found["ifindex"] and one["mac"] != found.get("address") and lives(one)
    ]
