# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role dm_latency on hosts that fail, or are out of reach in the middle, in batches: nothing goes on counting.

The hosts are this one, with modules that only note who counts; the role, its filters and Ansible are the real ones.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

if sys.version_info < (3, 11):
    pytest.skip("roles run on the controller, whose Python is 3.11 or newer", allow_module_level=True)

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
PROGRAM = "fleet-latency"
STATS = """\
import os, pathlib
from ansible.module_utils.basic import AnsibleModule

OPTIONS = {name: {"type": "raw"} for name in ("devices", "all_devices", "program_id", "bounds")}
module = AnsibleModule({**OPTIONS, "state": {"default": "present"}}, supports_check_mode=True)
place, host = pathlib.Path(os.environ["PLACE"]), os.environ["HOST"]
counting = place / f"counting-{host}"
if module.params["state"] == "absent":
    there = counting.exists()
    counting.unlink(missing_ok=True)
    module.exit_json(changed=there)
counting.write_text(module.params["program_id"])
with open(place / "counted", "a") as log:
    log.write(f"{host}\\n")
if host.startswith("lost") and not (place / "calm").exists():
    (place / f"cut-{host}").touch()
module.exit_json(changed=True)
"""
INFO = """\
import os, pathlib
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule({name: {"type": "raw"} for name in ("program_id", "interval")}, supports_check_mode=True)
place, host = pathlib.Path(os.environ["PLACE"]), os.environ["HOST"]
if host.startswith("failing"):
    module.fail_json(msg="this host's disks are on fire")
for cut in place.glob("cut-lost-back*"):
    cut.unlink()  # the network is back
region = {"histogram": {"bounds": [1000000], "counts": [99, 1]}}
module.exit_json(devices=[{"device": "data", "regions": [region]}])
"""
CUT = "lookup('ansible.builtin.fileglob', place ~ '/cut-' ~ inventory_hostname)"


class Fleet:
    def __init__(self, place: pathlib.Path) -> None:
        self.place = place
        fleet = place / "collections" / "ansible_collections" / "fleet" / "hypervisor"
        (fleet / "plugins" / "modules").mkdir(parents=True)
        for name in ("galaxy.yml", "meta", "roles", "plugins/filter", "plugins/module_utils", "plugins/plugin_utils"):
            if (CHECKOUT / name).exists():
                (fleet / name).symlink_to(CHECKOUT / name)
        for name, text in (("dm_stats", STATS), ("dm_stats_info", INFO)):
            (fleet / "plugins" / "modules" / f"{name}.py").write_text(f"#!/usr/bin/python\n{text}")
        ssh = place / "ssh"
        ssh.write_text("#!/bin/sh\nexit 255\n")
        ssh.chmod(0o755)

    def run(self, hosts: list[str], serial: int) -> subprocess.CompletedProcess[str]:
        about = {
            "place": str(self.place),
            "ansible_connection": "{{ 'ssh' if " + CUT + " else 'local' }}",
            "ansible_ssh_executable": str(self.place / "ssh"),
            "ansible_python_interpreter": sys.executable,
        }
        (self.place / "hosts.json").write_text(json.dumps({"all": {"hosts": dict.fromkeys(hosts, {}), "vars": about}}))
        play = {
            "hosts": "all",
            "gather_facts": False,
            "serial": serial,
            "environment": {"PLACE": str(self.place), "HOST": "{{ inventory_hostname }}"},
            "roles": ["fleet.hypervisor.dm_latency"],
            "vars": {"dm_latency_output": str(self.place), "dm_latency_seconds": 1},
        }
        (self.place / "play.json").write_text(json.dumps([play]))
        argv = [
            str(pathlib.Path(sys.executable).with_name("ansible-playbook")),
            "-i",
            "hosts.json",
            "play.json",
        ]
        settings = {
            "ANSIBLE_COLLECTIONS_PATH": str(self.place / "collections"),
            "ANSIBLE_HOME": str(self.place / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "HOME": str(self.place),
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        return subprocess.run(
            argv, cwd=self.place, env={**inherited, **settings}, capture_output=True, text=True, check=False
        )

    def names(self, beginning: str) -> list[str]:
        return sorted(path.name[len(beginning) :] for path in self.place.glob(f"{beginning}*"))

    def counted(self) -> list[str]:
        return sorted((self.place / "counted").read_text().split())

    def reported(self) -> list[str]:
        return sorted(json.loads((self.place / "latency.json").read_text()))


@pytest.fixture
def fleet(tmp_path: pathlib.Path) -> Fleet:
    return Fleet(tmp_path)


def test_whoever_fails_or_is_lost_counts_no_more(fleet: Fleet) -> None:
    """In a batch with others, and without harm to the next batch."""
    hosts = ["failing", "good", "lost-back", "other"]
    (fleet.place / "counting-good").write_text(PROGRAM)  # left by a run that was killed
    done = fleet.run(hosts, 3)
    assert done.returncode != 0 and "disks are on fire" in done.stdout, done.stdout + done.stderr
    assert "lost-back was out of reach while it was to count" in done.stdout
    assert (fleet.counted(), fleet.names("counting-"), fleet.reported()) == (hosts, [], ["other"])


def test_whoever_stays_out_of_reach_is_seen_to_by_the_next_run(fleet: Fleet) -> None:
    done = fleet.run(["first", "lost"], 2)
    assert done.returncode != 0 and fleet.names("counting-") == ["lost"], done.stdout + done.stderr
    assert fleet.reported() == ["first"]
    (fleet.place / "cut-lost").rename(fleet.place / "calm")
    assert fleet.run(["lost"], 1).returncode == 0
    assert (fleet.names("counting-"), fleet.reported()) == ([], ["lost"])
