# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""python-kvm's families of commands as far as they list and read: domains, networks, interfaces, pools, volumes,
secrets, snapshots. Shapes are python-kvm's; a name that there is not raises KvmError (Gone)."""

from __future__ import annotations

import time
import typing as t

from .connection import Connection
from .document import Element, from_xml, parse
from .facts.networks import SECRET_USES
from .facts.storage import STATES as POOL_STATES
from .facts.values import attr, text

DOMAIN_STATES = ("no state", "running", "idle", "paused", "in shutdown", "shut off", "crashed", "pmsuspended")
VOLUME_TYPES = ("file", "block", "dir", "network", "netdir", "ploop")
# virConnectListAllDomainsFlags
DOMAIN_FLAGS = {
    "inactive": 2, "persistent": 4, "transient": 8, "state_running": 16, "state_paused": 32, "state_shutoff": 64,
    "state_other": 128, "with_managed_save": 256, "without_managed_save": 512, "autostart": 1024, "no_autostart": 2048,
    "with_snapshot": 4096, "without_snapshot": 8192,
}  # fmt: skip
DOMAIN_ACTIVE = 1
INACTIVE, ACTIVE = 1, 2  # of networks, interfaces and pools
XML_INACTIVE = 2  # virDomainXMLFlags

Listed = t.Dict[str, t.Dict[str, t.Any]]


class Family:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _ask(self, thing: t.Any, method: str, *arguments: t.Any) -> t.Any:
        return self._connection.ask_of(thing, method, *arguments)

    def _all(self, method: str, options: t.Mapping[str, t.Any]) -> list[t.Any]:
        """What is active; with `inactive` what is not, with `all` both."""
        flags = 0 if options.get("all") else INACTIVE if options.get("inactive") else ACTIVE
        return self._connection.ask(method, flags)


def _conf(root: Element, lists: t.Collection[str] = ()) -> dict[str, t.Any]:
    return from_xml(root, lists)[root.tag]


