# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `kvm_node` task: kernel samepage merging, pages of memory, suspend."""

from __future__ import annotations

import typing as t

from ... import plan as spine
from ..connection import Connection
from ..errors import KvmError
from ..facts import memory
from ..facts.node import Node
from ..kvm_generic import Generic
from ..task import connected

FAILURES = (KvmError, spine.ChangeFailed, spine.NotConverged)
SET = 1  # VIR_NODE_ALLOC_PAGES_SET: as many, not so many more
KSM = {name[len("shm_") :]: name for name in memory.SETTABLE}  # option -> libvirt's name

Pages = t.Dict[t.Tuple[int, int], int]  # (cell, size in KiB) -> how many


class State(t.NamedTuple):
    ksm: dict[str, int]
    pages: Pages


def run(params: t.Mapping[str, t.Any], check: bool) -> dict[str, t.Any]:
    """`changed`, `changes`, `diff`, and `before` and `after` of what the task is about. Raises FAILURES."""
    return connected(params, lambda connection: converge(connection, params, check))


def converge(connection: Connection, params: t.Mapping[str, t.Any], check: bool) -> dict[str, t.Any]:
    ksm = {KSM[name]: int(value) for name, value in (params["ksm"] or {}).items() if value is not None}
    wanted = _wanted(connection, params["huge_pages"] or [])
    found: list[State] = []

    def observe() -> State:
        found.append(State(_ksm(connection) if ksm else {}, _pages(connection) if wanted else {}))
        return found[-1]

    def plan(state: State) -> spine.Plan:
        return spine.Plan([*_ksm_changes(connection, state, ksm), *_page_changes(connection, state, wanted)], _run)

    made, state = spine.converge(observe, plan, check)
    asleep = _suspend(connection, params["suspend"], check)
    diff = made.diff()
    return {
        "changed": bool(made) or bool(asleep),
        "changes": [*made.review(), *asleep],
        "diff": {"before": diff["before"], "after": diff["after"] + "".join(f"{line}\n" for line in asleep)},
        "ksm": {name: state.ksm[libvirts] for name, libvirts in KSM.items() if libvirts in state.ksm},
        "huge_pages": [
            {"cell": cell, "size_kib": size, "count": count}
            for (cell, size), count in sorted(state.pages.items())
            if (cell, size) in wanted
        ],
    }


def _run(actions: t.Sequence[t.Callable[[], object]]) -> list[Exception | None]:
    outcomes: list[Exception | None] = []
    for act in actions:
        try:
            act()
            outcomes.append(None)
        except KvmError as error:
            outcomes.append(error)
    return outcomes


def _ksm(connection: Connection) -> dict[str, int]:
    said = connection.ask("getMemoryParameters", 0)
    return {name: said[name] for name in memory.SETTABLE if name in said}


def _ksm_changes(connection: Connection, state: State, wanted: t.Mapping[str, int]) -> list[spine.Change]:
    missing = sorted(set(wanted) - set(state.ksm))
    if missing:
        raise KvmError(f"ksm: this host does not have {', '.join(missing)}")
    new = {name: value for name, value in wanted.items() if state.ksm[name] != value}
    if not new:
        return []

    def setter(values: t.Mapping[str, int]) -> t.Callable[[], object]:
        return lambda: connection.ask("setMemoryParameters", dict(values), 0)

    return [
        spine.Change(
            what="ksm",
            how="set " + ", ".join(f"{name} {value}" for name, value in sorted(new.items())),
            before=_line(state.ksm),
            after=_line({**state.ksm, **new}),
            do=setter(new),
            undo=setter({name: state.ksm[name] for name in new}),
            partly=True,
        )
    ]


def _line(values: t.Mapping[str, int]) -> str:
    return "  ".join(["ksm", *(f"{name[len('shm_') :]} {value}" for name, value in sorted(values.items()))])


def _pages(connection: Connection) -> Pages:
    totals = memory.totals(Node(connection))
    return {(cell, size): count for cell, sizes in totals.items() for size, count in sizes.items()}


def _wanted(connection: Connection, items: t.Sequence[t.Mapping[str, t.Any]]) -> Pages:
    """Raises KvmError for a cell or a size that the host does not have, and for what is said twice."""
    if not items:
        return {}
    there = _pages(connection)
    found: Pages = {}
    for place, item in enumerate(items):
        cells = [item["cell"]] if item["cell"] is not None else sorted({cell for cell, _unused in there})
        for cell in cells:
            key = (cell, item["size_kib"])
            if key not in there:
                raise KvmError(f"huge_pages[{place}]: cell {cell} has no pages of {item['size_kib']} KiB")
            if key in found:
                raise KvmError(f"huge_pages[{place}]: cell {cell}, {item['size_kib']} KiB is said twice")
            if item["count"] < 0:
                raise KvmError(f"huge_pages[{place}]: {item['count']} is no count")
            found[key] = item["count"]
    return found


def _page_changes(connection: Connection, state: State, wanted: Pages) -> list[spine.Change]:
    def setter(cell: int, size: int, count: int) -> t.Callable[[], object]:
        return lambda: connection.ask("allocPages", {size: count}, cell, 1, SET)

    changes = []
    for (cell, size), count in wanted.items():
        now = state.pages[cell, size]
        if now != count:
            what = f"cell {cell} pages {size} KiB"
            changes.append(
                spine.Change(
                    what=what,
                    how=f"{now} -> {count}",
                    before=f"{what}  {now}",
                    after=f"{what}  {count}",
                    do=setter(cell, size, count),
                    undo=setter(cell, size, now),
                    partly=True,
                )
            )
    return changes


def _suspend(connection: Connection, wanted: t.Mapping[str, t.Any] | None, check: bool) -> list[str]:
    if not wanted:
        return []
    Generic(connection).nodesuspend(wanted["target"], wanted["duration_s"], check)
    return [f"node: suspend to {wanted['target']} for {wanted['duration_s']} s"]
