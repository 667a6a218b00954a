# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One interface of IPDB: a dictionary whose keys are attributes too, changed in transactions of its own."""

from __future__ import annotations

import typing as t
import uuid

from ..netlink.iproute_names import mask_bits
from ..netlink.kinds import registry
from ..netlink.rtnl import link
from .ipdb_transaction import Transaction
from .same import spread

if t.TYPE_CHECKING:
    from .ipdb import IPDB

Item = t.Dict[str, t.Any]

# Fields of a link under the names of the options of a task.
OPTIONS = {
    "mtu": "mtu", "address": "address", "ifalias": "alias", "alias": "alias", "txqlen": "txqueuelen",
    "txqueuelen": "txqueuelen", "master": "master", "link": "link", "altnames": "altnames", "recreate": "recreate",
}  # fmt: skip
READ_ONLY = ("index", "ifindex", "flags", "kind", "ipaddr", "ports", "vlans", "operstate")
VLAN_WORDS = {"PVID": "pvid", "Egress Untagged": "untagged"}
PREFIXES = {"bridge": ("br_", "bridge_"), "vlan": ("vlan_",), "bond": ("bond_",)}


class Interface:
    """Attributes: `ifname`, `index`, `kind`, `address`, `mtu`, `flags` (a number), `ipaddr` and `ports` (sets), ...

    An option of the kind is read and set by its name, with or without the kind before it (`bond_mode`, `vlan_id`), one
    as a port of a bridge with `brport_` before it. What open transactions want is seen here already.
    """

    index: t.Any  # None until it is made

    def __init__(self, owner: IPDB, index: int | None) -> None:
        self.__dict__.update(_owner=owner, index=index, new_name="", _kind=None, _transactions={}, _snapshots={})

    # Reading

    @property
    def is_new(self) -> bool:
        """Whether it is only to be made."""
        return self.index is None

    def wishes_name(self) -> str:
        """The name that it has, or that the last transaction wants it to have."""
        for transaction in reversed(list(self._transactions.values())):
            if "ifname" in transaction.fields:
                return transaction.fields["ifname"]
        return self.new_name if self.is_new else self._link()["ifname"]

    def _link(self) -> Item:
        found = self._owner.picture.links.get(self.index) or self._owner.refresh().links.get(self.index)
        if found is None:
            raise LookupError(f"there is no interface of index {self.index} (any more)")
        return found

    def __getattr__(self, name: str) -> t.Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"an interface has no {name}") from None

    def __getitem__(self, name: str) -> t.Any:
        if name in ("ipaddr", "ports", "vlans"):
            return self._members(name)
        if name == "flags":
            return self._flags()
        if self._transactions:
            wanted = self.last().fields
            if name in wanted:
                return wanted[name]
        if name == "kind" and self.is_new:
            return self._kind
        return self._present(name)

    def _present(self, name: str) -> t.Any:
        if self.is_new:
            if name in OPTIONS:
                return None
            raise KeyError(name)
        one = self._link()
        if name in ("link", "master", "alias", "txqueuelen", "state"):
            return self._spelled(one, name)
        if name in one:
            return one[name]
        if name in OPTIONS:  # nobody gave it one, and in mode `snapshot` the kernel does not either
            return None
        option = self._option(name)
        part = one.get("port") if name.startswith("brport_") else one.get("options")
        return (part or {})[option]

    def _spelled(self, one: Item, name: str) -> t.Any:
        if name == "state":
            return "up" if one["up"] else "down"
        if name in ("link", "master"):
            return one.get(name) or None
        return one.get("ifalias" if name == "alias" else "txqlen")

    def _flags(self) -> int:
        """IFF_*, with IFF_UP as it is wanted."""
        flags = 0 if self.index is None else self._owner.flags_of(self.index)
        wanted = self.last().fields.get("up") if self._transactions else None
        if wanted is None:
            wanted = bool(flags & link.IFF_UP) if self._owner.mode != "snapshot" or self.is_new else self._link()["up"]
        return flags | link.IFF_UP if wanted else flags & ~link.IFF_UP

    def _members(self, name: str, transaction: Transaction | None = None) -> t.Any:
        """Addresses as (address, length), ports as indexes or names, VLANs as numbers."""
        found = self._present_members(name)
        chosen = transaction or (self.last() if self._transactions else None)
        if chosen is None:
            return found
        return (found - chosen.removed[name].keys()) | set(chosen.added[name])

    def _present_members(self, name: str) -> set[t.Any]:
        if self.is_new:
            return set()
        picture = self._owner.picture
        if name == "ipaddr":
            own = [one for key, one in picture.addresses.items() if key[0] == self.index]
            return {(one["local"], one["prefixlen"]) for one in own}
        if name == "ports":
            return {index for index, one in picture.links.items() if one["master"] == self.index}
        return set(spread(picture.vlans.get(self.index)))

    def keys(self) -> list[str]:
        one = {} if self.is_new else self._link()
        return [*one, *(one.get("options") or ()), "ipaddr", "ports", "vlans", "flags"]

    # Changing

    def __setattr__(self, name: str, value: t.Any) -> None:
        if name == "index":
            self.__dict__["index"] = value
        else:
            self[name] = value

    def __setitem__(self, name: str, value: t.Any) -> None:
        if name in READ_ONLY:
            raise TypeError(f"{name} is not set but made: up(), down(), add_ip(), add_port(), create(kind=...)")
        if name == "state":
            name, value = "up", value == "up"
        if name not in ("up", "ifname", *OPTIONS):
            self._option(name)
        if isinstance(value, Interface):
            value = value.wishes_name()
        transaction = self._current()
        with self._owner.direct(transaction):
            transaction.fields[name] = value

    def _option(self, name: str) -> str:
        """The kind's own name of an option. Raises KeyError."""
        kind = self._kind if self.is_new else self._link().get("kind")
        if name.startswith("brport_"):
            return name[len("brport_") :]
        table = registry.get(kind or "").table
        for prefix in (*PREFIXES.get(kind or "", (f"{kind}_",)), ""):
            if name.startswith(prefix) and name[len(prefix) :] in table:
                return name[len(prefix) :]
        raise KeyError(name)

    def up(self) -> Interface:
        self["state"] = "up"
        return self

    def down(self) -> Interface:
        self["state"] = "down"
        return self

    def add_ip(self, address: str, mask: t.Any = None, **more: t.Any) -> Interface:
        """`add_ip("10.0.0.1", 24)` or `add_ip("10.0.0.1/24")`; `broadcast`, `scope`, `peer`, ... besides."""
        return self._change("ipaddr", _address(address, mask), {**more}, add=True)

    def del_ip(self, address: str, mask: t.Any = None) -> Interface:
        local, length = _address(address, mask)
        if mask is None and "/" not in address:
            there = [key for key in self._members("ipaddr") if key[0] == local]
            length = there[0][1] if there else length
        return self._change("ipaddr", (local, length), {}, add=False)

    def add_port(self, port: t.Any) -> Interface:
        """An interface, its name or its index."""
        return self._change("ports", self._port(port), {}, add=True)

    def del_port(self, port: t.Any) -> Interface:
        return self._change("ports", self._port(port), {}, add=False)

    def _port(self, port: t.Any) -> t.Any:
        if isinstance(port, Interface):
            return port.new_name if port.is_new else port.index
        return self._owner.picture.index_of(port) or port if isinstance(port, str) else port

    def add_vlan(self, vlan: int, *flags: str) -> Interface:
        """A VLAN of a bridge or its port; flags are "pvid" and "untagged"."""
        return self._change("vlans", int(vlan), dict.fromkeys(flags, True), add=True)

    def del_vlan(self, vlan: int) -> Interface:
        return self._change("vlans", int(vlan), {}, add=False)

    def _change(self, name: str, member: t.Any, more: Item, add: bool) -> Interface:
        transaction = self._current()
        with self._owner.direct(transaction):
            to, away = (transaction.added, transaction.removed) if add else (transaction.removed, transaction.added)
            away[name].pop(member, None)
            to[name][member] = more
        return self

    def remove(self) -> Interface:
        """Wants it gone."""
        transaction = self._current()
        with self._owner.direct(transaction):
            transaction.gone = True
        return self

    def begin_new(self, kind: str, name: str, options: t.Mapping[str, t.Any]) -> None:
        """What `create` begins; in mode `direct` too its transaction is still to be committed."""
        self.__dict__.update(_kind=kind, new_name=name)
        transaction = self._transactions[self._begin()]
        transaction.fields["ifname"] = name
        for key, value in options.items():
            if key == "peer":
                transaction.fields["peer"] = {"ifname": value} if isinstance(value, str) else value
                continue
            if key not in OPTIONS:
                self._option(key)
            transaction.fields[key] = value.wishes_name() if isinstance(value, Interface) else value

    # Transactions

    def begin(self) -> uuid.UUID:
        """Begins a transaction, beside those that are open; changes go into the last one."""
        return self._begin()

    def _begin(self) -> uuid.UUID:
        transaction = Transaction(self._owner, self)
        self._transactions[transaction.uid] = transaction
        return transaction.uid

    def _current(self) -> Transaction:
        if self._transactions:
            return self.last()
        if self._owner.mode == "explicit":
            raise TypeError("mode explicit: begin() a transaction first")
        transaction = self._transactions[self._begin()]
        transaction.at_once = self._owner.mode == "direct"
        return transaction

    def last(self) -> Transaction:
        if not self._transactions:
            raise LookupError(f"{self.wishes_name()} has no transaction")
        return next(reversed(list(self._transactions.values())))

    def transactions(self) -> list[Transaction]:
        return list(self._transactions.values())

    def _chosen(self, tid: uuid.UUID | None) -> Transaction:
        if tid is None:
            return self.last()
        if tid not in self._transactions:
            raise LookupError(f"{self.wishes_name()} has no transaction {tid}")
        return self._transactions[tid]

    def review(self, tid: uuid.UUID | None = None) -> Item:
        """What a transaction (the last one) changes: `+ipaddr`, `-ipaddr`, `+ports`, ... and attributes as wanted."""
        chosen = self._chosen(tid)
        found: Item = {}
        for name in ("ipaddr", "ports", "vlans"):
            present = self._present_members(name)
            more, fewer = set(chosen.added[name]) - present, present & chosen.removed[name].keys()
            if name == "ipaddr" or more or fewer:
                found[f"+{name}"], found[f"-{name}"] = more, fewer
        for name, value in chosen.fields.items():
            if name == "up":
                found["flags"] = self._flags()
            else:
                found[name] = value
        if chosen.gone:
            found["removed"] = True
        return found

    def commit(self, tid: uuid.UUID | None = None) -> None:
        """Makes a transaction (the last one) true. Raises TransactionFailed; the transaction stays open then."""
        self._chosen(tid).commit()

    def drop(self, tid: uuid.UUID | None = None) -> None:
        self._chosen(tid).drop()

    def forget(self, transaction: Transaction) -> None:
        self._transactions.pop(transaction.uid, None)

    def __enter__(self) -> Interface:
        if not self._transactions:
            self._begin()
        return self

    def __exit__(self, kind: t.Any, *_exception: object) -> None:
        if kind is None:
            self.commit()
        else:
            self.drop()

    def wanted(self, transaction: Transaction) -> dict[str, list[Item]]:
        """A transaction as items of a task."""
        item: Item = {"name": self.new_name} if self.is_new else {"select": {"ifindex": self.index}}
        if self.is_new:
            item["kind"] = self._kind
        if transaction.gone:
            return {"interfaces": [{**item, "state": "absent"}]}
        self._fill(item, transaction)
        out = {"interfaces": [item], **self._wanted_vlans(transaction)}
        own = transaction.fields.get("ifname") or self.wishes_name()
        for change, master in ((transaction.added, own), (transaction.removed, "")):
            for port in change["ports"]:
                key = {"select": {"ifindex": port}} if isinstance(port, int) else {"name": port}
                out["interfaces"].append({**key, "master": master})
        return out

    def _fill(self, item: Item, transaction: Transaction) -> None:
        options: Item = {}
        for name, value in transaction.fields.items():
            if name == "ifname":
                item["name"] = value
            elif name == "up":
                item["state"] = "up" if value else "down"
            elif name == "peer":
                options["peer"] = value
            elif name in OPTIONS:
                item[OPTIONS[name]] = self._name_of(value) if name in ("link", "master") else value
            elif name.startswith("brport_"):
                item.setdefault("port_options", {})[self._option(name)] = value
            else:
                options[self._option(name)] = value
        if options:
            item["options"] = options
        addresses = self._wanted_addresses(transaction)
        if addresses is not None:
            item["addresses"] = addresses

    def _name_of(self, value: t.Any) -> str:
        if not value:
            return ""
        return self._owner[value].wishes_name() if isinstance(value, int) else value

    def _wanted_addresses(self, transaction: Transaction) -> list[Item] | None:
        added, removed = transaction.added["ipaddr"], transaction.removed["ipaddr"]
        if not added and not removed:
            return None
        kept = [
            {
                "address": f"{one['local']}/{one['prefixlen']}",
                **({"peer": one["address"]} if one.get("address") else {}),
            }
            for key, one in ({} if self.is_new else self._owner.picture.addresses).items()
            if key[0] == self.index and (one["local"], one["prefixlen"]) not in {**removed, **added}
        ]
        return [*kept, *({"address": f"{local}/{length}", **more} for (local, length), more in added.items())]

    def _wanted_vlans(self, transaction: Transaction) -> dict[str, list[Item]]:
        if not transaction.added["vlans"] and not transaction.removed["vlans"]:
            return {}
        marks = {number: set(flags) for number, flags in spread(self._owner.picture.vlans.get(self.index)).items()}
        for number in transaction.removed["vlans"]:
            marks.pop(number, None)
        for number, more in transaction.added["vlans"].items():
            marks[number] = {
                flag for flag, word in (("PVID", "pvid"), ("Egress Untagged", "untagged")) if more.get(word)
            }
        vlans = [
            {"vid": str(number), "pvid": "PVID" in flags, "untagged": "Egress Untagged" in flags}
            for number, flags in sorted(marks.items())
        ]
        return {"bridge_vlans": [{"dev": transaction.fields.get("ifname") or self.wishes_name(), "vlans": vlans}]}

    # Snapshots and waiting

    def snapshot(self) -> uuid.UUID:
        """Remembers the interface as it is now, with its addresses and ports."""
        return self._owner.snapshot()

    def last_snapshot_id(self) -> uuid.UUID:
        return self._owner.last_snapshot_id()

    def revert(self, sid: uuid.UUID) -> Interface:
        """Makes the interface what it was at a snapshot, at once; all else stays."""
        self.index = self._owner.revert_interface(sid, self.index)
        return self

    def wait(self, timeout: float = 10.0, **target: t.Any) -> Interface:
        """Returns when all fields are as in `target` (`operstate="UP"`, `mtu=1400`). Raises NetlinkTimeout."""

        def there(_picture: t.Any) -> bool:
            shown = self._owner.mode != "snapshot"
            one = self._owner.channel.ask(link.get(self.index), link.decode)[0] if shown else {}
            return all(one.get(name, self._read(name)) == value for name, value in target.items())

        words = ", ".join(f"{name} {value}" for name, value in target.items())
        self._owner.wait(there, timeout, f"{self.wishes_name()}: {words}")
        return self

    def _read(self, name: str) -> t.Any:
        try:
            return self._present(name)
        except KeyError:
            return None

    def wait_ip(self, address: str, mask: t.Any = None, timeout: float = 10.0) -> Interface:
        """Returns when the interface has an address (within a network, if a mask is given). Raises NetlinkTimeout."""
        local, length = _address(address, mask)

        def there(picture: t.Any) -> bool:
            return any(
                one["index"] == self.index and one["local"] == local and (mask is None or one["prefixlen"] == length)
                for one in picture.addresses.values()
            )

        self._owner.wait(there, timeout, f"{self.wishes_name()}: address {address}")
        return self


def _address(text: str, mask: t.Any) -> tuple[str, int]:
    """`("10.0.0.1", 24)` of both spellings; the mask may be a netmask."""
    from ..netlink.rtnl.prefix import parse

    address, slash, length = text.partition("/")
    found = parse(address, mask_bits(length if slash else mask))
    return found.address, found.length
