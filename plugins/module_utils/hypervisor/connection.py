# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A connection to libvirt: the only file that imports libvirt-python.

Everything is asked by the name of its method in libvirt-python, so that a method which an older binding lacks is an
answer (NotSupported) and no AttributeError, and so that every error says what was asked.
"""

from __future__ import annotations

import time
import typing as t

from .errors import ConnectionLost, Denied, KvmError, LibvirtMissing, NotSupported, Refused, of_code

SYSTEM = "qemu:///system"
REOPEN_PAUSE = 0.1  # seconds between attempts while a daemon restarts

HINTS = (
    ("No such file or directory", "is libvirtd (or virtqemud) running there?"),
    ("Connection refused", "is libvirtd (or virtqemud) running there?"),
    ("Permission denied", "it takes root, or a member of the group libvirt"),
)


def binding() -> t.Any:
    """The module libvirt, without its habit to print errors. Raises LibvirtMissing."""
    try:
        import libvirt
    except ImportError as error:
        raise LibvirtMissing(f"libvirt-python is missing (Debian: python3-libvirt): {error}") from error
    libvirt.registerErrorHandler(lambda *_unused: None, None)
    return libvirt


class Connection:
    """An open connection to `uri`. Reading needs no more than `readonly`. Raises KvmError when it cannot be opened."""

    def __init__(self, uri: str = SYSTEM, readonly: bool = True) -> None:
        self.uri, self.readonly = uri, readonly
        self.doing = f"opening {uri}"  # for whoever has to tell where time ran out
        self.libvirt = binding()
        self._handle = self._open()

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_unused: object) -> None:
        self.close()

    def close(self) -> None:
        try:
            self._handle.close()
        except self.libvirt.libvirtError:
            pass  # it was lost before

    def _open(self) -> t.Any:
        self.doing = f"opening {self.uri}"
        how = "openReadOnly" if self.readonly else "open"
        try:
            return getattr(self.libvirt, how)(self.uri)
        except self.libvirt.libvirtError as error:
            said, code = error.get_error_message() or str(error), error.get_error_code()
            hint = next((f" ({words})" for sign, words in HINTS if sign in said), "")
            kind = of_code(code)
            lost = kind is Refused and bool(hint)
            raise (ConnectionLost if lost else kind)(f"opening {self.uri}: {said}{hint}", code) from error

    def beside(self) -> Connection:
        """Another one, for a call that takes long while other threads make such calls. Raises KvmError.

        A thread's call on a connection on which another thread waits for an answer may be sent only when that comes
        (libvirt 9.0).
        """
        return Connection(self.uri, self.readonly)

    def reopen(self, patience: float) -> None:
        """A new connection in place of a lost one, tried for `patience` seconds. Raises ConnectionLost."""
        deadline = time.monotonic() + patience
        while True:
            try:
                self._handle = self._open()
                return
            except Denied:
                raise
            except KvmError as error:
                if time.monotonic() > deadline:
                    text = f"the connection was lost, and not had again within {patience:g} s: {error}"
                    raise ConnectionLost(text, error.code) from error
            time.sleep(REOPEN_PAUSE)

    @property
    def handle(self) -> t.Any:
        """libvirt-python's own object."""
        return self._handle

    def ask(self, method: str, *arguments: t.Any) -> t.Any:
        """What a method of the connection returns. Raises KvmError."""
        return self.ask_of(self._handle, method, *arguments)

    def ask_of(self, thing: t.Any, method: str, *arguments: t.Any) -> t.Any:
        """What a method of a domain, network, pool ... returns. Raises KvmError."""
        self.doing = f"{method} of {self.uri}"
        function = getattr(thing, method, None)
        if function is None:
            raise NotSupported(f"{method}: this libvirt-python does not have it")
        try:
            return function(*arguments)
        except self.libvirt.libvirtError as error:
            raise self._translated(method, error) from error

    def ask_qemu(self, domain: t.Any, execute: str, **arguments: t.Any) -> t.Any:
        """What a command of QEMU's own (QMP) returns, past libvirt's driver. Raises KvmError."""
        import json

        self.doing = f"{execute} of QEMU by {self.uri}"
        try:
            import libvirt_qemu
        except ImportError as error:
            raise LibvirtMissing(f"libvirt-python lacks its part libvirt_qemu: {error}") from error
        command = json.dumps({"execute": execute, **({"arguments": arguments} if arguments else {})})
        try:
            answer = json.loads(libvirt_qemu.qemuMonitorCommand(domain, command, 0))
        except self.libvirt.libvirtError as error:
            raise self._translated(execute, error) from error
        if "error" in answer:
            raise Refused(f"{execute} of QEMU: {answer['error'].get('desc')}")
        return answer["return"]

    def _translated(self, method: str, error: t.Any) -> KvmError:
        code = error.get_error_code() or 0
        text = f"{method} of {self.uri}: {error.get_error_message() or error}"
        return (of_code(code) if self._alive() else ConnectionLost)(text, code)

    def _alive(self) -> bool:
        try:
            return bool(self._handle.isAlive())
        except self.libvirt.libvirtError:
            return False
