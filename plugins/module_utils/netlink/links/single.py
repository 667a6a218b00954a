# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The changes that one link needs, a section at a time."""

from __future__ import annotations

import typing as t

from ..kinds import options as kinds
from ..kinds import registry
from ..rtnl import link
from . import options as kind_options
from . import removal, waves
from .addresses import plan_addresses
from .change import Changes
from .host import Host, Hosts
from .naming import plan_move, plan_rename
from .runner import Place, Step
from .vfs import plan_vfs
from .wanted import Wanted, WrongLink

Link = t.Dict[str, t.Any]
ALIASES = {"tap": ("tun", {"type": "tap"})}  # kinds under the names that people give them


class Task:
    """What all links of a task have to know of each other."""

    def __init__(self, hosts: Hosts, located: t.Sequence[tuple[Wanted, Link | None, bool]]) -> None:
        self.hosts = hosts
        there = [(want, found) for want, found, _ in located if want.state != "absent"]
        self._masters = [(want, found) for want, found in there if want.master]
        # The kind of every link that will be there; None where it stays what it is.
        self.kinds = {(want.place, want.name): want.kind for want, _ in there}
        self.renamed = {
            (want.netns, found["ifname"]) for want, found in there if found and found["ifname"] != want.name
        }
        # By namespace and index: links that are removed to be made anew, and those that go with them.
        self.doomed: set[tuple[t.Optional[str], int]] = set()

    def gains_ports(self, netns: str | None, name: str) -> bool:
        return any(
            want.master == name and want.place == netns and self.master_of(netns, found) != name
            for want, found in self._masters
        )

    def master_of(self, netns: str | None, found: Link | None) -> str:
        """The master that a link has, unless it loses it because one of them is made anew."""
        if not found or (netns, found["ifindex"]) in self.doomed or (netns, found.get("master")) in self.doomed:
            return ""
        return self.hosts[netns].name_of(found.get("master"))


class LinkPlan:
    """One link on its way: `fresh` when it is created, `reset` when it starts without addresses, master and up."""

    def __init__(self, want: Wanted, found: Link | None, moved: bool, depth: int, task: Task) -> None:
        kind_name, more = ALIASES.get(want.kind or "", (want.kind, {}))
        present = removal.kind_of(found) if found else None
        self.kind = registry.get(kind_name or present or "")
        self.want = kind_options.parented(want._replace(kind=kind_name, options={**more, **want.options}), self.kind)
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
        self.irreconcilable = _fixed_differences(self) if found else []

    @property
    def reset(self) -> bool:
        return self.fresh or self.moving

    def data(self) -> t.Mapping[str, t.Any]:
        return ((self.found or {}).get("linkinfo") or {}).get("info_data") or {}

    def exists(self, name: str, netns: str | None) -> bool:
        return (netns, name) in self.task.kinds or self.task.hosts[netns].find(name) is not None

    def doom(self) -> None:
        """Marks what a removal takes: the link itself and what stands on it, which the task then has to speak of."""
        _doom(self, self.found, self.found["ifname"])


def plan_link(mine: LinkPlan) -> None:
    """Fills `mine.changes`. Raises WrongLink."""
    want, changes = mine.want, mine.changes
    changes.before = None if mine.found is None else {}
    if mine.irreconcilable:
        _remove_to_recreate(mine)
    elif mine.found and (mine.home, mine.found["ifindex"]) in mine.task.doomed:
        mine.fresh, mine.moving = True, False
    _show_kind(mine)
    if mine.fresh:
        _create(mine)
    else:
        plan_rename(mine)
        plan_move(mine)
        _change_options(mine)
    _attributes(mine)
    _altnames(mine)
    _master(mine)
    _named_options(mine)
    _port_options(mine)
    plan_vfs(mine)
    plan_addresses(mine, cycled=_admin(mine))
    if want.wireguard:
        from .wireguard import plan_wireguard

        plan_wireguard(mine)


