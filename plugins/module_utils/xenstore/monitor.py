# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watches, and the events that they give."""

from __future__ import annotations

import collections
import errno
import time
import typing as t

from .errors import ConnectionError, refused
from .packet import Op, strings
from .paths import AnyPath, check

if t.TYPE_CHECKING:
    from .client import Client


class Event(t.NamedTuple):
    """`path` changed, or something below it; `token` is that of the watch."""

    path: bytes
    token: bytes

    def __repr__(self) -> str:
        return f"Event({self.path!r}, {self.token!r})"


class Monitor:
    """Watches of one client; as a context manager it ends them.

    A watch fires once when it is set, also on a path that does not exist, and may fire for no reason.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.events: collections.deque[tuple[bytes, bytes]] = collections.deque()
        self.watches: set[tuple[bytes, bytes]] = set()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @property
    def watched(self) -> set[bytes]:
        """The paths watched."""
        return {path for path, _unused in self.watches}

    def close(self) -> None:
        """Ends all watches; they have ended already where the connection has."""
        for path, token in list(self.watches):
            try:
                self.unwatch(path, token)
            except ConnectionError:
                self._forget(path, token)

    def watch(self, wpath: AnyPath, token: bytes, depth: int | None = None) -> None:
        """Fires `token` for every change of `wpath` and of what lies below, `depth` levels at most.

        A depth needs a daemon with XENSTORE_SERVER_FEATURE_WATCHDEPTH; others refuse it. Raises PyXSError, InvalidPath.
        """
        path = check(wpath)
        if not token or b"\0" in token:
            raise ValueError(f"a watch's token is some bytes without a NUL, not {token!r}")
        if (path, token) in self.watches:  # as the daemon says; XenBus would bear it, and tell each event twice
            raise refused(errno.EEXIST, f"XenStore WATCH {path.decode()}")
        router = self.client.router
        router.subscribe(token, self)  # the first event may come before the answer
        try:
            words = [path, token] if depth is None else [path, token, b"%d" % depth]
            router.ask(Op.WATCH, strings(*words))
        except BaseException:
            router.unsubscribe(token, self)
            raise
        self.watches.add((path, token))

    def unwatch(self, wpath: AnyPath, token: bytes) -> None:
        """Raises PyXSError."""
        path = check(wpath)
        self.client.router.ask(Op.UNWATCH, strings(path, token))
        self._forget(path, token)

    def _forget(self, path: bytes, token: bytes) -> None:
        self.watches.discard((path, token))
        self.client.router.unsubscribe(token, self)

    def wait(self, unwatched: bool = False, timeout: float | None = None) -> t.Iterator[Event]:
        """Yields events. `timeout`: seconds for the next one, by default the client's.

        `unwatched`: also those whose watch has ended since. Raises Timeout, ConnectionError.
        """
        while True:
            yield self._next(unwatched, self.client.timeout if timeout is None else timeout)

    def _next(self, unwatched: bool, timeout: float) -> Event:
        deadline = time.monotonic() + timeout
        while True:
            while self.events:
                path, token = self.events.popleft()
                if unwatched or self._is_watched(path, token):
                    return Event(path, token)
            self.client.router.wait_for_events(deadline)

    def _is_watched(self, path: bytes, token: bytes) -> bool:
        return any(token == own and _within(path, wpath) for wpath, own in self.watches)


def _within(path: bytes, top: bytes) -> bool:
    return path == top or top == b"/" or path.startswith(top + b"/") or top[:1] == b"@"
