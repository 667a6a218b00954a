# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small things under the names that they have in Lago; nothing else in this core needs this file."""

from __future__ import annotations

import json
import os
import subprocess
import time
import typing as t

from .errors import CommandError
from .parallel import VectorThread, func_vector, invoke_in_parallel
from .rollback import RollbackContext

__all__ = (
    "CommandStatus",
    "EggTimer",
    "RollbackContext",
    "VectorThread",
    "func_vector",
    "invoke_in_parallel",
    "json_dump",
    "run_command",
    "service_is_enabled",
)


class EggTimer:
    """Rings once, `timeout` seconds after it was made or entered."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.start_time = time.monotonic()

    def __enter__(self) -> EggTimer:
        self.start_time = time.monotonic()
        return self

    def __exit__(self, *_unused: object) -> None:
        pass

    def elapsed(self) -> bool:
        return time.monotonic() - self.start_time > self.timeout


class CommandStatus(t.NamedTuple):
    """True, as in Lago, is a command that failed. `out` and `err` are bytes."""

    code: int
    out: bytes
    err: bytes

    def __bool__(self) -> bool:
        return self.code != 0


def run_command(
    command: t.Sequence[str],
    input_data: bytes | None = None,
    env: t.Mapping[str, str] | None = None,
    timeout: float | None = None,
    cwd: str | None = None,
) -> CommandStatus:
    """Runs a command without a shell, to its end; `env` is added to this process's, in which messages are English.

    Raises CommandError where it cannot be run, or has not ended after `timeout` seconds (and was killed).
    """
    try:
        done = subprocess.run(
            list(command),
            input=b"" if input_data is None else input_data,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C", **(env or {})},
            timeout=timeout,
            cwd=cwd,
            check=False,
        )
    except OSError as error:
        raise CommandError(f"running {command[0]}: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise CommandError(f"running {command[0]}: it had not ended after {timeout:g} s, and was killed") from None
    return CommandStatus(done.returncode, done.stdout, done.stderr)


def service_is_enabled(name: str) -> bool:
    """Whether systemd starts the service at boot; false also where there is no systemd."""
    try:
        return run_command(["systemctl", "is-enabled", "--quiet", "--", name], timeout=30).code == 0
    except CommandError:
        return False


def json_dump(obj: t.Any, f: t.TextIO) -> None:
    json.dump(obj, f, indent=4)
