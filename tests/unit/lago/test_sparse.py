# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with holes in a tar: read again by tarfile as a stream, and by GNU tar; neither holes nor zeros are in it."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import sparse
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.templates.digests import Digests

MB = 1 << 20
LONG = f"images/{'long_' * 40}.raw"
# By what they are: size, and what is written where.
FILES = {
    "only a hole": (8 * MB, {}),
    "a hole at its end": (8 * MB, {0: b"a" * 5000}),
    "a hole before": (8 * MB, {8 * MB - 3: b"end"}),
    "an odd size": (3 * MB + 17, {MB: b"b" * 70000, 2 * MB + 5: b"c"}),
    "many parts": (64 * MB, {number * MB: b"%d" % number for number in range(64)}),
    "more than a piece": (8 * MB, {MB: os.urandom(3 * MB + 1)}),
    "no hole": (100000, {0: b"d" * 100000}),
    "less than a map": (4000, {}),
    "empty": (0, {}),
}


def written(path, size, data):
    with open(path, "wb") as file:
        for offset, text in data.items():
            file.seek(offset)
            file.write(text)
        file.truncate(size)
    return path.read_bytes()


def packed(path, source, name):
    """Writes an archive of one file, and another after it; the digest of the one."""
    digests = Digests()
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive, open(source, "rb") as file:
        member = tarfile.TarInfo(name)
        member.size = os.stat(source).st_size
        sparse.add(archive, member, file, digests)
        after = tarfile.TarInfo("after")
        after.size = 4
        archive.addfile(after, io.BytesIO(b"next"))
    return digests


@pytest.mark.parametrize("name", ["images/disk.raw", LONG])
@pytest.mark.parametrize("what", FILES)
def test_a_file_comes_out_as_it_was_and_holes_take_no_place(tmp_path, what, name):
    size, data = FILES[what]
    content = written(tmp_path / "source", size, data)
    digests = packed(tmp_path / "made.tar", tmp_path / "source", name)
    assert (digests.size, digests.sha256) == (size, hashlib.sha256(content).hexdigest())
    with tarfile.open(tmp_path / "made.tar", "r|") as archive:
        member = archive.next()
        assert (member.name, member.size, member.isreg()) == (name, size, True)
        assert archive.extractfile(member).read() == content
        assert archive.extractfile(archive.next()).read() == b"next"
    kept = sum(-(-len(text) // 4096) * 4096 + 4096 for text in data.values())
    assert os.stat(tmp_path / "made.tar").st_size < kept + 16384


@pytest.mark.parametrize("what", FILES)
def test_gnu_tar_reads_it_with_its_holes(tmp_path, what):
    size, data = FILES[what]
    content = written(tmp_path / "source", size, data)
    packed(tmp_path / "made.tar", tmp_path / "source", "images/disk.raw")
    subprocess.run(["tar", "-xf", tmp_path / "made.tar", "-C", tmp_path], check=True)
    assert (tmp_path / "images" / "disk.raw").read_bytes() == content
    assert (tmp_path / "after").read_text() == "next"
    blocks = [os.stat(tmp_path / name).st_blocks for name in ("source", "images/disk.raw")]
    assert blocks[1] <= blocks[0] + 8


def test_holes_are_not_read(tmp_path):
    written(tmp_path / "source", 64 * MB, {MB: b"x"})
    with open(tmp_path / "source", "rb") as file:
        found = sparse.parts(file, 64 * MB)
        assert sum(map(len, sparse.read(file, found, Digests()))) == sum(length for _at, length in found) <= 65536


def test_a_file_that_becomes_shorter_meanwhile_is_another(tmp_path):
    content = written(tmp_path / "source", MB, {0: b"x" * MB})
    os.truncate(tmp_path / "source", 1000)
    digests = Digests()
    with tarfile.open(tmp_path / "made.tar", "w") as archive, open(tmp_path / "source", "rb") as file:
        member = tarfile.TarInfo("one")
        member.size = MB
        sparse.add(archive, member, file, digests)
    assert digests.sha256 != hashlib.sha256(content).hexdigest()
    with tarfile.open(tmp_path / "made.tar") as archive:
        assert archive.next().size == MB


@pytest.mark.parametrize("size", [8 << 30, (8 << 30) - 1])
def test_a_size_that_needs_a_header_of_its_own_is_not_mixed_up_with_the_whole(tmp_path, size):
    """Of 8 GiB of data and more; none is written, the archive's next member is looked for behind it."""
    with tarfile.open(tmp_path / "made.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        member = tarfile.TarInfo("disk")
        member.size = 20 << 30
        sparse._announce(archive, member)
        table = sparse._map([(0, size - 512), (member.size, 0)])
        member.name, member.size = "GNUSparseFile.0/disk", size
        archive.addfile(member)
        archive.fileobj.write(table)
        archive.fileobj.seek(-(-size // 512) * 512 - len(table), os.SEEK_CUR)
        archive.offset += -(-size // 512) * 512
        archive.addfile(tarfile.TarInfo("after"))
    with tarfile.open(tmp_path / "made.tar") as archive:
        assert [(one.name, one.size) for one in archive] == [("disk", 20 << 30), ("after", 0)]
