# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of each target type, as Linux's Documentation/admin-guide/device-mapper has them. Data only.

Where two kernels differ, the newer one's options are here; the kernel has the last word on all of them.
"""

from __future__ import annotations

import typing as t

from .grammar import DEVICE, HEX, INT, KEY, Count, Field, Ignored, Items, Options, Paths, Several

PLACE = (Field("device", DEVICE), Field("offset", INT))

RAID_IMPLIED = frozenset({"region_size", "raid10_copies", "raid10_format", "data_offset", "sync", "nosync"})
INTEGRITY_IMPLIED = frozenset(
    {
        "journal_sectors",
        "interleave_sectors",
        "buffer_sectors",
        "journal_watermark",
        "commit_time",
        "sectors_per_bit",
        "bitmap_flush_interval",
        "block_size",
        "fix_padding",
    }
)

TARGETS: t.Dict[str, t.Tuple[t.Any, ...]] = {
    "linear": PLACE,
    "striped": (Count("stripes"), Field("chunk_size", INT), Items("stripes", PLACE)),
    "unstriped": (
        Field("stripes", INT),
        Field("chunk_size", INT),
        Field("stripe", INT),
        *PLACE,
    ),
    "error": (Ignored("ignored"),),
    "zero": (),
    "delay": (
        *PLACE,
        Field("delay", INT),
        Field("write_device", DEVICE, True),
        Field("write_offset", INT, True),
        Field("write_delay", INT, True),
        Field("flush_device", DEVICE, True),
        Field("flush_offset", INT, True),
        Field("flush_delay", INT, True),
    ),
    "flakey": (
        *PLACE,
        Field("up_interval", INT),
        Field("down_interval", INT),
        Options("features", {"corrupt_bio_byte": 4, "random_read_corrupt": 1, "random_write_corrupt": 1}),
    ),
    "crypt": (
        Field("cipher"),
        Field("key", KEY),
        Field("iv_offset", INT),
        *PLACE,
        Options("options"),
    ),
    "snapshot": (
        Field("origin", DEVICE),
        Field("cow_device", DEVICE),
        Field("persistent"),
        Field("chunk_size", INT),
        Options("features"),
    ),
    "snapshot-merge": (
        Field("origin", DEVICE),
        Field("cow_device", DEVICE),
        Field("persistent"),
        Field("chunk_size", INT),
        Options("features"),
    ),
    "snapshot-origin": (Field("origin", DEVICE),),
    "thin-pool": (
        Field("metadata_device", DEVICE),
        Field("data_device", DEVICE),
        Field("block_size", INT),
        Field("low_water_mark", INT),
        Options("features"),
    ),
    "thin": (Field("pool", DEVICE), Field("id", INT), Field("origin", DEVICE, True)),
    "cache": (
        Field("metadata_device", DEVICE),
        Field("cache_device", DEVICE),
        Field("origin", DEVICE),
        Field("block_size", INT),
        Options("features", trailing=False),
        Field("policy"),
        Options("policy_options", usual=1, trailing=False),
    ),
    "writecache": (
        Field("mode"),
        Field("origin", DEVICE),
        Field("cache_device", DEVICE),
        Field("block_size", INT),
        Options(
            "options", {"fua": 0, "nofua": 0, "cleaner": 0, "metadata_only": 0, "pause_writeback": 1}, 1, trailing=False
        ),
    ),
    "raid": (
        Field("level"),
        Options("params", {"sync": 0, "nosync": 0}, 1, RAID_IMPLIED, False, lead=1),
        Count("legs"),
        Items("legs", (Field("metadata_device", DEVICE), Field("data_device", DEVICE))),
    ),
    "mirror": (
        Field("log"),
        Several("log_args"),
        Count("legs"),
        Items("legs", PLACE),
        Options("features"),
    ),
    "multipath": (
        Options("features", {"queue_mode": 1, "pg_init_retries": 1, "pg_init_delay_msecs": 1}, trailing=False),
        Several("handler"),
        Count("groups"),
        Field("first_group", INT, loose=True),
        Items("groups", (Field("selector"), Several("selector_args"), Paths("paths"))),
    ),
    "verity": (
        Field("version", INT),
        Field("data_device", DEVICE),
        Field("hash_device", DEVICE),
        Field("data_block_size", INT),
        Field("hash_block_size", INT),
        Field("data_blocks", INT),
        Field("hash_start_block", INT),
        Field("algorithm"),
        Field("root_hash", HEX),
        Field("salt", HEX),
        Options(
            "options",
            {
                "use_fec_from_device": 1,
                "fec_roots": 1,
                "fec_blocks": 1,
                "fec_start": 1,
                "root_hash_sig_key_desc": 1,
            },
        ),
    ),
    "integrity": (
        Field("device", DEVICE),
        Field("reserved", INT),
        Field("tag_size", INT, any="-"),
        Field("mode"),
        Options("options", implied=INTEGRITY_IMPLIED, trailing=False),
    ),
    "era": (Field("metadata_device", DEVICE), Field("origin", DEVICE), Field("granularity", INT)),
    "log-writes": (Field("device", DEVICE), Field("log_device", DEVICE)),
    "switch": (
        Count("paths"),
        Field("region_size", INT),
        Several("options"),
        Items("paths", PLACE),
    ),
    "clone": (
        Field("metadata_device", DEVICE),
        Field("device", DEVICE),
        Field("source", DEVICE),
        Field("region_size", INT),
        Options("features", trailing=False),
        Options("core", usual=1, implied=frozenset({"hydration_threshold", "hydration_batch_size"})),
    ),
}

WITHOUT_SIDE_EFFECT = frozenset({"linear", "striped", "unstriped", "delay", "flakey", "error", "zero", "crypt"})
WITH_SECRETS = frozenset({"crypt", "integrity"})
SECRET_OPTIONS = frozenset({"internal_hash", "journal_crypt", "journal_mac"})  # NAME:algorithm:key
