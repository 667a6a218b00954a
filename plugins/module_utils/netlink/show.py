# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Links and addresses as people read them: the keys and values of `ip -j -d link` and `ip -j addr`.

What the core decodes names interfaces by index and flags by number; here both get their names. Everything is changed
in place, so that showing thousands of links costs no copies.
"""

from __future__ import annotations

import functools
import socket
import typing as t

from .kinds import registry
from .kinds.kind import link_options
from .rtnl.link import FLAGS, IFF_UP

Object = t.Dict[str, t.Any]

IFF_RUNNING, IFF_POINTOPOINT = 0x40, 0x10

# ARPHRD_* (linux/if_arp.h) by the names that iproute2 gives them.
LINK_TYPES = {
    1: "ether", 24: "ieee1394", 32: "infiniband", 256: "slip", 272: "hwx25", 280: "can", 512: "ppp", 513: "hdlc",
    518: "rawhdlc", 768: "ipip", 769: "tunnel6", 772: "loopback", 774: "fddi", 776: "sit", 778: "gre", 779: "pimreg",
    801: "ieee802.11", 802: "ieee802.11/prism", 803: "ieee802.11/radiotap", 804: "ieee802.15.4", 823: "gre6",
    824: "netlink", 825: "6lowpan", 0xFFFE: "none", 0xFFFF: "void",
}  # fmt: skip
IP_TUNNELS = frozenset((768, 769, 776, 778, 823))  # their link-layer addresses are IP addresses

# The order in which iproute2 says them; RUNNING it says as NO-CARRIER, when it is not there.
FLAG_ORDER = (
    0x8, 0x2, 0x10, 0x1000, 0x80, 0x200, 0x100, 0x400, 0x800, 0x4, 0x8000, 0x4000, 0x2000, 0x20, 0x1, 0x10000,
    0x20000, 0x40000,
)  # fmt: skip


class Names(t.NamedTuple):
    """What indexes stand for in one namespace: names and IFF_* flags of links by index."""

    names: t.Dict[int, str]
    flags: t.Dict[int, int]

    def name(self, index: int) -> str:
        """A link's name; `if7` for the unknown link 7, as iproute2 has it."""
        return self.names.get(index) or f"if{index}"


def names_of(links: t.Iterable[Object]) -> Names:
    """The names that decoded links have themselves (before they are shown)."""
    names, flags = {}, {}
    for one in links:
        index = one["ifindex"]
        names[index] = one["ifname"]
        flags[index] = one["flags"]
    return Names(names, flags)


@functools.lru_cache(maxsize=512)
def flag_names(flags: int, lower_down: bool = False) -> tuple[str, ...]:
    """IFF_* as iproute2 words them: RUNNING only as NO-CARRIER, its absence; M-DOWN for a lower link that is down."""
    found = ["NO-CARRIER"] if flags & IFF_UP and not flags & IFF_RUNNING else []
    found += [FLAGS[number] for number in FLAG_ORDER if flags & number]
    if flags & ~sum(FLAGS):
        found.append(f"{flags & ~sum(FLAGS):x}")
    if lower_down:
        found.append("M-DOWN")
    return tuple(found)


# Of IFLA_LINKINFO: options, the kind that they are of, and whether they are those of a port of that kind.
PARTS = (("info_data", "info_kind", False), ("info_slave_data", "info_slave_kind", True))


@functools.lru_cache(maxsize=64)
def _index_options(kind: str, port: bool) -> t.FrozenSet[str]:
    """The options of a kind of link (or of its ports) that hold the index of another link."""
    found = registry.port(kind) if port else registry.find(kind)
    return link_options(found.table) if found else frozenset()


def linked(info: Object) -> list[tuple[Object, str]]:
    """Where IFLA_LINKINFO holds the index of another link: the options of the kind or the port, and the key in them."""
    return [
        (info[data], name)
        for data, kind, port in PARTS
        if data in info
        for name in _index_options(info[kind], port)
        if info[data].get(name)
    ]


def _ip_address(shown: str) -> str:
    raw = bytes.fromhex(shown.replace(":", ""))
    return socket.inet_ntop({4: socket.AF_INET, 16: socket.AF_INET6}[len(raw)], raw) if len(raw) in (4, 16) else shown


def _show_rare(link: Object, kind: int) -> None:
    """What few links have."""
    if kind in IP_TUNNELS:
        for key in ("address", "broadcast", "permaddr"):
            if key in link:
                link[key] = _ip_address(link[key])
    for key in ("phys_port_id", "phys_switch_id"):
        if key in link:
            link[key] = link[key].replace(":", "")
    if link.get("permaddr") == link.get("address"):
        link.pop("permaddr", None)


RARE = frozenset(("permaddr", "phys_port_id", "phys_switch_id"))


def _show_lower(link: Object, names: Names) -> bool:
    """Names the link that this one stands on; returns whether that is down."""
    index = link["link"]
    if not index:
        link["link"] = None
        return False
    if "link_netnsid" in link:  # it lies in another namespace, where its name is another
        link["link_index"] = link.pop("link")
        return False
    link["link"] = names.name(index)
    return not names.flags.get(index, IFF_UP) & IFF_UP


def link(link: Object, names: Names) -> Object:
    """One decoded link, changed in place into an item of `ip -j -d link`; returns it.

    Beyond that: `carrier`, and `num_vf` of NICs with SR-IOV. Of tun links `user` and `group` stay numbers.
    """
    del link["family"]
    kind, flags = link.pop("type"), link["flags"]
    link["link_type"] = LINK_TYPES.get(kind) or f"[{kind}]"
    link["flags"] = list(flag_names(flags, _show_lower(link, names) if "link" in link else False))
    if flags & IFF_POINTOPOINT and "broadcast" in link:
        link["link_pointtopoint"] = True
    if "master" in link:
        link["master"] = names.name(link["master"])
    link["group"] = str(link["group"]) if link.get("group") else "default"
    families = link.pop("af_spec", None)
    if families:
        link["inet6_addr_gen_mode"] = families["inet6"]["addr_gen_mode"]
    if link.pop("protodown", False):
        link["proto_down"] = True
    for options, name in linked(link.get("linkinfo", {})):
        options[name] = names.name(options[name])
    if kind in IP_TUNNELS or not RARE.isdisjoint(link):
        _show_rare(link, kind)
    return link


def links(found: t.Sequence[Object], names: Names | None = None) -> t.Sequence[Object]:
    """Decoded links, each changed in place; `names` where `found` is not all links of the namespace."""
    known = names_of(found) if names is None else names
    for one in found:
        link(one, known)
    return found


def addresses(found: t.Iterable[Object], names: Names) -> list[Object]:
    """Decoded addresses by link, in the shape of `ip -j addr`: `ifindex`, `ifname` and `addr_info`, the addresses.

    The link's own attributes are not repeated here, and links without addresses are left out.
    """
    by_link: dict[int, list[Object]] = {}
    for one in found:
        by_link.setdefault(one.pop("index"), []).append(one)
    return [{"ifindex": index, "ifname": names.name(index), "addr_info": some} for index, some in by_link.items()]
