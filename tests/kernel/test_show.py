# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What netlink_info reads on the real kernel, beside what `ip -j` and `bridge -j` print of the same things."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds import registry
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.show_read import gather

from tests.kernel import iproute2

# Shown beyond what ip prints, by netlink_info's documentation.
BEYOND = {"carrier", "num_vf"}
# They pass while one looks.
TIMERS = {"hello_timer", "tcn_timer", "topology_change_timer", "gc_timer", "hold_timer", "message_age_timer"}
TIMERS |= {"forward_delay_timer"}
UIDS = {"user", "group"}

BASE = (
    "ip link add v0 type veth peer name v1",
    "ip link set v0 up",
    "ip link add br0 type bridge stp_state 1 forward_delay 400",
    "ip link set v1 master br0",
    "ip link set v1 alias uplink",
    "ip link property add dev v1 altname a-rather-long-alternative-name",
    "ip link set br0 up",
)
KINDS = {
    "bond": ("ip link add x0 type bond mode 802.3ad miimon 100", "ip link set v0 down", "ip link set v0 master x0"),
    "dummy": ("ip link add x0 type dummy",),
    "geneve": ("ip link add x0 type geneve id 7 remote 192.0.2.1",),
    "gre": ("ip link add x0 type gre local 192.0.2.1 remote 192.0.2.2 key 7",),
    "gretap": ("ip link add x0 type gretap local 192.0.2.1 remote 192.0.2.2 dev v0",),
    "ifb": ("ip link add x0 type ifb",),
    "ip6gre": ("ip link add x0 type ip6gre local fd00::1 remote fd00::2",),
    "ipip": ("ip link add x0 type ipip local 192.0.2.1 remote 192.0.2.2",),
    "ipvlan": ("ip link add x0 link v0 type ipvlan mode l2",),
    "macvlan": ("ip link add x0 link v0 type macvlan mode private",),
    "macvtap": ("ip link add x0 link v0 type macvtap mode bridge",),
    "sit": ("ip link add x0 type sit local 192.0.2.1 remote 192.0.2.2",),
    "tun": ("ip tuntap add x0 mode tun user 12345", "ip link set x0 up"),
    "vlan": ("ip link add x0 link v0 type vlan id 20 egress-qos-map 2:5",),
    "vrf": ("ip link add x0 type vrf table 77", "ip link set v0 master x0"),
    "vxlan": ("ip link add x0 type vxlan id 7 dstport 4789 dev v0 group 239.1.1.1",),
    "wireguard": ("ip link add x0 type wireguard",),
}


def read(rtnl, what, **filters):
    return gather(rtnl, [what], filters)[what]


def by_name(links):
    return {link["ifname"]: link for link in links}


def alike(link, theirs):
    """A link without what ip cannot print alike: passing time, and options newer than that ip."""
    kept = {key: value for key, value in link.items() if key not in BEYOND}
    if kept.get("linkinfo", {}).get("info_kind") not in registry.LOADERS:  # of erspan only the kind is known
        theirs.get("linkinfo", {}).pop("info_data", None)
    if theirs.get("linkinfo", {}).get("info_data", {}).get("arp_validate", "") is None:  # so ip shows "none"
        theirs["linkinfo"]["info_data"]["arp_validate"] = "none"
    for part in ("info_data", "info_slave_data"):
        options = kept.get("linkinfo", {}).get(part)
        if options is not None:
            known = theirs.get("linkinfo", {}).get(part, {})
            kept["linkinfo"] = {**kept["linkinfo"], part: {key: options[key] for key in set(options) & set(known)}}
    return kept


def without_timers(link):
    info = dict(link.get("linkinfo", {}))
    for part in ("info_data", "info_slave_data"):
        if part in info:
            info[part] = {key: value for key, value in info[part].items() if key not in TIMERS | UIDS}
    return {**link, "linkinfo": info} if info else link


def beside(ours, theirs):
    """What both see at the same time: carriers, and addresses and routes with them, come and go for a while."""
    after = theirs()
    for _unused in range(50):
        before, mine = after, ours()
        after = theirs()
        if before == after:
            return mine, after
    raise AssertionError("things never came to rest")


def links_beside(netns, rtnl):
    """Links by name, ours and those of ip, without what passes with time."""

    def theirs():
        return {name: without_timers(link) for name, link in by_name(iproute2.shown(netns, "ip -d link")).items()}

    return beside(lambda: by_name(read(rtnl, "links")), theirs)


