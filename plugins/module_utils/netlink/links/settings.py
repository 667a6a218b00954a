# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of one link: the options of its kind, MTU, MAC address, queue length, alias, alternative names."""

from __future__ import annotations

from ..kinds import options as kinds
from . import waves
from .linkplan import LinkPlan
from .wanted import WrongLink

NAMES = {"ifalias": "alias", "txqlen": "txqueuelen"}


def plan_options(mine: LinkPlan) -> None:
    then = kinds.differing(mine.kind, mine.options, mine.data()) if mine.options else {}
    if then:
        from .setting_changes import change_options

        change_options(mine, then)


def plan_named_options(mine: LinkPlan) -> None:
    """Options that name another link (a bond's primary port): set when the ports are there."""
    data = mine.data() if mine.named and not mine.fresh else {}
    for option, wanted in mine.named.items():
        now = mine.host.name_of(data.get(option)) if data else ""
        mine.changes.show(option, now or None, wanted or None)
        if wanted and not mine.exists(wanted, mine.want.place):
            raise WrongLink(mine.want.at(f"options.{option}"), f"there is no link {wanted}")
        if now != wanted:
            from .setting_changes import change_name

            change_name(mine, option, now, wanted)


def plan_attributes(mine: LinkPlan) -> None:
    """MTU, MAC address, queue length, alias: each a change of its own."""
    found = mine.found or {}
    for key, value in mine.want.attributes.items():
        now = found.get(key, "" if key == "ifalias" else None)
        mine.changes.show(NAMES.get(key, key), now or None, value or None)
        if mine.fresh or now != value:
            from .setting_changes import change_attribute

            change_attribute(mine, key, now, value)
    if mine.kind.name == "bridge" and "mtu" in mine.want.attributes and mine.task.gains(mine.want):
        mtu = {"mtu": mine.want.attributes["mtu"]}
        mine.changes.attributes(waves.PORT, f"mtu {mtu['mtu']} held against its new ports'", mtu, mtu)


def plan_altnames(mine: LinkPlan) -> None:
    want = mine.want
    if not want.altnames and not want.altnames_exact:
        return
    now = [] if mine.fresh else list((mine.found or {}).get("altnames", ()))
    more = [name for name in want.altnames if name not in now]
    fewer = [name for name in now if name not in want.altnames] if want.altnames_exact else []
    mine.changes.show("altname", sorted(now), sorted(set(now) - set(fewer) | set(more)))

    if fewer or more:
        from .setting_changes import change_altnames

        change_altnames(mine, fewer, more)
