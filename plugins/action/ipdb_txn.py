# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commits a host's network and confirms it over a connection that was made after the change.

The module returns before its changes are made: they would cut off its answer. Then we come back by a new connection,
to the same address or to `confirm_host`, and ask for what shows that answers reach us since the change; with that, and
by one more new connection, we confirm. Asked only once, the host could be told to stay as it is by who came in before
the change, and is not heard since. Who does not get through waits until the host has taken everything back by itself,
and says what that was.
"""

from __future__ import annotations

import time
import typing as t

from ansible.errors import AnsibleConnectionFailure
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import some

PAUSE = 0.5  # seconds between two attempts to come in
ATTEMPT = 5  # seconds that an attempt to connect may take
COME_BACK = 60  # seconds, after the host has begun to take everything back, until it has to be reachable again
BROKEN_WAY = ("-o", "ServerAliveInterval=2", "-o", "ServerAliveCountMax=3")  # ssh gives up a silent connection in 6 s

Result = t.Dict[str, t.Any]

display = Display()


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = False
    _requires_connection = True

    def run(self, tmp: t.Any = None, task_vars: Result | None = None) -> Result:
        super().run(tmp, task_vars)
        self.task_vars = task_vars or {}
        result = self._module(self._task.args)
        if "proof" in result:
            return self._module({**self._task.args, "proof": result["proof"]})
        if not result.get("pending") or self._task.args.get("confirm", "reconnected") != "reconnected":
            return result
        return self._confirm(result, time.monotonic() + result.pop("seconds_left"))

    def _module(self, args: t.Mapping[str, t.Any]) -> Result:
        """One run of the module. Raises AnsibleConnectionFailure."""
        return self._execute_module(
            module_name="fleet.hypervisor.ipdb_txn", module_args=dict(args), task_vars=self.task_vars
        )

    def _confirm(self, committed: Result, deadline: float) -> Result:
        transaction = committed["transaction"]
        with Way(self._connection, self._task.args.get("confirm_host")) as way:
            confirmed, reason = self._come_back(way, transaction, "confirmed", deadline)
            if confirmed is not None:
                self.cleanup()  # over this way: there may be no other one
        if confirmed is None:
            return self._cut_off(committed, reason, deadline)
        if confirmed.get("failed"):
            # Why it was rolled back: what could not be applied at all is no matter of reaching the host.
            late = confirmed.get("why") and time.monotonic() >= deadline
            return _taken_back(committed, confirmed["msg"]) if late else confirmed
        kept: Result = {name: confirmed[name] for name in ("timings", "network", "meanwhile") if name in confirmed}
        return {**committed, **kept, "pending": False}

    def _come_back(self, way: Way, transaction: str, state: str, deadline: float) -> tuple[Result | None, str]:
        """The module's answer over a new connection; or None, and why there is none, at the deadline."""
        reason = "there was no time to try"
        while time.monotonic() < deadline:
            try:
                way.renew()
                asked = self._of_transaction(transaction, state)
                answer = self._module(asked)
                if "proof" in answer:
                    way.renew()  # that one may be from before the change
                    answer = self._module({**asked, "proof": answer["proof"]})
                return answer, ""
            except AnsibleConnectionFailure as error:
                reason = str(error).strip().replace("\n", " ")
                display.vv(f"{self._task.get_name()}: not reached yet: {reason}")
                time.sleep(PAUSE)
        return None, reason

    def _of_transaction(self, transaction: str, state: str) -> Result:
        args = {"state": state, "transaction": transaction, "netns": self._task.args.get("netns")}
        return {name: value for name, value in args.items() if value is not None}

    def _cut_off(self, committed: Result, reason: str, deadline: float) -> Result:
        """The failure of a task whose host could not be reached after the change, when it can be reached again."""
        transaction, sentence = committed["transaction"], _not_reached(committed, reason)
        wait = deadline - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        with Way(self._connection, None) as way:
            back, late = self._come_back(way, transaction, "rolled_back", time.monotonic() + COME_BACK)
        if back is None:
            return _failure(committed, f"{sentence}, nor {COME_BACK} s after that: {late}", False)
        if back.get("failed"):
            return _failure(committed, f"{sentence}; then: {back['msg']}", False)
        return _taken_back(committed, reason)


def _not_reached(committed: Result, reason: str) -> str:
    timeout = committed["confirm_timeout"]
    return f"the host could not be reached within {timeout} s after its network was changed ({reason})"


def _taken_back(committed: Result, reason: str) -> Result:
    sentence, lines = _not_reached(committed, reason), some(committed["review"])
    return _failure(committed, f"{sentence}, so it took everything back by itself and is as it was: {lines}", True)


def _failure(committed: Result, sentence: str, back: bool) -> Result:
    return {**committed, "failed": True, "changed": False, "pending": False, "rolled_back": back, "msg": sentence}


class Way:
    """The connection as a way to one address of the host, made anew for each attempt; afterwards it is as before."""

    def __init__(self, connection: t.Any, host: str | None) -> None:
        self.connection = connection
        self.before: dict[str, t.Any] = {}
        wanted: dict[str, t.Any] = {"timeout": ATTEMPT}
        if host:
            wanted["host"] = host
        if connection.transport == "ssh":
            extra = connection.get_option("ssh_extra_args") or ""
            wanted["ssh_extra_args"] = " ".join([extra, *BROKEN_WAY]).strip()
        self.wanted = {name: value for name, value in wanted.items() if name in connection.option_definitions}

    def __enter__(self) -> Way:
        self._drop()  # while its options are still those that it was made with
        for name, value in self.wanted.items():
            self.before[name] = self.connection.get_option(name)
            self.connection.set_option(name, value)
        self._forget_path()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._drop()
        for name, value in self.before.items():
            self.connection.set_option(name, value)
        self._forget_path()

    def renew(self) -> None:
        self._drop()

    def _drop(self) -> None:
        try:
            self.connection.reset()
        except (NotImplementedError, AnsibleConnectionFailure):  # a kind that keeps none, or one that is broken
            self.connection.close()

    def _forget_path(self) -> None:
        """The path of ssh's shared connection is made from the address, and remembered."""
        if hasattr(self.connection, "control_path") and not self.connection.get_option("control_path"):
            self.connection.control_path = None
