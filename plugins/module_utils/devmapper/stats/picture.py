# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Latencies of a fleet as a table and as a picture (SVG): the slowest host first.

In the picture a row is a host and a column a bin; the more of the host's requests are in it, the darker it is.
"""

from __future__ import annotations

import html
import math
import typing as t

from .histogram import PERCENTS, Histogram, Percentile, coarser, merged, name_of, percentiles

FLEET = "fleet"
UNITS = ((10**9, "s"), (10**6, "ms"), (10**3, "us"))

# Pixels.
MARGIN, HEAD, ROW, FOOT = 16, 76, 24, 34
NAME, REQUESTS, NUMBER, CELL = 190, 90, 78, 34

STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1b2733}.h{font-size:17px;font-weight:600}.s{fill:#5b6b7a}"
    ".n{text-anchor:end;font-variant-numeric:tabular-nums}.c{text-anchor:middle;font-size:10px;fill:#5b6b7a}"
    ".b{font-weight:600}"
)


class Row(t.NamedTuple):
    name: str
    histogram: Histogram | None  # None where there is nothing to count on
    found: t.Dict[str, Percentile | None]

    @property
    def requests(self) -> int:
        return self.histogram.total if self.histogram else 0


def rows(hosts: t.Mapping[str, Histogram | None]) -> list[Row]:
    """The fleet, then its hosts. Raises DmValueError where their bounds have nothing in common."""
    counted = [one for one in hosts.values() if one is not None]
    fleet = merged(counted) if counted else None
    return [_row(FLEET, fleet)] + sorted((_row(name, one) for name, one in hosts.items()), key=_slowness)


def _row(name: str, one: Histogram | None) -> Row:
    return Row(name, one, percentiles(one) if one else dict.fromkeys(map(name_of, PERCENTS)))


def _slowness(row: Row) -> tuple[t.Any, ...]:
    slow = row.found["p99"]
    return (0, -slow.at_least, -slow.estimate, row.name) if slow else (1, 0, 0, row.name)


def time_text(nanoseconds: float) -> str:
    """Three digits: `1.25 ms`."""
    for size, unit in UNITS:
        if nanoseconds >= size:
            return f"{float(f'{nanoseconds / size:.3g}'):g} {unit}"
    return f"{nanoseconds:.3g} ns"


def percentile_text(found: Percentile | None) -> str:
    """`>= 1 s` in the bin that has no end, `-` without requests."""
    if found is None:
        return "-"
    return f">= {time_text(found.at_least)}" if found.below is None else time_text(found.estimate)


def table(hosts: t.Mapping[str, Histogram | None]) -> str:
    """Lines of columns. Raises DmValueError."""
    heads = ["host", "requests", *(f"p{percent:g}" for percent in PERCENTS)]
    lines = [heads, *([row.name, str(row.requests), *map(percentile_text, row.found.values())] for row in rows(hosts))]
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "".join(_line(line, widths) for line in lines)


def _line(words: t.Sequence[str], widths: t.Sequence[int]) -> str:
    first, *others = [
        word.ljust(width) if place == 0 else word.rjust(width) for place, (word, width) in enumerate(zip(words, widths))
    ]
    return "  ".join([first, *others]).rstrip() + "\n"


def svg(hosts: t.Mapping[str, Histogram | None], title: str) -> str:
    """The picture as text. Raises DmValueError."""
    several = rows(hosts)
    bounds = several[0].histogram.bounds if several[0].histogram else ()
    left = MARGIN + NAME + REQUESTS
    numbers = left + CELL * (len(bounds) + 1) + 10
    width = numbers + NUMBER * len(PERCENTS) + MARGIN
    height = HEAD + ROW * len(several) + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<title>{html.escape(_visible(title))}</title><style>{STYLE}</style>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        _text(MARGIN, 28, "h", title),
        _text(MARGIN, HEAD - 12, "s", "host, slowest p99 first"),
        _text(left - 12, HEAD - 12, "n s", "requests"),
        *(_text(left + CELL * (place + 1), HEAD - 12, "c", time_text(b)) for place, b in enumerate(bounds)),
        *(_text(numbers + NUMBER * (n + 1), HEAD - 12, "n s", f"p{p:g}") for n, p in enumerate(PERCENTS)),
    ]
    for place, row in enumerate(several):
        parts += _drawn(row, HEAD + ROW * place, left, numbers, bounds)
    note = "Columns are latencies between the times above them; the darker, the more of the row's requests."
    return "\n".join([*parts, _text(MARGIN, height - 12, "s", note), "</svg>\n"])


def _drawn(row: Row, top: int, left: int, numbers: int, bounds: tuple[int, ...]) -> list[str]:
    base, bold = top + ROW - 8, " b" if row.name == FLEET else ""
    parts = [
        _text(MARGIN, base, f"r{bold}", row.name if len(row.name) <= 28 else f"{row.name[:27]}…"),
        _text(left - 12, base, f"n{bold}", str(row.requests)),
    ]
    counts = coarser(row.histogram, bounds) if row.histogram else ()
    for column, count in enumerate(counts):
        share = count / row.requests if row.requests else 0.0
        paint = f'fill="#0b5fa5" fill-opacity="{math.sqrt(share):.3f}"' if count else 'fill="#eef2f5"'
        about = html.escape(_visible(f"{row.name}: {count} requests, {100 * share:.3g}%, {_bin(bounds, column)}"))
        place = f'x="{left + CELL * column}" y="{top + 2}" width="{CELL - 2}" height="{ROW - 4}" rx="2"'
        parts.append(f"<rect {place} {paint}><title>{about}</title></rect>")
    words = map(percentile_text, row.found.values())
    return parts + [_text(numbers + NUMBER * (n + 1), base, f"n{bold}", word) for n, word in enumerate(words)]


def _bin(bounds: tuple[int, ...], column: int) -> str:
    if column == len(bounds):
        return f"{time_text(bounds[-1])} and more"
    return f"{time_text(bounds[column - 1]) if column else '0'} to {time_text(bounds[column])}"


def _text(x: int, y: int, kind: str, text: str) -> str:
    return f'<text x="{x}" y="{y}" class="{kind}">{html.escape(_visible(text))}</text>'


def _visible(text: str) -> str:
    """XML cannot have control characters, nor halves of surrogates, at all."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
