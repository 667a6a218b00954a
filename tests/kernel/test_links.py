# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links found, named, moved, joined and set up: what a task of netlink_link says becomes true, and only that."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.wanted import WrongLink
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.kernel import iproute2
from tests.kernel.links import KERNEL, Bench


@pytest.fixture
def bench(netns):
    found = Bench(netns)
    found.ip(
        "ip link add v0 type veth peer name v1",
        "ip link add v2 type veth peer name v3",
        *(f"ip link set {name} up" for name in ("v0", "v1", "v2", "v3")),
    )
    return found


def index(bench: Bench, name: str) -> int:
    return bench.shown(name)["ifindex"]


def mac(bench: Bench, name: str) -> str:
    return bench.shown(name)["address"]


# Selection


def test_a_link_is_found_by_any_of_its_marks(bench):
    bench.run(name="v0", altnames=["front-of-house-0"])
    for select in (
        {"name": "v0"},
        {"altname": "front-of-house-0"},
        {"ifindex": index(bench, "v0")},
        {"address": mac(bench, "v0").upper()},
    ):
        done = bench.run(select=select, alias=repr(select))
        assert done["link"]["ifname"] == "v0"
        assert bench.shown("v0")["ifalias"] == repr(select)
    done = bench.predicted(name="front-of-house-0", mtu=1400)
    assert done["diff"]["after"] == f"v0  netns {bench.netns}  veth  up  mtu 1400\n"
    with pytest.raises(WrongLink, match=r"^links\[1\]: v0 is the same link as v0 at links\[0\]"):
        bench.run({"name": "front-of-house-0", "mtu": 1300}, {"name": "v0", "mtu": 1400})


def test_what_stands_on_a_link_is_not_found_by_its_address(bench):
    bench.ip(f"ip link add mv0 link v0 address {mac(bench, 'v0')} type macvlan mode bridge")
    assert bench.run(select={"address": mac(bench, "v0")}, mtu=1400)["link"]["ifname"] == "v0"
    bench.ip(f"ip link add br0 address {mac(bench, 'v0')} type bridge")
    with pytest.raises(WrongLink, match=r"^select.address: .* is the address of br0, v0: which one\?"):
        bench.run(select={"address": mac(bench, "v0")}, mtu=1400)


def test_a_link_that_nobody_finds(bench):
    for select, words in (
        ({"ifindex": 12345}, "ifindex 12345"),
        ({"address": "02:00:00:00:00:09"}, "address 02:00:00:00:00:09"),
        ({"altname": "x"}, "altname x"),
    ):
        with pytest.raises(WrongLink, match=f"^there is no link with {words} in network namespace {bench.netns}, and"):
            bench.run(select=select, mtu=1400)
        assert not bench.run(select=select, state="absent")["changed"]


# Names


def test_a_link_is_renamed_whether_up_or_down(bench):
    bench.run({"name": "v0", "addresses": ["10.0.0.1/24", "fd00::1/64"]}, {"name": "v2", "state": "down"})
    bench.ip("ip route add 10.9.0.0/16 via 10.0.0.9")
    for old, new in (("v0", "front"), ("v2", "back")):
        flags, routes = bench.shown(old)["flags"], iproute2.shown(bench.netns, "ip route")
        done = bench.predicted(name=new, select={"address": mac(bench, old)})
        cycled = old == "v0" and KERNEL < (6, 2)
        words = f"rename {old} -> {new}" + (" (down for a moment)" if cycled else "")
        assert done["changes"] == [f"{new} in {bench.netns}: {words}"]
        assert bench.shown(new)["flags"] == flags
        renamed = [{**one, "dev": new} if one["dev"] == old else one for one in routes]
        assert sorted(iproute2.shown(bench.netns, "ip route"), key=repr) == sorted(renamed, key=repr)
    assert bench.addresses("front") == ["10.0.0.1/24", "fd00::1/64"]


def test_two_links_swap_their_names(bench):
    first, second = mac(bench, "v0"), mac(bench, "v2")
    links = ({"name": "v2", "select": {"address": first}}, {"name": "v0", "select": {"address": second}, "mtu": 1400})
    bench.predicted(*links)
    assert (mac(bench, "v2"), mac(bench, "v0")) == (first, second)
    assert bench.shown("v0")["mtu"] == 1400