def _doom(mine: LinkPlan, found: Link, below: str) -> None:
    key = (mine.home, found["ifindex"])
    if key in mine.task.doomed:
        return
    if (mine.home, found["ifname"]) not in mine.task.kinds and found is not mine.found:
        raise WrongLink(
            mine.want.where, f"making {below} anew would remove {found['ifname']} too: list that in this task as well"
        )
    mine.task.doomed.add(key)
    for above in removal.standing_on(mine.host, found):
        _doom(mine, above, below)


def refuse_or_doom(mine: LinkPlan) -> None:
    """What exists and cannot be changed into what is wanted is removed first, if that is allowed."""
    if not mine.irreconcilable:
        return
    want = mine.want
    if removal.kind_of(mine.found) is None:
        raise WrongLink(want.where, f"{want.name} is a physical link, not of kind {want.kind}: it cannot be replaced")
    if not want.recreate:
        raise WrongLink(
            want.where,
            f"{want.name} exists and cannot be changed in place ({_reasons(mine)});"
            " recreate: true removes it and makes it anew",
        )
    mine.doom()


def _reasons(mine: LinkPlan) -> str:
    return ", ".join(f"{what} is {present}, not {wanted}" for what, present, wanted in mine.irreconcilable)


def _remove_to_recreate(mine: LinkPlan) -> None:
    found, want = mine.found, mine.want
    index, name = found["ifindex"], found["ifname"]
    do = Step(mine.home, lambda place: [link.delete(index, name)])
    undo = removal.way_back(mine.host, mine.home, found)
    words = f"remove to make it anew ({_reasons(mine)})"
    mine.changes.add(waves.REMOVE_TO_RECREATE, words, do, undo, depth=-mine.changes.depth)
    mine.fresh, mine.moving = True, False
    for port in mine.host.ports_of(index):
        if (want.place, port["ifname"]) not in mine.task.kinds and want.place == mine.home:
            _take_back(mine, port["ifname"])


def _take_back(mine: LinkPlan, port: str) -> None:
    """A port that the task does not speak of comes back to its master."""
    master = mine.want.name
    step = Step(mine.home, lambda place: [link.change(place.index(port), port, master=place.index(master))])
    mine.changes.add(waves.JOIN_MASTER, f"take back port {port}", step, removal.nothing, depth=0)


def _fixed_differences(mine: LinkPlan) -> list[tuple[str, t.Any, t.Any]]:
    """`(what, present, wanted)` of everything that only another link can have."""
    want, found = mine.want, mine.found
    present = removal.kind_of(found)
    if want.kind and want.kind != present:
        return [("kind", present or "physical", want.kind)]
    data = mine.data()
    differing = kinds.differing(mine.kind, mine.options, data)
    ports = [port["ifname"] for port in mine.host.ports_of(found["ifindex"])] if differing and mine.kind.needs else []
    reasons = [
        (name, data.get(name), value)
        for name, value in differing.items()
        if name in mine.kind.fixed or (ports and "without ports" in mine.kind.needs.get(name, ()))
    ]
    below = parent_name(mine)
    if want.link and below is not None and below != want.link:
        reasons.append(("link", below or "none", want.link))
    return reasons


def parent_name(mine: LinkPlan) -> str | None:
    """The link that this one stands on, by name; None when that cannot be known (it lies in another namespace)."""
    found = mine.found or {}
    if mine.kind.parent_option:
        return mine.host.name_of(mine.data().get(mine.kind.parent_option))
    if found.get("link_netnsid") is not None or mine.moving:
        return None
    return mine.host.name_of(found.get("link"))


def _show_kind(mine: LinkPlan) -> None:
    want, found = mine.want, mine.found
    present = removal.kind_of(found) if found else None
    mine.changes.show("kind", present, want.kind or present)
    mine.changes.show("admin", None, None)  # its place in the line; _admin fills it
    if found:
        mine.changes.old_name, mine.changes.old_place = found["ifname"], mine.home
    if want.link:
        mine.changes.show("link", parent_name(mine) or None if found else None, want.link)
    data = mine.data()
    for name, value in mine.options.items():
        if name not in mine.kind.write_only:
            mine.changes.show(name, data.get(name), value)


