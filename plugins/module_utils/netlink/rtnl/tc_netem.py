# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of netem, which makes a link worse: struct tc_netem_qopt, TCA_NETEM_* (linux/pkt_sched.h).

They decode to what `tc -j` shows: times in seconds, probabilities and correlations from 0 to 1, the rate in bytes a
second. Encoding also takes text with units ("50ms", "10mbit") and per cent ("0.5%"), and a plain value in the place of
a group's first: `{"delay": "50ms", "loss-random": "1%"}`.
"""

from __future__ import annotations

import struct
import typing as t

from ..attribute import BYTES, S64, U32, U64, Table, integer
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from . import tc_units as units

QOPT = struct.Struct("=IIIIII")  # latency (ticks), limit (packets), loss, gap, duplicate, jitter (ticks)
CORR = struct.Struct("=III")  # correlation of delay, loss, duplicate
PAIR = struct.Struct("=II")  # probability, correlation
RATE = struct.Struct("=IiIi")  # bytes a second, packet overhead, cell size, cell overhead
SURE = 0xFFFFFFFF  # a probability of 1
LIMIT = 1000  # packets, what tc takes when none is given

TABLE = Table(
    (1, "corr", BYTES),
    (3, "reorder", BYTES),
    (4, "corrupt", BYTES),
    (6, "rate", BYTES),
    (7, "ecn", U32),
    (8, "rate64", U64),
    (10, "latency64", S64),
    (11, "jitter64", S64),
)
RATE_KEYS = ("rate", "packetoverhead", "cellsize", "celloverhead")
GROUPS = ("delay", "loss-random", "duplicate", "reorder", "corrupt", "rate")


def _share(raw: int) -> float:
    return raw / SURE


def _two(found: dict[str, t.Any], name: str, shape: struct.Struct) -> tuple[int, ...]:
    """The numbers of a struct; zeros where the attribute is missing."""
    raw = found.get(name, bytes(shape.size))
    if len(raw) < shape.size:
        raise NetlinkDecodeError(f"{name} of netem in {len(raw)} bytes")
    return shape.unpack_from(raw)


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    if end - start < QOPT.size:
        raise NetlinkDecodeError(f"parameters of netem in {end - start} bytes")
    latency, limit, loss, gap, duplicate, jitter = QOPT.unpack_from(data, start)
    found = TABLE.decode(data, start + QOPT.size, end)
    delays = _two(found, "corr", CORR)
    delay = found["latency64"] / 1e9 if "latency64" in found else latency * units.TICK
    spread = found["jitter64"] / 1e9 if "jitter64" in found else jitter * units.TICK
    options: dict[str, t.Any] = {"limit": limit}
    if delay:
        options["delay"] = {"delay": delay, "jitter": spread, "correlation": _share(delays[0])}
    if loss:
        options["loss-random"] = {"loss": _share(loss), "correlation": _share(delays[1])}
    if duplicate:
        options["duplicate"] = {"duplicate": _share(duplicate), "correlation": _share(delays[2])}
    for name in ("reorder", "corrupt"):
        chance, correlation = _two(found, name, PAIR)
        if chance:
            options[name] = {name: _share(chance), "correlation": _share(correlation)}
    rate = _two(found, "rate", RATE)
    if rate[0]:
        options["rate"] = dict(zip(RATE_KEYS, (found.get("rate64", rate[0]), *rate[1:])))
    options["ecn"] = bool(found.get("ecn"))
    options["gap"] = gap
    return options


def _probability(value: t.Any) -> int:
    text = value.strip() if isinstance(value, str) else None
    try:
        share = float(text[:-1]) / 100 if text and text.endswith("%") else float(value)
    except (TypeError, ValueError):
        share = -1.0
    if not 0 <= share <= 1 or isinstance(value, bool):
        raise ValueError(f"takes a probability of 0 to 1, or per cent like 0.5%, not {value!r}")
    return round(share * SURE)


def _group(options: t.Mapping[str, t.Any], name: str, first: str, **parsers: t.Callable[[t.Any], t.Any]) -> list[t.Any]:
    """The values of a group, parsed, in the order of `parsers`; 0 for what is not given."""
    group = options.get(name)
    values = group if isinstance(group, dict) else {} if group is None else {first: group}
    unknown = sorted(set(values) - set(parsers))
    if unknown:
        raise NetlinkEncodeError(f"{name}.{unknown[0]}", f"unknown; known are {', '.join(parsers)}")
    parsed = []
    for key, parse in parsers.items():
        try:
            parsed.append(0 if values.get(key) is None else parse(values[key]))
        except ValueError as error:
            raise NetlinkEncodeError(f"{name}.{key}", str(error)) from None
    return parsed


def _chance(options: t.Mapping[str, t.Any], name: str, first: str) -> list[int]:
    return _group(options, name, first, **{first: _probability, "correlation": _probability})


def _ticks(name: str, duration: float) -> int:
    try:
        return units.ticks(duration)
    except ValueError as error:
        raise NetlinkEncodeError(name, str(error)) from None


def _encode_rate(options: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    parsers = dict(zip(RATE_KEYS, (units.rate, integer, integer, integer)))
    rate, *rest = _group(options, "rate", "rate", **parsers)
    if not rate:
        return {}
    return {"rate": RATE.pack(min(rate, SURE), *rest), "rate64": rate if rate > SURE else None}


def encode(options: t.Mapping[str, t.Any]) -> bytes:
    """Takes `delay`, `loss-random`, `duplicate`, `reorder` (with a delay), `corrupt`, `rate`, `limit`, `gap`, `ecn`.

    Raises NetlinkEncodeError.
    """
    known = ("limit", *GROUPS, "ecn", "gap")
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise NetlinkEncodeError(unknown[0], f"unknown; known are {', '.join(known)}")
    delay, jitter, held = _group(
        options, "delay", "delay", delay=units.seconds, jitter=units.seconds, correlation=_probability
    )
    loss, lost = _chance(options, "loss-random", "loss")
    duplicate, doubled = _chance(options, "duplicate", "duplicate")
    reorder, corrupt = _chance(options, "reorder", "reorder"), _chance(options, "corrupt", "corrupt")
    if reorder[0] and not delay:
        raise NetlinkEncodeError("reorder", "needs a delay: without one nothing can overtake")
    limit = integer(options.get("limit") or LIMIT)
    # Without a gap the kernel would not reorder at all.
    gap = integer(options.get("gap") or (1 if reorder[0] else 0))
    attributes = {
        "corr": CORR.pack(held, lost, doubled) if held or lost or doubled else None,
        "reorder": PAIR.pack(*reorder) if reorder[0] else None,
        "corrupt": PAIR.pack(*corrupt) if corrupt[0] else None,
        **_encode_rate(options),
        "ecn": 1 if options.get("ecn") else None,
        "latency64": round(delay * 1e9),
        "jitter64": round(jitter * 1e9),
    }
    # Kernels before 4.15 know only the times in ticks.
    times = _ticks("delay.delay", delay), _ticks("delay.jitter", jitter)
    return QOPT.pack(times[0], limit, loss, gap, duplicate, times[1]) + TABLE.encode(attributes)
