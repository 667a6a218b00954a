# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes: struct rtmsg, RTA_*, RTAX_* and struct rtnexthop (linux/rtnetlink.h).

A route decodes to a dictionary with the keys of `ip -j -d route`, with these differences: links
are numbers (`oif`, `iif`), numbers are not spelled as text (`tos`, `flow`, a table without a
name), `metrics` is one dictionary, `encap` one dictionary with its `type`, and `family` says which
family the route is of. The same dictionary is what `new`, `replace`, `append` and `delete` take.

There can be very many routes, and all but the destination repeats among them: both directions
remember the rest.
"""

from __future__ import annotations

import functools
import operator
import socket
import struct
import typing as t
from socket import inet_ntop

from ..attribute import (
    BYTES,
    IP,
    STRING,
    U8,
    U16,
    U32,
    Codec,
    Table,
    enum,
    integer,
    ip_bytes,
    nested,
)
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from ..exchange import Alike, Column
from ..message import NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request
from .numbers import (
    AF_INET,
    AF_INET6,
    AF_UNSPEC,
    FAMILIES,
    PROTOCOLS,
    RTM_DELROUTE,
    RTM_GETROUTE,
    RTM_NEWROUTE,
    SCOPES,
    TABLES,
)
from .prefix import BITS, LENGTHS, parse, split

# family, bits of dst, bits of from, tos, table, protocol, scope, type, flags
RTMSG = struct.Struct("=BBBBBBBBI")
RTNEXTHOP = struct.Struct("=HBBi")  # length, flags, weight - 1, link
CACHEINFO = struct.Struct("=IIiIIIII")  # of struct rta_cacheinfo the third: expires, in clock ticks
TICKS = 100  # a second, as the kernel tells user space (USER_HZ)

TYPES = {
    0: "unspec", 1: "unicast", 2: "local", 3: "broadcast", 4: "anycast", 5: "multicast",
    6: "blackhole", 7: "unreachable", 8: "prohibit", 9: "throw", 10: "nat", 11: "xresolve",
}  # fmt: skip
FLAGS = {
    0x1: "dead", 0x2: "pervasive", 0x4: "onlink", 0x8: "offload", 0x10: "linkdown", 0x20: "unresolved",
    0x40: "trap", 0x100: "notify", 0x4000: "rt_offload", 0x8000: "rt_trap", 0x20000000: "rt_offload_failed",
}  # fmt: skip
SETTABLE = {"onlink": 0x4, "pervasive": 0x2}
RTM_F_LOOKUP_TABLE, RTM_F_FIB_MATCH = 0x1000, 0x2000
PREFERENCES = {0: "medium", 1: "high", 3: "low"}

METRICS = (
    "lock", "mtu", "window", "rtt", "rttvar", "ssthresh", "cwnd", "advmss", "reordering", "hoplimit",
    "initcwnd", "ecn", "rto_min", "initrwnd", "quickack", "congestion", "fastopen_no_cookie",
)  # fmt: skip  # RTAX_*, from 1 on


def _scaled(factor: int) -> Codec:
    """Milliseconds, which the kernel keeps in fractions."""
    return Codec(
        lambda data, start, end: U32.decode(data, start, end) // factor,
        lambda value: U32.encode(integer(value) * factor),
    )


def _decode_lock(data: bytes, start: int, end: int) -> list[str]:
    bits = U32.decode(data, start, end)
    return [name for number, name in enumerate(METRICS, 1) if bits & 1 << number]


def _encode_lock(names: t.Iterable[str]) -> bytes:
    unknown = [name for name in names if name not in METRICS]
    if unknown:
        raise ValueError(f"takes names of metrics, not {unknown[0]!r}")
    return U32.encode(sum(1 << METRICS.index(name) + 1 for name in names))


METRIC_CODECS = {
    "lock": Codec(_decode_lock, _encode_lock),
    "rtt": _scaled(8),
    "rttvar": _scaled(4),
    "ecn": Codec(lambda *where: U32.decode(*where) & 1 == 1, lambda on: U32.encode(1 if on else 0)),
    "congestion": STRING,
}
METRICS_TABLE = Table(*((number, name, METRIC_CODECS.get(name, U32)) for number, name in enumerate(METRICS, 1)))


def _decode_via(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """struct rtvia: a gateway of another family than the route's."""
    family = U16.decode(data, start, start + 2) if end - start >= 2 else 0
    if BITS.get(family) != (end - start - 2) * 8:
        raise NetlinkDecodeError(f"a gateway of family {family} in {end - start} bytes")
    return {"family": FAMILIES[family], "host": IP.decode(data, start + 2, end)}


