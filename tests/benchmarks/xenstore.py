# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""XenStore by ours, by pyxs and by the stock tool, each run on a C xenstored of its own, filled alike."""

from __future__ import annotations

import atexit
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import typing as t

Work = t.Callable[[], t.Any]

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PYXS = "pyxs==0.4.1"  # the last there is
TOP = b"/bench"
WIDE = 100  # children of each node but the last ones
VALUE = b"a value of a common size"


def _daemon() -> str:
    """The socket of a daemon that ends with this process."""
    sys.path.insert(0, str(CHECKOUT))
    from tests.testbed.xen import daemons

    folder = pathlib.Path(tempfile.mkdtemp(prefix="fleet-bench-"))
    atexit.register(shutil.rmtree, folder)
    daemon = daemons.Daemon("c", folder, daemons.build(folder))
    atexit.register(daemon.stop)
    return str(daemon.socket)


def _paths(count: int) -> list[bytes]:
    return [b"%s/%d/%d" % (TOP, number // WIDE, number % WIDE) for number in range(count - count // WIDE)]


def _filled(count: int) -> str:
    """A daemon with `count` nodes below TOP."""
    from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client

    at = _daemon()
    with Client(at) as client:
        for path in _paths(count):
            client[path] = VALUE
    return at


def _ours(at: str) -> t.Any:
    from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client

    return _opened(Client(at))


def _pyxs(at: str) -> t.Any:
    """Installed for the benchmarks alone, where they are run for the first time."""
    folder = CHECKOUT / ".cache" / PYXS
    if not folder.exists():
        pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), PYXS]
        subprocess.run(pip, check=True, stdout=subprocess.DEVNULL)
    sys.path.insert(0, str(folder))
    from pyxs import Client

    return _opened(Client(unix_socket_path=at))


def _opened(client: t.Any) -> t.Any:
    client.connect()
    atexit.register(client.close)
    return client


CLIENTS = {"ours": _ours, "pyxs": _pyxs}


def walk(whose: str, count: int) -> Work:
    client = CLIENTS[whose](_filled(count))
    return lambda: sum(1 for _path, value, _children in client.walk(TOP) if value == VALUE)


def walk_stock(count: int) -> Work:
    env = {**os.environ, "XENSTORED_PATH": _filled(count)}
    end = f' = "{VALUE.decode()}"'

    def work() -> int:
        told = subprocess.run(["xenstore-ls", "-f", TOP], env=env, check=True, capture_output=True, text=True).stdout
        return sum(line.endswith(end) for line in told.splitlines())

    return work


def reads(whose: str, count: int) -> Work:
    client, path = CLIENTS[whose](_filled(WIDE)), _paths(WIDE)[0]
    return lambda: sum(client.read(path) == VALUE for _number in range(count))


def writes(whose: str, count: int) -> Work:
    """In one transaction."""
    client, paths = CLIENTS[whose](_daemon()), _paths(count)

    def work() -> bool:
        client.transaction()
        for path in paths:
            client.write(path, VALUE)
        return client.commit()

    return work


def tasks_in_turn(pairs: int, count: int) -> Work:
    """Tasks whose tree of `count` nodes is right, and those of an empty module."""
    import tasks

    tree: dict[str, dict[str, str]] = {}
    for path in _paths(count):
        _root, _top, middle, last = path.decode().split("/")
        tree.setdefault(middle, {})[last] = VALUE.decode()
    wanted = {"path": TOP.decode(), "tree": tree, "socket": _daemon()}
    return tasks.in_turn("fleet.hypervisor.xenstore", wanted, pairs)