def test_names_go_round_in_any_order(bench):
    macs = {name: mac(bench, name) for name in ("v0", "v1", "v2")}
    links = [
        {"name": "v1", "select": {"address": macs["v0"]}},
        {"name": "v2", "select": {"address": macs["v1"]}},
        {"name": "v9", "select": {"address": macs["v2"]}},
    ]
    bench.predicted(*links)
    assert {name: mac(bench, name) for name in ("v1", "v2", "v9")} == {
        "v1": macs["v0"],
        "v2": macs["v1"],
        "v9": macs["v2"],
    }


def test_a_link_takes_one_of_its_own_alternative_names(bench):
    bench.run(name="v0", altnames=["front", "other"])
    bench.predicted(name="front", select={"address": mac(bench, "v0")})
    assert bench.shown("front")["altnames"] == ["other"]


def test_a_name_that_another_link_has(bench):
    with pytest.raises(WrongLink, match="^name: v0 cannot be renamed to v2: another link has that name"):
        bench.run(name="v2", select={"ifindex": index(bench, "v0")})
    with pytest.raises(WrongLink, match="^select.name: both v0 and v2 exist, and by names alone"):
        bench.run(name="v2", select={"name": "v0"})


def test_alternative_names_are_added_or_exact(bench):
    bench.predicted(name="v0", altnames=["one", "two", "one"])
    bench.predicted(name="v0", altnames=["three"])
    assert sorted(bench.shown("v0")["altnames"]) == ["one", "three", "two"]
    assert not bench.run(name="v0", altnames_mode="exact")["changed"]
    done = bench.predicted(name="v0", altnames=["two"], altnames_mode="exact")
    assert done["diff"]["before"].endswith("altname one  altname three  altname two\n")
    assert bench.shown("v0")["altnames"] == ["two"]
    bench.predicted(name="v0", altnames=[], altnames_mode="exact")
    assert "altnames" not in bench.shown("v0")


def test_an_alias_is_set_and_removed(bench):
    bench.predicted(name="v0", alias="to the rack on the left")
    assert bench.shown("v0")["ifalias"] == "to the rack on the left"
    bench.predicted(name="v0", alias="")
    assert "ifalias" not in bench.shown("v0")


# Namespaces


def test_a_link_moves_to_another_namespace_and_back(bench, make_netns):
    there = Bench(make_netns())
    bench.run(name="v0", altnames=["long-name-of-v0"], alias="words", mtu=1400)
    there_task = {"name": "v0", "move_to": there.netns, "addresses": ["10.0.0.1/24"], "state": "up"}
    bench.predicted(**there_task)
    seen = there.shown("v0")
    assert (seen["mtu"], seen["ifalias"], seen["altnames"]) == (1400, "words", ["long-name-of-v0"])
    assert there.addresses("v0") == ["10.0.0.1/24"]
    assert "v0" not in bench.names()
    there.predicted(name="home", select={"name": "v0"}, move_to=bench.netns)
    assert there.names() == set()
    assert "UP" not in bench.shown("home")["flags"]


def test_an_index_is_one_of_the_namespace_that_is_left(bench, make_netns):
    there = Bench(make_netns())
    number = index(bench, "v0")
    there.ip(f"ip link add other index {number} type ifb")
    task = {"name": "moved", "select": {"ifindex": number}, "move_to": there.netns}
    bench.predicted(**task)
    assert there.names() == {"other", "moved"}


def test_what_stands_on_a_link_follows_it_or_is_said_to_go(bench, make_netns):
    there = Bench(make_netns())
    bench.ip(
        "ip link add mv0 link v0 type macvlan",
        "ip link add vx0 type vxlan id 7 remote 192.0.2.2 dstport 4789 dev v0",
    )
    done = bench.predicted(name="v0", move_to=there.netns)
    assert f"vx0 in {bench.netns}: goes, since v0 moves" in done["changes"]
    assert f"vx0  netns {bench.netns}  vxlan  down  mtu 1450  link v0\n" in done["diff"]["before"]
    assert bench.names() == {"v1", "v2", "v3", "mv0"}


