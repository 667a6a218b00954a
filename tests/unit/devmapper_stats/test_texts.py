# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages and answers about statistics, as text."""

from __future__ import annotations

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmDecodeError, DmValueError
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats import (
    answers,
    bounds,
    groups,
    messages,
    size,
    spelling,
)
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats.answers import Region
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats.groups import Group
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.stats.messages import Span

MS = 1000000


@pytest.mark.parametrize(
    "written, meant",
    [
        ("10ms,20ms", (10 * MS, 20 * MS)),
        (["1", " 2 s "], (MS, 2000 * MS)),
        ([5, "7500us"], (5 * MS, 7500000)),
        ("1ns", (1,)),
        ([], ()),
    ],
)
def test_bounds(written, meant):
    assert bounds.parse(written) == meant


@pytest.mark.parametrize(
    "written", ["", "0", "2ms,1ms", "1ms,1000us", "1h", "-1", "1.5ms", "1ms,,2ms", f"{1 << 63}s", "١ms"]
)
def test_what_is_no_bound(written):
    with pytest.raises(DmValueError):
        bounds.parse(written)


def test_bounds_are_shown_in_their_largest_unit():
    assert bounds.render_all((1, 1500, 10 * MS, 1001 * MS, 3000 * MS)) == "1ns,1500ns,10ms,1001ms,3s"
    assert bounds.need_precise((MS, 1500)) and not bounds.need_precise((MS, 3 * MS))


@pytest.mark.parametrize(
    "text, units",
    [("8", 8), (8, 8), ("8s", 8), ("4k", 8), ("1M", 2048), ("1 GiB", 1 << 21), ("1024b", 2), ("2t", 1 << 32)],
)
def test_sizes(text, units):
    assert size.sectors(text, "length") == units


@pytest.mark.parametrize("text", ["", "k", "1.5k", "100b", "-1", "1kk", None])
def test_what_is_no_size(text):
    with pytest.raises(DmValueError, match="length"):
        size.sectors(text, "length")


@pytest.mark.parametrize(
    "span, program, aux, message",
    [
        (Span(0, 8, 8), "p", "", "@stats_create 0+8 8 0 p -"),
        (Span(0, 8, 8), "", "", "@stats_create 0+8 8 0 - -"),
        (Span(0, 8, 8, False, (MS, 2 * MS)), "1", "a b\\c", "@stats_create 0+8 8 1 histogram:1,2 1 a\\ b\\\\c"),
        (
            Span(8, 9, 2, True, (1500,)),
            "p",
            "x",
            "@stats_create 8+9 2 2 precise_timestamps histogram:1500 p x",
        ),
    ],
)
def test_create(span, program, aux, message):
    assert messages.create(span, program, aux) == message


@pytest.mark.parametrize(
    "span, program, aux",
    [
        (Span(0, 0, 8), "p", ""),
        (Span(-1, 8, 8), "p", ""),
        (Span(0, 8, 0), "p", ""),
        (Span(0, 8, 8, False, (1500,)), "p", ""),
        (Span(0, 8, 8), "a b", ""),
        (Span(0, 8, 8), "p", "line\nend"),
        (Span(0, 8, 8), "p", "nul\0"),
    ],
)
def test_what_cannot_be_created(span, program, aux):
    with pytest.raises(DmValueError):
        messages.create(span, program, aux)


def test_other_messages():
    assert messages.listing() == "@stats_list"
    assert messages.listing("p") == "@stats_list p"
    assert messages.delete(3) == "@stats_delete 3"
    assert messages.clear(3) == "@stats_clear 3"
    assert messages.set_aux(3, "") == "@stats_set_aux 3 -"
    assert messages.set_aux(3, "a b") == "@stats_set_aux 3 a\\ b"
    assert messages.reading(3) == "@stats_print 3"
    assert messages.reading(3, clearing=True, first=10, count=5) == "@stats_print_clear 3 10 5"
    assert Span(0, 10, 4).areas == 3


LISTED = """\
0: 0+16777216 16777216 dmioscope -
1: 16777216+8 4 12 my data \\ here precise_timestamps histogram:1000000,20000000
2: 0+8 8 - two
lines histogram:x precise_timestamps
7: 0+8 8 p DMS_GROUP=g:7-8#u histogram:10,20
"""


def test_a_list_of_regions():
    assert answers.regions(LISTED) == [
        Region(0, Span(0, 16777216, 16777216), "dmioscope", ""),
        Region(1, Span(16777216, 8, 4, True, (MS, 20 * MS)), "12", "my data \\ here"),
        Region(2, Span(0, 8, 8, True), "", "two\nlines histogram:x"),
        Region(7, Span(0, 8, 8, False, (10 * MS, 20 * MS)), "p", "DMS_GROUP=g:7-8#u"),
    ]
    assert answers.regions("") == []


