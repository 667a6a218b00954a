# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A link that cannot be changed into what is wanted is removed and made anew, where that is allowed."""

from __future__ import annotations

from ..message import Request
from ..rtnl import link
from . import waves
from .addresses import key_of
from .found import Link, kind_of, lasting, peer_of, standing_on
from .linkplan import LinkPlan
from .restoring import as_port, rebuilding, way_back
from .runner import Place, Step, nothing
from .wanted import WrongLink

WITH_PORTS = ("bond", "bridge", "team", "vrf")


def refuse_or_doom(mine: LinkPlan, found: Link) -> None:
    """What exists and cannot be changed into what is wanted is removed first, if that is allowed."""
    want = mine.want
    if kind_of(found) is None:
        raise WrongLink(want.where, f"{want.name} is a physical link, not of kind {want.kind}: it cannot be replaced")
    if not want.recreate:
        raise WrongLink(
            want.where,
            f"{want.name} exists and cannot be changed in place ({_reasons(mine)});"
            " recreate: true removes it and makes it anew",
        )
    mine.task.anew.add(found["ifindex"])
    _doom(mine, found, found["ifname"])


def _doom(mine: LinkPlan, found: Link, below: str) -> None:
    """Marks what a removal takes: the link itself and what stands on it, which the task then has to speak of."""
    key = (mine.home, found["ifindex"])
    if key in mine.task.doomed:
        return
    if not mine.task.kinds.get((mine.home, found["ifname"])) and found is not mine.found:
        raise WrongLink(
            mine.want.where,
            f"making {below} anew would remove {found['ifname']} too: list that in this task as well, with its kind",
        )
    mine.task.doomed.add(key)
    for above in standing_on(mine.host, found):
        _doom(mine, above, below)


def _reasons(mine: LinkPlan) -> str:
    return ", ".join(f"{what} is {present}, not {wanted}" for what, present, wanted in mine.irreconcilable)


def plan_removal(mine: LinkPlan, found: Link) -> None:
    want = mine.want
    index, name = found["ifindex"], found["ifname"]
    do = Step(mine.home, lambda place: [link.delete(index, name)])
    undo = way_back(mine.host, mine.home, found, mine.task.anew)
    words = f"remove to make it anew ({_reasons(mine)})"
    mine.changes.add(waves.REMOVE_TO_RECREATE, words, do, undo, depth=-mine.changes.depth)
    _keep(mine, found)
    for port in mine.host.ports_of(index) if mine.kind.name in WITH_PORTS else ():
        # Ports that the task speaks of are planned there.
        if (want.place, port["ifname"]) not in mine.task.kinds and want.place == mine.home:
            _take_back(mine, port)


def _keep(mine: LinkPlan, found: Link) -> None:
    """A new link, which keeps of the old one what is not said and not its kind's."""
    want = mine.want
    wanted = {key_of(one): one for one in want.addresses or ()}
    there = mine.host.addresses_of(found["ifindex"]) if want.addresses is None or not want.addresses_exact else ()
    kept = [one for one in there if lasting(one) and key_of(one) not in wanted]
    alias = {"ifalias": found["ifalias"]} if found.get("ifalias") else {}
    names = () if want.altnames_exact else found.get("altnames", ())
    mine.want = want._replace(
        master=mine.host.name_of(found.get("master")) if want.master is None else want.master,
        state="up" if want.state == "present" and found["flags"] & link.IFF_UP else want.state,
        addresses=[*kept, *wanted.values()] if kept or wanted else want.addresses,
        attributes={**alias, **want.attributes},
        altnames=list(dict.fromkeys((*names, *want.altnames))),
    )
    mine.fresh, mine.moving = True, False


def plan_loss(mine: LinkPlan, found: Link) -> None:
    """A link that goes because the one below it is made anew."""
    possible = peer_of(mine.host, found) or rebuilding(mine.host, mine.home, found)
    undo = nothing if possible else None  # the way back of the link below it brings it too
    mine.changes.add(waves.LOST_TO_RECREATE, "goes with the link below it, to be made anew", nothing, undo)
    _keep(mine, found)


def _take_back(mine: LinkPlan, found: Link) -> None:
    """A port that the task does not speak of comes back to its master."""
    master = mine.want.name
    options = as_port(found)
    port = found["ifname"]

    def do(place: Place) -> list[Request]:
        return [link.change(place.index(port), port, master=place.index(master)), *options]

    mine.changes.add(waves.JOIN_MASTER, f"take back port {port}", Step(mine.home, do), nothing, depth=0)
