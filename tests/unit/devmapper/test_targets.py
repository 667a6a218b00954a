# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Arguments of targets: read and written, compared as the kernel shows them (Linux 6.1), and never with a key."""

from __future__ import annotations

import pathlib
import random

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmValueError
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.targets import (
    equality,
    grammar,
    secrets,
    status,
    table,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.targets.registry import TARGETS

ROOT = pathlib.Path(__file__).resolve().parents[3]

# What was written, what the kernel shows of it, and what it would show of something else.
PAIRS = [
    ("linear", "1:0 00", "1:0 0", "1:0 1"),
    ("striped", "2 08 1:0 0 1:1 8", "2 8 1:0 0 1:1 8", "2 8 1:1 8 1:0 0"),
    ("unstriped", "2 8 0 1:0 0", "2 8 0 1:0 0", "2 8 1 1:0 0"),
    ("error", "whatever", "", None),
    ("zero", "", "", None),
    ("delay", "1:0 0 05", "1:0 0 5", "1:0 0 5 1:1 0 5"),
    ("flakey", "1:0 0 5 1", "1:0 0 5 1 0 ", "1:0 0 5 1 1 drop_writes "),
    (
        "flakey",
        "1:0 0 5 1 6 drop_writes corrupt_bio_byte 32 r 1 0",
        "1:0 0 5 1 6 drop_writes corrupt_bio_byte 32 r 1 0 ",
        "",
    ),
    ("crypt", "aes-xts-plain64 AABB 0 1:0 0", "aes-xts-plain64 aabb 0 1:0 0", "aes-xts-plain64 aabc 0 1:0 0"),
    (
        "crypt",
        "aes :32:logon:a 0 1:0 0 2 same_cpu_crypt allow_discards",
        "aes :32:logon:a 0 1:0 0 2 allow_discards same_cpu_crypt",
        "aes :32:logon:A 0 1:0 0 2 allow_discards same_cpu_crypt",
    ),
    ("snapshot", "1:0 1:1 P 16 0", "1:0 1:1 P 16", "1:0 1:1 N 16"),
    ("snapshot-origin", "1:00", "1:0", "1:1"),
    (
        "thin-pool",
        "1:0 1:1 128 0 2 skip_block_zeroing no_discard_passdown",
        "1:0 1:1 128 0 2 no_discard_passdown skip_block_zeroing ",
        "1:0 1:1 128 0 1 skip_block_zeroing ",
    ),
    ("thin-pool", "1:0 1:1 128 0", "1:0 1:1 128 0 0 ", "1:0 1:1 128 1 0 "),
    ("thin", "253:0 7", "253:0 7", "253:0 7 1:0"),
    ("cache", "1:0 1:1 1:2 512 0 smq 0", "1:0 1:1 1:2 512 0 smq 0", "1:0 1:1 1:2 512 1 writethrough smq 0"),
    ("writecache", "s 1:0 1:1 4096 0", "s 1:0 1:1 4096 0", "s 1:0 1:1 4096 2 writeback_jobs 4"),
    ("raid", "raid1 1 64 2 - 1:0 - 1:1", "raid1 3 64 region_size 1024 2 - 1:0 - 1:1", "raid1 1 64 2 - 1:1 - 1:0"),
    (
        "raid",
        "raid1 3 64 region_size 8 1 - 1:0",
        "raid1 3 64 region_size 8 1 - 1:0",
        "raid1 3 64 region_size 9 1 - 1:0",
    ),
    ("mirror", "core 1 01024 1 1:0 0", "core 1 1024 1 1:0 0", "core 2 1024 nosync 1 1:0 0"),
    (
        "multipath",
        "0 0 2 1 service-time 0 1 1 8:0 1 round-robin 0 1 1 8:16 1",
        "0 0 2 2 service-time 0 1 1 8:0 1 round-robin 0 1 1 8:16 1",
        "0 0 2 2 service-time 0 1 1 8:0 1 round-robin 0 1 1 8:32 1",
    ),
    (
        "verity",
        "1 1:0 1:1 4096 4096 9 1 sha256 AB CD",
        "1 1:0 1:1 4096 4096 9 1 sha256 ab cd",
        "1 1:0 1:1 4096 4096 9 1 sha256 ab cc",
    ),
    (
        "integrity",
        "1:0 0 - D 1 internal_hash:crc32c",
        "1:0 0 4 D 4 journal_sectors:176 interleave_sectors:32768 buffer_sectors:128 internal_hash:crc32c",
        "1:0 0 4 D 2 allow_discards internal_hash:crc32c",
    ),
    ("era", "1:0 1:1 64", "1:0 1:1 64", "1:0 1:1 128"),
    ("log-writes", "1:0 1:1", "1:0 1:1", "1:1 1:0"),
    ("switch", "2 8 0 1:0 0 1:1 0", "2 8 0 1:0 0 1:1 0", "2 16 0 1:0 0 1:1 0"),
    ("clone", "1:0 1:1 1:2 8", "1:0 1:1 1:2 8 0 4 hydration_threshold 1 hydration_batch_size 1", "1:0 1:1 1:2 16 0"),
    ("of-tomorrow", "1:0 007 x", "1:0 7 x", "1:0 7 y"),
]


@pytest.mark.parametrize(("kind", "wanted", "live", "other"), PAIRS)
def test_equality_knows_what_the_kernel_makes_of_it(kind: str, wanted: str, live: str, other: str | None) -> None:
    assert equality.same_params(kind, wanted, live)
    assert equality.same_table([(0, 8, kind, wanted)], [(0, 8, kind, live)])
    assert not equality.same_table([(0, 8, kind, wanted)], [(0, 16, kind, live)])
    if other is not None:
        assert not equality.same_params(kind, wanted, other)


def test_every_target_type_is_in_the_pairs() -> None:
    assert set(TARGETS) - {kind for kind, *_unused in PAIRS} == {"snapshot-merge"}


@pytest.mark.parametrize(("kind", "wanted", "live", "_other"), [pair for pair in PAIRS if pair[0] in TARGETS])
def test_typed_and_text_are_the_same(kind: str, wanted: str, live: str, _other: str | None) -> None:
    for params in (wanted, live):
        values = grammar.parse(TARGETS[kind], params)
        again = table.parse_table([{"type": kind, "length": 8, **values}])[0]
        assert equality.same_params(kind, again[3], params) and equality.same_params(kind, params, again[3])


def test_device_paths_are_resolved_once() -> None:
    asked = []

    def resolve(device: str) -> str:
        asked.append(device)
        return {"/dev/a": "8:0", "/dev/b c": "8:16"}.get(device, device)

    wanted = [(n, 1, "linear", f"/dev/a {n}") for n in range(100)] + [(100, 1, "linear", "/dev/b\\ c 0")]
    live = [(n, 1, "linear", f"8:0 {n}") for n in range(100)] + [(100, 1, "linear", "8:16 0")]
    assert equality.same_table(wanted, live, resolve)
    assert len(asked) == len(set(asked)) and {"/dev/a", "/dev/b c"} <= set(asked)
    assert equality.devices(wanted) == ["/dev/a", "/dev/b c"]


def test_words_with_blanks_and_backslashes() -> None:
    words = ["/dev/a b", "c\\d", "plain", "tab\t"]
    assert grammar.split(grammar.join(words)) == words


def test_tables_of_tasks() -> None:
    lines = table.parse_table(
        [
            "0 8 zero",
            {"type": "linear", "length": "8", "device": "/dev/a b", "offset": 0},
            {"type": "of-tomorrow", "length": 8, "args": "a b"},
        ]
    )
    assert lines == [(0, 8, "zero", ""), (8, 8, "linear", "/dev/a\\ b 0"), (16, 8, "of-tomorrow", "a b")]


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("0 8", "a line is"),
        ("0 8 zero\n8 8 zero", "a line is"),
        ("0 x zero", "length is a number"),
        ("0 0 zero", "at least one sector"),
        ({"length": 8}, "needs a type"),
        ({"type": "zero"}, "length is a number"),
        ({"type": "zero", "length": True}, "length is a number"),
        ({"type": "linear", "length": 8, "device": "/dev/a"}, "offset is missing"),
        ({"type": "linear", "length": 8, "device": "", "offset": 0}, "device is empty"),
        ({"type": "linear", "length": 8, "device": "/dev/a", "offset": "x"}, "offset is a number"),
        ({"type": "linear", "length": 8, "device": "/dev/a", "offset": 0, "x": 1}, r"there is no x \(there is device"),
        ({"type": "linear", "length": 8, "args": "x", "offset": 0}, "offset is too much"),
        ({"type": "striped", "length": 8, "chunk_size": 8, "stripes": "x"}, "stripes is a list"),
        ({"type": "striped", "length": 8, "chunk_size": 8, "stripes": ["x"]}, "stripes: takes a dictionary"),
        ({"type": "of-tomorrow", "length": 8, "x": 1}, "give them as args"),
    ],
)
def test_bad_tables_are_told_by_their_place(item: object, words: str) -> None:
    with pytest.raises(DmValueError, match=rf"t\[0\]: .*{words}"):
        table.parse_table([item], "t")


