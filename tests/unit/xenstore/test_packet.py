# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets and what is in them: bytes and back, and whatever else a daemon may send."""

from __future__ import annotations

import errno
import struct
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore import paths, permissions
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.errors import (
    InvalidOperation,
    InvalidPath,
    InvalidPayload,
    InvalidPermission,
    PyXSError,
    UnexpectedPacket,
    refused,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.packet import (
    OPERATIONS,
    REPLY_MAX,
    Decoder,
    Op,
    Packet,
    encode,
    error_number,
)
from hypothesis import given
from hypothesis import strategies as st

u32 = st.integers(0, 0xFFFFFFFF)
packets = st.lists(st.tuples(u32, u32, u32, st.binary(max_size=100)), max_size=8)


def test_recorded_bytes() -> None:
    """READ /a, request 7, as a little-endian host sends it."""
    packed = Packet(Op.READ, b"/a\0", rq_id=7).pack()
    assert packed == struct.pack("=IIII", 2, 7, 0, 3) + b"/a\0"


def test_numbers_of_xs_wire_h() -> None:
    assert {name: OPERATIONS[name] for name in ("CONTROL", "RESET_WATCHES", "DIRECTORY_PART", "SET_QUOTA")} == {
        "CONTROL": 0,
        "RESET_WATCHES": 21,
        "DIRECTORY_PART": 22,
        "SET_QUOTA": 26,
    }


def test_what_is_no_packet() -> None:
    with pytest.raises(InvalidOperation):
        Packet(77, b"", 1)
    Packet(Op.WRITE, b"x" * 4096, 1)
    with pytest.raises(InvalidPayload, match="4097 bytes"):
        Packet(Op.WRITE, b"x" * 4097, 1)


def test_ids_stay_within_32_bits() -> None:
    assert Packet(Op.READ, b"/\0", 2**32 + 5).rq_id == 5


@given(packets, st.lists(st.integers(1, 40), min_size=1))
def test_a_stream_cut_anywhere(sent: t.Any, cuts: list[int]) -> None:
    data = b"".join(encode(*packet) for packet in sent)
    decoder, found, place = Decoder(), [], 0
    while data:
        cut = cuts[place % len(cuts)]
        found += decoder.feed(data[:cut])
        data, place = data[cut:], place + 1
    assert found == sent


@given(st.lists(st.binary(max_size=64), max_size=20))
def test_any_bytes(pieces: list[bytes]) -> None:
    decoder = Decoder()
    try:
        for piece in pieces:
            decoder.feed(piece)
    except UnexpectedPacket:
        pass


def test_a_size_that_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(UnexpectedPacket, match="announced"):
        Decoder().feed(struct.pack("=IIII", 2, 1, 0, REPLY_MAX + 1))
    assert Decoder().feed(struct.pack("=IIII", 2, 1, 0, REPLY_MAX)) == []


def test_error_names() -> None:
    assert error_number(b"ENOENT\0") == errno.ENOENT
    assert error_number(b"EQUOTA\0") == errno.ENOSPC
    for strange in (b"", b"\0", b"OK\0", b"errno\0", b"ENOSUCH\0", b"E" * 4000, b"__name__\0", b"\xff\0", b"E\n"):
        with pytest.raises(UnexpectedPacket):
            error_number(strange)


def test_sentences() -> None:
    error = refused(errno.EACCES, "XenStore READ /secret")
    assert error.args[0] == error.errno == errno.EACCES
    assert str(error) == "XenStore READ /secret: EACCES (no permission, the node's owner has to grant it)"
    assert str(refused(errno.EISCONN, "x")) == "x: EISCONN (Transport endpoint is already connected)"
    assert isinstance(InvalidPath(b"x"), ValueError)
    assert isinstance(InvalidPath(b"x"), PyXSError)


good_paths = st.from_regex(rb"(/[-A-Za-z0-9_@]{1,9}){1,5}", fullmatch=True)


@given(good_paths)
def test_paths(path: bytes) -> None:
    assert paths.check(path) == path
    assert paths.check(path.decode()) == path
    above = paths.parents(path)
    assert all(path.startswith(one + b"/") for one in above)
    assert len(above) == path.count(b"/") - 1
    assert paths.join(path, b"x") == path + b"/x"
    for wrong in (path + b"/", b"/" + path, path + b"\0", path + b" ", path + b"//x"):
        with pytest.raises(InvalidPath):
            paths.check(wrong)


def test_the_root_and_its_children() -> None:
    assert paths.check("/") == b"/"
    assert paths.join(b"/", b"a") == b"/a"
    assert paths.join(b"/a", b"") == b"/a"
    assert paths.parents(b"/a") == []
    assert paths.parents(b"a/b/c") == [b"a", b"a/b"]


def test_lengths_of_paths() -> None:
    paths.check(b"/" + b"x" * 3071)
    paths.check(b"x" * 2048)
    for wrong in (b"/" + b"x" * 3072, b"x" * 2049):
        with pytest.raises(InvalidPath, match="is the most"):
            paths.check(wrong)


def test_guarded_paths() -> None:
    assert paths.check("@releaseDomain") == b"@releaseDomain"
    with pytest.raises(InvalidPath, match="special"):
        paths.check_node("@releaseDomain")
    with pytest.raises(InvalidPath, match="root"):
        paths.check_removable("/")


@given(st.binary(max_size=60))
def test_any_listing(listing: bytes) -> None:
    try:
        names = paths.names_of(listing)
    except UnexpectedPacket:
        return
    assert b"".join(name + b"\0" for name in names) == listing


@given(st.sampled_from("nrwb"), st.integers(0, 65535))
def test_permissions(access: str, domid: int) -> None:
    text = f"{access}{domid}"
    parsed = permissions.parse(text)
    assert parsed == (access, domid)
    assert str(parsed) == text
    assert permissions.render([parsed, text, text.encode()]) == [text.encode()] * 3


@given(st.binary(max_size=12))
def test_any_permission(value: bytes) -> None:
    try:
        parsed = permissions.parse(value)
    except InvalidPermission:
        return
    assert parsed.domid <= 65535


@given(st.binary(max_size=30))
def test_any_answer_to_get_perms(payload: bytes) -> None:
    try:
        assert permissions.received(payload)
    except UnexpectedPacket:
        pass
