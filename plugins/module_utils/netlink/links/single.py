# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that one link needs, a section at a time."""

from __future__ import annotations

from .addresses import plan_addresses
from .admin import plan_admin
from .linkplan import LinkPlan, parent_name
from .membership import plan_master
from .settings import plan_altnames, plan_attributes, plan_named_options, plan_options


def begin(mine: LinkPlan) -> None:
    """What becomes of a link that is there: it stays, or is made anew, which other links have to know."""
    mine.changes.before = None if mine.found is None else {}
    if mine.task.doomed:
        _begin_anew(mine)


def plan_link(mine: LinkPlan) -> None:
    """Fills `mine.changes`. Raises WrongLink. Sections that few tasks need are only loaded for those."""
    show_kind(mine)
    if mine.fresh:
        mine.task.plan_creation(mine)
    else:
        _place(mine)
        plan_options(mine)
    plan_attributes(mine)
    plan_altnames(mine)
    plan_master(mine)
    plan_named_options(mine)
    if mine.want.port_options:
        from .ports import plan_port_options

        plan_port_options(mine)
    if mine.want.vfs:
        from .vfs import plan_vfs

        plan_vfs(mine)
    plan_addresses(mine, cycled=plan_admin(mine))
    if mine.want.wireguard:
        from .wireguard import plan_wireguard

        plan_wireguard(mine)


def _begin_anew(mine: LinkPlan) -> None:
    """A link that is removed on the way, itself or with the one below it, is planned as one that is not there."""
    found = mine.found
    if found and mine.irreconcilable:
        from .recreation import plan_removal

        plan_removal(mine, found)
    elif found and (mine.home, found["ifindex"]) in mine.task.doomed:
        from .recreation import plan_loss

        plan_loss(mine, found)


def _place(mine: LinkPlan) -> None:
    """Its name and its namespace."""
    found = mine.found
    if found and (mine.moving or found["ifname"] != mine.want.name):
        from .naming import plan_move, plan_rename

        plan_rename(mine, found)
        plan_move(mine, found)


def show_kind(mine: LinkPlan) -> None:
    want, found = mine.want, mine.found
    mine.changes.show("kind", mine.present, want.kind or mine.present)
    mine.changes.show("admin", None, None)  # its place in the line; plan_admin fills it
    if found:
        mine.changes.old_name, mine.changes.old_place = found["ifname"], mine.home
    if want.link:
        mine.changes.show("link", parent_name(mine) or None if found else None, want.link)
    if mine.options:
        _show_options(mine)


def _show_options(mine: LinkPlan) -> None:
    data = mine.data()
    for name in mine.kind.table.rows:  # in the kernel's order, not in that of the task
        if name in mine.options and name not in mine.kind.write_only:
            mine.changes.show(name, data.get(name), mine.options[name])
