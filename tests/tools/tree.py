# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The copy of the checkout that ansible-test demands at .../ansible_collections/fleet/hypervisor.

ansible-test takes its place from the real working directory, so a link will not do, and it asks
git which files there are: inside an ignored folder of our own repository the answer is none, and
it would test nothing and call that a success. The copy is therefore a repository by itself, and
nothing is believed until ansible-test has listed the files it sees.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import environment
import pythons
from locks import held
from paths import HOME, LOGS, ROOT, TREES
from process import Stop, run

# ansible-core 2.19 looks for this name before it fetches.
GET_PIP = HOME / ".ansible" / "test" / "cache" / "get_pip_24_2.py"


def arrange(stage: str) -> Path:
    """A fresh copy of what git tracks or would track; interpreters and pip's seed beside it."""
    tree = TREES / stage / "ansible_collections" / "fleet" / "hypervisor"
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    files = checkout_files()
    for name in files:
        copy = tree / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy, follow_symlinks=False)
    _git(tree, "init", "-q")
    _git(tree, "add", "-A")
    with held("ansible-test"):
        _supply()
    _prove(tree, files, LOGS / f"tree-{stage}.log")
    return tree


def _supply() -> None:
    """What every copy's ansible-test takes from one place, where another may be at work with it."""
    pythons.link(pythons.find())
    seed = Path(__file__).with_name("get_pip.py")
    if not GET_PIP.exists() or GET_PIP.read_bytes() != seed.read_bytes():
        GET_PIP.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(seed, GET_PIP)


def checkout_files() -> list[str]:
    listing = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout
    return [name for name in listing.split("\0") if name and (ROOT / name).exists()]


def _git(tree: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "core.autocrlf=false", *words], cwd=tree, check=True)


def _prove(tree: Path, files: list[str], log: Path) -> None:
    """Stop unless ansible-test sees every file copied."""
    argv = environment.ansible_test("env", "--list-files")
    done = run("files ansible-test sees", argv, log, cwd=tree, env=environment.tools())
    unseen = sorted(set(files) - set(done.text().splitlines()))
    if not done.good or unseen:
        raise Stop(
            f"ansible-test sees {len(files) - len(unseen)} of {len(files)} files of the collection"
            f" (log {done.log}), so its verdict would mean nothing"
        )
