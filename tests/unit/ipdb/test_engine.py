# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine without a kernel: pictures, their differences, what a task wants of one, and what is refused."""

from __future__ import annotations

import json
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import spec
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.difference import difference
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.failures import Impossible
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.ipdb_transaction import filled
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.merging import aligned, replaced
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.picture import KEYS, Picture, keyed
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.place import place_of
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.step import touched
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.wanted import desired
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import ExtAck, NetlinkError
from hypothesis import given
from hypothesis import strategies as st


def link(index: int, name: str, kind: str | None = None, **more: t.Any) -> dict[str, t.Any]:
    one = {"ifindex": index, "ifname": name, "up": True, "master": 0, "link": 0, "mtu": 1500, "txqlen": 1000,
           "group": 0, "ifalias": "", "altnames": [], "address": f"02:00:00:00:00:{index:02x}"}  # fmt: skip
    return {**one, **({"kind": kind, "options": {}} if kind else {}), **more}


def address(index: int, text: str) -> dict[str, t.Any]:
    local, _unused, length = text.partition("/")
    family = "inet6" if ":" in local else "inet"
    return {"index": index, "family": family, "local": local, "prefixlen": int(length), "scope": "global"}


def route(dst: str, gateway: str, oif: int, **more: t.Any) -> dict[str, t.Any]:
    return {"family": "inet", "type": "unicast", "dst": dst, "table": "main", "protocol": "static", "scope": "global",
            "gateway": gateway, "oif": oif, **more}  # fmt: skip


def picture(**tables: t.Any) -> Picture:
    return Picture(**{name: keyed(name, tables.get(name, ())) for name in KEYS}, kernel="6.8.0")


HOST = picture(
    links=[
        link(1, "lo", loopback=True),
        link(2, "eth0"),
        link(3, "eth1", master=4, port={"priority": 32}),
        link(4, "br0", "bridge", free=["address", "mtu"]),
        link(5, "eth0.5", "vlan", link=2, options={"id": 5}, free=["address"]),
    ],
    addresses=[address(2, "10.0.0.5/24"), address(2, "10.0.0.6/24"), address(2, "fd00::5/64")],
    routes=[route("default", "10.0.0.1", 2), route("192.0.2.0/24", "10.0.0.2", 2)],
)


def wanted(before: Picture = HOST, **params: t.Any) -> Picture:
    return desired(before, filled(params, spec.WANTED))


def steps(before: Picture, after: Picture) -> list[str]:
    return [f"{step.what}: {step.how}" for wave in difference(before, after) for step in wave]


def test_a_picture_survives_json() -> None:
    assert Picture.from_json(json.loads(json.dumps(HOST.to_json()))) == HOST


@given(
    st.recursive(st.none() | st.integers() | st.text(), lambda some: st.lists(some) | st.dictionaries(st.text(), some))
)
def test_what_is_no_picture_is_refused(data: t.Any) -> None:
    for given_ in (data, {**HOST.to_json(), "links": data}, {**HOST.to_json(), "routes": [data]}):
        try:
            found = Picture.from_json(given_)
        except ValueError:
            continue
        assert isinstance(found, Picture)


def test_the_same_needs_nothing() -> None:
    assert difference(HOST, HOST) == ()
    assert difference(HOST, Picture.from_json(HOST.to_json())) == ()
    assert difference(HOST, wanted()) == ()
    assert steps(HOST, wanted(interfaces=[{"name": "eth0", "state": "up", "mtu": 1500}])) == []


def test_pictures_are_not_changed() -> None:
    told = json.dumps(HOST.to_json())
    difference(HOST, wanted(interfaces=[{"name": "eth0", "state": "down", "mtu": 1400, "addresses": []}], routes=[]))
    assert json.dumps(HOST.to_json()) == told


def test_the_way_back_is_the_difference_the_other_way_round() -> None:
    after = wanted(interfaces=[{"name": "br1", "kind": "bridge", "addresses": ["10.1.0.1/24"], "ports": ["eth0"]}])
    there, back = steps(HOST, after), steps(after, HOST)
    assert there == [
        "br1: create bridge",
        "eth0: master none -> br1",
        "br1: add address 10.1.0.1/24",
    ]
    assert back == ["eth0: master br1 -> none", "br1: remove"]


