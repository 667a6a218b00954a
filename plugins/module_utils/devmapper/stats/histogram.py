# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Latency histograms: merged without loss, and read for percentiles.

With bounds b1 .. bn there are n + 1 bins: below b1, from b1 to below b2, ..., from bn on.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import typing as t

from ..errors import DmValueError
from .bounds import Bounds, checked, parse

PERCENTS = (50.0, 90.0, 99.0, 99.9)


class Histogram(t.NamedTuple):
    bounds: Bounds  # nanoseconds
    counts: t.Tuple[int, ...]  # requests in each bin: one more than bounds

    @property
    def total(self) -> int:
        return sum(self.counts)


class Percentile(t.NamedTuple):
    """Nanoseconds. A histogram tells the bin for sure; `estimate` is a place in it, as if it were filled evenly.

    In the last bin, which has no end, `below` is None and the estimate is where the bin begins.
    """

    estimate: int
    at_least: int
    below: int | None


def histogram(bounds: t.Iterable[int], counts: t.Iterable[int]) -> Histogram:
    """Raises DmValueError."""
    made = Histogram(checked(bounds), tuple(counts))
    if not made.bounds or len(made.counts) != len(made.bounds) + 1 or min(made.counts) < 0:
        raise DmValueError(f"{len(made.bounds)} histogram bounds and the counts {list(made.counts)[:9]} do not fit")
    return made


def of(given: t.Any) -> Histogram:
    """A histogram as modules return it: `bounds` (nanoseconds, or text) and `counts`. Raises DmValueError."""
    if not isinstance(given, t.Mapping) or not {"bounds", "counts"} <= set(given):
        raise DmValueError("a histogram has bounds and counts")
    try:
        written = given["bounds"]
        numbers = not isinstance(written, str) and all(isinstance(bound, int) for bound in written)
        return histogram(map(int, written) if numbers else parse(written), map(int, given["counts"]))
    except (TypeError, ValueError) as error:
        raise DmValueError(f"a histogram cannot be read: {error}") from None


def merged(histograms: t.Iterable[Histogram]) -> Histogram:
    """The sum, by the bounds that all have in common: exact, for a bin is only ever joined with its neighbour.

    Raises DmValueError where there is no common bound, or no histogram.
    """
    every = list(histograms)
    if not every:
        raise DmValueError("there is no histogram to merge")
    common = set(every[0].bounds).intersection(*(one.bounds for one in every))
    if not common:
        raise DmValueError("the histograms have no bound in common")
    bounds = tuple(sorted(common))
    return Histogram(bounds, tuple(map(sum, zip(*(coarser(one, bounds) for one in every)))))


def coarser(one: Histogram, bounds: Bounds) -> t.Sequence[int]:
    """The counts by some of its own bounds."""
    if one.bounds == bounds:
        return one.counts
    joined = [0] * (len(bounds) + 1)
    for low, count in zip((0,) + one.bounds, one.counts):
        joined[bisect.bisect_right(bounds, low)] += count
    return joined


def percentile(of_what: Histogram, percent: float) -> Percentile | None:
    """The latency that `percent` of the requests kept below or at; None without a request. Raises DmValueError."""
    return percentiles(of_what, (percent,))[name_of(percent)]


def name_of(percent: float) -> str:
    """`p50`, `p99_9`."""
    return f"p{percent:g}".replace(".", "_")


@functools.lru_cache(maxsize=8)
def _named(percents: t.Tuple[float, ...]) -> tuple[tuple[str, float], ...]:
    """Raises DmValueError."""
    for percent in percents:
        if not 0 < percent <= 100:
            raise DmValueError(f"{percent:g} is no percentage above 0 and up to 100")
    return tuple((name_of(percent), percent / 100) for percent in percents)


Place = t.Tuple[int, int, t.Optional[int]]  # as in a Percentile, which takes longer to make


def _places(of_what: Histogram, percents: t.Iterable[float]) -> list[tuple[str, Place | None]]:
    named = _named(tuple(percents))
    bounds, counts = of_what
    sums = list(itertools.accumulate(counts))
    total = sums[-1]
    if not total:
        return [(name, None) for name, _share in named]
    found: list[tuple[str, Place | None]] = []
    for name, share in named:
        rank = total * share
        place = bisect.bisect_left(sums, rank)  # the first bin that this request, or one after it, is in
        if place >= len(bounds):
            found.append((name, (bounds[-1], bounds[-1], None)))
            continue
        low, high = bounds[place - 1] if place else 0, bounds[place]
        into = 1 - (sums[place] - rank) / counts[place]
        found.append((name, (low + int((high - low) * into), low, high)))
    return found


def percentiles(of_what: Histogram, percents: t.Iterable[float] = PERCENTS) -> dict[str, Percentile | None]:
    """By `p50`, `p99_9`, ... Raises DmValueError."""
    return {name: place and Percentile(*place) for name, place in _places(of_what, percents)}


def shown(of_what: Histogram) -> dict[str, t.Any]:
    """As modules return it."""
    return {"bounds": list(of_what.bounds), "counts": list(of_what.counts)}


def shown_percentiles(of_what: Histogram, percents: t.Iterable[float] = PERCENTS) -> dict[str, t.Any]:
    return {
        name: place and {"estimate": place[0], "at_least": place[1], "below": place[2]}
        for name, place in _places(of_what, percents)
    }
