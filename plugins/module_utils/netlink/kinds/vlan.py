# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VLANs: IFLA_VLAN_* (linux/if_link.h, linux/if_vlan.h)."""

from __future__ import annotations

import struct
import typing as t

from ..attribute import Codec, Table, attribute, enum, integer, scalar, walk
from ..errors import NetlinkDecodeError
from .kind import Kind, Options
from .values import flags_shown

FLAGS = {  # VLAN_FLAG_*
    0x1: "REORDER_HDR",
    0x2: "GVRP",
    0x4: "LOOSE_BINDING",
    0x8: "MVRP",
    0x10: "BRIDGE_BINDING",
}
SHOWN_ORDER = {bit: FLAGS[bit] for bit in (0x1, 0x2, 0x8, 0x4, 0x10)}  # ip's
PAIR = struct.Struct("=II")  # struct ifla_vlan_flags: flags, mask; struct ifla_vlan_qos_mapping: from, to


def _pair(data: bytes, start: int, end: int) -> t.Tuple[int, int]:
    if end - start < PAIR.size:
        raise NetlinkDecodeError(f"a VLAN setting of {end - start} bytes")
    return PAIR.unpack_from(data, start)


def _flags(value: t.Any) -> bytes:
    """All flags: those listed on, the others off."""
    bits = {name: bit for bit, name in FLAGS.items()}
    names = [str(name).upper() for name in ([value] if isinstance(value, str) else value)]
    if not set(names) <= set(bits):
        raise ValueError(f"takes a list of {', '.join(bits)}")
    return PAIR.pack(sum(bits[name] for name in set(names)), sum(FLAGS))


def _shown_flags(data: bytes, start: int, end: int) -> t.List[str]:
    return flags_shown(_pair(data, start, end)[0], SHOWN_ORDER)


def _map(data: bytes, start: int, end: int) -> t.List[t.Dict[str, int]]:
    pairs = sorted(_pair(data, at, stop) for _unused, at, stop in walk(data, start, end))
    return [{"from": source, "to": target} for source, target in pairs]


def _qos(sources: int, targets: int) -> Codec:
    """A list of `{from, to}`; `to: 0` takes a mapping away."""

    def encode(value: t.Any) -> bytes:
        pairs = [(integer(entry["from"]), integer(entry["to"])) for entry in value]
        if not all(0 <= source <= sources and 0 <= target <= targets for source, target in pairs):
            raise ValueError(f"takes mappings from 0..{sources} to 0..{targets}")
        if len(dict(pairs)) < len(pairs):
            raise ValueError("takes one mapping from each priority")
        return b"".join(attribute(1, PAIR.pack(*pair)) for pair in pairs)

    def checked(value: t.Any) -> bytes:
        try:
            return encode(value)
        except (KeyError, TypeError):
            raise ValueError("takes a list of {from: PRIORITY, to: PRIORITY}") from None

    return Codec(_map, checked, Table())


TABLE = Table(
    (1, "id", scalar("=H", 1, 4094)),
    (2, "flags", Codec(_shown_flags, _flags)),
    (3, "egress_qos", _qos((1 << 32) - 1, 7)),
    (4, "ingress_qos", _qos(7, (1 << 32) - 1)),
    (5, "protocol", enum(scalar(">H", 0x8100, 0x88A8), {0x8100: "802.1Q", 0x88A8: "802.1ad"})),
)


def _change(current: Options, wanted: Options) -> Options:
    """The kernel adds the mappings it is sent to those it has: those not wanted any more are sent
    with `to: 0`.
    """
    sent = dict(wanted)
    for name in {"egress_qos", "ingress_qos"} & set(wanted):
        kept = {entry["from"] for entry in wanted[name]}
        gone = [{"from": entry["from"], "to": 0} for entry in current.get(name, ()) if entry["from"] not in kept]
        sent[name] = [*wanted[name], *gone]
    return sent


KINDS = {
    "vlan": Kind(
        "vlan", TABLE, "8021q", parent="required", required=("id",), fixed=frozenset(("id", "protocol")), change=_change
    )
}