def _encode_via(via: t.Mapping[str, t.Any]) -> bytes:
    raw = ip_bytes(via.get("host") if isinstance(via, dict) else None)
    return U16.encode(AF_INET if len(raw) == 4 else AF_INET6) + raw


def _decode_flow(data: bytes, start: int, end: int) -> dict[str, int]:
    realms = U32.decode(data, start, end)
    flow = {"from": realms >> 16} if realms >> 16 else {}
    flow["to"] = realms & 0xFFFF
    return flow


def _encode_flow(flow: t.Mapping[str, t.Any]) -> bytes:
    """Realms, of 16 bits each."""
    return U32.encode(integer(flow.get("from", 0)) << 16 | integer(flow.get("to", 0)))


def flag_names(flags: int) -> list[str]:
    return [name for number, name in FLAGS.items() if flags & number]


def settable(flags: t.Iterable[str] | None) -> int:
    """Of flags that were read those that may be set; the others only the kernel knows."""
    return functools.reduce(lambda bits, name: bits | SETTABLE.get(name, 0), flags or (), 0)


ENCAP = Codec(BYTES.decode, BYTES.encode, Table())  # decoded when its type is known


def show_encap(found: dict[str, t.Any]) -> None:
    """RTA_ENCAP_TYPE and RTA_ENCAP as one dictionary, `encap`."""
    raw = found.pop("encap", b"")
    if "encap_type" in found:
        from . import encap

        found["encap"] = encap.decode(found.pop("encap_type"), raw)


def spell_encap(values: dict[str, t.Any]) -> None:
    """The other way round."""
    if values.get("encap") is not None:
        from . import encap

        values["encap_type"], values["encap"] = encap.encode(values["encap"])


NEXTHOP = Table(
    (5, "gateway", IP),
    (11, "flow", Codec(_decode_flow, _encode_flow)),
    (18, "via", Codec(_decode_via, _encode_via)),
    (21, "encap_type", U16),
    (22, "encap", ENCAP),
)


def _decode_nexthops(data: bytes, start: int, end: int) -> list[dict[str, t.Any]]:
    nexthops = []
    while end - start >= RTNEXTHOP.size:
        length, flags, hops, index = RTNEXTHOP.unpack_from(data, start)
        stop = start + length
        if length < RTNEXTHOP.size or stop > end:
            raise NetlinkDecodeError(f"a next hop of {length} bytes, {end - start} are there")
        nexthop = NEXTHOP.decode(data, start + RTNEXTHOP.size, stop)
        show_encap(nexthop)
        nexthop.update(oif=index, weight=hops + 1, flags=flag_names(flags))
        nexthops.append(nexthop)
        start = (stop + 3) & ~3
    return nexthops


def _encode_nexthop(nexthop: t.Mapping[str, t.Any]) -> bytes:
    values = dict(nexthop)
    spell_encap(values)
    index = integer(values.pop("oif", None) or 0)
    flags = settable(values.pop("flags", None))
    weight = integer(values.pop("weight", 1))
    if not 1 <= weight <= 256:
        raise NetlinkEncodeError("weight", f"takes 1 to 256, not {weight}")
    attributes = NEXTHOP.encode(values)
    return RTNEXTHOP.pack(RTNEXTHOP.size + len(attributes), flags, weight - 1, index) + attributes


def _encode_nexthops(nexthops: t.Sequence[t.Mapping[str, t.Any]]) -> bytes:
    return b"".join(_encode_nexthop(nexthop) for nexthop in nexthops)


