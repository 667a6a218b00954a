# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was read can be sent: decode(encode(x)) == x, of every table and of every object.

`x` comes from attributes with the numbers of the table and payloads made up for its codecs. What encoding refuses by
name (what only the kernel sets, what is out of a range) is left out; that something remains is asserted too.
"""

from __future__ import annotations

import struct
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import attribute as nla
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.attribute import Table
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkEncodeError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds import registry
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import (
    address,
    bridge_vlan,
    fdb,
    link,
    neighbour,
    nexthop,
    route,
    rule,
    tc,
    tc_units,
)
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.unit.netlink.test_fuzz import TABLES

FUZZ = settings(
    max_examples=15,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
DEEPEST = 4
LARGEST = 44  # bytes of a payload
Values = t.Dict[str, t.Any]


BEGINNINGS = (b"", b"\1", b"\2", b"\x0a", b"\xff")  # some payloads begin with a family


def reads(codec: nla.Codec, raw: bytes, writes: bool) -> bool:
    try:
        value = codec.decode(raw, 0, len(raw))
        return not writes or len(codec.encode(value)) == len(raw)
    except (ValueError, TypeError, LookupError, AttributeError):
        return False


def forms(codec: nla.Codec) -> list[tuple[bytes, int]]:
    """Beginnings and sizes of payloads that the codec reads and writes, or else of those that it reads at least."""
    every = [(first, size) for size in range(LARGEST) for first in BEGINNINGS if len(first) <= size]
    for writes in (True, False):
        good = [(first, size) for first, size in every if reads(codec, first.ljust(size, b"\0"), writes)]
        if good:
            return good
    return every


def of_size(size: int) -> st.SearchStrategy[bytes]:
    """Any bytes, small numbers in either byte order, and text."""
    small = st.integers(0, 20).map(lambda number: bytes([number]))
    return st.one_of(
        small.map(lambda byte: byte.ljust(size, b"\0")[:size]),
        small.map(lambda byte: byte.rjust(size, b"\0")[-size:] if size else b""),
        st.binary(min_size=size, max_size=size),
        st.text("abc0189:.", min_size=size, max_size=size).map(str.encode),
    )


def payloads(codec: nla.Codec, depth: int) -> st.SearchStrategy[bytes]:
    if codec.table is not None and codec.table.rows and depth:
        return bodies(codec.table, depth - 1)
    return st.sampled_from(forms(codec)).flatmap(
        lambda form: of_size(form[1]).map(lambda raw: form[0] + raw[len(form[0]) :])
    )


def bodies(table: Table, depth: int = DEEPEST) -> st.SearchStrategy[bytes]:
    """Attributes of a table, each number at most once, as the kernel sends them."""
    wire = getattr(table, "_wire", table)
    codecs = {row.number: row.codec for row in wire.rows.values()}
    some = [
        st.one_of(st.just(b""), payloads(codec, depth).map(lambda raw, number=number: nla.attribute(number, raw)))
        for number, codec in codecs.items()
    ]
    return st.tuples(*some).map(b"".join)


def sendable(table: Table, values: Values) -> Values:
    kept = {}
    for name, value in values.items():
        try:
            table.encode_one(name, value)
        except NetlinkEncodeError:
            continue
        kept[name] = value
    return kept


# Nothing of these can be sent: the kernel alone writes what they hold, or they are encoded by something else.
ONLY_READ = {"rtnl.tc.STATS", "taskstats.client.TASK", "taskstats.client.GROUP"}


@pytest.mark.parametrize("where", sorted(set(TABLES) - ONLY_READ))
def test_tables(where):
    table = TABLES[where]
    sent = set()

    @FUZZ
    @given(bodies(table))
    def run(body):
        try:
            values = sendable(table, table.decode(body, 0, len(body)))
        except NetlinkDecodeError:
            assume(False)
        sent.update(values)
        raw = table.encode(values)
        again = table.decode(raw, 0, len(raw))
        assert {name: again.get(name, False) for name in values} == values  # off may be said by leaving it out

    run()
    assert sent


class Object(t.NamedTuple):
    """`header(family)`: fixed headers of messages; `table`: what follows; `send`: what was decoded as a request.

    `told`: what only the kernel says. `never`: pairs of keys that no object has both of.
    """

    decode: t.Callable[[bytes, int, int], Values | None]
    header: t.Callable[[int], st.SearchStrategy[bytes]]
    table: Table
    send: t.Callable[[Values], t.Any]
    told: frozenset[str] = frozenset()
    never: tuple[tuple[str, ...], ...] = ()


def header(shape: struct.Struct, *numbers: t.Any) -> t.Callable[[int], st.SearchStrategy[bytes]]:
    """The family, then fields that are each one of some numbers."""
    fields = [st.sampled_from(list(some)) for some in numbers]
    return lambda family: st.tuples(*fields).map(lambda values: shape.pack(family, *values))


def of_family(table: Table, family: int, *without: str) -> Table:
    """The table, to make up messages by: its addresses are of the family, as the kernel's are."""
    address_codec = {nla.IP: nla.IPV4 if family == 2 else nla.IPV6}
    rows = [row for row in table.rows.values() if row.name not in without]
    return Table(*((row.number, row.name, address_codec.get(row.codec, row.codec)) for row in rows))


