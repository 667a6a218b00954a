# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A subtree as people write it: a nested dictionary.

    data:                        # a node with children
      .permissions: [n0, r5]     # names that begin with a dot are no children: a path of XenStore has no dots
      role: db                   # a leaf and its value
      motd: {.base64: AAEC}      # a value that is no text
      feature/queues: 4          # a path may be written in one

".value" is the value of a node that has children too. A name without anything (null) is a node whose value does not
matter.
"""

from __future__ import annotations

import base64
import binascii
import typing as t

from ..errors import InvalidPath, InvalidPermission
from ..paths import check_node, join, parents

if t.TYPE_CHECKING:
    from ..tree import Node

Tree = t.Dict[t.Any, t.Any]

VALUE, BASE64, PERMISSIONS = ".value", ".base64", ".permissions"


class WrongNode(ValueError):
    """An option that cannot be meant, with its place in the task."""


class Want(t.NamedTuple):
    """A node that is to be there, and what of it matters."""

    path: bytes
    value: bytes | None = None
    permissions: t.List[bytes] | None = None
    where: str = ""  # place in the task


def wants(tree: Tree, top: bytes, where: str) -> list[Want]:
    """The nodes of `tree`, `top` first, parents before children. Raises WrongNode."""
    found: dict[bytes, Want] = {}
    _collect(tree, top, where, found)
    return list(found.values())


def _collect(tree: Tree, path: bytes, where: str, found: dict[bytes, Want]) -> None:
    unknown = [str(key) for key in tree if str(key)[:1] == "." and key not in (VALUE, BASE64, PERMISSIONS)]
    if unknown:
        raise WrongNode(f"{where}: {unknown[0]} is none of {VALUE}, {BASE64} and {PERMISSIONS}")
    _add(
        Want(path, _own_value(tree, where), permissions(tree.get(PERMISSIONS), f"{where}.{PERMISSIONS}"), where), found
    )
    for key, item in tree.items():
        if str(key)[:1] == ".":
            continue
        at = f"{where}.{key}"
        below = _below(path, key, at, found)
        if isinstance(item, dict):
            _collect(item, below, at, found)
        else:
            _add(Want(below, text(item, at), None, at), found)


def _below(path: bytes, key: t.Any, where: str, found: dict[bytes, Want]) -> bytes:
    """The path of `key`; the nodes on the way to it are wanted too."""
    name = str(key)
    if isinstance(key, (bool, float)) or key is None or name[:1] in ("", "/", "@"):
        raise WrongNode(f"{where}: {key!r} is no name of a node (quote it?)")
    below = checked(join(path, name.encode("utf-8", "surrogateescape")), where)
    for above in parents(below) if "/" in name else ():
        if len(above) > len(path):
            found.setdefault(above, Want(above, None, None, where))
    return below


def _add(want: Want, found: dict[bytes, Want]) -> None:
    first = found.get(want.path)
    if first is not None and first[1:3] != (None, None) and want[1:3] != (None, None):
        raise WrongNode(f"{want.where}: {want.path.decode()} is given before, at {first.where}")
    if first is None or want[1:3] != (None, None):
        found[want.path] = want


def _own_value(tree: Tree, where: str) -> bytes | None:
    if VALUE in tree and BASE64 in tree:
        raise WrongNode(f"{where}: a node has one value, {VALUE} or {BASE64}")
    if BASE64 in tree:
        return from_base64(tree[BASE64], f"{where}.{BASE64}")
    return text(tree.get(VALUE), f"{where}.{VALUE}")


def text(value: t.Any, where: str) -> bytes | None:
    """Raises WrongNode for what YAML may have made of something else."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise WrongNode(f"{where}: a value is text, not {value!r} (quote it)")
    return str(value).encode("utf-8", "surrogateescape")


def from_base64(value: t.Any, where: str) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        raise WrongNode(f"{where}: this is not base64") from None


def permissions(value: t.Any, where: str) -> list[bytes] | None:
    """Raises WrongNode."""
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, t.Sequence):
        raise WrongNode(f"{where}: permissions are a list such as [n0, r5]")
    from ..permissions import render  # which most nodes do without

    try:
        return render([str(one) for one in value])
    except InvalidPermission as error:
        raise WrongNode(f"{where}: {error}") from None


def checked(path: str | bytes, where: str) -> bytes:
    """Raises WrongNode."""
    try:
        return check_node(path)
    except InvalidPath as error:
        raise WrongNode(f"{where}: {error}") from None


def notate(nodes: t.Mapping[bytes, Node], top: bytes, complete: bool) -> t.Any:
    """`nodes` as fetched from `top`, in the notation above: a dictionary, or the value of a leaf.

    `complete`: with the permissions, and each value, of every node, so that it can be restored.
    """
    made: dict[bytes, t.Any] = {}
    for path in reversed(list(nodes)):  # children before their parents
        node = nodes[path]
        children = {name.decode(): made[join(path, name)] for name in node.children if join(path, name) in made}
        made[path] = _notated(node, children, complete)
    return made[top]


def _notated(node: Node, children: dict[str, t.Any], complete: bool) -> t.Any:
    shown = value_of(node.value)
    if not complete and not children:
        return shown.get(VALUE, shown)
    own = shown if complete or node.value else {}
    rights = {PERMISSIONS: [one.decode() for one in node.permissions]} if complete else {}
    return {**own, **rights, **children}


def value_of(value: bytes) -> dict[str, str]:
    """A value under the name that tells how it is written."""
    try:
        return {VALUE: value.decode("utf-8")}
    except UnicodeDecodeError:
        return {BASE64: base64.b64encode(value).decode()}
