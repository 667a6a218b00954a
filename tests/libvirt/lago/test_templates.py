# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Labs and their templates: one image for many labs, a wrong one, none that is there; and a disk that is full."""

from __future__ import annotations

import copy
import ctypes
import hashlib
import json
import os
import subprocess
import traceback
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import sysprep
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import LagoError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates.store import TemplateStore
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.libvirt.lago.conftest import Conf, Host, lab

SIZE = 8 << 20
CLONE_NEWNS = 0x20000  # linux/sched.h


def repository(folder: Path, digest: str = "") -> str:
    """With one template, `base`, of 8 MiB that are no zeros."""
    folder.mkdir(parents=True)
    raw, image = folder / "raw", folder / "base.qcow2"
    raw.write_bytes(os.urandom(SIZE))
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(image)], check=True)
    raw.unlink()
    (folder / "base.qcow2.hash").write_text(digest or hashlib.sha256(image.read_bytes()).hexdigest())
    (folder / "base.qcow2.metadata").write_text(json.dumps({"distro": "el9", "root-password": "word"}))
    versions = {"v1": {"source": "here", "handle": "base.qcow2", "timestamp": 1}}
    dom = {
        "name": "lab",
        "templates": {"base": {"versions": versions}},
        "sources": {"here": {"type": "file", "args": {"root": "."}}},
    }
    (folder / "repository.json").write_text(json.dumps(dom))
    return str(folder / "repository.json")


@pytest.fixture
def conf() -> Conf:
    return lab("one", disks=[{"name": "root", "type": "template", "template_name": "base"}])


def used(folder: Path) -> int:
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


def test_ten_labs_have_one_image(host: Host, conf: Conf) -> None:
    path = repository(host.folder / "kept")
    prefixes = [host.prefix(f"lab{number}") for number in range(10)]
    for number, prefix in enumerate(prefixes):
        before = used(host.folder)
        prefix.virt_conf(conf, template_repo=path)
        if number:
            assert used(host.folder) - before < SIZE // 8
    prefixes[0].start()
    vm = prefixes[0].virt_env.get_vm("one")
    assert (vm.distro(), vm.root_password()) == ("el9", "word")
    (disk,) = vm.disks()
    image = Path(disk.chain[1][0])
    assert disk.chain[1][1] == "qcow2" and image.stat().st_mode & 0o777 == 0o444 and image.stat().st_uid == 0
    store = TemplateStore(host.settings["template_store"])
    assert store.collect() == {}
    for prefix in prefixes[:9]:
        prefix.destroy()
    assert store.collect() == {}
    assert not prefixes[9].plan(Wish("", conf))
    prefixes[9].destroy()
    assert list(store.collect()) == [image.name]


def test_a_wrong_image_makes_no_lab(host: Host, conf: Conf) -> None:
    path = repository(host.folder / "kept", digest="0" * 64)
    prefix = host.prefix()
    with pytest.raises(ChangeFailed, match="template base: make: .*lab:base:v1.*0000.*nothing else had been changed"):
        prefix.converge(Wish("started", conf, template_repo=path))
    assert not [one for one in host.look() if one.startswith(("domain", "network", "link lg"))]


def test_a_disk_is_built_by_the_tool_that_the_file_names(
    host: Host, conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool of ours in the place of virt-customize: it has the disk, and tells its words."""
    tools = host.folder / "kept" / "bin"
    path = repository(host.folder / "kept" / "repo")
    tools.mkdir()
    host.settings["template_store"] = str(host.folder / "kept" / "store")
    (tools / "virt-customize").write_text(f'#!/bin/sh\nfor word; do echo "$word"; done > {tools}/words\n')
    (tools / "virt-customize").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    conf["domains"]["one"]["disks"][0]["build"] = [{"virt-customize": {"ssh-inject": "", "touch": ["/a", "/b"]}}]
    prefix = host.prefix()
    prefix.virt_conf(conf, template_repo=path)
    words = (tools / "words").read_text().split("\n")
    assert prefix.paths.disk("one", "root", "qcow2") in words
    assert f"root:file:{prefix.paths.ssh_id_rsa_pub()}" in words
    assert words[-5:-1] == ["--touch", "/a", "--touch", "/b"]


def test_a_tool_that_is_missing_is_told_before_anything_is_made(
    host: Host, conf: Conf, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = repository(host.folder / "kept")
    store = host.folder / "kept" / "store"
    host.settings["template_store"] = str(store)
    monkeypatch.setattr(sysprep.shutil, "which", lambda _tool: None)
    built = copy.deepcopy(conf)
    built["domains"]["one"]["disks"][0]["build"] = [{"virt-customize": {"touch": "/a"}}]
    prefix = host.prefix()
    for tried in (prefix.plan, prefix.converge):
        with pytest.raises(LagoError, match="^building the disk one/root: virt-customize, .*, is not on this host$"):
            tried(Wish("started", built, template_repo=path))
    assert not store.exists()
    prefix.virt_conf(conf, template_repo=path)


def test_what_is_not_said_or_not_there(host: Host, conf: Conf) -> None:
    prefix = host.prefix()
    with pytest.raises(ChangeFailed, match="a disk of a template needs a repository"):
        prefix.virt_conf(conf)
    with pytest.raises(ChangeFailed, match="no such file"):
        prefix.virt_conf(conf, template_repo=str(host.folder / "none.json"))
    path = repository(host.folder / "kept")
    conf["domains"]["one"]["disks"][0]["template_version"] = "v7"
    with pytest.raises(ChangeFailed, match="the template base has no version v7; it has v1"):
        prefix.virt_conf(conf, template_repo=path)


def test_a_full_disk(host: Host, two: Conf) -> None:
    """A file system of 256 KiB that only a child of ours sees. Once there is room, the same lab is made there."""
    place = host.folder / "small"
    place.mkdir(mode=0o755)
    child = os.fork()
    if child == 0:
        try:
            _in_a_small_place(place, Prefix(str(place / "lab"), host.settings), two)
            os._exit(0)
        except BaseException:
            (host.folder / "kept").write_text(traceback.format_exc())
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert status == 0, (host.folder / "kept").read_text()
    place.rmdir()


def _in_a_small_place(place: Path, prefix: Prefix, conf: Conf) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.unshare(CLONE_NEWNS) == 0
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k,mode=755", "tmpfs", str(place)], check=True)
    with pytest.raises((ChangeFailed, OSError), match="No space left on device"):
        prefix.virt_conf(conf)
    subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
    prefix.virt_conf(conf)
    assert not prefix.plan(Wish("", conf))
    assert {thing.state for thing in prefix.standing().things.values()} == {"made"}
    prefix.destroy()
    assert os.listdir(place) == []
