# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import genl
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import NetlinkError
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.message import Request


@pytest.fixture
def sock(netns):
    with genl.GenericSocket(netns=netns) as sock:
        yield sock


def test_the_family_that_tells_of_families(sock):
    found = sock.family("nlctrl", "the kernel")
    assert (found.name, found.id, found.header_size) == ("nlctrl", 16, 0)
    assert found.groups["notify"] > 0


def test_a_family_is_asked_for_once(sock, monkeypatch):
    found = sock.family("nlctrl", "the kernel")
    monkeypatch.setattr(sock, "ask", None)
    assert sock.family("nlctrl", "the kernel") is found


def test_a_family_that_is_missing_is_named_with_what_would_bring_it(sock):
    with pytest.raises(genl.NoSuchFamily) as caught:
        sock.family("no-such", "kernel module nosuch")
    assert caught.value.strerror == (
        "generic netlink family no-such: this kernel does not have it (kernel module nosuch is missing)"
    )


def by_number(number):
    """Asks for a family by its number: for an unknown name the kernel would start modprobe."""
    body = genl.HEADER.pack(genl.CTRL_CMD_GETFAMILY, 1) + genl.CTRL.encode({"id": number})
    return Request(f"family {number}", genl.GENL_ID_CTRL, 0, body, genl.CTRL, genl.HEADER.size)


def test_each_of_many_requests_has_its_answer_or_its_error(sock):
    numbers = [16 if index % 3 else 60000 + index for index in range(5000)]
    outcomes = sock.ask_each([by_number(number) for number in numbers], genl.decode_family)
    assert len(outcomes) == 5000
    for number, outcome in zip(numbers, outcomes):
        if number == 16:
            assert [family.name for family in outcome] == ["nlctrl"]
        else:
            assert isinstance(outcome, NetlinkError)
            assert str(outcome) == f"family {number}: No such file or directory"
