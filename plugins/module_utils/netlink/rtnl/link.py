# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links: struct ifinfomsg and IFLA_* (linux/if_link.h, linux/if.h).

A link decodes to a dictionary with the keys of `ip -j -d link` where those exist. `link` and `master` stay interface
indexes and `flags` a number here; who shows a link to people names them.
"""

from __future__ import annotations

import functools
import struct
import typing as t

from ..attribute import (
    BOOL,
    BYTES,
    MAC,
    S32,
    STRING,
    U8,
    U32,
    Codec,
    Table,
    enum,
    find,
    listed,
    nested,
    string,
    walk,
)
from ..errors import NetlinkDecodeError
from ..kinds import registry
from ..message import NLM_F_CREATE, NLM_F_EXCL, Request
from .numbers import (
    AF_INET6,
    AF_UNSPEC,
    RTM_DELLINK,
    RTM_DELLINKPROP,
    RTM_GETLINK,
    RTM_NEWLINK,
    RTM_NEWLINKPROP,
    RTM_SETLINK,
)  # fmt: skip
from .vf import VF_INFO

IFINFO = struct.Struct("=BxHiII")  # family, ARPHRD_*, index, flags, change

IFF_UP = 0x1
FLAGS = {
    0x1: "UP", 0x2: "BROADCAST", 0x4: "DEBUG", 0x8: "LOOPBACK", 0x10: "POINTOPOINT", 0x20: "NOTRAILERS",
    0x40: "RUNNING", 0x80: "NOARP", 0x100: "PROMISC", 0x200: "ALLMULTI", 0x400: "MASTER", 0x800: "SLAVE",
    0x1000: "MULTICAST", 0x2000: "PORTSEL", 0x4000: "AUTOMEDIA", 0x8000: "DYNAMIC", 0x10000: "LOWER_UP",
    0x20000: "DORMANT", 0x40000: "ECHO",
}  # fmt: skip

OPERSTATES = {0: "UNKNOWN", 1: "NOTPRESENT", 2: "DOWN", 3: "LOWERLAYERDOWN", 4: "TESTING", 5: "DORMANT", 6: "UP"}
LINKMODES = {0: "DEFAULT", 1: "DORMANT", 2: "TESTING"}
ADDR_GEN_MODES = {0: "eui64", 1: "none", 2: "stable_secret", 3: "random"}

IFNAMSIZ = 15
NAME = string(IFNAMSIZ)
ALTNAME = string(127)

EXT_MASK_VF, EXT_MASK_SKIP_STATS = 1, 8  # RTEXT_FILTER_*

ADDR_GEN_MODE = enum(U8, ADDR_GEN_MODES)
AF_INET6_SPEC = Table((8, "addr_gen_mode", ADDR_GEN_MODE))
AF_SPEC = Table((10, "inet6", nested(AF_INET6_SPEC)))


def _decode_af_spec(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """As AF_SPEC does it, in a hurry: every link brings all of /proc/sys/net/ipv6/conf/ along."""
    at, stop = find(data, *find(data, start, end, AF_INET6), 8)
    return {"inet6": {"addr_gen_mode": ADDR_GEN_MODE.decode(data, at, stop)}} if at < stop else {}


def _decode_linkinfo(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """The kind, and its own attributes by the kind's own table (the kind's name comes before its data)."""
    out: dict[str, t.Any] = {}
    for number, at, stop in walk(data, start, end):
        if number == 1:
            out["info_kind"] = STRING.decode(data, at, stop)
        elif number == 4:
            out["info_slave_kind"] = STRING.decode(data, at, stop)
        elif number == 2:
            kind = registry.find(out.get("info_kind", ""))
            if kind:
                out["info_data"] = kind.table.decode(data, at, stop)
        elif number == 5:
            table = registry.port_table(out.get("info_slave_kind", ""))
            if table:
                out["info_slave_data"] = table.decode(data, at, stop)
    return out


def linkinfo(data_table: Table, port_table: Table) -> Codec:
    """IFLA_LINKINFO for encoding: the kind's own attributes by its own table."""
    table = Table(
        (1, "info_kind", STRING),
        (2, "info_data", nested(data_table)),
        (4, "info_slave_kind", STRING),
        (5, "info_slave_data", nested(port_table)),
    )
    return Codec(_decode_linkinfo, table.encode, table)


EMPTY = Table()
ROWS = (
    (1, "address", MAC),
    (2, "broadcast", MAC),
    (3, "ifname", NAME),
    (4, "mtu", U32),
    (5, "link", U32),
    (6, "qdisc", STRING),
    (10, "master", U32),
    (13, "txqlen", U32),
    (16, "operstate", enum(U8, OPERSTATES)),
    (17, "linkmode", enum(U8, LINKMODES)),
    (18, "linkinfo", linkinfo(EMPTY, EMPTY)),
    (19, "net_ns_pid", U32),
    (20, "ifalias", string(255)),
    (21, "num_vf", U32),
    (22, "vfinfo_list", listed(1, VF_INFO)),
    (26, "af_spec", Codec(_decode_af_spec, AF_SPEC.encode, AF_SPEC)),
    (27, "group", U32),
    (28, "net_ns_fd", U32),
    (29, "ext_mask", U32),
    (30, "promiscuity", U32),
    (31, "num_tx_queues", U32),
    (32, "num_rx_queues", U32),
    (33, "carrier", BOOL),
    (34, "phys_port_id", Codec(MAC.decode, BYTES.encode)),
    (36, "phys_switch_id", Codec(MAC.decode, BYTES.encode)),
    (37, "link_netnsid", S32),
    (38, "phys_port_name", STRING),
    (39, "protodown", BOOL),
    (40, "gso_max_segs", U32),
    (41, "gso_max_size", U32),
    (46, "target_netnsid", S32),
    (49, "new_ifindex", U32),
    (50, "min_mtu", U32),
    (51, "max_mtu", U32),
    (52, "altnames", listed(53, ALTNAME)),
    (53, "altname", ALTNAME),
    (54, "permaddr", MAC),
    (56, "parentdev", STRING),
    (57, "parentbus", STRING),
    (58, "gro_max_size", U32),
    (59, "tso_max_size", U32),
    (60, "tso_max_segs", U32),
    (61, "allmulti", U32),
)
TABLE = Table(*ROWS)


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """One link. Besides the attributes: `ifindex`, `flags` (number), `type` (ARPHRD_* number), `family`."""
    if end - start < 16:
        raise NetlinkDecodeError(f"a link message of {end - start} bytes")
    family, hardware, index, flags, _unused = IFINFO.unpack_from(data, start)
    link = TABLE.decode(data, start + 16, end)
    link["ifindex"], link["flags"], link["type"], link["family"] = index, flags, hardware, family
    return link


