# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tiny guest with Debian's Python, for Ansible's modules: a ram disk that lies over the guest's own.

    python3 pythonic.py        # builds it, once, into .cache/testbed/images/pythonic-KEY, and prints that folder

    kernel, initrd             for a VM with 384 MiB and no disk vda

The kernel unpacks one archive over the other (driver-api/early-userspace/buffer-format.rst). The library is compiled
beforehand, which an emulated processor would need half a minute for.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path

import tiny

PACKAGES = (
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"),
    *("libexpat1", "libffi8", "zlib1g", "libc6"),
)
LIBRARIES = ("libexpat.so.1", "libffi.so.8", "libz.so.1", "libm.so.6")
PYTHON = "usr/bin/python3.11"
LIBRARY = "usr/lib/python3.11"
# What no module of Ansible's needs, and what is large.
LEFT_OUT = ("test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "tkinter", "turtledemo", "sqlite3", "unittest")


def image() -> Path:
    """The folder with kernel and initrd, built now if there is none of this recipe yet. Raises TinyError."""
    guest = tiny.image()
    key = hashlib.sha256(Path(__file__).read_bytes() + guest.name.encode()).hexdigest()[:16]
    folder = tiny.IMAGES / f"pythonic-{key}"
    with (tiny.IMAGES / "pythonic.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            for old in tiny.IMAGES.glob("pythonic-*/"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=tiny.IMAGES, prefix=".pythonic-") as scratch:
                _build(Path(scratch), guest).rename(folder)
    return folder


def _build(work: Path, guest: Path) -> Path:
    packages, tree, made = work / "packages", work / "tree", work / "made"
    for folder in (packages, tree, made):
        folder.mkdir(mode=0o755)
    tiny._run("apt-get", "-q", "download", *PACKAGES, cwd=work)
    for package in sorted(work.glob("*.deb")):
        tiny._run("dpkg-deb", "-x", str(package), str(packages), cwd=work)
    _compile(packages, work)
    tiny._copy(packages / PYTHON, tree / PYTHON)
    (tree / "usr/bin/python3").symlink_to("python3.11")
    unwanted = shutil.ignore_patterns(*LEFT_OUT, "config-*", "__phello__*", "*.opt-*.pyc")
    shutil.copytree(packages / LIBRARY, tree / LIBRARY, ignore=unwanted)
    for name in LIBRARIES:
        found = next((path for top in tiny.LIBRARY_FOLDERS if (path := packages / top / name).exists()), None)
        if found is None:
            raise tiny.TinyError(f"the packages brought no {name}")
        tiny._copy(found.resolve(), tree / tiny.LIBRARY_FOLDERS[0] / name)
    shutil.copy(guest / "kernel", made / "kernel")
    (made / "initrd").write_bytes((guest / "initrd").read_bytes() + tiny._archive(tree))
    return made


def _compile(packages: Path, work: Path) -> None:
    """By the Python that will run it; files are trusted to be the source's, whatever a guest's clock says."""
    loader = next(packages.rglob("ld-linux-x86-64.so.2"))
    search = ":".join(str(packages / folder) for folder in tiny.LIBRARY_FOLDERS)
    library = packages / LIBRARY
    code = f"import sys; sys.path[:0] = [{str(library)!r}]; import compileall; compileall.compile_dir({str(library)!r},"
    code += f" quiet=2, stripdir={str(packages)!r}, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)"
    code = "from py_compile import PycInvalidationMode; " + code
    command = [str(loader.resolve()), "--library-path", search, str(packages / PYTHON), "-I", "-c", code]
    tiny._run("env", f"PYTHONHOME={packages / 'usr'}", *command, cwd=work)


if __name__ == "__main__":
    try:
        print(image())
    except tiny.TinyError as error:
        sys.exit(f"tiny guest with Python: {error}")
