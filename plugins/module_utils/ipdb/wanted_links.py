# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of links: each of its items as the whole link that it means."""

from __future__ import annotations

import typing as t

from ..netlink.errors import NetlinkEncodeError
from ..netlink.kinds import options as kinds
from ..netlink.kinds import registry
from ..netlink.kinds.kind import Kind
from ..netlink.links import options as kind_options
from ..netlink.links.addresses import differences, merged
from ..netlink.links.found import STANDING
from ..netlink.links.wanted import Wanted, WrongLink, check_name, parse_all
from ..netlink.rtnl.address import FOREVER
from .picture import Object, Objects, address_key
from .wanting import Wanting

FOREIGN = ("move_to", "vfs", "wireguard")  # what lies beyond rtnetlink in one namespace


class Item(t.NamedTuple):
    """One item of the task with the link that it means."""

    want: Wanted
    ifindex: int
    kind: Kind
    options: kind_options.Split
    now: Object | None


def apply(wanting: Wanting, items: t.Sequence[t.Mapping[str, t.Any]], netns: str | None) -> None:
    wanted = parse_all([{**item, "netns": None} for item in items], None, "interfaces")
    for want, given in zip(wanted, items):
        _refuse_foreign(want, given, netns)
    absent = [want for want in wanted if want.state == "absent"]
    ends = {_peer_name(want) for want in wanted}
    there = [_item(wanting, want, ends) for want in wanted if want.state != "absent"]
    _refuse_same(there)
    if absent:
        _remove(wanting, absent, {item.ifindex for item in there})
    twins = _pair_up(wanting, there)
    for item in there:
        wanting.put("links", item.ifindex, _freed(wanting, _begun(item)))
    wanting.forget_names()
    for item in there:
        _settle(wanting, item, twins)
    present = _by_link(wanting.table("addresses"))
    for item in there:
        if item.want.addresses is not None:
            _addresses(wanting, item, present.get(item.ifindex, {}) if item.now else {})


def _refuse_foreign(want: Wanted, item: t.Mapping[str, t.Any], netns: str | None) -> None:
    for option in FOREIGN:
        if getattr(want, option):
            raise WrongLink(want.at(option), "is not part of a transaction: a task of netlink_link does it")
    if item.get("netns") not in (None, netns):
        raise WrongLink(want.at("netns"), "a transaction has one network namespace, which is its own option")


def _peer_name(want: Wanted) -> str:
    """The other end of a pair, as its item says."""
    peer = want.options.get("peer") if want.kind == "veth" else None
    return str(peer.get("ifname") or "") if isinstance(peer, dict) else ""


def _item(wanting: Wanting, want: Wanted, ends: t.AbstractSet[str]) -> Item:
    found = locate(wanting, want)
    now = wanting.before.links[found] if found is not None else None
    if now is None and not want.kind and want.name in ends:
        want = want._replace(kind="veth")
    want = kind_options.aliased(want)
    if now is None and not want.kind:
        how = ", ".join(f"{key} {value}" for key, value in want.select.items()) or f"name {want.name}"
        raise WrongLink(want.where, f"there is no link with {how}, and without a kind none can be created")
    if now is not None and want.kind and now.get("kind") is None:
        raise WrongLink(want.where, f"{want.name} is a physical link, not of kind {want.kind}")
    kind = registry.get(want.kind or (now or {}).get("kind") or "")
    if now is not None:
        want = want.known_as(now["ifname"])
    want = kind_options.parented(want, kind)
    if want.options and not kind.name:
        raise WrongLink(want.at("options"), f"{want.name} is a physical link, which has none")
    options = kind_options.split(kind, want.options, want.at("options"))
    if found is None:
        check_name(want.name, want.at("name"))
        if kind.name in registry.LOADERS:
            kind_options.require(want, kind)
        else:
            raise WrongLink(want.at("kind"), f"{kind.name} is not a kind of link that a transaction can make")
    index = wanting.new_index() if found is None else found
    said = {*want.attributes, *(f"options.{name}" for name in want.options), *(f"port.{n}" for n in want.port_options)}
    if want.state != "present":
        said.add("up")
    if want.master is not None:
        said.add("master")
    wanting.say("links", index, want.where, said)
    return Item(want, index, kind, options, now)


def locate(wanting: Wanting, want: Wanted) -> int | None:
    """The index of the link that an item means, in the picture that is there."""
    before, select = wanting.before, want.select
    if "ifindex" in select:
        found = select["ifindex"] if select["ifindex"] in before.links else None
    elif "address" in select:
        found = _by_mac(wanting, want)
    else:
        found = wanting.index(select.get("name") or select.get("altname") or want.name)
    other = wanting.index(want.name) if want.name else None
    if found is None:
        return other
    if select.get("name") not in (None, want.name) and other not in (None, found):
        raise WrongLink(
            want.at("select.name"),
            f"both {select['name']} and {want.name} exist, and by names alone nobody can tell whether they were swapped"
            " before: select by address, altname or ifindex",
        )
    return found