def decode_name(data: bytes, start: int, end: int) -> tuple[int, str]:
    """Index and name alone: a tenth of the work where a table of names is all that is wanted."""
    index = IFINFO.unpack_from(data, start)[2] if end - start >= 16 else 0
    for number, at, stop in walk(data, start + 16, end):
        if number == 3:
            return index, NAME.decode(data, at, stop)
    raise NetlinkDecodeError(f"a link message of {end - start} bytes without a name")


@functools.lru_cache(maxsize=64)
def table_for(kind: str | None, port_kind: str | None = None) -> Table:
    """IFLA_* with the attributes of `kind` (and of ports of `port_kind`) inside IFLA_LINKINFO."""
    if not kind and not port_kind:
        return TABLE
    inner = registry.get(kind).table if kind else EMPTY
    port = registry.port_table(port_kind or "") or EMPTY
    return Table(*ROWS, (18, "linkinfo", linkinfo(inner, port)))


def get(index: int = 0, name: str = "") -> Request:
    """Asks for one link, by index or by name (an alternative name too)."""
    attributes: dict[str, t.Any] = {"ext_mask": EXT_MASK_VF | EXT_MASK_SKIP_STATS}
    if name:
        attributes["ifname" if len(name.encode()) <= IFNAMSIZ else "altname"] = name
    body = IFINFO.pack(AF_UNSPEC, 0, index, 0, 0) + TABLE.encode(attributes)
    return Request(f"RTM_GETLINK {name or index}", RTM_GETLINK, 0, body, TABLE, IFINFO.size)


def dump(kind: str | None = None, master: int | None = None) -> Request:
    """Asks for all links, or those of a kind or below a master: the kernel's own filter."""
    attributes: dict[str, t.Any] = {"ext_mask": EXT_MASK_VF | EXT_MASK_SKIP_STATS, "master": master}
    if kind:
        attributes["linkinfo"] = {"info_kind": kind}
    body = IFINFO.pack(AF_UNSPEC, 0, 0, 0, 0) + TABLE.encode(attributes)
    return Request("RTM_GETLINK", RTM_GETLINK, 0, body, TABLE, IFINFO.size)


def _request(
    operation: str, number: int, flags: int, index: int, change: tuple[int, int], attributes: t.Mapping[str, t.Any]
) -> Request:
    info = attributes.get("linkinfo") or {}
    table = table_for(info.get("info_kind"), info.get("info_slave_kind"))
    body = IFINFO.pack(AF_UNSPEC, 0, index, *change) + table.encode(attributes)
    return Request(operation, number, flags, body, table, IFINFO.size)


def new(name: str, kind: str, up: bool = False, index: int = 0, **attributes: t.Any) -> Request:
    """Creates a link; `linkinfo={"info_data": {...}}` holds the kind's own attributes."""
    info = {"info_kind": kind, **(attributes.pop("linkinfo", None) or {})}
    change = (IFF_UP, IFF_UP) if up else (0, 0)
    values = {"ifname": name, **attributes, "linkinfo": info}
    return _request(f"RTM_NEWLINK {name}", RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, index, change, values)


def change(index: int, name: str = "", up: bool | None = None, **attributes: t.Any) -> Request:
    """Changes what is given of an existing link. `name` is for errors only; `ifname=` renames."""
    flags = (0, 0) if up is None else (IFF_UP if up else 0, IFF_UP)
    # With RTM_NEWLINK the kernel also changes kind data; RTM_SETLINK takes the rest and never creates.
    number, word = (RTM_NEWLINK, "RTM_NEWLINK") if "linkinfo" in attributes else (RTM_SETLINK, "RTM_SETLINK")
    return _request(f"{word} {name or index}", number, 0, index, flags, attributes)


def delete(index: int, name: str = "") -> Request:
    # Never with CREATE or EXCL: EXCL on a DEL request means "in bulk" since Linux 5.19.
    return _request(f"RTM_DELLINK {name or index}", RTM_DELLINK, 0, index, (0, 0), {})


def add_altnames(index: int, names: t.Sequence[str], name: str = "") -> Request:
    values = {"altnames": names}
    return _request(f"RTM_NEWLINKPROP {name or index}", RTM_NEWLINKPROP, NLM_F_CREATE, index, (0, 0), values)


def delete_altnames(index: int, names: t.Sequence[str], name: str = "") -> Request:
    return _request(f"RTM_DELLINKPROP {name or index}", RTM_DELLINKPROP, 0, index, (0, 0), {"altnames": names})
