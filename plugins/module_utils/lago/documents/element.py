# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Elements of a document, written the way that they nest."""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

Element = ElementTree.Element


def element(tag: str, *content: Element | str | None, **attributes: t.Any) -> Element:
    """An element with text and children in their order; what is None is left out."""
    made = Element(tag, {key: str(value) for key, value in attributes.items() if value is not None})
    for one in content:
        if isinstance(one, str):
            made.text = one
        elif one is not None:
            made.append(one)
    return made


def document(root: Element) -> str:
    """The document as libvirt takes it, indented."""
    _indent(root, "\n")
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _indent(root: Element, line: str) -> None:
    """Two blanks a level (ElementTree.indent is Python 3.9)."""
    children = list(root)
    if not children:
        return
    root.text = f"{line}  "
    for child in children:
        _indent(child, f"{line}  ")
        child.tail = f"{line}  "
    children[-1].tail = line
