# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Trees as people write them, the lines that --diff shows, and plans, without a daemon."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes import notation, planner
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes.line import Secrets, line, quoted
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes.notation import Want
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes.planner import Picture
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.nodes.wanted import Wanted
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.packet import Op
from ansible_collections.fleet.hypervisor.plugins.module_utils.xenstore.tree import Node
from hypothesis import given
from hypothesis import strategies as st

TREE = {
    ".permissions": ["n0", "r5"],
    "role": "db",
    "motd": {".base64": "AAEC"},
    "feature/queues": 4,
    "data": {".value": "own", "x": None},
    7: "seven",
}


def test_a_tree() -> None:
    found = notation.wants(TREE, b"/top", "tree")
    assert [tuple(want) for want in found] == [
        (b"/top", None, [b"n0", b"r5"], "tree"),
        (b"/top/role", b"db", None, "tree.role"),
        (b"/top/motd", b"\0\1\2", None, "tree.motd"),
        (b"/top/feature", None, None, "tree.feature/queues"),
        (b"/top/feature/queues", b"4", None, "tree.feature/queues"),
        (b"/top/data", b"own", None, "tree.data"),
        (b"/top/data/x", None, None, "tree.data.x"),
        (b"/top/7", b"seven", None, "tree.7"),
    ]


def test_a_path_and_its_parent_may_be_given_apart() -> None:
    found = notation.wants({"a/b": "1", "a": {"c": "2"}}, b"/t", "tree")
    assert {want.path: want.value for want in found} == {b"/t": None, b"/t/a": None, b"/t/a/b": b"1", b"/t/a/c": b"2"}


names = st.binary(min_size=1, max_size=4).map(bytes.hex).map(str.encode)
subtrees = st.recursive(
    st.tuples(st.binary(max_size=20), st.just({})),
    lambda below: st.tuples(st.binary(max_size=20), st.dictionaries(names, below, max_size=3)),
    max_leaves=12,
)


def fetched(subtree: t.Any, path: bytes = b"/top") -> dict[bytes, Node]:
    """As tree.fetch() gives it: parents before children."""
    found: dict[bytes, Node] = {}
    level = [(path, subtree)]
    while level:
        for path, (value, below) in level:
            found[path] = Node(value, list(below), [b"n0"])
        level = [(path + b"/" + name, one) for path, (_value, below) in level for name, one in below.items()]
    return found


@given(subtrees)
def test_what_is_shown_can_be_given_back(subtree: t.Any) -> None:
    nodes = fetched(subtree)
    complete = notation.notate(nodes, b"/top", True)
    wanted = {want.path: want for want in notation.wants(complete, b"/top", "tree")}
    assert {path: want.value for path, want in wanted.items()} == {path: node.value for path, node in nodes.items()}
    assert all(want.permissions == [b"n0"] for want in wanted.values())
    short = notation.notate(nodes, b"/top", False)
    found = notation.wants(short if isinstance(short, dict) else {".value": short}, b"/top", "tree")
    assert {want.path: want.value or b"" for want in found} == {path: node.value for path, node in nodes.items()}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (b"plain", '"plain"'),
        (b"", '""'),
        ("Zoë".encode(), '"Zoë"'),
        (b'a"b\\c', '"a\\"b\\\\c"'),
        (b"two\nlines\t\0", '"two\\nlines\\t\\x00"'),
        ("\u2028\u202e".encode(), '"\\u2028\\u202e"'),
        (b"\xff", "base64 /w=="),
    ],
)
def test_values_on_one_line(value: bytes, shown: str) -> None:
    assert quoted(value) == shown
    assert len(quoted(value).splitlines()) == 1


def test_a_line() -> None:
    assert line(b"/a", b"v", [b"n0", b"r5"]) == '/a = "v"   (n0,r5)'
    assert line(b"/a", b"v", None) == '/a = "v"'


def test_patterns_of_secrets() -> None:
    secrets = Secrets(["*/password", "vm-data/token", "/exact"])
    assert b"/local/domain/5/password" in secrets
    assert b"/local/domain/5/vm-data/token" in secrets
    assert b"/exact" in secrets
    assert b"/local/domain/5/vm-data/role" not in secrets
    assert b"/exact/not" not in secrets
    told: list[str] = []
    secrets.tell([(b"/exact", b"one"), (b"/other", b"two"), (b"/exact", None), (b"/exact", b"")], told.append)
    assert told == ["one", "b25l"]


class Daemon:
    """Takes requests, and refuses those named."""

    def __init__(self, *refused: bytes) -> None:
        self.refused, self.asked = refused, []

    def ask_all(self, requests: t.Any) -> list[t.Any]:
        self.asked += requests
        return [b"OK\0"] * len(requests)


def planned(wants: list[Want], picture: Picture, daemon: t.Any = None) -> t.Any:
    wanted = Wanted([], {want.path: want for want in wants}, set(), {})
    return planner.plan(daemon or Daemon(), picture, wanted, Secrets())


def test_nothing_to_do() -> None:
    picture = Picture({b"/a": b"1", b"/b": b"2", b"/c": b"3"}, {b"/b": [b"n0"]}, {})
    assert not planned([Want(b"/a", b"1"), Want(b"/b", None, [b"n0"]), Want(b"/c")], picture)


def test_requests_in_order() -> None:
    """What goes first, so that its quota is free; parents before children; permissions before what inherits them."""
    daemon = Daemon()
    gone = {b"/old": Node(b"", [b"x"], [b"n0"]), b"/old/x": Node(b"v", [], [b"n0"])}
    picture = Picture({b"/p": None, b"/p/a": None, b"/p/a/b": None, b"/p/c": b"1"}, {b"/p/c": [b"n0"]}, {b"/old": gone})
    wants = [Want(b"/p/a", None, [b"n0", b"r5"]), Want(b"/p/a/b", b"v"), Want(b"/p/c", b"2", [b"n0"])]
    made = planned(wants, picture, daemon)
    made.apply()
    assert daemon.asked == [
        (Op.RM, b"/old\0"),
        (Op.MKDIR, b"/p\0"),
        (Op.MKDIR, b"/p/a\0"),
        (Op.SET_PERMS, b"/p/a\0n0\0r5\0"),
        (Op.WRITE, b"/p/a/b\0v"),
        (Op.WRITE, b"/p/c\x002"),
    ]
    assert made.review() == [
        "/old: remove",
        "/old/x: remove",
        "/p: create",
        "/p/a: create, set permissions n0,r5",
        "/p/a/b: create",
        "/p/c: change the value",
    ]
    assert made.diff() == {
        "before": '/old = ""   (n0)\n/old/x = "v"   (n0)\n/p/c = "1"   (n0)\n',
        "after": '/p = ""\n/p/a = ""   (n0,r5)\n/p/a/b = "v"\n/p/c = "2"   (n0)\n',
    }