def assert_links_alike(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, link in ours.items():
        assert without_timers(alike(link, theirs[name])) == theirs[name]


def test_links(netns, rtnl, make_netns):
    iproute2.run(netns, *BASE, f"ip link add far type veth peer name there netns {make_netns()}")
    iproute2.run(netns, "ip link set v0 group 7", "ip link set far promisc on", "ip link set v0 down")
    ours, theirs = links_beside(netns, rtnl)
    assert_links_alike(ours, theirs)
    assert ours["v1"]["master"] == "br0"
    assert ours["v1"]["flags"][-1] == "M-DOWN"
    assert ours["far"]["link_index"] > 0 and "link" not in ours["far"]


@pytest.mark.parametrize("kind", KINDS)
def test_links_of_a_kind(netns, rtnl, kind, lacking):
    iproute2.run(netns, *BASE)
    try:
        iproute2.run(netns, *KINDS[kind])
    except subprocess.CalledProcessError as error:
        if "Unknown device type" not in error.stderr:
            raise
        lacking(f"link of kind {kind}")
    ours, theirs = links_beside(netns, rtnl)
    assert ours["x0"]["linkinfo"]["info_kind"] == kind
    assert_links_alike(ours, theirs)


def test_users_of_a_tun_stay_numbers(netns, rtnl):
    iproute2.run(netns, "ip tuntap add x0 mode tap user 12345")
    assert read(rtnl, "links", link="x0")[0]["linkinfo"]["info_data"]["user"] == 12345


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"link": "v1"}, {"v1"}),
        ({"link": "a-rather-long-alternative-name"}, {"v1"}),
        ({"link": "v1", "kind": "veth", "master": "br0"}, {"v1"}),
        ({"link": "v1", "kind": "bridge"}, set()),
        ({"link": "v0", "master": "br0"}, set()),
        ({"kind": "bridge"}, {"br0"}),
        ({"kind": "no-such-kind"}, set()),
        ({"master": "br0"}, {"v1"}),
        ({"master": "br0", "kind": "bridge"}, set()),
        ({"link": "none"}, set()),
        ({"master": "none"}, set()),
    ],
    ids=str,
)
def test_links_that_fit(netns, rtnl, filters, expected):
    iproute2.run(netns, *BASE)
    _unused, whole = links_beside(netns, rtnl)
    found = by_name(read(rtnl, "links", **filters))
    assert found.keys() == expected
    for name, link in found.items():  # names and M-DOWN come out right without the other links in the dump
        assert without_timers(alike(link, whole[name])) == whole[name]


def test_more_neighbours_than_are_asked_for_one_by_one(netns, rtnl):
    lines = [f"ip link add w{n} type veth peer name x{n}" for n in range(40)]
    iproute2.run(netns, "ip link add br0 type bridge", *lines, *(f"ip link set w{n} master br0" for n in range(40)))
    found = read(rtnl, "links", master="br0")
    assert {(link["ifname"], link["link"]) for link in found} == {(f"w{n}", f"x{n}") for n in range(40)}


def test_addresses(netns, rtnl):
    iproute2.run(
        netns,
        *BASE,
        "ip addr add 192.0.2.1/24 brd + dev br0 label br0:x",
        "ip addr add 192.0.2.2/24 dev br0",
        "ip addr add 198.51.100.1 peer 198.51.100.2/32 dev v0 valid_lft 1000 preferred_lft 500",
        "ip addr add fd00::1/64 dev br0 nodad noprefixroute",
    )
    found, theirs = beside(lambda: read(rtnl, "addresses"), lambda: iproute2.shown(netns, "ip addr"))
    theirs = {link["ifname"]: link["addr_info"] for link in theirs if link["addr_info"]}
    ours = {link["ifname"]: link["addr_info"] for link in found}
    assert rounded(ours) == rounded(theirs)
    assert all(set(link) == {"ifindex", "ifname", "addr_info"} for link in found)

    one = read(rtnl, "addresses", link="br0", family="inet6")
    assert [link["ifname"] for link in one] == ["br0"]
    assert "fd00::1" in [address["local"] for address in one[0]["addr_info"]]
    assert {address["family"] for address in one[0]["addr_info"]} == {"inet6"}


def without(entry, *keys):
    return {key: value for key, value in entry.items() if key not in keys}


def rounded(links):
    """Lifetimes may be read a second apart."""
    for address in (address for addresses in links.values() for address in addresses):
        address.pop("protocol", None)
        for key in ("valid_life_time", "preferred_life_time"):
            address[key] = (address[key] + 50) // 100
    return links


ROUTES = (
    "ip addr add 10.0.0.1/24 dev v0",
    "ip addr add fd00::1/64 dev v0 nodad",
    "ip route add 10.1.0.0/16 via 10.0.0.2 mtu 1400 advmss 1300",
    "ip route add default via 10.0.0.3 metric 50 proto static",
    "ip route add 10.2.0.0/16 nexthop via 10.0.0.2 weight 2 nexthop via 10.0.0.3",
    "ip route add blackhole 10.3.0.0/16 table 77",
    "ip route add 10.4.0.0/16 via inet6 fd00::5 dev v0 onlink",
    "ip route add 10.5.0.0/16 tos 0x10 dev v0 src 10.0.0.1 realms 4/5",
    "ip -6 route add fd01::/64 via fd00::9 pref high",
    "ip -6 route add fd02::/64 nexthop via fd00::8 nexthop via fd00::9",
    "ip nexthop add id 7 via 10.0.0.9 dev v0",
    "ip route add 10.6.0.0/16 nhid 7",
)


def ordered(entries, *extra):
    """As a set, without keys that only one side has."""
    return sorted((sorted(without(one, *extra).items(), key=str) for one in entries), key=str)


