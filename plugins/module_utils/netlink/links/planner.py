# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From links as they are and as they are wanted to changes in order: pure, but for looking things up in `Hosts`."""

from __future__ import annotations

import typing as t

from ...plan import Change, Plan
from .host import FEW, Host, Hosts
from .linkplan import LinkPlan, Task
from .parents import Depths, refuse_master_loops
from .runner import Runner
from .single import plan_link
from .wanted import Wanted, WrongLink

Found = t.Optional[t.Dict[str, t.Any]]


def plan(hosts: Hosts, wanted: t.Sequence[Wanted], run: Runner) -> Plan:
    """What has to happen so that `wanted` is true. Raises WrongLink, NetlinkError while looking."""
    if len(wanted) > FEW:
        for netns in {want.netns for want in wanted} | {want.place for want in wanted}:
            hosts[netns].read_all()
    located = [locate(hosts, want) for want in wanted]
    refuse_master_loops(hosts, located)
    depths = Depths(located)
    task = Task(hosts, located)
    links = []
    for want, found, moved in located:
        if want.state != "absent":
            links.append(LinkPlan(want, found, moved, depths.of(want), task))
    _refuse_or_doom([mine for mine in links if mine.irreconcilable])
    for mine in links:
        plan_link(mine)
    changes = [change for mine in links for change in mine.changes.finished()]
    changes += _removals(hosts, [(want, found) for want, found, _ in located if found and want.state == "absent"])
    return Plan(sorted(changes, key=lambda change: change.wave), run)


def _refuse_or_doom(links: t.Sequence[LinkPlan]) -> None:
    if links:
        from .recreation import refuse_or_doom

        for mine in links:
            refuse_or_doom(mine)


def _removals(hosts: Hosts, unwanted: t.Sequence[tuple[Wanted, t.Dict[str, t.Any]]]) -> list[Change]:
    if not unwanted:
        return []
    from .removal import Removal

    removal = Removal(hosts)
    for want, found in unwanted:
        removal.add(want, found)
    return removal.changes()


def locate(hosts: Hosts, want: Wanted) -> tuple[Wanted, Found, bool]:
    """The link that a task means, and whether it already is where it has to move to."""
    if want.move_to:
        there = _find(hosts[want.move_to], want)
        if there is not None:
            return _named(want, there), there, True
    found = _find(hosts[want.netns], want)
    if found is None and want.state != "absent" and not want.kind:
        raise WrongLink(want.where, _no_such_link(want))
    return _named(want, found), found, False


def _named(want: Wanted, found: Found) -> Wanted:
    """A link selected by something else than its name keeps the name it has."""
    return want._replace(name=found["ifname"]) if found and not want.name else want


def _no_such_link(want: Wanted) -> str:
    how = ", ".join(f"{key} {value}" for key, value in want.select.items()) or f"name {want.name}"
    place = f" in network namespace {want.netns}" if want.netns else ""
    return f"there is no link with {how}{place}, and without a kind none can be created"


def _find(host: Host, want: Wanted) -> Found:
    """By what `select` says; a link renamed before is found by the name it was to get."""
    select = want.select
    if "ifindex" in select:
        found = host.by_index(select["ifindex"])
    elif "address" in select:
        found = _by_mac(host, want)
    else:
        found = host.find(select.get("name") or select.get("altname") or want.name)
    if found is None and want.name:
        return host.find(want.name)
    if found is not None and select.get("name") not in (None, want.name) and host.find(want.name) not in (None, found):
        raise WrongLink(
            want.at("select.name"),
            f"both {select['name']} and {want.name} exist, and by names alone nobody can tell whether they were swapped"
            " before: select by address, altname or ifindex",
        )
    return found


def _by_mac(host: Host, want: Wanted) -> Found:
    found = host.by_mac(want.select["address"])
    if len(found) > 1:
        named = [one for one in found if one["ifname"] == want.name]
        if not named:
            names = ", ".join(sorted(one["ifname"] for one in found))
            raise WrongLink(
                want.at("select.address"), f"{want.select['address']} is the address of {names}: which one?"
            )
        found = named
    return found[0] if found else None
