# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages `integration...`: each target of tests/integration/targets in each place that its aliases name."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Iterator

import environment
import sandbox
import tree
from guests import Guests, running
from junit import outcomes
from locks import held
from outcome import FAILED, SKIPPED, Outcome, verdict
from paths import LOGS, ROOT
from prepare import LIBVIRT, XENSTORE, packages
from process import must, run

TARGETS = ROOT / "tests" / "integration" / "targets"
OPTIONS = ("integration", "--color", "no", "--allow-destructive")
CONTROLLER_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
GUEST_PYTHON = "3.11"  # of Debian 12


def integration(*only: str) -> list[Outcome]:
    """Those whose place is this machine."""
    wanted = targets("place/local", only)
    if not wanted:
        return []
    if "xenstore" in wanted:
        packages(XENSTORE)
    if any(name.startswith(("kvm_", "lago_")) for name in wanted):
        packages(LIBVIRT)
        _tiny_guest()
    with _arranged("integration") as collection:
        return [_local(collection, name) for name in wanted]


def integration_guest(*only: str) -> list[Outcome]:
    """Those whose place is the guest, all in one."""
    return _in_guest("integration-guest", targets("place/guest", only))


def integration_own_guest(*only: str) -> list[Outcome]:
    """Those that restart their guest, each in one of its own."""
    wanted = targets("place/own-guest", only)
    return [outcome for name in wanted for outcome in _in_guest("integration-own-guest", [name])]


def _in_guest(stage: str, wanted: list[str]) -> list[Outcome]:
    """The guest is started only when there is something for it."""
    if not wanted:
        return []
    with _arranged(stage) as collection, running("debian") as guests:
        _way_in(collection, guests)
        return [_guest(collection, guests, name) for name in wanted]


@contextmanager
def _arranged(stage: str) -> Iterator[Path]:
    """The stage's own copy of the collection, for as long as it works with it."""
    with held(f"tree-{stage}"):
        yield tree.arrange(stage)


def _tiny_guest() -> None:
    """Local targets have no network to fetch the packages of labs' guests."""
    program = ROOT / "tests" / "testbed" / "libvirt" / "tiny.py"
    must(
        "tiny guest",
        [sys.executable, str(program)],
        LOGS / "tiny.log",
        cwd=ROOT,
        env=environment.tools(),
        lack="the guest for labs could not be built (no network?)",
    )


def targets(place: str, only: tuple[str, ...] = ()) -> list[str]:
    """Names of the targets whose aliases name that place."""
    return [
        path.parent.name
        for path in sorted(TARGETS.glob("*/aliases"))
        if place in path.read_text().split() and (not only or path.parent.name in only)
    ]


def _local(collection: Path, name: str) -> Outcome:
    _configure(collection, {"testbed_place": "local"}, "")
    argv = environment.ansible_test(*OPTIONS, "--local", "--python", CONTROLLER_PYTHON, name)
    return _target(collection, "local", name, sandbox.inside(argv))


def _guest(collection: Path, guests: Guests, name: str) -> Outcome:
    debian = guests.variables["debian"]
    where = f"ssh:root@127.0.0.1:{debian['ansible_port']}"
    python = f"python={GUEST_PYTHON}@{debian['ansible_python_interpreter']}"
    own = {key: value for key, value in debian.items() if key.startswith("testbed_")}
    _configure(collection, {"testbed_place": "guest", **own}, _ssh_settings(debian))
    sides = ("--controller", f"origin:python={CONTROLLER_PYTHON}", "--target", f"{where},{python}")
    argv = environment.ansible_test(*OPTIONS, *sides, name)
    return _target(collection, "guest", name, argv)


def _target(collection: Path, place: str, name: str, argv: list[str]) -> Outcome:
    """Run one target; a pass needs tasks that ran, for ansible-test passes 'nothing to do' too."""
    results = collection / "tests" / "output" / "junit"
    shutil.rmtree(results, ignore_errors=True)
    title, log = f"{name} [{place}]", LOGS / f"integration-{name}-{place}.log"
    done = run(title, argv, log, cwd=collection, env=environment.tools())
    tasks = [task for path in results.glob("*.xml") for task in outcomes(path)]
    if done.good and not tasks:
        return Outcome(title, SKIPPED, "ansible-test ran no task of it")
    broken = any(task.status == FAILED for task in tasks)
    return verdict(title, done.good and not broken, "" if done.good else f"see {log}")


def _configure(collection: Path, variables: dict[str, Any], settings: str) -> None:
    """What ansible-test reads itself: variables for the targets, settings for Ansible."""
    folder = collection / "tests" / "integration"
    (folder / "integration_config.yml").write_text(json.dumps(variables))
    (folder / "integration.cfg").write_text(settings)


def _ssh_settings(guest: dict[str, Any]) -> str:
    persist = "-o ControlMaster=auto -o ControlPersist=60s"
    return (
        "[ssh_connection]\n"
        f"ssh_args = {guest['ansible_ssh_common_args']} {persist}\n"
        f"control_path_dir = {guest['ansible_control_path_dir']}\n"
    ).replace("%", "%%")


def _way_in(collection: Path, guests: Guests) -> None:
    """Lay the guest's key where ansible-test looks for its own."""
    key = Path(guests.variables["debian"]["ansible_ssh_private_key_file"])
    place = collection / "tests" / "output" / ".tmp"
    place.mkdir(parents=True, exist_ok=True)
    shutil.copy(key, place / "id_rsa")
    shutil.copy(f"{key}.pub", place / "id_rsa.pub")
