# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way by SSH to a VM, and through the managed host that it runs on."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import typing as t

from ...module_utils.lago import files, prefixes
from ...module_utils.lago.errors import LagoError
from ...module_utils.lago.prefixes import Prefix

LIMIT = 60  # seconds for a managed host to answer
# A VM has new keys each time that it is made, and its address was another one's before.
UNKNOWN_HOST = ("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR")


class Jump(t.NamedTuple):
    """A managed host as the inventory knows it."""

    name: str
    words: t.Tuple[str, ...]  # ssh's, before a command
    become: bool

    @classmethod
    def of(cls, name: str, variables: t.Mapping[str, t.Any]) -> Jump:
        def said(*names: str) -> str:
            return str(next((variables[one] for one in names if variables.get(one)), ""))

        words = [*shlex.split(said("ansible_ssh_common_args")), *shlex.split(said("ansible_ssh_extra_args"))]
        for option, value in (
            ("-p", said("ansible_port", "ansible_ssh_port")),
            ("-l", said("ansible_user", "ansible_ssh_user")),
            ("-i", os.path.expanduser(said("ansible_ssh_private_key_file", "ansible_private_key_file"))),
        ):
            words += [option, value] if value else []
        address = said("ansible_host", "ansible_ssh_host") or name
        become = str(variables.get("ansible_become", "")).lower() in ("true", "yes", "1")
        return cls(name, (*words, "--", address), become)

    def find(self, patterns: t.Sequence[str]) -> list[Prefix]:
        """Its prefixes. Raises LagoError."""
        command = [*(["sudo", "-n"] if self.become else []), "python3", "-", *patterns]
        with open(prefixes.__file__, "rb") as program:
            argv = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", *self.words, shlex.join(command)]
            try:
                done = subprocess.run(argv, stdin=program, capture_output=True, timeout=LIMIT, check=False)
            except subprocess.TimeoutExpired:
                raise LagoError(f"{self.name}: no answer within {LIMIT} s") from None
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise LagoError(f"{self.name}: reading its prefixes: {said[-1] if said else done.returncode}")
        return _prefixes(self.name, done.stdout)

    def proxy(self) -> list[str]:
        """ssh's words for a VM that is reached through it."""
        through = shlex.join(["ssh", *self.words[:-2], "-W", "HOST", *self.words[-2:]]).replace("%", "%%")
        return ["-o", f"ProxyCommand={through.replace(' HOST ', ' [%h]:%p ')}"]


def _prefixes(name: str, answer: bytes) -> list[Prefix]:
    """What a managed host printed, in its form. Raises LagoError."""
    wanted = {"path", *prefixes.FILES.values()}
    try:
        found = json.loads(answer)
        good = all(set(one) == wanted and all(isinstance(text, str) for text in one.values()) for one in found)
    except (ValueError, TypeError, AttributeError, RecursionError):
        good = False
    if not good:
        raise LagoError(f"{name}: its Python did not answer with prefixes")
    return found


def keep_key(folder: str, prefix: Prefix, uuid: str) -> str:
    """The path of a prefix's private key in a folder of this host. Raises OSError."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, uuid)
    text = prefix["key"].encode()
    if files.read_small(path) != text:
        files.write_whole(path, text, 0o600)
    return path
