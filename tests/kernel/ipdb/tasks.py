# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of `ipdb_txn` without Ansible around them, for tests: in this process, and in one that is killed on the way."""

from __future__ import annotations

import os
import signal
import typing as t

from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb import lock, task
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.capture import capture
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.failures import TransactionFailed
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.journal import Journal
from ansible_collections.fleet.hypervisor.plugins.module_utils.ipdb.spec import TRANSACTION
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.channel import NetlinkSocket

SLOWER = 5 if os.environ.get("FLEET_KERNEL") == "guest" else 1  # where the processor is emulated


def filled(spec: t.Mapping[str, t.Any], given: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Options as Ansible hands them to a module: with the defaults, and None for what is not given."""
    unknown = set(given) - set(spec)
    if unknown:
        raise KeyError(f"not in the argument spec: {unknown}")
    return {name: _filled(about, given.get(name, about.get("default"))) for name, about in spec.items()}


def _filled(about: t.Mapping[str, t.Any], value: t.Any) -> t.Any:
    if "options" not in about or value is None:
        return value
    if isinstance(value, list):
        return [filled(about["options"], item) for item in value]
    return filled(about["options"], value)


def run(netns: str, check: bool = False, **given: t.Any) -> dict[str, t.Any]:
    return task.run(filled(TRANSACTION, {"netns": netns, **given}), check)


def made(netns: str, link: dict[str, t.Any], lacking: t.Callable[[str], t.Any]) -> None:
    """A link of a kind that the kernel may lack."""
    try:
        run(netns, interfaces=[link])
    except TransactionFailed as error:
        if f"does not have the module {link['kind']}" not in str(error):
            raise
        lacking(link["kind"])


def network(netns: str) -> dict[str, t.Any]:
    with NetlinkSocket(netns=netns) as channel:
        return capture(channel).to_json()


def folder(netns: str) -> str:
    return lock.folder_of(netns)


def left_behind(netns: str) -> list[str]:
    """Files of transactions, and processes that were started for them."""
    there = folder(netns)
    files = [f"{there}/{name}" for name in os.listdir(there)] if os.path.isdir(there) else []
    return files + [there] * os.path.isdir(there) + guards(there)


def guards(there: str) -> list[str]:
    """The processes that a namespace's folder is named to."""
    found = []
    for pid in os.listdir("/proc"):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if there.encode() in words:
            found.append(f"process {pid}")
    return found


def in_child(act: t.Callable[[], None]) -> int:
    """Runs `act` in a process of its own; its status as of waitpid(2)."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            act()
            status = 0
        except BaseException as error:  # noqa: B036 - the child must never return into the test
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1]


def killed_after(records: int, act: t.Callable[[], None]) -> bool:
    """Runs `act` in a process that is killed when so many records are in its journal; whether it came that far."""

    def guarded() -> None:
        append, written = Journal.append, [0]

        def counted(self: Journal, kind: str, **fields: t.Any) -> None:
            append(self, kind, **fields)
            written[0] += 1
            if written[0] == records:
                os.kill(os.getpid(), signal.SIGKILL)

        Journal.append = counted  # type: ignore[method-assign]
        act()

    return os.WIFSIGNALED(in_child(guarded))


def killed_after_sends(sends: int, act: t.Callable[[], None]) -> bool:
    """The same, for batches that the kernel has carried out."""

    def guarded() -> None:
        batch, sent = NetlinkSocket.batch, [0]

        def counted(self: NetlinkSocket, requests: t.Any) -> t.Any:
            outcomes = batch(self, requests)
            sent[0] += 1
            if sent[0] == sends:
                os.kill(os.getpid(), signal.SIGKILL)
            return outcomes

        NetlinkSocket.batch = counted  # type: ignore[method-assign]
        act()

    return os.WIFSIGNALED(in_child(guarded))
