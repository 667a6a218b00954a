# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pairs of virtual Ethernet links: VETH_INFO_PEER (linux/veth.h) holds a link message."""

from __future__ import annotations

import typing as t

from ..attribute import Codec, Table, integer
from ..rtnl import link
from .kind import Kind


def _decode(data: bytes, start: int, end: int) -> t.Dict[str, t.Any]:
    peer = link.decode(data, start, end)
    index = peer["ifindex"]
    for name in ("family", "flags", "ifindex", "type"):
        del peer[name]
    return {**peer, **({"ifindex": index} if index else {})}


def _encode(value: t.Any) -> bytes:
    """The other end as `{ifname, address, mtu, net_ns_fd, ...}`, and the `ifindex` to take.

    It starts down: the kernel refuses an end that is to be up before the pair is one.
    """
    if not isinstance(value, dict):
        raise ValueError("takes {ifname: NAME, ...}")
    attributes = dict(value)
    header = link.IFINFO.pack(0, 0, integer(attributes.pop("ifindex", 0)), 0, 0)
    return header + link.TABLE.encode(attributes)


TABLE = Table((1, "peer", Codec(_decode, _encode)))
KINDS = {"veth": Kind("veth", TABLE, "veth", write_only=frozenset(("peer",)))}
