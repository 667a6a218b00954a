# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What has to be done to bring a lab to what is wished: looked at, compared and planned; nothing is changed."""

from __future__ import annotations

import os
import typing as t

from ..plan import Change, Plan
from . import files, identity
from .converge import changes
from .errors import LagoError
from .initfile import domains
from .initfile.model import InitFile
from .lab import Lab, addressed, specified
from .leasing import Lease, Leases, subnets
from .machine import KVM, Machine
from .standing import Key, Standing
from .subnets import pools_of
from .wanted import Detail, Things, running
from .wanted import files as files_of
from .wish import Wish

if t.TYPE_CHECKING:
    from .prefix import Prefix

STATES = ("", "initialized", "started", "stopped")
IN_LIBVIRT = ("network", "domain")
ACTIVE = {"network": ("listAllNetworks", 2), "domain": ("listAllDomains", 1)}  # VIR_CONNECT_LIST_*_ACTIVE
PLANNED = ("disk", "seed", "template", *IN_LIBVIRT)  # the kinds of things that plans are made for


def planned(prefix: Prefix, wish: Wish) -> Plan:
    """What would be carried out; changes nothing."""
    check(prefix, wish)
    before = prefix.virt_env.lab if prefix.specified() else None
    uuid = files.first_line(prefix.paths.uuid()) or identity.new_uuid()
    after = foreseen(prefix, wish, before, uuid)
    have, want = things(prefix, prefix.standing(), wish, before, after)
    return Plan(all_changes(have, want, before, after), refuse)


def all_changes(have: Things, want: Things, before: Lab | None, after: Lab) -> list[Change]:
    """Of things, and of what the lab's file alone tells."""
    found = changes(have, want, before, after)
    if before is None or before.spec == after.spec:
        return found
    from . import described

    return [*found, *described.changes(before, after)]


def foreseen(prefix: Prefix, wish: Wish, before: Lab | None, uuid: str) -> Lab:
    """With the subnets that would be leased now."""
    leases = Leases(prefix.setting("lease_dir"), prefix.paths, uuid, prefix.connection)
    return lab_of(prefix, wish, before, leases.candidate, uuid)


def refuse(_actions: t.Sequence[t.Any]) -> t.Sequence[Exception | None]:
    raise LagoError("this plan was made to be shown")


def check(prefix: Prefix, wish: Wish) -> None:
    if wish.state not in STATES:
        raise LagoError(f"{wish.state!r} is no state of a lab; there are {', '.join(STATES[1:])}")
    if wish.conf is None and not prefix.specified():
        raise LagoError(f"{prefix.paths.prefix()}: there is no lab yet; it needs an init file")


def lab_of(prefix: Prefix, wish: Wish, before: Lab | None, lease: Lease, uuid: str = "") -> Lab:
    """The lab that is wished, with its subnets and addresses."""
    paths = prefix.paths
    conf = before.given if wish.conf is None and before else _with_user(wish.conf or {}, prefix.setting("ssh_user"))
    folder = {"LAGO_INITFILE_PATH": wish.init_file} if wish.init_file else {}
    variables = {**(dict(before.variables) if before else {}), **folder, "LAGO_PREFIX_PATH": paths.prefix()}
    variables["LAGO_WORKDIR_PATH"] = os.path.dirname(paths.prefix())
    spec = _spec(conf, variables, before)
    for name in wish.vms or ():
        if name not in spec.domains:
            raise LagoError(f"there is no VM {name} in the lab; it has {', '.join(spec.domains)}")
    machine = _machine(prefix, spec, before)
    uuid = uuid or prefix.uuid
    key = files.first_line(paths.ssh_id_rsa_pub()) or "ssh-rsa to-be-made"
    addresses = addressed(spec, subnets(uuid, spec, lease, pools_of(prefix.setting("subnet_pools"))))
    return Lab(uuid, paths, conf, variables, spec, addresses, machine, key)


def _with_user(conf: t.Mapping[str, t.Any], user: str) -> t.Mapping[str, t.Any]:
    """Raises InitFileError."""
    if user == domains.ROOT:  # who it is anyway
        return conf
    return domains.with_user(conf, user)


def _spec(conf: t.Mapping[str, t.Any], variables: t.Mapping[str, str], before: Lab | None) -> InitFile:
    if before is None:
        return specified(conf, variables)
    if conf == before.given and variables == before.variables:
        return before.spec
    return specified(conf, variables, {name: one.mapping for name, one in before.addresses.items()})


def _machine(prefix: Prefix, spec: InitFile, before: Lab | None) -> Machine:
    if before and not any(domain.accel == KVM for domain in spec.domains.values()):
        return before.machine
    from . import machine_choice

    machine_choice.check(prefix.connection, spec)
    return before.machine if before else machine_choice.choose(prefix.connection)


def things(prefix: Prefix, standing: Standing, wish: Wish, before: Lab | None, after: Lab) -> tuple[Things, Things]:
    have = {key: _detail(thing) for key, thing in standing.things.items() if key[0] in PLANNED}
    up, nets = _up(have, wish, before, after)
    want = _without_templates(files_of(after), have)
    _check_tools(have, want)
    on = running(after, up)
    want.update({key: one for key, one in on.items() if key[0] == "domain" or nets})
    alive = _alive(prefix) if any(key[0] in IN_LIBVIRT for key in have) else set()
    dead = [
        key for key in have if key in want and key[0] in IN_LIBVIRT and (key[0], have[key].get("uuid")) not in alive
    ]
    return {key: one for key, one in have.items() if key not in dead}, want


def _check_tools(have: Things, want: Things) -> None:
    """Of disks that are to be built: a tool that is missing is told before a template is downloaded."""
    for key, one in want.items():
        if "build" in one["is"] and (key not in have or have[key].get("is") != one["is"]):
            from . import sysprep

            sysprep.demand(key[1], one["is"]["build"])


def _detail(thing: t.Any) -> Detail:
    return {**thing.detail, "redo": True} if thing.state == "changing" else dict(thing.detail)


def _up(have: Things, wish: Wish, before: Lab | None, after: Lab) -> tuple[set[str], bool]:
    """The VMs that are to run, and whether the networks are."""
    now = {name for kind, name in have if kind == "domain"}
    on = any(kind == "network" for kind, _unused in have)
    every = set(after.domains)
    if wish.state == "started":
        return (now | set(every if wish.vms is None else wish.vms)) & every, True
    if wish.state == "stopped":
        return (set(), False) if wish.vms is None else ((now - set(wish.vms)) & every, on)
    new = every - set(before.domains) if before and on else set()
    return (now | new) & every, on


def _without_templates(want: Things, have: Things) -> Things:
    """Without those that no disk needs any more, since it is made and stays."""
    needed = {
        one["template"]
        for key, one in want.items()
        if "template" in one and (key not in have or have[key].get("is") != one["is"])
    }
    return {key: one for key, one in want.items() if key[0] != "template" or key[1] in needed or key in have}


def _alive(prefix: Prefix) -> set[Key]:
    """Kinds and uuids of what runs in libvirt."""
    connection = prefix.connection
    return {
        (kind, connection.ask_of(one, "UUIDString"))
        for kind, (method, flags) in ACTIVE.items()
        for one in connection.ask(method, flags)
    }
