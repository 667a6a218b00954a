# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a libvirtd leaves of a network when it is killed as it starts or stops one, which takes it half a second.

It takes the network for stopped then, and cannot start it any more: its bridge is there already. The bridge is what
is made first and removed last (src/network/bridge_driver.c), so that it tells whether there is anything.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import typing as t
from xml.etree import ElementTree

from ..hypervisor.connection import Connection
from . import identity


def sweep(connection: Connection, network: t.Any) -> None:
    """Removes it, of a lab's network that does not run. Raises KvmError, LagoError, NetlinkError."""
    root = ElementTree.fromstring(connection.ask_of(network, "XMLDesc", 0))
    name, bridge = root.findtext("name", ""), _own_bridge(root)
    if not bridge or not _is_there(bridge):
        return
    from . import brctl, firewall

    _end_dnsmasq(name)
    firewall.remove_rules(bridge, [_subnet(one) for one in root.iterfind("ip")])
    brctl.destroy(bridge)


def _own_bridge(root: ElementTree.Element) -> str:
    """Its name; "" where the bridge is the host's."""
    said = root.find("bridge")
    owner = identity.network_owner(root.findtext("name", ""), root.findtext("uuid", ""))
    own = identity.bridge_name(*owner) if owner else ""
    return own if said is not None and said.get("name") == own else ""


def _is_there(link: str) -> bool:
    try:
        socket.if_nametoindex(link)
    except OSError:
        return False
    return True


def _subnet(said: ElementTree.Element) -> str:
    length = said.get("prefix") or said.get("netmask")
    return str(ipaddress.ip_interface(f"{said.get('address')}/{length}").network)


def _end_dnsmasq(network: str) -> None:
    """Its processes, which their file tells from others."""
    for entry in os.listdir("/proc"):
        if entry.isdigit() and _serves(entry, f"/{network}.conf"):
            try:
                os.kill(int(entry), signal.SIGKILL)
            except ProcessLookupError:
                continue


def _serves(pid: str, conf: str) -> bool:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            program, *words = stream.read().decode(errors="replace").split("\0")
    except OSError:
        return False
    return os.path.basename(program) == "dnsmasq" and any(
        word.startswith("--conf-file=") and word.endswith(conf) for word in words
    )
