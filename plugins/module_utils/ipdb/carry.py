# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy of this code in one file, for a process that outlives the folder that Ansible unpacks it from.

The file is an archive that the interpreter runs as it is (zipapp), without anything from around it.
"""

from __future__ import annotations

import os
import typing as t

PARTS = ("ipdb", "netlink")  # packages below module_utils
SINGLE = ("__init__.py", "plan.py", "wire.py")
MAIN = "import sys\nfrom module_utils.ipdb.guard import main\nmain(sys.argv[1:])\n"
__loader__: object  # which every module has of the import system
TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def write_code(path: str) -> None:
    """Raises OSError; FileExistsError where there is one."""
    import zipfile

    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with open(file, "wb") as out, zipfile.ZipFile(out, "w") as archive:
        archive.writestr("__main__.py", MAIN)
        for name, source in _sources():
            archive.writestr(f"module_utils/{name}", source)


def _sources() -> t.Iterator[tuple[str, bytes]]:
    """Name below module_utils, and text, of every file of the parts."""
    import zipfile

    around = getattr(__loader__, "archive", None)  # of a zipimporter: how Ansible brings us here
    if not around:
        yield from _files()
        return
    top = f"{os.path.relpath(TOP, around)}/"
    with zipfile.ZipFile(around) as archive:
        for name in archive.namelist():
            if name.startswith(top) and _is_part(name[len(top) :]):
                yield name[len(top) :], archive.read(name)


def _is_part(name: str) -> bool:
    return name.endswith(".py") and (name in SINGLE or name.split("/")[0] in PARTS)


def _files() -> t.Iterator[tuple[str, bytes]]:
    for folder, _folders, files in os.walk(TOP):
        for file in files:
            path = os.path.join(folder, file)
            name = os.path.relpath(path, TOP)
            if _is_part(name):
                with open(path, "rb") as source:
                    yield name, source.read()
