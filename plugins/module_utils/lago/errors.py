# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong with a lab, each kind with a name of its own; all say in one sentence what, where and why."""

from __future__ import annotations

import typing as t


class LagoError(Exception):
    """The root of this core's own errors."""


class InitFileError(LagoError):
    """An init file says what cannot be; `place` is where, such as `domains.vm0.nics[1].net`."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}" if place else reason)
        self.place, self.reason = place, reason


class AddressError(LagoError):
    """A network has no place for an address that is wanted."""


class LeaseError(LagoError):
    """A subnet cannot be leased."""


class LockTimeout(LagoError):
    """A lock is held by others, and was not given up in time."""


class TemplateError(LagoError):
    """A template is not there, not whole, or not what it should be."""


class JournalDamaged(LagoError):
    """What lies in a prefix's journal is not what its writer can have left."""


class SnapshotError(LagoError):
    """A snapshot is not there, not whole, or cannot be taken."""


class ArchiveError(LagoError):
    """A lab's archive is not what its manifest says, or does not fit here."""


class SeedError(LagoError):
    """What a guest shall be told at its first boot does not fit into an image."""


class CommandError(LagoError):
    """A command on this host failed; the sentence has its exit status and what it wrote to its standard error."""


class GuestError(LagoError):
    """A guest cannot be reached, or does not do what it was asked."""


class NotReady(GuestError):
    """A guest was not ready in time; `evidence` is what is known of why (waiting.Evidence)."""

    def __init__(self, message: str, evidence: t.Any) -> None:
        super().__init__(message)
        self.evidence = evidence
