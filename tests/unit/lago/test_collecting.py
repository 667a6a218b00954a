# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is collected of VMs: their artifacts, and what is asked for besides."""

from __future__ import annotations

import types

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.collecting import collect
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import GuestError, LagoError


class Guest:
    """A VM with files."""

    def __init__(self, name, files, artifacts=(), console="/nowhere"):
        self._name, self._files, self._console = name, files, str(console)
        self.spec = types.SimpleNamespace(artifacts=tuple(artifacts))

    def name(self):
        return self._name

    def console(self):
        return self._console

    def extract_paths(self, pairs):
        for inside, here in pairs:
            if inside not in self._files:
                raise GuestError("there is no such file")
            with open(here, "w", encoding="utf-8") as file:
                file.write(self._files[inside])


def lab(*guests):
    vms = {guest.name(): guest for guest in guests}
    env = types.SimpleNamespace(get_vms=lambda: vms, get_vm=vms.__getitem__)
    return types.SimpleNamespace(virt_env=env, progress=lambda what, vm: None)


def test_paths_are_collected_of_each_vm_besides_its_artifacts(tmp_path):
    one = Guest("one", {"/etc/hosts": "one's", "/var/log/app": "log"}, ["/var/log/app", "/etc/hosts"])
    two = Guest("two", {"/etc/hosts": "two's"})
    found = collect(lab(one, two), str(tmp_path), paths=["/etc/hosts", "/etc/none"])
    assert found["one"]["files"].keys() == {"/var/log/app", "/etc/hosts"}
    assert found["two"]["files"] == {"/etc/hosts": f"{tmp_path}/two/etc/hosts"}
    assert (tmp_path / "two/etc/hosts").read_text() == "two's"
    assert found["two"]["missing"] == {"/etc/none": "there is no such file"}


@pytest.mark.parametrize("path", ["etc/hosts", "/", "/console", "/../console/x", ""])
def test_paths_that_have_no_place_are_refused_before_anything_is_made(tmp_path, path):
    with pytest.raises(LagoError, match="^paths: .* is no path of a file in the guest that can be collected$"):
        collect(lab(Guest("one", {})), str(tmp_path / "dest"), paths=[path])
    assert not (tmp_path / "dest").exists()


def test_a_console_is_whole_also_where_virtlogd_has_begun_new_files(tmp_path):
    path = tmp_path / "one.console"
    for text, name in (("first ", ".2"), ("second ", ".1"), ("third ", ".0"), ("fourth", "")):
        (tmp_path / f"one.console{name}").write_text(text)
    found = collect(lab(Guest("one", {}, console=path)), str(tmp_path / "dest"))
    assert (tmp_path / "dest/one/console").read_text() == "first second third fourth"
    assert found["one"]["console"] == f"{tmp_path}/dest/one/console"


def test_what_never_ran_has_no_console(tmp_path):
    assert collect(lab(Guest("one", {})), str(tmp_path / "dest"))["one"]["console"] == ""
