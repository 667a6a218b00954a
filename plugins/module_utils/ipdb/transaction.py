# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions as their journals tell of them: found by UUID, begun, and cleared away."""

from __future__ import annotations

import errno
import os
import time
import typing as t
import uuid as uuids

from .journal import Journal, sync_folder
from .picture import Picture, from_lists

if t.TYPE_CHECKING:
    from ..netlink.netns import NetNS

SUFFIX = ".journal"


class NoSuchTransaction(LookupError):
    """There is no transaction of that UUID in the namespace."""

    def __str__(self) -> str:
        return str(self.args[0])


class Transaction:
    """One transaction. What is asked of it is answered from the records as they were read last."""

    def __init__(self, folder: str, uuid: str, journal: Journal) -> None:
        self.folder, self.uuid, self.journal = folder, uuid, journal

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.journal.close()

    def path(self, suffix: str) -> str:
        return f"{self.folder}/{self.uuid}{suffix}"

    @property
    def stage(self) -> str:
        """The kind of the last record; "" for a journal that was killed before its first one."""
        return self.journal.records[-1].kind if self.journal.records else ""

    @property
    def over(self) -> bool:
        """Whether nothing is left to do: neither to confirm it nor to take it back."""
        if self.stage == "applied":
            return self.last("guarded") is None
        return self.stage in ("confirmed", "rolled_back") or (self.stage == "failed" and not self.stuck)

    @property
    def stuck(self) -> bool:
        """Whether it failed, and could not be undone."""
        return self.stage == "failed" and bool(self.about("failed").get("stuck"))

    def last(self, kind: str) -> dict[str, t.Any] | None:
        """The fields of the last record of that kind."""
        return next((record.fields for record in reversed(self.journal.records) if record.kind == kind), None)

    def about(self, kind: str) -> dict[str, t.Any]:
        """The fields of the last record of that kind, which may be missing."""
        return self.last(kind) or {}

    @property
    def changed_something(self) -> bool:
        return self.last("wave") is not None

    def prepare(
        self,
        netns: NetNS,
        before: Picture,
        verify_timeout: float = 0.0,
        after: Picture | None = None,
        **told: t.Any,
    ) -> None:
        """The way back is on the disk when this returns. `after`: for a guard and for who confirms, who ask for it."""
        wanted = {"after": after.to_json(), "places": _places_in(after)} if after else {}
        self.journal.mend()
        self.journal.append(
            "prepared",
            at=time.time(),
            netns=netns,
            before=before.to_json(),
            verify_timeout=verify_timeout,
            **wanted,
            **told,
        )

    def picture(self, name: str) -> Picture:
        """The network "before" or "after", with what the task asks for. Raises ValueError where there is none."""
        prepared = self.about("prepared")
        asked = [((table, from_lists(key)), where, said) for table, key, where, said in prepared.get("places", ())]
        places = {place: where for place, where, _unused in asked}
        said = {place: frozenset(fields) for place, _unused, fields in asked if fields}
        return Picture.from_json(prepared.get(name))._replace(places=places, said=said)

    def forget(self) -> None:
        """Removes all its files; the journal last, so that whoever is killed here can be followed."""
        for suffix in (".guard", ".code", SUFFIX):
            try:
                os.unlink(self.path(suffix))
            except FileNotFoundError:
                pass
        sync_folder(self.folder)


def _places_in(wanted: Picture) -> list[tuple[str, t.Any, str, list[str]]]:
    said = wanted.said
    return [(*place, where, sorted(said.get(place, ()))) for place, where in wanted.places.items()]


def create(folder: str, uuid: str = "") -> Transaction:
    """A new one, for who holds the folder's lock."""
    uuid = uuid or str(uuids.uuid4())
    return Transaction(folder, uuid, Journal.create(f"{folder}/{uuid}{SUFFIX}"))


def find(folder: str, uuid: str) -> Transaction:
    """Raises NoSuchTransaction, JournalDamaged; ValueError for what is no UUID."""
    try:
        uuid = str(uuids.UUID(uuid))
    except ValueError:
        raise ValueError(f"transaction: {uuid!r} is not a UUID") from None
    try:
        return Transaction(folder, uuid, Journal.open(f"{folder}/{uuid}{SUFFIX}"))
    except FileNotFoundError:
        raise NoSuchTransaction(f"there is no transaction {uuid} in this network namespace") from None


def find_all(folder: str) -> list[Transaction]:
    """All of them, the oldest first. Raises JournalDamaged."""
    found: list[Transaction] = []
    for uuid in names(folder):
        try:
            found.append(find(folder, uuid))
        except NoSuchTransaction:  # it ended as we looked
            continue
        except BaseException:
            for one in found:
                one.journal.close()
            raise
    return sorted(found, key=lambda one: (one.about("begun").get("at", 0), one.uuid))


def names(folder: str) -> list[str]:
    """The UUIDs of the journals in a folder."""
    try:
        files = os.listdir(folder)
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise
        return []
    return [name[: -len(SUFFIX)] for name in sorted(files) if name.endswith(SUFFIX)]
