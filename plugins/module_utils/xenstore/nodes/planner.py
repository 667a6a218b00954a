# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From nodes as they are and as they are wanted to changes, all of them in one wave and one transaction.

There is no undo to do: whatever fails, the transaction is dropped, and nobody has seen anything of it.
"""

from __future__ import annotations

import errno
import typing as t

from ...plan import Change, Plan
from ..client import Client
from ..errors import PyXSError
from ..packet import Op, strings
from ..paths import join, names_of, parents
from ..router import Request
from .line import Secrets, hidden_line, line
from .notation import Want
from .wanted import Wanted

if t.TYPE_CHECKING:
    from ..tree import Node

NOTHING: t.Tuple[Request, ...] = ()


class Picture(t.NamedTuple):
    """What a task looks at, as it is. A path missing here was not looked at; None is a node that is not there."""

    values: t.Dict[bytes, bytes | None]
    permissions: t.Dict[bytes, t.List[bytes]]
    extra: t.Dict[bytes, t.Dict[bytes, Node]]  # subtrees that are to go, by their top


def observe(client: Client, wanted: Wanted) -> Picture:
    """Raises PyXSError."""
    above = [
        path for top in wanted.tops for path in parents(top) if path not in wanted.nodes and path not in wanted.gone
    ]
    values = _values(client, list(wanted.nodes))
    values.update(_ancestors(client, list(dict.fromkeys(above))))
    there = [path for path in wanted.nodes if values[path] is not None]
    permissions = _permissions(client, [path for path in there if wanted.nodes[path].permissions is not None])
    unwanted = _unwanted(client, [path for path in there if path in wanted.exact], wanted)
    extra = _subtrees(client, [*wanted.gone, *unwanted])
    return Picture(values, permissions, {path: nodes for path, nodes in extra.items() if nodes})


def _values(client: Client, paths: list[bytes]) -> dict[bytes, bytes | None]:
    answers = client.ask_all([(Op.READ, path + b"\0") for path in paths])
    return {path: _or_none(answer) for path, answer in zip(paths, answers)}


def _ancestors(client: Client, paths: list[bytes]) -> dict[bytes, bytes | None]:
    """Those above what is wanted: one that may not be read is there."""
    answers = client.ask_all([(Op.READ, path + b"\0") for path in paths])
    hidden = {path for path, answer in zip(paths, answers) if getattr(answer, "errno", None) == errno.EACCES}
    return {path: b"" if path in hidden else _or_none(answer) for path, answer in zip(paths, answers)}


def _permissions(client: Client, paths: list[bytes]) -> dict[bytes, list[bytes]]:
    if not paths:
        return {}
    from ..permissions import received  # as below: what few tasks need is loaded for those alone

    answers = client.ask_all([(Op.GET_PERMS, path + b"\0") for path in paths])
    return {path: received(_must(answer)) for path, answer in zip(paths, answers)}


def _unwanted(client: Client, paths: list[bytes], wanted: Wanted) -> list[bytes]:
    """Children of `paths` that nobody wants."""
    if not paths:
        return []
    answers = client.ask_all([(Op.DIRECTORY, path + b"\0") for path in paths])
    found = []
    for path, answer in zip(paths, answers):
        long = isinstance(answer, PyXSError) and answer.errno == errno.E2BIG
        children = client.list_parts(path) if long else names_of(_must(answer))
        found += [join(path, name) for name in children]
    needed = {above for path in wanted.nodes for above in parents(path)}
    return [path for path in found if path not in needed and path not in wanted.nodes and path not in wanted.gone]


def _subtrees(client: Client, paths: list[bytes]) -> dict[bytes, dict[bytes, Node]]:
    if not paths:
        return {}
    from ..tree import fetch

    return {path: fetch(client, path, permissions=True, lenient=True) for path in paths}


def _or_none(answer: bytes | PyXSError) -> bytes | None:
    if isinstance(answer, PyXSError) and answer.errno == errno.ENOENT:
        return None
    return _must(answer)


def _must(answer: bytes | PyXSError) -> bytes:
    if isinstance(answer, PyXSError):
        raise answer
    return answer


def plan(client: Client, picture: Picture, wanted: Wanted, secrets: Secrets) -> Plan:
    changes: list[Change] = []
    for nodes in picture.extra.values():  # first, so that what they took of a quota is free
        changes += _removal(nodes, secrets)
    for path, value in picture.values.items():
        if path not in wanted.nodes and value is None:
            changes.append(_change(path, "create", "", line(path, b"", None), ((Op.MKDIR, path + b"\0"),)))
    for want in wanted.nodes.values():
        changes += _setting(want, picture, secrets)
    return Plan(changes, lambda actions: _run(client, actions))


def _run(client: Client, actions: t.Sequence[t.Sequence[Request]]) -> list[Exception | None]:
    answers = iter(client.ask_all([request for action in actions for request in action]))
    outcomes: list[Exception | None] = []
    for action in actions:
        errors = [answer for answer in [next(answers) for _unused in action] if isinstance(answer, PyXSError)]
        outcomes.append(errors[0] if errors else None)
    return outcomes


def _change(path: bytes, how: str, before: str, after: str, requests: t.Sequence[Request]) -> Change:
    return Change(path.decode("utf-8", "replace"), how, before, after, tuple(requests), NOTHING, wave="transaction")


def _removal(nodes: dict[bytes, Node], secrets: Secrets) -> list[Change]:
    """One request for the top; a line for each node that goes."""
    top = next(iter(nodes))
    return [
        _change(path, "remove", shown, "", ((Op.RM, path + b"\0"),) if path == top else NOTHING)
        for path, node in sorted(nodes.items())
        for shown in [
            hidden_line(path, node.permissions, False)
            if path in secrets
            else line(path, node.value, node.permissions or None)
        ]
    ]


def _setting(want: Want, picture: Picture, secrets: Secrets) -> list[Change]:
    path, value, rights = want.path, picture.values[want.path], picture.permissions.get(want.path)
    new = value is None
    rewrite = want.value is not None and want.value != value
    regrant = want.permissions is not None and want.permissions != rights
    if not new and not rewrite and not regrant:
        return []
    requests: list[Request] = []
    if rewrite:
        requests.append((Op.WRITE, path + b"\0" + t.cast(bytes, want.value)))
    elif new:
        requests.append((Op.MKDIR, path + b"\0"))
    if regrant:
        requests.append((Op.SET_PERMS, path + b"\0" + strings(*t.cast(t.List[bytes], want.permissions))))
    how = ", ".join(
        words
        for words, holds in (
            ("create", new),
            ("change the value", rewrite and not new),
            (f"set permissions {b','.join(want.permissions or ()).decode()}", regrant),
        )
        if holds
    )
    after = want.value if want.value is not None else value or b""
    before_line = "" if value is None else _shown(path, value, rights, secrets, False)
    return [_change(path, how, before_line, _shown(path, after, want.permissions, secrets, rewrite), requests)]


def _shown(path: bytes, value: bytes, rights: t.List[bytes] | None, secrets: Secrets, changed: bool) -> str:
    return hidden_line(path, rights, changed) if path in secrets else line(path, value, rights)
