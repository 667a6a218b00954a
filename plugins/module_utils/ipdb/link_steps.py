# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The steps of links."""

from __future__ import annotations

import typing as t

from ..netlink.links.found import kernel_since
from ..netlink.rtnl import address, link
from . import bridge_address, waves
from .draft import Draft
from .link_settings import create, fixed, port_settings, settings
from .model import PAIRED
from .picture import Objects
from .removal_steps import plan_removals
from .same import same_link


def plan(draft: Draft) -> None:
    """All but taking links up, which waits for their addresses."""
    before, after = draft.before.links, draft.after.links
    changed = [
        index
        for index, one in after.items()
        if index in before and before[index] is not one and not same_link(before[index], one)
    ]
    fresh = [index for index in after if index not in before]
    anew = {}
    for index in changed:
        reasons = fixed(before[index], after[index], draft.name, _keeps_ports(draft, index))
        if reasons:
            anew[index] = reasons
    draft.changed.update(changed, fresh)
    plan_removals(draft, fresh, anew)
    _names(draft, changed)
    _leave(draft)
    _lower(draft)
    depth = Depths(after)
    _give_way(draft)
    _build(draft, depth)
    _join(draft)
    _set_ports(draft)
    _go_down(draft)


def _keeps_ports(draft: Draft, index: int) -> bool:
    return any(draft.after.links.get(port, {}).get("master") == index for port in draft.model.ports(index))


def plan_up(draft: Draft) -> None:
    depth = Depths(draft.after.links)
    for index in sorted(draft.busy(), key=depth.of):
        if draft.after.links[index]["up"] and not draft.model.links[index]["up"]:
            draft.model.rise(index)
            name = draft.name(index)
            draft.add((waves.GO_UP, depth.of(index)), "links", index, "up", [link.change(index, name, up=True)])
    for index in draft.busy():
        if draft.model.links[index]["up"] and not draft.after.links[index]["up"]:
            _stay_down(draft, index)


def _stay_down(draft: Draft, index: int) -> None:
    """The kernel takes a VLAN up together with the link below it, and its IPv6 addresses go as it comes down again."""
    name = draft.name(index)
    kept = [one for one in draft.lines.addresses(True, index) if one["family"] == "inet6"]
    draft.model.fall(index)
    requests = [link.change(index, name, up=False), *(address.new(index, one, replace=True) for one in kept)]
    words = "down again, after the link below it went up"
    draft.add((waves.STAY_DOWN,), "links", index, words, requests)


class Depths:
    """How many links each stands on."""

    def __init__(self, links: Objects) -> None:
        self._links = links
        self._known: dict[int, int] = {}

    def of(self, index: int) -> int:
        chain: dict[int, None] = {}
        at = index
        while at in self._links and at not in self._known and at not in chain:
            chain[at] = None
            one = self._links[at]
            at = 0 if one.get("kind") in PAIRED or "link_netnsid" in one else one.get("link", 0)
        depth = self._known.get(at, -1)
        for over in reversed(chain):
            depth += 1
            self._known[over] = depth
        return self._known.get(index, 0)


# Names


def _names(draft: Draft, changed: t.Sequence[int]) -> None:
    """Alternative names that go, then renames, each when its new name is free; of names in a ring one steps aside."""
    links = draft.model.links
    pending = {}
    for index in changed:
        if index not in links:
            continue
        now, then = links[index], draft.after.links[index]
        gone = [name for name in now.get("altnames", ()) if name not in then.get("altnames", (name,))]
        if then["ifname"] in now.get("altnames", ()):
            gone = list(dict.fromkeys([*gone, then["ifname"]]))
        if gone:
            draft.model.change(index)["altnames"] = [name for name in now["altnames"] if name not in gone]
            words = f"remove altname {', '.join(gone)}"
            request = link.delete_altnames(index, gone, now["ifname"])
            draft.add((waves.FREE_NAMES,), "links", index, words, [request])
        if now["ifname"] != then["ifname"]:
            pending[index] = then["ifname"]
    if pending:
        _rename_all(draft, pending)


def _rename_all(draft: Draft, pending: dict[int, str]) -> None:
    holders = {
        name: index for index, one in draft.model.links.items() for name in (one["ifname"], *one.get("altnames", ()))
    }
    number = 0
    while pending:
        ready = {index: name for index, name in pending.items() if name not in holders}
        if not ready:
            index = next((index for index, name in pending.items() if holders[name] in pending), None)
            if index is None:
                _refuse_names(draft, pending)
                return
            ready = {index: f"flt{index}"}
        for index, new in ready.items():
            old = draft.name(index)
            _rename(draft, index, old, new, number)
            holders.pop(old, None)
            holders[new] = index
            if pending[index] == new:
                del pending[index]
        number += 1


def _refuse_names(draft: Draft, pending: t.Mapping[int, str]) -> None:
    for index, name in pending.items():
        reason = f"{draft.name(index)} cannot be renamed to {name}: another link has that name"
        draft.cannot((waves.RENAME, 0), index, reason)


def _rename(draft: Draft, index: int, old: str, new: str, number: int) -> None:
    """Since Linux 6.2 a link may be up while it is renamed."""
    one = draft.model.change(index)
    cycle = one["up"] and not kernel_since(6, 2, draft.after.kernel or draft.before.kernel)
    one["ifname"] = new
    ups = [link.change(index, old, up=up) for up in (False, True)] if cycle else []
    interrupts = ""
    if cycle:
        draft.model.cycle(index)
        interrupts = f"{old} is down for a moment, to be renamed"
    requests = [*ups[:1], link.change(index, old, ifname=new), *ups[1:]]
    draft.add((waves.RENAME, number), "links", index, f"rename {old} -> {new}", requests, interrupts)


