# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows how far a lab is while the task that raises it goes on.

The module is first asked, as in check mode, what there is to do; where that is nothing, its answer is the task's. Else
it runs in the background on the managed host and reports into a file there, which is followed and shown.
"""

from __future__ import annotations

import json
import posixpath
import shlex
import time
import typing as t
import uuid

from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

MODULE = "fleet.hypervisor.lago_prefix"
PAUSE = 0.5  # seconds between two looks at the reports
LOOK = 5.0  # seconds between two looks for the result, where no report says that it is there
LONGEST = 86400  # seconds; the module has a deadline of its own
WIDTH = 20  # letters of the bar
LINE = 160  # letters of a report that are shown
OF_ASYNC = ("ansible_job_id", "results_file", "started", "finished", "stdout", "stdout_lines", "stderr", "stderr_lines")

Result = t.Dict[str, t.Any]

display = Display()


class ActionModule(ActionBase):
    _supports_check_mode = True
    _supports_async = True
    _requires_connection = True

    def run(self, tmp: t.Any = None, task_vars: Result | None = None) -> Result:
        super().run(tmp, task_vars)
        self.task_vars = task_vars or {}
        if self._task.async_val:
            return self._module(self._task.args, wrap_async=True)
        foretold = self._foretold()
        if self._task.check_mode or foretold.get("failed") or not foretold.get("pending"):
            return foretold
        return self._followed()

    def _module(self, args: t.Mapping[str, t.Any], name: str = MODULE, wrap_async: bool = False) -> Result:
        return self._execute_module(
            module_name=name, module_args=dict(args), task_vars=self.task_vars, wrap_async=wrap_async
        )

    def _foretold(self) -> Result:
        """The module's answer in check mode."""
        asked, self._task.check_mode = self._task.check_mode, True
        try:
            return self._module(self._task.args)
        finally:
            self._task.check_mode = asked

    def _followed(self) -> Result:
        """The result of the module in the background, whose reports are shown as they come."""
        folder = self.get_shell_option("async_dir", default="~/.ansible_async")
        join, name = self._connection._shell.join_path, f"fleet-{uuid.uuid4().hex}"
        job = self._in_background({**self._task.args, "progress": join(folder, name)})
        if "ansible_job_id" not in job:
            return job
        status = {"jid": job["ansible_job_id"], "_async_dir": folder}
        # What ~ is on the managed host, the job says.
        reports = Reports(join(posixpath.dirname(job["results_file"]), name), self._command)
        result = self._awaited(status, reports)
        self._module({**status, "mode": "cleanup"}, "ansible.legacy.async_status")
        reports.remove()
        return {key: value for key, value in result.items() if key not in OF_ASYNC}

    def _in_background(self, args: Result) -> Result:
        asked, self._task.async_val = self._task.async_val, LONGEST
        try:
            return self._module(args, wrap_async=True)
        finally:
            self._task.async_val = asked

    def _awaited(self, status: Result, reports: Reports) -> Result:
        looked = time.monotonic()
        while True:
            time.sleep(PAUSE)
            for line in reports.new():
                display.display(f"    {self.task_vars.get('inventory_hostname', '')}: {line}", color="dark gray")
            if reports.over or time.monotonic() - looked > LOOK:
                result = self._module(status, "ansible.legacy.async_status")
                if result.get("finished"):
                    return result
                looked = time.monotonic()

    def _command(self, *words: str) -> str:
        """What a command on the managed host prints; "" where it cannot be run."""
        return self._low_level_execute_command(shlex.join(words), executable=None)["stdout"]


class Reports:
    """The file on the managed host that the module (module_utils/lago/progress.py) appends its reports to."""

    def __init__(self, path: str, command: t.Callable[..., str]) -> None:
        self.path, self.over = path, False
        self._command, self._seen = command, 0

    def new(self) -> list[str]:
        """A line to be shown for each report since the last time."""
        whole, _sign, _torn = self._command("tail", "-n", f"+{self._seen + 1}", self.path).rpartition("\n")
        found = [_report(line) for line in whole.splitlines()]
        self._seen += len(found)
        self.over = self.over or any(report.get("over") for report in found)
        return [shown(report) for report in _newest([one for one in found if "what" in one])]

    def remove(self) -> None:
        self._command("rm", "-f", self.path)


def _newest(reports: list[Result]) -> list[Result]:
    """Without the percentages that later ones of the same replace."""
    last = {_going(report): number for number, report in enumerate(reports)}
    return [one for number, one in enumerate(reports) if one.get("percent") is None or last[_going(one)] == number]


def _going(report: Result) -> str:
    return f"{report.get('vm')} {report['what']}"


def _report(line: str) -> Result:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def shown(report: Result) -> str:
    """`[#####               ]  25% server: started`; what comes from a host may hold no control characters."""
    done, of, percent = (_number(report.get(name)) for name in ("done", "of", "percent"))
    part = min(1.0, max(0.0, done / of)) if of > 0 else 0.0
    vm = f"{report['vm']}: " if report.get("vm") else ""
    going = f" ({percent}%)" if report.get("percent") is not None else ""
    text = "".join(letter if letter.isprintable() else "?" for letter in f"{vm}{report['what']}"[:LINE])
    return f"[{'#' * round(part * WIDTH):{WIDTH}}] {part:4.0%} {text}{going}"


def _number(value: t.Any) -> int:
    return value if isinstance(value, int) else 0
