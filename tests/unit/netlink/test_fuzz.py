# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile bytes and odd values, against every table and every decoder that the package has.

Tables and decoders are found by walking the package, so that new ones are covered when they are
written: whatever the bytes, decoding raises nothing but NetlinkDecodeError; whatever the value,
encoding raises nothing but NetlinkEncodeError. That what was read can be sent is in test_round_trip.py.
"""

from __future__ import annotations

import importlib
import inspect
import pathlib
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import attribute as nla
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import exchange, netns
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.attribute import Table
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkEncodeError,
    NetlinkError,
    NetlinkOverrun,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.kinds import registry
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.message import (
    HEADER,
    Request,
    split,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FUZZ = settings(
    max_examples=30,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
RECORDED = pathlib.Path(__file__).parent / "recorded"
PACKAGE = pathlib.Path(inspect.getfile(netns)).parent
PREFIX = netns.__name__.rpartition(".")[0]
DEEPEST = 4  # nests in nests that are made up; tables may hold themselves (a veth's peer is a link)


# What there is


def modules() -> t.Iterator[t.Any]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[-1] != "__init__":
            yield importlib.import_module(".".join((PREFIX, *parts)))


def tables_in(value: t.Any, where: str, found: dict[int, tuple[str, Table]]) -> None:
    """Tables that `value` is or holds, by identity, each with the first path that leads to it."""
    if isinstance(value, Table):
        if id(value) not in found:
            found[id(value)] = (where, value)
            for row in value.rows.values():
                tables_in(row.codec, f"{where}.{row.name}", found)
    elif isinstance(value, t.Mapping):
        for key, item in value.items():
            tables_in(item, f"{where}[{key}]", found)
    elif isinstance(value, (nla.Codec, registry.Kind)):
        tables_in(value.table, where, found)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            tables_in(item, f"{where}[{index}]", found)


def all_tables() -> dict[str, Table]:
    found: dict[int, tuple[str, Table]] = {}
    for module in modules():
        for name, value in vars(module).items():
            tables_in(value, f"{module.__name__[len(PREFIX) + 1 :]}.{name}", found)
    for kind in registry.LOADERS:
        tables_in(registry.get(kind), f"kind {kind}", found)
    for kind in registry.PORT_LOADERS:
        tables_in(registry.port_table(kind), f"port {kind}", found)
    return {where: table for where, table in found.values() if table.rows}


def all_decoders() -> dict[str, t.Callable[[bytes, int, int], t.Any]]:
    """Public functions of the modules that take `(data, start, end)`."""
    return {
        f"{module.__name__[len(PREFIX) + 1 :]}.{name}": value
        for module in modules()
        for name, value in vars(module).items()
        if inspect.isfunction(value)
        and value.__module__ == module.__name__
        and name.startswith("decode")
        and list(inspect.signature(value).parameters) == ["data", "start", "end"]
    }


TABLES = all_tables()
DECODERS = all_decoders()


def test_the_walk_finds_the_package():
    assert {"rtnl.link.TABLE", "rtnl.address.TABLE"} <= set(TABLES)
    assert {"rtnl.link.decode", "rtnl.route.decode"} <= set(DECODERS)
    kinds = {id(registry.get(kind).table) for kind in ("bridge", "bond", "vxlan", "vlan")}
    assert kinds <= {id(table) for table in TABLES.values()}


# Bytes of the right outer form and any inner one

PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([0, 1, 2, 4, 6, 8, 12, 16, 20, 36]).flatmap(lambda size: st.binary(min_size=size, max_size=size)),
)


def payloads(table: Table | None, depth: int) -> st.SearchStrategy[bytes]:
    if table is None or depth == 0 or not table.rows:
        return PAYLOADS
    rows = sorted(table.rows.values(), key=lambda row: row.number)
    one = st.sampled_from(rows).flatmap(
        lambda row: st.builds(nla.attribute, st.just(row.number), payloads(row.codec.table, depth - 1))
    )
    return st.lists(one, max_size=5).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """Some bytes changed, some cut off: lengths lie, values leave their range."""
    data = bytearray(draw(whole))
    for at in draw(st.lists(st.integers(0, max(len(data) - 1, 0)), max_size=4)):
        if data:
            data[at] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


def survives(decode: t.Callable[[bytes, int, int], t.Any], data: bytes, margin: int = 0) -> None:
    try:
        decode(b"\xff" * margin + data + b"\xff" * margin, margin, margin + len(data))
    except NetlinkDecodeError:
        pass


@pytest.mark.parametrize("where", TABLES)
def test_tables_survive_any_bytes(where):
    table = TABLES[where]

    @FUZZ
    @given(st.one_of(damaged(payloads(table, DEEPEST)), st.binary(max_size=64)))
    def run(data):
        survives(table.decode, data)
        survives(table.decode, data, margin=8)
        survives(lambda *there: nla.path_at(table, there[0], 0, 12), data)

    run()


def outcome(decode: t.Callable[[bytes, int, int], t.Any], data: bytes) -> t.Any:
    try:
        return decode(data, 0, len(data))
    except NetlinkDecodeError:
        return NetlinkDecodeError


def fresh(table: Table) -> Table:
    return Table(*((row.number, row.name, row.codec) for row in table.rows.values()))


@pytest.mark.parametrize("where", [where for where in TABLES if TABLES[where].__class__ is Table])
def test_what_a_table_decoded_before_changes_nothing(where):
    used = fresh(TABLES[where])
    body = payloads(used, DEEPEST)

    @settings(FUZZ, max_examples=15)
    @given(body, st.integers(0, 200), st.integers(0, 255))
    def run(data, at, byte):
        alike = bytearray(data)  # of the same size, and mostly of the same layout
        if at < len(alike):
            alike[at] = byte
        for some in (data, bytes(alike), data):
            assert outcome(used.decode, some) == outcome(fresh(used).decode, some)

    run()


@pytest.mark.parametrize("where", DECODERS)
def test_decoders_survive_any_bytes(where):
    decode = DECODERS[where]
    beside = [table for name, table in TABLES.items() if name.rpartition(".")[0] == where.rpartition(".")[0]]
    bodies = [payloads(table, DEEPEST) for table in beside]
    headers = st.sampled_from([0, 4, 8, 12, 16, 20]).flatmap(
        lambda size: st.one_of(st.just(b"\0" * size), st.binary(min_size=size, max_size=size))
    )

    @settings(FUZZ, max_examples=60)
    @given(damaged(st.builds(bytes.__add__, headers, st.one_of(st.binary(max_size=64), *bodies))))
    def run(data):
        survives(decode, data)
        survives(decode, data, margin=8)

    run()


@pytest.mark.parametrize("kind", sorted({*registry.LOADERS, *registry.PORT_LOADERS}))
def test_links_of_every_kind_survive_any_options(kind):
    link = importlib.import_module(f"{PREFIX}.rtnl.link")
    own = payloads(registry.get(kind).table, DEEPEST)
    port = payloads(registry.port_table(kind), DEEPEST)

    @FUZZ
    @given(damaged(own), damaged(port), st.permutations([1, 2, 4, 5]))
    def run(own_data, port_data, order):
        name = kind.encode() + b"\0"
        parts = {1: name, 2: own_data, 4: name, 5: port_data}
        info = b"".join(nla.attribute(number, parts[number]) for number in order)
        survives(link.decode, b"\0" * 16 + nla.attribute(18, info))

    run()


# Whole datagrams


def recorded(name: str) -> list[bytes]:
    """Datagrams of a dump by Linux 6.18, as they were received."""
    blocks = (RECORDED / f"{name}.hex").read_text().split("\n\n")
    return [bytes.fromhex(block) for block in blocks]


DUMPS = {"links": "rtnl.link", "addresses": "rtnl.address", "routes": "rtnl.route"}


@pytest.mark.parametrize(("name", "count"), [("links", 6), ("addresses", 6), ("routes", 17)])
def test_recorded_dumps_decode(name, count):
    dump, out = exchange.Dump(Request("IT", 0, 0, b""), 1), []
    for datagram in recorded(name):
        dump.feed(datagram, DECODERS[f"{DUMPS[name]}.decode"], out)
    assert dump.done
    assert len(out) == count


@pytest.mark.parametrize("name", DUMPS)
def test_damaged_dumps(name):
    decode = DECODERS[f"{DUMPS[name]}.decode"]

    @settings(FUZZ, max_examples=100)
    @given(damaged(st.sampled_from(recorded(name))))
    def run(data):
        try:
            exchange.Dump(Request("IT", 0, 0, b""), 1).feed(data, decode, [])
        except (NetlinkDecodeError, NetlinkError, NetlinkOverrun):
            pass

    run()


@settings(FUZZ, max_examples=200)
@given(
    st.lists(
        st.builds(
            lambda kind, flags, sequence, payload, lie: (
                HEADER.pack(16 + len(payload) + lie, kind, flags, sequence, 0) + payload + b"\0" * (-len(payload) & 3)
            ),
            st.one_of(st.integers(0, 4), st.integers(0, 0xFFFF)),
            st.sampled_from([0, 0x100, 0x200, 0x300, 0x10]),
            st.integers(0, 3),
            st.binary(max_size=60),
            st.sampled_from([0, 0, 0, 1, 16]),
        ),
        max_size=4,
    ).map(b"".join)
)
def test_any_acknowledgement(data):
    table = TABLES["rtnl.link.TABLE"]
    request = Request("IT", 16, 0, b"\0" * 16 + table.encode({"ifname": "x", "mtu": 9}), table, 16)
    for feed in (
        lambda: exchange.Batch([request] * 2, 1, lambda *where: None).feed(data),
        lambda: exchange.Dump(request, 1).feed(data, lambda *where: None, []),
    ):
        try:
            feed()
        except (NetlinkDecodeError, NetlinkError, NetlinkOverrun):
            pass


@given(st.binary(max_size=200))
def test_splitting_ends(data):
    try:
        messages = list(split(data))
    except NetlinkDecodeError:
        return
    assert len(messages) <= len(data) // HEADER.size


# Values

ODD_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.sampled_from(["yes", "off", "0x10", "", "10.0.0.1", "fe80::1", "52:54:00:00:00:01", "1:2", "default"]),
    st.lists(st.one_of(st.integers(-1, 9), st.text(max_size=5)), max_size=3),
    st.tuples(st.integers(-1, 9), st.text(max_size=3)),
    st.dictionaries(st.text(max_size=5), st.integers(-1, 9), max_size=3),
)


@pytest.mark.parametrize("where", TABLES)
def test_any_value_is_encoded_or_refused_by_name(where):
    table = TABLES[where]

    @FUZZ
    @given(st.sampled_from(sorted(table.rows)), ODD_VALUES)
    def run(name, value):
        try:
            raw = table.encode_one(name, value)
        except NetlinkEncodeError as error:
            assert error.attribute.split(".")[0] == name
        else:
            survives(table.decode, raw)

    run()


def fields(names: t.Mapping[str, st.SearchStrategy[t.Any]]) -> st.SearchStrategy[dict[str, t.Any]]:
    return st.fixed_dictionaries({}, optional=names)


def whole_numbers(bits: int, signed: bool = False) -> st.SearchStrategy[int]:
    low = -(1 << bits - 1) if signed else 0
    return st.integers(low, low + (1 << bits) - 1)


WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=15)
INNER = Table((1, "id", nla.U32), (2, "name", nla.STRING))
INNER_VALUES = fields({"id": whole_numbers(32), "name": WORDS})
COLOURS = {0: "red", 1: "green", 200: "blue"}
BY_CODEC: dict[str, tuple[nla.Codec, st.SearchStrategy[t.Any]]] = {
    "u8": (nla.U8, whole_numbers(8)),
    "u16": (nla.U16, whole_numbers(16)),
    "u32": (nla.U32, whole_numbers(32)),
    "u64": (nla.U64, whole_numbers(64)),
    "s8": (nla.S8, whole_numbers(8, True)),
    "s16": (nla.S16, whole_numbers(16, True)),
    "s32": (nla.S32, whole_numbers(32, True)),
    "s64": (nla.S64, whole_numbers(64, True)),
    "be16": (nla.BE16, whole_numbers(16)),
    "be32": (nla.BE32, whole_numbers(32)),
    "narrow": (nla.scalar("=H", 68, 9000), st.integers(68, 9000)),
    "bytes": (nla.BYTES, st.binary(max_size=99)),
    "flag": (nla.FLAG, st.just(True)),
    "string": (nla.STRING, WORDS),
    "name": (nla.string(60), WORDS),
    "bool": (nla.BOOL, st.booleans()),
    "bool32": (nla.boolean(nla.U32), st.booleans()),
    "enum": (
        nla.enum(nla.U8, COLOURS),
        whole_numbers(8).map(lambda number: COLOURS.get(number, number)),
    ),
    "mac": (nla.MAC, st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))),
    "ipv4": (nla.IPV4, st.ip_addresses(v=4).map(str)),
    "ip": (nla.IP, st.ip_addresses(v=4).map(str)),
    "nested": (nla.nested(INNER), INNER_VALUES),
    "strings": (nla.listed(7, nla.STRING), st.lists(WORDS, max_size=4)),
    "nests": (nla.listed(1, nla.nested(INNER)), st.lists(INNER_VALUES, max_size=4)),
}
EVERY_CODEC = Table(*((number, name, BY_CODEC[name][0]) for number, name in enumerate(BY_CODEC, 1)))


@settings(FUZZ, max_examples=100)
@given(fields({name: values for name, (_unused, values) in BY_CODEC.items()}))
def test_what_is_encoded_decodes_to_itself(values):
    raw = EVERY_CODEC.encode(values)
    assert EVERY_CODEC.decode(raw, 0, len(raw)) == values


@given(st.ip_addresses(v=6))
def test_ipv6_addresses_decode_to_the_same_address(address):
    raw = nla.IPV6.encode(str(address))
    assert raw == address.packed
    assert nla.IPV6.encode(nla.IPV6.decode(raw, 0, 16)) == raw
