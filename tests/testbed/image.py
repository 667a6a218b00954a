# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Build a guest's image from its recipe, once: .cache/testbed/images/NAME-KEY.

An image is a folder: root.ext4, kernel, initrd (and hypervisor), the key that logs in (id_ed25519) and
the key the guest shows (host.pub). It appears whole or not at all, and is never written to afterwards.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from errors import TestbedError
from guest import load
from places import IMAGES, SESSIONS
from recipes import RECIPES, Recipe

HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
NEEDED = ("mmdebstrap", "mke2fs", "ssh-keygen")


def image_of(name: str) -> Path:
    """The image's folder, built now if this recipe has none yet."""
    folder = IMAGES / f"{name}-{_key(RECIPES[name])}"
    IMAGES.mkdir(parents=True, exist_ok=True)
    with (IMAGES / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of several who want it one builds, the rest wait
        if not folder.is_dir():
            _build(name, folder)
    return folder


def _key(recipe: Recipe) -> str:
    digest = hashlib.sha256(repr(recipe).encode())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()[:16]


def _build(name: str, folder: Path) -> None:
    _demand()
    recipe, began = RECIPES[name], time.monotonic()
    print(f"{name}: building the image ({len(recipe.packages)} packages) ...", flush=True)
    with tempfile.TemporaryDirectory(dir=IMAGES, prefix=f".{name}-") as scratch:
        work = Path(scratch)
        made = work / "image"
        made.mkdir()
        log = IMAGES / f"{name}.log"
        _keys(made, work)
        _files(recipe, made, work / "overlay", work)
        _bootstrap(recipe, work, log)
        _collect(recipe, work / "tree", made)
        _filesystem(recipe, work / "tree", made / "root.ext4", log)
        made.rename(folder)
    _forget_others(name, folder)
    print(f"{name}: image built in {time.monotonic() - began:.0f} s", flush=True)


def _forget_others(name: str, current: Path) -> None:
    """Remove this guest's older images, but for those that a session still names."""
    used = {known.image for path in SESSIONS.glob("*/*") if (known := load(path))}
    for old in IMAGES.glob(f"{name}-*"):
        if old != current and str(old) not in used:
            shutil.rmtree(old)


def _demand() -> None:
    missing = [program for program in NEEDED if not shutil.which(program)]
    if missing:
        raise TestbedError(f"to build a guest's image these are missing: {', '.join(missing)}")
    if os.geteuid() != 0:
        raise TestbedError("to build a guest's image root is needed")


def _keys(made: Path, work: Path) -> None:
    for path, comment in ((made / "id_ed25519", "testbed"), (work / "host", "guest")):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)]
        subprocess.run(argv, check=True)
    shutil.copy(work / "host.pub", made / "host.pub")


def _files(recipe: Recipe, made: Path, overlay: Path, work: Path) -> None:
    """Lay out what the recipe adds to the packages, and the keys, as a tree to be copied in."""
    for name, text in recipe.files.items():
        _put(overlay / name, text, 0o755 if text.startswith("#!") else 0o644)
    _put(overlay / HOST_KEY, (work / "host").read_text(), 0o600)
    _put(overlay / f"{HOST_KEY}.pub", (work / "host.pub").read_text(), 0o644)
    _put(overlay / "root/.ssh/authorized_keys", (made / "id_ed25519.pub").read_text(), 0o600)
    (overlay / "root").chmod(0o700)
    (overlay / "root/.ssh").chmod(0o700)
    for name, target in recipe.links.items():
        link = overlay / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(target)


def _put(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _bootstrap(recipe: Recipe, work: Path, log: Path) -> None:
    # The overlay comes before the packages, so that the first initial ram disk is the right one.
    argv = [
        "mmdebstrap",
        "--variant=minbase",
        "--mode=root",
        f"--include={','.join(recipe.packages)}",
        f"--essential-hook=sync-in {shlex.quote(str(work / 'overlay'))} /",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=force-confold",
        *[f'--customize-hook=chroot "$1" {shlex.quote(program)}' for program in recipe.finish],
        recipe.suite,
        str(work / "tree"),
    ]
    _logged(argv, log, "wb", "install its packages (no network?)")


def _collect(recipe: Recipe, tree: Path, made: Path) -> None:
    for pattern, name in ((recipe.kernel, "kernel"), (recipe.initrd, "initrd")):
        shutil.copy(_newest(tree, pattern), made / name)
    if recipe.hypervisor:
        (made / "hypervisor").write_bytes(gzip.decompress(_newest(tree, recipe.hypervisor).read_bytes()))


def _newest(tree: Path, pattern: str) -> Path:
    found = sorted((tree / "boot").glob(pattern))
    if not found:
        raise TestbedError(f"the guest's packages brought no /boot/{pattern}")
    return found[-1]


def _filesystem(recipe: Recipe, tree: Path, image: Path, log: Path) -> None:
    argv = ["mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", str(tree), str(image)]
    _logged([*argv, f"{recipe.root_mib}M"], log, "ab", "put its file system into an image")


def _logged(argv: list[str], log: Path, mode: str, what: str) -> None:
    with log.open(mode) as output:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        end = "\n".join(log.read_text(errors="replace").splitlines()[-15:])
        raise TestbedError(f"could not {what}: {argv[0]} ended with {done.returncode}:\n{end}")
