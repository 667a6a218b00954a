# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs of a lab, with Lago's methods."""

from __future__ import annotations

import json
import time
import typing as t

from ..hypervisor.errors import Gone
from . import files, identity
from .addressing import Place
from .errors import LagoError
from .guest import Guest
from .initfile.model import Domain

if t.TYPE_CHECKING:
    from .documents.domain import DiskFile
    from .virt_env import VirtEnv

# virDomainState (libvirt-domain.h), in virsh's words
STATES = ("no state", "running", "blocked", "paused", "in shutdown", "shut off", "crashed", "suspended")
MISSING = "missing"
PAUSE = 0.2  # seconds between two looks at a guest that powers itself off


class VM(Guest):
    """`spec` is what the init file says of it."""

    def __init__(self, env: VirtEnv, spec: Domain) -> None:
        self._env, self.spec = env, spec

    def virt_env(self) -> VirtEnv:
        return self._env

    def name(self) -> str:
        return self.spec.name

    @property
    def metadata(self) -> dict[str, t.Any]:
        return dict(self.spec.metadata)

    @property
    def groups(self) -> tuple[str, ...]:
        return self.spec.groups

    # Addresses

    def _places(self) -> dict[int, Place]:
        """By the number of the interface."""
        found = self._env.lab.addresses.values()
        return {place.nic: place for one in found for place in one.places if place.domain == self.spec.name}

    def nics(self) -> list[dict[str, t.Any]]:
        """`net`, `mac`, `tap` (its link on the host), `ip` and `ip6` ("" where it has none), in the file's order."""
        places, uuid = self._places(), self._env.lab.uuid
        return [
            {
                "number": number,
                "net": nic.net,
                "mac": identity.mac(uuid, self.spec.name, number),
                "tap": identity.tap_name(uuid, self.spec.name, number),
                "ip": str(places[number].v4 or "") if number in places else "",
                "ip6": str(places[number].v6 or "") if number in places else "",
            }
            for number, nic in enumerate(self.spec.nics)
        ]

    def ip(self) -> str:
        """Its address on the management network; "" where it has none."""
        nets = self._env.lab.spec.nets
        found = [nic["ip"] or nic["ip6"] for nic in self.nics() if nets[nic["net"]].management]
        return str(found[0]) if found else ""

    def all_ips(self) -> list[str]:
        return [one for nic in self.nics() for one in (nic["ip"], nic["ip6"]) if one]

    def iscsi_name(self) -> str:
        return identity.iscsi_name(self.spec.name)

    def root_password(self) -> str:
        """What the file says, else what the first disk's template says; "" where neither does."""
        return self.spec.root_password or str(self._template_metadata().get("root-password", ""))

    def distro(self) -> str:
        return self.spec.distro or str(self._template_metadata().get("distro", ""))

    def _template_metadata(self) -> dict[str, t.Any]:
        if not self.spec.disks:
            return {}
        things = self._env.standing().things
        disk = things.get(("disk", f"{self.spec.name}/{self.spec.disks[0].name}"))
        template = things.get(("template", disk.detail.get("template", ""))) if disk else None
        return dict(template.detail.get("metadata") or {}) if template else {}

    # In libvirt

    @property
    def uuid(self) -> str:
        return identity.object_uuid(self._env.lab.uuid, identity.DOMAIN, self.spec.name)

    @property
    def libvirt_name(self) -> str:
        return identity.domain_name(self._env.lab.uuid, self.spec.name)

    def _libvirt_name(self) -> str:
        return self.libvirt_name

    def domain(self) -> t.Any:
        """libvirt-python's own object. Raises KvmError (Gone while it is stopped)."""
        return self._env.connection.ask("lookupByUUIDString", self.uuid)

    def state(self) -> str:
        """In virsh's words; `missing` where libvirt does not know it, as of one that is stopped. Raises KvmError."""
        try:
            number = self._env.connection.ask_of(self.domain(), "state", 0)[0]
        except Gone:
            return MISSING
        return STATES[number] if number < len(STATES) else STATES[0]

    def alive(self) -> bool:
        return self.state() not in (MISSING, "shut off", "crashed")

    def document(self) -> str:
        """Its document for libvirt, as it would be started now. Raises LagoError."""
        from .making import domain_xml

        return domain_xml(self._env.lab, self.spec.name, self._env.standing(), self._env.chains)

    def disks(self) -> list[DiskFile]:
        """As they lie on the host, without the CD of its first boot. Raises LagoError for one that was not made."""
        from .making import disk_files

        return disk_files(self._env.lab, self.spec.name, self._env.standing(), self._env.chains)

    def bootstrap(self, selinux: str = "") -> None:
        """Writes into its first disk who it is, by virt-sysprep: for a guest that reads it neither from its CD nor from
        its SMBIOS. `selinux`: the mode that it is to have. Raises LagoError while it runs, CommandError.
        """
        from . import sysprep

        if self.alive():
            raise LagoError(f"preparing the disk of {self.spec.name}: it runs")
        mods = [
            sysprep.set_hostname(self.spec.name),
            sysprep.set_iscsi_initiator_name(self.iscsi_name()),
            sysprep.add_ssh_key(self._env.prefix.paths.ssh_id_rsa_pub()),
        ]
        if self.root_password():
            mods.append(sysprep.set_root_password(self.root_password()))
        if selinux:
            mods.append(sysprep.set_selinux_mode(selinux))
        path, form = self.disks()[0].chain[0]
        sysprep.sysprep(path, mods, form, relabel=bool(selinux), kind=self._env.lab.machine.type)

    def shutdown(self, timeout: float = 60.0) -> bool:
        """Asks it to power itself off, and pulls the plug on one that does not; whether it did. Raises KvmError."""
        from .utils import EggTimer

        timer = EggTimer(timeout)
        if self.alive():
            self._env.connection.ask_of(self.domain(), "shutdown")
        while self.alive() and not timer.elapsed():
            time.sleep(PAUSE)
        graceful = not self.alive()
        self.stop()
        return graceful

    def start(self) -> None:
        self._env.start([self.spec.name])

    def stop(self) -> None:
        """As by pulling the plug."""
        self._env.prefix.stop([self.spec.name])

    def vnc_port(self) -> int | None:
        """None while there is none. Raises KvmError."""
        if not self.alive():
            return None
        from xml.etree import ElementTree

        root = ElementTree.fromstring(self._env.connection.ask_of(self.domain(), "XMLDesc", 0))
        port = next((int(one.get("port", "-1")) for one in root.iterfind("devices/graphics[@type='vnc']")), -1)
        return port if port > 0 else None

    def console(self) -> str:
        """The file with all that it wrote to its console."""
        return self._env.prefix.paths.console(self.spec.name)

    def create_snapshot(self, name: str, **how: t.Any) -> t.Any:
        """Of the whole lab: a VM's alone could not be gone back to without the others."""
        return self._env.create_snapshots(name, **how)

    def revert_snapshot(self, name: str, **how: t.Any) -> t.Any:
        return self._env.revert_snapshots(name, **how)

    def save(self, path: str | None = None) -> None:
        """Its file, for people and tools; what counts is in that of the lab. Raises OSError."""
        spec = self.spec
        kept = {
            "name": spec.name,
            "uuid": self.uuid,
            "libvirt_name": self.libvirt_name,
            "memory": spec.memory,
            "vcpu": spec.vcpu,
            "groups": list(spec.groups),
            "distro": spec.distro,
            "ssh-user": spec.ssh_user,
            "metadata": dict(spec.metadata),
            "nics": self.nics(),
            "disks": [self._saved(disk) for disk in self.disks()] if spec.vm_provider == "local-libvirt" else [],
            "snapshots": {name: self._of_snapshot(one) for name, one in self._env.snapshots.get("taken", {}).items()},
        }
        files.write_whole(path or self._env.virt_path(f"vm-{spec.name}"), json.dumps(kept, indent=1).encode())

    def _saved(self, made: DiskFile) -> dict[str, t.Any]:
        disk = next(one for one in self.spec.disks if one.name == made.name)
        return {
            "name": disk.name,
            "type": disk.type,
            "dev": disk.dev,
            "format": disk.format,
            "template_name": disk.template_name,
            "template_version": disk.template_version,
            "path": made.chain[0][0],
        }

    def _of_snapshot(self, taken: t.Any) -> t.Any:
        return taken.get("vms", {}).get(self.spec.name, {}) if isinstance(taken, dict) else {}
