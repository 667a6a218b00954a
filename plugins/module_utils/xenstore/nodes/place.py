# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a task works: a path, or one below a guest that is told by number or name."""

from __future__ import annotations

import typing as t

from ..client import Client
from ..errors import PyXSError
from ..packet import Op
from ..paths import join
from .notation import WrongNode, checked

DOMAINS = b"/local/domain"

# The options of every module: how XenStore is reached.
CONNECTION: dict[str, t.Any] = {
    "socket": {"type": "path"},
    "xenbus": {"type": "path"},
}
TIMEOUT: dict[str, t.Any] = {"timeout": {"type": "float", "default": 30.0}}

ANSWER_LIMIT = 30.0  # seconds that one answer may take, however long a task waits for something else


class NoSuchDomain(ValueError):
    """No domain of that number or name is in XenStore."""


def connect(params: t.Mapping[str, t.Any]) -> Client:
    """A client as a task's options say, to be entered. Raises WrongNode."""
    if params["timeout"] <= 0:
        raise WrongNode(f"timeout: takes seconds, more than none, not {params['timeout']:g}")
    return Client(params.get("socket"), params.get("xenbus"), timeout=min(params["timeout"], ANSWER_LIMIT))


def resolve(client: Client, item: t.Mapping[str, t.Any], where: str = "") -> bytes:
    """The path that `path`, `domid` and `guest` of a task mean. Raises NoSuchDomain, WrongNode, PyXSError."""
    path = item.get("path") or ""
    at = f"{where}.path" if where else "path"
    if item.get("domid") is None and item.get("guest") is None:
        return checked(path, at)
    if path.startswith("/"):
        raise WrongNode(f"{at}: {path} is not below a domain; give it without the slash, or without the domain")
    home = _home(client, item)
    return join(home, checked(path, at)) if path else home


def _home(client: Client, item: t.Mapping[str, t.Any]) -> bytes:
    domid = item["domid"] if item.get("guest") is None else domid_of(client, item["guest"])
    if domid < 0:
        raise WrongNode(f"domid: takes a number from 0 on, not {domid}")
    home = client.get_domain_path(domid)
    if not client.exists(home):
        raise NoSuchDomain(f"there is no domain {domid} in XenStore ({home.decode('utf-8', 'replace')})")
    return home


def domid_of(client: Client, name: str) -> int:
    """Raises NoSuchDomain, also when two have that name."""
    domids = [number for number, found in names(client).items() if found == name]
    if len(domids) != 1:
        why = f"domains {', '.join(map(str, domids))} have" if domids else "no domain in XenStore has"
        raise NoSuchDomain(f"{why} the name {name}")
    return domids[0]


def names(client: Client) -> dict[int, str | None]:
    """The domains that have a place in XenStore, by number, and what they are called there. Raises PyXSError."""
    if not client.exists(DOMAINS):
        return {}
    domids = sorted(int(name) for name in client.list(DOMAINS) if name.isdigit())
    requests = [(Op.READ, b"%s/%d/name\0" % (DOMAINS, domid)) for domid in domids]
    answers = client.ask_all(requests)
    return {
        domid: None if isinstance(answer, PyXSError) else answer.decode("utf-8", "replace")
        for domid, answer in zip(domids, answers)
    }
