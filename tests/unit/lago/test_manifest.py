# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests of archives: what was written is read, and whatever else somebody wrote is refused, in one sentence."""

from __future__ import annotations

import json
import random

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago import manifest
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.errors import ArchiveError
from ansible_collections.fleet.hypervisor.plugins.module_utils.lago.manifest import File, Manifest

A, B = "a" * 64, "b" * 64
CHAIN = ["images/vm0_root.1.qcow2", "images/vm0_root.qcow2", f"below/{A}"]
MADE = Manifest(
    "0f5c1a9e0d6b4f0bb9a2f3c0de5a1e77",
    1795253693,
    {"domains": {"vm0": {}}},
    (
        File(f"below/{A}", 67108864, A, "qcow2"),
        File("id_rsa", 1800, B, ""),
        File(CHAIN[0], 196616, B, "qcow2"),
        File(CHAIN[1], 196616, B, "qcow2"),
    ),
    {"vm0": {"root": CHAIN}},
    {"debian12": {"name": f"below/{A}", "metadata": {"distro": "debian"}}},
    {
        "at": "before",
        "taken": {
            "before": {"parent": "", "time": 1, "vms": {"vm0": {"state": "running", "chains": {"root": CHAIN[1:]}}}}
        },
    },
)


def test_what_was_written_is_read():
    assert manifest.unpack(MADE.pack()) == MADE
    assert manifest.below(MADE) == {CHAIN[0]: CHAIN[1], CHAIN[1]: CHAIN[2], CHAIN[2]: ""}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "the manifest is not as it was written: JSONDecodeError"),
        (b"[]", "the manifest is not as it was written: TypeError"),
        (b"{}", "the manifest is not as it was written: KeyError"),
        (b"[" * 100000, "the manifest is not as it was written: RecursionError"),
        (MADE.pack().replace(b'"version": 1', b'"version": 9'), "the manifest: it is no archive of a lab in version 1"),
        (MADE.pack().replace(b"images/vm0_root.1", b"../vm0_root.1"), "'../vm0_root.1.qcow2' is no name of a file"),
        (MADE.pack().replace(b"196616", b"-1"), "images/vm0_root.1.qcow2 is not described"),
        (MADE.pack().replace(B.encode(), b"bb"), "id_rsa is not described"),
        (MADE.pack().replace(b"1795253693", b"Infinity"), "OverflowError"),
        (MADE.pack().replace(b'"running"', b'"paused"'), "the snapshot before has a VM in no known state"),
    ],
)  # fmt: skip
def test_what_is_refused(raw, message):
    with pytest.raises(ArchiveError, match=r"^the manifest") as caught:
        manifest.unpack(raw)
    assert message in str(caught.value)


def test_anything_at_any_place_is_read_or_refused():
    """Nothing else comes out of it, whatever a value is replaced by."""
    chance = random.Random(7)
    others = [None, True, 0, -1, 1e400, "", "x", "../x", "\0", [], [[]], {}, {"": {}}, [CHAIN[0]] * 2, "9" * 5000]
    refused = 0
    for _unused in range(3000):
        found = json.loads(MADE.pack())
        for _unused in range(chance.choice((1, 1, 2))):
            spoil(chance, found, chance.choice(others))
        try:
            manifest.unpack(json.dumps(found).encode())
        except ArchiveError:
            refused += 1
    assert refused > 1500


def spoil(chance, found, other):
    """Replaces one value somewhere below."""
    while True:
        keys = list(found) if isinstance(found, dict) else list(range(len(found)))
        if not keys:
            return
        key = chance.choice(keys)
        if isinstance(found[key], (dict, list)) and chance.random() < 0.8:
            found = found[key]
            continue
        found[key] = other
        return
