# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPDB as pyroute2 had it: a host's network as objects, changed in transactions. Nothing else here imports this file.

    ip = ipdb(mode="direct")
    ip.tap0.down()
    ip.tap0.address = "00:11:22:33:44:55"
    ip.tap0.ifname = "vpn"
    ip.vpn.add_ip("10.0.0.1", 24)

    with ip.create(kind="bridge", ifname="control") as i:
        i.add_port(ip.eth1)
        i.add_ip("10.0.0.1/24")

Modes: `direct`: each change goes to the kernel at once; `implicit`: the first change begins a transaction, which is to
be committed; `explicit`: a change needs a transaction that was begun; `snapshot`: nothing goes to the kernel, commits
only change what is seen here. Every commit is one transaction of the host: all of it or nothing, verified.
"""

from __future__ import annotations

import contextlib
import typing as t
import uuid

from ..netlink.channel import NetlinkSocket
from ..netlink.netns import NetNS
from . import apply
from .capture import capture
from .ipdb_interface import Interface
from .ipdb_tables import Collection
from .ipdb_transaction import Transaction, merged
from .merging import aligned, replaced, restoring
from .picture import Picture
from .wanted import desired

MODES = ("direct", "implicit", "explicit", "snapshot")


class IPDB:
    """The network of one namespace (its name, path or pid; None: the caller's own).

    Interfaces are attributes and keys: `ip.eth0`, `ip["eth0"]`, `ip[2]`. Raises TransactionFailed where the kernel
    refuses (everything is as before then), ValueError for what cannot be meant, LookupError for what is not there.
    """

    def __init__(self, netns: NetNS = None, mode: str = "implicit") -> None:
        if mode not in MODES:
            raise ValueError(f"mode: takes one of {', '.join(MODES)}, not {mode!r}")
        self.mode = mode
        self.netns = netns
        self._channel = NetlinkSocket(netns=netns)
        self._picture: Picture = capture(self._channel)
        self._interfaces: dict[t.Any, Interface] = {}
        self._snapshots: dict[uuid.UUID, Picture] = {}
        self._transactions: dict[uuid.UUID, Transaction] = {}
        self.routes = Collection(self, "routes")
        self.rules = Collection(self, "rules")
        self.neighbours = Collection(self, "neighbours")
        self.fdb = Collection(self, "fdb")

    def __enter__(self) -> IPDB:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release()

    def release(self) -> None:
        """Ends it; what is not committed is dropped."""
        self._channel.close()

    # Interfaces

    def __getitem__(self, name: t.Any) -> Interface:
        found = self._find(name)
        if found is None:
            raise KeyError(name)
        return found

    def __getattr__(self, name: str) -> Interface:
        if name.startswith("_"):
            raise AttributeError(name)
        found = self._find(name)
        if found is None:
            raise AttributeError(f"there is no interface {name}")
        return found

    def __contains__(self, name: object) -> bool:
        return self._find(name) is not None

    def __iter__(self) -> t.Iterator[str]:
        return iter([one["ifname"] for one in self.refresh().links.values()])

    @property
    def interfaces(self) -> dict[str, Interface]:
        """All interfaces by name."""
        return {name: self[name] for name in self}

    def _find(self, name: t.Any) -> Interface | None:
        for interface in self._interfaces.values():
            if interface.is_new and name == interface.wishes_name():
                return interface
        index = name if isinstance(name, int) else self._picture.index_of(name)
        if index not in self._picture.links:
            picture = self.refresh()
            index = name if isinstance(name, int) else picture.index_of(name)
        if index is None or index not in self._picture.links:
            return None
        return self._interfaces.setdefault(index, Interface(self, index))

    def create(self, kind: str, ifname: str, **options: t.Any) -> Interface:
        """A new interface; it is made by its commit, in mode `direct` too."""
        if ifname in self:
            raise ValueError(f"there is an interface {ifname} already")
        interface = Interface(self, None)
        interface.begin_new(kind, ifname, options)
        self._interfaces[interface] = interface
        return interface

    # What is there

    def refresh(self) -> Picture:
        """Looks at the host again (not in mode `snapshot`, where nothing of it counts any more)."""
        if self.mode != "snapshot":
            self._picture = capture(self._channel)
        return self._picture

    @property
    def picture(self) -> Picture:
        return self._picture

    @property
    def channel(self) -> NetlinkSocket:
        return self._channel

    # Transactions of the whole host

    def begin(self) -> uuid.UUID:
        """Begins a transaction of routes, rules, neighbours and forwarding entries; interfaces have their own."""
        transaction = Transaction()
        self._transactions[transaction.uid] = transaction
        return transaction.uid

    def current(self) -> Transaction:
        """The transaction that a change of a table goes into. Raises TypeError where none was begun."""
        if self._transactions:
            return self._transactions[next(reversed(self._transactions))]
        if self.mode == "explicit":
            raise TypeError("mode explicit: begin() a transaction first")
        transaction = self._transactions[self.begin()]
        transaction.at_once = self.mode == "direct"
        return transaction

    def last(self) -> Transaction:
        if not self._transactions:
            raise LookupError("there is no transaction")
        return self.current()

    def open_transactions(self) -> list[Transaction]:
        """Of the host and of all interfaces, in the order in which they were begun."""
        of_interfaces = [one for interface in self._interfaces.values() for one in interface.transactions()]
        return [*of_interfaces, *self._transactions.values()]

    def review(self) -> dict[str, t.Any]:
        """What all open transactions change: interfaces by name, and the other tables."""
        interfaces = {str(one.wishes_name()): one.review() for one in self._interfaces.values() if one.transactions()}
        tables: dict[str, t.Any] = {}
        for transaction in self._transactions.values():
            for name, items in transaction.items.items():
                tables.setdefault(name, []).extend(items)
        return {"interfaces": interfaces, **tables}

    def commit(self, transactions: t.Sequence[Transaction] | None = None) -> None:
        """All open transactions as one."""
        chosen = self.open_transactions() if transactions is None else transactions
        self.refresh()
        self._become(desired(self._picture, merged(chosen)))
        self._forget(chosen)

    def drop(self) -> None:
        """Drops all open transactions."""
        self._forget(self.open_transactions())

    def _forget(self, transactions: t.Iterable[Transaction]) -> None:
        for transaction in transactions:
            self._transactions.pop(transaction.uid, None)
            for key, interface in list(self._interfaces.items()):
                interface.forget(transaction)
                if interface.is_new:
                    index = self._picture.index_of(interface.new_name)
                    if index is not None:
                        self._interfaces[index] = interface
                        interface.index = index
                    if not interface.transactions():
                        self._interfaces.pop(key, None)

    def _become(self, after: Picture) -> None:
        if self.mode == "snapshot":
            self._picture = after._replace(places={})
        else:
            self._picture = apply.transact(self._channel, self._picture, after).now

    # Snapshots

    def snapshot(self) -> uuid.UUID:
        """Remembers the network as it is now."""
        sid = uuid.uuid4()
        self._snapshots[sid] = self.refresh()
        return sid

    def last_snapshot_id(self) -> uuid.UUID:
        if not self._snapshots:
            raise LookupError("there is no snapshot")
        return next(reversed(self._snapshots))

    def picture_of(self, sid: uuid.UUID) -> Picture:
        if sid not in self._snapshots:
            raise LookupError(f"there is no snapshot {sid}")
        return self._snapshots[sid]

    def revert(self, sid: uuid.UUID) -> None:
        """Makes the whole network what it was; links made anew meanwhile are taken for those of their name."""
        was = self.picture_of(sid)
        self._become(aligned(was, self.refresh()))

    def revert_interface(self, sid: uuid.UUID, index: int) -> None:
        """Makes one interface what it was, with what belongs to it."""
        now = self.refresh()
        was = aligned(self.picture_of(sid), now)
        places = [
            (table, key)
            for table in ("links", "addresses", "neighbours", "fdb", "vlans")
            for picture in (was, now)
            for key in picture.table(table)
            if (key if isinstance(key, int) else key[0]) == index
        ]
        ports = [("links", one) for one in was.links if index in (was.links[one]["master"], _master(now, one))]
        self._become(restoring(replaced(now, was, [*places, *ports]), places))

    # Waiting

    def wait(self, look: t.Callable[[Picture], t.Any], timeout: float, what: str) -> t.Any:
        """What `look(picture)` finds as soon as that is true. Raises NetlinkTimeout."""
        from ..netlink.events import wait_for

        topics = ("link", "address", "route", "rule", "neighbour")
        return wait_for(lambda: look(self.refresh()), topics, timeout, what, self.netns)

    @contextlib.contextmanager
    def direct(self, transaction: Transaction) -> t.Iterator[None]:
        """What the block adds to a transaction of mode `direct` is committed at its end, and dropped in any case."""
        try:
            yield
            if transaction.at_once:
                self.commit([transaction])
        finally:
            if transaction.at_once:
                self._forget([transaction])


def _master(picture: Picture, index: int) -> int:
    return picture.links.get(index, {}).get("master", 0)


ipdb = IPDB
