# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person sees of a lab that is raised, and what the task says in the end."""

from __future__ import annotations

import json
import os
import sys
import threading
import types

import pytest

if sys.version_info < (3, 11):
    pytest.skip("action plugins run on the controller, whose Python is 3.11 or newer", allow_module_level=True)

from ansible_collections.fleet.hypervisor.plugins.action import lago_prefix as action
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.progress import Progress
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates import http

from tests.unit.lago.web import serving

DONE = {"changed": True, "steps": ["domain server: make"], "ansible_job_id": "j1.2", "finished": True, "started": True}


class Plugin(action.ActionModule):
    """The plugin with a host on which the module answers what the test says, and reports by itself."""

    def __init__(self, foretold, check=False, async_val=0, work=None, result=None):
        self._task = types.SimpleNamespace(args={"path": "/lab"}, check_mode=check, async_val=async_val)
        self._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(join_path=lambda *parts: "/".join(parts)))
        self.foretold, self.work, self.result = foretold, work, DONE if result is None else result
        self.asked = []
        self.polls = 0

    def _execute_module(self, module_name, module_args, task_vars, wrap_async):
        self.asked.append((module_name.rpartition(".")[2], self._task.check_mode, wrap_async))
        if module_args.get("mode") == "cleanup":
            return {}
        if module_name.endswith("async_status"):
            self.polls += 1
            return dict(self.result) if self.work.done else {"finished": False}
        if not wrap_async:
            return dict(self.foretold)
        if self.work is None:
            return {"ansible_job_id": "j1.2", "started": True}
        assert self._task.async_val
        return self.work(module_args["progress"])

    def get_shell_option(self, option, default=None):
        return self.folder

    def _low_level_execute_command(self, command, executable=None):
        import subprocess

        done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
        return {"stdout": done.stdout}


class Work:
    """The module in the background, with a pause between its reports."""

    def __init__(self, reports, dies=False):
        self.reports, self.dies, self.done = reports, dies, False

    def __call__(self, path):
        threading.Thread(target=self.run, args=(path,)).start()
        return {"ansible_job_id": "j1.2", "results_file": f"{os.path.dirname(path)}/j1.2"}

    def run(self, path):
        progress = Progress(path)
        progress.expect(len(self.reports))
        for report in self.reports:
            progress(*report)
            threading.Event().wait(0.02)
        self.done = True
        if not self.dies:
            progress.over()


@pytest.fixture
def play(monkeypatch, tmp_path):
    monkeypatch.setattr(action, "PAUSE", 0.01)
    monkeypatch.setattr(action.ActionBase, "run", lambda *_unused: {})
    seen = []
    monkeypatch.setattr(action.display, "display", lambda line, color: seen.append(line))

    def run(*args, **kwargs):
        plugin = Plugin(*args, **kwargs)
        plugin.folder = str(tmp_path)
        result = plugin.run(task_vars={"inventory_hostname": "hv1"})
        return plugin, result, seen

    return run


def test_reports_are_shown_as_they_come_and_the_result_is_that_of_the_module(play, tmp_path):
    work = Work([("network mgmt up",), ("downloading debian12", "server", 37), ("started", "server"), ("SSH answers",)])
    plugin, result, seen = play({"changed": True, "pending": True}, work=work)
    assert seen == [
        "    hv1: [#####               ]  25% network mgmt up",
        "    hv1: [#####               ]  25% server: downloading debian12 (37%)",
        "    hv1: [##########          ]  50% server: started",
        "    hv1: [###############     ]  75% SSH answers",
    ]
    assert result == {"changed": True, "steps": ["domain server: make"]}
    assert plugin.asked[0] == ("lago_prefix", True, False)
    assert plugin.asked[1] == ("lago_prefix", False, True)
    assert plugin.polls == 1
    assert plugin._task.async_val == 0
    assert list(tmp_path.iterdir()) == []


