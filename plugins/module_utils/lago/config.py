# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lago's settings: from the environment, then from files, the first that says a key.

LAGO__SECTION__KEY   as 1.0 has them        LAGO_KEY   as 0.3
$XDG_CONFIG_HOME/lago/lago.conf, ~/.lago, $XDG_CONFIG_DIRS/lago/lago.conf, /etc/lago.d/*.conf
"""

from __future__ import annotations

import os
import typing as t

from .errors import LagoError

SECTION = "lago"

# What holds where nobody says anything else.
DEFAULTS = {
    "lease_dir": "/var/lib/lago/subnets",
    "template_store": "/var/lib/lago/store",
    "template_repos": "/var/lib/lago/repos",
    "libvirt_url": "qemu:///system",
    "libvirt_logs": "/var/log/libvirt/qemu",
    "libvirt_lib": "/var/lib/libvirt/qemu",
    "libvirt_run": "/run/libvirt/qemu",
    "ssh_user": "root",
    "subnet_pools": "",  # Lago's (subnets.DEFAULT_POOLS)
}

_UNSET: t.Any = object()


def get(key: str, default: t.Any = _UNSET, section: str = SECTION, environ: t.Mapping[str, str] | None = None) -> t.Any:
    """The text of a setting, else `default`, else Lago's own. Raises KeyError where there is none at all.

    Raises LagoError for a file that cannot be read as INI.
    """
    env = os.environ if environ is None else environ
    for name in _variables(section, key):
        if name in env:
            return env[name]
    for path in files(env):
        found = _from_file(path, section, key)
        if found is not None:
            return found
    if default is not _UNSET:
        return default
    if section == SECTION and key in DEFAULTS:
        return DEFAULTS[key]
    raise KeyError(f"neither the environment nor a file has {section}.{key}")


def _variables(section: str, key: str) -> tuple[str, ...]:
    new = f"LAGO__{section}__{key}".upper()
    return (new, f"LAGO_{key}".upper()) if section == SECTION else (new,)


def files(env: t.Mapping[str, str]) -> list[str]:
    """The files that there can be, those that are asked first in front."""
    import glob

    home = env.get("HOME") or os.path.expanduser("~")
    own = env.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    everybody = (env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")
    folders = [own, *everybody]
    paths = [os.path.join(folder, "lago", "lago.conf") for folder in folders if os.path.isabs(folder)]
    return [paths[0], os.path.join(home, ".lago"), *paths[1:], *sorted(glob.glob("/etc/lago.d/*.conf"))]


def _from_file(path: str, section: str, key: str) -> str | None:
    if not os.path.isfile(path):  # 1.0 made a folder ~/.lago of labs
        return None
    import configparser

    parser = configparser.ConfigParser(interpolation=None)
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
    except (configparser.Error, UnicodeDecodeError, OSError) as error:
        raise LagoError(f"reading the settings in {path}: {error}") from None
    return parser.get(section, key, fallback=None)
