# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes how long each task took, from its start on the controller to its result there."""

from __future__ import annotations

import json
import os
import time

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "seconds"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self):
        super().__init__()
        self._start = 0.0

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._start = time.perf_counter()

    def v2_runner_on_ok(self, result):
        took = time.perf_counter() - self._start
        with open(os.environ["BENCH_TIMES"], "a") as file:
            line = {"name": result.task_name, "seconds": took, "changed": result.is_changed()}
            file.write(json.dumps(line) + "\n")
