# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules of policy routing: struct fib_rule_hdr and FRA_* (linux/fib_rules.h).

A rule decodes to a dictionary with the keys of `ip -j rule`; numbers are not spelled as text there
(`fwmark`, `tos`, a table without a name), what `ip` shows as null is True, and `family` is added.
The same dictionary is what `new` and `delete` take.
"""

from __future__ import annotations

import struct
import typing as t

from ..attribute import IP, U8, U32, Codec, Table, enum, integer, scalar, string
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from ..message import NLM_F_CREATE, NLM_F_EXCL, Request
from .numbers import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    FAMILIES,
    PROTOCOLS,
    RTM_DELRULE,
    RTM_GETRULE,
    RTM_NEWRULE,
    TABLES,
)
from .prefix import BITS, parse

# family, bits of dst, bits of src, tos, table, action, flags
HEADER = struct.Struct("=BBBBBxxBI")

TO_TABLE, GOTO, NOP = 1, 2, 3
ACTIONS = {6: "blackhole", 7: "unreachable", 8: "prohibit"}
ACTION_NUMBERS = {name: number for number, name in ACTIONS.items()}
INVERT = 0x2
FLAGS = {INVERT: "not", 0x4: "unresolved", 0x8: "iif_detached", 0x10: "oif_detached"}
IP_PROTOCOLS = {
    1: "icmp", 2: "igmp", 4: "ipip", 6: "tcp", 17: "udp", 33: "dccp", 41: "ipv6", 47: "gre", 50: "esp",
    51: "ah", 58: "ipv6-icmp", 132: "sctp", 136: "udplite",
}  # fmt: skip
UNSET = 0xFFFFFFFF  # as suppress_prefixlen and suppress_ifgroup
IFNAME = string(15)


def _pair(shape: str) -> Codec:
    """A range: first and last."""
    packer = struct.Struct(shape)

    def decode(data: bytes, start: int, end: int) -> tuple[int, int]:
        if end - start != packer.size:
            raise NetlinkDecodeError(f"a range of {end - start} bytes")
        return packer.unpack_from(data, start)

    def encode(pair: tuple[t.Any, t.Any]) -> bytes:
        first, last = integer(pair[0]), integer(pair[1])
        if not 0 <= first <= last < 1 << packer.size * 4:
            raise ValueError(f"takes a range within 0 to {(1 << packer.size * 4) - 1}")
        return packer.pack(first, last)

    return Codec(decode, encode)


TABLE = Table(
    (1, "dst", IP),
    (2, "src", IP),
    (3, "iif", IFNAME),
    (4, "goto", U32),
    (6, "priority", U32),
    (10, "fwmark", U32),
    (11, "flow", U32),
    (12, "tun_id", scalar(">Q")),
    (13, "suppress_ifgroup", U32),
    (14, "suppress_prefixlen", U32),
    (15, "table", enum(U32, TABLES)),
    (16, "fwmask", U32),
    (17, "oif", IFNAME),
    (19, "l3mdev", U8),
    (20, "uid", _pair("=II")),
    (21, "protocol", enum(U8, PROTOCOLS)),
    (22, "ipproto", enum(U8, IP_PROTOCOLS)),
    (23, "sport", _pair("=HH")),
    (24, "dport", _pair("=HH")),
)
RANGES = ("uid", "sport", "dport")

# Decoding


def _selector(found: dict[str, t.Any], name: str, family: int, bits: int) -> dict[str, t.Any]:
    address = found.pop(name, None)
    if address is None or not bits:
        return {name: "all"} if name == "src" else {}
    return {name: address} if bits == BITS.get(family) else {name: address, f"{name}len": bits}


def _range(name: str, first: int, last: int) -> dict[str, int]:
    if first == last and name != "uid":
        return {name: first}
    return {f"{name}_start": first, f"{name}_end": last}


def _realms(flow: int) -> dict[str, int]:
    shown = {"flow_from": flow >> 16, "flow_to": flow & 0xFFFF}
    return {name: realm for name, realm in shown.items() if realm}


def _action(found: dict[str, t.Any], action: int) -> dict[str, t.Any]:
    """What the rule leads to; its table says nothing where that is no table."""
    table = found.pop("table", 0)
    if action == TO_TABLE:
        return {"l3mdev": True} if found.pop("l3mdev", 0) else {"table": table}
    if action == GOTO:
        return {"goto": found.pop("goto", None)}
    return {"nop": True} if action == NOP else {"action": ACTIONS.get(action, action)}


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any] | None:
    """One rule; None for one that is not of IPv4 or IPv6 (multicast forwarding has rules too)."""
    if end - start < HEADER.size:
        raise NetlinkDecodeError(f"a rule message of {end - start} bytes")
    family, dst_bits, src_bits, tos, table, action, flags = HEADER.unpack_from(data, start)
    if family not in BITS:
        return None
    found = TABLE.decode(data, start + HEADER.size, end)
    found.setdefault("table", TABLES.get(table, table))
    rule: dict[str, t.Any] = {"family": FAMILIES[family], "priority": found.pop("priority", 0)}
    rule.update({name: True for number, name in FLAGS.items() if flags & number})
    rule.update(_selector(found, "src", family, src_bits))
    rule.update(_selector(found, "dst", family, dst_bits))
    if tos:
        rule["tos"] = tos
    if found.get("fwmask") == UNSET:
        del found["fwmask"]
    for name in ("suppress_prefixlen", "suppress_ifgroup"):
        if found.get(name) == UNSET:
            del found[name]
    for name in RANGES:
        if name in found:
            rule.update(_range(name, *found.pop(name)))
    rule.update(_realms(found.pop("flow", 0)))
    rule.update(_action(found, action))
    rule.update(found)
    return rule


def dump(family: int = AF_UNSPEC) -> Request:
    """Asks for all rules, or those of a family.

    The kernel has no other filter: `selection.only(decode, table="main")` makes one.
    """
    body = HEADER.pack(family, 0, 0, 0, 0, 0, 0)
    return Request("RTM_GETRULE", RTM_GETRULE, 0, body, TABLE, HEADER.size)


# Encoding


def _prefix(rule: t.Mapping[str, t.Any], name: str) -> tuple[int, int, str | None]:
    """Family, length and address of `src` or `dst`; zeros where a rule has none."""
    text = rule.get(name)
    if text in (None, "all", "default"):
        return 0, 0, None
    prefix = parse(text, rule.get(f"{name}len"))
    return prefix.family, prefix.length, prefix.address


FAMILY_NUMBERS = {"inet": AF_INET, "inet6": AF_INET6, None: AF_INET}


def _family(rule: t.Mapping[str, t.Any], found: set[int]) -> int:
    if rule.get("family") not in FAMILY_NUMBERS:
        raise NetlinkEncodeError("family", f"takes inet or inet6, not {rule['family']!r}")
    families = found - {0}
    if rule.get("family"):
        families.add(FAMILY_NUMBERS[rule["family"]])
    if len(families) > 1:
        raise NetlinkEncodeError("family", "a rule is either of IPv4 or of IPv6")
    return families.pop() if families else AF_INET


def _action_of(rule: t.Mapping[str, t.Any], deleting: bool) -> int:
    action = rule.get("action")
    if action in ACTION_NUMBERS:
        return ACTION_NUMBERS[action]
    if action not in (None, "to_tbl"):
        raise NetlinkEncodeError("action", f"takes one of {', '.join(ACTION_NUMBERS)}")
    if rule.get("goto") is not None:
        return GOTO
    if rule.get("nop"):
        return NOP
    named = rule.get("table") is not None or rule.get("l3mdev")
    return 0 if deleting and not named else TO_TABLE


def _span(rule: t.Mapping[str, t.Any], name: str) -> tuple[t.Any, t.Any] | None:
    """First and last of a range given by both or, where they are the same, by its name."""
    one = rule.get(name)
    first, last = rule.get(f"{name}_start", one), rule.get(f"{name}_end", one)
    return None if first is None and last is None else (first, last)


def _flow(rule: t.Mapping[str, t.Any]) -> int | None:
    first, last = integer(rule.get("flow_from") or 0), integer(rule.get("flow_to") or 0)
    return first << 16 | last or None


SPELLED = frozenset(
    ("family", "src", "srclen", "dst", "dstlen", "tos", "action", "nop", "l3mdev", *FLAGS.values())
    + ("flow_from", "flow_to")
    + tuple(name + part for name in RANGES for part in ("", "_start", "_end"))
)  # fmt: skip


def _body(rule: t.Mapping[str, t.Any], deleting: bool) -> bytes:
    src_family, src_bits, src = _prefix(rule, "src")
    dst_family, dst_bits, dst = _prefix(rule, "dst")
    action = _action_of(rule, deleting)
    values = {name: value for name, value in rule.items() if name not in SPELLED}
    values.update({name: _span(rule, name) for name in RANGES})
    values.update(src=src, dst=dst, flow=_flow(rule), l3mdev=1 if rule.get("l3mdev") else None)
    if not deleting:
        values["protocol"] = rule.get("protocol", "static")
        if action == TO_TABLE and rule.get("table") is None and not rule.get("l3mdev"):
            values["table"] = "main"
    family = _family(rule, {src_family, dst_family})
    tos = integer(rule.get("tos") or 0)
    if not 0 <= tos <= 255:
        raise NetlinkEncodeError("tos", f"takes 0 to 255, not {tos}")
    flags = INVERT if rule.get("not") else 0
    header = HEADER.pack(family, dst_bits, src_bits, tos, 0, action, flags)
    return header + TABLE.encode(values)


def _name(rule: t.Mapping[str, t.Any]) -> str:
    words = [f"{name} {rule[name]}" for name in ("priority", "src", "table") if rule.get(name)]
    return " ".join(words) or "from all"


def new(rule: t.Mapping[str, t.Any]) -> Request:
    """Adds a rule; the very same one again is an error (EEXIST).

    Without `priority` the kernel puts it before all rules but those of priority 0. `table`
    defaults to main, `protocol` to static. Raises ValueError (an address), NetlinkEncodeError.
    """
    body = _body(rule, deleting=False)
    flags = NLM_F_CREATE | NLM_F_EXCL
    return Request(f"RTM_NEWRULE {_name(rule)}", RTM_NEWRULE, flags, body, TABLE, HEADER.size)


def delete(rule: t.Mapping[str, t.Any]) -> Request:
    """Removes the first rule that fits all that is given."""
    body = _body(rule, deleting=True)
    return Request(f"RTM_DELRULE {_name(rule)}", RTM_DELRULE, 0, body, TABLE, HEADER.size)
