# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""iproute2 in a namespace: to prepare a test's ground, and to say what there is independently of this collection."""

from __future__ import annotations

import json
import subprocess
import time
import typing as t


def run(netns: str, *lines: str) -> None:
    """Runs lines like "ip link set lo up" in the namespace."""
    for line in lines:
        tool, *words = line.split()
        subprocess.run([tool, "-n", netns, *words], check=True, capture_output=True, text=True)


def shown(netns: str, line: str) -> list[dict[str, t.Any]]:
    """What a line like "ip -d route" prints as JSON."""
    tool, *words = line.split()
    done = subprocess.run([tool, "-n", netns, "-j", *words], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def pair(netns: str, name: str = "v0", peer: str = "v1", index: int = 10, quiet: bool = False) -> None:
    """A pair of veths, both up, with the indexes `index` and `index + 1`; `quiet` ones send nothing by themselves."""
    run(netns, f"ip link add {name} index {index} type veth peer name {peer} index {index + 1}")
    for end in (name, peer):
        run(netns, f"ip link set {end} up" + " addrgenmode none" * quiet)


def indexes(netns: str) -> dict[str, int]:
    return {link["ifname"]: link["ifindex"] for link in shown(netns, "ip link")}


def without_nulls(found: dict[str, t.Any]) -> dict[str, t.Any]:
    """iproute2 shows as null what is true; here it is true."""
    return {name: True if value is None else value for name, value in found.items()}


def vlans(netns: str) -> dict[str, list[dict[str, t.Any]]]:
    """The VLANs of each bridge and port by its name; `bridge` shows no flags now as an empty list, now not at all."""
    found = {one["ifname"]: one["vlans"] for one in shown(netns, "bridge -compressvlans vlan")}
    return {name: [{key: vlan[key] for key in vlan if vlan[key]} for vlan in found[name]] for name in found}


def steadily(ours: t.Callable[[], t.Any], theirs: t.Callable[[], t.Any]) -> tuple[t.Any, t.Any]:
    """What both read while nothing changed: links that came up a moment ago still get routes and neighbours."""
    for _unused in range(50):
        before, shown_meanwhile, after = ours(), theirs(), ours()
        if before == after:
            return after, shown_meanwhile
        time.sleep(0.1)
    raise AssertionError("it never held still")
