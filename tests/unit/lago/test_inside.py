# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What guests send and say, without a guest: archives, consoles, services; and what prepares their disks."""

from __future__ import annotations

import io
import os
import pathlib
import stat
import tarfile

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import (
    console,
    copying,
    guestfs,
    services,
    ssh,
    sysprep,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import (
    CommandError,
    GuestError,
    LagoError,
    TemplateError,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates import debootstrap
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.utils import CommandStatus


def archive(*members):
    """Of (name, type, content or what a link says)."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as made:
        for name, kind, content in members:
            info = tarfile.TarInfo(name)
            info.type, info.mode = kind, 0o6777
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content
                made.addfile(info)
    return tarfile.open(fileobj=io.BytesIO(raw.getvalue()), mode="r|")


FILE, FOLDER, LINK, HARD, FIFO = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE


def test_what_is_taken_of_an_archive(tmp_path):
    to = tmp_path / "to"
    copying.unpack(
        archive(
            (".", FOLDER, ""),
            ("./a", FOLDER, ""),
            ("./a/file", FILE, b"1"),
            ("./a/same", HARD, "./a/file"),
            ("./link", LINK, "/etc/passwd"),
            ("./pipe", FIFO, ""),
            ("./link", FILE, b"2"),
        ),
        str(to),
    )
    assert sorted(os.listdir(to)) == ["a", "link"]
    assert not (to / "link").is_symlink() and (to / "link").read_bytes() == b"2"
    assert (to / "a" / "same").samefile(to / "a" / "file")
    assert stat.S_IMODE((to / "a" / "file").stat().st_mode) & 0o7000 == 0


@pytest.mark.parametrize(
    "members",
    [
        [("../out", FILE, b"x")],
        [("/{out}", FILE, b"x")],
        [("a/../../out", FILE, b"x")],
        [("a", LINK, ".."), ("a/out", FILE, b"x")],
        [("a", LINK, "{tmp}"), ("a/out", FOLDER, "")],
        [("a", HARD, "../secret")],
        [("a", LINK, "{tmp}/secret"), ("b", HARD, "a")],
        [("a", LINK, "{tmp}"), ("b", HARD, "a/secret")],
    ],
)
def test_nothing_lands_outside(tmp_path, members):
    (tmp_path / "secret").write_text("s")
    out = str(tmp_path / "out")

    def told(text):
        return text.replace("{out}", out.lstrip("/")).replace("{tmp}", str(tmp_path)) if isinstance(text, str) else text

    with pytest.raises(GuestError, match="does not lie in the folder|which has not come"):
        copying.unpack(archive(*[(told(name), kind, told(more)) for name, kind, more in members]), str(tmp_path / "to"))
    assert sorted(os.listdir(tmp_path)) == ["secret", "to"]
    assert (tmp_path / "secret").stat().st_nlink == 1


def test_a_console_cannot_move_the_cursor():
    raw = b"\x1b[2Jone\r\n\x1b]0;title\x07two\x00\x9b\x1bc\x08three\r\n"
    assert console.readable(raw) == "one\ntwo\ufffdthree\n"


def test_a_pattern_that_comes_in_parts(tmp_path):
    path = tmp_path / "console"
    path.write_bytes(b"old login:\n")
    watcher = console.Watcher(str(path), r"^login: *$", path.stat().st_size)
    assert watcher.found() == ""
    for part, expected in ((b"boot\nlog", ""), (b"in", ""), (b":\n", "login:")):
        with path.open("ab") as file:
            file.write(part)
        assert watcher.found() == expected
    assert console.last_lines(str(path), 2) == ["boot", "login:"]
    assert console.last_lines(str(path), 9, path.stat().st_size) == []
    assert console.last_lines(str(tmp_path / "missing")) == []


class Vm:
    """Answers commands by their words; what is not known fails."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def name(self):
        return "vm0"

    def as_root(self, words):
        return ["sudo", "-n", *words]

    def run(self, command):
        self.asked.append(" ".join(command))
        found = self.answers.get(self.asked[-1], (1, ""))
        code, out = found.pop(0) if isinstance(found, list) else found
        return CommandStatus(code, out.encode(), b"")


SHOW = "/usr/bin/systemctl show -p LoadState -p ActiveState -- web"
INSPECT = "/usr/bin/docker inspect -f {{.State.Running}} vdsmc"


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("LoadState=loaded\nActiveState=active\n", services.ServiceState.ACTIVE),
        ("LoadState=loaded\nActiveState=reloading\n", services.ServiceState.ACTIVE),
        ("LoadState=loaded\nActiveState=failed\n", services.ServiceState.INACTIVE),
        ("LoadState=not-found\nActiveState=inactive\n", services.ServiceState.MISSING),
        ("", services.ServiceState.MISSING),
    ],
)
def test_the_state_of_a_service_of_systemd(said, state):
    assert services._SystemdService(Vm({SHOW: (0, said)}), "web").state() == state


