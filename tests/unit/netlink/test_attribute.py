# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes: each codec both ways with its bounds, tables, and where an offset lies."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import attribute as nla
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.attribute import Table
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkEncodeError,
)

COLOURS = nla.enum(nla.U8, {0: "red", 1: "green", 7: "blue"})
INNER = Table((1, "id", nla.U32), (2, "name", nla.string(15)))
TABLE = Table(
    (1, "mtu", nla.scalar("=I", 68, 65535)),
    (2, "inner", nla.nested(INNER)),
    (3, "names", nla.listed(9, nla.STRING)),
    (4, "rows", nla.listed(1, nla.nested(INNER))),
    (5, "flag", nla.FLAG),
)


def decode(codec, raw):
    """As it is met in a datagram: other bytes before and behind."""
    return codec.decode(b"\xee" * 8 + raw + b"\xee" * 8, 8, 8 + len(raw))


SAME_BOTH_WAYS = [
    (nla.U8, 255, b"\xff"),
    (nla.U16, 0x1234, b"\x34\x12"),
    (nla.U32, 0x12345678, b"\x78\x56\x34\x12"),
    (nla.U64, 2**64 - 1, b"\xff" * 8),
    (nla.S8, -128, b"\x80"),
    (nla.S16, -2, b"\xfe\xff"),
    (nla.S32, -1, b"\xff" * 4),
    (nla.S64, -(2**63), b"\0" * 7 + b"\x80"),
    (nla.BE16, 4789, b"\x12\xb5"),
    (nla.BE32, 0x01020304, b"\x01\x02\x03\x04"),
    (nla.BYTES, b"\0ab", b"\0ab"),
    (nla.FLAG, True, b""),
    (nla.STRING, "br0", b"br0\0"),
    (nla.STRING, "", b"\0"),
    (nla.STRING, "Büro", b"B\xc3\xbcro\0"),
    (nla.BOOL, True, b"\1"),
    (nla.BOOL, False, b"\0"),
    (nla.boolean(nla.U32), True, b"\1\0\0\0"),
    (COLOURS, "blue", b"\7"),
    (COLOURS, 9, b"\x09"),
    (nla.MAC, "52:54:00:12:34:56", b"RT\0\x12\x34\x56"),
    (nla.IP, "192.0.2.1", b"\xc0\0\2\1"),
    (nla.IP, "2001:db8::1", b"\x20\1\x0d\xb8" + b"\0" * 11 + b"\1"),
    (nla.IPV4, "0.0.0.0", b"\0" * 4),
    (nla.IPV6, "::", b"\0" * 16),
    (nla.nested(INNER), {"id": 7, "name": "a"}, b"\x08\0\1\0\7\0\0\0\x06\0\2\0a\0\0\0"),
    (nla.listed(9, nla.U8), [1, 2], b"\x05\0\x09\0\1\0\0\0\x05\0\x09\0\2\0\0\0"),
    (nla.listed(9, nla.U8), [], b""),
]


@pytest.mark.parametrize(("codec", "value", "raw"), SAME_BOTH_WAYS)
def test_both_ways(codec, value, raw):
    assert codec.encode(value) == raw
    assert decode(codec, raw) == value
    assert type(decode(codec, raw)) is type(value)


OTHER_SPELLINGS = [
    (nla.U32, "1500", 1500),
    (nla.U32, "0x10", 16),
    (nla.S32, "-1", -1),
    (nla.BOOL, "yes", True),
    (nla.BOOL, "Off", False),
    (nla.BOOL, 1, True),
    (COLOURS, 1, "green"),
    (COLOURS, "7", "blue"),
    (nla.MAC, "AA-BB-C-0-E-F", "aa:bb:0c:00:0e:0f"),
    (nla.IPV6, "2001:DB8:0::1", "2001:db8::1"),
    (nla.listed(9, nla.U8), ("3",), [3]),
    (nla.BYTES, bytearray(b"x"), b"x"),
]


@pytest.mark.parametrize(("codec", "written", "canonical"), OTHER_SPELLINGS)
def test_other_spellings_come_back_in_the_canonical_one(codec, written, canonical):
    assert decode(codec, codec.encode(written)) == canonical


