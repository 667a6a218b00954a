# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions and groups as the modules return them."""

from __future__ import annotations

import typing as t

from . import groups
from .answers import Region
from .device import Device

Row = t.Dict[str, t.Any]


def region_row(device: Device, region: Region, group_id: int | None) -> Row:
    span = region.span
    return {
        "device": device.title,
        "region_id": region.id,
        "start": span.start,
        "length": span.length,
        "area_length": span.step,
        "nr_areas": span.areas,
        "precise": span.precise,
        "bounds": list(span.bounds),
        "program_id": region.program_id,
        "user_data": groups.user_data(region),
        "group_id": group_id,
    }


def group_rows(device: Device, known: t.Iterable[Region]) -> list[Row]:
    return [
        {"device": device.title, "group_id": group.id, "alias": group.alias, "regions": list(group.members)}
        for group in groups.of_regions(known)
    ]
