# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node that is asked, with what several subsets need, read once."""

from __future__ import annotations

import os
import socket
import typing as t
from xml.etree.ElementTree import Element

from ..connection import Connection
from ..document import parse
from ..errors import Refused
from .values import text

LOCAL_DRIVERS = frozenset(("QEMU", "Xen", "LXC", "VZ"))


class Options(t.NamedTuple):
    """What a reader may wish."""

    machines: tuple[str, ...] = ()  # machine types whose domain capabilities are wanted; (): the usual ones
    virttypes: tuple[str, ...] = ()  # kvm, qemu ...; (): all that are listed
    percent: float = 0.0  # seconds between two samples of the CPUs; 0: no percentages
    root: str = "/"  # where /proc and /sys of the node are


class Node:
    """A connection and its cache. What it raises when asked is KvmError."""

    def __init__(self, connection: Connection, options: Options | None = None) -> None:
        self.connection = connection
        self.options = options or Options()
        self._kept: dict[t.Any, t.Any] = {}

    def ask(self, method: str, *arguments: t.Any) -> t.Any:
        return self.connection.ask(method, *arguments)

    def ask_of(self, thing: t.Any, method: str, *arguments: t.Any) -> t.Any:
        return self.connection.ask_of(thing, method, *arguments)

    def keep(self, key: t.Any, make: t.Callable[[], t.Any]) -> t.Any:
        """What `make` returns, or raises of Refused, made no more than once."""
        if key not in self._kept:
            try:
                self._kept[key] = make()
            except Refused as error:
                self._kept[key] = error
        if isinstance(self._kept[key], Refused):
            raise self._kept[key]
        return self._kept[key]

    def once(self, method: str, *arguments: t.Any) -> t.Any:
        """What `ask` says, or raises, asked no more than once."""
        return self.keep((method, arguments), lambda: self.ask(method, *arguments))

    def document(self, method: str, *arguments: t.Any) -> Element:
        return self.keep(("document", method, arguments), lambda: parse(self.once(method, *arguments)))

    @property
    def capabilities(self) -> Element:
        return self.document("getCapabilities")

    @property
    def architecture(self) -> str:
        """The host's own."""
        return text(self.capabilities, "host/cpu/arch") or self.once("getInfo")[0]

    @property
    def local(self) -> bool:
        """Whether /proc and /sys here are those of the node."""
        try:
            return self.once("getType") in LOCAL_DRIVERS and self.once("getHostname") == socket.gethostname()
        except Refused:
            return False

    def file(self, path: str) -> str | None:
        """The text of a file of the node, None when it cannot be had or the node is not this host."""
        if not self.local:
            return None
        try:
            with open(self.path(path), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return None

    def exists(self, path: str) -> bool:
        return self.local and os.path.exists(self.path(path))

    def path(self, path: str) -> str:
        return os.path.join(self.options.root, path.lstrip("/"))
