# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab goes, with all that was ever begun of it."""

from __future__ import annotations

import os
import typing as t

from ..hypervisor.errors import KvmError
from .errors import LagoError
from .journal import Journal
from .laying import remove_folder
from .making import AT_ONCE, clear
from .parallel import VectorThread
from .standing import Thing, to_remove
from .subnet_store import SubnetStore
from .templates.store import TemplateStore

if t.TYPE_CHECKING:
    from .prefix import Prefix


def destroy(prefix: Prefix) -> None:
    """Raises LagoError, KvmError, OSError; what is left then can be destroyed again."""
    if not os.path.isdir(prefix.paths.prefix()):
        return
    with Journal(prefix.paths.journal(), all_goes=True) as journal:
        journal.begin("destroy")
        for things in _waves(to_remove(journal.standing)):
            _remove(prefix, journal, things)
        _give_up(prefix)
        remove_folder(prefix.paths)


def _waves(things: t.Sequence[Thing]) -> list[list[Thing]]:
    """The last made first; what is of one kind at the same time."""
    waves: list[list[Thing]] = []
    for thing in things:
        if not waves or waves[-1][0].kind != thing.kind or len(waves[-1]) == AT_ONCE:
            waves.append([])
        waves[-1].append(thing)
    return waves


def _remove(prefix: Prefix, journal: Journal, things: t.Sequence[Thing]) -> None:
    threads = VectorThread([_removal(prefix, journal, thing) for thing in things])
    threads.start_all()
    threads.join_all()


def _removal(prefix: Prefix, journal: Journal, thing: Thing) -> t.Callable[[], None]:
    def remove() -> None:
        clear(prefix, journal, thing.kind, thing.name)
        prefix.progress(f"{thing.kind} {thing.name} removed")

    return remove


def _give_up(prefix: Prefix) -> None:
    """What is not under the prefix: leases, and its use of templates."""
    SubnetStore(prefix.setting("lease_dir")).release_all(prefix.paths.uuid())
    try:
        TemplateStore(prefix.setting("template_store")).release(prefix.uuid)
    except (LagoError, KvmError):  # without a uuid it used none
        pass
