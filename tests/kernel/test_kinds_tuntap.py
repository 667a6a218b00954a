# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Persistent tun and tap links, made through /dev/net/tun in a namespace of the test's own."""

from __future__ import annotations

import errno
import fcntl
import grp
import json
import os
import pwd
import subprocess

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import netns as namespaces
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds import options, registry, tuntap
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link

KIND = registry.find("tun")


def told(rtnl, name="it"):
    return rtnl.ask(link.get(name=name), link.decode)[0]["linkinfo"]["info_data"]


def shown_by_ip(netns, name="it"):
    command = ["ip", "-n", netns, "-j", "-d", "link", "show", "dev", name]
    shown = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    data = shown[0]["linkinfo"]["info_data"]
    for name, number in (("user", lambda word: pwd.getpwnam(word)[2]), ("group", lambda word: grp.getgrnam(word)[2])):
        if name in data and not str(data[name]).isdigit():
            data[name] = number(data[name])
    return data


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "tap"},
        {"type": "tun"},
        {"type": "tun", "pi": True},
        {"type": "tap", "vnet_hdr": True},
        {"type": "tap", "multi_queue": True},
        {"type": "tap", "user": "root", "group": "root"},
        {"type": "tap", "user": 12345, "group": 54321, "multi_queue": True, "vnet_hdr": True},
    ],
    ids=str,
)
def test_made_as_wanted_and_told_as_ip_tells_it(rtnl, netns, wanted):
    normal = options.normalise(KIND, wanted)
    tuntap.create("it", **normal, netns=netns)
    found = told(rtnl)
    assert options.differing(KIND, normal, found) == {}
    assert found == shown_by_ip(netns)
    assert found["persist"] is True
    unset = {name for name in ("pi", "vnet_hdr", "multi_queue") if name not in wanted}
    assert not any(found[name] for name in unset)
    tuntap.remove("it", found["type"], found["multi_queue"], netns=netns)
    assert "it" not in [one["ifname"] for one in rtnl.dump(link.dump(), link.decode)]


def test_rtnetlink_cannot_make_one(rtnl):
    assert not KIND.by_rtnetlink
    with pytest.raises(OSError):
        rtnl.ask(link.new("it", "tun", linkinfo={"info_data": {"type": "tap"}}))


def test_owners_and_headers_change_in_place(rtnl, netns):
    tuntap.create("it", "tap", user=5, netns=netns)
    index = rtnl.ask(link.get(name="it"), link.decode)[0]["ifindex"]
    tuntap.change("it", "tap", user=6, group=7, vnet_hdr=True, netns=netns)
    assert {name: told(rtnl)[name] for name in ("user", "group", "vnet_hdr")} == {
        "user": 6,
        "group": 7,
        "vnet_hdr": True,
    }
    tuntap.change("it", "tap", netns=netns)
    assert {name: told(rtnl)[name] for name in ("user", "group", "vnet_hdr")} == {
        "user": 6,
        "group": 7,
        "vnet_hdr": False,
    }
    assert rtnl.ask(link.get(name="it"), link.decode)[0]["ifindex"] == index


@pytest.mark.parametrize("wanted", [{"type": "tun"}, {"type": "tap", "multi_queue": True}], ids=str)
def test_what_is_fixed_is_refused(rtnl, netns, wanted):
    tuntap.create("it", "tap", netns=netns)
    before = told(rtnl)
    with pytest.raises(OSError, match=f"changing {wanted['type']} it: Invalid argument"):
        tuntap.change("it", **wanted, netns=netns)
    assert told(rtnl) == before


def test_a_name_in_use_is_not_taken_over(rtnl, netns):
    tuntap.create("it", "tap", user=5, netns=netns)
    with pytest.raises(OSError, match="creating tap it: Device or resource busy") as caught:
        tuntap.create("it", "tap", user=6, netns=netns)
    assert caught.value.errno == errno.EBUSY
    assert told(rtnl)["user"] == 5
    rtnl.ask(link.new("br0", "bridge"))
    with pytest.raises(OSError, match="creating tap br0: "):
        tuntap.create("br0", "tap", netns=netns)


@pytest.mark.parametrize("name", ["", "x" * 16, "tap%d"])
def test_names_that_are_none(rtnl, netns, name):
    with pytest.raises(OSError, match="a name has 1 to 15 bytes"):
        tuntap.create(name, "tap", netns=netns)
    assert [
        one["ifname"]
        for one in rtnl.dump(link.dump(), link.decode)
        if one.get("linkinfo", {}).get("info_kind") == "tun"
    ] == []


def test_a_link_that_a_program_has_open_stays(rtnl, netns):
    tuntap.create("it", "tap", netns=netns)
    device = namespaces.opened_in(netns, lambda: os.open(tuntap.DEVICE, os.O_RDWR))
    try:
        fcntl.ioctl(device, tuntap.TUNSETIFF, tuntap.IFREQ.pack(b"it", tuntap.IFF_TAP | tuntap.IFF_NO_PI))
        for refused in (tuntap.remove, tuntap.change):
            with pytest.raises(OSError, match="Device or resource busy"):
                refused("it", "tap", netns=netns)
    finally:
        os.close(device)
    assert told(rtnl)["persist"] is True


@pytest.mark.parametrize("call", [tuntap.remove, tuntap.change])
def test_a_link_that_is_not_there_is_not_made(rtnl, netns, call):
    with pytest.raises(OSError, match="tap it: No such device") as caught:
        call("it", "tap", netns=netns)
    assert caught.value.errno == errno.ENODEV
    with pytest.raises(OSError):
        told(rtnl)


def test_a_creation_that_fails_half_way_leaves_nothing(rtnl, netns, monkeypatch):
    monkeypatch.setattr(tuntap, "TUNSETGROUP", 0x400454FF)
    with pytest.raises(OSError, match="creating tap it: "):
        tuntap.create("it", "tap", user=5, group=6, netns=netns)
    with pytest.raises(OSError, match="No such device"):
        told(rtnl)


def test_no_descriptor_is_left_open(netns):
    before = len(os.listdir("/proc/self/fd"))
    tuntap.create("it", "tap", netns=netns)
    tuntap.change("it", "tap", user=5, netns=netns)
    with pytest.raises(OSError):
        tuntap.create("it", "tap", netns=netns)
    tuntap.remove("it", "tap", netns=netns)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_kernel_without_tun_is_said(monkeypatch):
    monkeypatch.setattr(tuntap, "DEVICE", "/dev/net/no-such-device")
    with pytest.raises(OSError, match="creating tap it: /dev/net/no-such-device: the kernel module tun is missing"):
        tuntap.create("it", "tap")
