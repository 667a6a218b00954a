# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases of subnets on one host: a file each in one folder, made and removed under the folder's lock.

    192.168.203.0-24.lease    {"subnet": "192.168.203.0/24", "uuid_path": "/lab/uuid", "uuid": "...", "use": "mgmt"}

A lease lives while the file `uuid_path` has that uuid: whose prefix was removed by hand, or made anew, has none. A file
is whole or not there, also when the host crashed.
"""

from __future__ import annotations

import ipaddress
import json
import os
import typing as t

from . import files
from .errors import LeaseError
from .initfile.names import Subnet
from .subnets import DEFAULT_POOLS, Pool, Taken, first_free, overlap

SUFFIX = ".lease"


class Lease(t.NamedTuple):
    """`use`: what for, as the owner said it (the network's name)."""

    subnet: Subnet
    uuid_path: str
    uuid: str
    use: str

    @property
    def alive(self) -> bool:
        return files.first_line(self.uuid_path) == self.uuid


def _nothing() -> list[Taken]:
    return []


class Claim(t.NamedTuple):
    """What an owner asks for: `subnet`, or any of `pools`, for `use`.

    `taken` says what else the host has in use; it is asked where a subnet has to be chosen.
    """

    uuid_path: str
    subnet: Subnet | None = None
    use: str = ""
    pools: t.Sequence[Pool] = DEFAULT_POOLS
    taken: t.Callable[[], t.Sequence[Taken]] = _nothing


class SubnetStore:
    """The leases in the folder `path`, which is made when the first is. `timeout`: seconds to wait for its lock."""

    def __init__(self, path: str, timeout: float = 30.0) -> None:
        self.path, self.timeout = path, timeout

    def acquire(self, claim: Claim) -> Subnet:
        """Leases the subnet that is claimed, else the first of the pools that is free.

        What this owner has already for the same `use` (and of the same family) it gets again, so that an interrupted
        run leases nothing twice. Raises LeaseError, LockTimeout, OSError, and what `taken` raises.
        """
        uuid = files.first_line(claim.uuid_path)
        if not uuid:
            raise LeaseError(f"leasing a subnet: {claim.uuid_path} is no file with a uuid")
        with files.locked(self.path, self.timeout, folder=True):
            alive = self._alive()
            mine = _again(alive, claim)
            if mine is not None:
                return mine
            chosen = _chosen(alive, claim)
            self._write(Lease(chosen, claim.uuid_path, uuid, claim.use))
        return chosen

    def candidate(self, claim: Claim) -> Subnet:
        """What `acquire` would lease now; leases nothing. Raises LeaseError, OSError, and what `taken` raises."""
        alive = [one for one in self._read() if one.alive]
        return _again(alive, claim) or _chosen(alive, claim)

    def release(self, subnet: Subnet, uuid_path: str | None = None) -> bool:
        """Whether it was leased; to that owner, where one is given. Raises LockTimeout, OSError."""
        if not os.path.isdir(self.path):
            return False
        with files.locked(self.path, self.timeout, folder=True):
            found = [one for one in self._read() if one.subnet == subnet and uuid_path in (None, one.uuid_path)]
            for lease in found:
                self._remove(lease.subnet)
        return bool(found)

    def release_all(self, uuid_path: str) -> list[Subnet]:
        """All of one owner, alive or not; those that there were. Raises LockTimeout, OSError."""
        return self._release_where(lambda lease: lease.uuid_path == uuid_path)

    def release_use(self, uuid_path: str, use: str) -> list[Subnet]:
        """What one owner has for `use`. Raises LockTimeout, OSError."""
        return self._release_where(lambda lease: lease.uuid_path == uuid_path and lease.use == use)

    def _release_where(self, wanted: t.Callable[[Lease], bool]) -> list[Subnet]:
        if not os.path.isdir(self.path):
            return []
        with files.locked(self.path, self.timeout, folder=True):
            found = [one.subnet for one in self._read() if wanted(one)]
            for subnet in found:
                self._remove(subnet)
        return found

    def leases(self, uuid: str | None = None) -> list[Lease]:
        """Those that live, by subnet; of one prefix, where its uuid is given."""
        found = [one for one in self._read() if one.alive and uuid in (None, one.uuid)]
        return sorted(found, key=lambda one: (one.subnet.version, one.subnet))

    def dead(self) -> list[Lease]:
        """Those whose prefix is gone, and whose files nobody has removed yet."""
        return [one for one in self._read() if not one.alive]

    def _alive(self) -> list[Lease]:
        """Those that live; the files of others are removed, and what a killed process left."""
        files.sweep(self.path)
        found = self._read()
        alive = [one for one in found if one.alive]
        for lease in found:
            if lease not in alive:
                self._remove(lease.subnet)
        return alive

    def _read(self) -> list[Lease]:
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        return [_parsed(name, self._raw(name)) for name in names if name.endswith(SUFFIX) and _subnet_of(name)]

    def _raw(self, name: str) -> bytes:
        return files.read_small(os.path.join(self.path, name)) or b""

    def _write(self, lease: Lease) -> None:
        text = json.dumps({**lease._asdict(), "subnet": str(lease.subnet)})
        files.write_whole(self._file(lease.subnet), text.encode())

    def _remove(self, subnet: Subnet) -> None:
        files.remove(self._file(subnet))
        files.sync_folder(self.path)

    def _file(self, subnet: Subnet) -> str:
        return os.path.join(self.path, f"{subnet.network_address}-{subnet.prefixlen}{SUFFIX}")


def _subnet_of(name: str) -> Subnet | None:
    try:
        return ipaddress.ip_network(name[: -len(SUFFIX)].replace("-", "/"))
    except ValueError:
        return None


def _parsed(name: str, raw: bytes) -> Lease:
    """A lease by its file; of one that says nothing that makes sense, an owner that does not live."""
    subnet = t.cast(Subnet, _subnet_of(name))
    try:
        found = json.loads(raw.decode())
        texts = [found[key] for key in ("uuid_path", "uuid", "use")]
    except (ValueError, KeyError, TypeError, RecursionError):
        texts = []
    if not texts or not all(isinstance(one, str) for one in texts) or not texts[1]:
        return Lease(subnet, "", "nobody", "")
    return Lease(subnet, *texts)


def _again(alive: t.Sequence[Lease], claim: Claim) -> Subnet | None:
    """What the owner has already of what it asks for."""
    versions = {one.network.version for one in claim.pools}
    wanted, use = claim.subnet, claim.use
    for lease in alive:
        if lease.uuid_path != claim.uuid_path:
            continue
        if wanted == lease.subnet or (wanted is None and use and lease.use == use and lease.subnet.version in versions):
            return lease.subnet
    return None


def _chosen(alive: t.Sequence[Lease], claim: Claim) -> Subnet:
    leased = [Taken(one.subnet, f"is leased to {one.uuid_path}") for one in alive]
    busy = [*leased, *claim.taken()]
    return first_free(claim.pools, busy) if claim.subnet is None else _unless_taken(claim.subnet, busy)


def _unless_taken(subnet: Subnet, busy: t.Sequence[Taken]) -> Subnet:
    hit = overlap(subnet, busy)
    if hit is None:
        return subnet
    what = "it" if hit.network == subnet else str(hit.network)
    raise LeaseError(f"{subnet} cannot be leased: {what} {hit.why}")
