# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One sentence an error: what was being done, to what, and what the kernel said."""

from __future__ import annotations

import errno

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.netlink.errors import (
    DumpInterrupted,
    ExtAck,
    NetlinkEncodeError,
    NetlinkError,
    NetlinkOverrun,
    NetlinkTimeout,
    NoSuchNamespace,
)

SENTENCES = [
    (errno.EEXIST, ExtAck(), "RTM_NEWLINK br0: File exists"),
    (
        errno.EINVAL,
        ExtAck(message="Invalid value."),
        "RTM_NEWLINK br0: Invalid value (Invalid argument)",
    ),
    (errno.EINVAL, ExtAck(attribute="mtu"), "RTM_NEWLINK br0: Invalid argument [attribute mtu]"),
    (
        errno.EINVAL,
        ExtAck(missing="linkinfo.info_data.id"),
        "RTM_NEWLINK br0: Invalid argument [missing attribute linkinfo.info_data.id]",
    ),
    (
        errno.ERANGE,
        ExtAck("too high", "mtu", "", "68..9"),
        "RTM_NEWLINK br0: too high (Numerical result out of range) [attribute mtu, allowed 68..9]",
    ),
]


@pytest.mark.parametrize(("code", "ack", "sentence"), SENTENCES)
def test_sentences(code, ack, sentence):
    error = NetlinkError(code, "RTM_NEWLINK br0", ack)
    assert str(error) == sentence
    assert (error.errno, error.operation, error.ack) == (code, "RTM_NEWLINK br0", ack)


def test_no_permission_says_what_is_needed():
    assert str(NetlinkError(errno.EPERM, "RTM_SETLINK br0")) == (
        "RTM_SETLINK br0: Operation not permitted (root, or CAP_NET_ADMIN in this network namespace, is needed)"
    )


def test_an_errno_that_has_no_words():
    assert str(NetlinkError(4095, "IT")) == "IT: Unknown error 4095"


def test_a_netlink_error_stays_one_whatever_its_errno():
    # OSError picks a subclass by errno (FileExistsError, ...): it would hide the kernel's words.
    for code in (errno.EEXIST, errno.ENOENT, errno.EPERM, errno.ETIMEDOUT):
        assert NetlinkError(code, "IT").__class__ is NetlinkError


@pytest.mark.parametrize("kind", [NetlinkTimeout, NetlinkOverrun, DumpInterrupted, NoSuchNamespace])
def test_the_others_keep_errno_and_kind(kind):
    error = kind(errno.ENOENT, "words")
    assert error.__class__ is kind
    assert (error.errno, error.strerror) == (errno.ENOENT, "words")


def test_a_value_that_does_not_fit_names_its_place():
    error = NetlinkEncodeError("id", "takes 0 to 16777215")
    outer = error.inside("info_data").inside("linkinfo")
    assert str(outer) == "linkinfo.info_data.id: takes 0 to 16777215"
    assert (outer.attribute, outer.reason) == ("linkinfo.info_data.id", "takes 0 to 16777215")
