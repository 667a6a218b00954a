# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task says of links: brought to the kernel's spelling, or refused by the option's own name."""

from __future__ import annotations

import re

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.task import run
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.wanted import (
    WrongLink,
    parse,
    parse_all,
)


def task(**options):
    return {"state": "present", "name": "l0", **options}


WRONG = {
    "no name": ({"name": None}, "name: a link needs a name, or a select to find it by"),
    "name too long": (
        {"name": "a" * 16, "kind": "bridge"},
        "name: 'aaaaaaaaaaaaaaaa' has 16 bytes; a link's name has 1 to 15",
    ),
    "name too long in bytes": (
        {"name": "\u00e9" * 8, "kind": "bridge"},
        "name: '\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9' has 16",
    ),
    "name too long even for an alternative one": ({"name": "a" * 128}, "name: takes up to 127 bytes"),
    "name with slash": ({"name": "a/b"}, "name: 'a/b' is not a link's name: no blanks"),
    "name with blank": ({"name": "a b"}, "name: 'a b' is not a link's name: no blanks"),
    "name with colon": ({"name": "a:b"}, "name: 'a:b' is not a link's name: no blanks"),
    "name with NUL": ({"name": "a\0b"}, "name: takes up to 127 bytes of text without NUL"),
    "name of dots": ({"name": ".."}, "name: '..' is not a link's name"),
    "selected name too long": ({"name": None, "select": {"name": "a" * 16}}, "select.name: "),
    "two selections": (
        {"select": {"ifindex": 3, "altname": "x"}},
        "select: takes one of name, altname, ifindex, address, not ifindex and altname",
    ),
    "index of zero": ({"select": {"ifindex": 0}}, "select.ifindex: takes 1 and more, not 0"),
    "index too large": ({"select": {"ifindex": 1 << 31}}, "select.ifindex: takes -2147483648 to 2147483647, not"),
    "selected MAC": ({"select": {"address": "xx"}}, "select.address: takes six bytes in hexadecimal, like"),
    "selected altname too long": ({"select": {"altname": "a" * 128}}, "select.altname: takes up to 127 bytes"),
    "mtu negative": ({"mtu": -1}, "mtu: takes 0 to 4294967295, not -1"),
    "mtu too large": ({"mtu": 1 << 32}, "mtu: takes 0 to 4294967295, not 4294967296"),
    "queue negative": ({"txqueuelen": -5}, "txqueuelen: takes 0 to 4294967295, not -5"),
    "MAC": ({"address": "52:54:00"}, "address: takes six bytes in hexadecimal, like 52:54:00:12:34:56, not '52:54:00'"),
    "MAC of a group": ({"address": "01:00:5e:00:00:01"}, "address: 01:00:5e:00:00:01 is a group address or empty"),
    "MAC of zeros": ({"address": "00:00:00:00:00:00"}, "address: 00:00:00:00:00:00 is a group address or empty"),
    "alias too long": ({"alias": "a" * 256}, "alias: takes up to 255 bytes of text without NUL"),
    "alias with NUL": ({"alias": "a\0b"}, "alias: takes up to 255 bytes of text without NUL"),
    "altname with blank": ({"altnames": ["a", "b c"]}, "altnames: 'b c' is not a link's name: no blanks"),
    "altname too long": ({"altnames": ["a" * 128]}, "altnames: takes up to 127 bytes"),
    "master too long": ({"master": "a" * 128}, "master: takes up to 127 bytes"),
    "parent too long": ({"link": "a" * 128}, "link: takes up to 127 bytes"),
    "port's name": ({"ports": ["a b"]}, "ports: 'a b' is not a link's name"),
    "own master": ({"master": "l0"}, "master: l0 cannot be its own master"),
    "own parent": ({"link": "l0"}, "link: l0 cannot stand on itself"),
    "own port": ({"ports": ["a", "l0"]}, "ports: l0 cannot be a port of its own"),
    "ports of nobody": (
        {"name": None, "select": {"ifindex": 4}, "ports": ["a"]},
        "ports: need the name of their master beside them",
    ),
    "MAC that moves": (
        {"name": None, "select": {"address": "02:00:00:00:00:01"}, "address": "02:00:00:00:00:02"},
        "select.address: finds no link any more when its address is 02:00:00:00:00:02: give its name",
    ),
    "altname that goes": (
        {"name": None, "select": {"altname": "x"}, "altnames": ["y"], "altnames_mode": "exact"},
        "select.altname: finds no link any more without that altname: give its name",
    ),
    "keys of a bridge": (
        {"kind": "bridge", "wireguard": {"fwmark": 1}},
        "wireguard: is for links of kind wireguard, not bridge",
    ),
    "address": ({"addresses": ["10.0.0.300/24"]}, "addresses[0]: '10.0.0.300/24' is not an IP address"),
    "prefix of IPv4": (
        {"addresses": ["10.0.0.1/33"]},
        "addresses[0]: '10.0.0.1/33': the prefix length has to be 0 to 32",
    ),
    "prefix of IPv6": ({"addresses": ["10.0.0.1/8", "fd00::1/129"]}, "addresses[1]: 'fd00::1/129': the prefix length"),
    "prefix of words": ({"addresses": ["10.0.0.1/x"]}, "addresses[0]: '10.0.0.1/x': the prefix length"),
    "address that is a number": ({"addresses": [{"address": 5}]}, "addresses[0].address: 5 is not an address"),
    "no address": ({"addresses": [{"peer": "10.0.0.1"}]}, "addresses[0]: takes 10.0.0.1/24, or a dictionary with an"),
    "address twice": ({"addresses": ["fd00::1/64", "fd00:0::1/64"]}, "addresses[1]: fd00::1 is listed twice"),
    "unknown word": ({"addresses": [{"address": "10.0.0.1", "colour": 1}]}, "addresses[0].colour: unknown; known are"),
    "peer": ({"addresses": [{"address": "10.0.0.1", "peer": "x"}]}, "addresses[0].peer: 'x' is not an IP address"),
    "peer of another version": (
        {"addresses": [{"address": "10.0.0.1", "peer": "fd00::1"}]},
        "addresses[0].peer: fd00::1 is of another IP version than 10.0.0.1",
    ),
    "label too long": (
        {"addresses": [{"address": "10.0.0.1", "label": "a" * 16}]},
        "addresses[0].label: takes up to 15 bytes",
    ),
    "label of IPv6": ({"addresses": [{"address": "fd00::1", "label": "x"}]}, "addresses[0].label: is for IPv4 alone"),
    "scope": ({"addresses": [{"address": "10.0.0.1", "scope": "moon"}]}, "addresses[0].scope: takes one of global"),
    "scope of IPv6": (
        {"addresses": [{"address": "fd00::1", "scope": "link"}]},
        "addresses[0].scope: is for IPv4 alone",
    ),
    "broadcast of IPv6": (
        {"addresses": [{"address": "fd00::1", "broadcast": "fd00::2"}]},
        "addresses[0].broadcast: is for IPv4 alone",
    ),
    "lifetime": ({"addresses": [{"address": "10.0.0.1", "valid_lft": -1}]}, "addresses[0].valid_lft: takes 0 to"),
    "lifetimes": (
        {"addresses": [{"address": "10.0.0.1", "valid_lft": 5, "preferred_lft": 6}]},
        "addresses[0].valid_lft: the preferred lifetime cannot be longer than the valid one",
    ),
    **{
        f"lifetime of IPv4 that is forgotten{more}": (
            {"addresses": [{"address": "10.0.0.1", "preferred_lft": 100, **more}]},
            "addresses[0].preferred_lft: 100 needs a valid_lft beside it that ends too: the kernel forgets it",
        )
        for more in ({}, {"valid_lft": 0xFFFFFFFF})
    },
    "metric": ({"addresses": [{"address": "10.0.0.1", "metric": -1}]}, "addresses[0].metric: takes 0 to 4294967295"),
    "flag": (
        {"addresses": [{"address": "10.0.0.1", "noprefixroute": "maybe"}]},
        "addresses[0].noprefixroute: takes true or false, not 'maybe'",
    ),
    **{
        f"absent with {option}": ({"state": "absent", option: value}, f"state: absent, and {option} is given too")
        for option, value in {
            "mtu": 1400,
            "address": "02:00:00:00:00:01",
            "alias": "x",
            "txqueuelen": 7,
            "altnames": ["x"],
            "master": "br0",
            "ports": ["x"],
            "options": {"a": 1},
            "port_options": {"a": 1},
            "addresses": ["10.0.0.1"],
            "move_to": "blue",
            "vfs": [{"vf": 0}],
            "wireguard": {"fwmark": 1},
        }.items()
    },
}