def test_keys_are_hidden() -> None:
    key = "00ff" * 16
    crypt = (0, 8, "crypt", f"aes {key} 0 8:0 0 1 allow_discards")
    sums = (0, 8, "integrity", f"8:0 0 - J 2 internal_hash:hmac(sha256):{key} journal_mac:crc32c")
    assert secrets.keys([crypt, sums]) == [key, key]
    assert secrets.hidden(*crypt[2:]) == "aes [hidden] 0 8:0 0 1 allow_discards"
    assert secrets.hidden(*sums[2:]) == "8:0 0 - J 2 internal_hash:hmac(sha256):[hidden] journal_mac:crc32c"
    assert secrets.hidden("crypt", "aes :32:logon:name 0 8:0 0") == "aes :32:logon:name 0 8:0 0"
    assert secrets.hidden("crypt", f"nonsense {key}") == "[hidden]"
    assert key in secrets.keys([(0, 8, "crypt", f"nonsense {key}")])
    assert secrets.has_secrets([crypt]) and not secrets.has_secrets([(0, 8, "zero", "")])


def test_keys_of_input_that_is_not_understood() -> None:
    key = "00ff" * 16
    for item in (
        {"type": "crypt", "key": key},
        f"8 x crypt aes {key} 0 8:0 0",
        {"type": "integrity", "options": [f"journal_crypt:cbc(aes):{key}"]},
        {"type": "crypt", "length": 8, "args": f"aes {key} 0 8:0 0"},
    ):
        assert secrets.given(item) == [key]
    assert secrets.given("0 8 zero") == [] and secrets.given(7) == []


