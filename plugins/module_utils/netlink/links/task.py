# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `netlink_link` task from its parameters to its result."""

from __future__ import annotations

import typing as t

from ... import plan as spine
from .. import show
from ..channel import uncollected
from .converge import converge, found_links
from .host import Host
from .runner import Runner
from .spec import LINK
from .wanted import WrongLink, parse_all

FAILURES = (WrongLink, spine.ChangeFailed, spine.NotConverged, OSError, ValueError)

Link = t.Dict[str, t.Any]


def run(params: t.Mapping[str, t.Any], check: bool, diff: bool = True) -> dict[str, t.Any]:
    """`changed`, `changes` and the links as they are in the end (with `check`: as they are now), and `diff` if asked.

    Raises FAILURES.
    """
    batch = params.get("links")
    if batch is not None:
        _refuse_beside(params)
    wanted = parse_all([params] if batch is None else batch, params.get("netns"), "" if batch is None else "links")
    with uncollected(), Runner() as runner:
        plan, hosts = converge(wanted, check, runner, diff)
        asked = wanted[: 1 if batch is None else len(batch)]
        links = [
            shown(hosts[want.place], found, want.place)
            for want, found in found_links(hosts, asked)
            if found is not None
        ]
    result = {"changed": bool(plan), "changes": plan.review(), **({"diff": plan.diff()} if diff else {})}
    if batch is not None:
        return {**result, "links": links}
    return {**result, "link": links[0] if links else None}


def _refuse_beside(params: t.Mapping[str, t.Any]) -> None:
    """What has a default is not seen to be given beside `links` by Ansible itself. Raises WrongLink."""
    for option, about in LINK.items():
        if "default" in about and params.get(option) not in (None, about["default"]):
            raise WrongLink(option, "is of one link: with links, each of them says it")


def shown(host: Host, found: Link, netns: str | None) -> Link:
    """A link as `ip -j -d addr` shows it."""
    near: set[t.Any] = {found.get("master"), None if "link_netnsid" in found else found.get("link")}
    near.update(options[name] for options, name in show.linked(found.get("linkinfo") or {}))
    near -= {None, 0}
    known = [one for one in map(host.by_index, near) if one] if near else ()
    link = show.link(dict(found), show.names_of(known))
    link["addr_info"] = addresses = [dict(one) for one in host.addresses_of(found["ifindex"])]
    for one in addresses:
        del one["index"]
    return {**link, "netns": netns} if netns else link
