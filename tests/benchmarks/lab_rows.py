# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured of labs, and how good it has to be."""

from __future__ import annotations

import os
import pathlib
import statistics
import sys
import time
import typing as t

import lab_by_hand
import lab_tasks
from lab_ground import Back, Ground, Kind, boots, debian_guests, raised, reverted, snapped, tiny_guests

from tests.libvirt.lago.inside import network_of

LABS = 10  # of one template
REVERTS = 3  # of each lab
TASKS = 9  # of each side

Row = t.Tuple[str, str, str, str, str]  # what, ours, beside, ratio, verdict


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def judged(what: str, ours: float, peer: float, limit: float, texts: tuple[str, str]) -> Row:
    """`limit`: how much of the peer's ours may be."""
    ratio = ours / peer
    return what, *texts, f"{ratio:.3f}", f"<= {limit:.3g} {'met' if ratio <= limit else 'MISSED'}"


class Measured:
    """The seconds of all rounds of one kind of guest."""

    def __init__(self) -> None:
        self.ours: list[float] = []
        self.hand: list[float] = []
        self.back: list[Back] = []
        self.paused: list[float] = []

    def add(self, ground: Ground, kind: Kind) -> None:
        """One round: a lab is raised, taken back, destroyed, and its guests are raised by hand."""
        number = len(self.ours)
        prefix, seconds = raised(ground, kind, f"{kind.name}{number}")
        kept = ground.folder / f"kept-{kind.name}{number}"
        try:
            self.ours.append(seconds)
            hand = lab_by_hand.written_down(prefix, kind, kept)
            before = boots(prefix, kind)
            self.paused.append(snapped(prefix, "disks", memory=False))
            snapped(prefix, "memory", memory=True)
            os.sync()  # nobody goes back in the very second in which the snapshot was written
            self.back += [reverted(prefix, kind, before) for _unused in range(REVERTS)]
            say(f"{kind.name}: raised in {seconds:.2f} s, {self.back[-REVERTS:]}")
        finally:
            prefix.destroy()
            prefix.close()
        self.hand.append(lab_by_hand.raised(ground, hand))
        lab_by_hand.removed(ground, hand)
        say(f"{kind.name}: raised by hand in {self.hand[-1]:.2f} s")

    def rows(self, kind: Kind) -> list[Row]:
        boot, hand, paused = (statistics.median(some) for some in (self.ours, self.hand, self.paused))
        run = statistics.median(back.run for back in self.back)
        answer = statistics.median(back.answer for back in self.back)
        booting = f"booting {boot:.2f} s"
        back = f"{kind.name}: back to a snapshot with memory"
        return [
            judged(
                f"{kind.name}: from their description to SSH",
                boot,
                hand,
                1.1,
                (f"{boot:.2f} s", f"by hand {hand:.2f} s"),
            ),
            judged(f"{back}, all run", run, boot, 1 / 8, (f"{run:.2f} s", booting)),
            judged(f"{back}, all answer by SSH", answer, boot, 1 / 8, (f"{answer:.2f} s", booting)),
            judged(f"{kind.name}: paused by a snapshot of disks", paused, 0.1, 1, (f"{paused * 1e3:.0f} ms", "100 ms")),
        ]


def of_guests(ground: Ground, kind: Kind, rounds: int) -> list[Row]:
    found = Measured()
    for _unused in range(rounds):
        found.add(ground, kind)
    return found.rows(kind)


def of_many_labs(ground: Ground) -> list[Row]:
    """The tenth lab of a template takes nothing of it, neither space nor time."""
    kind = tiny_guests(ground)
    seconds, labs = [], []
    try:
        for number in range(LABS):
            prefix = ground.prefix(f"many{number}")
            labs.append(prefix)
            begun = time.perf_counter()
            prefix.virt_conf(kind.spec, kind.repository)
            seconds.append(time.perf_counter() - begun)
        taken = sum(path.lstat().st_blocks * 512 for path in pathlib.Path(labs[-1].paths.prefix()).rglob("*"))
    finally:
        for prefix in labs:
            prefix.destroy()
            prefix.close()
    disks = len(kind.spec["domains"]) * (ground.guest / "tiny.qcow2").stat().st_blocks * 512
    texts = (
        f"{taken / 1e6:.1f} MB, {seconds[-1]:.2f} s",
        f"copies {disks / 1e6:.1f} MB, first lab {seconds[0]:.2f} s",
    )
    return [judged(f"tiny: the {LABS}th lab of one template", taken, disks, 0.1, texts)]


def of_unchanged_labs(ground: Ground) -> list[Row]:
    """Whole tasks that find a running lab as it should be."""
    kind = tiny_guests(ground)
    prefix, _unused = raised(ground, kind, "unchanged")
    options = {
        "path": prefix.paths.prefix(),
        "uri": ground.daemon.uri,
        "lease_dir": prefix.setting("lease_dir"),
        "template_store": prefix.setting("template_store"),
        "template_repo": str(ground.guest / "repository.json"),
        "spec": kind.spec,
    }
    prefix.close()
    try:
        found = lab_tasks.unchanged(options, TASKS)
    finally:
        prefix = ground.prefix("unchanged")
        prefix.destroy()
        prefix.close()
    ours, peer, floor = (statistics.median(found[side]) for side in ("ours", "peer", "floor"))
    texts = f"{ours:.3f} s", f"of an empty module {peer:.3f} s, of one that only opens libvirt {floor:.3f} s"
    return [judged("tiny: a task of lago_prefix without a change", ours, peer, 1.5, texts)]


def measured(ground: Ground, rounds: int, kinds: t.Sequence[str]) -> list[Row]:
    """Raises whatever goes wrong: there are no figures of half a lab."""
    rows: list[Row] = []
    with network_of(ground.daemon):
        if "tiny" in kinds:
            # the template is in the store from then on, as it lies there for those raised by hand
            rows += of_many_labs(ground) + of_guests(ground, tiny_guests(ground), rounds) + of_unchanged_labs(ground)
        if "debian" in kinds:
            rows += of_guests(ground, debian_guests(ground), rounds)
    return rows
