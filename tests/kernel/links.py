# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of netlink_link without Ansible: the parameters that it would give them, run in a namespace of the test's own.

What a host is like is asked of iproute2, which knows nothing of this collection.
"""

from __future__ import annotations

import os
import re
import typing as t

from ansible_collections.fleet.hypervisor.plugins.module_utils import plan as spine
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links import spec, task
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.host import Hosts
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.planner import plan
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.runner import Runner, Step
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links.wanted import parse_all
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.netns import opened_in
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.rtnl import link

from tests.kernel import iproute2

KERNEL = tuple(int(part) for part in re.findall(r"\d+", os.uname().release)[:2])


def filled(given: dict[str, t.Any], options: dict[str, t.Any]) -> dict[str, t.Any]:
    """Parameters as Ansible hands them over: every option is there, defaults are in."""
    unknown = set(given) - set(options)
    assert not unknown, f"no such options: {unknown}"
    out = {}
    for name, about in options.items():
        value = given.get(name, about.get("default"))
        inner = about.get("options")
        if inner and value is not None:
            value = [filled(one, inner) for one in value] if about["type"] == "list" else filled(value, inner)
        out[name] = value
    return out


OPTIONS = {**spec.LINK, "links": {"type": "list", "elements": "dict", "options": spec.LINK}}

# Links that tunnel modules bring into every namespace when they are loaded.
FALLBACKS = {*("gre0", "gretap0", "erspan0", "tunl0", "sit0", "ip6tnl0", "ip6gre0", "ip_vti0", "ip6_vti0")}

VOLATILE = {
    *("operstate", "linkmode", "carrier", "gc_timer", "hello_timer", "tcn_timer", "topology_change_timer"),
    *(
        "forward_delay_timer",
        "hold_timer",
        "message_age_timer",
        "topology_change",
        "topology_change_ack",
        "config_pending",
    ),
    *("state", "active_slave", "ad_info", "mii_status", "designated_cost", "designated_port", "bridge_id", "root_id"),
    *(
        "topology_change_detected",
        "permaddr",
        "root_port",
        "root_path_cost",
        "link_failure_count",
        "promiscuity",
        "mcast_querier_state",
        "id",
        "no",
        "index",
    ),
    *("tentative", "dadfailed", "optimistic", "protocol_address", "mcast_eht_hosts_cnt", "no_linklocal_learn"),
    *("ad_aggregator_id", "ad_actor_oper_port_state", "ad_actor_oper_port_state_str", "inet6_addr_gen_mode"),
    *("ad_partner_oper_port_state", "ad_partner_oper_port_state_str", "multicast_router", "max_mtu", "min_mtu"),
}
VOLATILE_FLAGS = {"RUNNING", "LOWER_UP", "NO-CARRIER", "PROMISC", "M-DOWN", "linkdown"}


def steady(value: t.Any) -> t.Any:
    """Without what changes by itself: timers, carriers, elections."""
    if isinstance(value, dict):
        return {name: steady(one) for name, one in value.items() if name not in VOLATILE}
    if isinstance(value, list):
        return [steady(one) for one in value if not isinstance(one, str) or one not in VOLATILE_FLAGS]
    return value


def differing(before: t.Any, now: t.Any) -> list[str]:
    """What two pictures do not share, a line each."""
    lines = []
    for was, is_ in zip(before, now):
        lines += [f"- {one}" for one in was if one not in is_] + [f"+ {one}" for one in is_ if one not in was]
    return lines


class Bench:
    """One namespace (or several) and tasks in it."""

    def __init__(self, netns: str) -> None:
        self.netns = netns
        for which in ("all", "default"):
            self.sysctl(f"ipv6/conf/{which}/accept_dad", 0)  # what DAD changes, it changes at any time

    def run(self, *links: dict[str, t.Any], check: bool = False, **one: t.Any) -> dict[str, t.Any]:
        """A task with `links`, or of one link. Raises `task.FAILURES`."""
        given = {"links": list(links)} if links else one
        return task.run(filled({"netns": self.netns, **given}, OPTIONS), check)

    def predicted(self, *links: dict[str, t.Any], **one: t.Any) -> dict[str, t.Any]:
        """A task as it has to be: check mode changes nothing and says what happens, a second run has nothing to do."""
        before = self.picture()
        promised = self.run(*links, check=True, **one)
        assert not differing(before, self.picture())
        done = self.run(*links, **one)
        for key in ("changed", "changes", "diff"):
            assert done[key] == promised[key]
        again = self.run(*links, **one)
        assert again["changes"] == []
        assert not again["changed"]
        return done

    def ip(self, *lines: str) -> None:
        iproute2.run(self.netns, *lines)

    def shown(self, name: str) -> dict[str, t.Any]:
        """A link as iproute2 has it, addresses included."""
        return iproute2.shown(self.netns, f"ip -d addr show dev {name}")[0]

    def data(self, name: str) -> dict[str, t.Any]:
        return self.shown(name)["linkinfo"].get("info_data", {})

    def addresses(self, name: str) -> list[str]:
        """`local/prefixlen` of everything but link-local addresses."""
        found = [one for one in self.shown(name)["addr_info"] if one]
        return [f"{one['local']}/{one['prefixlen']}" for one in found if one["scope"] != "link"]

    def names(self) -> set[str]:
        return set(iproute2.indexes(self.netns)) - {"lo", *FALLBACKS}

    def sysctl(self, path: str, value: object) -> None:
        """Writes below /proc/sys/net of the namespace."""

        def write() -> None:
            with open(f"/proc/sys/net/{path}", "w") as file:
                file.write(str(value))

        opened_in(self.netns, write)

    def picture(self) -> t.Any:
        """Links with all details, addresses, routes, what bridges keep: what has to be as before when a task fails."""
        links = [one for one in iproute2.shown(self.netns, "ip -d addr") if one["ifname"] not in FALLBACKS]
        for one in links:
            one["addr_info"] = [
                it for it in one["addr_info"] if it and (it["family"], it["scope"]) != ("inet6", "link")
            ]
        routes = [iproute2.shown(self.netns, f"ip -{family} route show table all") for family in (4, 6)]
        # The kernel makes its own for IPv6 a little later, each time.
        routes[1] = [one for one in routes[1] if one.get("protocol") != "kernel"]
        kept = [list(iproute2.vlans(self.netns).items()), self._entries(links)]
        return [steady(sorted(some, key=repr)) for some in (links, *routes, *kept)]

    def _entries(self, links: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
        """The forwarding entries of bridges that somebody set; a port's own address is there by itself."""
        own = {(one["ifname"], one.get("address")) for one in links}
        found = iproute2.shown(self.netns, "bridge fdb show")
        set_ones = [one for one in found if "master" in one and one.get("state") in ("permanent", "static")]
        return [one for one in set_ones if (one["ifname"], one["mac"]) not in own]


def planned(bench: Bench, links: t.Sequence[dict[str, t.Any]], run: Runner) -> spine.Plan:
    params = filled({"netns": bench.netns, "links": list(links)}, OPTIONS)
    return plan(Hosts(run), parse_all(params["links"], bench.netns), run)


def refused(bench: Bench, *links: dict[str, t.Any]) -> str:
    """What a task says that does all it has to, and then meets a kernel that refuses one change more."""
    last = Step(bench.netns, lambda place: [link.delete(place.index("lo"), "lo")])
    with Runner() as run:
        made = planned(bench, links, run)
        made.changes.append(spine.Change("the end", "fail", "", "", last))
        try:
            made.apply()
        except spine.ChangeFailed as failed:
            assert failed.change.what == "the end", str(failed)
            return str(failed)
    raise AssertionError("nothing was refused")