def _decode_expires(data: bytes, start: int, end: int) -> int:
    if end - start < CACHEINFO.size:
        raise NetlinkDecodeError(f"a route's cache information of {end - start} bytes")
    return int(CACHEINFO.unpack_from(data, start)[2] / TICKS)


TABLE = Table(
    (1, "dst", IP),
    (2, "from", IP),
    (3, "iif", U32),
    (4, "oif", U32),
    (5, "gateway", IP),
    (6, "metric", U32),
    (7, "prefsrc", IP),
    (8, "metrics", nested(METRICS_TABLE)),
    (9, "nexthops", Codec(_decode_nexthops, _encode_nexthops)),
    (11, "flow", Codec(_decode_flow, _encode_flow)),
    (12, "remaining", Codec(_decode_expires, BYTES.encode)),
    (15, "table", enum(U32, TABLES)),
    (16, "mark", U32),
    (18, "via", Codec(_decode_via, _encode_via)),
    (20, "pref", enum(U8, PREFERENCES)),
    (21, "encap_type", U16),
    (22, "encap", ENCAP),
    (23, "expires", U32),
    (25, "uid", U32),
    (30, "nhid", U32),
)

# Decoding


def _prefix(address: str | None, family: int, length: int) -> str:
    """As `ip` shows a destination: "default", an address alone, or one with its length."""
    if not length:
        return "default"
    if address is None:
        address = inet_ntop(family, bytes(BITS[family] // 8))
    return address if length == BITS[family] else f"{address}/{length}"


def _decode_whole(data: bytes, start: int, end: int) -> dict[str, t.Any] | None:
    family, bits, from_bits, tos, table, protocol, scope, kind, flags = RTMSG.unpack_from(data, start)
    if family not in BITS:
        return None
    found = TABLE.decode(data, start + RTMSG.size, end)
    show_encap(found)
    route: dict[str, t.Any] = {
        "type": TYPES.get(kind, kind),
        "family": FAMILIES[family],
        "dst": _prefix(found.pop("dst", None), family, bits),
    }
    if from_bits:
        route["from"] = _prefix(found.pop("from", None), family, from_bits)
    if tos:
        route["tos"] = tos
    route["table"] = found.pop("table", TABLES.get(table, table))
    route["protocol"] = PROTOCOLS.get(protocol, protocol)
    route["scope"] = SCOPES.get(scope, scope)
    remaining = found.pop("remaining", 0)
    if remaining:
        route["expires"] = remaining
    route.update(found)
    route["flags"] = flag_names(flags)
    return route


Route = t.Dict[str, t.Any]
SHARED = (str, int)  # values that routes may share, since nobody can change them

# Where the kernel puts RTA_DST: after RTA_TABLE (IPv4), or first (IPv6)
DST_HEADERS = {AF_INET: struct.pack("=HH", 8, 1), AF_INET6: struct.pack("=HH", 20, 1)}
FIRST_HEADERS = {AF_INET: struct.pack("=HH", 8, 15), AF_INET6: DST_HEADERS[AF_INET6]}


def decoder(shown: t.Callable[[Route], Route | None]) -> t.Callable[[bytes, int, int], Route | None]:
    """A `decode` that gives what `shown` makes of a route, in place; that may depend on all but the destination.

    It is made once for all routes of a dump that have the rest in common.
    """

    def whole(data: bytes, start: int, end: int) -> Route | None:
        route = _decode_whole(data, start, end)
        return None if route is None else shown(route)

    @functools.lru_cache(maxsize=4096)
    def common(before: bytes, after: bytes) -> tuple[Route | None, list[str] | None, str] | None:
        """What they have in common, with the flags, a list that each has for itself, and the end of the destination.

        None if each has more for itself, or where `before` does not end with the header of the destination's attribute.
        """
        family, bits = before[:2]
        if before[RTMSG.size : RTMSG.size + 4] != FIRST_HEADERS[family] or before[-4:] != DST_HEADERS[family]:
            return None
        message = before[:-4] + after
        route = whole(message, 0, len(message))
        flags = route.get("flags") if route else None
        own = [value for value in (route or {}).values() if value is not flags and not isinstance(value, SHARED)]
        return None if own else (route, flags, "" if bits == BITS[family] else f"/{bits}")

    def decode(data: bytes, start: int, end: int) -> Route | None:
        """One route; None for what is no route of IPv4 or IPv6 (multicast forwarding, MPLS)."""
        size = end - start
        if size < RTMSG.size:
            raise NetlinkDecodeError(f"a route message of {size} bytes")
        family = data[start]
        if family == AF_INET and size >= 28:
            at, stop = start + 24, start + 28
        elif family == AF_INET6 and size >= 32:
            at, stop = start + 16, start + 32
        else:
            return whole(data, start, end)
        found = common(data[start:at], data[stop:end])
        if found is None:
            return whole(data, start, end)
        rest, flags, length = found
        if rest is None:
            return None
        route = rest.copy()
        route["dst"] = inet_ntop(family, data[at:stop]) + length
        if flags is not None:
            route["flags"] = flags.copy()
        return route

    return decode


decode = decoder(lambda route: route)


def dump(
    table: str | int | None = None,
    family: int = AF_UNSPEC,
    oif: int = 0,
    protocol: str | int | None = None,
    type: str | int | None = None,  # noqa: A002  the field's own name
) -> Request:
    """Asks for all routes, or those that fit every filter given; the kernel applies them all.

    For one family, a table that does not exist is an error (ENOENT); for both it is empty.
    """
    header = RTMSG.pack(family, 0, 0, 0, 0, number("protocol", protocol), 0, number("type", type), 0)
    body = header + TABLE.encode({"table": table, "oif": oif or None})
    return Request("RTM_GETROUTE", RTM_GETROUTE, 0, body, TABLE, RTMSG.size)


# Encoding

Made = t.TypeVar("Made")


def remembered(make: functools._lru_cache_wrapper[Made], rest: t.Mapping[str, t.Any], *more: t.Any) -> Made:
    """What the cached `make(*more, names, values)` makes of what routes have in common."""
    names, values = tuple(rest), tuple(rest.values())
    try:
        return make(*more, names, values)
    except TypeError:  # a value that is a list or a dictionary: not to be remembered
        return make.__wrapped__(*more, names, values)


FIELDS = {
    "type": enum(U8, TYPES),
    "protocol": enum(U8, PROTOCOLS),
    "scope": enum(U8, SCOPES),
    "tos": U8,
}
FAMILY_NUMBERS = {"inet": AF_INET, "inet6": AF_INET6, AF_INET: AF_INET, AF_INET6: AF_INET6}
HOST_TYPES, LINK_TYPES = ("local", "nat"), ("broadcast", "multicast", "anycast")
LOCAL_TABLE_TYPES = ("local", "broadcast", "nat", "anycast")
# What the kernel fills in from a next hop object, and refuses beside its id
OF_NEXTHOP = ("gateway", "via", "oif", "nexthops", "encap")


def number(name: str, value: t.Any) -> int:
    """The number of a field of struct rtmsg; 0 for None."""
    if value is None:
        return 0
    try:
        return FIELDS[name].encode(value)[0]
    except ValueError as error:
        raise NetlinkEncodeError(name, f"{error}, not {value!r}") from None


def _family(route: t.Mapping[str, t.Any]) -> int:
    """The family of a route without a destination: as stated, else that of its other addresses, else IPv4."""
    if route.get("family"):
        if route["family"] not in FAMILY_NUMBERS:
            raise NetlinkEncodeError("family", f"takes inet or inet6, not {route['family']!r}")
        return FAMILY_NUMBERS[route["family"]]
    hops = [hop for hop in route.get("nexthops") or () if hop.get("gateway")]
    for address in (
        route.get("gateway"),
        route.get("prefsrc"),
        route.get("from"),
        *(hop["gateway"] for hop in hops),
    ):
        if address and address != "default":
            return AF_INET6 if ":" in address else AF_INET
    return AF_INET


def _scope(route: t.Mapping[str, t.Any], family: int, deleting: bool) -> int:
    """As given, else what iproute2 takes; nowhere stands for any when deleting."""
    if route.get("scope") is not None:
        return number("scope", route["scope"])
    kind = route.get("type") or "unicast"
    if family == AF_INET6:
        return 0
    if kind in HOST_TYPES:
        return 254
    if kind in LINK_TYPES:
        return 253
    if kind != "unicast":
        return 0
    if deleting:
        return 255
    return 0 if any(route.get(name) for name in ("gateway", "via", "nexthops", "nhid")) else 253


def _foreign_gateway(values: dict[str, t.Any], family: int) -> dict[str, t.Any]:
    """An IPv6 gateway of an IPv4 route goes by RTA_VIA."""
    gateway = values.get("gateway")
    if family == AF_INET and isinstance(gateway, str) and ":" in gateway:
        return {**values, "gateway": None, "via": {"host": gateway}}
    return values


def _attributes(route: t.Mapping[str, t.Any], family: int) -> bytes:
    values = {name: value for name, value in route.items() if name not in FIELDS and name not in ("family", "flags")}
    if values.get("nhid"):
        values = {name: value for name, value in values.items() if name not in OF_NEXTHOP}
    values = _foreign_gateway(values, family)
    if values.get("table") is None:
        values["table"] = "local" if route.get("type") in LOCAL_TABLE_TYPES else "main"
    if values.get("nexthops") is not None:
        values["nexthops"] = [_foreign_gateway(dict(hop), family) for hop in values["nexthops"]]
    if values.get("from") is not None:
        values["from"] = None if values["from"] == "default" else parse(values["from"]).address
    spell_encap(values)
    return TABLE.encode(values)


@functools.lru_cache(maxsize=4096)
def _encode_rest(
    family: int, bits: int, deleting: bool, names: tuple[str, ...], values: tuple[t.Any, ...]
) -> tuple[bytes, bytes]:
    """What stands before and behind the destination's bytes; `family` is 0 for a default route."""
    route = dict(zip(names, values))
    family = family or _family(route)
    source = route.get("from") or "default"
    header = RTMSG.pack(
        family,
        bits,
        0 if source == "default" else parse(source).length,
        number("tos", route.get("tos")),
        0,
        number("protocol", route.get("protocol", None if deleting else "static")),
        _scope(route, family, deleting),
        number("type", route.get("type", None if deleting else "unicast")),
        settable(route.get("flags")),
    )
    if bits:
        header += DST_HEADERS[family]
    return header, _attributes(route, family)


def _encode(route: t.Mapping[str, t.Any], deleting: bool = False) -> bytes:
    rest = dict(route)
    target = rest.pop("dst", None)
    if not rest.get("flags"):
        rest.pop("flags", None)
    family, raw, bits = split(target) if target and target != "default" else (0, b"", 0)
    before, after = remembered(_encode_rest, rest, family, bits, deleting)
    return before + raw + after if bits else before + after


def _create(route: t.Mapping[str, t.Any], flags: int) -> Request:
    operation = f"RTM_NEWROUTE {route.get('dst') or 'default'}"
    return Request(operation, RTM_NEWROUTE, NLM_F_CREATE | flags, _encode(route), TABLE, RTMSG.size)


def new(route: t.Mapping[str, t.Any]) -> Request:
    """Adds a route; one to the same destination, with the same metric, in the same table is an error (EEXIST).

    `dst` defaults to "default", `table` to main, `protocol` to static, `type` to unicast, `scope` to what fits.
    Beside `nhid` what the kernel shows of that next hop is passed over, and so are flags that only the kernel sets.
    Raises ValueError (an address), NetlinkEncodeError.
    """
    return _create(route, NLM_F_EXCL)


def replace(route: t.Mapping[str, t.Any]) -> Request:
    """Adds a route, in the place of one with the same destination, metric and table, where there is one."""
    return _create(route, NLM_F_REPLACE)


def append(route: t.Mapping[str, t.Any]) -> Request:
    """Adds a route behind those to the same destination; in IPv6 as one more next hop of theirs."""
    return _create(route, NLM_F_APPEND)


def delete(route: t.Mapping[str, t.Any]) -> Request:
    """Removes the first route that fits all that is given (`table` defaults to main)."""
    operation = f"RTM_DELROUTE {route.get('dst') or 'default'}"
    return Request(operation, RTM_DELROUTE, 0, _encode(route, deleting=True), TABLE, RTMSG.size)


class Deferred(t.NamedTuple):
    """A request that is made when it is sent: what `make` (new, replace, delete) makes of `route`, by way of `many`."""

    make: t.Callable[[t.Mapping[str, t.Any]], Request]
    route: t.Mapping[str, t.Any]


BLOCK = 2048  # routes at most, one send: the next block is made while the kernel takes this one
ALIKE = 16  # from so many routes on a block of them is written faster than they are one by one


def many(
    routes: t.Sequence[t.Mapping[str, t.Any]], make: t.Callable[[t.Mapping[str, t.Any]], Request] = new
) -> t.Iterator[Request | Alike]:
    """What `make` (new, replace, delete) makes of each of `routes`, for NetlinkSocket.batch.

    Those that follow each other and have all but the destination in common become one block. Raises what `make` does.
    """
    start = 0
    while start < len(routes):
        addresses, lengths = _alike(routes, start)
        count = len(lengths)
        if count < ALIKE:
            count = max(count, 1)
            yield from map(make, routes[start : start + count])
        else:
            columns = (
                Column(1, 1, bytes(lengths)),
                Column(RTMSG.size + 4, len(addresses[0]), b"".join(addresses)),
            )
            yield Alike(make(routes[start]), count, columns, _made_from(make, routes, start))
        start += count


def _made_from(
    make: t.Callable[[t.Mapping[str, t.Any]], Request], routes: t.Sequence[t.Mapping[str, t.Any]], start: int
) -> t.Callable[[int], Request]:
    return lambda index: make(routes[start + index])


def _alike(routes: t.Sequence[t.Mapping[str, t.Any]], start: int) -> tuple[list[bytes], bytearray]:
    """Destinations and prefix lengths of the routes from `start` on that have all else in common with the first."""
    rest = dict(routes[start])
    family = AF_INET6 if ":" in str(rest.pop("dst", "")) else AF_INET
    most, pton = BITS[family], socket.inet_pton
    size, rest_of = len(rest) + 1, operator.itemgetter(*(rest or ["dst"]))
    common = rest_of(rest) if rest else None
    addresses, lengths = [], bytearray()
    for route in routes[start : start + BLOCK]:
        try:
            if len(route) != size or (rest and rest_of(route) != common):
                break
            address, slash, bits = route["dst"].partition("/")
            raw = pton(family, address)
        except (LookupError, AttributeError, TypeError, OSError, ValueError):
            break  # other fields, the other family, a default route, or wrong
        length = LENGTHS.get(bits, 0) if slash else most
        if not 0 < length <= most:
            break
        addresses.append(raw)
        lengths.append(length)
    return addresses, lengths


def lookup(
    dst: str,
    source: str | None = None,
    oif: int = 0,
    iif: int = 0,
    mark: int = 0,
    uid: int | None = None,
    match: bool = False,
) -> Request:
    """Asks which way a packet to `dst` takes; with `match`, for the route that decides it, as it is in its table."""
    to = parse(dst)
    values = {
        "dst": to.address,
        "oif": oif or None,
        "iif": iif or None,
        "mark": mark or None,
        "uid": uid,
    }
    from_bits = 0
    if source:
        values["from"], from_bits = source, BITS[to.family]
    # IPv6 tells the table unasked, and refuses to be asked.
    flags = (RTM_F_LOOKUP_TABLE if to.family == AF_INET else 0) | (RTM_F_FIB_MATCH if match else 0)
    body = RTMSG.pack(to.family, BITS[to.family], from_bits, 0, 0, 0, 0, 0, flags) + TABLE.encode(values)
    return Request(f"RTM_GETROUTE {dst}", RTM_GETROUTE, 0, body, TABLE, RTMSG.size)