@pytest.mark.parametrize(("options", "words"), WRONG.values(), ids=WRONG)
def test_a_complaint_is_one_sentence_that_names_the_option(options, words):
    with pytest.raises(WrongLink, match=f"^{re.escape(words)}" if "\\" not in words else f"^{words}") as wrong:
        parse_all([task(**options)], None, "")
    assert "\n" not in str(wrong.value)
    with pytest.raises(WrongLink) as wrong:
        parse_all([task(name="other"), task(**options)], None)
    assert str(wrong.value).startswith("links[1].")


def test_links_may_not_contradict_each_other():
    with pytest.raises(WrongLink, match=r"^links\[1\].name: a is listed before, at links\[0\]"):
        parse_all([task(name="a"), task(name="a", mtu=1400)], None)
    with pytest.raises(WrongLink, match=r"^links\[1\].ports: a is wanted as a port of br1 and of br0"):
        parse_all([task(name="br0", ports=["a"]), task(name="br1", ports=["a"])], None)
    with pytest.raises(WrongLink, match=r"^links\[0\].ports: a is wanted as a port of br0 and of no master"):
        parse_all([task(name="br0", ports=["a"]), task(name="a", master="")], None)
    with pytest.raises(WrongLink, match=r"^links\[0\].ports: a is wanted as a port of br0, and absent"):
        parse_all([task(name="br0", ports=["a"]), task(name="a", state="absent")], None)


