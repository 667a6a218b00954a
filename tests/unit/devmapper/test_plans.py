# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for hosts that are made of literals, and how swaps are carried out by a mapper that only takes notes."""

from __future__ import annotations

import os
import typing as t

import pytest
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper import constants as c
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices import runner, spec
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.picture import Found, Picture
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.planner import Planner
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.runner import Swap
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.devices.wanted import WrongDevice, parse_all
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.errors import DmError
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.header import Answer
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.nodes import Nodes
from ansible_collections.fleet.hypervisor.plugins.module_utils.devmapper.payload import Line, Listed

ZERO = "0 8 zero"


class Notes:
    """A mapper that does nothing and remembers what it was asked; calls in `refusing` are refused."""

    def __init__(self, *refusing: tuple[str, str]) -> None:
        self.accepted: dict[str, list[Line]] = {}
        self.nodes = Nodes("/nowhere")
        self.calls: list[tuple[str, str]] = []
        self.refusing = refusing

    def __getattr__(self, verb: str) -> t.Callable[..., None]:
        def note(name: str = "", *_args: t.Any, **_more: t.Any) -> None:
            self.calls.append((verb, name))
            if (verb, name) in self.refusing:
                raise DmError(5, f"{verb} {name}: no")

        return note


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own memory is not locked."""
    monkeypatch.setattr(runner, "lock_memory", lambda: None)


def found(name: str, *lines: Line, flags: int = c.ACTIVE_PRESENT, uuid: str = "", waiting: tuple = ()) -> Found:
    number = os.makedev(253, sum(map(ord, name)))
    answer = Answer((4, 47, 0), len(lines), 0, flags, 0, number, name, uuid, b"")
    return Found(Listed(name, number, 0, uuid), answer, list(lines), list(waiting))


def dev(name: str) -> str:
    return f"253:{sum(map(ord, name))}"


def plan(wanted: list[dict], *there: Found, check: bool = True, mangling: str = "auto") -> t.Any:
    items = [{**{key: about.get("default") for key, about in spec.DEVICE.items()}, **one} for one in wanted]
    devices = parse_all(items, True, mangling)
    listed, known = ({one.listed.name: one.listed for one in there}, {one.listed.name: one for one in there})
    return Planner(Notes(), Picture(listed, known, [one.name for one in devices]), devices, check).plan()


def linear(device: str, length: int = 8) -> Line:
    return (0, length, "linear", f"{device} 0")


def test_nothing_to_do() -> None:
    there = found("a", (0, 8, "zero", ""), uuid="u")
    for wanted in ({"table": [ZERO]}, {}, {"uuid": "u", "readonly": False}):
        assert plan([{"name": "a", **wanted}], there).review() == []
    for state in ("absent", "cleared"):
        assert plan([{"name": "b" if state == "absent" else "a", "state": state}], there).review() == []


def test_new_devices_are_made_from_the_lowest_up_in_waves() -> None:
    made = plan(
        [
            {"name": "top", "table": ["0 8 linear /dev/mapper/low 0"]},
            {"name": "low", "table": [ZERO]},
            {"name": "alone", "table": [ZERO]},
        ]
    )
    assert made.review() == ["low: create", "alone: create", "top: create"]
    assert [change.wave for change in made.changes] == [("create", 0), ("create", 0), ("create", 1)]


@pytest.mark.parametrize("mangling", ["none", "auto", "hex"])
@pytest.mark.parametrize("name", ["a b", "Ü$", "a+b"])
def test_a_new_device_is_known_by_its_path_however_its_name_is_mangled(name: str, mangling: str) -> None:
    path = f"/dev/mapper/{name}".replace(" ", "\\ ")
    wanted = [{"name": "top", "table": [f"0 8 linear {path} 0"]}, {"name": name, "table": [ZERO]}]
    made = plan(wanted, mangling=mangling)
    assert made.review() == [f"{name}: create", "top: create"]
    assert [change.wave for change in made.changes] == [("create", 0), ("create", 1)]


def test_all_tables_are_accepted_before_any_goes_live() -> None:
    there = [found("low", (0, 8, "zero", "")), found("top", linear(dev("low")))]
    wanted = [
        {"name": "top", "table": ["0 8 striped 1 8 /dev/mapper/low 0"]},
        {"name": "low", "table": ["0 8 error"]},
    ]
    made = plan(wanted, *there)
    assert [change.how for change in made.changes] == ["load the table"] * 2 + ["swap the table in"] * 2
    assert [change.do for change in made.changes[2:]] == [Swap("low", 0, True), Swap("top", 0, True)]


def test_strangers_are_not_suspended_for_each_other() -> None:
    there = [found("a", (0, 8, "zero", "")), found("b", (0, 8, "zero", ""))]
    made = plan([{"name": name, "table": ["0 8 error"]} for name in "ab"], *there)
    assert [change.do.stacked for change in made.changes[2:]] == [False, False]


def test_what_grows_goes_live_before_what_needs_it() -> None:
    there = [found("low", (0, 8, "zero", "")), found("top", linear(dev("low")))]
    wanted = [{"name": "top", "table": ["0 16 linear /dev/mapper/low 0"]}, {"name": "low", "table": ["0 16 zero"]}]
    assert plan(wanted, *there).review() == [
        "low: load the table",
        "low: swap the table in",
        "top: load the table",
        "top: swap the table in",
    ]


def test_removals_begin_at_the_top() -> None:
    there = [found("low", (0, 8, "zero", "")), found("top", linear(dev("low")))]
    wanted = [{"name": name, "state": "absent"} for name in ("low", "top")]
    made = plan(wanted, *there)
    assert made.review() == ["top: remove", "low: remove"]
    assert made.diff()["after"] == "" and made.diff()["before"].startswith("top  active  rw\ntop  0 8 linear ")


def test_a_difference_names_devices_and_hides_keys() -> None:
    there = found("a", (0, 8, "crypt", f"aes 00aa 0 {dev('b')} 0"))
    wanted = {"name": "a", "table": ["0 8 crypt aes 00bb 0 /dev/mapper/b 0"]}
    made = plan([wanted], there, found("b", (0, 8, "zero", "")))
    assert made.diff() == {
        "before": "a  active  rw\na  0 8 crypt aes [hidden] 0 /dev/mapper/b 0\n",
        "after": "a  active  rw\na  0 8 crypt aes [another, hidden] 0 /dev/mapper/b 0\n",
    }


def test_suspended_resumed_cleared() -> None:
    asleep = found("a", (0, 8, "zero", ""), flags=c.ACTIVE_PRESENT | c.SUSPEND)
    awake = found("a", (0, 8, "zero", ""))
    loaded = found("a", (0, 8, "zero", ""), flags=c.ACTIVE_PRESENT | c.INACTIVE_PRESENT, waiting=((0, 8, "error", ""),))
    for there, state, words in (
        (awake, "suspended", ["a: suspend"]),
        (asleep, "suspended", []),
        (asleep, "resumed", ["a: resume"]),
        (asleep, "present", ["a: resume"]),
        (awake, "resumed", []),
        (loaded, "resumed", ["a: swap the inactive table in"]),
        (loaded, "cleared", ["a: clear the inactive table"]),
        (awake, "cleared", []),
    ):
        assert plan([{"name": "a", "state": state}], there).review() == words


def test_renames() -> None:
    old, new = found("a", (0, 8, "zero", "")), found("b c", (0, 8, "zero", ""))._replace()
    new = new._replace(listed=new.listed._replace(name="b\\x20c"))
    wanted = [{"name": "a", "state": "renamed", "new_name": "b c"}]
    assert plan(wanted, old).review() == ["a: rename to b c"]
    assert plan(wanted, new).review() == []
    with pytest.raises(WrongDevice, match="are both there"):
        plan(wanted, old, new)
    with pytest.raises(WrongDevice, match=r"devices\[0\]: there is no device a to rename"):
        plan(wanted)


def test_a_stack_is_suspended_from_the_top_and_resumed_from_the_bottom() -> None:
    notes = Notes()
    assert runner.swap(notes, [Swap("low", 0, True), Swap("middle", 0, True), Swap("top", 0, True)]) == [None] * 3
    assert notes.calls == [
        *(("suspend", name) for name in ("top", "middle", "low")),
        *(("resume", name) for name in ("low", "middle", "top")),
    ]


def test_one_alone_is_not_suspended_beforehand() -> None:
    notes = Notes()
    runner.swap(notes, [Swap("a"), Swap("b")])
    assert notes.calls == [("resume", "a"), ("resume", "b")]


def test_whatever_cannot_be_suspended_the_others_are_resumed() -> None:
    notes = Notes(("suspend", "middle"))
    outcomes = runner.swap(notes, [Swap("low", 0, True), Swap("middle", 0, True), Swap("top", 0, True)])
    assert [str(one) for one in outcomes] == ["suspend middle: no"] * 3
    assert notes.calls == [("suspend", "top"), ("suspend", "middle"), ("unstick", "middle"), ("unstick", "top")]


def test_whatever_cannot_be_swapped_the_others_are_resumed() -> None:
    notes = Notes(("resume", "low"))
    outcomes = runner.swap(notes, [Swap("low", 0, True), Swap("top", 0, True)])
    assert [one is None for one in outcomes] == [False, True]
    assert notes.calls[-2:] == [("resume", "low"), ("resume", "top")]


def test_half_a_device_is_removed_again() -> None:
    notes = Notes(("resume", "a"))
    with pytest.raises(DmError, match="resume a: no"):
        runner.bring_up(notes, "a", "", [(0, 8, "zero", "")], False)
    assert notes.calls == [("create", "a"), ("load", "a"), ("resume", "a"), ("remove", "a")]
