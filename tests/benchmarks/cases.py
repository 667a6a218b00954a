# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared with what, in which namespace, and how much of the peer's time it may take."""

from __future__ import annotations

import typing as t

Call = t.Tuple[object, ...]  # module, function, arguments of one side


class Peer(t.NamedTuple):
    name: str
    call: Call
    time: float | None = None  # at most so much of the peer's time
    memory: float | None = None  # at most so much of the peer's memory
    longer: float | None = None  # at most so many seconds beyond the peer's time
    size: int | None = None  # MB of memory that ours takes at most, whatever the peer's is


class Case(t.NamedTuple):
    """`world` fills the namespace; with `fresh` every run has one of its own.

    `small` fills another one, where each side does the work before it is measured.
    `play`: ours and the peer are tasks of one play, `rounds` of each. `once`: a peer takes minutes, so that one
    round has to do.
    """

    name: str
    says: str
    world: Call
    ours: Call
    peers: tuple[Peer, ...]
    small: Call | None = None
    fresh: bool = False
    play: bool = False
    once: bool = False


class Scale(t.NamedTuple):
    links: int
    routes: int
    bridges: int
    hosts_links: int
    rounds: int
    nodes: int  # of XenStore


SCALES = {
    "full": Scale(5000, 100_000, 1000, 1000, 5, 10_000),
    "small": Scale(400, 4000, 40, 100, 3, 1000),
}


FEW_LINKS = ("worlds", "mixed_links", 40)
FEW_ROUTES = ("worlds", "many_routes", 4)


def _read(function: str, *arguments: object) -> tuple[Call, Call, Call]:
    return (
        ("ours", function, *arguments),
        ("iproute2", function, *arguments),
        ("by_pyroute2", function, *arguments),
    )


def _filtered(name: str, says: str, world: Call, function: str, *arguments: object) -> Case:
    ours, iproute2, pyroute2 = _read(function, *arguments)
    peers = (Peer("ip -j", iproute2, time=1.0), Peer("pyroute2", pyroute2))
    return Case(name, says, world, ours, peers, small=FEW_LINKS)


def cases(scale: Scale) -> list[Case]:
    links = ("worlds", "mixed_links", scale.links)
    routes = ("worlds", "many_routes", scale.routes)
    elsewhere = ("worlds", "many_routes", scale.routes, 100)
    read_links, read_routes = _read("links"), _read("routes")
    bridges, add = _read("make_bridges", scale.bridges), _read("make_routes", scale.routes)
    return [
        Case(
            "links",
            f"{scale.links:,} mixed links with all their attributes",
            links,
            read_links[0],
            (
                Peer("ip -j -d, json.loads", read_links[1], time=1.0),
                Peer("pyroute2", read_links[2], time=1 / 20),
            ),
            small=FEW_LINKS,
        ),
        Case(
            "routes",
            f"{scale.routes:,} routes",
            routes,
            read_routes[0],
            (
                Peer("ip -j, json.loads", read_routes[1], time=1.0),
                Peer("pyroute2", read_routes[2], time=1 / 25, memory=1 / 4),
            ),
            small=FEW_ROUTES,
        ),
        Case(
            "main-table",
            f"the main table beside {scale.routes:,} other routes",
            elsewhere,
            read_routes[0],
            (
                Peer("ip -j, json.loads", read_routes[1], time=0.5),
                Peer("pyroute2", read_routes[2]),
            ),
            small=FEW_ROUTES,
        ),
        _filtered("master", f"ports of one bridge of {scale.links:,} links", links, "links_of_master", "br0"),
        _filtered("kind", f"vxlans of {scale.links:,} links", links, "links_of_kind", "vxlan"),
        _filtered("one", f"one link of {scale.links:,}", links, "one_link", "veth7"),
        Case(
            "bridges",
            f"{scale.bridges:,} bridges made, with address and up, read back and verified (by ip: not)",
            ("worlds", "bare"),
            bridges[0],
            (
                Peer("ip -batch", bridges[1], time=1.2),
                Peer("pyroute2", bridges[2], time=1 / 10),
            ),
            fresh=True,
        ),
        Case(
            "add-routes",
            f"{scale.routes:,} routes added",
            ("worlds", "one_bridge"),
            add[0],
            (Peer("ip -batch", add[1], time=1 / 3),),
            fresh=True,
        ),
        Case(
            "facts",
            f"network facts of a host with {scale.hosts_links:,} links, the whole command",
            ("worlds", "mixed_links", scale.hosts_links),
            ("tasks", "netlink_facts"),
            (Peer("setup, gather_subset=network", ("tasks", "setup"), time=1 / 6),),
        ),
        Case(
            "no-op",
            "a whole task of netlink_link whose link is right",
            ("worlds", "bare"),
            ("tasks", "tasks_in_turn", 2 * scale.rounds + 11),
            (Peer("a task of an empty module", (), time=1.25),),
            play=True,
        ),
        *_xenstore(scale),
    ]


def _xenstore(scale: Scale) -> list[Case]:
    """The daemons are the runs' own; the network does not matter."""
    few, bare = scale.nodes // 10, ("worlds", "bare")

    def call(function: str, *arguments: object) -> Call:
        return ("xenstore", function, *arguments)

    def beside_pyxs(name: str, says: str, function: str, count: int, time: float, *peers: Peer) -> Case:
        theirs = Peer("pyxs", call(function, "pyxs", count), time=time)
        return Case(name, says, bare, call(function, "ours", count), (theirs, *peers), small=bare)

    stock = Peer("xenstore-ls -f", call("walk_stock", scale.nodes), time=1 / 1.3)
    return [
        beside_pyxs("xs-walk", f"{scale.nodes:,} nodes of XenStore with values", "walk", scale.nodes, 1 / 5, stock),
        beside_pyxs("xs-reads", f"{scale.nodes:,} nodes read one by one", "reads", scale.nodes, 1 / 2.5),
        beside_pyxs("xs-writes", f"{few:,} writes in one transaction", "writes", few, 1.0),
        Case(
            "xs-no-op",
            f"a whole task of xenstore whose tree of {few:,} nodes is right",
            bare,
            call("tasks_in_turn", 2 * scale.rounds + 11, few),
            (Peer("a task of an empty module", (), time=1.3),),
            play=True,
        ),
    ]