# Masters


def _leave(draft: Draft) -> None:
    """Ports that end without a master, and those that a bond has to let go before another takes them."""
    for index in draft.busy():
        now, master = draft.model.links[index], draft.after.links[index]["master"]
        old = now["master"]
        of_bond = draft.model.links.get(old, {}).get("kind") == "bond"
        if not old or old == master or (master and not of_bond):
            continue
        name, words = draft.name(index), f"master {draft.name(old)} -> none"
        interrupts = f"{name} goes down as it leaves {draft.name(old)}" if of_bond and now["up"] else ""
        address = now.get("address")
        draft.model.leave(index)
        interrupts = interrupts or bridge_address.left(draft, old, address)
        request = link.change(index, name, master=0)
        draft.add((waves.LEAVE_MASTER,), "links", index, words, [request], interrupts)


def _join(draft: Draft) -> None:
    """Links below many masters first: a bond has its ports before it becomes one itself."""
    links = draft.after.links

    def masters(index: int) -> int:
        count, seen = 0, {index}
        while links[index]["master"] in links and links[index]["master"] not in seen:
            index = links[index]["master"]
            seen.add(index)
            count += 1
        return count

    joining = [i for i in draft.busy() if links[i]["master"] and links[i]["master"] != draft.model.links[i]["master"]]
    for index in sorted(joining, key=masters, reverse=True):
        _join_one(draft, index, links[index]["master"], (waves.JOIN_MASTER, -masters(index)))


def _join_one(draft: Draft, index: int, master: int, wave: tuple[float, ...]) -> None:
    now, name = draft.model.links[index], draft.name(index)
    kind = (draft.model.links.get(master) or {}).get("kind")
    if kind is None:
        draft.cannot(wave, index, f"{name} cannot be a port of {draft.name(master)}, which is no master")
        return
    old, address = now["master"], now.get("address")
    words = f"master {draft.name(old) if old else 'none'} -> {draft.name(master)}"
    requests, interrupts = [link.change(index, name, master=master)], ""
    if kind == "bond" and now["up"]:  # which takes in only what is down, and opens it
        requests.insert(0, link.change(index, name, up=False))
    if now["up"] and kind in ("bond", "vrf"):
        interrupts = f"{name} is down for a moment, to be taken into {draft.name(master)}"
    elif now["up"] and kind == "bridge" and draft.lines.addresses(False, index):
        interrupts = f"{name} as a port of {draft.name(master)} receives nothing for its own addresses"
    draft.model.join(index, master)
    moved = (bridge_address.left(draft, old, address), bridge_address.joined(draft, master, index))
    draft.add(wave, "links", index, words, requests, "; ".join(filter(None, (interrupts, *moved))))


# Settings


def _lower(draft: Draft) -> None:
    """MTUs that become smaller: what stands on a link follows it."""
    depth = Depths(draft.after.links)
    for index in sorted(draft.busy(), key=depth.of, reverse=True):
        now, then = draft.model.links[index], draft.after.links[index]
        old, new = now.get("mtu"), then.get("mtu")
        if old and new and new < old and "mtu" not in then.get("free", ()):
            name = draft.name(index)
            draft.model.change_mtu(index, new)
            request = link.change(index, name, mtu=new)
            draft.add((waves.LOWER_MTU, -depth.of(index)), "links", index, f"mtu {old} -> {new}", [request])


ALIKE = ("macvlan", "macvtap")  # of which two on one link cannot have one address


def _give_way(draft: Draft) -> None:
    """Addresses that change hands between links that cannot both have one: who has it takes another meanwhile."""
    links, after = draft.model.links, draft.after.links
    alike = [index for index in draft.busy() if links[index].get("kind") in ALIKE]
    holders = {(links[index]["link"], links[index].get("address")): index for index in alike}
    for index in alike:
        holder = holders.get((links[index]["link"], after[index].get("address")), index)
        if holder == index or after[holder].get("address") in (None, links[holder]["address"]):
            continue
        aside = ":".join(["02", "66", *(f"{byte:02x}" for byte in holder.to_bytes(4, "big"))])
        draft.model.change_address(holder, aside)
        request = link.change(holder, draft.name(holder), address=aside)
        words = f"address {aside}, to make way for {draft.name(index)}"
        draft.add((waves.BUILD - 1,), "links", holder, words, [request])


def _build(draft: Draft, depth: Depths) -> None:
    """Links that are made, and changes in place; what stands on others after those."""
    links = draft.model.links
    wanted = [index for index in draft.after.links if index not in links]
    for index in sorted({*wanted, *draft.busy()}, key=lambda index: (depth.of(index), index)):
        wave = (waves.BUILD, depth.of(index))
        if index not in links:
            create(draft, index, wave)
        else:
            settings(draft, index, wave)


def _set_ports(draft: Draft) -> None:
    for index in draft.busy():
        settings(draft, index, (waves.PORT,))
        port_settings(draft, index, (waves.PORT,))


def _go_down(draft: Draft) -> None:
    depth = Depths(draft.after.links)
    for index in sorted(draft.busy(), key=depth.of, reverse=True):
        if draft.model.links[index]["up"] and not draft.after.links[index]["up"]:
            name = draft.name(index)
            draft.model.fall(index)
            request = link.change(index, name, up=False)
            draft.add((waves.GO_DOWN, -depth.of(index)), "links", index, "down", [request], f"{name} goes down")