INDEXES, BITS = (1, 7), range(33)
SOME_BITS = range(1, 33)  # the kernel tells no destination of a default route
OBJECTS = {
    "address": Object(
        address.decode,
        header(address.IFADDR, BITS, (0, 0x80, 0xFF), address.SCOPES, INDEXES),
        address.TABLE,
        lambda found: address.new(found["index"], found),
        address.READ_ONLY,
        (("deprecated", "preferred_life_time"),),  # nothing is left of it, whatever the message says
    ),
    "route": Object(
        route.decode,
        header(route.RTMSG, SOME_BITS, BITS, (0, 8), (254,), (4, 99), (0, 253), route.TYPES, (0, 4)),
        route.TABLE,
        route.new,
        frozenset(("expires",)),
        (("nhid", *route.OF_NEXTHOP), ("gateway", "via")),
    ),
    "rule": Object(
        rule.decode,
        header(rule.HEADER, BITS, BITS, (0, 8), (254,), (1, 2, 3, 6, 7, 8), (0, 2, 0x1F)),
        rule.TABLE,
        rule.new,
        frozenset(("unresolved", "iif_detached", "oif_detached")),
        (("nop", "goto", "l3mdev"), ("action", "goto", "l3mdev"), ("table", "goto"), ("goto", "l3mdev")),
    ),
    "neighbour": Object(
        neighbour.decode,
        header(neighbour.NDMSG, INDEXES, neighbour.STATES, (0, 1, 8, 0x10, 0x80), (0,)),
        neighbour.TABLE,
        lambda found: neighbour.new(found["index"], found),
        frozenset(neighbour.READ_ONLY),
    ),
    "fdb": Object(
        fdb.decode,
        header(neighbour.NDMSG, INDEXES, fdb.STATES, (2, 4, 0x12, 0x40), (0,)),
        fdb.TABLE,
        lambda found: fdb.new(found["index"], found),
        frozenset(("used", "updated", "master", "protocol", "flags")),
    ),
    "bridge vlan": Object(
        bridge_vlan.decode,
        header(link.IFINFO, (1,), INDEXES, (0,), (0,)),
        bridge_vlan.TABLE,
        lambda found: bridge_vlan.add(found["index"], found["vlans"]),
        frozenset(("master", "ext_mask")),
    ),
    "nexthop": Object(
        nexthop.decode,
        header(nexthop.NHMSG, (0,), (0, 4), (0, 4)),
        nexthop.TABLE,
        nexthop.new,
        frozenset(("resilient_args",)),
        (("group", "family"),),
    ),
}
FAMILIES = {"fdb": (7,), "bridge vlan": (7,)}


def vlan_bodies() -> st.SearchStrategy[bytes]:
    """VLANs as bridges have them: of bytes made up for a table next to none can be sent, as their ids are none."""
    flags = st.sampled_from((0, bridge_vlan.PVID, bridge_vlan.UNTAGGED, bridge_vlan.RANGE_BEGIN, bridge_vlan.RANGE_END))
    vlans = st.dictionaries(st.integers(1, 4094), flags, min_size=1, max_size=4).map(
        lambda found: [bridge_vlan.INFO.pack(flags, vid) for vid, flags in sorted(found.items())]
    )
    number = st.integers(0, 2**32 - 1).map(lambda value: struct.pack("=I", value))

    def body(vlans: list[bytes], master: bytes, mask: bytes) -> bytes:
        inside = b"".join(nla.attribute(bridge_vlan.VLAN_INFO, raw) for raw in vlans)
        return nla.attribute(10, master) + nla.attribute(26, inside) + nla.attribute(29, mask)

    return st.builds(body, vlans, number, number)


BODIES = {"bridge vlan": vlan_bodies()}  # of objects whose table alone does not say what is in them


def coherent(one: Object, found: Values) -> Values:
    """Without what contradicts what is there."""
    gone = {name for first, *others in one.never if first in found for name in others}
    return {name: value for name, value in found.items() if name not in gone}


PLACES = [(name, family) for name in OBJECTS for family in FAMILIES.get(name, (2, 10))]