def _by_mac(wanting: Wanting, want: Wanted) -> int | None:
    mac, links = want.select["address"], wanting.before.links
    own = [one for one in links.values() if one.get("kind") not in STANDING]
    found = [one for one in own if one.get("permaddr") == mac] or [one for one in own if one.get("address") == mac]
    if len(found) > 1:
        named = [one for one in found if one["ifname"] == want.name]
        if not named:
            names = ", ".join(sorted(one["ifname"] for one in found))
            raise WrongLink(want.at("select.address"), f"{mac} is the address of {names}: which one?")
        found = named
    return found[0]["ifindex"] if found else None


def _refuse_same(items: t.Sequence[Item]) -> None:
    seen: dict[int, Wanted] = {}
    for item in items:
        first = seen.setdefault(item.ifindex, item.want)
        if first is not item.want:
            raise WrongLink(item.want.where, f"{item.want.name} is the same link as {first.name} at {first.where}")


# Removal


def _remove(wanting: Wanting, absent: t.Sequence[Wanted], staying: set[int]) -> None:
    from .wanted_removals import Removals, refuse_removal

    removals = Removals(wanting, staying)
    for want in absent:
        index = locate(wanting, want)
        if index is None:
            continue
        refuse_removal(wanting, index, want.where)
        wanting.say("links", index, want.where)
        removals.drop(index)


# Making and changing


def _pair_up(wanting: Wanting, items: t.Sequence[Item]) -> dict[int, int]:
    """The other ends of new pairs, which are links too; the task may say more of them."""
    by_name = {item.want.name: item for item in items}
    ends = {_peer_name(item.want) for item in items}
    twins: dict[int, int] = {}
    for item in items:
        if item.kind.name != "veth" or item.now is not None or item.ifindex in twins:
            continue
        peer = item.want.options.get("peer") or {}
        if not _peer_name(item.want):
            if item.want.name not in ends:
                where = item.want.at("options.peer.ifname")
                raise WrongLink(where, "is needed: a transaction has to know the other end of a pair")
        elif peer.get("netns"):
            raise WrongLink(item.want.at("options.peer.netns"), "is not part of a transaction")
        else:
            _add_twin(wanting, item, peer, by_name.get(peer["ifname"]), twins)
    return twins


def _add_twin(
    wanting: Wanting, item: Item, peer: t.Mapping[str, t.Any], other: Item | None, twins: dict[int, int]
) -> None:
    name, where = peer["ifname"], item.want.at("options.peer.ifname")
    check_name(name, where)
    if other is not None and other.now is None:
        twins.update({item.ifindex: other.ifindex, other.ifindex: item.ifindex})
        return
    if wanting.index(name) is not None:
        raise WrongLink(where, f"there is a link {name} already")
    index = wanting.new_index()
    twins.update({item.ifindex: index, index: item.ifindex})
    extra = {key: value for key, value in peer.items() if key in ("mtu", "address", "txqlen")}
    one = {**_new_link(index, name, "veth"), **extra, "link": item.ifindex}
    wanting.put("links", index, one)
    wanting.say("links", index, where, extra)


def _new_link(index: int, name: str, kind: str) -> Object:
    return {
        "ifindex": index,
        "ifname": name,
        "kind": kind,
        "up": False,
        "master": 0,
        "ifalias": "",
        "link": 0,
        "options": {},
    }


def _freed(wanting: Wanting, one: Object) -> Object:
    """The link without a master that the task removes."""
    if not one["master"] or one["master"] in wanting.table("links"):
        return one
    return {**{key: value for key, value in one.items() if key != "port"}, "master": 0}


KEPT = ("ifindex", "up", "master", "ifalias", "altnames", "group", "port")


def _begun(item: Item) -> Object:
    """A link with its name and kind; one of another kind keeps what is not its kind's."""
    want, now = item.want, item.now
    if now is None:
        return _new_link(item.ifindex, want.name, item.kind.name)
    if want.kind and now.get("kind") != want.kind:
        kept = {key: now[key] for key in KEPT if key in now}
        return {**_new_link(item.ifindex, want.name, item.kind.name), **kept}
    return {**now, "ifname": want.name} if now["ifname"] != want.name else now


def _settle(wanting: Wanting, item: Item, twins: t.Mapping[int, int]) -> None:
    """All of a link that other wanted links may be named for."""
    want, index = item.want, item.ifindex
    begun = wanting.table("links")[index]
    one = dict(begun)
    if want.state != "present":
        one["up"] = want.state == "up"
    one.update(want.attributes)
    if "free" in one:
        one["free"] = [field for field in one["free"] if not wanting.says("links", index, field)]
    _set_names(one, want)
    if index in twins:
        one["link"] = twins[index]
    elif want.link is not None:
        one["link"] = _named(wanting, want.link, want.at("link"), f"for {want.name} to stand on")
    elif item.now is None and item.kind.parent == "required":
        raise WrongLink(want.at("link"), f"a {item.kind.name} stands on another link: which one?")
    _set_options(wanting, item, one)
    if want.master is not None:
        _set_master(wanting, item, one)
    if want.port_options:
        _set_port(wanting, item, one)
    if one != begun:
        wanting.put("links", index, one)
    _refuse_fixed(wanting, item, one)