def test_a_link_is_created_in_another_namespace(bench, make_netns):
    there = Bench(make_netns())
    bench.predicted(name="v0", kind="macvlan", link="v0", move_to=there.netns, state="up", addresses=["10.0.0.5/24"])
    assert there.addresses("v0") == ["10.0.0.5/24"]
    assert bench.names() == {"v0", "v1", "v2", "v3"}


def test_namespaces_that_do_not_exist(bench):
    for option, given in (
        ("netns", {"netns": "no-such"}),
        ("move_to", {"move_to": "no-such"}),
    ):
        with pytest.raises(WrongLink, match=f"^{option}: .*no-such.*No such file or directory$"):
            bench.run(name="v0", state="up", **given)
        with pytest.raises(WrongLink, match=rf"^links\[1\].{option}: .*no-such"):
            bench.run({"name": "v1"}, {"name": "v0", **given})


# Masters and ports


def test_ports_join_leave_and_keep_what_is_not_said(bench):
    bench.predicted({"name": "br0", "kind": "bridge", "ports": ["v0", "v2"], "state": "up"})
    assert {bench.shown(name)["master"] for name in ("v0", "v2")} == {"br0"}
    bench.predicted({"name": "br0", "ports": []}, {"name": "v0", "mtu": 1400})
    assert bench.shown("v0")["master"] == "br0"
    done = bench.predicted(name="v0", master="")
    assert done["diff"] == {
        "before": f"v0  netns {bench.netns}  veth  up  master br0\n",
        "after": f"v0  netns {bench.netns}  veth  up\n",
    }
    assert "master" not in bench.shown("v0")


def test_options_of_ports_are_set_as_they_join_and_when_they_change_masters(bench):
    bench.predicted({"name": "br0", "kind": "bridge"}, {"name": "br1", "kind": "bridge"})
    options = {"learning": False, "cost": 7, "isolated": True, "flood": False}
    bench.predicted(name="v0", master="br0", port_options=options)
    told = bench.shown("v0")["linkinfo"]["info_slave_data"]
    assert {name: told[name] for name in options} == options
    bench.predicted(name="v0", master="br1", port_options=options)
    told = bench.shown("v0")["linkinfo"]["info_slave_data"]
    assert {name: told[name] for name in options} == options
    bench.predicted(name="v0", port_options={"cost": 9, "flood": True})
    told = bench.shown("v0")["linkinfo"]["info_slave_data"]
    assert (told["cost"], told["flood"], told["learning"]) == (9, True, False)


def test_an_option_of_a_port_may_name_a_link(bench):
    bench.predicted(
        {"name": "br0", "kind": "bridge", "ports": ["v2"]},
        {"name": "v0", "master": "br0", "port_options": {"backup_port": "v2"}},
    )
    assert bench.shown("v0")["linkinfo"]["info_slave_data"]["backup_port"] == "v2"
    bench.predicted(name="v0", port_options={"backup_port": ""})
    assert "backup_port" not in bench.shown("v0")["linkinfo"]["info_slave_data"]
    with pytest.raises(WrongLink, match="^port_options.backup_port: there is no link v7"):
        bench.run(name="v0", port_options={"backup_port": "v7"})


def test_options_of_a_port_that_is_none(bench):
    with pytest.raises(WrongLink, match="^port_options: v0 has no master whose ports have options"):
        bench.run(name="v0", port_options={"cost": 7})
    bench.run(name="br0", kind="bridge")
    with pytest.raises(WrongLink, match="^port_options.cost: takes 1 to 65535, not 0"):
        bench.run(name="v0", master="br0", port_options={"cost": 0})
    with pytest.raises(WrongLink, match="^port_options.colour: not an option of bridge port"):
        bench.run(name="v0", master="br0", port_options={"colour": "red"})


