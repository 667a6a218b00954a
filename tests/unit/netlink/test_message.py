# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Framing, and what acknowledgements say.

The answers were recorded from Linux 6.18; beside each stands the sentence made of it.
"""

from __future__ import annotations

import struct
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.attribute import (
    BE16,
    BYTES,
    STRING,
    U8,
    U16,
    U32,
    Table,
    attribute,
    nested,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.message import (
    HEADER,
    NLM_F_ACK_TLVS,
    NLM_F_CAPPED,
    NLMSG_DONE,
    NLMSG_ERROR,
    Message,
    Request,
    error_code,
    ext_ack,
    refusal,
    split,
)


def link_table(*data_rows):
    info = Table((1, "info_kind", STRING), (2, "info_data", nested(Table(*data_rows))))
    return Table(
        (3, "ifname", STRING),
        (4, "mtu", U32),
        (10, "master", U32),
        (18, "linkinfo", nested(info)),
    )


LINK = link_table()
VXLAN = link_table((1, "id", U32), (5, "ttl", U8), (15, "port", BE16))
BRIDGE = link_table((46, "multi_boolopt", BYTES))
GENERIC = Table((1, "ifindex", U32), (2, "family_name", STRING))


def request_of(raw: str, table: Table, fixed: int) -> Request:
    data = bytes.fromhex(raw)
    _unused, kind, flags, _unused, _unused = HEADER.unpack_from(data)
    return Request("IT", kind, flags, data[HEADER.size :], table, fixed)


class Recorded(t.NamedTuple):
    table: Table
    fixed: int  # bytes of the family's header
    sent: str
    answer: str
    code: int
    sentence: str


RECORDED = {
    "a message": Recorded(
        LINK, 16,
        "28000000130005000100000000000000000000000200000000000000000000000800040070110100",
        "48000000020000030100000024590000eaffffff28000000130005000100000000000000"
        "240001006d74752067726561746572207468616e20646576696365206d6178696d756d00",
        22, "IT: mtu greater than device maximum (Invalid argument)",
    ),
    "a message behind the whole request": Recorded(
        LINK, 16,
        "28000000130005000100000000000000000000000200000000000000000000000800040070110100",
        "60000000020000020100000024590000eaffffff2800000013000500010000000000000000000000020000000000000000"
        "0000000800040070110100240001006d74752067726561746572207468616e20646576696365206d6178696d756d00",
        22, "IT: mtu greater than device maximum (Invalid argument)",
    ),
    "the errno alone": Recorded(
        LINK, 16,
        "38000000100005060100000000000000000000000000000000000000000000000800030062723000"
        "100012800b0001006272696467650000",
        "24000000020000010100000024590000efffffff38000000100005060100000000000000",
        17, "IT: File exists",
    ),
    "the errno alone behind the whole request": Recorded(
        LINK, 16,
        "38000000100005060100000000000000000000000000000000000000000000000800030062723000"
        "100012800b0001006272696467650000",
        "4c000000020000000100000024590000efffffff3800000010000506010000000000000000000000000000000000000000"
        "0000000800030062723000100012800b0001006272696467650000",
        17, "IT: File exists",
    ),
    "an attribute and what its policy allows": Recorded(
        LINK, 16,
        "440000001300050001000000000000000000000002000000000000000000000023000300"
        "6161616161616161616161616161616161616161616161616161616161610000",
        "68000000020000030100000024590000deffffff4400000013000500010000000000000027000100417474726962757465"
        "206661696c656420706f6c6963792076616c69646174696f6e0000080002002000000014000480080007000f0000000800"
        "01000b000000",
        34, "IT: Attribute failed policy validation (Numerical result out of range)"
        " [attribute ifname, allowed ..15 bytes]",
    ),
    "an attribute three levels down": Recorded(
        VXLAN, 16,
        "4c000000100005060100000000000000000000000000000000000000000000000700030076300000240012800a000100"
        "76786c616e0000001400028005000500050000000800010000000001",
        "5800000002000003010000001b5a0000deffffff4c00000010000506010000000000000029000100"
        "56584c414e204944206d757374206265206c6f776572207468616e203136373737323136000000000800020044000000",
        34, "IT: VXLAN ID must be lower than 16777216 (Numerical result out of range)"
        " [attribute linkinfo.info_data.id]",
    ),
    "a size that its policy wants exactly": Recorded(
        BRIDGE, 16,
        "440000001000050601000000000000000000000000000000000000000000000007000300763000001c0012800b000100"
        "62726964676500000c00028008002e0001000000",
        "7000000002000003010000001b5a0000deffffff44000000100005060100000000000000270001006269"
        "6e617279206174747269627574652073697a65206f7574206f662072616e67650000080002003c0000001c000480"
        "08000600080000000800070008000000080001000a000000",
        34, "IT: binary attribute size out of range (Numerical result out of range)"
        " [attribute linkinfo.info_data.multi_boolopt, allowed 8..8 bytes]",
    ),
    "a missing attribute": Recorded(
        GENERIC, 4,
        "1400000014000500010000000000000001010000",
        "2c00000002000003010000001b5a0000eaffffff140000001400050001000000000000000800050001000000",
        22, "IT: Invalid argument [missing attribute ifindex]",
    ),
    "the end of a refused dump": Recorded(
        LINK, 16,
        "28000000120001030100000000000000000000000000000000000000000000000800040001000000",
        "44000000030002020100000024590000eaffffff"
        "2f000100556e737570706f727465642061747472696275746520696e206c696e6b2064756d7020726571756573740000",
        22, "IT: Unsupported attribute in link dump request (Invalid argument)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RECORDED)
def test_recorded_refusals(case):
    table, fixed, sent, answer, code, sentence = RECORDED[case]
    data = bytes.fromhex(answer)
    (message,) = split(data)
    error = refusal(data, message, request_of(sent, table, fixed))
    assert error.errno == code
    assert str(error) == sentence


def test_a_recorded_success():
    data = bytes.fromhex("240000000200000101000000245900000000000028000000130005000100000000000000")
    (message,) = split(data)
    assert message == Message(NLMSG_ERROR, NLM_F_CAPPED, 1, 0x5924, 16, 36)
    assert error_code(data, message) == 0


def acknowledgement(tlvs: bytes, code: int = -22, kind: int = NLMSG_ERROR, flags: int = 0) -> bytes:
    quoted = HEADER.pack(16, 16, 5, 1, 0) if kind == NLMSG_ERROR else b""
    payload = struct.pack("=i", code) + quoted + tlvs
    flags |= NLM_F_CAPPED | NLM_F_ACK_TLVS
    return HEADER.pack(16 + len(payload), kind, flags, 1, 0) + payload


def said(data: bytes, request: Request) -> str:
    (message,) = split(data)
    return str(refusal(data, message, request))


def number(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def test_a_missing_attribute_is_named_inside_its_nest():
    values = {"ifname": "v0", "linkinfo": {"info_kind": "vxlan", "info_data": {"ttl": 5}}}
    request = Request("IT", 16, 0, b"\0" * 16 + VXLAN.encode(values), VXLAN, 16)
    data = request.pack(0)
    nest = data.index(b"\x0c\0\x02\x80")
    assert said(acknowledgement(number(5, 1) + number(6, nest)), request).endswith(
        "[missing attribute linkinfo.info_data.id]"
    )


@pytest.mark.parametrize(
    ("policy", "allowed"),
    [
        (attribute(2, struct.pack("=q", -5)) + attribute(3, struct.pack("=q", 7)), "-5..7"),
        (
            attribute(4, struct.pack("=Q", 1)) + attribute(5, struct.pack("=Q", 2**63)),
            f"1..{2**63}",
        ),
        (attribute(5, struct.pack("=Q", 9)), "..9"),
        (number(6, 6) + number(7, 6), "6..6 bytes"),
        (number(6, 4), "4.. bytes"),
        (number(1, 10), ""),
    ],
)
def test_what_a_policy_allows(policy, allowed):
    data = acknowledgement(attribute(4, policy))
    (message,) = split(data)
    assert ext_ack(data, message, Request("IT", 16, 0, b"", LINK, 0)).allowed == allowed


def test_an_offset_means_nothing_without_a_table():
    assert said(acknowledgement(number(2, 16)), Request("IT", 16, 0, b"")) == "IT: Invalid argument"


def test_an_attribute_that_the_table_does_not_know_is_given_by_number():
    request = Request("IT", 16, 0, b"\0" * 16 + attribute(77, b"1234"), LINK, 16)
    assert "attribute #77" in said(acknowledgement(number(2, 32)), request)


@pytest.mark.parametrize(
    ("code", "kind", "good"),
    [(0, 2, 0), (-1, 2, 1), (-4095, 2, 4095), (-22, 3, 22), (0, 3, 0)],
)
def test_codes(code, kind, good):
    data = acknowledgement(b"", code, kind)
    (message,) = split(data)
    assert error_code(data, message) == good


@pytest.mark.parametrize("code", [1, -4096, -(2**31), 2**31 - 1])
@pytest.mark.parametrize("kind", [NLMSG_ERROR, NLMSG_DONE])
def test_what_is_no_errno(code, kind):
    data = acknowledgement(b"", code, kind)
    (message,) = split(data)
    with pytest.raises(NetlinkDecodeError, match="no errno"):
        error_code(data, message)


def test_the_end_of_a_dump_may_come_without_a_code():
    data = HEADER.pack(16, NLMSG_DONE, 2, 1, 0)
    (message,) = split(data)
    assert error_code(data, message) == 0


def test_an_acknowledgement_may_not():
    data = HEADER.pack(18, NLMSG_ERROR, 0, 1, 0) + b"\0\0"
    (message,) = split(data)
    with pytest.raises(NetlinkDecodeError, match="without its error code"):
        error_code(data, message)


@pytest.mark.parametrize(
    ("payload", "flags"),
    [
        (b"\xea\xff\xff\xff", NLM_F_CAPPED),
        (b"\xea\xff\xff\xff" + b"\0" * 15, NLM_F_CAPPED),
        (b"\xea\xff\xff\xff" + HEADER.pack(1000, 16, 5, 1, 0), 0),
        (b"\xea\xff\xff\xff" + HEADER.pack(2**32 - 1, 16, 5, 1, 0), 0),
        (b"\xea\xff\xff\xff" + HEADER.pack(16, 16, 5, 1, 0) + b"\3\0\1\0", NLM_F_CAPPED),
        (b"\xea\xff\xff\xff" + HEADER.pack(16, 16, 5, 1, 0) + b"\5\0\2\0\0\0\0\0", NLM_F_CAPPED),
    ],
)
def test_lying_acknowledgements(payload, flags):
    data = HEADER.pack(16 + len(payload), NLMSG_ERROR, NLM_F_ACK_TLVS | flags, 1, 0) + payload
    (message,) = split(data)
    with pytest.raises(NetlinkDecodeError):
        refusal(data, message, Request("IT", 16, 0, b"", LINK, 0))


# Framing


def test_a_datagram_of_many_messages():
    data = HEADER.pack(18, 16, 2, 5, 9) + b"ab\0\0" + HEADER.pack(16, 3, 0, 6, 9)
    assert list(split(data)) == [Message(16, 2, 5, 9, 16, 18), Message(3, 0, 6, 9, 36, 36)]


def test_an_empty_datagram():
    assert list(split(b"")) == []


@pytest.mark.parametrize(
    "data",
    [
        b"\0",
        HEADER.pack(16, 16, 0, 0, 0)[:-1],
        HEADER.pack(0, 16, 0, 0, 0),
        HEADER.pack(15, 16, 0, 0, 0),
        HEADER.pack(17, 16, 0, 0, 0),
        HEADER.pack(2**32 - 1, 16, 0, 0, 0) + b"\0" * 64,
        HEADER.pack(16, 16, 0, 0, 0) + b"\0\0\0\0",
        HEADER.pack(16, 16, 0, 0, 0) + HEADER.pack(0, 0, 0, 0, 0),
    ],
)
def test_broken_framing(data):
    with pytest.raises(NetlinkDecodeError, match="netlink message"):
        list(split(data))


def test_messages_before_the_broken_one_are_given_out():
    messages = split(HEADER.pack(16, 16, 0, 1, 0) + b"\0" * 16)
    assert next(messages).sequence == 1
    with pytest.raises(NetlinkDecodeError):
        next(messages)


def test_a_request_is_padded_but_its_length_is_not():
    raw = Request("IT", 20, 0x400, b"abcde").pack(7, 4)
    assert HEADER.unpack_from(raw) == (21, 20, 0x405, 7, 0)
    assert raw[16:] == b"abcde\0\0\0"
    (message,) = split(raw)
    assert raw[message.start : message.end] == b"abcde"


def test_families_of_numbers_wider_than_a_byte():
    assert list(split(Request("IT", 0xFFFF, 0, b"").pack(2**32 - 1)))[0].type == 0xFFFF
    assert U16.decode(b"\xff\xff", 0, 2) == 0xFFFF
