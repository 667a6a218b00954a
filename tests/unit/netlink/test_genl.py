# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink import genl
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.attribute import U32, Table
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    NetlinkDecodeError,
    NetlinkEncodeError,
)
from hypothesis import given
from hypothesis import strategies as st

# Answer of nlctrl on Linux 6.18 about itself, after the 16 bytes of the netlink header: 10
# commands and one multicast group.
NLCTRL = bytes.fromhex(
    "010200000b0002006e6c6374726c000006000100100000000800030002000000080004000000000008000500"
    "000000002c000600140001000800010003000000080002000e00000014000200080001000a00000008000200"
    "0c0000001c0007001800010008000200100000000b0001006e6f746966790000"
)


def test_a_family_as_the_kernel_tells_it():
    found = genl.decode_family(NLCTRL, 0, len(NLCTRL))
    assert found == genl.Family("nlctrl", 16, 2, 0, 0, {"notify": 16})


def test_a_family_is_asked_for_by_name():
    request = genl.get_family("TASKSTATS")
    assert request.type == 16
    assert request.body == bytes.fromhex("03010000" + "0e000200") + b"TASKSTATS\0\0\0"
    assert request.operation == "CTRL_CMD_GETFAMILY TASKSTATS"


@pytest.mark.parametrize("name", ["a name too long for it", "nul\0inside"])
def test_names_that_no_family_can_have(name):
    with pytest.raises(NetlinkEncodeError, match="name: takes up to 15 bytes"):
        genl.get_family(name)


def test_commands_carry_the_number_and_version_of_their_family():
    family = genl.Family("some", 0x20, 3, 0, 9, {})
    table = Table((7, "thing", U32))
    request = genl.request("DO some", family, 5, {"thing": 1}, table)
    assert (request.type, request.fixed, request.table) == (0x20, 4, table)
    assert request.body == bytes.fromhex("05030000" + "0800070001000000")


@pytest.mark.parametrize("cut", [0, 3, 4, 12])
def test_half_an_answer_is_none(cut):
    with pytest.raises(NetlinkDecodeError):
        genl.decode_family(NLCTRL[:cut], 0, cut)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_family_or_a_decode_error(data):
    try:
        assert isinstance(genl.decode_family(data, 0, len(data)), genl.Family)
    except NetlinkDecodeError:
        pass
