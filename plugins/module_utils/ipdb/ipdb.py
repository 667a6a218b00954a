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
only change what is seen here. Every commit is one transaction of the host: all of it or nothing, verified, under the
namespace's lock, and with a journal from which the next transaction takes back what a killed commit left.
"""

from __future__ import annotations

import contextlib
import typing as t
import uuid

from ..netlink.channel import NetlinkSocket
from ..netlink.netns import OWN, NetNS
from ..netlink.rtnl import link
from . import recovery, transaction
from .capture import capture
from .difference import difference
from .ipdb_interface import Interface
from .ipdb_tables import Collection
from .ipdb_transaction import Transaction, merged
from .lock import locked
from .picture import Picture
from .planning import Task
from .settling import clear_the_way, give_up
from .snapshots import as_it_was, index_now, with_one_as_it_was
from .wanted import desired

MODES = ("direct", "implicit", "explicit", "snapshot")


class IPDB:
    """The network of one namespace (its name, path or pid; None: the one that the caller is in when it is opened).

    Interfaces are attributes and keys: `ip.eth0`, `ip["eth0"]`, `ip[2]`. Raises TransactionFailed where the kernel
    refuses (everything is as before then), ValueError for what cannot be meant, LookupError for what is not there;
    what is to change the host raises Busy while another process changes it, and Refused while a transaction of
    `ipdb_txn` waits to be confirmed.
    """

    def __init__(self, netns: NetNS = None, mode: str = "implicit") -> None:
        if mode not in MODES:
            raise ValueError(f"mode: takes one of {', '.join(MODES)}, not {mode!r}")
        self.mode = mode
        self.netns = netns
        self._own = open(OWN, "rb", buffering=0)  # noqa: SIM115 - gives it a path, wherever the caller is later
        self._place: str | int = f"/proc/self/fd/{self._own.fileno()}" if netns is None else netns
        self._channel = NetlinkSocket(netns=self._place)
        self._task = Task({"netns": self._place}, False, self._channel)  # the lock and the journals of the namespace
        self._picture: Picture = capture(self._channel)
        self._flags: dict[int, int] = self._all_flags() if mode == "snapshot" else {}
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
        self._own.close()

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

    def _all_flags(self) -> dict[int, int]:
        return {one["ifindex"]: one["flags"] for one in self._channel.dump(link.dump(), link.decode)}

    def flags_of(self, index: int) -> int:
        """IFF_* of a link as the kernel has them; in mode `snapshot` as it had them at first, and 0 for a new link."""
        if self.mode == "snapshot":
            return self._flags.get(index, 0)
        return self._channel.ask(link.get(index), link.decode)[0]["flags"]

    # Transactions of the whole host

    def begin(self) -> uuid.UUID:
        """Begins a transaction of routes, rules, neighbours and forwarding entries; interfaces have their own."""
        begun = Transaction(self)
        self._transactions[begun.uid] = begun
        return begun.uid

    def current(self) -> Transaction:
        """The transaction that a change of a table goes into. Raises TypeError where none was begun."""
        if self._transactions:
            return self._transactions[next(reversed(self._transactions))]
        if self.mode == "explicit":
            raise TypeError("mode explicit: begin() a transaction first")
        begun = self._transactions[self.begin()]
        begun.at_once = self.mode == "direct"
        return begun

    def last(self) -> Transaction:
        if not self._transactions:
            raise LookupError("there is no transaction")
        return self.current()

    def open_transactions(self) -> list[Transaction]:
        """Of the host and of all interfaces, in the order in which they were begun."""
        of_interfaces = [one for interface in self._interfaces.values() for one in interface.transactions()]
        return [*of_interfaces, *self._transactions.values()]

    def _chosen(self, uid: uuid.UUID) -> Transaction:
        for one in self.open_transactions():
            if one.uid == uid:
                return one
        raise LookupError(f"there is no transaction {uid}")

    def review(self, tid: uuid.UUID | None = None) -> dict[str, t.Any]:
        """What a transaction changes; without one all that are open: interfaces by name, and the other tables."""
        if tid is not None:
            return self._chosen(tid).review()
        interfaces = {str(one.wishes_name()): one.review() for one in self._interfaces.values() if one.transactions()}
        tables: dict[str, t.Any] = {}
        for one in self._transactions.values():
            for name, items in one.items.items():
                tables.setdefault(name, []).extend(items)
        return {"interfaces": interfaces, **tables}

    def commit(self, tid: uuid.UUID | None = None) -> None:
        """Makes a transaction true; without one all that are open, as one."""
        self.commit_some(self.open_transactions() if tid is None else [self._chosen(tid)])

    def drop(self, tid: uuid.UUID | None = None) -> None:
        """Drops a transaction; without one all that are open."""
        self._forget(self.open_transactions() if tid is None else [self._chosen(tid)])

    def commit_some(self, chosen: t.Sequence[Transaction]) -> None:
        with self._alone():
            self._become(desired(self._picture, merged(chosen)))
        self._forget(chosen)

    def _forget(self, transactions: t.Iterable[Transaction]) -> None:
        for one in transactions:
            self._transactions.pop(one.uid, None)
            for key, interface in list(self._interfaces.items()):
                interface.forget(one)
                if interface.is_new:
                    index = self._picture.index_of(interface.new_name)
                    if index is not None:
                        self._interfaces[index] = interface
                        interface.index = index
                    if not interface.transactions():
                        self._interfaces.pop(key, None)

    @contextlib.contextmanager
    def _alone(self) -> t.Iterator[None]:
        """Nobody else changes this network meanwhile, which is looked at anew; what others were killed at is ended."""
        with contextlib.ExitStack() as held:
            if self.mode != "snapshot":
                held.enter_context(locked(self._task.folder))
                clear_the_way(self._task)
            self.refresh()
            yield

    def _become(self, after: Picture) -> None:
        if self.mode == "snapshot":
            self._picture = after._replace(places={})
        elif difference(self._picture, after):
            self._carry_out(after)

    def _carry_out(self, after: Picture) -> None:
        before = self._picture
        with transaction.create(self._task.folder) as mine:
            try:
                mine.prepare(self.netns, before)
                self._picture = recovery.carry_out(self._channel, mine, (before, after)).now
            except BaseException:
                give_up(mine)
                raise
            mine.forget()

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
        """Makes the whole network what it was."""
        was = self.picture_of(sid)
        with self._alone():
            self._become(as_it_was(self._picture, was))

    def revert_interface(self, sid: uuid.UUID, index: int) -> int:
        """Makes one interface what it was, with what is its own; its index. Raises LookupError where it cannot be."""
        was = self.picture_of(sid)
        with self._alone():
            index = index_now(self._picture, was, index)
            self._become(with_one_as_it_was(self._picture, was, index))
        return index

    # Waiting

    def wait(self, look: t.Callable[[Picture], t.Any], timeout: float, what: str) -> t.Any:
        """What `look(picture)` finds as soon as that is true. Raises NetlinkTimeout."""
        from ..netlink.events import wait_for

        topics = ("link", "address", "route", "rule", "neighbour")
        return wait_for(lambda: look(self.refresh()), topics, timeout, what, self._place)

    @contextlib.contextmanager
    def direct(self, begun: Transaction) -> t.Iterator[None]:
        """What the block adds to a transaction of mode `direct` is committed at its end, and dropped in any case."""
        try:
            yield
            if begun.at_once:
                self.commit_some([begun])
        finally:
            if begun.at_once:
                self._forget([begun])


ipdb = IPDB
