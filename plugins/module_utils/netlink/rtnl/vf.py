# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual functions of SR-IOV NICs: IFLA_VF_INFO (linux/if_link.h: struct ifla_vf_*)."""

from __future__ import annotations

import struct
import typing as t

from ..attribute import Codec, Table, integer, mac_bytes, nested, truth
from ..errors import NetlinkDecodeError

STATES = {0: "auto", 1: "enable", 2: "disable"}


def _pair(show: t.Callable[[int], t.Any], parse: t.Callable[[t.Any], int]) -> Codec:
    """`u32 vf, u32 value`; the value is `(vf, shown value)`."""
    packer = struct.Struct("=II")

    def decode(data: bytes, start: int, end: int) -> tuple[int, t.Any]:
        if end - start < packer.size:
            raise NetlinkDecodeError(f"a VF setting of {end - start} bytes")
        vf, value = packer.unpack_from(data, start)
        return vf, show(value)

    return Codec(decode, lambda pair: packer.pack(pair[0], parse(pair[1])))


def _fields(shape: str, *names: str) -> Codec:
    """A struct of numbers, the VF's own first; the value is a dictionary with `vf`."""
    packer = struct.Struct(shape)

    def decode(data: bytes, start: int, end: int) -> dict[str, int]:
        if end - start < packer.size:
            raise NetlinkDecodeError(f"a VF setting of {end - start} bytes")
        return dict(zip(names, packer.unpack_from(data, start)))

    return Codec(decode, lambda values: packer.pack(*(integer(values.get(name, 0)) for name in names)))


def _decode_mac(data: bytes, start: int, end: int) -> tuple[int, str]:
    if end - start < 36:
        raise NetlinkDecodeError(f"a VF address of {end - start} bytes")
    return struct.unpack_from("=I", data, start)[0], data[start + 4 : start + 10].hex(":")


def _state(value: t.Any) -> int:
    numbers = {name: number for number, name in STATES.items()}
    if value not in numbers:
        raise ValueError(f"takes one of {', '.join(numbers)}")
    return numbers[value]


_BOOL = _pair(bool, lambda value: int(truth(value)))

VF = Table(
    (1, "mac", Codec(_decode_mac, lambda pair: struct.pack("=I32s", pair[0], mac_bytes(pair[1])))),
    (2, "vlan", _fields("=III", "vf", "vlan", "qos")),
    (4, "spoofchk", _BOOL),
    (5, "link_state", _pair(lambda value: STATES.get(value, value), _state)),
    (6, "rate", _fields("=III", "vf", "min_tx", "max_tx")),
    (7, "query_rss", _BOOL),
    (9, "trust", _BOOL),
)
_NESTED = nested(VF)


def _decode(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """One VF, flat, in the shape of `ip -j link`: `{vf, mac, vlan_list, rate, spoofchk, link_state, trust, ...}`."""
    raw = _NESTED.decode(data, start, end)
    vf: dict[str, t.Any] = {}
    for name, value in raw.items():
        number, shown = (value.pop("vf"), value) if isinstance(value, dict) else value
        vf["vf"] = number
        if name == "vlan":
            if shown["vlan"]:
                vf["vlan_list"] = [{key: shown[key] for key in ("vlan", "qos") if shown[key]}]
        elif name == "rate":
            vf["rate"] = {"max_tx": shown["max_tx"], "min_tx": shown["min_tx"]}
        else:
            vf[name] = shown
    return vf


VF_INFO = Codec(_decode, _NESTED.encode, VF)
