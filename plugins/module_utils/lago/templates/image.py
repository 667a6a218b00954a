# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an image says of itself in its first bytes: the format that libvirt has to be told, and what must not be in it.

The header of qcow2 is that of QEMU's docs/interop/qcow2.txt, in big endian.
"""

from __future__ import annotations

import struct
import typing as t

from ..errors import TemplateError

MAGIC = b"QFI\xfb"
# magic, version, offset and size of the backing file's name, bits of a cluster, virtual size
HEADER = struct.Struct(">4sIQIIQ")
FEATURES = struct.Struct(">Q")  # of version 3, the incompatible ones
AT_FEATURES = 72
EXTERNAL_DATA = 1 << 2


class Image(t.NamedTuple):
    """`size`: bytes that a guest sees, where the format says it (0: raw, as many as the file has)."""

    format: str  # qcow2, raw
    size: int


def inspect(path: str) -> Image:
    """Raises TemplateError for a qcow2 that reads other files, which its maker chose, and OSError."""
    with open(path, "rb") as file:
        head = file.read(AT_FEATURES + FEATURES.size)
    if not head.startswith(MAGIC):
        return Image("raw", 0)
    if len(head) < AT_FEATURES:
        raise TemplateError(f"{path} begins like a qcow2 image, and ends after {len(head)} bytes")
    _unused, version, backing, _unused, _unused, size = HEADER.unpack_from(head)
    if version not in (2, 3):
        raise TemplateError(f"{path} is a qcow2 image of the unknown version {version}")
    if backing:
        raise TemplateError(f"{path} is an overlay of another file; a template has to be whole")
    if version == 3 and len(head) == AT_FEATURES + FEATURES.size:
        (features,) = FEATURES.unpack_from(head, AT_FEATURES)
        if features & EXTERNAL_DATA:
            raise TemplateError(f"{path} has its data in another file; a template has to be whole")
    return Image("qcow2", size)