class Domains(Family):
    def _domain(self, name: str) -> t.Any:
        return self._connection.ask("lookupByName", name)

    def _root(self, name: str, flags: int = 0) -> Element:
        return parse(self._ask(self._domain(name), "XMLDesc", flags))

    def listed(self, all: bool = False, states: t.Collection[str] = (), **options: bool) -> Listed:
        flags = sum(value for name, value in DOMAIN_FLAGS.items() if options.get(name))
        if not (all or states or flags & DOMAIN_FLAGS["inactive"]):
            flags |= DOMAIN_ACTIVE
        found = {}
        for domain in self._connection.ask("listAllDomains", flags):
            state = DOMAIN_STATES[self._ask(domain, "state")[0]]
            if not states or state in states:
                found[self._ask(domain, "name")] = {"id": self._ask(domain, "ID"), "state": state}
        return found

    def id(self, name: str) -> int:
        return self._ask(self._domain(name), "ID")

    def uuid(self, name: str) -> str:
        return self._ask(self._domain(name), "UUIDString")

    def state(self, name: str) -> str:
        return DOMAIN_STATES[self._ask(self._domain(name), "state")[0]]

    def conf(self, name: str, inactive: bool = False) -> dict[str, t.Any]:
        """The guest's document; disks and interfaces are lists always."""
        return _conf(self._root(name, XML_INACTIVE if inactive else 0), ("disk", "interface"))

    def info(self, name: str) -> dict[str, t.Any]:
        domain = self._domain(name)
        state, maximum, memory, vcpus, spent = self._ask(domain, "info")
        number = self._ask(domain, "ID")
        running = {"cpu_time": f"{spent / 1e9:.1f}s"} if spent else {}
        return {
            "id": number if number >= 0 else "-",
            "name": self._ask(domain, "name"),
            "uuid": self._ask(domain, "UUIDString"),
            "os_type": self._ask(domain, "OSType"),
            "state": DOMAIN_STATES[state],
            "cpus": vcpus,
            **running,
            "max_memory": f"{maximum} KiB",
            "used_memory": f"{memory} KiB",
            "persistent": bool(self._ask(domain, "isPersistent")),
            "autostart": "enable" if self._ask(domain, "autostart") else "disable",
            "managed_save": bool(self._ask(domain, "hasManagedSaveImage", 0)),
        }

    def blklist(self, name: str) -> list[dict[str, str]]:
        return [
            {"target": attr(disk, "target", "dev") or "-", "source": _source(disk)}
            for disk in self._root(name).iterfind("devices/disk")
        ]

    def iflist(self, name: str) -> list[dict[str, str]]:
        return [
            {
                "interface": attr(link, "target", "dev") or "-",
                "type": link.get("type") or "-",
                "source": _source(link),
                "model": attr(link, "model", "type") or "-",
                "mac": attr(link, "mac", "address") or "-",
            }
            for link in self._root(name).iterfind("devices/interface")
        ]

    def blkinfo(self, name: str, device: str) -> dict[str, int]:
        """Bytes."""
        capacity, allocation, physical = self._ask(self._domain(name), "blockInfo", device, 0)
        return {"capacity": capacity, "allocation": allocation, "physical": physical}

    def blkstat(self, name: str, device: str) -> dict[str, int]:
        return dict(self._ask(self._domain(name), "blockStatsFlags", device, 0))

    def ifstat(self, name: str, interface: str) -> dict[str, int]:
        names = [f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errs", "drop")]
        return dict(zip(names, self._ask(self._domain(name), "interfaceStats", interface)))

    def memstat(self, name: str) -> dict[str, int]:
        return dict(self._ask(self._domain(name), "memoryStats"))


def _source(device: Element) -> str:
    source = device.find("source")
    names = ("file", "dev", "dir", "name", "network", "bridge", "volume")
    return next(filter(None, map(source.get, names)), "-") if source is not None else "-"


class Networks(Family):
    def _network(self, name: str) -> t.Any:
        return self._connection.ask("networkLookupByName", name)

    def listed(self, **options: bool) -> Listed:
        return {
            self._ask(one, "name"): {
                "state": "active" if self._ask(one, "isActive") else "inactive",
                "autostart": bool(self._ask(one, "autostart")),
                "persistent": bool(self._ask(one, "isPersistent")),
            }
            for one in self._all("listAllNetworks", options)
        }

    def info(self, name: str) -> dict[str, t.Any]:
        one = self._network(name)
        bridge = attr(parse(self._ask(one, "XMLDesc", 0)), "bridge", "name")
        return {
            "name": self._ask(one, "name"),
            "uuid": self._ask(one, "UUIDString"),
            "active": bool(self._ask(one, "isActive")),
            "persistent": bool(self._ask(one, "isPersistent")),
            "autostart": bool(self._ask(one, "autostart")),
            **({"bridge": bridge} if bridge else {}),
        }

    def uuid(self, name: str) -> str:
        return self._ask(self._network(name), "UUIDString")

    def conf(self, name: str) -> dict[str, t.Any]:
        return _conf(parse(self._ask(self._network(name), "XMLDesc", 0)))

    def leases(self, name: str) -> list[dict[str, t.Any]]:
        return list(self._ask(self._network(name), "DHCPLeases"))


class Interfaces(Family):
    def listed(self, **options: bool) -> Listed:
        return {
            self._ask(one, "name"): {
                "state": "active" if self._ask(one, "isActive") else "inactive",
                "mac": self._ask(one, "MACString"),
            }
            for one in self._all("listAllInterfaces", options)
        }

    def mac(self, name: str) -> str:
        return self._ask(self._connection.ask("interfaceLookupByName", name), "MACString")

    def name(self, mac: str) -> str:
        return self._ask(self._connection.ask("interfaceLookupByMACString", mac), "name")

    def conf(self, name: str) -> dict[str, t.Any]:
        return _conf(parse(self._ask(self._connection.ask("interfaceLookupByName", name), "XMLDesc", 0)))


class Pools(Family):
    def _pool(self, name: str) -> t.Any:
        return self._connection.ask("storagePoolLookupByName", name)

    def listed(self, **options: bool) -> Listed:
        return {
            self._ask(one, "name"): {
                "state": "active" if self._ask(one, "isActive") else "inactive",
                "autostart": bool(self._ask(one, "autostart")),
            }
            for one in self._all("listAllStoragePools", options)
        }

    def info(self, name: str) -> dict[str, t.Any]:
        one = self._pool(name)
        state, capacity, allocation, available = self._ask(one, "info")
        active = {"capacity": capacity, "allocation": allocation, "available": available} if state else {}
        return {
            "name": self._ask(one, "name"),
            "uuid": self._ask(one, "UUIDString"),
            "state": POOL_STATES[state],
            "persistent": bool(self._ask(one, "isPersistent")),
            "autostart": bool(self._ask(one, "autostart")),
            **{what: pretty(value) for what, value in active.items()},
        }

    def uuid(self, name: str) -> str:
        return self._ask(self._pool(name), "UUIDString")

    def conf(self, name: str) -> dict[str, t.Any]:
        return _conf(parse(self._ask(self._pool(name), "XMLDesc", 0)))


class Volumes(Family):
    def _volume(self, name: str, pool: str) -> t.Any:
        return self._ask(self._connection.ask("storagePoolLookupByName", pool), "storageVolLookupByName", name)

    def listed(self, pool: str) -> Listed:
        volumes = self._ask(self._connection.ask("storagePoolLookupByName", pool), "listAllVolumes", 0)
        return {self._ask(one, "name"): {"path": self._ask(one, "path")} for one in volumes}

    def info(self, name: str, pool: str) -> dict[str, str]:
        kind, capacity, allocation = self._ask(self._volume(name, pool), "info")
        return {
            "name": name,
            "type": VOLUME_TYPES[kind],
            "capacity": pretty(capacity),
            "allocation": pretty(allocation),
        }

    def path(self, name: str, pool: str) -> str:
        return self._ask(self._volume(name, pool), "path")

    def conf(self, name: str, pool: str) -> dict[str, t.Any]:
        return _conf(parse(self._ask(self._volume(name, pool), "XMLDesc", 0)))


class Secrets(Family):
    """For what there are secrets; their values are not read."""

    def listed(self) -> Listed:
        return {
            self._ask(one, "UUIDString"): {
                "usage": SECRET_USES[self._ask(one, "usageType")],
                "usage_id": self._ask(one, "usageID"),
            }
            for one in self._connection.ask("listAllSecrets", 0)
        }

    def conf(self, uuid: str) -> dict[str, t.Any]:
        return _conf(parse(self._ask(self._connection.ask("secretLookupByUUIDString", uuid), "XMLDesc", 0)))


class Snapshots(Family):
    def _domain(self, name: str) -> t.Any:
        return self._connection.ask("lookupByName", name)

    def listed(self, domain: str) -> Listed:
        return {
            self._ask(one, "getName"): self._about(one)
            for one in self._ask(self._domain(domain), "listAllSnapshots", 0)
        }

    def _about(self, one: t.Any) -> dict[str, t.Any]:
        root = parse(self._ask(one, "getXMLDesc", 0))
        made = time.localtime(int(text(root, "creationTime") or 0))
        return {"creation_time": time.strftime("%Y-%m-%d %H:%M:%S %z", made), "state": text(root, "state")}

    def current(self, domain: str) -> str:
        return self._ask(self._ask(self._domain(domain), "snapshotCurrent", 0), "getName")

    def conf(self, domain: str, name: str) -> dict[str, t.Any]:
        one = self._ask(self._domain(domain), "snapshotLookupByName", name, 0)
        return _conf(parse(self._ask(one, "getXMLDesc", 0)), ("disk", "interface"))

    def parent(self, domain: str, name: str) -> str:
        one = self._ask(self._domain(domain), "snapshotLookupByName", name, 0)
        return self._ask(self._ask(one, "getParent", 0), "getName")


FAMILIES = {
    "domain": Domains, "network": Networks, "interface": Interfaces, "pool": Pools, "volume": Volumes,
    "secret": Secrets, "snapshot": Snapshots,
}  # fmt: skip


def pretty(size: int) -> str:
    """Bytes as virsh prints them: the largest unit of which there is at least one, two places."""
    units = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
    power = next((at for at in range(len(units)) if size < 1024 ** (at + 1)), len(units) - 1)
    return f"{size / 1024**power:.2f} {units[power]}"
