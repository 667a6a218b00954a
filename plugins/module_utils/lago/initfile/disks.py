# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disks of a VM."""

from __future__ import annotations

import string
import typing as t

from ..errors import InitFileError
from . import names
from .fields import Field, anything, boolean, choice, each, line, mapping, read_fields, sequence, size, text
from .model import Disk

FIELDS = (
    Field("name", names.word, ""),
    Field("type", choice("template", "empty", "file"), "template"),
    Field("dev", names.device, ""),
    Field("format", choice("qcow2", "raw", "iso"), ""),
    Field("template_type", choice("lago", "qcow2"), "lago"),
    Field("template_name", line, ""),
    Field("template_version", line, ""),
    Field("path", line, ""),
    Field("url", line, ""),
    Field("size", size, 0),
    Field("make_a_copy", boolean, False),
    Field("build", each(mapping), ()),
    Field("comment", text, ""),
    Field("metadata", anything, None, "_metadata"),  # Lago's own copy of the template's, in saved prefixes
)

FORMATS = {"template": "qcow2", "empty": "qcow2", "file": "raw"}
LATEST = "latest"
BUILDERS = ("virt-customize",)


def read(place: str, given: t.Any, unknown: list[str]) -> tuple[Disk, ...]:
    disks: list[Disk] = []
    for number, one in enumerate(sequence(place, given)):
        there = f"{place}[{number}]"
        values = read_fields(there, one, FIELDS, unknown)
        del values["_metadata"]
        disk = _completed(Disk(**values), number)
        _check(there, disk)
        disks.append(disk)
    disks = _with_devices(place, disks)
    _check_single(place, disks, "name")
    _check_single(place, disks, "dev")
    return tuple(disks)


def _completed(disk: Disk, number: int) -> Disk:
    where = disk.path or disk.url
    iso = disk.type == "file" and where.lower().endswith(".iso")
    return disk._replace(
        name=disk.name or ("root" if number == 0 else f"disk{number}"),
        format=disk.format or ("iso" if iso else FORMATS[disk.type]),
        template_version="" if disk.template_version == LATEST else disk.template_version,
    )


def _check(place: str, disk: Disk) -> None:
    """What each type needs, and what it has no use for."""
    if disk.type == "template" and disk.template_type == "lago":
        _need(place, disk, "template_name", no=("path", "url", "size"))
    elif disk.type == "template":
        _need(place, disk, "path", no=("template_name", "url", "size"))
    elif disk.type == "empty":
        _need(place, disk, "size", no=("template_name", "path", "url"))
    elif bool(disk.path) == bool(disk.url):
        raise InitFileError(place, "a disk of type file needs either path or url")
    if disk.type != "file" and disk.cdrom:
        raise InitFileError(f"{place}.format", "only a disk of type file can be an iso")
    for number, step in enumerate(disk.build):
        for tool, options in step.items():
            there = f"{place}.build[{number}].{tool}"
            if tool not in BUILDERS:
                raise InitFileError(there, f"is not known; {', '.join(BUILDERS)} is")
            mapping(there, options)
    if disk.url and not disk.url.startswith(("http://", "https://", "file://")):
        raise InitFileError(f"{place}.url", f"{disk.url!r} begins with neither http://, https:// nor file://")


def _need(place: str, disk: Disk, needed: str, no: t.Sequence[str]) -> None:
    if not getattr(disk, needed):
        raise InitFileError(place, f"a disk of type {disk.type} needs {needed}")
    for key in no:
        if getattr(disk, key):
            raise InitFileError(f"{place}.{key}", f"means nothing to a disk of type {disk.type} with {needed}")


def _with_devices(place: str, disks: list[Disk]) -> list[Disk]:
    """Those that do not say their device get the next free one: vdX, a CD sdX."""
    used = {disk.dev for disk in disks}
    out = []
    for disk in disks:
        if not disk.dev:
            bus = "sd" if disk.cdrom else "vd"
            free = next((bus + letter for letter in string.ascii_lowercase if bus + letter not in used), None)
            if free is None:
                raise InitFileError(place, f"there are more disks than names {bus}a to {bus}z")
            disk = disk._replace(dev=free)
            used.add(free)
        out.append(disk)
    return out


def _check_single(place: str, disks: t.Sequence[Disk], key: str) -> None:
    seen: dict[str, int] = {}
    for number, disk in enumerate(disks):
        value = getattr(disk, key)
        if value in seen:
            raise InitFileError(f"{place}[{number}].{key}", f"{value} is also that of {place}[{seen[value]}]")
        seen[value] = number