def test_a_service_that_does_not_start():
    off = (0, "LoadState=loaded\nActiveState=inactive\n")
    vm = Vm({SHOW: off, "sudo -n /usr/bin/systemctl start -- web": (0, "")})
    with pytest.raises(GuestError, match=r"^start of the service web in vm0: it did not change its state"):
        services._SystemdService(vm, "web").start()
    services._SystemdService(vm, "web").stop()
    assert vm.asked == [SHOW, "sudo -n /usr/bin/systemctl start -- web", SHOW, SHOW]


def test_in_a_container_the_same_words_go_through_docker():
    words = SHOW.replace("/usr/bin/systemctl", "/usr/bin/docker exec vdsmc /usr/bin/systemctl")
    vm = Vm({words: (0, "LoadState=loaded\nActiveState=active\n")})
    assert services._SystemdContainerService(vm, "web").alive()


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({INSPECT: (0, "true\n"), "test -e /usr/bin/systemctl": (0, "")}, "_SystemdContainerService"),
        ({INSPECT: (0, "false\n"), "test -e /usr/bin/systemctl": (0, "")}, "_SystemdService"),
        ({"test -e /sbin/service": (0, "")}, "_SysVInitService"),
    ],
)
def test_what_runs_services(answers, found):
    assert services.detect(Vm(answers)).__name__ == found
    assert services.detect(Vm(answers), "sysvinit").__name__ == "_SysVInitService"


def test_nothing_runs_services():
    with pytest.raises(GuestError, match="vm0: nothing there runs services; looked for /usr/bin/docker"):
        services.detect(Vm({}))


def test_words_reach_the_guest_s_shell_as_they_are():
    assert ssh.text(["echo", "a b", "$HOME", "'"]) == "echo 'a b' '$HOME' ''\"'\"''"
    assert ssh.text("echo $HOME") == "echo $HOME"
    assert ssh.shown(["mysql", "-psecret"]) == "mysql"


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """A program of that name, which keeps its words and the files that they name."""

    def make(name, code=0):
        folder, log = tmp_path / "bin", tmp_path / "log"
        folder.mkdir(exist_ok=True)
        body = f'for word in "$@"; do echo "$word"; case $word in file:*) cat "${{word#file:}}";; esac; done >{log}'
        (folder / name).write_text(f"#!/bin/sh\n{body}\necho it broke >&2\nexit {code}\n")
        (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return log

    return make


def test_sysprep_s_words(tool):
    log = tool("virt-sysprep")
    mods = [sysprep.set_hostname("vm0"), sysprep.set_iscsi_initiator_name("iqn.x:vm0"), sysprep.set_root_password("pw")]
    sysprep.sysprep("/disk", mods, relabel=True)
    said = log.read_text().splitlines()
    assert said[:9] == [
        *("-q", "--format=qcow2", "-a", "/disk", "--selinux-relabel", "--operations", "customize", "--hostname", "vm0"),
    ]
    assert said[9:13] == ["--mkdir", "/etc/iscsi", "--write", "/etc/iscsi/initiatorname.iscsi:InitiatorName=iqn.x:vm0"]
    assert said[-2].startswith("file:") and said[-1] == "pw", "the password is in a file, not in the words"
    assert not os.path.exists(said[-2][5:])


def test_libguestfs_takes_no_kvm_that_the_lab_does_not_take():
    assert guestfs.environment("qemu") == {
        "LIBGUESTFS_BACKEND": "direct",
        "LIBGUESTFS_BACKEND_SETTINGS": "force_tcg",
    }
    assert guestfs.environment("kvm") == {"LIBGUESTFS_BACKEND": "direct"}


def test_what_an_init_file_builds(tool):
    log = tool("virt-customize")
    steps = [{"virt-customize": {"ssh-inject": "", "touch": ["/root/a", "/root/b"], "update": ""}}]
    sysprep.build("/disk", "raw", steps, "/key.pub")
    assert log.read_text().split() == [
        *("-q", "--format=raw", "-a", "/disk", "--ssh-inject", "root:file:/key.pub"),
        *("--touch", "/root/a", "--touch", "/root/b", "--update"),
    ]
    passwords = {"root-password": ["password:s:1", "locked:password:s2", "random"], "password": "me:password:s3"}
    sysprep.build("/disk", "raw", [{"virt-customize": passwords}], "/key.pub")
    said = log.read_text().splitlines()[4:]
    assert [word.partition("/")[0] for word in said] == [
        *("--root-password", "file:", "s:1", "--root-password", "locked:file:", "--root-password", "random"),
        *("--password", "me:file:"),
    ]
    with pytest.raises(LagoError, match="building /disk: rm is not known; virt-customize is"):
        sysprep.build("/disk", "raw", [{"rm": {}}], "/key.pub")
    with pytest.raises(LagoError, match="'-a /x' cannot be an option"):
        sysprep.customize_words({"-a /x": ""}, "/key.pub")


def test_what_is_built_is_looked_at_before_anything_is_made(tool, monkeypatch):
    tool("virt-customize")
    steps = [{"virt-customize": {"touch": "/a"}}]
    sysprep.demand("vm0/root", steps)
    with pytest.raises(LagoError, match="'-a /x' cannot be an option"):
        sysprep.demand("vm0/root", [{"virt-customize": {"-a /x": ""}}])
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        LagoError,
        match="^building the disk vm0/root: virt-customize, of the package guestfs-tools, is not on this host$",
    ):
        sysprep.demand("vm0/root", steps)