def test_masters_and_parents_that_are_not_there(bench):
    before = bench.picture()
    for given, words in (
        ({"name": "v0", "master": "nobody"}, "master: there is no link nobody to be the master of v0"),
        ({"name": "n", "kind": "macvlan", "link": "nobody"}, "link: there is no link nobody for n to stand on"),
        ({"name": "n", "kind": "macvlan"}, r"link: a macvlan stands on another link: which one\?"),
        ({"name": "n", "kind": "vlan", "link": "v0"}, "options.id: a vlan cannot be created without it"),
        ({"name": "n", "kind": "vlan", "link": "v0", "options": {"id": 4095}}, "options.id: takes 1 to 4094, not 4095"),
        ({"name": "n", "kind": "bridge", "options": {"x": 1}}, "options.x: not an option of bridge; options are "),
        (
            {"name": "n", "kind": "bond", "options": {"miimon": 100, "arp_interval": 5}},
            "options.arp_interval: contradicts",
        ),
        ({"name": "v0", "options": {"x": 1}}, "options.x: not an option of veth"),
        ({"name": "lo", "options": {"x": 1}}, "options: lo is a physical link, which has none"),
    ):
        with pytest.raises(WrongLink, match=f"^{words}"):
            bench.run(**given)
        with pytest.raises(WrongLink, match=rf"^links\[1\].{words}"):
            bench.run({"name": "v2", "alias": "x"}, given)
    assert bench.picture() == before


def test_loops_of_masters_and_parents(bench):
    before = bench.picture()
    with pytest.raises(WrongLink, match=r"^links\[0\].master: a loop of masters: a below b below a"):
        bench.run({"name": "a", "kind": "bridge", "master": "b"}, {"name": "b", "kind": "bridge", "master": "a"})
    with pytest.raises(WrongLink, match=r"^links\[0\].link: the links stand on each other: a on b on a"):
        bench.run(
            {"name": "a", "kind": "macvlan", "link": "b"},
            {"name": "b", "kind": "macvlan", "link": "a"},
        )
    with pytest.raises(ChangeFailed, match=r"mv .*: master none -> br: RTM_SETLINK mv: .*undone again"):
        bench.run(
            {"name": "br", "kind": "bridge"},
            {"name": "mv", "kind": "macvlan", "link": "br", "master": "br"},
        )
    assert bench.picture() == before


# MTUs


def test_mtus_of_a_link_and_what_stands_on_it_in_one_task(bench):
    bench.predicted({"name": "mv0", "kind": "macvlan", "link": "v0", "mtu": 9000}, {"name": "v0", "mtu": 9000})
    assert (bench.shown("v0")["mtu"], bench.shown("mv0")["mtu"]) == (9000, 9000)
    bench.predicted({"name": "v0", "mtu": 2000}, {"name": "mv0", "mtu": 1900})
    assert (bench.shown("v0")["mtu"], bench.shown("mv0")["mtu"]) == (2000, 1900)
    bench.predicted({"name": "mv0", "mtu": 8000}, {"name": "v0", "mtu": 8000})
    assert (bench.shown("v0")["mtu"], bench.shown("mv0")["mtu"]) == (8000, 8000)


def test_the_mtu_of_a_bridge_is_held_whatever_joins(bench):
    bench.predicted({"name": "br0", "kind": "bridge", "mtu": 9000, "ports": ["v0"]})
    assert bench.shown("br0")["mtu"] == 9000
    bench.run(name="v2", mtu=1400)
    bench.ip("ip link add br1 type bridge")
    bench.predicted({"name": "br1", "mtu": 1500, "ports": ["v2"]})
    assert (bench.shown("br1")["mtu"], bench.shown("v2")["mtu"]) == (1500, 1400)
    bench.ip("ip link add br2 type bridge", "ip link set v1 master br2")
    bench.predicted({"name": "br2", "mtu": 1500}, {"name": "v1", "master": "br2", "mtu": 1300})
    assert bench.shown("br2")["mtu"] == 1500


# Up and down, present and absent


