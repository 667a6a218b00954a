# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The xenstore module as Ansible starts it: what it says, and what it keeps to itself."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.client import Client

from tests.xenstore.conftest import outcome

if t.TYPE_CHECKING:
    from tests.testbed.xen import daemons

Module = t.Callable[..., t.Any]  # starts the module, and gives its process


def test_secrets_are_nowhere(daemon: daemons.Daemon, module: Module, top: bytes, tmp_path: Path) -> None:
    """Neither in the result, nor in the invocation that comes with it, which has no tree, nor in the host's log."""
    path = top.decode()
    tree = {"password": "hush-hush", "user": "somebody", "key": {".base64": "aHVzaC1hZ2Fpbg=="}}
    for run in ("creates", "finds"):
        process = module(socket=str(daemon.socket), path=path, tree=tree, secrets=["*/password", "*/key"])
        said, complaints = process.communicate(timeout=60)
        log = (tmp_path / "log").read_text()
        for secret in ("hush-hush", "hush-again", "aHVzaC1hZ2Fpbg=="):
            assert secret not in said.decode() + complaints.decode() + log
        assert ("somebody" in said.decode()) == (run == "creates")  # in the difference; what was asked is not repeated
        assert "Invoked with" in log
        assert path in log


def test_no_value_is_logged(daemon: daemons.Daemon, module: Module, top: bytes, tmp_path: Path) -> None:
    """Which values are secret is known only after the log is written."""
    path = top.decode()
    for arguments in ({"value": "value-one"}, {"nodes": [{"path": f"{path}/a", "value": "value-one"}]}):
        place = {} if "nodes" in arguments else {"path": path}
        result = outcome(module(socket=str(daemon.socket), **place, **arguments))
        assert result["changed"]
        assert "value-one" in result["diff"]["after"]
    assert "value-one" not in (tmp_path / "log").read_text()


def test_failures_keep_secrets(daemon: daemons.Daemon, module: Module, top: bytes, tmp_path: Path) -> None:
    too_large = {"path": top.decode(), "tree": {"password": "hush-hush" * 500}}
    in_many = {"nodes": [{"guest": "nobody", "path": "a", "tree": {"b": {"password": {".value": "hush-hush"}}}}]}
    from_snapshot = {"restore": {"path": "/x", "tree": {"password": {".base64": "hush-hush"}}}}
    nobody_there = {"socket": str(tmp_path / "none"), "path": "/password", "value": "hush-hush"}
    for arguments, words in (
        (too_large, b"4096 at most"),
        (in_many, b"no domain in XenStore has the name nobody"),
        (from_snapshot, b"this is not base64"),
        (nobody_there, b"No such file"),
    ):
        process = module(**{"socket": str(daemon.socket), "secrets": ["password"], **arguments})
        said, _complaints = process.communicate(timeout=60)
        assert words in said
        assert b"hush-hush" not in said


def test_arguments_are_checked(daemon: daemons.Daemon, module: Module) -> None:
    for arguments, words in (
        ({}, "one of the following is required: path, domid, guest, restore, nodes"),
        ({"path": "/a", "domid": 1, "guest": "x"}, "mutually exclusive: domid|guest"),
        ({"path": "/a", "restore": {}, "value": "1"}, "mutually exclusive: value|restore"),
        ({"path": "/a", "nodes": [{"path": "/b"}]}, "mutually exclusive: nodes|path"),
        ({"nodes": [{"value": "x"}]}, "one of the following is required: path, domid, guest, restore"),
        ({"path": "/a", "socket": "/x", "xenbus": "/y"}, "mutually exclusive: socket|xenbus"),
    ):
        result = outcome(module(**{"socket": str(daemon.socket), **arguments}))
        assert result["failed"]
        assert words in result["msg"], result["msg"]


def test_an_unprivileged_user_is_told(daemon: daemons.Daemon, module: Module, tmp_path: Path) -> None:
    result = outcome(module(socket=str(tmp_path / "none"), path="/a"))
    assert result["msg"] == f"connecting to XenStore at {tmp_path}/none: No such file or directory"


def test_the_result_is_what_is_there(daemon: daemons.Daemon, module: Module, client: Client, top: bytes) -> None:
    path = top.decode()
    result = outcome(module(socket=str(daemon.socket), path=f"{path}/a", value="1", permissions=["n0", "r0"]))
    assert (result["changed"], result["path"], result["changes"]) == (
        True,
        f"{path}/a",
        [f"{path}/a: create, set permissions n0,r0"],
    )
    assert client.get_perms(top + b"/a") == [b"n0", b"r0"]
