# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Actions of tun and tap links, which are made and changed by ioctls of /dev/net/tun."""

from __future__ import annotations

import typing as t

from .picture import Object

if t.TYPE_CHECKING:
    from ..netlink.channel import NetlinkSocket

OPTIONS = ("type", "user", "group", "multi_queue", "vnet_hdr", "pi")

Action = t.Callable[["NetlinkSocket"], None]


def _options(values: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    return {name: values[name] for name in OPTIONS if values.get(name) is not None}


def creation(then: Object) -> Action:
    """Makes a persistent link under its index."""

    def act(channel: NetlinkSocket) -> None:
        from ..netlink.kinds import tuntap

        options = _options(then.get("options") or {})
        tuntap.create(then["ifname"], **options, netns=channel.netns, index=then["ifindex"])

    return act


def change(now: Object, values: t.Mapping[str, t.Any]) -> Action:
    name = now["ifname"]

    def act(channel: NetlinkSocket) -> None:
        from ..netlink.kinds import tuntap

        tuntap.change(name, **_options(values), netns=channel.netns)

    return act
