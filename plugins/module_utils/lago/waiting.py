# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting until VMs are ready, step by step, with one deadline; and what is known of one that is not.

ssh      running, address (a lease, or anything that answers), port, greeting, login
agent    running, agent
console  running, console (a pattern in what was written since it was started)
"""

from __future__ import annotations

import errno
import re
import socket
import time
import typing as t

from ..hypervisor.errors import Gone, KvmError
from .errors import GuestError, LagoError, NotReady
from .parallel import VectorThread, func_vector

if t.TYPE_CHECKING:
    from .vm import VM

PAUSE = 0.1  # seconds between two looks
CONNECT = 1.0  # seconds for one try of a TCP connection: on the way lie no more than two links
GREETING = 5.0
LOGIN = 30.0  # an emulated guest may take some seconds
AGENT = 5.0
QUICK = 0.5  # seconds for one look at a VM that is likely to be ready
OVER = ("missing", "shut off", "crashed")
NOBODY = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT)

KINDS = ("ssh", "agent", "console", "none")
Report = t.Callable[[str, str], None]  # what, vm


class Step(t.NamedTuple):
    """`look(seconds)` returns "" where it is passed, else what is missing; it takes about `seconds` at most."""

    name: str
    look: t.Callable[[float], str]


class Evidence(t.NamedTuple):
    """Of a VM that was not ready: `passed` are steps with the second at which each was, `step` the one that stalled."""

    vm: str
    waiting_for: str
    step: str
    reason: str
    seconds: float
    passed: t.Dict[str, float]
    lease: t.Dict[str, t.Any]
    console: t.List[str]

    def sentence(self) -> str:
        return f"{self.vm}: {self.waiting_for} stalls at {self.step} after {self.seconds:.0f} s: {self.reason}"

    def told(self) -> str:
        """With the last lines of the console."""
        lease = self.lease.get("ipaddr") or "none"
        lines = "".join(f"\n    | {line}" for line in self.console[-8:]) or " nothing"
        return f"{self.sentence()}\n  its lease: {lease}\n  its console at last:{lines}"


def wait_for(vm: VM, what: str, timeout: float, pattern: str = "") -> dict[str, float]:
    """Returns after how many seconds each step was passed. Raises NotReady, or LagoError for a wrong `what`."""
    wanted = steps(vm, what, pattern)
    began = time.monotonic()
    passed: dict[str, float] = {}
    for step in wanted:
        reason = _until(vm, step, began + timeout)
        seconds = time.monotonic() - began
        if reason:
            found = Evidence(vm.name(), what, step.name, reason, seconds, passed, _lease(vm), _console(vm))
            raise NotReady(found.told(), [found])
        passed[step.name] = round(seconds, 3)
    return passed


def wait_for_all(
    vms: t.Sequence[VM], what: str, timeout: float, pattern: str = "", report: Report | None = None
) -> dict[str, dict[str, float]]:
    """All at the same time, with the same deadline: by VM what wait_for returns.

    Raises NotReady with what is known of each that was not ready.
    """

    def one(vm: VM) -> dict[str, float]:
        passed = wait_for(vm, what, timeout, pattern)
        if report is not None:
            report(DONE[what], vm.name())
        return passed

    vector = VectorThread(func_vector(one, [(vm,) for vm in vms]))
    vector.start_all()
    results = vector.join_all(raise_exceptions=False)
    late = [error for error in vector.errors if isinstance(error, NotReady)]
    for error in vector.errors:
        if error is not None and not isinstance(error, NotReady):
            raise error
    if late:
        raise NotReady("\n".join(map(str, late)), [one for error in late for one in error.evidence])
    return {vm.name(): passed for vm, passed in zip(vms, results)}


def looking(vms: t.Iterable[VM], what: str, pattern: str) -> t.Callable[[], bool]:
    """Begins one look at all of them at once; the function waits for it and says whether all seem to be ready.

    It is at the last step but a login, which an emulated guest takes a second for. What a look raises, the function
    does.
    """
    vector = VectorThread(func_vector(_last_look, [(vm, what, pattern) for vm in vms]))
    vector.start_all()
    return lambda: not any(vector.join_all())


def seem_ready(vms: t.Iterable[VM], what: str, pattern: str) -> bool:
    return looking(vms, what, pattern)()


def _last_look(vm: VM, what: str, pattern: str) -> str:
    return next(step for step in reversed(steps(vm, what, pattern)) if step.name != "login").look(QUICK)


DONE = {"ssh": "SSH answers", "agent": "its agent answers", "console": "its console says it", "none": "is started"}


def _until(vm: VM, step: Step, deadline: float) -> str:
    """Looks again and again: "" once it is passed, else what it lacks at last."""
    while True:
        left = deadline - time.monotonic()
        reason = step.look(max(PAUSE, left))
        if not reason:
            return ""
        over = vm.state()
        if over in OVER:
            return f"the VM does not run any more ({over})"
        if time.monotonic() >= deadline:
            return reason
        time.sleep(min(PAUSE, max(0.0, deadline - time.monotonic())))


def steps(vm: VM, what: str, pattern: str) -> list[Step]:
    running = Step("running", lambda _left: "" if vm.state() == "running" else f"it is {vm.state()}")
    if what == "ssh":
        return [running, *_ssh_steps(vm)]
    if what == "agent":
        return [running, Step("agent", lambda left: agent_answers(vm, min(AGENT, left)))]
    if what == "console":
        return [running, _console_step(vm, pattern)]
    if what == "none":
        return []
    raise LagoError(f"waiting for {what!r}: there is only {', '.join(KINDS)}")


def _ssh_steps(vm: VM) -> list[Step]:
    address = vm.ip()
    if not address:
        raise LagoError(f"waiting for SSH of {vm.name()}: it has no address on the management network")
    return [
        Step("address", lambda left: "" if _lease(vm) else _somebody(address, min(CONNECT, left))),
        Step("port", lambda left: _connects(address, min(CONNECT, left))),
        Step("greeting", lambda left: _greets(address, min(GREETING, left))),
        Step("login", lambda left: _logs_in(vm, min(LOGIN, left))),
    ]


def _somebody(address: str, timeout: float) -> str:
    """Whether there is a machine that has the address, and says if only that it is not listening."""
    try:
        socket.create_connection((address, 22), timeout).close()
    except ConnectionError:
        return ""
    except OSError:
        return f"it has asked for no address by DHCP, and nothing answers at {address}"
    return ""


def _connects(address: str, timeout: float) -> str:
    try:
        socket.create_connection((address, 22), timeout).close()
    except OSError as error:
        return f"TCP port 22 of {address}: {error.strerror or 'no answer'}"
    return ""


def _greets(address: str, timeout: float) -> str:
    """RFC 4253, section 4.2: lines, the last of which begins with SSH-."""
    try:
        with socket.create_connection((address, 22), timeout) as connection:
            said = connection.recv(255)
    except OSError as error:
        return f"the server of SSH at {address} says nothing: {error.strerror or 'no answer'}"
    return "" if b"SSH-" in said else f"at TCP port 22 of {address} is no server of SSH; it says {said[:40]!r}"


def _logs_in(vm: VM, timeout: float) -> str:
    try:
        vm.run("exit 0", timeout=timeout)
    except GuestError as error:
        return str(error)
    return ""


def agent_answers(vm: VM, timeout: float) -> str:
    """ "" where the guest agent answers, else what is missing."""
    from ..hypervisor.deadline import within

    connection = vm.virt_env().connection
    try:
        within(timeout, lambda: connection.ask_of(vm.domain(), "getTime", 0), lambda: "asking the guest agent")
    except KvmError as error:
        return str(error)
    return ""


def _console_step(vm: VM, pattern: str) -> Step:
    from . import console

    try:
        watcher = console.Watcher(vm.console(), pattern, vm.console_start())
    except re.error as error:
        raise LagoError(f"waiting for {pattern!r} on a console: this is no regular expression: {error}") from None
    return Step("console", lambda _left: "" if watcher.found() else f"its console has not said {pattern!r}")


def _lease(vm: VM) -> dict[str, t.Any]:
    """What the DHCP server of the management network has given it; empty where there is nothing."""
    macs = {nic["net"]: nic["mac"] for nic in reversed(vm.nics())}
    for name, net in vm.virt_env().get_nets().items():
        if name in macs and net.is_management() and net.spec.type == "nat":
            try:
                return next((one for one in net.leases() if one["mac"] == macs[name]), {})
            except (Gone, KvmError):
                return {}
    return {}


def _console(vm: VM) -> list[str]:
    from . import console

    return console.last_lines(vm.console(), 20, vm.console_start())
