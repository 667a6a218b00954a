# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a `xenstore` task wants, checked before anything is changed."""

from __future__ import annotations

import typing as t

from ..client import Client
from ..errors import InvalidPath
from ..paths import check_removable
from . import notation
from .notation import Want, WrongNode
from .place import NoSuchDomain, resolve

Item = t.Mapping[str, t.Any]

NODE: dict[str, t.Any] = {  # the options of one node; a task takes them, or a list
    "path": {"type": "str"},
    "domid": {"type": "int"},
    "guest": {"type": "str"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "value": {"type": "str", "no_log": True},  # what of it is secret, `secrets` says: see the module
    "encoding": {"type": "str", "choices": ["text", "base64"], "default": "text"},
    "permissions": {"type": "list", "elements": "str"},
    "tree": {"type": "dict", "no_log": True},
    "restore": {"type": "dict", "no_log": True},
    "purge": {"type": "bool", "default": False},
}


class Wanted(t.NamedTuple):
    """All that a task wants. Paths of `exact` have no children but wanted ones; `gone` are not to be there."""

    tops: t.List[bytes]  # where its items begin, in order
    nodes: t.Dict[bytes, Want]  # parents before children
    exact: t.Set[bytes]
    gone: t.Dict[bytes, str]  # path -> place in the task


def parse(client: Client, items: t.Sequence[Item], batch: bool) -> Wanted:
    """Raises WrongNode, NoSuchDomain, PyXSError."""
    found = Wanted([], {}, set(), {})
    for number, item in enumerate(items):
        where = f"nodes[{number}]" if batch else ""
        if item["state"] == "absent":
            _absent(client, item, where, found)
        else:
            _present(client, item, where, found)
    for path, where in found.gone.items():
        below = next((want for want in found.nodes.values() if _within(want.path, path)), None)
        if below:
            raise WrongNode(f"{where or 'state'}: {path.decode()} is to be absent, and {below.path.decode()} present")
    return found


def given(items: t.Sequence[Item]) -> t.Iterator[tuple[bytes, str]]:
    """All values of a task as they are written, right or wrong, each with what is known of its path at once."""
    for item in items:
        snapshot = item.get("restore") or {}
        path = str(item.get("path") or snapshot.get("path") or "")
        for tree in (item.get("value"), item.get("tree"), snapshot.get("tree")):
            yield from _given_in(tree, path)


def _given_in(tree: t.Any, path: str) -> t.Iterator[tuple[bytes, str]]:
    if tree is not None and not isinstance(tree, dict):
        yield path.encode("utf-8", "replace"), str(tree)
    for key, item in tree.items() if isinstance(tree, dict) else ():
        if key != notation.PERMISSIONS:
            yield from _given_in(item, path if str(key)[:1] == "." else f"{path}/{key}")


def _absent(client: Client, item: Item, where: str, found: Wanted) -> None:
    given = [name for name in ("value", "permissions", "tree", "restore") if item.get(name) is not None]
    if given:
        raise WrongNode(f"{_at(where, given[0])}: has no meaning for what is to be absent")
    try:
        top = resolve(client, item, where)
    except NoSuchDomain:
        return  # what is below it has gone with it
    try:
        found.gone[check_removable(top)] = where
    except InvalidPath as error:
        raise WrongNode(f"{_at(where, 'path')}: {error}") from None
    found.tops.append(top)


def _present(client: Client, item: Item, where: str, found: Wanted) -> None:
    snapshot = item.get("restore")
    if snapshot is not None:
        item = _from_snapshot(item, snapshot, _at(where, "restore"))
    top = resolve(client, item, where)
    wants = _wants(item, top, where)
    purge = item["purge"] or snapshot is not None
    if purge and top == b"/":
        raise WrongNode(f"{_at(where, 'path')}: the root is not purged, every domain lives there")
    most = client.router.connection.payload_max
    for want in wants:
        _check_size(want, most)
        first = found.nodes.setdefault(want.path, want)
        if first is not want:
            raise WrongNode(f"{want.where or 'path'}: {want.path.decode()} is given before, at {first.where or 'path'}")
    found.exact.update([want.path for want in wants] if purge else [])
    found.tops.append(top)


def _from_snapshot(item: Item, snapshot: t.Any, where: str) -> Item:
    if not isinstance(snapshot.get("path"), str) or not isinstance(snapshot.get("tree"), dict):
        raise WrongNode(f"{where}: a snapshot has a path and a tree, as xenstore_info makes it")
    elsewhere = any(item.get(name) is not None for name in ("path", "domid", "guest"))
    place = {} if elsewhere else {"path": snapshot["path"]}
    return {**item, **place, "tree": snapshot["tree"]}


def _wants(item: Item, top: bytes, where: str) -> list[Want]:
    tree = item.get("tree")
    at = _at(where, "restore.tree" if item.get("restore") is not None else "tree")
    wants = notation.wants(tree, top, at) if tree is not None else [Want(top, None, None, where)]
    own = wants[0]
    value, rights = _value(item, where), notation.permissions(item.get("permissions"), _at(where, "permissions"))
    if value is not None and own.value is not None:
        raise WrongNode(f"{_at(where, 'value')}: the tree has a {notation.VALUE} for the same node")
    if rights is not None and own.permissions is not None:
        raise WrongNode(f"{_at(where, 'permissions')}: the tree has {notation.PERMISSIONS} for the same node")
    wants[0] = own._replace(
        value=own.value if value is None else value, permissions=own.permissions if rights is None else rights
    )
    return wants


def _value(item: Item, where: str) -> bytes | None:
    value = item.get("value")
    if value is not None and item["encoding"] == "base64":
        return notation.from_base64(value, _at(where, "value"))
    return notation.text(value, _at(where, "value"))


def _check_size(want: Want, most: int) -> None:
    size = len(want.path) + 1 + len(want.value or b"")
    if size > most:
        raise WrongNode(
            f"{want.where or 'value'}: {want.path.decode()} and its value are {size} bytes, and XenStore takes"
            f" {most} at most"
        )


def _at(where: str, option: str) -> str:
    return f"{where}.{option}" if where else option


def _within(path: bytes, top: bytes) -> bool:
    return path == top or path.startswith(top + b"/")
