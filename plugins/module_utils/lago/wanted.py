# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a lab is made of, as the journal keeps it: kind, name and a dictionary, in JSON's types.

`is` in it is what the init file means; where that is as it was, a thing is left alone, whatever else has become known
of it. Things that only exist in a running lab are its networks and domains.
"""

from __future__ import annotations

import hashlib
import json
import os
import typing as t

from . import identity, seed
from .addressing import Addresses
from .dns import dns_names
from .errors import InitFileError
from .initfile.model import Disk, Domain, Net
from .lab import Lab
from .paths import Paths
from .standing import Key

Detail = t.Dict[str, t.Any]
Things = t.Dict[Key, Detail]

SEED = "seed"  # the name of the CD that tells a VM who it is, beside its disks
SEED_DEV = "sdz"

FIXED = ("memory", "vcpu", "cpu_model", "cpu_custom", "kernel", "initrd", "cmdline")
OF_DISK = ("type", "format", "template_type", "template_name", "template_version", "path", "url", "size", "make_a_copy")


def files(lab: Lab) -> Things:
    """Disks, seeds and templates. Raises InitFileError where two disks would have one file."""
    found: Things = {}
    paths: dict[str, str] = {}
    for domain in lab.domains.values():
        for number, disk in enumerate(domain.disks):
            name = f"{domain.name}/{disk.name}"
            detail = disk_detail(lab.paths, domain, disk)
            other = paths.setdefault(detail["path"], name)
            if other != name and detail["own"]:
                raise InitFileError(f"domains.{domain.name}.disks[{number}].name", f"its file is that of {other} too")
            found["disk", name] = detail
            if "template" in detail:
                found["template", detail["template"]] = {"is": {"template": detail["template"]}}
        if domain.bootstrap:
            found["seed", domain.name] = _seed(lab, domain)
    return _plain(found)


def disk_detail(paths: Paths, domain: Domain, disk: Disk) -> Detail:
    """Of the thing `disk VM/DISK`; when it is made, `chain` is added: its file and format, and those below it."""
    meaning = {key: getattr(disk, key) for key in OF_DISK if getattr(disk, key)}
    if disk.build:
        meaning["build"] = [dict(one) for one in disk.build]
    copied = disk.type != "file" or disk.make_a_copy or bool(disk.url)
    own = paths.disk(domain.name, disk.name, disk.format)
    detail = {"is": meaning, "own": copied, "path": own if copied else os.path.abspath(disk.path)}
    if disk.template_name:
        version = f":{disk.template_version}" if disk.template_version else ""
        detail["template"] = disk.template_name + version
    return detail


def _seed(lab: Lab, domain: Domain) -> Detail:
    contents = seed.contents(lab.uuid, domain, lab.spec, lab.addresses, [lab.key])
    digest = hashlib.sha256(b"".join(contents[name] for name in sorted(contents))).hexdigest()
    return {"is": {"sha256": digest}, "path": lab.paths.seed(domain.name)}


def running(lab: Lab, names: t.Container[str]) -> Things:
    """Networks, and the domains of `names`."""
    found: Things = {("network", net.name): _network(lab, net) for net in lab.spec.nets.values()}
    for domain in lab.domains.values():
        if domain.name in names:
            found["domain", domain.name] = _domain(lab, domain)
    return _plain(found)


def _network(lab: Lab, net: Net) -> Detail:
    addresses = lab.addresses[net.name]
    meaning: Detail = {
        "type": net.type,
        "mtu": net.mtu,
        "management": net.management,
        "domain": net.dns_domain_name,
        "subnets": [str(one) for one in addresses.subnets if one is not None],
        "gw": str(addresses.gw or ""),
        "dhcp": list(net.dhcp) if net.dhcp else [],
        "hosts": _hosts(lab, net, addresses),
        "names": dns_names(net, lab.addresses),
        **({"bridge": net.bridge} if net.bridge else {}),
    }
    return {
        "is": meaning,
        "uuid": identity.object_uuid(lab.uuid, identity.NETWORK, net.name),
        "libvirt_name": identity.network_name(lab.uuid, net.name),
        "bridge": net.bridge or identity.bridge_name(lab.uuid, net.name),
    }


def _hosts(lab: Lab, net: Net, addresses: Addresses) -> dict[str, str]:
    """Addresses by MAC that the DHCP server gives."""
    if net.dhcp is None:
        return {}
    return {
        identity.mac(lab.uuid, place.domain, place.nic): f"{place.names[0]} {place.v4 or ''} {place.v6 or ''}".strip()
        for place in addresses.places
    }


def _domain(lab: Lab, domain: Domain) -> Detail:
    machine = lab.machine_of(domain)
    fixed = {key: getattr(domain, key) for key in FIXED if getattr(domain, key)}
    nics = {
        str(number): {
            "net": nic.net,
            "mac": identity.mac(lab.uuid, domain.name, number),
            "mtu": lab.spec.nets[nic.net].mtu,
        }
        for number, nic in enumerate(domain.nics)
    }
    disks = {disk.name: {"dev": disk.dev, "cdrom": disk.cdrom} for disk in domain.disks}
    if domain.bootstrap:
        disks[SEED] = {"dev": SEED_DEV, "cdrom": True}
    return {
        "is": {"fixed": {**fixed, "machine": list(machine)}, "nics": nics, "disks": disks},
        "uuid": identity.object_uuid(lab.uuid, identity.DOMAIN, domain.name),
        "libvirt_name": identity.domain_name(lab.uuid, domain.name),
    }


def _plain(things: Things) -> Things:
    return {key: json.loads(json.dumps(detail)) for key, detail in things.items()}


def line(key: Key, detail: Detail) -> str:
    """The canonical line of a thing."""
    words = LINES[key[0]](detail["is"]) if key[0] in LINES and "is" in detail else []
    return "  ".join([f"{key[0]} {key[1]}", *words])


def _line_of_disk(meaning: Detail) -> list[str]:
    what = meaning.get("template_name") or meaning.get("path") or meaning.get("url") or ""
    version = f":{meaning['template_version']}" if "template_version" in meaning else ""
    size = f"{meaning['size']} bytes" if "size" in meaning else ""
    return [one for one in (meaning["type"], what + version, size, meaning["format"]) if one]


def _line_of_network(meaning: Detail) -> list[str]:
    words = [meaning["type"], *meaning["subnets"]]
    words += [f"{key} {meaning[key]}" for key in ("gw", "mtu", "domain") if meaning[key]]
    words += [f"bridge {meaning['bridge']}"] if "bridge" in meaning else []
    words += ["management"] if meaning["management"] else []
    words += ["dhcp {}-{}".format(*meaning["dhcp"])] if meaning["dhcp"] else []
    words += [f"host {host}" for host in meaning["hosts"].values()]
    return words + [f"dns {address} {'/'.join(names)}" for address, names in meaning["names"].items()]


def _line_of_domain(meaning: Detail) -> list[str]:
    fixed = dict(meaning["fixed"])
    kind, arch, machine = fixed.pop("machine")[:3]
    words = [f"{'kvm' if kind == 'kvm' else 'tcg'} {arch} {machine}"]
    words += [f"{key} {value}" for key, value in fixed.items()]
    words += [f"eth{number} {nic['net']}" for number, nic in meaning["nics"].items()]
    return words + [f"{disk['dev']} {name}" for name, disk in meaning["disks"].items()]


LINES: t.Dict[str, t.Callable[[Detail], t.List[str]]] = {
    "disk": _line_of_disk,
    "seed": lambda _unused: ["NoCloud"],
    "template": lambda _unused: [],
    "network": _line_of_network,
    "domain": _line_of_domain,
}
