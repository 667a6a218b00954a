# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes to a disk that no guest has running, by libguestfs's virt-sysprep and virt-customize, if they are installed.

By default none of it is needed: a guest learns who it is at its first boot (seed.py). The operations have Lago's names;
each is a list of words for virt-sysprep:

    sysprep(disk, [set_hostname("vm0"), set_iscsi_initiator_name("iqn.2014-07.org.lago:vm0")])
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tempfile
import typing as t

from . import guestfs
from .errors import CommandError, LagoError
from .seed import INITIATOR
from .utils import run_command

LIMIT = 1800.0  # seconds; libguestfs boots a machine of its own, which is slow without KVM
MODES = ("enforcing", "permissive", "disabled")
SECRET = "\0password:"  # marks what must not be seen in a command's words; these have no zero bytes
PACKAGE = "guestfs-tools"
# Options of virt-customize whose value has a password, or names a file that has it (virt-customize(1), "SELECTORS").
WITH_PASSWORD = {
    "root-password": re.compile(r"((?:locked:)?)password:(.+)", re.DOTALL),
    "password": re.compile(r"([^:]+:(?:locked:)?)password:(.+)", re.DOTALL),
}

Words = t.List[str]


def set_hostname(hostname: str) -> Words:
    return ["--hostname", _line(hostname)]


def set_root_password(password: str) -> Words:
    """virt-sysprep reads it from a file, which `sysprep` makes: a command's words are for all to see."""
    return ["--root-password", f"{SECRET}{_line(password)}"]


def add_ssh_key(key: str) -> Words:
    """`key` is a file of this host with public keys that may log in as root."""
    return ["--ssh-inject", f"root:file:{key}"]


def set_iscsi_initiator_name(name: str) -> Words:
    return _write_file(INITIATOR, f"InitiatorName={_line(name)}\n")


def set_selinux_mode(mode: str) -> Words:
    """enforcing, permissive or disabled, from the next boot on. Raises LagoError."""
    if mode not in MODES:
        raise LagoError(f"setting the mode of SELinux: {mode!r} is none of {', '.join(MODES)}")
    return ["--run-command", f"sed -i 's/^SELINUX=.*/SELINUX={mode}/' /etc/selinux/config"]


def config_net_interface_dhcp(iface: str, hwaddr: str) -> Words:
    """As Red Hat's systems up to 8 have it."""
    return _config_net_interface(iface, type="Ethernet", bootproto="dhcp", onboot="yes", hwaddr=hwaddr)


def _config_net_interface(iface: str, **kwargs: str) -> Words:
    if not iface.replace("-", "").replace(".", "").isalnum():
        raise LagoError(f"setting up a network interface: {iface!r} cannot be its name")
    lines = {"device": iface, **kwargs}
    said = "".join(f"{key.upper()}={_line(value)}\n" for key, value in lines.items())
    return _write_file(f"/etc/sysconfig/network-scripts/ifcfg-{iface}", said)


def _upload_file(local_path: str, remote_path: str) -> Words:
    return ["--mkdir", os.path.dirname(remote_path), "--upload", f"{local_path}:{remote_path}"]


def _write_file(path: str, content: str) -> Words:
    return ["--mkdir", os.path.dirname(path), "--write", f"{path}:{content}"]


def _line(text: str) -> str:
    """What is to stand on one line in the guest. Raises LagoError."""
    if not text or "\n" in text or "\0" in text:
        raise LagoError("preparing a disk: a name or a password that is empty, or has more than one line")
    return text


def sysprep(disk: str, mods: t.Iterable[Words], form: str = "qcow2", relabel: bool = False, kind: str = "") -> None:
    """Makes the changes `mods` to the file `disk` of the format `form`; `relabel` for guests that have SELinux.

    The format is never found out: a guest can have written what looks like one.

    `kind`: see guestfs.environment. Raises LagoError, CommandError, OSError.
    """
    words = [word for mod in mods for word in mod]
    more = ["--selinux-relabel"] if relabel else []
    _run(kind, "virt-sysprep", f"--format={form}", "-a", disk, *more, "--operations", "customize", *words)


def _hidden(word: str, folder: str, number: int) -> str:
    before, mark, secret = word.partition(SECRET)
    if not mark:
        return word
    path = os.path.join(folder, str(number))
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(secret + "\n")
    return f"{before}file:{path}"


def build(disk: str, form: str, steps: t.Iterable[t.Mapping[str, t.Any]], key: str, kind: str = "") -> None:
    """What an init file has under a disk's `build`, in its order; `key` is the prefix's public key, a file.

    `kind`: see guestfs.environment. Raises LagoError for what is not known, CommandError.
    """
    for step in steps:
        for tool, options in step.items():
            if tool != "virt-customize":
                raise LagoError(f"building {disk}: {tool} is not known; virt-customize is")
            _run(kind, tool, f"--format={form}", "-a", disk, *customize_words(options, key))


def demand(disk: str, steps: t.Iterable[t.Mapping[str, t.Any]]) -> None:
    """Before anything is made: that `build` can be carried out here, as far as that shows. Raises LagoError."""
    for step in steps:
        for tool, options in step.items():
            customize_words(options, "")
            if not shutil.which(tool):
                raise LagoError(f"building the disk {disk}: {tool}, of the package {PACKAGE}, is not on this host")


def customize_words(options: t.Mapping[str, t.Any], key: str) -> Words:
    """{"touch": ["/a", "/b"], "update": "", "ssh-inject": ""} as words; an empty `ssh-inject` is root's, with `key`."""
    words: Words = []
    for option, value in options.items():
        if not option.replace("-", "").isalnum() or option.startswith("-"):
            raise LagoError(f"building a disk: {option!r} cannot be an option of virt-customize")
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if option == "ssh-inject" and not one:
                words += add_ssh_key(key)
            else:
                words += [f"--{option}", *([_marked(option, str(one))] if one not in ("", None, True) else [])]
    return words


def _marked(option: str, value: str) -> str:
    found = WITH_PASSWORD[option].fullmatch(value) if option in WITH_PASSWORD else None
    return f"{found.group(1)}{SECRET}{_line(found.group(2))}" if found else value


def _run(kind: str, tool: str, *words: str) -> None:
    with tempfile.TemporaryDirectory(prefix="lago-sysprep-") as folder:
        said = [_hidden(word, folder, number) for number, word in enumerate(words)]
        try:
            done = run_command([tool, "-q", *said], env=guestfs.environment(kind), timeout=LIMIT)
        except CommandError as error:
            raise CommandError(f"{error} ({tool} is of the package {PACKAGE})") from None
    if done.code != 0:
        lines = (done.err or done.out).decode("utf-8", "replace").strip().splitlines()
        raise CommandError(f"preparing {shlex.quote(words[2])}: {tool} ended with {done.code}: {' '.join(lines[-2:])}")
