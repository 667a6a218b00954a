# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machine VMs get: a kvm that is listed and boots nothing is not used."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import machine_choice
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.documents.domain import Machine
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import LagoError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.initfile.reading import read

CAPABILITIES = """<capabilities><host><cpu><arch>{arch}</arch></cpu></host>
<guest><arch name='{arch}'>{machines}<domain type='qemu'/><domain type='kvm'/></arch></guest></capabilities>"""


class Host:
    """A connection that knows its capabilities alone."""

    uri = "test"

    def __init__(self, arch: str, *machines: str) -> None:
        listed = "".join(f"<machine>{one}</machine>" for one in machines)
        self._document = CAPABILITIES.format(arch=arch, machines=listed)

    def ask(self, method: str, *_unused: t.Any) -> str:
        assert method == "getCapabilities"
        return self._document


@pytest.fixture
def verdict(monkeypatch: pytest.MonkeyPatch) -> t.Callable[[str | None], None]:
    def say(recommended: str | None) -> None:
        evidence = [{"verdict": "against", "what": "the CPU shows neither vmx nor svm"}]
        monkeypatch.setattr(
            machine_choice, "acceleration", lambda _unused: {"recommended": recommended, "evidence": evidence}
        )

    return say


@pytest.mark.parametrize(
    ("arch", "listed", "machine"),
    [
        ("x86_64", ("pc-i440fx-7.2", "q35", "pc"), "pc"),
        ("x86_64", ("q35", "microvm"), "q35"),
        ("aarch64", ("virt-7.2", "virt"), "virt"),
        ("riscv64", ("spike", "virt"), "spike"),
    ],
)
@pytest.mark.parametrize("kind", ["kvm", "qemu"])
def test_the_machine(verdict: t.Any, arch: str, listed: tuple[str, ...], machine: str, kind: str) -> None:
    verdict(kind)
    assert machine_choice.choose(t.cast(t.Any, Host(arch, *listed))) == Machine(kind, arch, machine)


def test_a_host_without_guests(verdict: t.Any) -> None:
    verdict(None)
    with pytest.raises(LagoError, match="test offers no guests of x86_64"):
        machine_choice.choose(t.cast(t.Any, Host("x86_64", "pc")))


def test_who_insists_on_kvm_is_told_why_not(verdict: t.Any) -> None:
    spec = read({"domains": {"vm": {"accel": "kvm", "nics": [{"net": "m"}]}}, "nets": {"m": {}}}, {})
    verdict("qemu")
    with pytest.raises(LagoError, match=r"domains\.vm\.accel: kvm cannot boot a guest here: .* neither vmx nor svm"):
        machine_choice.check(t.cast(t.Any, Host("x86_64", "pc")), spec)
    verdict("kvm")
    machine_choice.check(t.cast(t.Any, Host("x86_64", "pc")), spec)
