# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that does something to devices, and is killed on the way."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import sys
import textwrap
import typing as t

# Kills itself where a method is about to be called for the n-th time.
KILLED = """
    import os, signal, sys
    sys.path.insert(0, {root!r})
    import tests.conftest
    from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.{module} import {owner}
    from {imported}

    calls, real = [], {owner}.{method}

    def deadly(self, *args, **kwargs):
        calls.append(args)
        if len(calls) == {number}:
            {before}
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, *args, **kwargs)

    {owner}.{method} = deadly
    {does}
"""


class Deadly(t.NamedTuple):
    """A class of `module` below devmapper, what of the tests is imported (`... import ...`), and what is done."""

    module: str
    owner: str
    imported: str
    does: str

    def run(self, method: str, number: int, before: str = "pass") -> None:
        """`before`: a statement right before the end."""
        root = str(pathlib.Path(__file__).resolve().parents[3])
        code = textwrap.dedent(KILLED).format(root=root, method=method, number=number, before=before, **self._asdict())
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr
