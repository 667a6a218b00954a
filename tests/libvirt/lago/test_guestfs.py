# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk of Debian's packages, prepared and read by libguestfs's own tools, where they are installed."""

from __future__ import annotations

import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import CommandError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.prefix import Prefix
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.wish import Wish

from tests.libvirt.lago.conftest import Conf, a_host
from tests.testbed.libvirt.daemon import Daemon

TOOLS = ("virt-customize", "virt-sysprep", "virt-copy-out", "mmdebstrap")
MISSING = [name for name in TOOLS if not shutil.which(name)]
BOOTED = bool(list(Path("/boot").glob("vmlinuz-*")))  # libguestfs runs it as its own machine

pytestmark = [
    pytest.mark.skipif(bool(MISSING), reason="libguestfs's tools, or mmdebstrap, are not installed"),
    pytest.mark.skipif(not BOOTED, reason="libguestfs finds no kernel in /boot"),
]

PASSWORD = "root's word"
BUILD = {"write": "/etc/built:by the lab\n", "mkdir": ["/srv/a", "/srv/b"], "root-password": "password:another"}
DISK: Conf = {"name": "root", "type": "template", "template_type": "qcow2", "build": [{"virt-customize": BUILD}]}
SPEC: Conf = {
    "domains": {
        "one": {
            "memory": 64,
            "accel": "tcg",
            "root-password": PASSWORD,
            "nics": [{"net": "mgmt"}],
            "disks": [DISK],
        }
    },
    "nets": {"mgmt": None},
}


@pytest.fixture(scope="module")
def lab(daemon: Daemon) -> t.Iterator[Prefix]:
    """Its VM does not run; its disk was built, then bootstrapped."""
    for host in a_host(daemon):
        image = _debian(host.folder)
        before = image.read_bytes()
        DISK["path"] = str(image)
        prefix = host.prefix()
        prefix.converge(Wish("initialized", SPEC))
        built = _shadow(prefix, host.folder)
        assert _crypt("another", built) == built
        prefix.virt_env.get_vm("one").bootstrap()
        assert image.read_bytes() == before, "what the disk stands on"
        yield prefix
        image.unlink()


def _debian(folder: Path) -> Path:
    """A file system with the packages that each Debian has, as a whole disk."""
    tree, raw, image = folder / "debian.tar", folder / "debian.raw", folder / "debian.qcow2"
    for argv in (
        ["mmdebstrap", "--quiet", "--variant=essential", "--include=openssh-server", "bookworm", str(tree)],
        ["truncate", "-s", "1G", str(raw)],
    ):
        subprocess.run(argv, check=True, capture_output=True, timeout=300)
    (folder / "tree").mkdir()
    subprocess.run(["tar", "-C", str(folder / "tree"), "-xf", str(tree)], check=True, timeout=120)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", str(folder / "tree"), str(raw)], check=True, timeout=120)
    convert = ["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(image)]
    subprocess.run(convert, check=True, timeout=120)
    shutil.rmtree(folder / "tree")
    tree.unlink()
    raw.unlink()
    return image


def _read(prefix: Prefix, inside: str, folder: Path) -> str:
    """By virt-copy-out, as the VM does not run."""
    here = folder / "read"
    prefix.virt_env.get_vm("one").extract_paths([(inside, str(here))])
    said = here.read_text()
    here.unlink()
    return said


def _shadow(prefix: Prefix, folder: Path) -> str:
    """What root's password has become."""
    return _read(prefix, "/etc/shadow", folder).split(":")[1]


def _crypt(password: str, kept: str) -> str:
    """Python 3.13 has no crypt any more."""
    argv = ["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", password, kept]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def test_what_build_says_is_on_the_disk(lab: Prefix, tmp_path: Path) -> None:
    assert _read(lab, "/etc/built", tmp_path) == "by the lab\n"
    lab.virt_env.get_vm("one").extract_paths([("/srv", f"{tmp_path}/")])
    assert sorted(path.name for path in (tmp_path / "srv").iterdir()) == ["a", "b"]


def test_the_guest_is_who_the_lab_says(lab: Prefix, tmp_path: Path) -> None:
    assert _read(lab, "/etc/hostname", tmp_path) == "one\n"
    assert _read(lab, "/etc/iscsi/initiatorname.iscsi", tmp_path) == "InitiatorName=iqn.2014-07.org.lago:one\n"
    assert _read(lab, "/root/.ssh/authorized_keys", tmp_path) == Path(lab.paths.ssh_id_rsa_pub()).read_text()
    kept = _shadow(lab, tmp_path)
    assert _crypt(PASSWORD, kept) == kept


def test_what_the_tool_says_of_a_path_that_is_not_there(lab: Prefix, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"reading /nowhere from \S+: virt-copy-out ended with 1: .*/nowhere"):
        _read(lab, "/nowhere", tmp_path)
    assert list(tmp_path.iterdir()) == []
