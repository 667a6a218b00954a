# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's rules of the firewall for one network: in chains of iptables, from 10.4 on in a table of nftables."""

from __future__ import annotations

import json
import shlex
import typing as t

from .errors import CommandError
from .utils import run_command

LIMIT = 30  # seconds
CHAINS = "LIBVIRT_"
TABLE = "libvirt_network"
IPTABLES, FAMILIES = ("iptables", "ip6tables"), ("ip", "ip6")


def remove_rules(bridge: str, subnets: t.Collection[str]) -> None:
    """Those that name the bridge, or one of the subnets (`10.80.0.0/24`). Raises CommandError.

    A tool that is not installed has no rules.
    """
    about = {bridge, *subnets}
    for tool in IPTABLES:
        for table, words in _of_iptables(tool):
            if about.intersection(words):
                _run([tool, "-w", "-t", table, "-D", *words])
    for family in FAMILIES:
        for rule in _of_nftables(family):
            if about.intersection(_named(rule["expr"])):
                _run(["nft", "delete", "rule", family, TABLE, rule["chain"], "handle", str(rule["handle"])])


def _of_iptables(tool: str) -> t.Iterator[tuple[str, list[str]]]:
    """The table of each rule in a chain of libvirt's, and its words from the chain on."""
    table = ""
    for line in _said([f"{tool}-save"]).splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(f"-A {CHAINS}"):
            yield table, shlex.split(line)[1:]


def _of_nftables(family: str) -> list[dict[str, t.Any]]:
    said = _said(["nft", "-j", "-a", "list", "table", family, TABLE])
    return [one["rule"] for one in json.loads(said)["nftables"] if "rule" in one] if said else []


def _named(expression: t.Any) -> t.Iterator[str]:
    """The links and subnets that a rule names, in nft's JSON (libnftables-json(5))."""
    if isinstance(expression, str):
        yield expression
    elif isinstance(expression, list):
        for one in expression:
            yield from _named(one)
    elif isinstance(expression, dict) and "prefix" in expression:
        yield "{addr}/{len}".format_map(expression["prefix"])
    elif isinstance(expression, dict):
        for one in expression.values():
            yield from _named(one)


def _said(argv: t.Sequence[str]) -> str:
    """What the command tells; "" where it is not installed, or there is no such table."""
    try:
        done = run_command(argv, timeout=LIMIT)
    except CommandError:
        return ""
    return "" if done else done.out.decode(errors="replace")


def _run(argv: t.Sequence[str]) -> None:
    done = run_command(argv, timeout=LIMIT)
    if done:
        raise CommandError(f"{' '.join(argv)}: {done.err.decode(errors='replace').strip()}")
