# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import copy
import json
import pickle
import socket

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkEncodeError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.genl import Family
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.wireguard import (
    device as wg,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.wireguard import keys, wire
from hypothesis import given, settings
from hypothesis import strategies as st

FAMILY = Family("wireguard", 0x2A, 1, 0, 8, {})


def key(number):
    return base64.b64encode(bytes([number]) * 32).decode()


# Keys

# RFC 7748, section 6.1: private and public keys of Alice and Bob.
RFC_7748 = [
    (
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
    ),
    (
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
    ),
]


def text_of(hexadecimal):
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


@pytest.mark.parametrize("private, public", RFC_7748)
def test_public_keys_of_private_ones(private, public):
    assert keys.public_of(keys.private("private_key", text_of(private))) == text_of(public)


def test_products_with_any_point():
    # RFC 7748, section 5.2, first vector.
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    product = "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"
    assert keys.x25519(scalar, int.from_bytes(point, "little")).hex() == product


def test_the_base_point_again_and_again():
    # RFC 7748, section 5.2: the result after a thousand rounds.
    k = u = (9).to_bytes(32, "little")
    for _round in range(1000):
        k, u = keys.x25519(k, int.from_bytes(u, "little")), k
    assert k.hex() == "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"


def test_private_keys_are_compared_as_the_kernel_keeps_them():
    loose = keys.private("private_key", key(0xFF))
    assert loose.reveal() == b"\xf8" + b"\xff" * 30 + b"\x7f"
    assert loose == keys.private("private_key", keys.encode_text(loose.reveal()))
    assert loose != keys.private("private_key", key(0xFE)[:-2] + "A=")


@pytest.mark.parametrize("none", ["", key(0)])
def test_no_key_is_the_key_of_zeros(none):
    assert not keys.private("private_key", none)
    assert not keys.preshared("preshared_key", none)
    assert keys.public_of(keys.private("private_key", none)) == ""


@pytest.mark.parametrize("wrong", ["short", key(1)[:-4], key(1) + key(1), "ö" * 44, 7, "=" * 44])
def test_wrong_keys_are_refused_without_being_quoted(wrong):
    for parse, name in ((keys.private, "private_key"), (keys.preshared, "peers[0].preshared_key")):
        with pytest.raises(NetlinkEncodeError) as caught:
            parse(name, wrong)
        assert str(caught.value) == f"{name}: takes a key of 32 bytes in base64"


def test_a_secret_is_not_printed_serialised_or_hashed():
    secret = keys.preshared("preshared_key", key(7))
    device = wg.NEW._replace(private_key=secret, peers={"x": wg.Peer("x", secret)})
    for shown in (repr(secret), str(secret), f"{secret}", repr(device), repr([secret])):
        assert key(7) not in shown
        assert "07" not in shown and "\\x07" not in shown
    for serialise in (pickle.dumps, copy.copy, json.dumps, hash):
        with pytest.raises(TypeError):
            serialise(secret)


def test_a_secret_in_the_wrong_place_is_not_quoted():
    with pytest.raises(NetlinkEncodeError) as caught:
        wire.DEVICE.encode({"private_key": key(7)})
    assert key(7) not in str(caught.value)


# Messages

# A device with one peer, laid out by linux/wireguard.h on a little-endian machine.
ANSWER = bytes.fromhex(
    "00010000"
    "06000600 01c00000  08000700 34120000  08000100 05000000  08000200 77673000"
    f"24000300 {'40' * 32}  24000400 {'41' * 32}"
    "e8000880  e4000080"
    f"24000100 {'01' * 32}  24000200 {'02' * 32}"
    "14000600 e803000000000000 0500000000000000"
    "06000500 19000000  0c000700 1100000000000000  0c000800 2200000000000000  08000a00 01000000"
    "14000400 0200ca6c c0000201 0000000000000000"
    "48000980"
    "1c000080  06000100 02000000  08000200 0a000000  05000300 18000000"
    "28000080  06000100 0a000000  14000200 fd000000000000000000000000000000  05000300 40000000"
)


def test_a_device_as_the_kernel_tells_it():
    found = wire.merged([wire.decode(ANSWER, 0, len(ANSWER))])
    assert found["ifname"] == "wg0"
    assert wg.shown(found) == {
        "private_key": True,
        "public_key": key(0x41),
        "listen_port": 49153,
        "fwmark": 0x1234,
        "peers": [
            {
                "public_key": key(1),
                "preshared_key": True,
                "endpoint": "192.0.2.1:51820",
                "allowed_ips": ["10.0.0.0/24", "fd00::/64"],
                "persistent_keepalive": 25,
                "last_handshake_s": 1000,
                "rx_bytes": 17,
                "tx_bytes": 34,
            }
        ],
    }
    device = wg.device_of(found)
    assert device.private_key == keys.Secret(b"\x40" * 32)
    assert device.peers[key(1)].preshared_key == keys.Secret(b"\x02" * 32)


def test_a_peer_that_goes_on_in_the_next_message_is_one():
    parts = [
        {"ifname": "wg0", "peers": [{"public_key": "a", "rx_bytes": 1, "allowed_ips": [1]}]},
        {"ifname": "wg0", "peers": [{"public_key": "a", "allowed_ips": [2]}]},
        {"ifname": "wg0", "peers": [{"public_key": "a"}, {"public_key": "b", "rx_bytes": 2}]},
    ]
    assert wire.merged(parts)["peers"] == [
        {"public_key": "a", "rx_bytes": 1, "allowed_ips": [1, 2]},
        {"public_key": "b", "rx_bytes": 2},
    ]


@pytest.mark.parametrize("cut", range(8, len(ANSWER), 9))
def test_half_a_device_is_a_decode_error_or_less_of_it(cut):
    try:
        wire.merged([wire.decode(ANSWER[:cut], 0, cut)])
    except NetlinkDecodeError:
        pass


@given(st.binary(max_size=300))
def test_any_bytes_are_a_device_or_a_decode_error(data):
    try:
        wg.shown(wire.merged([wire.decode(data, 0, len(data))]))
    except NetlinkDecodeError:
        pass


@given(st.binary(max_size=40))
def test_any_endpoint_is_decoded_or_refused(data):
    decode, encode = wire.PEER.rows["endpoint"].codec[:2]
    try:
        found = decode(data, 0, len(data))
    except NetlinkDecodeError:
        return
    assert decode(encode(found), 0, len(data)) == found


def test_asking_for_a_device():
    request = wire.get(FAMILY, "wg0")
    assert (request.type, request.operation) == (0x2A, "WG_CMD_GET_DEVICE wg0")
    assert request.body == bytes.fromhex("00010000 08000200 77673000")


def test_setting_a_device():
    after = wg.NEW._replace(fwmark=3, peers={key(1): wg.Peer(key(1), allowed_ips=frozenset([(b"\x0a\0\0\0", 8)]))})
    (request,) = wg.requests(FAMILY, "wg0", wg.NEW, after)
    assert request.body == bytes.fromhex(
        "01010000  08000200 77673000  08000700 03000000"
        f"4c000880  48000080  24000100 {'01' * 32}"
        "20000980  1c000080  06000100 02000000  08000200 0a000000  05000300 08000000"
    )
    assert request.operation == "WG_CMD_SET_DEVICE wg0"


def test_nothing_to_change_is_no_request():
    assert wg.requests(FAMILY, "wg0", wg.NEW, wg.NEW) == []


# From options to a goal


PRESENT = wg.goal(
    wg.NEW,
    {
        "private_key": text_of(RFC_7748[0][0]),
        "listen_port": 51820,
        "peers": [
            {
                "public_key": key(1),
                "preshared_key": key(9),
                "endpoint": "192.0.2.1:51820",
                "allowed_ips": ["10.0.1.0/24", "fd01::/64"],
                "persistent_keepalive": 25,
            },
            {"public_key": key(2), "allowed_ips": ["10.0.2.0/24"]},
        ],
    },
)


def test_what_is_left_out_stays():
    assert wg.goal(PRESENT, {}) == PRESENT
    assert wg.goal(PRESENT, {"peers": [{"public_key": key(1)}, {"public_key": key(2)}]}) == PRESENT


@pytest.mark.parametrize(
    "same",
    [
        {"private_key": text_of(RFC_7748[0][0])},
        {"listen_port": 0},
        {"listen_port": "51820"},
        {"fwmark": "0x0"},
        {"replace_peers": False, "peers": []},
        {
            "replace_peers": False,
            "peers": [{"public_key": key(1), "allowed_ips": ["fd01::1/64", "10.0.1.9/24"]}],
        },
    ],
)
def test_other_spellings_of_what_is_there_change_nothing(same):
    assert wg.goal(PRESENT, same) == PRESENT


def test_peers_not_listed_go_unless_they_are_to_stay():
    listed = [{"public_key": key(3)}]
    assert set(wg.goal(PRESENT, {"peers": listed}).peers) == {key(3)}
    kept = wg.goal(PRESENT, {"peers": listed, "replace_peers": False})
    assert set(kept.peers) == {key(1), key(2), key(3)}
    assert wg.goal(PRESENT, {"peers": []}).peers == {}


def test_addresses_that_a_peer_takes_over_leave_the_one_that_had_them():
    listed = [{"public_key": key(3), "allowed_ips": ["10.0.2.0/24"]}]
    after = wg.goal(PRESENT, {"peers": listed, "replace_peers": False})
    assert after.peers[key(2)].allowed_ips == frozenset()
    assert after.peers[key(1)] == PRESENT.peers[key(1)]


def test_a_key_taken_away():
    after = wg.goal(PRESENT, {"private_key": ""})
    assert (bool(after.private_key), after.public_key) == (False, "")
    assert wg.lines(after)[0] == "wireguard  no private key  listen port 51820"


def test_a_peer_with_the_interfaces_new_key_goes_as_in_the_kernel():
    own = text_of(RFC_7748[1][1])
    present = PRESENT._replace(peers={own: wg.Peer(own), **PRESENT.peers})
    after = wg.goal(present, {"private_key": text_of(RFC_7748[1][0])})
    assert after.public_key == own
    assert set(after.peers) == set(PRESENT.peers)


def test_names_are_looked_up_and_the_present_address_is_kept_when_it_is_one_of_theirs():
    asked = []

    def resolve(host, port):
        asked.append((host, port))
        return [("198.51.100.7", port, 0), ("192.0.2.1", port, 0)]

    option = {"public_key": key(1), "endpoint": "vpn.example.org:51820"}
    assert wg.goal(PRESENT, {"peers": [option], "replace_peers": False}, resolve) == PRESENT
    option["endpoint"] = "vpn.example.org:51821"
    after = wg.goal(PRESENT, {"peers": [option]}, resolve)
    assert after.peers[key(1)].endpoint == ("198.51.100.7", 51821, 0)
    assert asked == [("vpn.example.org", 51820), ("vpn.example.org", 51821)]


@pytest.mark.parametrize(
    "text, endpoint",
    [
        ("192.0.2.1:1", ("192.0.2.1", 1, 0)),
        ("[2001:db8::1]:65535", ("2001:db8::1", 65535, 0)),
        ("[fe80::1%1]:51820", ("fe80::1", 51820, 1)),
    ],
)
def test_endpoints(text, endpoint):
    after = wg.goal(wg.NEW, {"peers": [{"public_key": key(1), "endpoint": text}]})
    assert after.peers[key(1)].endpoint == endpoint
    assert wg.endpoint_text(endpoint) == text


def test_a_name_that_cannot_be_looked_up_is_named(monkeypatch):
    def fail(*_arguments, **_keywords):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(OSError, match="looking up the endpoint nowhere.example: .*not known"):
        wg.lookup("nowhere.example", 1)


PEER = {"public_key": key(1)}


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"private_key": "abc"}, "private_key: takes a key of 32 bytes in base64"),
        ({"listen_port": 65536}, "listen_port: takes 0 to 65535, not 65536"),
        ({"listen_port": "many"}, "listen_port: takes 0 to 65535, not 'many'"),
        ({"fwmark": -1}, "fwmark: takes 0 to 4294967295, not -1"),
        ({"peers": [PEER, {}]}, "peers[1].public_key: takes a key of 32 bytes in base64"),
        ({"peers": [PEER, PEER]}, f"peers[1].public_key: {key(1)} is there twice"),
        (
            {"peers": [{**PEER, "persistent_keepalive": 65536}]},
            "peers[0].persistent_keepalive: takes 0 to 65535, not 65536",
        ),
        (
            {"peers": [{**PEER, "allowed_ips": ["10.0.0.0/33"]}]},
            "peers[0].allowed_ips: takes a prefix of 0 to 32 bits, not '10.0.0.0/33'",
        ),
        (
            {"peers": [{**PEER, "allowed_ips": ["example.org"]}]},
            "peers[0].allowed_ips: takes IP addresses with prefixes, not 'example.org'",
        ),
        (
            {
                "peers": [
                    {**PEER, "allowed_ips": ["10.1.2.3/8"]},
                    {"public_key": key(2), "allowed_ips": ["10.0.0.0/8"]},
                ]
            },
            "peers[1].allowed_ips: 10.0.0.0/8 is of peers[0]; only one peer can have it",
        ),
        (
            {"private_key": text_of(RFC_7748[0][0]), "peers": [{"public_key": PRESENT.public_key}]},
            "peers[0].public_key: is this interface's own key",
        ),
    ],
)
def test_wrong_options_are_named(options, sentence):
    with pytest.raises(NetlinkEncodeError) as caught:
        wg.goal(wg.NEW, options)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("text", ["", "host", ":1", "a:0", "a:65536", "a:²", "::1:5", "[]:5", 5])
