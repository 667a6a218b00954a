# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IP addresses of links: struct ifaddrmsg and IFA_* (linux/if_addr.h).

An address decodes to a dictionary with the keys of an `addr_info` item of `ip -j addr`, and `index`, its link's. The
same dictionary is what `new` and `delete` take.
"""

from __future__ import annotations

import functools
import struct
import typing as t

from ..attribute import IP, U8, U32, Codec, Table, attribute, enum, integer, string, truth
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from ..message import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request
from .numbers import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    FAMILIES,
    RTM_DELADDR,
    RTM_GETADDR,
    RTM_NEWADDR,
    SCOPES,
)
from .prefix import Prefix, parse

IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags (low 8 bits), scope, index
LIFETIMES = struct.Struct("=II")  # struct ifa_cacheinfo: preferred, valid (s); two timestamps follow

FOREVER = 0xFFFFFFFF  # seconds, as a lifetime

IFA_F_SECONDARY, IFA_F_PERMANENT = 0x1, 0x80
FLAGS = {
    0x2: "nodad", 0x4: "optimistic", 0x8: "dadfailed", 0x10: "home", 0x20: "deprecated", 0x40: "tentative",
    0x100: "mngtmpaddr", 0x200: "noprefixroute", 0x400: "autojoin", 0x800: "stable-privacy",
}  # fmt: skip
SETTABLE = ("nodad", "optimistic", "home", "mngtmpaddr", "noprefixroute", "autojoin")
FLAG_NUMBERS = {name: number for number, name in FLAGS.items()}

# What an address that is there can change; anything else takes another one in its place.
IN_PLACE = {
    "inet": frozenset(("valid_life_time", "preferred_life_time", "metric")),
    "inet6": frozenset(("valid_life_time", "preferred_life_time", "metric", "noprefixroute")),
}

PROTOCOLS = {0: "unspecified", 1: "kernel_lo", 2: "kernel_ra", 3: "kernel_ll"}
SCOPE = enum(U8, SCOPES)


def _decode_lifetimes(data: bytes, start: int, end: int) -> tuple[int, int]:
    if end - start < LIFETIMES.size:
        raise NetlinkDecodeError(f"lifetimes of an address in {end - start} bytes")
    preferred, valid = LIFETIMES.unpack_from(data, start)
    return valid, preferred


def _encode_lifetimes(lifetimes: tuple[t.Any, t.Any]) -> bytes:
    valid, preferred = lifetimes
    raw_valid = U32.encode(FOREVER if valid is None else valid)
    raw_preferred = raw_valid if preferred is None else U32.encode(preferred)
    if U32.decode(raw_preferred, 0, 4) > U32.decode(raw_valid, 0, 4):
        raise ValueError("the preferred lifetime cannot be longer than the valid one")
    return raw_preferred + raw_valid + bytes(8)


TABLE = Table(
    (1, "address", IP),
    (2, "local", IP),
    (3, "label", string(15)),
    (4, "broadcast", IP),
    (5, "anycast", IP),
    (6, "lifetimes", Codec(_decode_lifetimes, _encode_lifetimes)),
    (8, "flags", U32),
    (9, "metric", U32),
    (10, "target_netnsid", U32),
    (11, "protocol", enum(U8, PROTOCOLS)),
)


@functools.lru_cache(maxsize=256)
def flag_names(family: int, flags: int) -> tuple[str, ...]:
    """The names under which `ip -j addr` shows IFA_F_* (`dynamic`: one with a lifetime, not IFA_F_PERMANENT)."""
    names = [name for number, name in FLAGS.items() if flags & number]
    if flags & IFA_F_SECONDARY:
        names.insert(0, "temporary" if family == AF_INET6 else "secondary")
    if not flags & IFA_F_PERMANENT:
        names.append("dynamic")
    return tuple(names)


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """One address: `index`, `family` ("inet", "inet6"), `local`, `prefixlen`, `scope` and what else it has.

    `address` is there for the peer's address only. Lifetimes are in seconds, 4294967295 for ever. Each flag that is
    set is a key with the value True.
    """
    if end - start < IFADDR.size:
        raise NetlinkDecodeError(f"an address message of {end - start} bytes")
    family, length, low_flags, scope, index = IFADDR.unpack_from(data, start)
    found = TABLE.decode(data, start + IFADDR.size, end)
    flags = found.pop("flags", low_flags)
    valid, preferred = found.pop("lifetimes", (FOREVER, FOREVER))
    peer = found.pop("address", None)
    local = found.pop("local", peer)
    out: dict[str, t.Any] = {"index": index, "family": FAMILIES.get(family, family), "local": local}
    if peer != local:
        out["address"] = peer
    out["prefixlen"] = length
    out["scope"] = SCOPES.get(scope, scope)
    out.update(found)
    for name in flag_names(family, flags):
        out[name] = True
    out["valid_life_time"] = valid
    out["preferred_life_time"] = preferred
    return out


def preferred_left(found: t.Mapping[str, t.Any]) -> int | None:
    """The preferred lifetime that a decoded address has left; None where nothing is known of it.

    Of one of IPv4 that is valid for ever the kernel says that it is preferred for ever, though it is deprecated.
    """
    return 0 if found.get("deprecated") else found.get("preferred_life_time")


def same_lifetime(wanted: int, present: int) -> bool:
    """What is left of a lifetime that runs down is the same wish, as long as something is."""
    return wanted == present or (FOREVER not in (wanted, present) and 0 < present <= wanted)


def dump(index: int = 0, family: int = AF_UNSPEC) -> Request:
    """Asks for all addresses, those of one link, of one family (AF_INET, AF_INET6), or both: the kernel's filter."""
    return Request("RTM_GETADDR", RTM_GETADDR, 0, IFADDR.pack(family, 0, 0, 0, index), TABLE, IFADDR.size)