REFUSED = [
    (nla.U8, 256, "0 to 255"),
    (nla.U8, -1, "0 to 255"),
    (nla.S8, 128, "-128 to 127"),
    (nla.S64, 2**63, "to 9223372036854775807"),
    (nla.scalar("=I", 68, 65535), 67, "68 to 65535"),
    (nla.scalar("=I", 68, 65535), 65536, "68 to 65535"),
    (nla.scalar(">H", 1), 0, "1 to 65535"),
    (nla.U32, True, "takes an integer"),
    (nla.U32, "many", "takes an integer"),
    (nla.U32, 1.5, "takes an integer"),
    (nla.U32, "", "takes an integer"),
    (nla.U32, "9" * 5000, "takes"),
    (nla.string(15), "a" * 16, "15 bytes"),
    (nla.string(15), "ü" * 8, "15 bytes"),
    (nla.STRING, "a\0b", "without NUL"),
    (nla.STRING, 5, "takes text"),
    (nla.STRING, b"x", "takes text"),
    (nla.BOOL, "perhaps", "true or false"),
    (nla.BOOL, 2, "true or false"),
    (nla.BOOL, [], "true or false"),
    (nla.FLAG, False, "left out"),
    (nla.FLAG, "maybe", "true or false"),
    (nla.BYTES, 5, "takes bytes"),
    (nla.BYTES, "text", "takes bytes"),
    (COLOURS, "pink", "one of red, green, blue"),
    (COLOURS, 256, "one of"),
    (COLOURS, ["red"], "one of"),
    (nla.MAC, "52:54:00:12:34", "six bytes"),
    (nla.MAC, "52:54:00:12:34:56:78", "six bytes"),
    (nla.MAC, "52:54:00:12:34:100", "six bytes"),
    (nla.MAC, "52:54:00:12:34:5g", "six bytes"),
    (nla.MAC, "+1:54:00:12:34:56", "six bytes"),
    (nla.MAC, " 1:54:00:12:34:56", "six bytes"),
    (nla.MAC, "\u0663:54:00:12:34:56", "six bytes"),
    (nla.MAC, "52:54:00:12:34:56\n", "six bytes"),
    (nla.MAC, 0x525400123456, "six bytes"),
    (nla.MAC, "", "six bytes"),
    (nla.IP, "192.0.2.256", "an IP address"),
    (nla.IP, "192.0.2.1/24", "an IP address"),
    (nla.IP, "fe80::1%eth0", "an IP address"),
    (nla.IP, "1.2.3.4\0", "an IP address"),
    (nla.IP, 5, "an IP address"),
    (nla.IPV4, "::1", "an IPv4 address"),
    (nla.IPV6, "1.2.3.4", "an IPv6 address"),
    (nla.nested(INNER), "id", "a dictionary"),
    (nla.nested(INNER), [("id", 1)], "a dictionary"),
    (nla.listed(9, nla.STRING), "abc", "a list"),
    (nla.listed(9, nla.STRING), 5, "a list"),
]


@pytest.mark.parametrize(("codec", "value", "words"), REFUSED)
def test_refused_in_words(codec, value, words):
    with pytest.raises(ValueError, match=words):
        codec.encode(value)
    with pytest.raises(NetlinkEncodeError, match="^it: .*" + words) as caught:
        Table((1, "it", codec)).encode({"it": value})
    assert caught.value.attribute == "it"


WRONG_SIZE = [
    (nla.U8, b""),
    (nla.U16, b"\0" * 4),
    (nla.U32, b"\0" * 3),
    (nla.U64, b"\0" * 4),
    (nla.BE16, b"\0"),
    (nla.IPV4, b"\0"),
    (nla.IPV4, b"\0" * 16),
    (nla.IPV6, b"\0" * 4),
    (nla.BOOL, b""),
    (COLOURS, b"\0\0"),
    (nla.nested(INNER), b"\xff\0\1\0"),
    (nla.listed(9, nla.U8), b"\3\0\1\0"),
]


@pytest.mark.parametrize(("codec", "raw"), WRONG_SIZE)
def test_bytes_of_another_size_are_not_decoded(codec, raw):
    with pytest.raises(NetlinkDecodeError):
        decode(codec, raw)


def test_text_as_the_kernel_writes_it():
    assert decode(nla.STRING, b"br0") == "br0", "without the NUL at its end"
    assert decode(nla.STRING, b"") == ""
    assert decode(nla.STRING, b"a\0b\0") == "a\0b", "only the last NUL ends it"
    assert decode(nla.STRING, b"caf\xe9\0") == "caf\\xe9", "not UTF-8: shown, not lost"


def test_link_layer_addresses_of_other_lengths():
    assert decode(nla.MAC, b"") == ""
    assert decode(nla.MAC, b"\x0a\0\0\1") == "0a:00:00:01"
    assert decode(nla.MAC, bytes(range(20))).count(":") == 19
    assert decode(nla.IP, bytes(range(8))) == "0001020304050607"  # with colons it would read as one of IPv6