def test_routes(netns, rtnl):
    iproute2.run(netns, *BASE[:2], "ip link set v1 up", *ROUTES)
    ours, theirs = beside(lambda: read(rtnl, "routes"), lambda: iproute2.shown(netns, "ip -d route show table all"))
    assert ordered(ours, "family") == ordered(theirs, "nh_info")
    assert [route["dst"] for route in read(rtnl, "routes", table="77")] == ["10.3.0.0/16"]
    assert [route["dst"] for route in read(rtnl, "routes", table="main", protocol="static")] == ["default"]
    assert {route["family"] for route in read(rtnl, "routes", family="inet6", table="main")} == {"inet6"}
    assert {route["dev"] for route in read(rtnl, "routes", link="v1")} == {"v1"}
    assert read(rtnl, "routes", table="4711", family="inet") == []


def test_very_many_routes(netns, rtnl):
    """More than are worth a look at the links that they name."""
    iproute2.run(netns, *BASE[:2], "ip link set v1 up", "ip addr add 10.0.0.1/24 dev v0")
    lines = "".join(f"route add 10.{1 + n // 250}.{n % 250}.0/24 via 10.0.0.2\n" for n in range(1200))
    subprocess.run(["ip", "-n", netns, "-batch", "-"], input=lines, text=True, check=True)
    found = read(rtnl, "routes", table="main", family="inet")
    assert len(found) == 1201
    assert {route["dev"] for route in found} == {"v0"}


def test_rules(netns, rtnl):
    iproute2.run(
        netns,
        "ip rule add from 10.0.0.0/8 table 77 prio 100",
        "ip rule add not iif v0 fwmark 0x5/0xff table 88 prio 200",
        "ip rule add to 10.9.9.0/24 dport 22-80 blackhole",
        "ip rule add tos 0x10 suppress_prefixlength 0 table main prio 300",
        "ip -6 rule add from fd00::/64 goto 400 prio 50",
    )
    theirs = [*iproute2.shown(netns, "ip -d rule"), *iproute2.shown(netns, "ip -6 -d rule")]
    assert ordered(read(rtnl, "rules"), "family") == ordered(map(iproute2.without_nulls, theirs))
    assert {rule["family"] for rule in read(rtnl, "rules", family="inet6")} == {"inet6"}


NEIGHBOURS = (
    "ip link set v1 up",
    "ip addr add 10.0.0.1/24 dev v0",
    "ip neigh add 10.0.0.2 lladdr 02:00:00:00:00:01 dev v0 nud permanent",
    "ip neigh add 10.0.0.3 lladdr 02:00:00:00:00:02 dev v1 nud stale",
    "ip neigh add fd00::2 lladdr 02:00:00:00:00:02 dev v0 nud permanent router",
)


def test_neighbours(netns, rtnl):
    iproute2.run(netns, *BASE, *NEIGHBOURS)
    ours, theirs = beside(lambda: read(rtnl, "neighbours"), lambda: iproute2.shown(netns, "ip neigh"))
    assert ordered(ours, "family", "master") == ordered(map(iproute2.without_nulls, theirs))
    assert [one["dst"] for one in read(rtnl, "neighbours", link="v1", family="inet")] == ["10.0.0.3"]
    assert [one["dst"] for one in read(rtnl, "neighbours", master="br0")] == ["10.0.0.3"]


def test_forwarding_entries(netns, rtnl):
    iproute2.run(
        netns,
        *BASE,
        "bridge fdb add 02:00:00:00:00:09 dev v1 master static",
        "ip link add x0 type vxlan id 7 dstport 4789",
        "bridge fdb append 02:00:00:00:00:0a dev x0 dst 192.0.2.9 port 4790 vni 8 via v0",
    )
    ours, theirs = beside(lambda: read(rtnl, "fdb"), lambda: iproute2.shown(netns, "bridge fdb"))
    assert ordered(ours) == ordered(theirs)
    of_port = read(rtnl, "fdb", link="v1")
    assert of_port and {entry["ifname"] for entry in of_port} == {"v1"}
    of_bridge = iproute2.shown(netns, "bridge fdb show br br0")
    assert ordered(read(rtnl, "fdb", master="br0")) == ordered(of_bridge)


def test_vlans(netns, rtnl, lacking):
    iproute2.run(netns, *BASE)
    try:
        iproute2.run(netns, "ip link set br0 type bridge vlan_filtering 1")
    except subprocess.CalledProcessError:
        lacking("VLAN filtering of bridges")
    iproute2.run(netns, "bridge vlan add vid 10-20 dev v1", "bridge vlan add vid 30 dev v1 pvid untagged")
    theirs = iproute2.shown(netns, "bridge -compressvlans vlan")
    for vlan in (vlan for port in theirs for vlan in port["vlans"]):
        if not vlan.get("flags", True):  # some versions print an empty list, for ranges alone
            del vlan["flags"]
    assert ordered(read(rtnl, "vlans"), "master") == ordered(theirs)
    assert [port["ifname"] for port in read(rtnl, "vlans", link="v1")] == ["v1"]
    assert {port["master"] for port in read(rtnl, "vlans", master="br0")} == {"br0"}