def _create(mine: LinkPlan) -> None:
    want, kind = mine.want, mine.kind
    if not want.kind:
        raise WrongLink(want.where, f"there is no link {want.name}, and without a kind none can be created")
    kind_options.require(want, kind)
    if want.link and not mine.exists(want.link, want.netns):
        raise WrongLink(want.at("link"), f"there is no link {want.link} for {want.name} to stand on")
    if not kind.by_rtnetlink:
        from .tuntap import plan_creation

        plan_creation(mine)
        return
    at_once = {key: value for key, value in want.attributes.items() if _at_creation(kind.name, key)}
    up = goes_up_at_creation(want)

    def do(place: Place) -> list[t.Any]:
        values = dict(at_once)
        data = dict(mine.options)
        if want.link:
            (data if kind.parent_option else values)[kind.parent_option or "link"] = place.index(want.link)
        if "peer" in data:
            data["peer"] = _peer(want.options["peer"], place)
        if want.move_to:
            values["net_ns_fd"] = place.netns_file(want.move_to)
        return [link.new(want.name, want.kind, up=up, linkinfo={"info_data": data} if data else {}, **values)]

    def undo(place: Place) -> list[t.Any]:
        return [link.delete(place.index(want.name), want.name)]

    words = f"create {want.kind}" + (f" on {want.link}" if want.link else "")
    mine.changes.add(waves.BUILD, words, Step(want.netns, do, kind.module), Step(want.place, undo))


def _at_creation(kind: str, attribute: str) -> bool:
    """A bridge's MTU follows its ports unless it is set after its creation; an alias is not taken at creation."""
    return attribute != "ifalias" and not (kind == "bridge" and attribute == "mtu")


def goes_up_at_creation(want: Wanted) -> bool:
    """Ports of bonds have to be down to be taken in, and what stands on a link needs that up first."""
    return want.state == "up" and not want.master and not want.link and not want.wireguard


def _peer(peer: t.Mapping[str, t.Any], place: Place) -> dict[str, t.Any]:
    """The other end of a pair as it is created: `netns` is where it is to lie."""
    values = dict(peer)
    netns = values.pop("netns", None)
    if netns:
        values["net_ns_fd"] = place.netns_file(netns)
    return values


def _change_options(mine: LinkPlan) -> None:
    data, kind = mine.data(), mine.kind
    then = kinds.differing(kind, mine.options, data)
    if not then:
        return
    if not kind.by_rtnetlink:
        from .tuntap import plan_change

        plan_change(mine, then)
        return
    words = ", ".join(f"{name} {data.get(name, 'unset')} -> {value}" for name, value in then.items())
    sent = kinds.change(kind, data, then)
    back = {name: data[name] for name in sent if name in data}
    down = _is_up(mine) and any("down" in kind.needs.get(name, ()) for name in then)
    lost = removal.Settings(mine.host, mine.found).network(mine.found["ifindex"]) if down else []
    name = mine.want.name

    def setting(options: t.Mapping[str, t.Any]) -> t.Callable[[Place], list[t.Any]]:
        def build(place: Place) -> list[t.Any]:
            index = place.index(name)
            change = link.change(index, name, linkinfo={"info_kind": kind.name, "info_data": options})
            around = [link.change(index, name, up=up) for up in (False, True)] if down else []
            return [*around[:1], change, *around[1:], *lost]

        return build

    words += " (down for a moment)" if down else ""
    mine.changes.request(waves.BUILD, words, setting(sent), setting(back), partly=True)