def test_a_tool_that_fails_and_one_that_is_missing(tool, monkeypatch):
    tool("virt-sysprep", code=3)
    with pytest.raises(CommandError, match="preparing /disk: virt-sysprep ended with 3: it broke"):
        sysprep.sysprep("/disk", [sysprep.set_hostname("vm0")], "raw")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CommandError, match="running virt-sysprep: No such file.*guestfs-tools"):
        sysprep.sysprep("/disk", [], "raw")


@pytest.mark.parametrize(
    "mod",
    [
        lambda: sysprep.set_selinux_mode("off"),
        lambda: sysprep.set_iscsi_initiator_name("a\nb"),
        lambda: sysprep.set_root_password(""),
        lambda: sysprep.config_net_interface_dhcp("../x", "52:54:00:00:00:01"),
    ],
)
def test_what_cannot_be_prepared(mod):
    with pytest.raises(LagoError):
        mod()


def test_a_template_is_built_where_apt_finds_its_keys(tmp_path, monkeypatch):
    """The store's folders are named after templates, with colons, at which apt cuts the paths of keyrings."""
    folder = tmp_path / "partial" / "debian:debian12:1"
    folder.mkdir(parents=True)
    built = []

    def build(_self, _suite, work, dest):
        built.append(pathlib.Path(work).parent)
        pathlib.Path(dest).write_bytes(b"image")

    monkeypatch.setattr(debootstrap, "_demand", lambda: None)
    monkeypatch.setattr(debootstrap.DebootstrapProvider, "_build", build)
    provider = debootstrap.DebootstrapProvider({})
    for place in (folder, tmp_path):
        provider.download_image("bookworm", str(place / "image"))
    assert built == [tmp_path / "partial", tmp_path]
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["debian:debian12:1", "image", "image", "partial"]


def test_templates_of_debian_s_packages():
    made = debootstrap.repository({"packages": ["nginx"]})
    assert made.names() == ["bookworm", "bullseye", "debian11", "debian12", "debian13", "trixie"]
    name = made.get_by_name("debian12").get_version().name
    assert name.startswith("debootstrap:debian12:")
    assert name != debootstrap.repository().get_by_name("debian12").get_version().name, "it has other packages"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"size": "4"}, "size has to be of 1G to 2T, not '4'"),
        ({"packages": ["--help"]}, "'--help' cannot be a package"),
        ({"suite": "x"}, "takes mirror, packages and size, not suite"),
    ],
)
def test_sources_that_cannot_be(args, message):
    with pytest.raises(TemplateError, match=message):
        debootstrap.DebootstrapProvider(args)


def test_a_tree_becomes_nobody_s(tmp_path):
    (tmp_path / "etc/ssh").mkdir(parents=True)
    (tmp_path / "etc/ssh/ssh_host_rsa_key").write_text("key")
    (tmp_path / "etc/resolv.conf").write_text("nameserver 192.0.2.1\n")
    debootstrap.finish(str(tmp_path), "11111111-2222-3333-4444-555555555555")
    assert os.listdir(tmp_path / "etc/ssh") == []
    assert (tmp_path / "etc/resolv.conf").is_symlink()
    assert (tmp_path / "etc/machine-id").read_text() == "uninitialized\n"
    assert "root=UUID=11111111-2222-3333-4444-555555555555 " in (tmp_path / "boot/grub/grub.cfg").read_text()
    cloud = (tmp_path / "etc/cloud/cloud.cfg.d/90_lago.cfg").read_text()
    assert "\nsystem_info: {network: {renderers: [networkd]}}\n" in cloud
    assert "\nlocale: C.UTF-8\n" in cloud and (tmp_path / "etc/default/locale").read_text() == "LANG=C.UTF-8\n"