def test_the_order_of_what_depends_on_each_other() -> None:
    after = wanted(
        interfaces=[
            {"name": "bond0", "kind": "bond", "options": {"mode": "802.3ad"}, "state": "up", "ports": ["eth0"]},
            {"name": "bond0.7", "kind": "vlan", "link": "bond0", "options": {"id": 7}, "master": "br7", "state": "up"},
            {"name": "br7", "kind": "bridge", "state": "up", "addresses": ["10.7.0.1/24"]},
        ],
        routes=[{"dst": "198.51.100.0/24", "gateway": "10.7.0.9"}],
        rules=[{"src": "10.7.0.0/24", "table": "7", "priority": 7}],
    )
    told = steps(HOST, after)
    order = [
        "bond0: create bond", "bond0.7: create vlan on bond0", "eth0: master none -> bond0",
        "bond0.7: master none -> br7", "br7: add address 10.7.0.1/24", "bond0.7: up", "route 198.51.100.0/24: add",
        "rule  priority 7  src 10.7.0.0/24  table 7: add",
    ]  # fmt: skip
    assert [line for line in told if line in order] == order
    back = steps(after, HOST)
    assert back[-3:] == ["bond0: remove", "bond0.7: goes with bond0", "br7: remove"]
    assert "eth0: master bond0 -> none" in back[:-3]


def test_what_a_link_that_goes_down_takes_along() -> None:
    waves = difference(HOST, wanted(interfaces=[{"name": "eth0", "state": "down"}]))
    over, down = waves[0][0], waves[1][0]
    assert (over.what, over.how) == ("eth0.5", "down")  # the VLAN on it cannot stay
    assert (down.what, down.how, down.interrupts) == ("eth0", "down", "eth0 goes down")
    assert "default  via 10.0.0.1  dev eth0" in down.side_effects()
    assert ("links", 5) in touched(waves)
    assert ["routes", ["inet", "main", "default", 0, 0, "", 0]] in json.loads(json.dumps(touched(waves)))


def test_lines_of_a_link_before_and_after() -> None:
    step = difference(HOST, wanted(interfaces=[{"name": "eth0", "mtu": 9000, "alias": "up link"}]))[0][0]
    assert step.before == "eth0  up  mtu 1500  addr 10.0.0.5/24  addr 10.0.0.6/24  addr fd00::5/64"
    assert step.after == ("eth0  up  mtu 9000  alias 'up link'  addr 10.0.0.5/24  addr 10.0.0.6/24  addr fd00::5/64")


def test_a_rename_on_an_old_kernel_takes_the_link_down() -> None:
    old = HOST._replace(kernel="5.10.0")
    after = wanted(old, interfaces=[{"name": "nic", "select": {"name": "eth0"}}])
    step = difference(old, after)[0][0]
    assert step.interrupts == "eth0 is down for a moment, to be renamed"
    assert len(step.actions) == 3
    assert difference(HOST, wanted(interfaces=[{"name": "nic", "select": {"name": "eth0"}}]))[0][0].interrupts == ""


def test_many_links_go_in_one_message() -> None:
    many = HOST._replace(links={**HOST.links, **{n: link(n, f"d{n}", "dummy") for n in range(10, 30)}})
    removal = difference(many, HOST)[-1]
    assert len(removal) == 20
    assert [len(step.actions) for step in removal] == [1] * 19 + [2]


