# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of a kind as people give them: validated, brought to the kernel's form, compared with
what the kernel shows.
"""

from __future__ import annotations

import typing as t

from ..attribute import HEADER, Table, truth
from ..errors import NetlinkEncodeError
from .kind import Kind, Options

# What the kernel leaves out when an option is off.
OFF = ("any", "0", "0x00", "0x00000", "none", "off")


def canonical(table: Table, name: str, value: t.Any) -> t.Any:
    """`value` as the kernel would show it. Raises NetlinkEncodeError."""
    raw = table.encode_one(name, value)
    return table.rows[name].codec.decode(raw, HEADER.size, HEADER.unpack_from(raw)[0])


def normalise(kind: Kind, options: Options) -> dict[str, t.Any]:
    """`options` in the kernel's names and values; those that are None are left out. Links are
    indexes already.

    Raises NetlinkEncodeError, naming the option, for one that is unknown, read-only, out of its
    range or in contradiction to another.
    """
    given = kind.normal({name: value for name, value in options.items() if value is not None})
    wanted = {}
    for name, value in given.items():
        if name not in kind.table:
            known = ", ".join(sorted(set(kind.table.rows) - kind.read_only)) or "none"
            raise NetlinkEncodeError(name, f"not an option of {kind.name}; options are {known}")
        if name in kind.read_only:
            raise NetlinkEncodeError(name, "set by the kernel alone")
        wanted[name] = canonical(kind.table, name, value)
    kind.check(wanted)
    return wanted


def missing(kind: Kind, options: Options) -> list[str]:
    """The options that a link of the kind cannot be created without and that are not there.

    One that names an address may be there under its name for IPv6.
    """
    if truth(options.get("external") or False):
        return []
    there = {name for name, value in options.items() if value is not None}
    return [name for name in kind.required if not {name, f"{name}6"} & there]


# Shown as off, and refused even as that: by kernels that were built without them, and by bonds that watch no link.
REFUSED_AS_OFF = ("vlan_filtering", "mst_enabled", "updelay", "downdelay", "peer_notify_delay")


def creating(kind: Kind, current: Options) -> dict[str, t.Any]:
    """Of the options that a link was shown with those that make one like it; its ports come later.

    The kernel shows more than it takes: options that another one rules out (by a bond's mode) are left out.
    """
    unsent = kind.read_only | kind.write_only | {"active_slave"}
    options = {
        name: value
        for name, value in current.items()
        if name in kind.table and name not in unsent and value != [] and (value or name not in REFUSED_AS_OFF)
    }
    while True:
        try:
            kind.check(options)
        except NetlinkEncodeError as error:
            if error.attribute not in options:
                return options
            del options[error.attribute]
        else:
            return options


def _same(kind: Kind, name: str, wanted: t.Any, found: t.Any) -> bool:
    if found is None:
        return not wanted or wanted in OFF or wanted == kind.absent.get(name)
    return wanted == found or (name in kind.rounded and wanted - 1 == found)


def differing(kind: Kind, wanted: Options, current: Options) -> dict[str, t.Any]:
    """Those of `wanted` (normalised) that `current` (decoded) does not fulfil."""
    return {
        name: value
        for name, value in wanted.items()
        if name not in kind.write_only and not _same(kind, name, value, current.get(name))
    }


def change(kind: Kind, current: Options, wanted: Options) -> dict[str, t.Any]:
    """What to send to an existing link so that `wanted` (normalised) becomes true and the rest of
    `current` stays.
    """
    unsent = kind.read_only | kind.write_only
    return {name: value for name, value in kind.change(current, wanted).items() if name not in unsent}