def test_a_module_that_dies_without_a_word_is_noticed(play, monkeypatch):
    monkeypatch.setattr(action, "LOOK", 0.05)
    broken = {"failed": True, "msg": "killed", "finished": True, "ansible_job_id": "j1.2"}
    _plugin, result, _seen = play({"pending": True}, work=Work([("begun",)], dies=True), result=broken)
    assert result == {"failed": True, "msg": "killed"}


@pytest.mark.parametrize(
    "foretold,check",
    [
        ({"changed": False, "pending": False}, False),
        ({"changed": True, "pending": True, "diff": {}}, True),
        ({"failed": True, "msg": "spec.domains: there is none"}, False),
    ],
)
def test_where_there_is_nothing_to_do_one_run_of_the_module_is_all(play, foretold, check):
    plugin, result, _seen = play(foretold, check)
    assert result == foretold
    assert plugin.asked == [("lago_prefix", True, False)]
    assert plugin._task.check_mode is check


def test_a_task_that_is_async_itself_is_left_alone(play):
    plugin, result, _seen = play({}, async_val=600)
    assert result == {"ansible_job_id": "j1.2", "started": True}
    assert plugin.asked == [("lago_prefix", False, True)]


def test_what_is_not_from_our_module_does_no_harm():
    def command(*_unused):
        return 'garbage\n[1]\n{"what": "\\u001b[31mred", "done": "x", "of": null}\n{"over": true}\n{"what": "to'

    reports = action.Reports("/x", command)
    assert reports.new() == ["[                    ]   0% ?[31mred"]
    assert reports.over


def test_progress_that_cannot_be_written_stops_nothing(tmp_path):
    progress = Progress(str(tmp_path / "no" / "folder"))
    progress("started", "server")
    progress.over()
    silent = Progress()
    silent("started")
    assert list(tmp_path.iterdir()) == []


def test_a_download_is_shown_with_its_percents_while_it_goes_on(play, tmp_path):
    """A real one, of a server on loopback that breaks off thrice."""
    data, shown = os.urandom(1 << 20), []

    def work(path):
        threading.Thread(target=download, args=(path,)).start()
        return {"ansible_job_id": "j1.2", "results_file": f"{os.path.dirname(path)}/j1.2"}

    def download(path):
        progress = Progress(path)
        progress.expect(2)
        told = progress.of_bytes("getting disk root", "server")
        with serving() as web:
            web.files["/root"] = data
            web.breaks = [len(data) // 4] * 3
            http.fetch(f"{web.url}/root", str(tmp_path / "root"), progress=told)
        with open(path, encoding="utf-8") as file:
            shown.extend(json.loads(line)["percent"] for line in file)
        progress("disk made", "server")
        progress("disk made", "server")
        work.done = True
        progress.over()

    work.done = False
    _plugin, _result, seen = play({"pending": True}, work=work)
    assert shown == sorted(set(shown)) and shown[-1] == 100 and len(shown) > 3
    assert "    hv1: [                    ]   0% server: getting disk root (100%)" in seen
    assert len(seen) <= 2 + len(shown)


def test_of_percents_that_came_at_once_the_last_is_shown():
    def command(*_unused):
        lines = [{"what": "a", "vm": vm, "percent": percent} for percent in (5, 10) for vm in ("x", "y")]
        return "".join(json.dumps(one) + "\n" for one in [*lines, {"what": "a", "vm": "x", "percent": None}])

    lines = [line.partition("% ")[2] for line in action.Reports("/x", command).new()]
    assert lines == ["y: a (10%)", "x: a"]


def test_a_length_that_nobody_knows_is_not_told(tmp_path):
    told = Progress(str(tmp_path / "reports")).of_bytes("getting")
    told(100, 0)
    assert not (tmp_path / "reports").exists()
    for have in (0, 1, 60, 999, 1000):
        told(have, 1000)
    assert [json.loads(line)["percent"] for line in (tmp_path / "reports").open()] == [0, 5, 95, 100]