def test_a_table_both_ways():
    values = {
        "mtu": 1500,
        "inner": {"name": "x"},
        "names": ["a", "bc"],
        "rows": [{"id": 1}, {"id": 2, "name": "two"}, {}],
        "flag": True,
    }
    raw = TABLE.encode(values)
    assert len(raw) % 4 == 0
    assert TABLE.decode(raw, 0, len(raw)) == values


def test_none_is_left_out():
    assert TABLE.encode({"mtu": None, "inner": {"id": None}}) == b"\x04\0\2\x80"


def test_order_is_kept():
    assert TABLE.encode({"flag": True, "mtu": 68}) == b"\x04\0\5\0" + b"\x08\0\1\0\x44\0\0\0"


def test_attributes_unknown_to_the_table_are_skipped():
    raw = nla.attribute(77, b"newer") + nla.attribute(1, b"\xdc\5\0\0") + nla.attribute(0, b"")
    assert TABLE.decode(raw, 0, len(raw)) == {"mtu": 1500}


def test_the_two_top_bits_of_a_type_are_no_part_of_its_number():
    raw = nla.attribute(0x4001, b"\xdc\5\0\0") + nla.attribute(0x8002, nla.attribute(0xC001, b"\7\0\0\0"))
    assert TABLE.decode(raw, 0, len(raw)) == {"mtu": 1500, "inner": {"id": 7}}


def test_of_a_repeated_attribute_the_last_counts():
    raw = nla.attribute(1, b"\xdc\5\0\0") + nla.attribute(1, b"\x44\0\0\0")
    assert TABLE.decode(raw, 0, len(raw)) == {"mtu": 68}


def test_a_last_attribute_may_lack_its_padding():
    raw = nla.attribute(2, b"ab\0")[:-1]
    assert INNER.decode(raw, 0, len(raw)) == {"name": "ab"}


@pytest.mark.parametrize("raw", [b"\0\0\1\0", b"\3\0\1\0", b"\4\0\2\0\0\0\1\0", b"\x09\0\1\0\0\0\0\0"])
@pytest.mark.parametrize("read", [TABLE.decode, lambda *where: list(nla.walk(*where))])
def test_lying_lengths(raw, read):
    with pytest.raises(NetlinkDecodeError, match="attribute 1 of"):
        read(raw, 0, len(raw))


def test_an_attribute_does_not_reach_over_the_end_of_its_nest():
    raw = b"\x08\0\2\x80" + b"\x08\0\1\0" + b"\7\0\0\0"  # the inner one claims what lies behind the outer one
    with pytest.raises(NetlinkDecodeError):
        TABLE.decode(raw, 0, len(raw))


def test_bytes_too_few_for_an_attribute_are_padding():
    assert TABLE.decode(b"\0\0\0", 0, 3) == {}
    assert list(nla.walk(b"\0\0\0", 0, 3)) == []


def test_unknown_names_say_which_are_known():
    with pytest.raises(NetlinkEncodeError, match="^inner.nmae: unknown; known are id, name$"):
        TABLE.encode({"inner": {"nmae": "x"}})


def test_an_error_inside_names_the_way_to_it():
    with pytest.raises(NetlinkEncodeError, match=r"^inner\.name: takes up to 15 bytes .*'a{16}'$"):
        TABLE.encode({"inner": {"name": "a" * 16}})


def test_more_bytes_than_an_attribute_can_hold():
    assert len(nla.attribute(1, b"x" * 0xFFFB)) == 0x10000
    with pytest.raises(NetlinkEncodeError, match="65531"):
        Table((1, "blob", nla.BYTES)).encode({"blob": b"x" * 0xFFFC})


def test_names_of_numbers():
    assert "mtu" in TABLE
    assert "id" not in TABLE
    assert TABLE.name_of(0x8002) == "inner"
    assert TABLE.name_of(99) == "#99"


HEADER = b"\xaa" * 16
REQUEST = HEADER + TABLE.encode({"mtu": 68, "inner": {"id": 1, "name": "x"}, "rows": [{"id": 5}]})


@pytest.mark.parametrize(
    ("offset", "path"),
    [
        (16, "mtu"),
        (20, "mtu"),
        (24, "inner"),
        (28, "inner.id"),
        (36, "inner.name"),
        (44, "rows"),
        (48, "rows.item"),
        (52, "rows.item.id"),
        (56, "rows.item.id"),
        (0, ""),
        (60, ""),
        (2**32, ""),
    ],
)
def test_the_attribute_at_an_offset(offset, path):
    assert len(REQUEST) == 60
    assert nla.path_at(TABLE, REQUEST, len(HEADER), offset) == path


def test_the_attribute_at_an_offset_unknown_to_the_table():
    raw = HEADER + nla.attribute(77, nla.attribute(1, b""))
    assert nla.path_at(TABLE, raw, 16, 20) == "#77"
