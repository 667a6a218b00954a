# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tunnels over IPv4: IFLA_GRE_*, IFLA_IPTUN_*, IFLA_VTI_* (linux/if_tunnel.h); what those over IPv6
share with them.

A change has to repeat every attribute: the kernel takes what is left out for zero.
"""

from __future__ import annotations

import typing as t

from ..attribute import BE16, BE32, BOOL, IPV4, IPV6, U8, U16, U32, Codec, Table, enum, scalar, truth
from ..errors import NetlinkEncodeError
from .kind import LINK, Kind, Options
from .values import ANY_IPV4, PRESENCE, Dict, Rows, Shaped, hexadecimal, whole, worded

KEY, SEQ, CSUM = 0x2000, 0x1000, 0x8000  # GRE_KEY, GRE_SEQ, GRE_CSUM, in network byte order
SIT_ISATAP = 1

TTL = worded(U8, inherit=0)
TOS = hexadecimal(worded(U8, inherit=1))
FWMARK = hexadecimal(U32)


def _key(value: t.Any) -> bytes:
    return IPV4.encode(value) if isinstance(value, str) and "." in value else BE32.encode(value)


GRE_KEY = Codec(IPV4.decode, _key)  # shown as four bytes with dots

# UDP around the tunnel's packets (TUNNEL_ENCAP_*): four attributes, which `ip` shows as one.
ENCAP_FLAGS = {1: "csum", 2: "csum6", 4: "remcsum"}
ENCAP = Table(
    (1, "type", enum(scalar("=H", 0, 2), {0: "none", 1: "fou", 2: "gue"})),
    (2, "sport", worded(U16, auto=0)),
    (3, "dport", U16),
    *((4 + bit, name, BOOL) for bit, name in ENCAP_FLAGS.items()),
)
NO_ENCAP = {"type": "none", "sport": 0, "dport": 0, **dict.fromkeys(ENCAP_FLAGS.values(), False)}


def _encode_encap(value: t.Any) -> bytes:
    if value == "none":
        value = {}
    if not isinstance(value, dict):
        raise ValueError("takes none or {type: fou or gue, sport: PORT, dport: PORT, csum, csum6, remcsum}")
    return ENCAP.encode({**NO_ENCAP, **value})


def _decode_encap(data: bytes, start: int, end: int) -> t.Any:
    encap = ENCAP.decode(data, start, end)
    return "none" if encap.get("type") == "none" else encap


def encap_rows(first: int) -> tuple[Rows, Rows]:
    """The option, and the attributes from number `first` on."""
    names = ("encap_type", "encap_flags", "encap_sport", "encap_dport")
    wire = tuple((first + at, name, codec) for at, (name, codec) in enumerate(zip(names, (U16, U16, BE16, BE16))))
    return ((first, "encap", Codec(_decode_encap, _encode_encap)),), wire


def show_encap(found: Dict) -> Dict:
    kind, flags, sport, dport = (found.pop(f"encap_{name}", 0) for name in ("type", "flags", "sport", "dport"))
    if kind:
        found["encap"] = {
            "type": {1: "fou", 2: "gue"}.get(kind, kind),
            "sport": sport,
            "dport": dport,
            **{name: bool(flags & bit) for bit, name in ENCAP_FLAGS.items()},
        }
    return found


def spread_encap(options: Dict) -> Dict:
    if "encap" in options:
        raw = _encode_encap(options.pop("encap"))
        encap = ENCAP.decode(raw, 0, len(raw))
        options["encap_type"] = {"none": 0, "fou": 1, "gue": 2}[encap["type"]]
        options["encap_flags"] = sum(bit for bit, name in ENCAP_FLAGS.items() if encap[name])
        options["encap_sport"], options["encap_dport"] = encap["sport"], encap["dport"]
    return options


# GRE's key, sequence numbers and checksums, each for what comes in and what goes out.
GRE_OPTIONS = (
    (1, "link", LINK),
    (4, "ikey", GRE_KEY),
    (5, "okey", GRE_KEY),
    (2, "iseq", BOOL),
    (2, "icsum", BOOL),
    (3, "oseq", BOOL),
    (3, "ocsum", BOOL),
)
GRE_WIRE = ((2, "iflags", BE16), (3, "oflags", BE16))


def both_sides(options: Options) -> Dict:
    """`key`, `seq` and `csum` stand for those of both directions."""
    out: Dict = {}
    for name, value in options.items():
        out.update({f"{side}{name}": value for side in "io"} if name in ("key", "seq", "csum") else {name: value})
    return out


def show_gre(found: Dict) -> Dict:
    for side in "io":
        flags = found.pop(f"{side}flags", 0)
        if not flags & KEY:
            found.pop(f"{side}key", None)
        found.update((f"{side}{name}", True) for name, bit in (("seq", SEQ), ("csum", CSUM)) if flags & bit)
    return show_encap(found)


def spread_gre(options: Dict) -> Dict:
    for side in "io":
        given = {f"{side}{name}" for name in ("key", "seq", "csum")} & set(options)
        flags = KEY if f"{side}key" in options else 0
        for name, bit in (("seq", SEQ), ("csum", CSUM)):
            flags |= bit if truth(options.pop(f"{side}{name}", False)) else 0
        if given:
            options[f"{side}flags"] = flags
    return spread_encap(options)


_ENCAP_OPTION, _ENCAP_WIRE = encap_rows(14)
GRE = Shaped(
    (
        *GRE_OPTIONS,
        (6, "local", ANY_IPV4),
        (7, "remote", ANY_IPV4),
        (8, "ttl", TTL),
        (9, "tos", TOS),
        (10, "pmtudisc", BOOL),
        *_ENCAP_OPTION,
        (18, "external", PRESENCE),
        (19, "ignore_df", BOOL),
        (20, "fwmark", FWMARK),
    ),
    (*GRE_WIRE, *_ENCAP_WIRE),
    show_gre,
    spread_gre,
)

_ENCAP_OPTION, _ENCAP_WIRE = encap_rows(15)
_IPTUN = (
    (1, "link", LINK),
    (2, "local", ANY_IPV4),
    (3, "remote", ANY_IPV4),
    (4, "ttl", TTL),
    (5, "tos", TOS),
    (10, "pmtudisc", BOOL),
    *_ENCAP_OPTION,
    (20, "fwmark", FWMARK),
)


def _proto(**names: int) -> Codec:
    """What is carried, by its IP protocol number."""
    return enum(U8, {number: name for name, number in names.items()})


IPIP = Shaped(
    (*_IPTUN, (19, "external", PRESENCE), (9, "proto", _proto(any=0, ipip=4, mplsip=137))),
    _ENCAP_WIRE,
    show_encap,
    spread_encap,
)


def _show_sit(found: Dict) -> Dict:
    if found.pop("flags", 0) & SIT_ISATAP:
        found["isatap"] = True
    if found.get("relay_prefix") == "0.0.0.0":
        del found["relay_prefix"]
        found.pop("relay_prefixlen", None)
    return show_encap(found)


def _spread_sit(options: Dict) -> Dict:
    if "isatap" in options:
        options["flags"] = SIT_ISATAP if truth(options.pop("isatap")) else 0
    return spread_encap(options)


SIT = Shaped(
    (
        *_IPTUN,
        (8, "isatap", BOOL),
        (9, "proto", _proto(any=0, ipip=4, ip6ip=41, mplsip=137)),
        (11, "prefix", IPV6),
        (12, "relay_prefix", IPV4),
        (13, "prefixlen", scalar("=H", 0, 64)),
        (14, "relay_prefixlen", scalar("=H", 0, 32)),
    ),
    ((8, "flags", U16), *_ENCAP_WIRE),
    _show_sit,
    _spread_sit,
)


def show_vti(found: Dict) -> Dict:
    for name in ("ikey", "okey"):
        if found.get(name) == "0.0.0.0":
            del found[name]
    return found


VTI = Shaped(
    (
        (1, "link", LINK),
        (2, "ikey", GRE_KEY),
        (3, "okey", GRE_KEY),
        (4, "local", ANY_IPV4),
        (5, "remote", ANY_IPV4),
        (6, "fwmark", FWMARK),
    ),
    show=show_vti,
)


def _check_gre(options: Options) -> None:
    if options.get("ignore_df") and options.get("pmtudisc", True):
        raise NetlinkEncodeError("ignore_df", "needs pmtudisc to be false")


def _check_sit(options: Options) -> None:
    if options.get("prefixlen", 0) + 32 - options.get("relay_prefixlen", 0) > 64 and "relay_prefixlen" in options:
        raise NetlinkEncodeError("prefixlen", "with the 32 bits less relay_prefixlen makes more than 64 bits")


def tunnel(name: str, table: Table, module: str, *fixed: str, **rest: t.Any) -> Kind:
    rest["fixed"] = frozenset(("external", *fixed)) & set(table.rows)
    return Kind(name, table, module, parent="optional", parent_option="link", change=whole, **rest)


KINDS = {
    "gre": tunnel("gre", GRE, "ip_gre", normal=both_sides, check=_check_gre),
    "gretap": tunnel("gretap", GRE, "ip_gre", normal=both_sides, check=_check_gre),
    "ipip": tunnel("ipip", IPIP, "ipip", "proto"),
    "sit": tunnel("sit", SIT, "sit", "proto", "pmtudisc", "isatap", check=_check_sit),
    "vti": tunnel("vti", VTI, "ip_vti", normal=both_sides),
}
