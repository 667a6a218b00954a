# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out steps: requests built when their turn comes, sent in one batch a namespace.

Of a large wave later requests are built, by another thread, while the kernel carries out earlier ones.
"""

from __future__ import annotations

import errno
import os
import typing as t

from ..channel import NetlinkSocket
from ..errors import NetlinkError, without_module
from ..message import Request
from ..rtnl import link

if t.TYPE_CHECKING:
    from ..genl import GenericSocket
    from ..netns import NetNS


class Place:
    """One namespace while a wave runs: names turned into indexes, as they are now.

    What it asks goes by a socket of its own: on the wave's there is a conversation already.
    """

    def __init__(self, netns: NetNS, sock: NetlinkSocket) -> None:
        self.netns, self.sock = netns, sock
        self._asker: NetlinkSocket | None = None
        self._indexes: dict[str, int] = {}
        self._files: list[int] = []

    def ask(self, request: Request, decode: t.Any = None) -> list[t.Any]:
        """The answers to one request. Raises NetlinkError."""
        if self._asker is None:
            self._asker = NetlinkSocket(netns=self.netns)
        return self._asker.ask(request, decode)

    def index(self, name: str) -> int:
        """The index of a link; 0 for "". Raises NetlinkError where there is none."""
        if not name:
            return 0
        if name not in self._indexes:
            index = self.sock.index(name)
            # Alternative names are longer, and why there is no such link only an answer says.
            self._indexes[name] = index or self.ask(link.get(name=name), link.decode_name)[0][0]
        return self._indexes[name]

    def there(self, index: int) -> bool:
        """Whether there is a link of that index now."""
        try:
            self.ask(link.get(index))
        except NetlinkError as error:
            if error.errno != errno.ENODEV:
                raise
            return False
        return True

    def netns_file(self, netns: str | int) -> int:
        """A file descriptor of a namespace, good until the wave is over."""
        from ..netns import open_file

        self._files.append(open_file(netns))
        return self._files[-1]

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        if self._asker is not None:
            self._asker.close()


class Step(t.NamedTuple):
    """Requests for one namespace. `build(place)` makes them when everything before them has happened."""

    netns: NetNS
    build: t.Callable[[Place], t.Sequence[Request]]
    brought_by: str = ""  # the kernel module without which the requests are refused as unknown


class Runner:
    """Runs actions: a `Step`, or a callable of no arguments for what no rtnetlink request can do."""

    def __init__(self) -> None:
        self._sockets: dict[NetNS, NetlinkSocket] = {}
        self._generic: dict[NetNS, GenericSocket] = {}

    def __enter__(self) -> Runner:
        return self

    def __exit__(self, *_exception: object) -> None:
        for sock in (*self._sockets.values(), *self._generic.values()):
            sock.close()
        self._sockets.clear()
        self._generic.clear()

    def socket(self, netns: NetNS) -> NetlinkSocket:
        if netns not in self._sockets:
            self._sockets[netns] = NetlinkSocket(netns=netns)
        return self._sockets[netns]

    def generic(self, netns: NetNS) -> GenericSocket:
        """For what is asked by generic netlink; few tasks do."""
        from ..genl import GenericSocket

        if netns not in self._generic:
            self._generic[netns] = GenericSocket(netns=netns)
        return self._generic[netns]

    def __call__(self, actions: t.Sequence[t.Any]) -> list[Exception | None]:
        outcomes: list[Exception | None] = [None] * len(actions)
        places: dict[NetNS, list[int]] = {}
        for number, action in enumerate(actions):
            if isinstance(action, Step):
                places.setdefault(action.netns, []).append(number)
            else:
                outcomes[number] = _call(action)
        for netns, numbers in places.items():
            self._run_in(netns, [(number, actions[number]) for number in numbers], outcomes)
        return outcomes

    def _run_in(self, netns: NetNS, steps: t.Sequence[tuple[int, Step]], outcomes: list[Exception | None]) -> None:
        place = Place(netns, self.socket(netns))
        owners: list[int] = []

        def requests() -> t.Iterator[Request]:
            for number, step in steps:
                try:
                    built = step.build(place)
                except (OSError, ValueError) as error:
                    outcomes[number] = error
                    continue
                owners.extend([number] * len(built))
                yield from built

        try:
            refusals = place.sock.batch(requests())
            brought_by = {number: step.brought_by for number, step in steps}
            for number, refused in zip(owners, refusals):
                if refused is not None and outcomes[number] is None:
                    outcomes[number] = without_module(refused, brought_by[number])
        finally:
            place.close()


def nothing() -> None:
    """The action of a change that the kernel makes by itself, or whose way back another change has."""


def _call(action: t.Callable[[], None]) -> Exception | None:
    try:
        action()
    except (OSError, ValueError) as error:
        return error
    return None