def prefix_of(address: str | t.Mapping[str, t.Any]) -> Prefix:
    """The local address with its prefix length. Raises ValueError, NetlinkEncodeError (`local` is missing)."""
    if isinstance(address, str):
        return parse(address)
    if not address.get("local"):
        raise NetlinkEncodeError("local", "an address needs one")
    return parse(address["local"], address.get("prefixlen"))


READ_ONLY = frozenset(FLAGS.values()) - frozenset(SETTABLE) | {
    "secondary",
    "temporary",
    "dynamic",
    "permanent",
}
PLAIN = ("label", "broadcast", "anycast", "metric", "protocol")
IFA_ADDRESS, IFA_LOCAL = 1, 2
KNOWN = frozenset(
    (*PLAIN, *SETTABLE, "index", "family", "local", "address", "prefixlen", "scope", "flags",
     "valid_life_time", "preferred_life_time")
) | READ_ONLY  # fmt: skip


# What most addresses have nothing of, beyond the local address.
MORE = frozenset((*PLAIN, *SETTABLE, "flags", "valid_life_time", "preferred_life_time"))


def _more(address: t.Mapping[str, t.Any]) -> bytes:
    if MORE.isdisjoint(address):
        return b""
    valid, preferred = address.get("valid_life_time"), preferred_left(address)
    more = {
        "lifetimes": None if valid is None and preferred is None else (valid, preferred),
        "flags": _flags(address) or None,
        **{name: address[name] for name in PLAIN if name in address},
    }
    return TABLE.encode(more)


def _flags(address: t.Mapping[str, t.Any]) -> int:
    flags = integer(address.get("flags") or 0)
    for name in SETTABLE:
        if truth(address.get(name) or False):
            flags |= FLAG_NUMBERS[name]
    return flags


def _scope(prefix: Prefix, address: t.Mapping[str, t.Any]) -> int:
    """As given, else what iproute2 takes: 127.0.0.0/8 is the host's own, the rest global (IPv6: the kernel decides)."""
    if address.get("scope") is not None:
        try:
            return SCOPE.encode(address["scope"])[0]
        except ValueError as error:
            raise NetlinkEncodeError("scope", f"{error}, not {address['scope']!r}") from None
    return 254 if prefix.family == AF_INET and prefix.raw[0] == 127 else 0


def _body(index: int, prefix: Prefix, scope: int, peer: t.Any) -> bytes:
    """The header, the local address and `peer`, the other end's (None: there is none, and the local one is said)."""
    other = TABLE.encode_one("address", peer) if peer else attribute(IFA_ADDRESS, prefix.raw)
    header = IFADDR.pack(prefix.family, prefix.length, 0, scope, index)
    return header + attribute(IFA_LOCAL, prefix.raw) + other


def new(index: int, address: str | t.Mapping[str, t.Any], replace: bool = False) -> Request:
    """Adds an address to a link: "10.0.0.1/24", or a dictionary as `decode` makes it.

    Of a dictionary `local` is needed (with its prefix length, or `prefixlen` beside it). What only the kernel sets
    (`tentative`, `dynamic`, ...) is passed over, so that an address that was read can be put back, one that is
    `deprecated` as such. `replace` changes lifetimes, metric and flags of an address that is there. Raises ValueError,
    NetlinkEncodeError.
    """
    prefix = prefix_of(address)
    values: t.Mapping[str, t.Any] = {} if isinstance(address, str) else address
    if not KNOWN.issuperset(values):
        unknown = sorted(set(values) - KNOWN)
        raise NetlinkEncodeError(unknown[0], f"unknown; known are {', '.join(sorted(KNOWN))}")
    flags = NLM_F_CREATE | (NLM_F_REPLACE if replace else NLM_F_EXCL)
    body = _body(index, prefix, _scope(prefix, values), values.get("address")) + _more(values)
    return Request(f"RTM_NEWADDR {prefix} on link {index}", RTM_NEWADDR, flags, body, TABLE, IFADDR.size)


def delete(index: int, address: str | t.Mapping[str, t.Any]) -> Request:
    """Removes an address from a link; prefix length, and the peer where there is one, have to be right too."""
    prefix = prefix_of(address)
    peer = None if isinstance(address, str) else address.get("address")
    body = _body(index, prefix, 0, peer)
    return Request(f"RTM_DELADDR {prefix} on link {index}", RTM_DELADDR, 0, body, TABLE, IFADDR.size)