def test_wrong_endpoints_are_named(text):
    with pytest.raises(NetlinkEncodeError, match=r"^peers\[0\].endpoint: takes"):
        wg.goal(wg.NEW, {"peers": [{**PEER, "endpoint": text}]})


# From one device to another: a model of what the kernel does with the requests, by linux/wireguard.h


class Model:
    def __init__(self, device):
        self.private = device.private_key
        self.numbers = {"listen_port": device.listen_port, "fwmark": device.fwmark}
        self.peers = dict(device.peers)

    def take(self, request):
        assert len(request.body) < 65000
        found = wire.decode(request.body, 0, len(request.body))
        assert "flags" not in found  # what stays must not be interrupted
        self.private = found.get("private_key", self.private)
        self.numbers.update((name, found[name]) for name in self.numbers if name in found)
        for peer in found.get("peers", ()):
            self._peer(peer)

    def _peer(self, change):
        name, flags = change["public_key"], change.get("flags", 0)
        if flags & wire.WGPEER_F_REMOVE_ME:
            self.peers.pop(name, None)
            return
        peer = self.peers.get(name, wg.Peer(name))
        ranges = frozenset() if flags & wire.WGPEER_F_REPLACE_ALLOWEDIPS else peer.allowed_ips
        more = frozenset(change.get("allowed_ips", ()))
        for other, theirs in self.peers.items():
            self.peers[other] = theirs._replace(allowed_ips=theirs.allowed_ips - more)
        self.peers[name] = wg.Peer(
            name,
            change.get("preshared_key", peer.preshared_key),
            change.get("endpoint", peer.endpoint),
            ranges | more,
            change.get("persistent_keepalive_interval", peer.persistent_keepalive),
        )


