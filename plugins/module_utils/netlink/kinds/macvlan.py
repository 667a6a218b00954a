# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds that share another link's wire: macvlan, macvtap, ipvlan, ipvtap (linux/if_link.h)."""

from __future__ import annotations

import typing as t

from ..attribute import MAC, S32, U16, U32, Codec, enum, listed, scalar, truth
from ..errors import NetlinkEncodeError
from .kind import Kind, Options
from .values import PRESENCE, Dict, Shaped

MODES = {1: "private", 2: "vepa", 4: "bridge", 8: "passthru", 16: "source"}
FLAGS = {1: "nopromisc", 2: "nodst"}  # MACVLAN_FLAG_*
MACADDR_SET = 3

IPVLAN_MODES = {0: "l2", 1: "l3", 2: "l3s"}
IPVLAN_FLAGS = {1: "private", 2: "vepa"}  # IPVLAN_F_*; neither: "bridge"

_ADDRESSES = listed(4, MAC)


def _mode(value: t.Any) -> bytes:
    raw = enum(U32, MODES).encode(value)
    if U32.decode(raw, 0, 4) not in MODES:
        raise ValueError(f"takes one of {', '.join(MODES.values())}")
    return raw


def _set(options: Dict, names: t.Mapping[int, str]) -> int:
    """The bits of those flags that are true; the options go."""
    return sum(bit for bit, name in names.items() if truth(options.pop(name, False)))


def _show(found: Dict) -> Dict:
    flags = found.pop("flags", 0)
    found.update((name, True) for bit, name in FLAGS.items() if flags & bit)
    if "macaddr_data" in found:
        found["macaddr_data"].sort()
    return found


def _spread(options: Dict) -> Dict:
    if set(FLAGS.values()) & set(options):
        options["flags"] = _set(options, FLAGS)
    if "macaddr_data" in options:
        options["macaddr_mode"] = MACADDR_SET
    return options


def _change(current: Options, wanted: Options) -> Options:
    """Flags go as a whole: those that stay are sent again."""
    flags = set(FLAGS.values())
    if not flags & set(wanted):
        return wanted
    return {**{name: current[name] for name in flags & set(current)}, **wanted}


def _check(options: Options) -> None:
    mode = options.get("mode")
    for name, needed in (("nopromisc", "passthru"), ("macaddr_data", "source")):
        if mode and mode != needed and options.get(name):
            raise NetlinkEncodeError(name, f"needs mode {needed}, not {mode}")


TABLE = Shaped(
    (
        (1, "mode", Codec(enum(U32, MODES).decode, _mode)),
        (2, "nopromisc", PRESENCE),
        (2, "nodst", PRESENCE),
        (5, "macaddr_data", Codec(_ADDRESSES.decode, lambda value: _ADDRESSES.encode(sorted(value)), _ADDRESSES.table)),
        (6, "macaddr_count", U32),
        (7, "bcqueuelen", U32),
        (8, "usedbcqueuelen", U32),
        (9, "bccutoff", S32),
    ),
    ((2, "flags", U16), (3, "macaddr_mode", U32)),
    _show,
    _spread,
)


def _show_ipvlan(found: Dict) -> Dict:
    flags = found.pop("flags", None)
    if flags is not None:
        found[IPVLAN_FLAGS.get(flags, "bridge")] = True
    return found


def _spread_ipvlan(options: Dict) -> Dict:
    if {"bridge", "private", "vepa"} & set(options):
        options["flags"] = _set(options, IPVLAN_FLAGS)
        options.pop("bridge", None)
    return options


def _check_ipvlan(options: Options) -> None:
    given = [name for name in ("bridge", "private", "vepa") if options.get(name)]
    if len(given) > 1:
        raise NetlinkEncodeError(given[1], f"contradicts {given[0]}")
    if not given and "bridge" in options:
        raise NetlinkEncodeError("bridge", "false leaves open what instead: private or vepa")


IPVLAN_TABLE = Shaped(
    (
        (1, "mode", enum(scalar("=H", 0, 2), IPVLAN_MODES)),
        (2, "bridge", PRESENCE),
        (2, "private", PRESENCE),
        (2, "vepa", PRESENCE),
    ),
    ((2, "flags", U16),),
    _show_ipvlan,
    _spread_ipvlan,
)

MACVLAN = Kind(
    "macvlan",
    TABLE,
    "macvlan",
    parent="required",
    needs={"nopromisc": ("up",)},
    read_only=frozenset(("macaddr_count", "usedbcqueuelen")),
    absent={"bccutoff": 1},
    check=_check,
    change=_change,
)
IPVLAN = Kind("ipvlan", IPVLAN_TABLE, "ipvlan", parent="required", check=_check_ipvlan)
KINDS = {
    "macvlan": MACVLAN,
    "macvtap": MACVLAN._replace(name="macvtap", module="macvtap"),
    "ipvlan": IPVLAN,
    "ipvtap": IPVLAN._replace(name="ipvtap", module="ipvtap"),
}
