# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs of three VMs beside the same guests raised by hand: .cache/venv-libvirt/bin/python labs.py [--write]

--rounds N       of each kind of guest (3)
--kind NAME      only guests `tiny`, or `debian`; repeatable

For a Python that has Ansible and libvirt-python: the one that `make libvirt` makes.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
RESULTS = HERE / "RESULTS-labs.md"
KINDS = ("tiny", "debian")

HEAD = """\
# Labs: speed, compared

Written by `tests/benchmarks/labs.py --write`: labs of three guests in software emulation, on a libvirtd of their own
(Linux {kernel}, QEMU {qemu}, libvirt {libvirt}). Tiny guests have 128 MiB, busybox and dropbear; Debian's have 512 MiB,
systemd, udev and OpenSSH; both have the agent, and their addresses by DHCP. They are raised by turns with the same
documents and overlays by `qemu-img`, `virsh create` of all at once, and ssh that is asked until it answers: medians of
{rounds} rounds. Booting is that of ours, from a description to SSH. A guest that is back says the `boot_id` of before,
and what time it is now; times are both of one revert ({reverts} a round), until all run with the right time, and until
a login of each succeeds. Only ratios compare.

| three guests | ours | beside | ratio | wanted |
| --- | --- | --- | --- | --- |
"""


def arrange(top: str) -> None:
    """The checkout as a collection, and its tests."""
    fleet = pathlib.Path(top, "ansible_collections", "fleet")
    fleet.mkdir(parents=True)
    (fleet / "hypervisor").symlink_to(CHECKOUT)
    sys.path += [top, str(CHECKOUT)]
    os.environ.update(PYTHONPATH=top, ANSIBLE_COLLECTIONS_PATH=top)


def versions() -> dict[str, str]:
    def first(*argv: str) -> str:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.splitlines()[0]

    return {
        "kernel": platform.release().split("-")[0],
        "qemu": first("qemu-system-x86_64", "--version").split()[3],
        "libvirt": first("libvirtd", "--version").split()[-1],
    }


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", action="append", choices=KINDS)
    return parser.parse_args()


def main() -> int:
    wanted = options()
    top = tempfile.mkdtemp(prefix="fleet-bench-")
    try:
        arrange(top)
        from lab_ground import Ground
        from lab_rows import REVERTS, measured

        ground = Ground()
        try:
            rows = measured(ground, wanted.rounds, wanted.kind or KINDS)
        finally:
            ground.clear()
    finally:
        shutil.rmtree(top)
    text = HEAD.format(rounds=wanted.rounds, reverts=REVERTS, **versions()) + "".join(
        f"| {' | '.join(row)} |\n" for row in rows
    )
    print(text, end="")
    if wanted.write:
        RESULTS.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
