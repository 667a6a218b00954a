# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the kernel sends or users write: DmError, or an answer."""

from __future__ import annotations

import struct

from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmError
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats import (
    answers,
    bounds,
    files,
    groups,
    histogram,
    messages,
    size,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats.answers import Region
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats.messages import Span
from hypothesis import example, given, settings
from hypothesis import strategies as st

pieces = st.sampled_from(
    ["0", "1", "-", " ", "+", ":", ",", "\n", "0: 0+8 8 p -", "histogram:", "precise_timestamps", "9" * 25, "²",
     "DMS_GROUP=", '"', "#", "0-3", "x", "\0", "\udcff", "0+8" + " 1" * 13, "\\", "ms", "k"]
)  # fmt: skip
texts = st.one_of(st.lists(pieces, max_size=12).map("".join), st.text(max_size=40))
spans = st.builds(
    Span,
    st.integers(-1, 9),
    st.integers(-1, 9),
    st.integers(0, 9),
    st.booleans(),
    st.lists(st.integers(-1, 3 * 10**6), max_size=3).map(tuple),
)


def tried(function, *given):
    try:
        return function(*given)
    except DmError:
        return None


@settings(max_examples=1000, deadline=None)
@given(texts, spans)
@example("0+8" + " 1" * 8 + " 99999999999" + " 1" * 4 + "\n", Span(0, 8, 8))
def test_texts(text, span):
    tried(answers.regions, text)
    tried(answers.areas, text, span)
    tried(answers.created, text)
    groups.decode(text)
    tried(bounds.parse, text)
    tried(size.sectors, text, "size")
    tried(messages.create, span, text, text)
    tried(messages.set_aux, 1, text)
    tried(histogram.of, {"bounds": text, "counts": text})


aux_data = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\n\0"), max_size=30)
programs = st.text("abc0+:-à", min_size=1, max_size=8)
good_spans = st.builds(
    Span,
    st.integers(0, 1 << 40),
    st.integers(1, 1 << 40),
    st.integers(1, 1 << 40),
    st.just(True),
    st.sets(st.integers(1, 1 << 40), max_size=4).map(lambda found: tuple(sorted(found))),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(good_spans, programs, aux_data), max_size=4))
def test_what_is_created_is_listed(regions):
    """The kernel unescapes each word and lists it as it is: what was meant comes back."""
    lines = []
    wanted = []
    for number, (span, program, aux) in enumerate(regions):
        words = _split(messages.create(span, program, aux))
        count = int(words[3])
        options = "".join(f" {word}" for word in words[4 : 4 + count])
        program_word, aux_word = words[4 + count :]
        lines.append(f"{number}: {words[1]} {words[2]} {program_word} {aux_word}{options}\n")
        wanted.append(Region(number, span, "" if program == "-" else program, "" if aux == "-" else aux))
    assert answers.regions("".join(lines)) == wanted


def _split(message):
    words, word, escaped = [], b"", False
    for one in message.encode("utf-8", "surrogateescape"):
        byte = bytes([one])
        if escaped:
            word, escaped = word + byte, False
        elif byte == b"\\":
            escaped = True
        elif byte in b"\t\n\v\f\r \xa0":
            words, word = [*words, word], b""
        else:
            word += byte
    return [word.decode("utf-8", "surrogateescape") for word in [*words, word]]


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 5), st.integers(0, 3))
def test_answers_about_files(tail, count, flags):
    for data in (tail, struct.pack("=QQIII4x", 0, 1, flags, count, 512) + tail):
        tried(files.decode, data)


def test_extents():
    def answer(*extents):
        head = struct.pack("=QQIII4x", 0, (1 << 64) - 1, 1, len(extents), 512)
        return head + b"".join(struct.pack("=QQQ16xI12x", *extent) for extent in extents)

    found, following = files.decode(answer((0, 1 << 20, 4096, 0), (4096, 2 << 20, 4096, 0)))
    assert (found, following) == ([(2048, 8), (4096, 8)], 8192)
    found, following = files.decode(answer((0, 1 << 20, 4096, 0x800), (4096, 0, 4096, 0x2), (8192, 0, 4096, 0x201)))
    assert (found, following) == ([(2048, 8)], None)
    assert files.joined([(16, 8), (0, 8), (8, 8), (40, 8), (44, 2)]) == [(0, 24), (40, 8)]
