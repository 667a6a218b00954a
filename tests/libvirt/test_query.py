# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queries of the documentation find something on a real node, and what the library jmespath finds; so do odd ones."""

from __future__ import annotations

import re
import typing as t
from pathlib import Path

import jmespath
import pytest
import yaml
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.domains import show
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.facts import read
from ansible_collections.fleet.hypervisor.plugins.module_utils.hypervisor.query.expression import WrongQuery, search
from hypothesis import given, settings
from hypothesis import strategies as st

if t.TYPE_CHECKING:
    from tests.libvirt.conftest import World

ROOT = Path(__file__).parents[2]
# True of a host with KVM, and rightly empty on one that has it or has none of that.
MAY_BE_EMPTY = {"acceleration.evidence[?verdict=='against'].what", "volumes.*[][?capacity_bytes>`1073741824`][].path"}


def of_guide() -> list[str]:
    """The expressions of the table in docs/nodes.md."""
    text = (ROOT / "docs" / "nodes.md").read_text()
    rows = re.findall(
        r"^\| [^|]+ \| `(.+)` \|$", text.partition("| question |")[2].partition("Two traps")[0], re.MULTILINE
    )
    return [row.replace("\\|", "|") for row in rows]


def of_examples(module: str) -> list[str]:
    """Those in a module's examples."""
    source = (ROOT / "plugins" / "modules" / f"{module}.py").read_text()
    examples = re.search(r'EXAMPLES = r"""(.*?)"""', source, re.DOTALL)
    assert examples
    found: list[str] = []
    for task in yaml.safe_load(examples[1]):
        options = next(value for name, value in task.items() if name != "name") or {}
        query = options.get("query")
        found += query.values() if isinstance(query, dict) else [query] if query else []
    return found


@pytest.fixture(scope="module")
def facts(world: World) -> t.Any:
    return read.gather(world.connection, read.chosen(["all"]))


def test_there_are_queries_to_test() -> None:
    assert len(of_guide()) >= 15 and len(of_examples("kvm_node_facts")) == 4


@pytest.mark.parametrize("query", [*of_guide(), *of_examples("kvm_node_facts")])
def test_queries_of_the_documentation(facts: t.Any, query: str) -> None:
    found = search(query, facts)
    assert found == jmespath.search(query, facts)
    empty = found in (None, [], {}, "") or (isinstance(found, list) and all(one in (None, [], {}) for one in found))
    if query.startswith("values(leases)"):
        assert found == []  # nobody has booted
    elif query not in MAY_BE_EMPTY:
        assert not empty


def test_a_lease_is_found_by_the_query_of_the_guide() -> None:
    (query,) = [one for one in of_guide() if one.startswith("values(leases)")]
    leases = {"default": [{"hostname": "web1", "address": "192.0.2.7/24"}], "lab": []}
    assert search(query, {"leases": leases}) == [["web1", "192.0.2.7/24"]]


def test_queries_about_guests(world: World) -> None:
    domains = {"domains": show.domains(world.connection, ["block"])}
    (query,) = of_examples("kvm_domain_info")
    assert search(query, domains) == [{"name": "guest1", "written": 0}]


ODD = """
*; *.*; [0]; []; [*]; cells[]; a[].b[][]; a[*].b[*].c; a[?b[0]>`1`]; a[?b].b[0]; a[].b[?@==`4`]; a[*].[n]; a[*].{n: n};
a[::-1].n; a[1:][0].n; a[:1].b; o.*; o.*.q; o.*.[q]; o.{x: p.q, y: s}; o.p.*; *.q; @; @.s; @[0]; e || s; s && e; !e;
!(s=='str'); !s == `false`; a[0].n == 'x y' && s; z == `0`; `1` == `true`; s < 'z'; o.p.q < o.r.q; a[?t && n];
a[?!t].n; a[?t || n=='z'].n; a[*].b | []; a[*].b[] | [?c].c; (a[*].b)[0]; a[*].b | [0]; a[?n].b[0]; a[*].n[0];
a[*].b[0:1][]; [a, e][]; [a][0][0].n; [a[0].n, s]; {a: s, "b c": z} | "b c"; nope.x.y; nope[*]; nope[].x; nope.{a: a};
o[*]; a.*; a[].*; `{"x": [1]}`.x; 'it\\'s'; `"\\`"`; "s"; length(a); length(s); length(o); map(&n, a); sum(`[1,2]`);
avg(`[]`); reverse(s); merge(o, `{"s": 6}`); keys(o); values(o); not_null(e, s); join(',', a[?n].n); contains(s, 't');
contains(a[].n, 'z'); to_number('3.5'); to_string(o); to_array(s); floor(`1.5`); ceil(`1.2`); abs(`-2`);
starts_with(s, 's'); ends_with(s, 'r'); min(`[3,2]`); max(`["a","b"]`); sort(a[?n].n); sort_by(a[?n], &n)[].n;
max_by(values(o)[?q], &q); min_by(values(o)[?q], &q); type(@); type(e); length(z); foo(; a[;
a..b; {a}; a[0; x(; a b; a];
a[1:2:0]; a[1:2:3:4]; abs(s); nofn(a); join(s, a); -1; a.-1; a.[0]; a.[*]; o.[*]; a[*]b; *[0]; *[].b; @.*[]; a[*].*
"""
DOCUMENT = {
    "a": [{"b": [1, 2, {"c": 3}], "n": "x y", "t": True}, {"b": [4, [5]], "n": "z", "t": False}, {"n": None}],
    "o": {"p": {"q": 1}, "r": {"q": 2}, "s": 5},
    "e": [],
    "s": "str",
    "z": 0,
}


def both(query: str, document: t.Any) -> tuple[t.Any, t.Any]:
    try:
        theirs = jmespath.search(query, document)
    except (jmespath.exceptions.JMESPathError, TypeError, ValueError):
        theirs = WrongQuery
    try:
        ours = search(query, document)
    except WrongQuery:
        ours = WrongQuery
    return ours, theirs


@pytest.mark.parametrize("query", [" ".join(one.split()) for one in ODD.split(";") if one.strip()])
def test_odd_queries_as_the_library_has_them(query: str) -> None:
    ours, theirs = both(query, DOCUMENT)
    assert ours == theirs and type(ours) is type(theirs)


PIECES = ["a", "b", "o", "*", "[]", "[*]", "[0]", "[-1]", "[1:]", "[?b]", "[?n=='z']", ".", ".", ".", " | ", " || ",
          " && ", "!", "(", ")", "@", "n", "length(@)", "[n, t]", "{x: n}", "`[1, 2]`"]  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join))
def test_generated_queries_as_the_library_has_them(query: str) -> None:
    ours, theirs = both(query, DOCUMENT)
    assert ours == theirs
