# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole Ansible commands and tasks, connection local inside the namespace, pipelining on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import typing as t

from measure import HERE, Failed, Run, Sample, sample

Work = t.Callable[[], t.Any]

ADDRESS = "192.0.2.1/24"
WANTED = {"name": "br0", "kind": "bridge", "mtu": 1400, "state": "up", "addresses": [ADDRESS]}


# Settings of the caller's Python that no managed host has: unbuffered, it reads a module byte by byte.
NOT_OURS = ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE")


def _environment(folder: str, **more: str) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if name not in NOT_OURS},
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_LIBRARY": os.path.join(HERE, "library"),
        "ANSIBLE_CALLBACK_PLUGINS": os.path.join(HERE, "callback"),
        "ANSIBLE_HOME": folder,
        "ANSIBLE_LOCAL_TEMP": os.path.join(folder, "controller"),
        "ANSIBLE_REMOTE_TEMP": os.path.join(folder, "target"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
        **more,
    }


def _command(program: str, *words: str) -> list[str]:
    """With the namespace's own /sys, where `setup` reads."""
    inside = ["ip", "netns", "exec", os.environ["BENCH_NETNS"]]
    return [*inside, os.path.join(os.path.dirname(sys.executable), program), *words]


def _facts(*module: str) -> Work:
    def work() -> int:
        with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
            done = subprocess.run(
                _command("ansible", "localhost", "-m", *module),
                stdout=subprocess.PIPE,
                env=_environment(folder),
                check=True,
            )
        facts = json.loads(done.stdout.split(b"=>", 1)[1])["ansible_facts"]
        return len(facts["ansible_interfaces"])

    return work


def netlink_facts() -> Work:
    return _facts("fleet.hypervisor.netlink_facts")


def setup() -> Work:
    return _facts("ansible.builtin.setup", "-a", "gather_subset=network")


def _playbook(module: str, wanted: dict[str, t.Any], turns: int, given: bool) -> list[dict[str, t.Any]]:
    ours = {"name": "ours", module: wanted}
    peers = [{"name": "peer", "empty": {}}]
    if given:
        peers.append({"name": "given", "empty": {"given": wanted}})
    make = {**ours, "name": "made"}
    return [
        {"hosts": "localhost", "gather_facts": False, "tasks": [make, *[ours, *peers] * turns]},
    ]


def tasks_in_turn(pairs: int) -> Work:
    return in_turn("fleet.hypervisor.netlink_link", WANTED, pairs)


def in_turn(module: str, wanted: dict[str, t.Any], pairs: int, given: bool = False) -> Work:
    """Seconds of each task, ours and the peer's by turns in one play.

    `given`: an empty module that gets what ours gets is a peer too.
    """

    def work() -> dict[str, list[float]]:
        with tempfile.TemporaryDirectory(prefix="fleet-bench-") as folder:
            playbook, times = os.path.join(folder, "play.json"), os.path.join(folder, "times")
            with open(playbook, "w") as file:
                json.dump(_playbook(module, wanted, pairs, given), file)
            subprocess.run(
                _command("ansible-playbook", playbook),
                stdout=subprocess.DEVNULL,
                env=_environment(folder, ANSIBLE_CALLBACKS_ENABLED="seconds", BENCH_TIMES=times),
                check=True,
            )
            with open(times) as file:
                return _by_name([json.loads(line) for line in file])

    return work


def _by_name(lines: t.Sequence[dict[str, t.Any]]) -> dict[str, list[float]]:
    if any(line["changed"] for line in lines if line["name"] != "made"):
        raise Failed("a task changed what was right")
    names = dict.fromkeys(line["name"] for line in lines if line["name"] != "made")
    return {name: [line["seconds"] for line in lines if line["name"] == name] for name in names}


def samples(run: Run) -> list[Sample]:
    """Of the tasks of one play, ours and then the peers', without the first of each side."""
    return [sample([Run(seconds, 0, None) for seconds in taken[1:]]) for taken in run.result.values()]
