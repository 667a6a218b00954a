# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `xenstore_info` and `xenstore_domain_info` tell."""

from __future__ import annotations

import errno
import typing as t

from .. import server, tree
from ..client import Client
from ..errors import PyXSError
from .line import Secrets
from .notation import BASE64, VALUE, WrongNode, notate, value_of
from .place import NoSuchDomain, connect, names, resolve

FAILURES = (WrongNode, NoSuchDomain, PyXSError)

Shown = t.Dict[str, t.Any]


def node_info(params: t.Mapping[str, t.Any], hide: t.Callable[[str], None]) -> Shown:
    """A node, and as asked for its subtree and a snapshot of it. Raises FAILURES."""
    secrets = Secrets(params["secrets"])
    with connect(params) as client:
        try:
            path = resolve(client, params)
        except NoSuchDomain:
            return {"exists": False}
        shown = _node(client, path, secrets, hide)
        if not shown["exists"]:
            return shown
        if params["subtree"]:
            shown["tree"] = _notated(tree.fetch(client, path, lenient=True), path, False, secrets, hide)
        if params["snapshot"]:
            nodes = client.in_transaction(lambda: tree.fetch(client, path, permissions=True))
            shown["snapshot"] = {
                "path": path.decode(),
                "tree": _notated(nodes, path, True, secrets, hide),
            }
    return shown


def _node(client: Client, path: bytes, secrets: Secrets, hide: t.Callable[[str], None]) -> Shown:
    try:
        value = client.read(path)
    except PyXSError as error:
        if error.errno != errno.ENOENT:
            raise
        return {"exists": False, "path": path.decode()}
    secrets.tell([(path, value)], hide)
    written = value_of(value)
    return {
        "exists": True,
        "path": path.decode(),
        "value": written.get(VALUE),
        **({"value_base64": written[BASE64]} if BASE64 in written else {}),
        "children": [name.decode() for name in client.list(path)],
        "permissions": [one.decode() for one in client.get_perms(path)],
    }


def _notated(
    nodes: dict[bytes, tree.Node], path: bytes, complete: bool, secrets: Secrets, hide: t.Callable[[str], None]
) -> t.Any:
    if path not in nodes:
        raise PyXSError(errno.ENOENT, f"{path.decode()}: it has gone while it was read")
    secrets.tell([(below, node.value) for below, node in nodes.items()], hide)
    written = notate(nodes, path, complete)
    return written if isinstance(written, dict) else {VALUE: written}


def domain_info(params: t.Mapping[str, t.Any]) -> Shown:
    """The domains that have a place in XenStore. Raises FAILURES."""
    with connect(params) as client:
        found = names(client)
        accounts = server.accounts(client, found)
        return {"domains": [_domain(client, domid, name, accounts[domid]) for domid, name in found.items()]}


def _domain(client: Client, domid: int, name: str | None, account: server.Account) -> Shown:
    return {
        "domid": domid,
        "name": name,
        "path": client.get_domain_path(domid).decode("utf-8", "replace"),
        "introduced": client.is_domain_introduced(domid),
        "nodes": account.used.get("nodes"),
        "nodes_quota": account.quota.get("nodes"),
        "used": account.used,
        "quota": account.quota,
    }
