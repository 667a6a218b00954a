# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The network, or one link within the one that is there now, as it was at a snapshot."""

from __future__ import annotations

from . import following
from .merging import aligned, restoring
from .picture import Object, Picture
from .wanting import Wanting

OWN = ("addresses", "neighbours", "fdb", "vlans")  # what belongs to a link
POINTING = ("master", "link")


def as_it_was(now: Picture, snapshot: Picture) -> Picture:
    """All of the snapshot, what the kernel had chosen too; links made anew since are taken for those of their name."""
    was = aligned(snapshot, now)
    return restoring(was, [("links", index) for index in was.links])


def index_now(now: Picture, snapshot: Picture, index: int) -> int:
    """The index of a link that somebody may have made anew since."""
    was = aligned(snapshot, now)
    moved = index in snapshot.links and index not in was.links
    return (was.index_of(snapshot.links[index]["ifname"]) if moved else None) or index


def with_one_as_it_was(now: Picture, snapshot: Picture, index: int) -> Picture:
    """`now` with a link, what belongs to it and which ports it has as at the snapshot; of these ports nothing else.

    Raises LookupError for a link that was not there then, or that led to one that is not there any more.
    """
    was = aligned(snapshot, now)
    if index not in was.links:
        raise LookupError(f"{_name(now, index)} was not there at that snapshot")
    one = was.links[index]
    _refuse_dangling(one, now, was)
    wanting = Wanting(now)
    _put_own(wanting, was, index)
    wanting.put("links", index, one)
    wanting.say("links", index, "", {*one, *(f"options.{name}" for name in one.get("options") or ())})
    for port in now.links:
        _put_port(wanting, was, port, index)
    following.apply(wanting)
    return restoring(wanting.picture(), [("links", index)])


def _name(picture: Picture, index: int) -> str:
    return picture.links.get(index, {}).get("ifname", str(index))


def _refuse_dangling(one: Object, now: Picture, was: Picture) -> None:
    present = now.links.get(one["ifindex"], {})
    for field in POINTING:
        other = one.get(field) or 0
        elsewhere = field == "link" and "link_netnsid" in one
        if other and other not in now.links and other != present.get(field) and not elsewhere:
            raise LookupError(f"{one['ifname']}: {_name(was, other)}, which was its {field}, is gone")


def _put_own(wanting: Wanting, was: Picture, index: int) -> None:
    for name in OWN:
        rest = {key: one for key, one in wanting.table(name).items() if _link_of(key) != index}
        own = {key: one for key, one in was.table(name).items() if _link_of(key) == index}
        table = wanting.own(name)
        table.clear()
        table.update({**rest, **own})  # of one network, the first address is the primary one: in their order then
        for key in own:
            wanting.say(name, key, "")
    wanting.say("vlans", index, "")


def _link_of(key: object) -> object:
    return key[0] if isinstance(key, tuple) else key


def _put_port(wanting: Wanting, was: Picture, port: int, index: int) -> None:
    """A link becomes a port again, with what a bridge keeps of it, or is none any more."""
    one, then = wanting.table("links")[port], was.links.get(port, {})
    is_one, was_one = one["master"] == index, then.get("master") == index
    if is_one == was_one:
        return
    bare = {key: value for key, value in one.items() if key != "port"}
    kept = {"port": then["port"]} if was_one and "port" in then else {}
    wanting.put("links", port, {**bare, "master": index if was_one else 0, **kept})
    if was_one:
        _put_kept(wanting, was, port)


def _put_kept(wanting: Wanting, was: Picture, port: int) -> None:
    entries = {key: one for key, one in was.fdb.items() if key[0] == port and key[5] == "master"}
    vlans = {port: was.vlans[port]} if port in was.vlans else {}
    for name, objects in (("fdb", entries), ("vlans", vlans)):
        for key, one in objects.items():
            wanting.put(name, key, one)
            wanting.say(name, key, "")
