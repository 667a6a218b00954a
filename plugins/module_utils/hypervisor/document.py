# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""libvirt's XML documents as dictionaries and back, in two shapes.

`to_dict` is the lossless one. Its shape follows from the place in the document and not from what happens to be there:
what libvirt's schemas allow several times is always a list, what is a number is an int (schema.py has the tables).

    <a x="1">t<b/></a>      {"a": {"@x": "1", "#text": "t", "b": {}}}

An element that has neither attributes nor children is its text, or {} when empty. Blank text between elements and
comments are left out. Where the order among children of different names would be lost, `#order` has their names; where
text follows a child, `#tails` has the text after each.

`from_xml` is the shape that users of python-kvm know: lists only where there are several, all values text, an empty
element true.
"""

from __future__ import annotations

import typing as t
from xml.etree import ElementTree

from . import schema
from .errors import KvmError

Element = ElementTree.Element

LARGEST = 64 << 20  # characters; libvirt's own limit of a message is 32 MiB
DEEPEST = 200  # levels; libvirt's documents have up to 15


def parse(text: str) -> Element:
    """The root of a document. Raises KvmError when it is no XML, or nothing that libvirt would send.

    No document of libvirt has a document type, by which entities would be declared that grow without bounds or
    fetch files. In a str the encoding that the document names has no meaning, so a DOCTYPE cannot hide in another.
    """
    if len(text) > LARGEST:
        raise KvmError(f"an XML document of {len(text)} characters is too large")
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise KvmError("an XML document with a document type or entities of its own is refused")
    try:
        return ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise KvmError(f"not well-formed XML: {error}") from error


def _too_deep(level: int) -> None:
    if level > DEEPEST:
        raise KvmError(f"an XML document is nested more than {DEEPEST} levels deep")


def _text(text: str | None) -> str:
    return text if text and text.strip() else ""


# The lossless shape


def to_dict(root: Element) -> dict[str, t.Any]:
    """`{tag: value}` of a document, without loss. Raises KvmError for one that is nested too deeply."""
    return {root.tag: _value(root, (root.tag,), 0)}


def _value(element: Element, path: tuple[str, ...], level: int) -> t.Any:
    _too_deep(level)
    text = _text(element.text)
    tails = [_text(child.tail) for child in element]
    if text and len(element) == 0 and not element.attrib and not schema.has_attributes(path):
        return schema.typed_text(path, text)
    value: dict[str, t.Any] = {f"@{name}": schema.typed(path, name, one) for name, one in element.attrib.items()}
    if text:
        value["#text"] = schema.typed_text(path, text)
    for child in element:
        below = (*path, child.tag)
        content = _value(child, below, level + 1)
        if schema.several(below):
            value.setdefault(child.tag, []).append(content)
        elif child.tag not in value:
            value[child.tag] = content
        elif isinstance(value[child.tag], list):
            value[child.tag].append(content)
        else:
            value[child.tag] = [value[child.tag], content]
    tags = [child.tag for child in element]
    if tags != sorted(tags, key=tags.index) or any(tails):
        value["#order"] = tags
    if any(tails):
        value["#tails"] = tails
    return value


def to_element(document: t.Mapping[str, t.Any]) -> Element:
    """The root that `to_dict` made `{tag: value}` of. Raises KvmError for what cannot be an element."""
    if len(document) != 1:
        raise KvmError(f"a document has one root, not {len(document)}")
    ((tag, value),) = document.items()
    return _element(tag, value)


def _element(tag: str, value: t.Any) -> Element:
    element = Element(tag)
    if not isinstance(value, dict):
        if isinstance(value, (list, type(None))):
            raise KvmError(f"<{tag}>: {value!r} is no content of an element")
        element.text = _written(value)
        return element
    children: dict[str, list[t.Any]] = {}
    for key, content in value.items():
        if key.startswith("@"):
            element.set(key[1:], _written(content))
        elif key == "#text":
            element.text = _written(content)
        elif not key.startswith("#"):
            children[key] = list(content) if isinstance(content, list) else [content]
    order = value.get("#order") or [name for name, contents in children.items() for _unused in contents]
    tails = value.get("#tails") or [""] * len(order)
    for name, tail in zip(order, tails):
        child = _element(name, children[name].pop(0))
        child.tail = tail or None
        element.append(child)
    return element


def _written(value: t.Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


# python-kvm's shape


def from_xml(element: Element, force_lists: t.Collection[str] = ()) -> dict[str, t.Any]:
    """`{tag: value}` as python-kvm makes it; elements named in `force_lists` are lists also where there is one."""
    return {element.tag: _loose(element, force_lists, 0)}


def _loose(element: Element, force_lists: t.Collection[str], level: int) -> t.Any:
    _too_deep(level)
    text = (element.text or "").strip()
    if not element.attrib and len(element) == 0:
        return text or True
    value: dict[str, t.Any] = {f"@{name}": one for name, one in element.attrib.items()}
    if text and len(element) == 0:
        value["#text"] = text
    for child in element:
        content = _loose(child, force_lists, level + 1)
        if child.tag not in value:
            value[child.tag] = [content] if child.tag in force_lists else content
        elif isinstance(value[child.tag], list):
            value[child.tag].append(content)
        else:
            value[child.tag] = [value[child.tag], content]
    return value


def to_xml(tag: str, value: t.Any) -> str:
    """The document that python-kvm makes of its own shape, indented; also for lists of text, and for numbers."""
    root = _tight(tag, value)
    _indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _tight(tag: str, value: t.Any) -> Element:
    element = Element(tag)
    if value is None or isinstance(value, bool):
        return element
    if not isinstance(value, dict):
        element.text = str(value)
        return element
    for key, content in value.items():
        if key.startswith("@"):
            element.set(key[1:], str(content))
        elif key == "#text":
            element.text = str(content)
        else:
            contents = content if isinstance(content, list) else [content]
            element.extend(_tight(key, one) for one in contents)
    return element


def _indent(element: Element, level: int = 0) -> None:
    """Two blanks a level (ElementTree.indent is Python 3.9)."""
    if len(element) == 0:
        return
    element.text = element.text or "\n" + "  " * (level + 1)
    for child in element:
        _indent(child, level + 1)
        child.tail = "\n" + "  " * (level + 1)
    element[-1].tail = "\n" + "  " * level