def test_what_nobody_can_make() -> None:
    gone = HOST._replace(links={index: one for index, one in HOST.links.items() if index != 2})
    with pytest.raises(Impossible, match="eth0 is not there, and a physical link cannot be made"):
        difference(gone, HOST)
    assert "eth0 is not there" in difference(gone, HOST, impossible=True)[0][0].how


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"interfaces": [{"name": "new"}]}, r"interfaces\[0\]: there is no link with name new"),
        ({"interfaces": [{"name": "eth0", "kind": "bridge"}]}, "eth0 is a physical link, not of kind bridge"),
        ({"interfaces": [{"name": "eth0", "state": "absent"}]}, "eth0 is a physical link, which cannot be removed"),
        ({"interfaces": [{"name": "eth0", "mtu": -1}]}, r"interfaces\[0\].mtu: takes 0 to"),
        ({"interfaces": [{"name": "eth0", "master": "nobody"}]}, r"interfaces\[0\].master: there is no link nobody"),
        ({"interfaces": [{"name": "br0", "master": "eth1"}]}, r"interfaces\[0\].master: a loop of masters"),
        ({"interfaces": [{"name": "eth0", "netns": "other"}]}, r"interfaces\[0\].netns: a transaction has one"),
        ({"interfaces": [{"name": "eth0", "move_to": "other"}]}, r"interfaces\[0\].move_to: is not part of"),
        ({"interfaces": [{"name": "v0", "kind": "veth"}]}, r"interfaces\[0\].options.peer.ifname: is needed"),
        ({"interfaces": [{"name": "v", "kind": "vlan", "options": {"id": 5}}]}, r"interfaces\[0\].link"),
        ({"interfaces": [{"name": "eth0.5", "kind": "vlan", "options": {"id": 6}}]}, "recreate: true removes it"),
        (
            {"interfaces": [{"name": "eth0"}, {"name": "t0", "kind": "tap", "options": {"type": "tun"}}]},
            r"^interfaces\[1\].options.type: contradicts the kind tap, being tun$",
        ),
        (
            {"interfaces": [{"name": "eth0", "addresses": [{"address": "10.0.0.5/24", "preferred_lft": 100}]}]},
            r"^interfaces\[0\].addresses\[0\].preferred_lft: 100 needs a valid_lft beside it",
        ),
        ({"routes": [{"dst": "192.0.2.0/24", "dev": "nobody"}]}, r"routes\[0\]: there is no link nobody"),
        ({"routes": [{"dst": "nonsense", "dev": "eth0"}]}, r"routes\[0\].dst"),
        ({"rules": [{"src": "nonsense"}]}, r"rules\[0\]: .*nonsense"),
        ({"neighbours": [{"dst": "10.0.0.9", "dev": "nobody"}]}, r"neighbours\[0\].dev: there is no link nobody"),
        ({"neighbours": [{"dst": "10.0.0.9", "dev": "eth0"}]}, r"neighbours\[0\].lladdr: is needed"),
        ({"bridge_vlans": [{"dev": "eth1", "vlans": [{"vid": "5000"}]}]}, r"bridge_vlans\[0\].vlans\[0\].vid"),
        ({"fdb": [{"mac": "nonsense", "dev": "eth1"}]}, r"fdb\[0\]: mac"),
    ],
)
def test_what_cannot_be_meant_is_told_by_its_place(params: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        wanted(**params)


def test_exact_spares_the_connection_and_what_is_protected() -> None:
    params = filled({"interfaces": [], "routes": [], "scope": "exact", "protect": ["br*"]}, spec.WANTED)
    bare = desired(HOST, params)
    assert {one["ifname"] for one in bare.links.values()} == {"lo", "eth0", "eth1", "br0"}
    assert bare.routes == {}
    assert len(desired(HOST, {**params, "carrying": ["eth0"]}).routes) == 2
    assert 5 in desired(HOST, {**params, "carrying": ["eth0.5"]}).links


def test_exact_spares_rules_of_the_connection_and_of_what_is_protected() -> None:
    rules = [
        {"family": "inet", "priority": 1, "src": "10.0.0.5", "table": 100},
        {"family": "inet", "priority": 2, "src": "all", "iif": "br0", "table": 100},
        {"family": "inet", "priority": 3, "src": "all", "iif": "eth1", "table": 100},
        {"family": "inet", "priority": 4, "src": "10.0.0.6", "table": 100},
    ]
    host = HOST._replace(rules=keyed("rules", rules))
    params = filled({"rules": [], "scope": "exact", "protect": ["br*"]}, spec.WANTED)
    bare = desired(host, {**params, "carrying_rules": list(host.rules)[:1]})
    assert [one["priority"] for one in bare.rules.values()] == [1, 2]


def test_exact_leaves_vlans_to_the_mode_of_each_item() -> None:
    vlans = [{"index": index, "vlans": [{"vlan": 7}]} for index in (3, 4)]
    host = HOST._replace(vlans=keyed("vlans", vlans))
    after = wanted(host, scope="exact", bridge_vlans=[{"dev": "eth1", "vlans": []}])
    assert list(after.vlans) == [4]


def test_a_route_that_leads_nowhere_any_more_is_not_wanted() -> None:
    after = wanted(interfaces=[{"name": "eth0", "addresses": ["10.9.0.1/24"]}])
    assert after.routes == {}
    after = wanted(interfaces=[{"name": "eth0", "addresses": ["10.0.0.7/24"]}])
    assert len(after.routes) == 2


def place(asked: dict[str, t.Any], **ack: str) -> str:
    """Of an error about the first change that a task with these options asks for."""
    step = difference(HOST, wanted(**asked))[0][0]
    return place_of(step, NetlinkError(22, "RTM_NEW", ExtAck(**ack)))


def test_the_kernels_attribute_names_the_option() -> None:
    asked = {"interfaces": [{"name": "eth0", "mtu": 9000}]}
    assert place(asked, attribute="linkinfo.info_data.id") == "interfaces[0].options.id: "
    assert place(asked, attribute="linkinfo.info_slave_data.cost") == "interfaces[0].port_options.cost: "
    assert place(asked, attribute="mtu") == "interfaces[0].mtu: "
    assert place(asked, missing="ifalias") == "interfaces[0].alias: "
    assert place(asked, attribute="linkinfo") == place(asked) == "interfaces[0]: "


def test_of_routes_rules_and_neighbours_too() -> None:
    asked: dict[str, t.Any] = {"routes": [{"dst": "198.51.100.0/24", "gateway": "10.0.0.9", "mtu": 1300}]}
    assert place(asked, attribute="gateway") == "routes[0].gateway: "
    assert place(asked, attribute="oif") == "routes[0].dev: "
    assert place(asked, attribute="metrics.mtu") == "routes[0].mtu: "
    assert place(asked, attribute="metrics") == place(asked) == "routes[0]: "
    assert place(asked, message="Nexthop has invalid gateway") == "routes[0].gateway: "
    assert place(asked, message="Invalid prefsrc address") == "routes[0]: "  # which the task does not give
    asked = {"rules": [{"sport": "1-9", "dport": "5", "table": "100"}]}
    assert place(asked, attribute="fwmark") == "rules[0].fwmark: "
    assert place(asked, message="Invalid sport range") == "rules[0].sport: "
    assert place(asked, message="Invalid dport range") == "rules[0].dport: "
    assert place(asked, message="neither sport nor dport") == "rules[0]: "
    asked = {"neighbours": [{"dst": "10.0.0.9", "dev": "eth0", "lladdr": "02:00:00:00:00:09"}]}
    assert place(asked, attribute="lladdr") == "neighbours[0].lladdr: "
    assert place(asked, attribute="ifindex") == "neighbours[0].dev: "
    assert place(asked, message="Invalid link address") == "neighbours[0]: "


def test_objects_of_one_picture_in_another() -> None:
    other = HOST._replace(links={**HOST.links, 2: {**HOST.links[2], "mtu": 1400}, 9: link(9, "d0", "dummy")})
    back = replaced(other, HOST, [("links", 2)])
    assert (back.links[2]["mtu"], 9 in back.links) == (1500, True)
    assert 9 not in replaced(other, HOST, [("links", 9)]).links


def test_links_that_were_made_anew_are_known_by_their_names() -> None:
    now = HOST._replace(links={(40 if index == 4 else index): {**one, "ifindex": 40 if index == 4 else index,
                               "master": 40 if one["master"] == 4 else one["master"]}
                               for index, one in HOST.links.items()})  # fmt: skip
    assert steps(now, aligned(HOST, now)) == []