def test_the_same_name_in_two_namespaces_is_two_links():
    found = parse_all([task(name="a"), task(name="a", netns="blue")], None)
    assert [one.label for one in found] == ["a", "a in blue"]


def test_ports_are_masters_seen_from_the_other_end():
    found = parse_all([task(name="br0", ports=["a", "b"]), task(name="a", mtu=1400)], "blue")
    assert [(one.name, one.master, one.netns) for one in found] == [
        ("br0", None, "blue"),
        ("a", "br0", "blue"),
        ("b", "br0", "blue"),
    ]
    assert found[1].attributes == {"mtu": 1400}
    assert found[2].where == "links[0].ports"


def test_values_are_those_of_the_kernel():
    found = parse(
        task(
            address="52-54-00-AB-CD-EF",
            alias="words",
            txqueuelen=7,
            altnames=["a", "b", "a"],
            addresses=["FD00:0:0::1/64", {"address": "10.0.0.1", "scope": 253, "peer": "10.0.0.1", "nodad": "no"}],
        )
    )
    assert found.attributes == {"address": "52:54:00:ab:cd:ef", "txqlen": 7, "ifalias": "words"}
    assert found.altnames == ["a", "b"]
    assert found.addresses == [
        {"local": "fd00::1", "prefixlen": 64, "family": "inet6"},
        {"local": "10.0.0.1", "prefixlen": 32, "scope": "link", "nodad": False, "family": "inet"},
    ]


def test_what_is_not_said_stays_open():
    found = parse(task())
    assert (found.attributes, found.master, found.ports, found.addresses) == ({}, None, None, None)
    assert not parse(task(altnames_mode="exact")).altnames_exact
    assert parse(task(altnames_mode="exact", altnames=[])).altnames_exact
    assert parse(task(addresses=[])).addresses == []


def test_a_link_may_stand_on_one_of_its_name_elsewhere():
    assert parse(task(name="eth0", link="eth0", move_to="blue")).place == "blue"


def test_the_place_of_a_link_is_where_it_ends():
    assert parse(task(netns="red"), netns="green").place == "red"
    assert parse(task(), netns="green").place == "green"
    assert parse(task(move_to="blue"), netns="green").label == "l0 in blue"


@pytest.mark.parametrize(
    ("option", "value"),
    [("state", "absent"), ("recreate", True), ("addresses_mode", "add"), ("altnames_mode", "exact")],
)
def test_what_is_said_of_one_link_beside_many_is_refused(option, value):
    with pytest.raises(WrongLink, match=f"^{option}: is of one link: with links, each of them says it$"):
        run({"links": [task()], option: value}, check=True)