def carried_out(before, after):
    model = Model(before)
    for request in wg.requests(FAMILY, "wg0", before, after):
        model.take(request)
    return model


secrets = st.sampled_from([keys.NONE, keys.Secret(b"a" * 32), keys.Secret(b"b" * 32)])
ranges = st.sampled_from([(bytes([10, number, 0, 0]), 16) for number in range(9)])


@st.composite
def devices(draw):
    owners = draw(st.dictionaries(ranges, st.integers(1, 5)))
    peers = {
        key(number): wg.Peer(
            key(number),
            draw(secrets),
            draw(st.sampled_from([None, ("192.0.2.1", 5, 0), ("fd00::1", 6, 0)])),
            frozenset(found for found, owner in owners.items() if owner == number),
            draw(st.integers(0, 2)),
        )
        for number in draw(st.sets(st.integers(1, 5)))
    }
    return wg.Device(draw(secrets), "", draw(st.integers(0, 2)), draw(st.integers(0, 2)), peers)


@given(devices(), devices())
@settings(deadline=None)
def test_requests_lead_from_any_device_to_any_other(before, after):
    model = carried_out(before, after)
    assert model.peers == after.peers
    assert model.private == after.private_key
    assert model.numbers == {"listen_port": after.listen_port, "fwmark": after.fwmark}