def _named_options(mine: LinkPlan) -> None:
    """Options that name another link (a bond's primary port): set when the ports are there."""
    data = {} if mine.fresh else mine.data()
    for option, wanted in mine.named.items():
        now = mine.host.name_of(data.get(option)) if data else ""
        mine.changes.show(option, now or None, wanted or None)
        if wanted and not mine.exists(wanted, mine.want.place):
            raise WrongLink(mine.want.at(f"options.{option}"), f"there is no link {wanted}")
        if now != wanted:
            words = f"{option} {now or 'none'} -> {wanted or 'none'}"
            mine.changes.request(
                waves.PORT, words, _naming(mine, option, wanted), _naming(mine, option, now), partly=True
            )


def _naming(mine: LinkPlan, option: str, other: str) -> t.Callable[[Place], list[t.Any]]:
    name, kind = mine.want.name, mine.kind.name
    return lambda place: [
        link.change(place.index(name), name, linkinfo={"info_kind": kind, "info_data": {option: place.index(other)}})
    ]


def _is_up(mine: LinkPlan) -> bool:
    return bool(mine.found and mine.found["flags"] & link.IFF_UP) and not mine.reset


def _attributes(mine: LinkPlan) -> None:
    """MTU, MAC address, queue length, alias: each a change of its own."""
    found = mine.found or {}
    for key, value in mine.want.attributes.items():
        now = found.get(key, "" if key == "ifalias" else None)
        mine.changes.show(NAMES.get(key, key), now or None, value or None)
        if mine.fresh:
            if not _at_creation(mine.kind.name, key) or not mine.kind.by_rtnetlink:
                _set_after_creation(mine, key, value)
        elif now != value:
            number, depth = waves.BUILD, mine.changes.depth
            if key == "mtu" and value < now:
                number, depth = waves.LOWER_MTU, -depth
            words = f"{NAMES.get(key, key)} {now or 'none'} -> {value or 'none'}"
            mine.changes.attributes(number, words, {key: now}, {key: value}, depth=depth)
    if "mtu" in mine.want.attributes and mine.task.gains_ports(mine.want.place, mine.want.name):
        mtu = {"mtu": mine.want.attributes["mtu"]}
        if mine.kind.name == "bridge":
            mine.changes.attributes(waves.PORT, f"mtu {mtu['mtu']} held against its new ports'", mtu, mtu)


NAMES = {"ifalias": "alias", "txqlen": "txqueuelen"}


def _set_after_creation(mine: LinkPlan, key: str, value: t.Any) -> None:
    words = f"{NAMES.get(key, key)} {value}"
    step = Step(
        mine.want.place, lambda place: [link.change(place.index(mine.want.name), mine.want.name, **{key: value})]
    )
    mine.changes.add(waves.BUILD, words, step, removal.nothing, depth=mine.changes.depth + 0.5)


def _altnames(mine: LinkPlan) -> None:
    want = mine.want
    if not want.altnames and not want.altnames_exact:
        return
    now = [] if mine.fresh else list((mine.found or {}).get("altnames", ()))
    more = [name for name in want.altnames if name not in now]
    fewer = [name for name in now if name not in want.altnames] if want.altnames_exact else []
    mine.changes.show("altname", sorted(now), sorted(set(now) - set(fewer) | set(more)))

    def add(names: t.Sequence[str]) -> t.Callable[[Place], list[t.Any]]:
        return lambda place: [link.add_altnames(place.index(want.name), names, want.name)]

    def drop(names: t.Sequence[str]) -> t.Callable[[Place], list[t.Any]]:
        return lambda place: [link.delete_altnames(place.index(want.name), names, want.name)]

    for names, how, do, undo in ((fewer, "remove", drop, add), (more, "add", add, drop)):
        if names:
            words = f"{how} altname {', '.join(names)}"
            mine.changes.request(waves.BUILD, words, do(names), undo(names), depth=mine.changes.depth + 0.5)


def master_now(mine: LinkPlan) -> str:
    return "" if mine.reset else mine.task.master_of(mine.home, mine.found)


def master_kind(mine: LinkPlan) -> str | None:
    """The kind of the master that the link ends with."""
    name = master_now(mine) if mine.want.master is None else mine.want.master
    if not name:
        return None
    found = mine.task.hosts[mine.want.place].find(name)
    return mine.task.kinds.get((mine.want.place, name)) or (removal.kind_of(found) if found else None)


