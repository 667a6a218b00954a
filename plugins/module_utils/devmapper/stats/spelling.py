# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the host's own dmstats, if there is one, wants an alias to be written."""

from __future__ import annotations

import ctypes
import re

LIBRARY = "libdevmapper.so.1.02.1"
QUOTED_SINCE = (1, 2, 197)


def quoted() -> bool:
    """Whether in quotes: libdevmapper 1.02.197 on, and where there is none."""
    try:
        library = ctypes.CDLL(LIBRARY)
        version = ctypes.create_string_buffer(64)
        library.dm_get_library_version(version, len(version))
    except (OSError, AttributeError):
        return True
    return wants_quotes(version.value.decode("ascii", "replace"))


def wants_quotes(version: str) -> bool:
    """`version` as `1.02.185 (2022-05-18)`."""
    found = re.match(r"([0-9]+)\.([0-9]+)\.([0-9]+)", version)
    return found is None or tuple(map(int, found.groups())) >= QUOTED_SINCE