def test_what_one_message_cannot_hold_is_split():
    many = frozenset((bytes([10, *number.to_bytes(3, "big")]), 32) for number in range(5000))
    peers = {key(n): wg.Peer(key(n), keys.Secret(b"s" * 32)) for n in range(1, 250)}
    peers[key(7)] = wg.Peer(key(7), keys.Secret(b"s" * 32), ("192.0.2.1", 5, 0), many, 25)
    large = wg.Device(keys.Secret(b"p" * 32), "", 1, 2, peers)
    present = wg.NEW._replace(peers={key(7): wg.Peer(key(7), allowed_ips=frozenset([(b"x" * 4, 32)]))})
    requests = wg.requests(FAMILY, "wg0", present, large)
    assert len(requests) > 10
    assert max(len(request.body) for request in requests) < wire.LARGEST + 8192
    assert carried_out(present, large).peers == peers
    assert carried_out(large, present).peers == present.peers


def test_peers_that_stay_are_not_mentioned():
    after = PRESENT._replace(peers={**PRESENT.peers, key(3): wg.Peer(key(3))})
    (request,) = wg.requests(FAMILY, "wg0", PRESENT, after)
    found = wire.decode(request.body, 0, len(request.body))
    assert found == {"ifname": "wg0", "peers": [{"public_key": key(3)}]}


