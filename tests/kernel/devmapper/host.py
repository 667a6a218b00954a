# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of dm_task and dm_info without Ansible, and dmsetup, which knows nothing of this collection."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
import typing as t

from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import mangle
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices import info, spec, task
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.mapper import Mapper

from tests.kernel.links import filled

SETTLED = 20.0  # seconds: udev opens what is new, and a loaded guest takes its time
DISKS = ("/dev/vdb", "/dev/vdc")
OPTIONS = {**spec.DEVICE, **spec.COMMON, "devices": {"type": "list", "elements": "dict", "options": spec.DEVICE}}

Result = t.Dict[str, t.Any]


class Host:
    """Runs tasks on devices whose names begin with `prefix`."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.hidden: list[str] = []

    def name(self, rest: str = "a") -> str:
        return self.prefix + rest

    def run(self, check: bool = False, **given: t.Any) -> Result:
        return task.run(filled(given, OPTIONS), check, self.hidden.append)

    def apply(self, **given: t.Any) -> Result:
        """Predicted, applied, applied again: the prediction is exact, and the second time nothing changes."""
        foretold = self.run(check=True, **given)
        done = self.run(**given)
        assert (foretold["changed"], foretold["changes"], foretold["diff"]) == (
            done["changed"],
            done["changes"],
            done["diff"],
        )
        again = self.run(**given)
        assert again["changes"] == [], again["changes"]
        assert again["diff"] == {"before": "", "after": ""}
        return done

    def info(self, **given: t.Any) -> Result:
        return info.run(filled(given, info.PARAMS), self.hidden.append)

    def device(self, name: str, **given: t.Any) -> Result | None:
        """One device as dm_info has it."""
        found = self.info(name=[name], **given)["devices"]
        return found[0] if found else None

    def table(self, name: str) -> list[str]:
        """A table as dmsetup shows it, which for one line leaves the name out."""
        return dmsetup("table", "--showkeys", name).splitlines()

    def clean(self) -> None:
        """Removes what is left, from the top down."""
        mangled = mangle.mangle(self.prefix)
        with Mapper() as mapper:
            until = time.monotonic() + SETTLED
            while time.monotonic() < until:
                left = [one.name for one in mapper.devices() if one.name.startswith(mangled)]
                if not left:
                    return
                for name in left:
                    state = mapper.status(name)
                    if state is not None and state.open_count == 0:
                        mapper.remove(name, retry=3)
                time.sleep(0.05)


def dmsetup(*words: str, good: bool = True) -> str:
    done = subprocess.run(["dmsetup", *words], capture_output=True, text=True, check=False)
    assert not good or done.returncode == 0, f"{shlex.join(words)}: {done.stderr}"
    return done.stdout


def zero(device: str, sectors: int = 2048) -> None:
    """Blank metadata, as targets want it for something new."""
    with open(device, "r+b") as disk:
        disk.write(bytes(512 * sectors))
        disk.flush()
        os.fsync(disk.fileno())
