# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole subtrees, read level by level with many requests on their way at once."""

from __future__ import annotations

import errno
import typing as t

from .errors import PyXSError, UnexpectedPacket
from .packet import Op
from .paths import ABSOLUTE_MAX, join, names_of
from .permissions import received

if t.TYPE_CHECKING:
    from .client import Client

MOST_NODES = 1 << 21  # of a subtree; a daemon that makes things up is not believed without end
GONE = (errno.ENOENT,)
UNREADABLE = (errno.ENOENT, errno.EACCES, errno.EINVAL)


class Node(t.NamedTuple):
    value: bytes
    children: t.List[bytes]  # names, in the daemon's order
    permissions: t.List[bytes]  # empty where they were not asked for


def fetch(client: Client, top: bytes, permissions: bool = False, lenient: bool = False) -> dict[bytes, Node]:
    """The nodes at and below `top` by path, parents before their children; empty when there is no `top`.

    What vanishes while it is read is left out. `lenient`: an unreadable value is empty, unreadable children are none.
    Raises PyXSError.
    """
    found: dict[bytes, Node] = {}
    level = [top]
    while level:
        if len(found) + len(level) > MOST_NODES or max(map(len, level)) > ABSOLUTE_MAX:
            raise UnexpectedPacket(f"{top.decode()}: the daemon tells of more nodes, or deeper ones, than there can be")
        nodes = _read_level(client, level, permissions, lenient)
        found.update((path, node) for path, node in zip(level, nodes) if node is not None)
        level = [join(path, name) for path, node in zip(level, nodes) if node is not None for name in node.children]
    return found


def _read_level(client: Client, level: list[bytes], permissions: bool, lenient: bool) -> list[Node | None]:
    count = len(level)
    ended = [path + b"\0" for path in level]
    ask = client.router.ask_all
    requests = [(Op.DIRECTORY, path) for path in ended] + [(Op.READ, path) for path in ended]
    if permissions:
        requests += [(Op.GET_PERMS, path) for path in ended]
    answers = ask(requests, client.tx_id)
    listings, values, rights = answers[:count], answers[count : 2 * count], answers[2 * count :]
    nodes: list[Node | None] = []
    for place, (listing, value) in enumerate(zip(listings, values)):
        right = rights[place] if permissions else None
        if isinstance(listing, bytes) and isinstance(value, bytes) and not isinstance(right, PyXSError):
            nodes.append(Node(value, names_of(listing) if listing else [], received(right) if right else []))
        else:
            nodes.append(_odd_node(client, level[place], listing, value, right, lenient))
    return nodes


def _odd_node(client: Client, path: bytes, listing: t.Any, value: t.Any, right: t.Any, lenient: bool) -> Node | None:
    """A node of which something could not be read in the common way."""
    if isinstance(listing, PyXSError) and listing.errno == errno.E2BIG:
        try:
            listing = b"".join(name + b"\0" for name in client.list_parts(path))
        except PyXSError as why:
            listing = why
    answers = [answer for answer in (listing, value, right) if isinstance(answer, PyXSError)]
    if any(error.errno in GONE for error in answers):
        return None
    for error in answers:
        if not lenient or error.errno not in UNREADABLE:
            raise error
    return Node(
        value if isinstance(value, bytes) else b"",
        names_of(listing) if isinstance(listing, bytes) else [],
        received(right) if isinstance(right, bytes) else [],
    )


def walk(client: Client, top: bytes, topdown: bool) -> t.Iterator[tuple[bytes, bytes, list[bytes]]]:
    """As Client.walk."""
    nodes = fetch(client, top, lenient=True)
    if top not in nodes:
        client.list(top)  # says why
    ways = [(top, False)]
    while ways:
        path, below_done = ways.pop()
        node = nodes.get(path)
        if node is None:
            continue
        if topdown or below_done:
            yield path, node.value, node.children
        if below_done:
            continue
        if not topdown:
            ways.append((path, True))
        ways += [(join(path, name), False) for name in reversed(node.children)]
