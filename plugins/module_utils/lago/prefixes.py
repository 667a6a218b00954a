# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the folders of prefixes say, here and on managed hosts.

This file stands alone, for it is also sent to the Python of a managed host, as a program:

    python3 - PATTERN...      # prints the prefixes as JSON, in the form that `find` returns
"""

from __future__ import annotations

import glob
import json
import os
import sys
import typing as t

LARGEST = 64 << 20  # bytes of a file

# file in a prefix -> what it is called here
FILES = {"uuid": "uuid", "id_rsa": "key", os.path.join("virt", "env"): "env", "journal": "journal"}

Prefix = t.Dict[str, str]  # `path`, and the texts of FILES by name; "" for one that is not there


def find(patterns: t.Iterable[str]) -> list[Prefix]:
    """The prefixes that `folders` finds, with their texts. Raises OSError for a file that cannot be read."""
    return [
        {"path": folder, **{name: _text(folder, file) for file, name in FILES.items()}} for folder in folders(patterns)
    ]


def folders(patterns: t.Iterable[str]) -> list[str]:
    """The prefixes at the paths that fit `patterns`, and those in the folders that do, each once."""
    found: dict[str, None] = {}
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.expanduser(pattern))):
            found.update(dict.fromkeys(_prefixes_of(os.path.realpath(path))))
    return list(found)


def _prefixes_of(path: str) -> list[str]:
    """The folder itself, or those in it (Lago's working folders; their `current` is a link to one of them)."""
    if _is_prefix(path):
        return [path]
    if not os.path.isdir(path):
        return []
    inside = (entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False))
    return sorted(folder for folder in inside if _is_prefix(folder))


def _is_prefix(folder: str) -> bool:
    return os.path.isfile(os.path.join(folder, "uuid"))


def _text(folder: str, name: str) -> str:
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST)
    except FileNotFoundError:
        return ""


def main() -> int:
    try:
        json.dump(find(sys.argv[1:]), sys.stdout)
    except OSError as error:
        sys.stderr.write(f"{error.filename}: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
