# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is left on a host of labs that are gone goes too: only what can be proved to be nobody's.

That are domains and networks in libvirt whose ids follow from a lab's uuid where no folder has that uuid, leases whose
prefix is gone, and images in the store that no prefix uses.
"""

from __future__ import annotations

import typing as t

from ..hypervisor.connection import Connection
from ..plan import Change, Plan
from . import files, identity, orphans
from .errors import LagoError
from .removing import remove
from .standing import Thing
from .subnet_store import Lease, SubnetStore
from .templates.store import TemplateStore

SETTINGS = ("lease_dir", "template_store", "libvirt_logs", "libvirt_lib", "libvirt_run")
WAVES = {identity.DOMAIN: 0, identity.NETWORK: 1, "lease": 2, "image": 3}


class Host(t.NamedTuple):
    """What is pruned: `prefixes` are folders of labs that are known to be there, besides those that libvirt's domains
    and the leases name. `settings` has all of SETTINGS. `keep`: bytes of unused images.
    """

    connection: Connection
    settings: t.Mapping[str, str]
    prefixes: t.Sequence[str] = ()
    keep: int = 0

    def setting(self, key: str) -> str:
        return self.settings[key]


def plan(host: Host) -> Plan:
    """Of all that is nobody's; to be applied, or shown. Raises LagoError, KvmError, OSError."""
    store, images = SubnetStore(host.setting("lease_dir")), TemplateStore(host.setting("template_store"))
    found = [_change(one.kind, one.name, f"of the lab {one.prefix}", one) for one in _orphans(host, store)]
    found += [_change("lease", str(one.subnet), f"of {one.uuid_path}", one) for one in store.dead()]
    unused = images.unused(host.keep)
    found += [_change("image", sha256, f"{size} bytes", sha256) for sha256, size in unused.items()]
    return Plan(sorted(found, key=lambda change: change.wave), lambda actions: [_done(host, one) for one in actions])


def _orphans(host: Host, leases: SubnetStore) -> list[orphans.Thing]:
    things, known = orphans.of_labs(host.connection)
    known |= {lease.uuid for lease in leases.leases()}
    known |= {files.first_line(f"{path}/uuid") for path in host.prefixes}
    return [thing for thing in things if thing.prefix not in known]


def _change(kind: str, name: str, about: str, what: t.Any) -> Change:
    return Change(f"{kind} {name}", "remove", f"{kind} {name}  {about}", "", (kind, what), wave=WAVES[kind])


def _done(host: Host, action: tuple[str, t.Any]) -> Exception | None:
    kind, what = action
    try:
        REMOVERS[kind](host, what)
    except Exception as error:  # whatever it is, the plan tells it
        return error
    return None


def _of_libvirt(host: Host, what: orphans.Thing) -> None:
    detail = {"uuid": what.uuid, "libvirt_name": what.name}
    remove(t.cast(t.Any, host), Thing(what.kind, what.name, "made", detail))


def _lease(host: Host, lease: Lease) -> None:
    """Unless its prefix has come back."""
    if not lease.alive:
        SubnetStore(host.setting("lease_dir")).release(lease.subnet, lease.uuid_path)


def _image(host: Host, sha256: str) -> None:
    """Unless somebody has begun to use it: the store decides again, under its lock."""
    TemplateStore(host.setting("template_store")).collect(host.keep)
    if sha256 in TemplateStore(host.setting("template_store")).unused(host.keep):
        raise LagoError(f"the image {sha256} is still there")


REMOVERS: t.Dict[str, t.Callable[[Host, t.Any], None]] = {
    identity.DOMAIN: _of_libvirt,
    identity.NETWORK: _of_libvirt,
    "lease": _lease,
    "image": _image,
}
