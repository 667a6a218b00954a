# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is compared of transactions, beside cases.py: whole tasks of ipdb_txn without Ansible around them.

`ip -batch` looks at nothing before, writes no journal, reads nothing back and cannot undo. NDB, pyroute2's database
with transactions, takes minutes, and more for each object the more there are: 1,000 routes stand for 10,000. Journals
lie in memory, as they do below the /run of a host that systemd booted.
"""

from __future__ import annotations

from cases import Case, Peer, Scale

ROUTES = 10_000
MEMORY = 150  # MB, of a transaction of as many links
FEW, MANY = 5, 2  # growth: from a fifth of the bridges to twice as many


def cases(scale: Scale) -> list[Case]:
    """Figures with a bound are the issue's; `undo` and `nothing` are beside what they may take at most.

    A bridge takes the kernel the longer the more there are, whoever makes them. So growth is as it should be while many
    take no more of the time of `ip -batch` than few do.
    """
    bridges, routes = scale.bridges, min(scale.routes, ROUTES)
    bare, made = ("worlds", "bare"), ("transactions", "make_bridges", bridges)
    return [
        Case(
            "txn-bridges",
            f"{bridges:,} bridges with address and up in one transaction",
            bare,
            ("transactions", "make_bridges", bridges),
            (Peer("ip -batch", ("iproute2", "make_bridges", bridges), time=2.0, size=MEMORY),),
            fresh=True,
        ),
        Case(
            "txn-growth",
            f"{bridges * MANY:,} bridges with address and up in one transaction, beside {bridges // FEW:,}",
            bare,
            ("transactions", "make_all_bridges", bridges * MANY),
            (
                Peer("a tenth of them", ("transactions", "make_all_bridges", bridges // FEW)),
                Peer("ip -batch", ("transactions", "make_all_by_ip", bridges * MANY), time=2.0, size=MEMORY),
                Peer("ip -batch, a tenth of them", ("transactions", "make_all_by_ip", bridges // FEW)),
            ),
            fresh=True,
            once=True,
        ),
        Case(
            "txn-routes",
            f"{routes:,} routes in one transaction",
            ("worlds", "one_bridge"),
            ("transactions", "make_routes", routes),
            (Peer("ip -batch", ("iproute2", "make_routes", routes), time=2.0),),
            fresh=True,
        ),
        Case(
            "txn-ndb-bridges",
            f"{bridges:,} bridges with address and up in one transaction of each",
            bare,
            ("transactions", "make_bridges", bridges),
            (Peer("pyroute2's NDB", ("by_ndb", "make_bridges", bridges), time=0.01),),
            fresh=True,
            once=True,
        ),
        Case(
            "txn-ndb-routes",
            f"{bridges:,} routes in one transaction of each",
            ("worlds", "one_bridge"),
            ("transactions", "make_routes", bridges),
            (Peer("pyroute2's NDB", ("by_ndb", "make_routes", bridges), time=0.01),),
            fresh=True,
            once=True,
        ),
        Case(
            "txn-undo",
            f"{bridges:,} links whose transaction fails at its end: applied and undone, beside applied and left",
            bare,
            ("transactions", "fail_and_undo", bridges),
            (Peer("the same, not undone", ("transactions", "fail_alone", bridges), time=2.0),),
            fresh=True,
        ),
        Case(
            "txn-nothing",
            f"a second run on {bridges:,} bridges, beside reading them",
            made,
            ("transactions", "nothing_to_do", bridges),
            (Peer("reading alone", ("transactions", "read_all", bridges), longer=0.05, size=MEMORY),),
        ),
        Case(
            "txn-no-op",
            "a whole task of ipdb_txn whose link is right",
            bare,
            ("transactions", "tasks_in_turn", 2 * scale.rounds + 11),
            (Peer("a task of an empty module", (), time=1.5),),
            play=True,
        ),
        Case(
            "txn-no-op-many",
            f"a whole task of ipdb_txn that lists {bridges:,} bridges, all of them right",
            bare,
            ("transactions", "tasks_of_many", scale.rounds + 3, bridges),
            (
                Peer("a task of an empty module", (), time=1.5),
                Peer("the same, given the list", (), time=1.5),
            ),
            play=True,
        ),
    ]
