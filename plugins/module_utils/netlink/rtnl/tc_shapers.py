# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the shapers tbf and htb: TCA_TBF_*, TCA_HTB_* (linux/pkt_sched.h).

They decode to what `tc -j` shows: rates in bytes a second, bursts and limits in bytes, `lat` in microseconds.
Encoding also takes text with units ("10mbit", "32kb", "50ms").
"""

from __future__ import annotations

import struct
import typing as t

from ..attribute import BYTES, U32, U64, Table, integer
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from . import tc_units as units

# struct tc_ratespec: cell_log, linklayer, overhead, cell_align, mpu, rate
RATESPEC = struct.Struct("=BBHhHI")
ETHERNET = 1  # TC_LINKLAYER_ETHERNET: the kernel computes times itself and needs no rate table
MOST = 0xFFFFFFFF

Options = t.Mapping[str, t.Any]


def _spec(rate: int, options: Options) -> bytes:
    overhead, mpu = integer(options.get("overhead") or 0), integer(options.get("mpu") or 0)
    return RATESPEC.pack(0, ETHERNET, overhead, 0, mpu, min(rate, MOST))


def _wide(rate: int) -> int | None:
    """The 64-bit attribute, for a rate that 32 bits cannot hold."""
    return rate if rate > MOST else None


def _take(options: Options, name: str, parse: t.Callable[[t.Any], t.Any]) -> t.Any:
    """An option parsed, None where it is not given."""
    try:
        return None if options.get(name) is None else parse(options[name])
    except ValueError as error:
        raise NetlinkEncodeError(name, str(error)) from None


def _need(options: Options, name: str, parse: t.Callable[[t.Any], t.Any]) -> t.Any:
    value = _take(options, name, parse)
    if not value:
        raise NetlinkEncodeError(name, "is needed, and more than 0")
    return value


def _know(options: Options, *known: str) -> None:
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise NetlinkEncodeError(unknown[0], f"unknown; known are {', '.join(known)}")


# tbf: one rate, one bucket

TBF_PARMS = struct.Struct("=12s12sIII")  # rate, peakrate, limit (bytes), buffer and mtu (ticks)
TBF = Table((1, "parms", BYTES), (4, "rate64", U64), (5, "prate64", U64), (6, "burst", U32), (7, "pburst", U32))
TBF_OPTIONS = ("rate", "burst", "peakrate", "minburst", "lat", "limit", "overhead", "mpu")


def _latency(limit: int, rate: int, waiting: int) -> int:
    """How long the last byte of a full queue waits once the bucket is empty, in microseconds."""
    return int((limit / rate - waiting * units.TICK) * 1e6 + 1e-6)


def decode_tbf(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    found = TBF.decode(data, start, end)
    raw = found.get("parms", b"")
    if len(raw) < TBF_PARMS.size:
        raise NetlinkDecodeError(f"parameters of tbf in {len(raw)} bytes")
    first, second, limit, buffer, mtu = TBF_PARMS.unpack_from(raw)
    _unused, _unused, overhead, _unused, mpu, rate = RATESPEC.unpack(first)
    rate = found.get("rate64", rate)
    peak = found.get("prate64", RATESPEC.unpack(second)[5])
    options = {"rate": rate, "burst": units.bytes_in(buffer, rate)}
    latencies = [_latency(limit, rate, buffer)] if rate else []
    if peak:
        options.update(peakrate=peak, minburst=units.bytes_in(mtu, peak))
        latencies.append(_latency(limit, peak, mtu))
    if latencies and max(latencies) >= 0:
        options["lat"] = max(latencies)
    options["limit"] = limit
    options.update({name: value for name, value in (("overhead", overhead), ("mpu", mpu)) if value})
    return options


def _tbf_limit(options: Options, rate: int, burst: int, peak: int | None, minburst: int | None) -> int:
    """Bytes that may wait: as given, or what `lat` allows."""
    if options.get("limit") is not None:
        return units.size(options["limit"])
    wait = _need(options, "lat", units.microseconds) / 1e6
    limit = rate * wait + burst
    return int(min(limit, peak * wait + (minburst or 0)) if peak else limit)


def encode_tbf(options: Options) -> bytes:
    """Needs `rate`, `burst`, and `limit` or `lat`; `peakrate` needs `minburst` (at least the MTU) too."""
    _know(options, *TBF_OPTIONS)
    rate, burst = _need(options, "rate", units.rate), _need(options, "burst", units.size)
    peak = _take(options, "peakrate", units.rate)
    minburst = _need(options, "minburst", units.size) if peak else None
    limit = _tbf_limit(options, rate, burst, peak, minburst)
    if limit > MOST:
        raise NetlinkEncodeError("limit", f"takes up to {MOST} bytes, not {limit}")
    second = _spec(peak, options) if peak else bytes(RATESPEC.size)
    waits = units.ticks_of(burst, rate), units.ticks_of(minburst, peak) if peak and minburst else 0
    return TBF.encode(
        {
            "parms": TBF_PARMS.pack(_spec(rate, options), second, limit, *waits),
            "rate64": _wide(rate),
            "prate64": _wide(peak or 0),
            "burst": burst,
            "pburst": minburst,
        }
    )


# htb: a tree of classes, each with a rate of its own and a ceiling

HTB_GLOB = struct.Struct("=IIIII")  # version, rate2quantum, default class, debug, packets not shaped
HTB_CLASS = struct.Struct("=12s12sIIIII")  # rate, ceil, buffer, cbuffer (ticks), quantum, level, prio
HTB = Table((1, "parms", BYTES), (2, "init", BYTES), (5, "direct_qlen", U32), (6, "rate64", U64), (7, "ceil64", U64))
BURST = 1600  # bytes: one full frame, what tc takes when none is given


def decode_htb(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """Of a qdisc or of a class: which of the two the attributes tell."""
    found = HTB.decode(data, start, end)
    if "parms" in found:
        return _decode_htb_class(found)
    raw = found.get("init", b"")
    if len(raw) < HTB_GLOB.size:
        raise NetlinkDecodeError(f"parameters of htb in {len(raw)} bytes")
    _unused, r2q, default, _unused, direct = HTB_GLOB.unpack_from(raw)
    options = {"r2q": r2q, "default": default, "direct_packets_stat": direct}
    if "direct_qlen" in found:
        options["direct_qlen"] = found["direct_qlen"]
    return options


def _decode_htb_class(found: dict[str, t.Any]) -> dict[str, t.Any]:
    raw = found["parms"]
    if len(raw) < HTB_CLASS.size:
        raise NetlinkDecodeError(f"parameters of a class of htb in {len(raw)} bytes")
    first, second, buffer, cbuffer, quantum, level, prio = HTB_CLASS.unpack_from(raw)
    rate = found.get("rate64", RATESPEC.unpack(first)[5])
    ceil = found.get("ceil64", RATESPEC.unpack(second)[5])
    options = {"rate": rate, "ceil": ceil, "prio": prio, "quantum": quantum, "level": level}
    options.update(burst=units.bytes_in(buffer, rate), cburst=units.bytes_in(cbuffer, ceil))
    return options


def encode_htb(options: Options) -> bytes:
    """Of a qdisc: `default` is the minor number of the class for what no filter sorts (a number, 0x10 for 1:10)."""
    _know(options, "r2q", "default", "direct_packets_stat", "direct_qlen")
    r2q, default = _take(options, "r2q", integer) or 10, _take(options, "default", integer) or 0
    if not 0 <= default <= 0xFFFF:
        raise NetlinkEncodeError("default", f"takes a minor number of 0 to 0xffff, not {default}")
    init = HTB_GLOB.pack(3, r2q & MOST, default, 0, 0)
    return HTB.encode({"init": init, "direct_qlen": options.get("direct_qlen")})


def encode_htb_class(options: Options) -> bytes:
    """Needs `rate`; `ceil` defaults to it, `burst` and `cburst` to one frame, `quantum` to the kernel's choice."""
    _know(options, "rate", "ceil", "burst", "cburst", "prio", "quantum", "level", "overhead", "mpu")
    rate = _need(options, "rate", units.rate)
    ceil = _take(options, "ceil", units.rate) or rate
    burst = _take(options, "burst", units.size) or BURST
    cburst = _take(options, "cburst", units.size) or BURST
    prio, quantum = _take(options, "prio", integer) or 0, _take(options, "quantum", integer) or 0
    waits = units.ticks_of(burst, rate), units.ticks_of(cburst, ceil)
    parms = HTB_CLASS.pack(_spec(rate, options), _spec(ceil, options), *waits, quantum, 0, prio)
    return HTB.encode({"parms": parms, "rate64": _wide(rate), "ceil64": _wide(ceil)})
