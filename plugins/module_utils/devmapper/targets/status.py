# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each target type says about itself, in names instead of places.

The texts are those of the kernel's Documentation/admin-guide/device-mapper. What a reader does not understand is not
an error: the text itself is always there beside what is read from it.
"""

from __future__ import annotations

import typing as t

Status = t.Dict[str, t.Any]

# Target types that say nothing of themselves: nobody has to ask them.
SILENT = frozenset({"linear", "unstriped", "error", "zero", "flakey", "crypt", "snapshot-origin", "switch"})


def parse(kind: str, text: str) -> Status:
    """What the status of a target says; {} where it says nothing, or nothing that is known here."""
    reader = READERS.get(kind)
    words = text.split()
    if reader is None or not words:
        return {}
    try:
        return reader(words)
    except (IndexError, ValueError):
        return {}


def _part(word: str) -> tuple[int, int]:
    used, _slash, total = word.partition("/")
    return int(used), int(total)


def _usage(word: str, name: str) -> Status:
    used, total = _part(word)
    return {f"{name}_used": used, f"{name}_total": total}


def _counted(words: t.Sequence[str]) -> tuple[list[str], t.Sequence[str]]:
    """A number, as many words, and the rest."""
    many = int(words[0])
    if many < 0 or many >= len(words) + 1:
        raise ValueError(many)
    return list(words[1 : 1 + many]), words[1 + many :]


def _pairs(words: t.Sequence[str]) -> dict[str, int | str]:
    return {name: int(value) if value.isdecimal() else value for name, value in zip(words[::2], words[1::2])}


def _striped(words: t.Sequence[str]) -> Status:
    devices, rest = _counted(words)
    return {"devices": devices, "health": rest[1]}


def _delay(words: t.Sequence[str]) -> Status:
    """Requests that are held back at the moment."""
    return dict(zip(("waiting_reads", "waiting_writes", "waiting_flushes"), map(int, words)))


def _snapshot(words: t.Sequence[str]) -> Status:
    if "/" not in words[0]:
        return {"state": " ".join(words).lower()}  # Invalid, Merge failed, Overflow, Unknown
    return {"state": "active", **_usage(words[0], "sectors"), "metadata_sectors": int(words[1])}


def _thin_pool(words: t.Sequence[str]) -> Status:
    if not words[0].isdecimal():
        return {"state": words[0].lower()}
    modes = ("rw", "ro", "out_of_data_space")
    out: Status = {"state": "active", "transaction_id": int(words[0])}
    out.update(_usage(words[1], "metadata_blocks"))
    out.update(_usage(words[2], "data_blocks"))
    out["held_root"] = None if words[3] == "-" else int(words[3])
    out["mode"] = next((mode for mode in modes if mode in words), "")
    out["flags"] = [word for word in words[4:] if word != "-" and word not in modes and not word.isdecimal()]
    return out


def _thin(words: t.Sequence[str]) -> Status:
    if not words[0].isdecimal():
        return {"state": words[0].lower()}
    highest = None if words[1] == "-" else int(words[1])
    return {"state": "active", "mapped_sectors": int(words[0]), "highest_sector": highest}


CACHE_COUNTS = ("read_hits", "read_misses", "write_hits", "write_misses", "demotions", "promotions", "dirty")


def _cache(words: t.Sequence[str]) -> Status:
    if not words[0].isdecimal():
        return {"state": words[0].lower()}
    out: Status = {"state": "active", "metadata_block_size": int(words[0]), **_usage(words[1], "metadata_blocks")}
    out["cache_block_size"] = int(words[2])
    out.update(_usage(words[3], "cache_blocks"))
    out.update(zip(CACHE_COUNTS, map(int, words[4:11])))
    out["features"], rest = _counted(words[11:])
    core, rest = _counted(rest)
    out["core"], out["policy"] = _pairs(core), rest[0]
    policy, rest = _counted(rest[1:])
    out["policy_options"], out["metadata_mode"] = _pairs(policy), rest[0]
    out["needs_check"] = "needs_check" in rest
    return out


def _writecache(words: t.Sequence[str]) -> Status:
    names = ("error", "blocks", "blocks_free", "blocks_under_writeback", "reads", "read_hits", "writes")
    return dict(zip(names, map(int, words)))


def _raid(words: t.Sequence[str]) -> Status:
    names = ("level", "devices", "health")
    out: Status = dict(zip(names, (words[0], int(words[1]), words[2])))
    out.update(_usage(words[3], "synced_sectors"))
    out["sync_action"] = words[4] if len(words) > 4 else ""
    out["mismatches"] = int(words[5]) if len(words) > 5 else 0
    return out


def _mirror(words: t.Sequence[str]) -> Status:
    devices, rest = _counted(words)
    health, rest = _counted(rest[1:])
    log, _rest = _counted(rest)
    return {"devices": devices, **_usage(words[1 + len(devices)], "synced_regions"), "health": health[0], "log": log}


def _multipath(words: t.Sequence[str]) -> Status:
    features, rest = _counted(words)
    handler, rest = _counted(rest)
    many, _next = int(rest[0]), rest[1]
    out: Status = {"queued_ios": int(features[0]) if features else 0, "handler": handler, "groups": []}
    rest = rest[2:]
    for _unused in range(many):
        state, (selector_args, rest) = rest[0], _counted(rest[1:])
        paths, args = int(rest[0]), int(rest[1])
        rest = rest[2:]
        group: Status = {"state": {"A": "active", "E": "enabled", "D": "disabled"}.get(state, state), "paths": []}
        for _path in range(paths):
            health = {"A": "active", "F": "failed"}.get(rest[1], rest[1])
            path = {"device": rest[0], "state": health, "failures": int(rest[2]), "args": list(rest[3 : 3 + args])}
            group["paths"].append(path)
            rest = rest[3 + args :]
        group["selector_args"] = selector_args
        out["groups"].append(group)
    return out


def _verity(words: t.Sequence[str]) -> Status:
    return {"state": {"V": "verified", "C": "corrupted"}.get(words[0], words[0])}


def _integrity(words: t.Sequence[str]) -> Status:
    recalculated = None if len(words) < 3 or words[2] == "-" else int(words[2])
    return {"mismatches": int(words[0]), "provided_sectors": int(words[1]), "recalculated_sectors": recalculated}


def _era(words: t.Sequence[str]) -> Status:
    if not words[0].isdecimal():
        return {"state": words[0].lower()}
    out: Status = {"metadata_block_size": int(words[0]), **_usage(words[1], "metadata_blocks"), "era": int(words[2])}
    out["held_root"] = None if words[3] == "-" else int(words[3])
    return out


def _log_writes(words: t.Sequence[str]) -> Status:
    return {"logged": int(words[0]), "next_sector": int(words[1])}


def _clone(words: t.Sequence[str]) -> Status:
    if not words[0].isdecimal():
        return {"state": words[0].lower()}
    out: Status = {"state": "active", "metadata_block_size": int(words[0]), **_usage(words[1], "metadata_blocks")}
    out["region_size"] = int(words[2])
    out.update(_usage(words[3], "hydrated_regions"))
    out["hydrating"] = int(words[4])
    out["features"], rest = _counted(words[5:])
    core, rest = _counted(rest)
    out["core"], out["metadata_mode"] = _pairs(core), rest[0]
    return out


READERS: t.Dict[str, t.Callable[[t.Sequence[str]], Status]] = {
    "striped": _striped,
    "delay": _delay,
    "snapshot": _snapshot,
    "snapshot-merge": _snapshot,
    "thin-pool": _thin_pool,
    "thin": _thin,
    "cache": _cache,
    "writecache": _writecache,
    "raid": _raid,
    "mirror": _mirror,
    "multipath": _multipath,
    "verity": _verity,
    "integrity": _integrity,
    "era": _era,
    "log-writes": _log_writes,
    "clone": _clone,
}
