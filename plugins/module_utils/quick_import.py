# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiles what a module imports once, not twice: to be imported before it, for nothing but that.

Ansible ships a module's code as a zip of sources. Python's own importer of zips compiles each source merely to learn
the name of its file, throws that away, and compiles it again to run it (zipimport.zipimporter.get_filename, Python 3.8
to 3.13). For netlink_link that is every eighth part of a whole task. The name follows from the path.

Garbage is looked for neither while the process runs nor, thanks to `gc.freeze`, as it ends: Python would go through all
that is left, more than once, to free what the kernel frees at once.
"""

from __future__ import annotations

import atexit
import gc
import sys
import zipimport

__loader__: object  # which every module has of the import system
ARCHIVE = getattr(__loader__, "archive", "")  # that this file came in; "": it lies in a folder


class Importer(zipimport.zipimporter):
    """Says where a module lies without looking into it; does not for other than .py, of which we ship nothing."""

    def get_filename(self, fullname: str) -> str:
        path = f"{self.archive}/{self.prefix}{fullname.rpartition('.')[2]}"
        return f"{path}/__init__.py" if self.is_package(fullname) else f"{path}.py"


def hook(path: str) -> Importer:
    """For folders in the archive. Raises ImportError for all others."""
    if not path.startswith(ARCHIVE):
        raise ImportError(path)
    return Importer(path)


if ARCHIVE:
    sys.path_hooks.insert(0, hook)
    sys.path_importer_cache.pop(__file__.rpartition("/")[0], None)  # what found this file would find the next ones
    gc.disable()  # the process is short, and compiling makes many objects, none of them garbage
    atexit.register(gc.freeze)
