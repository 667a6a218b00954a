# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares the collection with iproute2, pyroute2 and Ansible's own modules on the same work.

Run it as `make bench`. Every case has network namespaces of its own and leaves none behind. The device-mapper is
measured afterwards, inside a guest, and so are labs, both with results of their own.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import typing as t

import cases as network
import nodes
import transaction_cases
from cases import SCALES, Case, Scale
from measure import HERE, Failed, Run, alternate, child
from report import Row, markdown, table

RESULTS = pathlib.Path(HERE, "RESULTS.md")
CHECKOUT = pathlib.Path(HERE).parent.parent
IN_GUEST = ("devmapper", "dmstats")  # scripts beside this one
LABS = "labs"  # one too, for a Python that has libvirt-python
LIBVIRT_PYTHON = CHECKOUT / ".cache" / "venv-libvirt" / "bin" / "python"


def all_cases(scale: Scale) -> list[Case]:
    return [*network.cases(scale), *transaction_cases.cases(scale), *nodes.cases()]


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


class Spaces:
    """Namespaces of this run of the benchmarks."""

    def __init__(self) -> None:
        self._made: list[str] = []
        self._count = 0

    def make(self, world: tuple[object, ...]) -> str:
        self._count += 1
        name = f"fleet-bench-{os.getpid()}-{self._count}"
        child("-", "worlds", "make", name)
        self._made.append(name)
        child(name, *map(str, world))
        return name

    def settle(self, name: str) -> None:
        if not child("-", "worlds", "quiet", name).result:
            say("the network's lock is held by others: figures will be too high")

    def clear(self) -> None:
        while self._made:
            child("-", "worlds", "remove", self._made[-1])
            self._made.pop()


def measured(case: Case, scale: Scale, spaces: Spaces) -> list[Row]:
    shared = None if case.fresh else spaces.make(case.world)
    small = spaces.make(case.small) if case.small else "-"
    if shared:
        spaces.settle(shared)
    if case.play:
        from tasks import samples

        ours, *theirs = samples(child(t.cast(str, shared), *map(str, case.ours)))
        return [Row(case, ours, peer, it) for peer, it in zip(case.peers, theirs, strict=True)]

    def side(call: tuple[object, ...]) -> t.Callable[[], Run]:
        def run() -> Run:
            if shared:
                return child(shared, *map(str, call), small=small)
            name = spaces.make(case.world)
            spaces.settle(name)
            try:
                return child(name, *map(str, call))
            finally:
                spaces.clear()

        return run

    sides = [side(case.ours), *(side(p.call) for p in case.peers)]
    ours, *theirs = alternate(sides, 1 if case.once else scale.rounds, warm=not case.once)
    return [Row(case, ours, peer, it) for peer, it in zip(case.peers, theirs, strict=True)]


def compare(chosen: t.Sequence[Case], scale: Scale) -> list[Row]:
    rows: list[Row] = []
    spaces = Spaces()
    for case in chosen:
        say(f"{case.name}: {case.says}")
        start = time.monotonic()
        try:
            rows += measured(case, scale, spaces)
        finally:
            took = time.monotonic() - start
            spaces.clear()
        say(f"{case.name}: measured in {took:.0f} s")
    return rows


def compare_in_guest(names: t.Sequence[str], write: bool) -> None:
    for name in names:
        say(f"{name}: in a guest")
        subprocess.run([sys.executable, os.path.join(HERE, f"{name}.py"), *(["--write"] if write else [])], check=True)


def compare_labs(write: bool) -> None:
    say("labs: on a libvirtd of their own")
    subprocess.run([LIBVIRT_PYTHON, os.path.join(HERE, f"{LABS}.py"), *(["--write"] if write else [])], check=True)


def collection() -> str:
    """A folder where Python and Ansible find the checkout as ansible_collections.fleet.hypervisor."""
    top = tempfile.mkdtemp(prefix="fleet-bench-")
    fleet = pathlib.Path(top, "ansible_collections", "fleet")
    fleet.mkdir(parents=True)
    (fleet / "hypervisor").symlink_to(CHECKOUT)
    return top


def options() -> argparse.Namespace:
    names = [*(case.name for case in all_cases(SCALES["full"])), *IN_GUEST, LABS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", action="append", choices=names, help="only this one; repeatable")
    parser.add_argument("--scale", choices=SCALES, default="full")
    parser.add_argument("--write", type=pathlib.Path, help="where the Markdown table goes")
    return parser.parse_args()


def main() -> int:
    wanted = options()
    if os.geteuid() != 0:
        sys.exit("the benchmarks make network namespaces, for which they need root")
    scale = SCALES[wanted.scale]
    chosen = [case for case in all_cases(scale) if not wanted.case or case.name in wanted.case]
    signal.signal(signal.SIGTERM, lambda *_unused: sys.exit(143))
    top = collection()
    os.environ.update(PYTHONPATH=top, ANSIBLE_COLLECTIONS_PATH=top)
    try:
        rows = compare(chosen, scale)
    except Failed as error:
        sys.exit(f"benchmarks: {error}")
    except KeyboardInterrupt:
        return 130
    finally:
        shutil.rmtree(top, ignore_errors=True)
    if rows:
        print(table(rows))
    whole = wanted.scale == "full" and not wanted.case
    path = wanted.write or (RESULTS if whole else None)
    if path:
        path.write_text(markdown(rows, wanted.scale, scale.rounds))
    if wanted.scale == "full":
        compare_in_guest([name for name in IN_GUEST if not wanted.case or name in wanted.case], whole)
        if not wanted.case or LABS in wanted.case:
            compare_labs(whole)
    return 0


if __name__ == "__main__":
    sys.exit(main())
