# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Making one link, and changing its settings."""

from __future__ import annotations

import typing as t

from ..netlink.kinds import options as kinds
from ..netlink.kinds import registry
from ..netlink.kinds.kind import link_options
from ..netlink.message import Request
from ..netlink.rtnl import link
from . import waves
from .draft import Draft
from .picture import Object
from .same import NAMES, fields, other_mode, other_options, other_port
from .step import Action

Wave = t.Tuple[float, ...]


def fixed(now: Object, then: Object, name_of: t.Callable[[int], str], keeps_ports: bool) -> list[str]:
    """Why only a new link can be what is wanted."""
    if now.get("kind") != then.get("kind"):
        return [f"kind is {now.get('kind') or 'physical'}, not {then.get('kind') or 'physical'}"]
    known = registry.get(then.get("kind") or "")
    reasons = [
        f"{name} is {(now.get('options') or {}).get(name, 'unset')}, not {value}"
        for name, value in other_options(now, then).items()
        if name in known.fixed or (keeps_ports and "without ports" in known.needs.get(name, ()))
    ]
    if "link" in then and now["link"] != then["link"] and "link_netnsid" not in now:
        below = [name_of(one["link"]) if one["link"] else "nothing" for one in (now, then)]
        reasons.append(f"it stands on {below[0]}, not {below[1]}")
    return reasons


# Making


def create(draft: Draft, index: int, wave: Wave) -> None:
    then = draft.after.links[index]
    kind, name = then.get("kind"), then["ifname"]
    known = registry.find(kind or "")
    if kind is None or known is None:
        what = "a physical link" if kind is None else f"a link of the unknown kind {kind}"
        draft.cannot(wave, index, f"{name} is not there, and {what} cannot be made")
        return
    if then.get("link") and then["link"] not in draft.after.links:
        draft.cannot(wave, index, f"there is no link for {name} to stand on")
        return
    words = f"create {kind}" + (f" on {draft.name(then['link'])}" if then.get("link") and kind != "veth" else "")
    peer = draft.after.links.get(then["link"]) if kind == "veth" else None
    # With addresses it goes up after it has them, which takes the kernel less time than the other way round.
    values = _brought(then, known, up=not draft.lines.addresses(True, index))
    action: Action
    if known.by_rtnetlink:
        action = _creation(then, known, values, peer)
    else:
        from . import tun_actions

        action = tun_actions.creation(then)
        values = {}
    made = _made(then, values)
    if made.get("options"):
        named = link_options(known.table)
        made["options"] = {name: value for name, value in made["options"].items() if name not in named}
    draft.model.add(index, made)
    rest = _settings(draft, index)
    draft.add(wave, "links", index, words, [action, *rest.requests])
    if peer:
        _add_peer(draft, peer, name, wave)


def _creation(then: Object, known: t.Any, values: dict[str, t.Any], peer: Object | None) -> Request:
    data = kinds.creating(known, then.get("options") or {})
    for name in link_options(known.table):
        data.pop(name, None)  # the links that are named come later
    attributes = {key: value for key, value in values.items() if key != "up"}
    if then.get("link") and not peer:
        (data if known.parent_option else attributes)[known.parent_option or "link"] = then["link"]
    if peer:
        data["peer"] = {"ifname": peer["ifname"], "ifindex": peer["ifindex"], **_brought(peer, known, up=False)}
    info = {"info_data": data} if data else {}
    return link.new(then["ifname"], known.name, values.get("up", False), then["ifindex"], linkinfo=info, **attributes)


def _brought(then: Object, known: t.Any, up: bool = True) -> dict[str, t.Any]:
    """What a new link is told at once. A bridge's MTU follows its ports unless it is set after its creation."""
    free = then.get("free", ())
    names = ["address", "txqlen", "group", *(["mtu"] if known.name != "bridge" else [])]
    values = {name: then[name] for name in names if then.get(name) and name not in free}
    if "address" in free and then.get("permaddr"):  # a bond's port, which brings its own and gets it back some day
        values["address"] = then["permaddr"]
    special = then.get("addr_gen_mode") in ("none", "random")
    if up and then["up"] and not then["master"] and not then.get("link") and not special:
        values["up"] = True
    return values


def _made(then: Object, values: t.Mapping[str, t.Any]) -> Object:
    """A link as it is right after its creation; what nobody said is as wanted, whatever it is."""
    made = {key: one for key, one in then.items() if key not in ("altnames", "port", "mtu", "address", "addr_gen_mode")}
    made.update(ifalias="", master=0, up=False, txqlen=then.get("txqlen"), group=0)
    made["link"] = then.get("link", 0)
    made.update(values)
    return made


def _add_peer(draft: Draft, peer: Object, name: str, wave: Wave) -> None:
    index = peer["ifindex"]
    draft.model.add(index, _made(peer, _brought(peer, registry.get("veth"), up=False)))
    rest = _settings(draft, index)
    draft.add(wave, "links", index, f"create as the other end of {name}", rest.requests)


