# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a link while its changes are planned, and of the other links of its task."""

from __future__ import annotations

import functools
import typing as t

from ...plan import Change
from ..kinds import options as kinds
from ..kinds import registry
from ..rtnl.link import IFF_UP
from . import options as kind_options
from .change import Changes
from .found import Link, kind_of
from .host import Host, Hosts
from .wanted import Wanted, WrongLink

if t.TYPE_CHECKING:
    from .addresses import Addresses, Fate


class Task:
    """What all links of a task have to know of each other."""

    def __init__(
        self,
        hosts: Hosts,
        located: t.Sequence[tuple[Wanted, Link | None, bool]],
        twins: t.AbstractSet[tuple[str | None, str]] = frozenset(),
    ) -> None:
        self.hosts = hosts
        # By namespace and name: links that come into being as the other end of a pair.
        self.twins = twins
        there = [(want, found) for want, found, _unused in located if want.state != "absent"]
        self._masters = [(want, found) for want, found in there if want.master]
        # The kind of every link that will be there; None where it stays what it is.
        self.kinds = {(want.place, want.name): want.kind for want, _unused in there}
        self.renamed = {
            (want.netns, found["ifname"]) for want, found in there if found and found["ifname"] != want.name
        }
        # By namespace and index: links that are removed to be made anew, and those that go with them.
        self.doomed: set[tuple[str | None, int]] = set()
        self.anew: set[int] = set()  # indexes of those of them that have to be removed themselves
        self.losses: list[Change] = []  # of links that go because another one moves
        self.links: t.Sequence[LinkPlan] = ()  # those that will be there, once what becomes of each is known

    @functools.cached_property
    def _rising(self) -> set[tuple[str | None, str]]:
        return {
            (mine.want.place, mine.want.name)
            for mine in self.links
            if mine.want.state == "up" and not is_up_from_the_start(mine)
        }

    def rises(self, key: tuple[str | None, str]) -> bool:
        """Whether a link of the task, by namespace and name, goes up after it is there."""
        return key in self._rising

    # Code that a task without changes needs none of: an import by each of a thousand links takes a millisecond.

    @functools.cached_property
    def plan_creation(self) -> t.Callable[[LinkPlan], None]:
        from .creation import plan_creation

        return plan_creation

    @functools.cached_property
    def plan_address_changes(self) -> t.Callable[[LinkPlan, Addresses, Fate, bool], None]:
        from .address_changes import plan_changes

        return plan_changes

    def gains(self, want: Wanted) -> bool:
        return (want.place, want.name) in self._gaining

    @functools.cached_property
    def _gaining(self) -> set[tuple[str | None, str | None]]:
        """The masters that get a port, or one with another MTU. To be asked when `doomed` is complete."""
        return {
            (want.place, want.master)
            for want, found in self._masters
            if found is None
            or self.master_of(want.place, found) != want.master
            or want.attributes.get("mtu", found["mtu"]) != found["mtu"]
        }

    def master_of(self, netns: str | None, found: Link | None) -> str:
        """The master that a link has, unless it loses it because one of them is made anew."""
        if not found or (netns, found["ifindex"]) in self.doomed or (netns, found.get("master")) in self.doomed:
            return ""
        return self.hosts[netns].name_of(found.get("master"))


class LinkPlan:
    """One link on its way: `fresh` when it is created, `reset` when it starts without addresses, master and up."""

    def __init__(self, want: Wanted, found: Link | None, moved: bool, depth: int, task: Task) -> None:
        want = kind_options.aliased(want)
        self.present = kind_of(found) if found else None  # the kind that it has
        self.kind = registry.get(want.kind or self.present or "")
        self.want = kind_options.parented(want, self.kind)
        if self.want.options and not self.kind.name:
            raise WrongLink(want.at("options"), f"{want.name} is a physical link, which has none")
        self.options, self.named = kind_options.split(self.kind, self.want.options, want.at("options"))
        self.found = found
        self.task = task
        self.changes = Changes(self.want, depth)
        self.home = want.place if moved or not want.move_to else want.netns
        self.host: Host = task.hosts[self.home]
        self.moving = found is not None and self.home != want.place
        self.fresh = found is None
        self.twin = self.fresh and (want.place, want.name) in task.twins
        # The kernel takes no name for a link elsewhere that one has here: made under another, it is renamed there.
        clash = self.fresh and want.move_to and task.hosts[want.netns].find(want.name)
        self.aside = f"flt.{want.name[:11]}" if clash else ""
        self.irreconcilable = fixed_differences(self, found) if found else []

    @property
    def reset(self) -> bool:
        return self.fresh or self.moving

    def data(self) -> t.Mapping[str, t.Any]:
        return ((self.found or {}).get("linkinfo") or {}).get("info_data") or {}

    def exists(self, name: str, netns: str | None) -> bool:
        key = (netns, name)
        return key in self.task.kinds or key in self.task.twins or self.task.hosts[netns].find(name) is not None


def fixed_differences(mine: LinkPlan, found: Link) -> list[tuple[str, t.Any, t.Any]]:
    """`(what, present, wanted)` of everything that only another link can have."""
    want, present = mine.want, mine.present
    if want.kind and want.kind != present:
        return [("kind", present or "physical", want.kind)]
    reasons = _fixed_options(mine, found) if mine.options else []
    below = parent_name(mine) if want.link else None
    if below is not None and below != want.link:
        reasons.append(("link", below or "none", want.link))
    return reasons


def _fixed_options(mine: LinkPlan, found: Link) -> list[tuple[str, t.Any, t.Any]]:
    data = mine.data()
    differing = kinds.differing(mine.kind, mine.options, data)
    ports = [port["ifname"] for port in mine.host.ports_of(found["ifindex"])] if differing and mine.kind.needs else []
    return [
        (name, data.get(name, "unset"), value)
        for name, value in differing.items()
        if name in mine.kind.fixed or (ports and "without ports" in mine.kind.needs.get(name, ()))
    ]


def parent_name(mine: LinkPlan) -> str | None:
    """The link that this one stands on, by name; None when that cannot be known (it lies in another namespace)."""
    found = mine.found or {}
    if found.get("link_netnsid") is not None or mine.moving:
        return None
    if mine.kind.parent_option:
        return mine.host.name_of(mine.data().get(mine.kind.parent_option))
    return mine.host.name_of(found.get("link"))


def below_of(mine: LinkPlan) -> tuple[str | None, str]:
    """The link that it stands on, by namespace and name."""
    return mine.want.netns, mine.want.link or (parent_name(mine) if mine.found else "") or ""


def is_up(mine: LinkPlan) -> bool:
    return bool(mine.found and mine.found["flags"] & IFF_UP) and not mine.reset


def is_up_from_the_start(mine: LinkPlan) -> bool:
    """Whether it is up already, or by its creation."""
    if mine.fresh and mine.kind.by_rtnetlink:
        return goes_up_at_creation(mine.want) and not (mine.twin or mine.aside)
    return is_up(mine)


def at_creation(kind: str, attribute: str) -> bool:
    """A bridge's MTU follows its ports unless it is set after its creation; an alias is not taken at creation."""
    return attribute != "ifalias" and not (kind == "bridge" and attribute == "mtu")


def goes_up_at_creation(want: Wanted) -> bool:
    """Ports of bonds have to be down to be taken in, and what stands on a link needs that up first.

    With addresses a link goes up after it has them, which takes the kernel less time than the other way round.
    """
    return want.state == "up" and not (want.master or want.link or want.wireguard or want.addresses)