@pytest.mark.parametrize("text", ["x", "0: 0+8 8 p", "0: 0+8 0 p -\n", "0: 0+0 8 p -\n", "-1: 0+8 8 p -"])
def test_what_is_no_list(text):
    with pytest.raises(DmDecodeError):
        answers.regions(text)


PRINTED = """\
0+4 1 2 3 4 5 6 7 8 0 10 11 12 13 1:0:2
4+4 1 2 3 4 5 6 7 8 -1 10 11 12 13 0:0:0
"""


def test_areas():
    coarse = answers.areas(PRINTED, Span(0, 6, 4, False, (MS, 2 * MS)))
    assert [area[:2] for area in coarse] == [(0, 4), (4, 2)]  # the last one is cut
    assert coarse[0].counters == (1, 2, 3, 4 * MS, 5, 6, 7, 8 * MS, 0, 10 * MS, 11 * MS, 12 * MS, 13 * MS)
    assert coarse[0].histogram == (1, 0, 2)
    assert coarse[1].counters.io_in_progress == -1
    fine = answers.areas(PRINTED, Span(0, 8, 4, True, (1, 2)))
    assert fine[0].counters == (1, 2, 3, 4, 5, 6, 7, 8, 0, 10, 11, 12, 13)
    assert answers.areas("", Span(0, 8, 8)) == []


@pytest.mark.parametrize(
    "text", ["0+4", PRINTED[:-1], PRINTED.replace("1:0:2", "1:0"), "x" * 100, "0+4" + " 1" * 14 + "\n"]
)
def test_what_are_no_areas(text):
    with pytest.raises(DmDecodeError):
        answers.areas(text, Span(0, 8, 4, False, (MS, 2 * MS)))


def test_the_number_of_a_new_region():
    assert answers.created("12") == answers.created("12\n") == 12
    for text in ("", "x", "-1", "1 2"):
        with pytest.raises(DmDecodeError):
            answers.created(text)


@pytest.mark.parametrize(
    "aux, group, user",
    [
        ("DMS_GROUP=al:0-3,7#user data", Group("al", (0, 1, 2, 3, 7)), "user data"),
        ('DMS_GROUP="al":0-3,7#user', Group("al", (0, 1, 2, 3, 7)), "user"),
        ('DMS_GROUP="two words":5#-', Group("two words", (5,)), ""),
        ("DMS_GROUP=:1,2#-", Group("", (1, 2)), ""),
        ('DMS_GROUP="":1,2', Group("", (1, 2)), ""),
        ("plain", None, "plain"),
        ("", None, ""),
        ("DMS_GROUP=al:", None, "DMS_GROUP=al:"),
        ("DMS_GROUP=al:3-1#x", None, "DMS_GROUP=al:3-1#x"),
        ("DMS_GROUP=al:0-999999999#x", None, "DMS_GROUP=al:0-999999999#x"),
    ],
)
def test_groups_in_both_spellings(aux, group, user):
    assert groups.decode(aux) == (group, user)


@pytest.mark.parametrize("quoted, text", [(True, 'DMS_GROUP="al":0-2,9#-'), (False, "DMS_GROUP=al:0-2,9#-")])
def test_groups_are_written_as_the_host_reads_them(quoted, text):
    group = Group("al", (0, 1, 2, 9))
    assert groups.encode(group, "", quoted) == text
    assert groups.decode(groups.encode(group, "u#v", quoted)) == (group, "u#v")


@pytest.mark.parametrize("alias", ["a b", 'a"', "a:b", "a#", "a\n"])
def test_what_is_no_alias(alias):
    with pytest.raises(DmValueError):
        groups.encode(Group(alias, (0,)))


def test_groups_of_a_device():
    def region(number, aux):
        return Region(number, Span(0, 8, 8), "p", aux)

    found = groups.of_regions(
        [region(1, 'DMS_GROUP="a":1-3#-'), region(3, "DMS_GROUP=stale:1,3#-"), region(4, "DMS_GROUP=one:4#x")]
    )
    assert found == [Group("a", (1, 3)), Group("one", (4,))]
    assert {number: group.alias for number, group in groups.by_member(found).items()} == {1: "a", 3: "a", 4: "one"}


@pytest.mark.parametrize(
    "version, quotes",
    [
        ("1.02.185 (2022-05-18)", False),
        ("1.02.196", False),
        ("1.02.197 (2023-11-21)", True),
        ("1.03.01", True),
        ("", True),
    ],
)
def test_which_libdevmapper_wants_quotes(version, quotes):
    assert spelling.wants_quotes(version) is quotes
