# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MAC address of a bridge in use: the lowest of its ports', unless the bridge was given one.

net/bridge/br_stp_if.c: br_stp_recalculate_bridge_id. A bridge without ports does not tell whether it was given its own.
"""

from __future__ import annotations

import typing as t

from .picture import Object

if t.TYPE_CHECKING:
    from .draft import Draft


def joined(draft: Draft, bridge: int, port: int) -> str:
    """What is to be said of the bridge's address as a port comes; "" for nothing."""
    old, own = _lowest(draft, bridge), draft.model.links[port].get("address")
    if old is None or not own or (old and own > old):
        return ""
    draft.lowest[bridge] = own
    return _said(draft, bridge, f"gets the MAC address of {draft.name(port)}")


def left(draft: Draft, bridge: int, address: str | None) -> str:
    """The same as the port of that address has gone: the model knows it."""
    old = _lowest(draft, bridge)
    if not old or address != old:
        return ""
    rest = (draft.model.links[index] for index in draft.model.ports(bridge))
    draft.lowest[bridge] = _lowest_of(rest)
    return _said(draft, bridge, "gets another MAC address" if draft.lowest[bridge] else "has no MAC address any more")


def _said(draft: Draft, bridge: int, words: str) -> str:
    return f"{draft.name(bridge)} {words}, which its neighbours have to learn, unless it was given one"


def _lowest(draft: Draft, bridge: int) -> str | None:
    """Of the ports that the bridge has by now, "" without ports; None for one that is of no concern."""
    if not draft.lowest:
        draft.lowest[0] = None  # no master
        draft.lowest.update(_followed(draft))
    return draft.lowest.get(bridge)


def _followed(draft: Draft) -> t.Iterator[tuple[int, str]]:
    """The addresses that bridges in use follow before all steps."""
    ports: dict[int, list[Object]] = {}
    for one in draft.before.links.values():
        ports.setdefault(one["master"], []).append(one)
    for index, was in draft.before.links.items():
        then = draft.after.links.get(index, {})
        if was.get("kind") == "bridge" and was["up"] and then.get("up"):
            lowest = _lowest_of(ports.get(index, ()))
            if not lowest or (was.get("address") == lowest and "address" in then.get("free", ())):
                yield index, lowest


def _lowest_of(ports: t.Iterable[Object]) -> str:
    return min(filter(None, (port.get("address") for port in ports)), default="")
