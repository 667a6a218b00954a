# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes that tasks of dmpy are about: made at once, or looked at when udev is through with the task's cookie."""

from __future__ import annotations

import typing as t
import warnings

from . import readahead
from .dmsettings import SETTINGS
from .nodes import Access, Nodes


class Due(t.NamedTuple):
    """How a node has to be; without `dev` there has to be none."""

    dev: int | None
    access: Access = Access()
    read_ahead: t.Tuple[int, int] = (readahead.AUTO, 0)
    left_to_udev: bool = False
    expected: bool = False  # udev should have seen to it


def later(name: str, due: Due) -> None:
    """For `update` to see to."""
    SETTINGS.due[name] = due


def now(name: str, due: Due) -> None:
    """Sees to one node, whatever was to come of it later. Raises DmError."""
    SETTINGS.due.pop(name, None)
    nodes, made = Nodes(SETTINGS.dev_dir), False
    if not due.left_to_udev:
        made = nodes.remove(name) if due.dev is None else nodes.ensure(name, due.dev, due.access)
    if made and due.expected and SETTINGS.udev_checking:
        words = "removed" if due.dev is None else "made"
        warnings.warn(f"udev has not {words} {nodes.path(name)}: it was {words} without it", RuntimeWarning, 2)
    if due.dev is not None:
        readahead.apply(due.dev, *due.read_ahead, sysfs=SETTINGS.sysfs_dir)


def update() -> None:
    """Sees to all nodes that are due. Raises DmError."""
    for name, due in list(SETTINGS.due.items()):
        now(name, due)
