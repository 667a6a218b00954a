# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From links as they are and as they are wanted to changes in order: pure, but for looking things up in `Hosts`."""

from __future__ import annotations

import typing as t

from ...plan import Change, Plan
from ..errors import NoSuchNamespace
from .found import STANDING, by_mac, kind_of
from .host import FEW, Host, Hosts
from .linkplan import LinkPlan, Task
from .runner import Runner
from .single import begin, plan_link
from .wanted import Wanted, WrongLink

Found = t.Optional[t.Dict[str, t.Any]]
Located = t.Sequence[t.Tuple[Wanted, Found, bool]]


def plan(hosts: Hosts, wanted: t.Sequence[Wanted], run: Runner, lines: bool = True) -> Plan:
    """What has to happen so that `wanted` is true. Raises WrongLink, NetlinkError while looking."""
    _open(hosts, wanted)
    located = [locate(hosts, want) for want in wanted]
    twins = _twins(hosts, located)
    located = [_born(one, twins) for one in located]
    spoken_of = {(want.place, want.name) for want, *_unused in located}
    located += [(want, None, False) for key, want in twins.items() if key not in spoken_of]
    _refuse_same(located)
    depth_of = _depths(hosts, located)
    task = Task(hosts, located, twins.keys())
    links = []
    for want, found, moved in located:
        if want.state != "absent":
            links.append(LinkPlan(want, found, moved, depth_of(want), task))
    _refuse_or_doom([(mine, mine.found) for mine in links if mine.found and mine.irreconcilable])
    for mine in links:
        begin(mine)
    task.links = links
    for mine in links:
        plan_link(mine)
    changes = [change for mine in links for change in mine.changes.finished(lines)]
    changes += task.losses
    changes += _removals(hosts, [(want, found) for want, found, _unused in located if found and want.state == "absent"])
    return Plan(sorted(changes, key=lambda change: change.wave), run)


def _depths(hosts: Hosts, located: Located) -> t.Callable[[Wanted], int]:
    """How deep each link stands, after a look for loops. One link alone, or none that stands on any, needs no look."""
    if not any(want.master for want, *_unused in located) and (len(located) == 1 or not _stand(located)):
        return lambda want: 0
    from .parents import Depths, refuse_master_loops

    refuse_master_loops(hosts, located)
    return Depths(located).of


def _stand(located: Located) -> bool:
    """Whether any link stands on another, or is to."""
    wanted = any(want.link or "link" in want.options for want, *_unused in located)
    return wanted or any(found and kind_of(found) in STANDING for _unused, found, _moved in located)


def _open(hosts: Hosts, wanted: t.Sequence[Wanted]) -> None:
    """Every namespace that the task works in; of many links everything is read at once."""
    for want in wanted:
        for option in ("netns", "move_to"):
            netns = getattr(want, option)
            if netns not in hosts and (netns or option == "netns"):
                host = _host(hosts, netns, want.at(option))
                if len(wanted) > FEW:
                    host.read_all()


def _host(hosts: Hosts, netns: str | None, where: str) -> Host:
    try:
        return hosts[netns]
    except NoSuchNamespace as error:
        raise WrongLink(where, str(error)) from None


def _twins(hosts: Hosts, located: Located) -> dict[tuple[str | None, str], Wanted]:
    """The links, by namespace and name, that are created as the other end of a pair, the task speaks of them or not."""
    twins: dict[tuple[str | None, str], Wanted] = {}
    for want, found, _unused in located:
        peer = want.options.get("peer") if want.kind == "veth" and found is None else None
        if isinstance(peer, dict) and peer.get("ifname") and (want.place, want.name) not in twins:
            netns, name = peer.get("netns") or want.netns, peer["ifname"]
            _host(hosts, netns, want.at("options.peer.netns"))
            twins[netns, name] = Wanted(want.at("options.peer"), name, {}, netns=netns, place=netns, kind="veth")
    return twins


def _born(one: tuple[Wanted, Found, bool], twins: t.Mapping[tuple[str | None, str], Wanted]) -> t.Any:
    want, found, moved = one
    if found is None and want.state != "absent":
        if (want.netns, want.name) in twins and want.kind in (None, "veth"):
            return want._replace(kind="veth"), None, moved
        if not want.kind:
            raise WrongLink(want.where, _no_such_link(want))
    return one


def _refuse_same(located: Located) -> None:
    """One link under two of its names."""
    seen: dict[tuple[str | None, int], Wanted] = {}
    for want, found, moved in located:
        if found is not None:
            key = (want.place if moved else want.netns, found["ifindex"])
            first = seen.setdefault(key, want)
            if first is not want:
                raise WrongLink(want.where, f"{want.name} is the same link as {first.name} at {first.where}")


def _refuse_or_doom(links: t.Sequence[tuple[LinkPlan, t.Dict[str, t.Any]]]) -> None:
    if links:
        from .recreation import refuse_or_doom

        for mine, found in links:
            refuse_or_doom(mine, found)


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
    here = hosts[want.netns]
    if want.move_to and not ("ifindex" in want.select and here.by_index(want.select["ifindex"])):
        # Indexes are those of the namespace that a link leaves.
        there = _find(hosts[want.move_to], want if "ifindex" not in want.select else want._replace(select={}))
        if there is not None:
            return want.known_as(there["ifname"]), there, True
    # A link made elsewhere may have the name of the one that it stands on.
    found = None if want.link and want.link == want.name else _find(here, want)
    return (want.known_as(found["ifname"]) if found else want), found, False


def _no_such_link(want: Wanted) -> str:
    how = ", ".join(f"{key} {value}" for key, value in want.select.items()) or f"name {want.name}"
    place = f" in network namespace {want.netns}" if want.netns else ""
    return f"there is no link with {how}{place}, and without a kind none can be created"


def _find(host: Host, want: Wanted) -> Found:
    """By what `select` says; a link renamed before is found by the name it was to get."""
    select = want.select
    if not select:
        return host.find(want.name)
    if "ifindex" in select:
        found = host.by_index(select["ifindex"])
    elif "address" in select:
        found = _by_mac(host, want)
    else:
        found = host.find(select.get("name") or select.get("altname") or want.name)
    if found is None:
        return host.find(want.name) if want.name else None
    if select.get("name") not in (None, want.name) and host.find(want.name) not in (None, found):
        raise WrongLink(
            want.at("select.name"),
            f"both {select['name']} and {want.name} exist, and by names alone nobody can tell whether they were swapped"
            " before: select by address, altname or ifindex",
        )
    return found


def _by_mac(host: Host, want: Wanted) -> Found:
    found = by_mac(host, want.select["address"])
    if len(found) > 1:
        named = [one for one in found if one["ifname"] == want.name]
        if not named:
            names = ", ".join(sorted(one["ifname"] for one in found))
            raise WrongLink(
                want.at("select.address"), f"{want.select['address']} is the address of {names}: which one?"
            )
        found = named
    return found[0] if found else None
