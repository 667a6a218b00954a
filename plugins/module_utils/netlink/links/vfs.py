# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of SR-IOV virtual functions, made through their physical function."""

from __future__ import annotations

import typing as t

from ..attribute import MAC
from ..errors import NetlinkEncodeError
from ..rtnl.vf import VF_INFO
from . import waves
from .wanted import WrongLink, canonical

if t.TYPE_CHECKING:
    from .linkplan import LinkPlan

Setting = t.Dict[str, t.Any]


def plan_vfs(mine: LinkPlan) -> None:
    if not mine.want.vfs:
        return
    present = {one["vf"]: one for one in (mine.found or {}).get("vfinfo_list", ())}
    for number, wanted in enumerate(mine.want.vfs):
        where = mine.want.at(f"vfs[{number}]")
        if wanted["vf"] not in present:
            have = f"it has {len(present)} of them" if present else "it has none"
            raise WrongLink(where, f"{mine.want.name} has no virtual function {wanted['vf']}; {have}")
        _plan_one(mine, where, wanted, flat(present[wanted["vf"]]))


def flat(found: t.Mapping[str, t.Any]) -> Setting:
    """A VF as the kernel shows it, in the words of the options."""
    vlans = found.get("vlan_list") or [{}]
    rate = found.get("rate") or {}
    return {
        "address": found.get("mac"),
        "vlan": vlans[0].get("vlan", 0),
        "qos": vlans[0].get("qos", 0),
        "min_tx_rate": rate.get("min_tx", 0),
        "max_tx_rate": rate.get("max_tx", 0),
        "spoofchk": found.get("spoofchk"),
        "trust": found.get("trust"),
        "state": found.get("link_state"),
    }


def attributes(vf: int, values: Setting) -> Setting:
    """IFLA_VF_* for the settings in `values`; VLAN and rate are set as a whole."""
    out: Setting = {}
    for option, name in (("address", "mac"), ("spoofchk", "spoofchk"), ("trust", "trust"), ("state", "link_state")):
        if option in values:
            out[name] = (vf, values[option])
    if "vlan" in values or "qos" in values:
        out["vlan"] = {"vf": vf, "vlan": values.get("vlan", 0), "qos": values.get("qos", 0)}
    if "min_tx_rate" in values or "max_tx_rate" in values:
        out["rate"] = {"vf": vf, "min_tx": values.get("min_tx_rate", 0), "max_tx": values.get("max_tx_rate", 0)}
    return out


LIMITS = {"vlan": 4094, "qos": 7, "min_tx_rate": 0xFFFFFFFF, "max_tx_rate": 0xFFFFFFFF}
TOGETHER = (("vlan", "qos"), ("min_tx_rate", "max_tx_rate"))


def _plan_one(mine: LinkPlan, where: str, wanted: t.Mapping[str, t.Any], now: Setting) -> None:
    vf = wanted["vf"]
    then = {key: value for key, value in wanted.items() if key != "vf" and value is not None}
    for key, most in LIMITS.items():
        if not 0 <= then.get(key, 0) <= most:
            raise WrongLink(f"{where}.{key}", f"takes 0 to {most}, not {then[key]}")
    if "address" in then:
        then["address"] = canonical(MAC, then["address"], f"{where}.address")
    changed = {key: value for key, value in then.items() if now.get(key) != value}
    mine.changes.show(f"vf {vf}", {key: now.get(key) for key in then}, dict(then))
    for key in list(changed):
        for pair in TOGETHER:
            if key in pair:  # the kernel takes both at once: the other one stays as it is, or as it is wanted
                changed.update({one: then.get(one, now.get(one)) for one in pair})
    if not changed:
        return
    try:
        VF_INFO.encode(attributes(vf, changed))
    except NetlinkEncodeError as error:
        raise WrongLink(where, str(error)) from None
    words = ", ".join(f"{key} {now.get(key)} -> {value}" for key, value in changed.items())
    back = {key: now[key] for key in changed if now.get(key) is not None}
    mine.changes.attributes(
        waves.BUILD,
        f"vf {vf}: {words}",
        {"vfinfo_list": [attributes(vf, back)]},
        {"vfinfo_list": [attributes(vf, changed)]},
        partly=True,
    )
