# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand links in one task: sent in batches, taken back as a whole."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import channel
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.kernel import iproute2
from tests.kernel.links import Bench

MANY = 1000


@pytest.fixture
def bench(netns):
    found = Bench(netns)
    found.ip("ip link add v0 type veth peer name v1", "ip link set v0 up")
    return found


@pytest.fixture
def conversations(monkeypatch):
    """The sizes of the batches that were sent."""
    sizes = []
    real = channel.NetlinkSocket._converse

    def counting(self, batch):
        sizes.append(len(batch.requests))
        return real(self, batch)

    monkeypatch.setattr(channel.NetlinkSocket, "_converse", counting)
    return sizes


def links(**more):
    return [
        {
            "name": f"m{number}",
            "kind": "macvlan",
            "link": "v0",
            "state": "up",
            "addresses": [f"10.{number >> 8}.{number & 255}.1/24"],
            **more,
        }
        for number in range(MANY)
    ]


def test_a_thousand_links_in_one_task(bench, conversations):
    done = bench.run(*links())
    assert len(done["changes"]) == 3 * MANY
    assert len(done["links"]) == MANY
    # Requests, and a question each for the first names of a wave: no round trip for each link.
    assert sum(conversations) < 4 * MANY
    assert len(conversations) < 200
    seen = iproute2.shown(bench.netns, "ip addr")
    ours = {one["ifname"]: one for one in seen if one["ifname"].startswith("m")}
    assert len(ours) == MANY
    assert all("UP" in one["flags"] for one in ours.values())
    assert ours["m999"]["addr_info"][0]["local"] == "10.3.231.1"

    del conversations[:]
    assert bench.run(*links())["changes"] == []
    assert conversations == []  # two dumps tell everything

    before = bench.picture()
    changed = links(mtu=1400, alias="x")
    changed[-1]["mtu"] = 99999999
    with pytest.raises(
        ChangeFailed, match=rf"^links\[{MANY - 1}\]: m999 in .*: mtu 1500 -> 99999999: .* and \d+ more$"
    ):
        bench.run(*changed)
    assert bench.picture() == before


def test_many_links_go_in_one_task(bench):
    some = links()[:30]
    bench.run(*some)
    done = bench.predicted(*({"name": one["name"], "state": "absent"} for one in some))
    assert len(done["changes"]) == 30
    assert bench.names() == {"v0", "v1"}
