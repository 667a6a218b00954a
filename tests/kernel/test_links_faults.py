# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tasks of somebody who may not, and values that only the kernel refuses: one sentence, and the host as before."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.links import task
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.netns import opened_in
from ansible_collections.fleet.hypervisor.plugins.module_utils.plan import ChangeFailed

from tests.kernel.links import Bench, differing

NOBODY = 65534


@pytest.fixture
def bench(netns):
    found = Bench(netns)
    found.ip("ip link add v0 type veth peer name v1", "ip link set v0 up", "ip address add 10.0.0.1/24 dev v0")
    return found


def as_nobody(netns: str | None, action: t.Callable[[], t.Any]) -> str:
    """What a process of `nobody` in the namespace (None: ours) says of a task: "done", or the error's words."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:

        def answer() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            try:
                action()
                words = "done"
            except task.FAILURES as error:
                words = f"{type(error).__name__} {error}"
            except BaseException as error:
                words = f"not a failure of a task: {error!r}"
            os.write(writing, words.encode())
            os._exit(0)

        opened_in(netns, answer)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        return pipe.read()


@pytest.mark.parametrize(
    ("given", "change"),
    [
        ({"name": "v0", "mtu": 1400}, "mtu 1500 -> 1400"),
        ({"name": "v0", "addresses": ["10.0.0.1/24", "10.0.0.2/24"]}, "add address 10.0.0.2/24"),
        ({"name": "new", "kind": "bridge"}, "create bridge"),
        ({"name": "v0", "state": "down"}, "down"),
        ({"name": "v0", "state": "absent"}, "remove"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_somebody_without_permission(bench, given, change):
    bench.run(check=True, **given)  # what is imported late is there before it cannot be read any more
    before = bench.picture()
    words = as_nobody(bench.netns, lambda: bench.run(netns=None, **given))
    assert words.startswith(f"ChangeFailed {given['name']}: {change}: RTM_"), words
    assert "Operation not permitted (root, or CAP_NET_ADMIN in this network namespace, is needed)" in words
    assert words.endswith("; nothing else had been changed")
    assert not differing(before, bench.picture())


def test_somebody_without_permission_may_look(bench):
    given = {"name": "v0", "addresses": ["10.0.0.1/24"], "state": "up"}
    assert as_nobody(bench.netns, lambda: bench.run(netns=None, **given)) == "done"
    assert as_nobody(bench.netns, lambda: bench.run(netns=None, check=True, name="v0", mtu=1400)) == "done"


def test_somebody_without_permission_may_not_enter(bench):
    words = as_nobody(None, lambda: bench.run(name="v0", mtu=1400))
    assert words.startswith(
        f"WrongLink netns: entering network namespace {bench.netns}: setns: Operation not permitted"
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"name": "v0", "mtu": 67},
            r"mtu 1500 -> 67: RTM_SETLINK v0: mtu less than device minimum \(Invalid argument\)",
        ),
        ({"name": "lo", "state": "absent"}, "remove: RTM_DELLINK lo: Operation not supported"),
        ({"name": "v0", "altnames": ["v1"]}, "add altname v1: RTM_NEWLINKPROP v0: File exists"),
        (
            {"name": "vx", "kind": "vxlan", "options": {"id": 1, "group": "239.0.0.1", "port": 4789}},
            "create vxlan: RTM_NEWLINK vx: .*Local interface required for multicast remote",
        ),
        ({"name": "mv", "kind": "macvlan", "link": "v0", "mtu": 9000}, "create macvlan on v0: RTM_NEWLINK mv: "),
        ({"name": "lo", "master": "v1"}, "master none -> v1: RTM_SETLINK lo: Operation not supported"),
    ],
)
def test_what_only_the_kernel_refuses(bench, given, words):
    before = bench.picture()
    with pytest.raises(
        ChangeFailed, match=rf"^{given['name']} in {bench.netns}: {words}.*; nothing else had been changed$"
    ):
        bench.run(**given)
    with pytest.raises(
        ChangeFailed, match=rf"^links\[1\]: {given['name']} in {bench.netns}: {words}.*undone again: v1"
    ):
        bench.run({"name": "v1", "netns": bench.netns, "mtu": 1400, "alias": "x", "altnames": []}, given)
    assert not differing(before, bench.picture())