def _set_names(one: Object, want: Wanted) -> None:
    present = [] if want.altnames_exact else one.get("altnames", [])
    names = sorted({*present, *want.altnames} - {want.name})
    if names or one.get("altnames"):
        one["altnames"] = names


def _named(wanting: Wanting, name: str, where: str, purpose: str) -> int:
    if not name:
        return 0
    found = wanting.index(name)
    if found is None:
        raise WrongLink(where, f"there is no link {name} {purpose}")
    return found


def _set_options(wanting: Wanting, item: Item, one: Object) -> None:
    kind, present = item.kind, one.get("options") or {}
    plain = {name: value for name, value in item.options.plain.items() if name not in kind.write_only}
    if item.now is not None and one["ifindex"] in wanting.before.links:
        plain = kinds.differing(kind, plain, present)
    named = {
        name: _named(wanting, other, item.want.at(f"options.{name}"), f"for {name}")
        for name, other in item.options.named.items()
    }
    named = {name: value for name, value in named.items() if value != (present.get(name) or 0)}
    if plain or named:
        said = {**plain, **named}
        one["options"] = _consistent(kind, {**present, **said}, said)


def _consistent(kind: Kind, options: Object, said: Object) -> Object:
    """Without what a link had and another option rules out now, as a bond's mode does."""
    while True:
        try:
            kind.check(options)
            return options
        except NetlinkEncodeError as error:
            if error.attribute not in options or error.attribute in said:
                return options  # what the task itself says the kernel may judge
            options = {name: value for name, value in options.items() if name != error.attribute}


def _set_master(wanting: Wanting, item: Item, one: Object) -> None:
    want = item.want
    master = _named(wanting, want.master or "", want.at("master"), f"to be the master of {want.name}")
    if master != one["master"]:
        one.pop("port", None)
    one["master"] = master
    seen, at = [one["ifname"]], master
    links = wanting.table("links")
    while at in links:
        seen.append(links[at]["ifname"])
        if at == item.ifindex or len(seen) > len(links) + 1:
            raise WrongLink(want.at("master"), f"a loop of masters: {' below '.join(seen)}")
        at = links[at]["master"]


def _set_port(wanting: Wanting, item: Item, one: Object) -> None:
    want = item.want
    master = wanting.table("links").get(one["master"]) or {}
    port = registry.port(master.get("kind") or "")
    if port is None:
        raise WrongLink(want.at("port_options"), f"{want.name} has no master whose ports have options")
    split = kind_options.split(port, want.port_options, want.at("port_options"))
    named = {
        name: _named(wanting, other, want.at(f"port_options.{name}"), f"for {name}")
        for name, other in split.named.items()
    }
    one["port"] = {**(one.get("port") or {}), **split.plain, **named}


def _refuse_fixed(wanting: Wanting, item: Item, one: Object) -> None:
    if item.now is None or item.now == one or item.want.recreate:
        return
    from .link_settings import fixed

    links = wanting.table("links")

    def name_of(index: int) -> str:
        return (links.get(index) or wanting.before.links.get(index) or {"ifname": str(index)})["ifname"]

    ports = any(link["master"] == item.ifindex for link in links.values()) if item.kind.needs else False
    reasons = fixed(item.now, one, name_of, ports)
    if reasons:
        raise WrongLink(
            item.want.where,
            f"{item.want.name} exists and cannot be changed in place ({'; '.join(reasons)});"
            " recreate: true removes it and makes it anew",
        )


# Addresses


def _by_link(addresses: Objects) -> dict[int, Objects]:
    found: dict[int, Objects] = {}
    for key, one in addresses.items():
        found.setdefault(key[0], {})[key] = one
    return found


def _addresses(wanting: Wanting, item: Item, present: Objects) -> None:
    """`present`: those that the link has."""
    want, index = item.want, item.ifindex
    listed = set()
    for number, given in enumerate(want.addresses or ()):
        one = {"index": index, **{field: value for field, value in given.items() if value is not False}}
        if one.get("label") == want.name:
            del one["label"]
        key = address_key(one)
        listed.add(key)
        now = present.get(key)
        wanting.say("addresses", key, want.at(f"addresses[{number}]"), given)
        if now is None:
            wanting.put("addresses", key, one)
        elif differences(given, {"valid_life_time": FOREVER, "preferred_life_time": FOREVER, **now}):
            then = {field: value for field, value in merged(now, one).items() if given.get(field) is not False}
            wanting.put("addresses", key, then)
    if want.addresses_exact:
        for key in present.keys() - listed:
            wanting.drop("addresses", key)