STATUS = [
    ("delay", "1 2 3", {"waiting_reads": 1, "waiting_writes": 2, "waiting_flushes": 3}),
    ("striped", "2 254:16 254:32 1 AD", {"devices": ["254:16", "254:32"], "health": "AD"}),
    (
        "snapshot",
        "16/65536 16",
        {"state": "active", "sectors_used": 16, "sectors_total": 65536, "metadata_sectors": 16},
    ),
    ("snapshot", "Merge failed", {"state": "merge failed"}),
    ("thin-pool", "Fail", {"state": "fail"}),
    ("thin", "- -", {"state": "-"}),
    ("thin", "8192 8191", {"state": "active", "mapped_sectors": 8192, "highest_sector": 8191}),
    ("raid", "raid1 2 AA 8192/8192 idle 0 0 -", {"level": "raid1", "devices": 2, "health": "AA", "mismatches": 0}),
    ("mirror", "2 254:16 254:32 4/4 1 AA 1 core", {"health": "AA", "log": ["core"], "synced_regions_total": 4}),
    ("verity", "C", {"state": "corrupted"}),
    ("integrity", "3 1000 -", {"mismatches": 3, "provided_sectors": 1000, "recalculated_sectors": None}),
    ("era", "8 20/4096 3 -", {"era": 3, "held_root": None, "metadata_blocks_total": 4096}),
    ("log-writes", "4 99", {"logged": 4, "next_sector": 99}),
    (
        "clone",
        "8 17/4096 8 5/128 2 1 no_hydration 2 hydration_threshold 1 rw",
        {"hydrated_regions_used": 5, "hydrating": 2},
    ),
    (
        "thin-pool",
        "1 12/4096 3/64 - rw discard_passdown queue_if_no_space - 1024",
        {
            "transaction_id": 1,
            "data_blocks_used": 3,
            "held_root": None,
            "mode": "rw",
            "flags": ["discard_passdown", "queue_if_no_space"],
        },
    ),
    (
        "cache",
        "8 27/4096 512 0/128 1 2 3 4 5 6 7 1 writeback 2 migration_threshold 4096 smq 0 rw -",
        {"dirty": 7, "policy": "smq", "core": {"migration_threshold": 4096}, "needs_check": False},
    ),
]


@pytest.mark.parametrize(("kind", "text", "found"), STATUS)
def test_status(kind: str, text: str, found: dict) -> None:
    read = status.parse(kind, text)
    assert {key: read.get(key) for key in found} == found


@pytest.mark.parametrize("kind", [*status.READERS, "linear", "of-tomorrow"])
def test_any_text_is_a_status(kind: str) -> None:
    """What a kernel says differently is no error: it is only not read."""
    source = random.Random(kind)
    words = ["1", "3", "A", "-", "2/4", "254:16", "rw", "", "x" * 9, "999999"]
    for _unused in range(300):
        status.parse(kind, " ".join(source.choice(words) for _word in range(source.randint(0, 14))))


@pytest.mark.parametrize("kind", TARGETS)
def test_any_text_is_compared_and_hidden(kind: str) -> None:
    source = random.Random(kind)
    words = ["1", "3", "-", "254:16", "/dev/x", "\\", "a\\ b", "internal_hash:a:b", "x" * 9, "999999"]
    for _unused in range(200):
        params = " ".join(source.choice(words) for _word in range(source.randint(0, 12)))
        assert equality.same_params(kind, params, params)
        secrets.hidden(kind, params)
        secrets.keys([(0, 1, kind, params)])


def test_the_guide_has_every_argument_of_every_target_type() -> None:
    guide = (ROOT / "docs" / "storage.md").read_text(encoding="utf-8")

    def names(fields: tuple) -> set[str]:
        found = {field.name for field in fields}
        return found.union(*(names(field.fields) for field in fields if isinstance(field, grammar.Items)))

    rows = {line.split("|")[1].strip(" `"): line for line in guide.splitlines() if line.startswith("| `")}
    for kind, fields in TARGETS.items():
        missing = [name for name in names(fields) - {"ignored"} if f"`{name}`" not in rows.get(kind, "")]
        assert not missing, f"{kind}: {missing}"
