# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same by iproute2: its JSON read into Python, its batches from a file."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import typing as t

from names import GATEWAY, bridge_address, bridge_name, destination

Work = t.Callable[[], t.Any]


def _shown(*words: str) -> Work:
    def work() -> int:
        done = subprocess.run(["ip", "-j", *words], stdout=subprocess.PIPE, check=True)
        return len(json.loads(done.stdout))

    return work


def links() -> Work:
    return _shown("-d", "link")


def links_of_master(master: str) -> Work:
    return _shown("-d", "link", "show", "master", master)


def links_of_kind(kind: str) -> Work:
    return _shown("-d", "link", "show", "type", kind)


def one_link(name: str) -> Work:
    return _shown("-d", "link", "show", "dev", name)


def routes() -> Work:
    return _shown("route", "show")


def _batch(lines: t.Iterable[str], result: int) -> Work:
    with tempfile.NamedTemporaryFile("w", prefix="fleet-bench-", delete=False) as file:
        file.writelines(f"{line}\n" for line in lines)

    def work() -> int:
        try:
            subprocess.run(["ip", "-batch", file.name], check=True)
        finally:
            os.unlink(file.name)
        return result

    return work


def make_bridges(count: int) -> Work:
    """Nothing is read back."""
    lines = (
        line
        for number in range(count)
        for line in (
            f"link add {bridge_name(number)} type bridge",
            f"addr add {bridge_address(number)} dev {bridge_name(number)}",
            f"link set {bridge_name(number)} up",
        )
    )
    return _batch(lines, count)


def make_routes(count: int) -> Work:
    return _batch((f"route add {destination(n)} via {GATEWAY}" for n in range(count)), count)
