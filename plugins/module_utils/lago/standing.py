# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the records of a prefix's journal mean: what of it may exist, what was interrupted, what is to be done then.

A thing may exist from the record that it is being made until the one that it is removed. So a removal goes over all
that were ever begun, the last one first, and a resume first clears away what is half made, then does the action again,
which passes over what is made.
"""

from __future__ import annotations

import typing as t

from .errors import JournalDamaged

ACTIONS = ("initialize", "converge", "start", "stop", "snapshot", "revert", "export", "import", "destroy")
OUTCOMES = ("done", "undone", "failed")

REMAKE, AGAIN = "remake", "again"

# What a prefix is made of, and what is to be done with a half of it: `remake` clears it away first, `again` makes it
# again as it is, since what makes it goes on where it ended, or finds what it has already.
THINGS = {
    "folder": AGAIN,
    "key": REMAKE,  # of SSH: two files that belong together
    "lease": AGAIN,  # of a subnet: the same use gets the same
    "template": AGAIN,  # in the store: goes on downloading, and marks it used
    "disk": REMAKE,
    "seed": REMAKE,
    "network": REMAKE,  # in libvirt: it may be defined and not run
    "domain": REMAKE,
    "snapshot": REMAKE,  # a file of an overlay, or of memory
    "archive": REMAKE,
}

Key = t.Tuple[str, str]  # the kind of thing, and its name in the prefix


class Record(t.NamedTuple):
    """`kind`: begun, making, changing, made, removing, removed, ended."""

    kind: str
    fields: t.Dict[str, t.Any]


class Thing(t.NamedTuple):
    """`state`: making, changing (in its place), made or removing.

    `detail`: what it takes to remove it (a path, a UUID, a subnet).
    """

    kind: str
    name: str
    state: str
    detail: t.Dict[str, t.Any]


class Standing(t.NamedTuple):
    """`action` that has not ended ("": none) with its arguments; things by kind and name, as they were begun."""

    action: str
    arguments: t.Dict[str, t.Any]
    things: t.Dict[Key, Thing]


def replay(records: t.Iterable[Record]) -> Standing:
    """Raises JournalDamaged for records that do not follow from each other."""
    standing = Standing("", {}, {})
    for number, record in enumerate(records):
        try:
            standing = FOLLOWS[record.kind](standing, record.fields)
        except (KeyError, TypeError, _Wrong) as error:
            said = error if isinstance(error, _Wrong) else f"{record.kind} without {error}"
            raise JournalDamaged(f"record {number}: {said}") from None
    return standing


def to_resume(standing: Standing) -> list[Thing]:
    """What has to be cleared away, the last one first, before the action is done again."""
    return [
        thing
        for thing in reversed(list(standing.things.values()))
        if thing.state == "removing" or (thing.state == "making" and THINGS[thing.kind] == REMAKE)
    ]


def to_remove(standing: Standing) -> list[Thing]:
    """All that may exist, the last one first."""
    return list(reversed(list(standing.things.values())))


def records_of(standing: Standing) -> list[Record]:
    """The fewest records with that meaning, for a journal that has become long."""
    records = []
    if standing.action:
        records.append(Record("begun", {"action": standing.action, "arguments": standing.arguments}))
    for thing in standing.things.values():
        about = {"thing": thing.kind, "name": thing.name}
        records.append(Record("making", {**about, "detail": thing.detail}))
        if thing.state != "making":
            records.append(Record("made", {**about, "detail": thing.detail}))
        if thing.state == "changing":
            records.append(Record("changing", {**about, "detail": thing.detail}))
        if thing.state == "removing":
            records.append(Record("removing", about))
    return records


class _Wrong(Exception):
    pass


def _begun(standing: Standing, fields: dict[str, t.Any]) -> Standing:
    """Also in the middle of another, which is given up for it then: a lab whose start was cut off is destroyed."""
    _one_of(fields["action"], ACTIONS)
    return standing._replace(action=fields["action"], arguments=dict(fields["arguments"]))


def _making(standing: Standing, fields: dict[str, t.Any]) -> Standing:
    _one_of(fields["thing"], THINGS)
    return _with(standing, fields, "making", (None, "making"))


def _changing(standing: Standing, fields: dict[str, t.Any]) -> Standing:
    """Nothing of it is cleared away after a kill: who changes it compares with what there is, and can do it again."""
    return _with(standing, fields, "changing", ("made", "changing"))


def _made(standing: Standing, fields: dict[str, t.Any]) -> Standing:
    return _with(standing, fields, "made", ("making", "changing", "made"))


def _removing(standing: Standing, fields: dict[str, t.Any]) -> Standing:
    return _with(standing, fields, "removing", ("making", "changing", "made", "removing"))


def _removed(standing: Standing, fields: dict[str, t.Any]) -> Standing:
    key = _key(standing, fields, ("removing",))
    return standing._replace(things={one: thing for one, thing in standing.things.items() if one != key})


def _ended(standing: Standing, fields: dict[str, t.Any]) -> Standing:
    _one_of(fields["outcome"], OUTCOMES)
    if not standing.action:
        raise _Wrong("an end, and nothing had begun")
    return standing._replace(action="", arguments={})


FOLLOWS: t.Dict[str, t.Callable[[Standing, t.Dict[str, t.Any]], Standing]] = {
    "begun": _begun,
    "making": _making,
    "changing": _changing,
    "made": _made,
    "removing": _removing,
    "removed": _removed,
    "ended": _ended,
}


def _with(standing: Standing, fields: dict[str, t.Any], state: str, before: t.Sequence[str | None]) -> Standing:
    key = _key(standing, fields, before)
    known = standing.things.get(key)
    detail = {**(known.detail if known else {}), **fields.get("detail", {})}
    return standing._replace(things={**standing.things, key: Thing(*key, state, detail)})


def _key(standing: Standing, fields: dict[str, t.Any], before: t.Sequence[str | None]) -> Key:
    key = (fields["thing"], fields["name"])
    known = standing.things.get(key)
    state = known.state if known else None
    if state not in before:
        raise _Wrong(f"the {key[0]} {key[1]} is {state or 'not there'}")
    return key


def _one_of(value: str, known: t.Container[str]) -> None:
    if value not in known:
        raise _Wrong(f"{value!r} is not known")