# Changing


class Settings(t.NamedTuple):
    requests: t.List[Action]
    words: t.List[str]
    interrupts: t.List[str]


def settings(draft: Draft, index: int, wave: Wave) -> None:
    """Plain attributes, alternative names and the options of the kind, as far as they are not as wanted."""
    named = wave[0] == waves.PORT  # when the links are there that options name
    found = _settings(draft, index, named)
    if found.requests:
        draft.add(wave, "links", index, ", ".join(found.words), found.requests, "; ".join(found.interrupts))


def _settings(draft: Draft, index: int, named: bool = False) -> Settings:
    out = Settings([], [], [])
    now, then = draft.model.links[index], draft.after.links[index]
    _plain(draft, index, now, then, out)
    _altnames(draft, index, now, then, out)
    mode = other_mode(now, then)
    if mode:
        draft.model.change(index)["addr_gen_mode"] = mode
        out.requests.append(link.change(index, now["ifname"], af_spec={"inet6": {"addr_gen_mode": mode}}))
        out.words.append(f"addr_gen_mode {mode}")
    differing = other_options(now, then)
    if differing:
        _options(draft, index, differing, named, out)
    return out


def _plain(draft: Draft, index: int, now: Object, then: Object, out: Settings) -> None:
    values = fields(now, then)
    if not values:
        return
    name = now["ifname"]
    for field, value in values.items():
        old = now.get(field)
        out.words.append(
            f"{NAMES.get(field, field)} {'' if old is None else f'{old or None} -> '.lower()}{value or 'none'}"
        )
    out.requests.append(link.change(index, name, **values))
    if "address" in values:
        if now.get("address") and index in draft.before.links:
            out.interrupts.append(f"{name} gets another MAC address, which its neighbours have to learn")
        draft.model.change_address(index, values["address"])
    if "mtu" in values:
        draft.model.change_mtu(index, values["mtu"])
    draft.model.change(index).update(values)


def _altnames(draft: Draft, index: int, now: Object, then: Object, out: Settings) -> None:
    more = [name for name in then.get("altnames", ()) if name not in now.get("altnames", ())]
    if more:
        draft.model.change(index)["altnames"] = sorted({*now.get("altnames", ()), *more})
        out.requests.append(link.add_altnames(index, more, now["ifname"]))
        out.words.append(f"add altname {', '.join(more)}")


OFF = {bool: False, int: 0, list: []}


def _options(draft: Draft, index: int, differing: dict[str, t.Any], named: bool, out: Settings) -> None:
    """Options of the kind; those that name a link only when `named`."""
    now = draft.model.links[index]
    known = registry.get(now.get("kind") or "")
    links = link_options(known.table)
    differing = {name: value for name, value in differing.items() if named or name not in links}
    if not differing:
        return
    data = now.get("options") or {}
    name = now["ifname"]

    def told(key: str, value: t.Any) -> t.Any:
        return draft.name(value) if key in links and isinstance(value, int) else value

    pairs = [(key, told(key, data.get(key, "unset")), told(key, value)) for key, value in differing.items()]
    out.words.append(", ".join(f"{key} {old} -> {new}" for key, old, new in pairs))
    draft.model.change(index)["options"] = {**data, **differing}
    if not known.by_rtnetlink:
        from . import tun_actions

        out.requests.append(tun_actions.change(now, {**data, **differing}))
        return
    sent = kinds.change(known, data, differing)
    request = link.change(index, name, linkinfo={"info_kind": known.name, "info_data": sent})
    down = now["up"] and any("down" in known.needs.get(option, ()) for option in differing)
    if down:
        draft.model.cycle(index)
        out.interrupts.append(f"{name} is down for a moment, to change {', '.join(differing)}")
    around = [link.change(index, name, up=up) for up in (False, True)] if down else []
    out.requests.extend([*around[:1], request, *around[1:]])


def port_settings(draft: Draft, index: int, wave: Wave) -> None:
    """Options that a link has as a port of its master."""
    now, then = draft.model.links[index], draft.after.links[index]
    master = draft.model.links.get(now["master"])
    if master is None or then["master"] != now["master"]:
        return
    differing = other_port(now, then)
    fresh = "port" not in now
    kind = master.get("kind") or ""
    known = registry.port(kind)
    if not differing or known is None:
        return
    data = {
        name: value
        for name, value in differing.items()
        if name in known.table and (value or not fresh or kind != "bond")
    }
    if not data:
        return
    present = now.get("port") or {}
    if fresh:
        words = "settings as a port: " + ", ".join(f"{name} {value}" for name, value in data.items())
    else:
        words = ", ".join(f"port's {name} {present.get(name)} -> {value}" for name, value in data.items())
    draft.model.change(index)["port"] = {**present, **data}
    info = {"info_slave_kind": kind, "info_slave_data": data}
    draft.add(wave, "links", index, words, [link.change(index, now["ifname"], linkinfo=info)])