def test_ranges_are_added_without_taking_the_others_away():
    peer = PRESENT.peers[key(2)]
    more = peer._replace(allowed_ips=peer.allowed_ips | {(b"\x0a\x09\0\0", 16)})
    after = PRESENT._replace(peers={**PRESENT.peers, key(2): more})
    (request,) = wg.requests(FAMILY, "wg0", PRESENT, after)
    (change,) = wire.decode(request.body, 0, len(request.body))["peers"]
    assert change == {"public_key": key(2), "allowed_ips": [(b"\x0a\x09\0\0", 16)]}


# How it looks


def test_a_device_in_lines():
    assert wg.lines(PRESENT) == [
        f"wireguard  public key {text_of(RFC_7748[0][1])}  listen port 51820",
        f"peer {key(1)}  endpoint 192.0.2.1:51820  allowed ips 10.0.1.0/24,fd01::/64  keepalive 25 s  preshared key",
        f"peer {key(2)}  allowed ips 10.0.2.0/24",
    ]


def test_lines_differ_where_only_a_preshared_key_does():
    option = {"public_key": key(1), "preshared_key": key(8)}
    after = wg.goal(PRESENT, {"peers": [option], "replace_peers": False})
    before, behind = wg.lines(PRESENT), wg.lines(after, instead_of=PRESENT)
    assert [line for line in behind if line not in before] == [before[1] + " (another)"]
    assert wg.lines(PRESENT, instead_of=PRESENT) == before


@given(devices(), devices())
@settings(deadline=None)
def test_lines_tell_no_secret(before, after):
    text = "\n".join(wg.lines(before) + wg.lines(after, instead_of=before))
    for secret in (b"a" * 32, b"b" * 32):
        assert base64.b64encode(secret).decode() not in text
