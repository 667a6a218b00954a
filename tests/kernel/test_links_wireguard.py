# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and peers of WireGuard links in tasks, with not a secret in anything that a task says."""

from __future__ import annotations

import base64
import json
import os

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkFailure
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.genl import GenericSocket
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.wanted import WrongLink
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.wireguard import device, keys
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.kernel.links import Bench, differing, refused


def new_key():
    return base64.b64encode(os.urandom(32)).decode()


def public_of(private):
    return keys.public_of(keys.private("private_key", private))


@pytest.fixture
def bench(netns, lacking):
    found = Bench(netns)
    try:
        found.run(name="wg0", kind="wireguard")
    except ChangeFailed:
        lacking("wireguard")
    return found


def observed(bench):
    with GenericSocket(netns=bench.netns) as sock:
        return device.observe(sock, "wg0")


def test_keys_and_peers(bench):
    mine, theirs, other, shared = new_key(), public_of(new_key()), public_of(new_key()), new_key()
    peer = {
        "public_key": theirs,
        "preshared_key": shared,
        "endpoint": "192.0.2.1:51820",
        "allowed_ips": ["10.0.0.0/24"],
    }
    wanted = {"private_key": mine, "listen_port": 51820, "fwmark": 7, "peers": [peer, {"public_key": other}]}
    said = [bench.predicted(name="wg0", wireguard=wanted, state="up", addresses=["10.0.0.1/24"])]
    seen = observed(bench)
    assert seen.public_key == public_of(mine)
    assert (seen.listen_port, seen.fwmark, set(seen.peers)) == (51820, 7, {theirs, other})
    said.append(bench.predicted(name="wg0", wireguard={"peers": [{**peer, "persistent_keepalive": 25}]}))
    assert set(observed(bench).peers) == {theirs}
    said.append(bench.predicted(name="wg0", wireguard={"peers": [{"public_key": other}], "replace_peers": False}))
    assert set(observed(bench).peers) == {theirs, other}
    assert said[2]["diff"]["before"] != said[2]["diff"]["after"]

    before = observed(bench)
    again = new_key()
    with pytest.raises(ChangeFailed) as failed:
        bench.run(
            {"name": "wg0", "wireguard": {"private_key": again, "fwmark": 9, "peers": []}},
            {"name": "lo", "state": "absent"},
        )
    assert "undone again: wg0" in str(failed.value)
    assert observed(bench) == before
    words = json.dumps(said) + str(failed.value)
    for secret in (mine, shared, again):
        assert secret not in words
        assert base64.b64decode(secret).hex() not in words


def test_what_is_wrong_with_keys(bench):
    secret = new_key()[:-4] + "===="
    with pytest.raises(WrongLink, match="^wireguard.private_key: ") as wrong:
        bench.run(name="wg0", wireguard={"private_key": secret})
    assert secret not in str(wrong.value)
    with pytest.raises(WrongLink, match=r"^wireguard.peers\[0\].allowed_ips: takes a prefix"):
        bench.run(
            name="wg0", wireguard={"peers": [{"public_key": public_of(new_key()), "allowed_ips": ["10.0.0.0/33"]}]}
        )
    with pytest.raises(WrongLink, match=r"^links\[1\].wireguard.listen_port: "):
        bench.run({"name": "lo"}, {"name": "wg0", "wireguard": {"listen_port": 65536}})
    with pytest.raises(WrongLink, match="^wireguard: lo is not a link of kind wireguard"):
        bench.run(name="lo", wireguard={"fwmark": 1})


def test_a_link_that_was_removed_has_its_keys_again(bench):
    """Everything that the kernel tells, in the same places, before the link is up again; and no word of it."""
    mine, shared = new_key(), new_key()
    peers = [
        {
            "public_key": public_of(new_key()),
            "preshared_key": shared,
            "endpoint": "192.0.2.1:51820",
            "allowed_ips": ["10.0.0.0/24", "fd00::/64"],
            "persistent_keepalive": 25,
        },
        *({"public_key": public_of(new_key()), "allowed_ips": [f"10.1.{n}.0/24"]} for n in range(200)),
    ]
    wanted = {"private_key": mine, "listen_port": 51821, "fwmark": 7, "peers": peers}
    bench.run(name="wg0", wireguard=wanted, state="up", mtu=1380, addresses=["10.0.0.1/24", "fd00::1/64"])
    bench.ip("ip route add 203.0.113.0/24 via 10.0.0.9")
    before, picture = observed(bench), bench.picture()
    assert len(before.peers) == 201
    for gone in ({"name": "wg0", "state": "absent"}, {"name": "wg0", "kind": "dummy", "recreate": True}):
        words = refused(bench, gone)
        assert "undone again: " in words
        assert "NOT undone" not in words
        assert observed(bench) == before
        assert not differing(picture, bench.picture())
        for secret in (mine, shared):
            assert secret not in words
            assert base64.b64decode(secret).hex() not in words
    said = json.dumps(bench.predicted(name="wg0", state="absent"))
    assert mine not in said
    assert shared not in said


def test_who_may_not_read_keys_has_no_way_back(bench, monkeypatch):
    """Nobody may remove a link and not read its keys; should they be kept from us, that is said."""

    def kept_away(*_unused):
        raise NetlinkFailure(1, "Operation not permitted")

    monkeypatch.setattr(device, "observe", kept_away)
    words = refused(bench, {"name": "wg0", "state": "absent"})
    assert "NOT undone: wg0" in words
    assert "there is no way back" in words
