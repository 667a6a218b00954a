# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured: the cores behind the modules, as a task calls them."""

from __future__ import annotations

import typing as t

Work = t.Callable[[], t.Any]


def _gather(what: str, **filters: t.Any) -> Work:
    from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import show_read
    from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import (
        NetlinkSocket,
    )

    def work() -> int:
        with NetlinkSocket() as sock:
            return len(show_read.gather(sock, [what], filters)[what])

    return work


def links() -> Work:
    return _gather("links")


def links_of_master(master: str) -> Work:
    return _gather("links", master=master)


def links_of_kind(kind: str) -> Work:
    return _gather("links", kind=kind)


def one_link(name: str) -> Work:
    return _gather("links", link=name)


def routes() -> Work:
    return _gather("routes", family="inet", table="main")


def make_bridges(count: int) -> Work:
    """As the module does it: planned, sent, read back and compared."""
    from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import ahead  # noqa: F401  # loaded when needed
    from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links import task
    from names import bridge_address, bridge_name

    wanted = [
        {
            "name": bridge_name(number),
            "kind": "bridge",
            "state": "up",
            "addresses": [bridge_address(number)],
        }
        for number in range(count)
    ]
    task.run({"links": wanted[:1]}, check=True)  # loads what it needs
    return lambda: len(task.run({"links": wanted}, check=False, diff=False)["links"])


def make_routes(count: int) -> Work:
    from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import (
        NetlinkSocket,
    )
    from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import route
    from names import GATEWAY, ROUTED, destination

    wanted = [{"dst": destination(number), "gateway": GATEWAY, "oif": ROUTED} for number in range(count)]

    def work() -> int:
        with NetlinkSocket() as sock:
            return sock.batch(route.many(wanted)).count(None)

    return work
