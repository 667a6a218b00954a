# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host's own dmstats, if there is one, wants an alias to be written."""

from __future__ import annotations

import ctypes
import re

LIBRARIES = ("libdevmapper.so.1.02.1", "libdevmapper.so.1.02")  # Debian's name, and Fedora's and everybody else's
QUOTED_SINCE = (1, 2, 197)


def quoted() -> bool:
    """Whether in quotes: libdevmapper 1.02.197 on, and where there is none."""
    for name in LIBRARIES:
        try:
            library = ctypes.CDLL(name)
            version = ctypes.create_string_buffer(64)
            library.dm_get_library_version(version, len(version))
        except (OSError, AttributeError):
            continue
        return wants_quotes(version.value.decode("ascii", "replace"))
    return True


def wants_quotes(version: str) -> bool:
    """`version` as `1.02.185 (2022-05-18)`."""
    found = re.match(r"([0-9]+)\.([0-9]+)\.([0-9]+)", version)
    return found is None or tuple(map(int, found.groups())) >= QUOTED_SINCE
