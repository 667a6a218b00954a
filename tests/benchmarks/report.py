# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures as a table, on the terminal and in Markdown."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import typing as t

from cases import Case, Peer
from measure import Sample

HEADINGS = (
    "case",
    "ours",
    "peer",
    "peer's",
    "ours / peer",
    "wanted",
    "memory",
    "peer's memory",
)


class Row(t.NamedTuple):
    case: Case
    ours: Sample
    peer: Peer
    theirs: Sample


def duration(seconds: float) -> str:
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.0f} ms" if seconds >= 0.1 else f"{seconds * 1e3:.3g} ms"


def size(kib: int) -> str:
    return f"{kib / 1024:.0f} MB" if kib else "-"


def wanted(row: Row) -> str:
    """The targets, and whether this run met them."""
    parts = []
    if row.peer.time is not None:
        good = row.ours.seconds <= row.peer.time * row.theirs.seconds
        parts.append(f"<= {row.peer.time:.3g} {'met' if good else 'MISSED'}")
    if row.peer.memory is not None:
        good = row.ours.memory <= row.peer.memory * row.theirs.memory
        parts.append(f"memory <= {row.peer.memory:.3g} {'met' if good else 'MISSED'}")
    if row.peer.longer is not None:
        good = row.ours.seconds - row.theirs.seconds <= row.peer.longer
        parts.append(f"<= {duration(row.peer.longer)} longer {'met' if good else 'MISSED'}")
    if row.peer.size is not None:
        good = row.ours.memory <= row.peer.size * 1024
        parts.append(f"memory <= {row.peer.size} MB {'met' if good else 'MISSED'}")
    return ", ".join(parts) or "-"


def cells(row: Row) -> tuple[str, ...]:
    return (
        row.case.name,
        duration(row.ours.seconds),
        row.peer.name,
        duration(row.theirs.seconds),
        f"{row.ours.seconds / row.theirs.seconds:.3g}",
        wanted(row),
        size(row.ours.memory),
        size(row.theirs.memory),
    )


def table(rows: t.Sequence[Row]) -> str:
    lines = [HEADINGS, *map(cells, rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _version(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.split(",")[1].strip()


def machine() -> str:
    from importlib import metadata  # large, and every process that is measured starts from this one

    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = [f"{name} {metadata.version(name)}" for name in ("ansible-core", "pyroute2")]
    return ", ".join(
        [
            f"{os.cpu_count()} processors ({platform.machine()})",
            f"{gigabytes:.0f} GB of memory",
            f"Linux {platform.release().split('-')[0]}",
            f"Python {sys.version.split()[0]}",
            _version("ip", "-V"),
            *packages,
        ]
    )


def markdown(rows: t.Sequence[Row], scale: str, rounds: int) -> str:
    def line(words: t.Iterable[str]) -> str:
        return f"| {' | '.join(words)} |"

    said = dict.fromkeys((row.case.name, row.case.says) for row in rows)
    return "\n".join(
        [
            "# Speed and memory, compared",
            "",
            f"Written by `make bench` (scale {scale}) on one virtual machine, shared with others:",
            f"{machine()}.",
            "",
            f"Peers ran by turns, each run in a process of its own; figures are medians of {rounds}",
            "runs after one that did not count. Only ratios of one run of the benchmarks compare.",
            "Times leave out the start of Python and the loading of code, but `facts` and `no-op` are",
            "whole Ansible commands or tasks. Memory is the peak of a whole process.",
            "",
            *(f"- `{name}`: {says}" for name, says in said),
            "",
            line(HEADINGS),
            line("---" for _unused in HEADINGS),
            *(line(cells(row)) for row in rows),
            "",
        ]
    )