@pytest.mark.parametrize(("name", "family"), PLACES)
def test_objects(name, family):
    one = OBJECTS[name]
    sent = set()

    @settings(FUZZ, max_examples=30)
    @given(one.header(family), BODIES[name] if name in BODIES else bodies(of_family(one.table, family)))
    def run(head, body):
        message = head + body
        try:
            found = one.decode(message, 0, len(message))
            assume(found)
            found = coherent(one, found)
            body = one.send(found).body
        except ValueError:
            assume(False)
        again = one.decode(body, 0, len(body))
        sent.update(found)
        assert {name: again.get(name) for name in found if name not in one.told} == {
            name: value for name, value in found.items() if name not in one.told
        }

    run()
    assert len(sent) > 3


LINK_HEADER = ("ifindex", "flags", "type", "family")


@pytest.mark.parametrize("kind", registry.LOADERS)
def test_links(kind):
    own, table = registry.get(kind).table, link.table_for(kind)
    plain = of_family(link.TABLE, 2, "linkinfo", "ifname", "altname")

    @FUZZ
    @given(bodies(plain), bodies(own) if own.rows else st.just(b""))
    def run(body, data):
        info = nla.attribute(1, kind.encode() + b"\0") + nla.attribute(2, data)
        message = link.IFINFO.pack(0, 1, 7, 0, 0) + body + nla.attribute(18, info)
        try:
            found = link.decode(message, 0, len(message))
        except NetlinkDecodeError:
            assume(False)
        options = sendable(own, found.pop("linkinfo")["info_data"])
        values = sendable(table, {name: value for name, value in found.items() if name not in LINK_HEADER})
        request = link.new("x0", kind, linkinfo={"info_data": options}, **values)
        again = link.decode(request.body, 0, len(request.body))
        assert {name: again.get(name) for name in values} == values
        assert again["linkinfo"]["info_kind"] == kind
        sent = again["linkinfo"].get("info_data", {})
        assert {name: sent.get(name, False) for name in options} == options

    run()


QDISCS: dict[str, st.SearchStrategy[Values]] = {
    "tbf": st.fixed_dictionaries(
        {"rate": st.integers(10_000, 1 << 40), "burst": st.integers(2000, 1 << 20), "limit": st.integers(1, 1 << 30)},
        optional={"overhead": st.integers(1, 100), "mpu": st.integers(1, 100)},
    ),
    "htb": st.fixed_dictionaries({"r2q": st.integers(1, 1000), "default": st.integers(0, 0xFFFF)}),
    "netem": st.fixed_dictionaries(
        {"limit": st.integers(1, 1 << 20), "ecn": st.booleans(), "gap": st.integers(1, 100)},
        optional={
            "delay": st.fixed_dictionaries(
                {
                    "delay": st.integers(1, 270 * 10**6).map(lambda microseconds: microseconds / 1e6),
                    "jitter": st.integers(0, 10**6).map(lambda microseconds: microseconds / 1e6),
                }
            ),
            "loss-random": st.fixed_dictionaries({"loss": st.floats(0.001, 1), "correlation": st.floats(0, 1)}),
            "corrupt": st.fixed_dictionaries({"corrupt": st.floats(0.001, 1), "correlation": st.floats(0, 1)}),
            "rate": st.fixed_dictionaries({"rate": st.integers(1, 1 << 40), "packetoverhead": st.integers(-99, 99)}),
        },
    ),
    "ingress": st.just({}),
    "clsact": st.just({}),
}


def near(value: t.Any) -> t.Any:
    if isinstance(value, dict):
        return {name: near(one) for name, one in value.items()}
    return pytest.approx(value, rel=1e-6, abs=1e-9) if isinstance(value, float) else value


@pytest.mark.parametrize("kind", tc.KINDS)
def test_qdiscs(kind):
    @FUZZ
    @given(QDISCS[kind], st.integers(1, 0xFFFE))
    def run(options, major):
        asked = {"kind": kind, "handle": f"{major:x}:", "options": options}
        body = tc.new(7, asked).body
        found = tc.decode(body, 0, len(body))
        assert (found["kind"], found["index"]) == (kind, 7)
        if kind not in ("ingress", "clsact"):  # they have a place and a handle of their own
            assert (found["handle"], found["root"]) == (asked["handle"], True)
        for name, value in options.items():
            shown = found["options"][name]
            if name == "burst":
                # it is kept as a time, in ticks
                assert shown == pytest.approx(value, abs=tc_units.TICK * options["rate"] + 1)
            elif isinstance(value, dict):
                assert {key: shown[key] for key in value} == near(value)
            else:
                assert shown == value
        again = tc.new(7, found).body
        assert tc.decode(again, 0, len(again)) == found

    run()