def joins_bond(mine: LinkPlan) -> bool:
    return bool(mine.want.master) and mine.want.master != master_now(mine) and master_kind(mine) == "bond"


def _master(mine: LinkPlan) -> None:
    want = mine.want
    if want.master is None:
        return
    if want.master and not mine.exists(want.master, want.place):
        raise WrongLink(want.at("master"), f"there is no link {want.master} to be the master of {want.name}")
    now = master_now(mine)
    before = mine.host.name_of((mine.found or {}).get("master")) if mine.found else ""
    mine.changes.show("master", before or None, want.master or None)
    if now == want.master:
        return

    def below(master: str) -> t.Callable[[Place], list[t.Any]]:
        return lambda place: [link.change(place.index(want.name), want.name, master=place.index(master))]

    words = f"master {now or 'none'} -> {want.master or 'none'}"
    number = waves.JOIN_MASTER if want.master else waves.LEAVE_MASTER
    mine.changes.request(number, words, below(want.master), below(now), depth=0)


def _port_options(mine: LinkPlan) -> None:
    want = mine.want
    if not want.port_options:
        return
    kind = master_kind(mine)
    port = registry.port(kind or "")
    if kind is None or port is None:
        raise WrongLink(want.at("port_options"), f"{want.name} has no master whose ports have options")
    info = (mine.found or {}).get("linkinfo") or {}
    present = info.get("info_slave_data") or {} if info.get("info_slave_kind") == kind and not mine.reset else {}
    wanted = kind_options.split(port, want.port_options, want.at("port_options")).plain
    for name, value in wanted.items():
        mine.changes.show(name, present.get(name), value)
    then = kinds.differing(port, wanted, present)
    if then:
        now = {name: present[name] for name in then if name in present}
        words = ", ".join(f"port's {name} {present.get(name, 'unset')} -> {value}" for name, value in then.items())
        mine.changes.attributes(
            waves.PORT,
            words,
            {"linkinfo": {"info_slave_kind": kind, "info_slave_data": now}} if now else {},
            {"linkinfo": {"info_slave_kind": kind, "info_slave_data": then}},
            partly=True,
        )


def _admin(mine: LinkPlan) -> bool:
    """Up or down; whether the link is down for a moment on the way, which costs it its IPv6 addresses."""
    want, found, changes = mine.want, mine.found, mine.changes
    was_up = bool(found and found["flags"] & link.IFF_UP)
    is_up = _is_up(mine)
    bonded = joins_bond(mine)
    cycled = False
    if bonded and is_up:
        _go_down(mine, waves.LEAVE_MASTER, "down, to be taken into the bond")
        cycled, is_up = True, False
    if mine.fresh and mine.kind.by_rtnetlink:
        is_up = goes_up_at_creation(want)
    is_up = is_up or bonded  # a bond opens the ports that it takes in
    if want.state == "up" and not is_up:
        changes.attributes(waves.GO_UP, "up", {"up": False}, {"up": True})
    elif want.state == "down" and is_up:
        _go_down(mine, waves.GO_DOWN, "down")
    ends_up = want.state == "up" or (want.state == "present" and is_up)
    if changes.before is not None:
        changes.before["admin"] = "up" if was_up else "down"
    changes.after["admin"] = "up" if ends_up else "down"
    return cycled


def _go_down(mine: LinkPlan, number: int, words: str) -> None:
    """Down takes routes and IPv6 addresses with it: the way back brings them too."""
    want, name, index = mine.want, mine.want.name, mine.found["ifindex"]
    lost = removal.Settings(mine.host, mine.found).network(index) if not mine.moving else []
    do = Step(want.place, lambda place: [link.change(place.index(name), name, up=False)])
    undo = Step(want.place, lambda place: [link.change(place.index(name), name, up=True), *lost])
    mine.changes.add(number, words, do, undo, depth=-mine.changes.depth)