def test_states(bench):
    bench.predicted(name="br0", kind="bridge")
    assert "UP" not in bench.shown("br0")["flags"]
    bench.predicted(name="br0", state="up")
    assert "UP" in bench.shown("br0")["flags"]
    assert not bench.run(name="br0", kind="bridge", state="present")["changed"]
    bench.predicted(name="br0", state="down")
    assert "UP" not in bench.shown("br0")["flags"]
    done = bench.predicted(name="br0", state="absent")
    assert done["diff"] == {"before": f"br0  netns {bench.netns}  bridge  down  mtu 1500\n", "after": ""}
    assert done["link"] is None


def test_what_goes_along_with_a_link_is_said(bench):
    bench.ip("ip link add mv0 link v0 type macvlan", "ip link add mv1 link v1 type macvlan")
    done = bench.predicted(
        {"name": "v0", "state": "absent"}, {"name": "mv0", "state": "absent"}, {"name": "v1", "state": "absent"}
    )
    said = {change.replace(f" in {bench.netns}", "") for change in done["changes"]}
    assert said == {
        "mv0: remove",
        "mv1: goes with the link it stands on",
        "v1: remove",
        "v0: goes with its peer",
    }
    assert bench.names() == {"v2", "v3"}
    assert done["links"] == []


def test_the_result_is_the_link_as_ip_shows_it(bench):
    done = bench.run(name="v0", addresses=["10.0.0.1/24"], mtu=1400)
    seen = bench.shown("v0")
    assert done["link"]["netns"] == bench.netns
    for key in ("ifindex", "ifname", "flags", "mtu", "address", "operstate", "link", "txqlen"):
        assert done["link"][key] == seen[key]
    assert done["link"]["linkinfo"]["info_kind"] == "veth"
    told = [{key: one[key] for key in ("family", "local", "prefixlen", "scope")} for one in done["link"]["addr_info"]]
    assert told == [
        {key: one[key] for key in ("family", "local", "prefixlen", "scope")} for one in seen["addr_info"] if one
    ]


def test_links_in_any_order(bench):
    links = [
        {"name": "top", "kind": "macvlan", "link": "br0", "state": "up", "addresses": ["10.0.0.1/24"]},
        {"name": "br0", "kind": "bridge", "state": "up"},
        {"name": "tap0", "kind": "tap", "master": "br0", "state": "up"},
        {"name": "v0", "master": "br0"},
    ]
    bench.predicted(*reversed(links))
    assert [one["ifname"] for one in bench.run(*links)["links"]] == ["top", "br0", "tap0", "v0"]


def test_a_link_made_anew_with_what_stands_on_it_and_below_it(bench):
    bench.predicted(
        {"name": "br0", "kind": "bridge", "ports": ["v0", "v2"], "state": "up", "addresses": ["10.0.0.1/24"]},
        {"name": "mv0", "kind": "macvlan", "link": "br0", "state": "up"},
        {"name": "v0", "port_options": {"cost": 7}},
    )
    bench.ip("ip link set br0 alias words")
    anew = {"name": "br0", "kind": "ifb", "recreate": True}
    with pytest.raises(WrongLink, match=r"^links\[0\]: making br0 anew would remove mv0 too: list that in this task"):
        bench.run(anew)
    with pytest.raises(WrongLink, match=r"^links\[0\]: making br0 anew would remove mv0 too: .*with its kind"):
        bench.run(anew, {"name": "mv0", "mtu": 1400})
    bench.predicted(anew, {"name": "mv0", "kind": "macvlan", "link": "br0", "state": "up"})
    assert "master" not in bench.shown("v0")
    assert bench.addresses("br0") == ["10.0.0.1/24"]
    assert bench.shown("br0")["ifalias"] == "words"
    assert "UP" in bench.shown("br0")["flags"]
    bench.predicted(
        {"name": "vx0", "kind": "vxlan", "options": {"id": 5, "remote": "10.0.0.9", "port": 4789}, "link": "v3"},
        {"name": "br1", "kind": "bridge", "ports": ["vx0"], "state": "up"},
    )
    done = bench.predicted(
        {"name": "vx0", "kind": "vxlan", "options": {"id": 6}, "link": "v3", "recreate": True, "state": "up"},
    )
    assert bench.data("vx0")["id"] == 6
    assert bench.shown("vx0").get("master") == "br1"
    assert "remove to make it anew (id is 5, not 6)" in done["changes"][0]
