# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of a network namespace, planned, and told as it is in the end."""

from __future__ import annotations

import typing as t

from ..netlink.channel import NetlinkSocket
from . import transaction
from .capture import completed, look
from .difference import difference
from .failures import Refused
from .lock import folder_of
from .picture import KEYS, Object, Picture
from .review import diff, review, sum_of, told_of
from .same import same_picture
from .spec import WANTED
from .step import Waves
from .transaction import Transaction
from .wanted import desired

# What a result leaves out where the task does not say it: most links and addresses have it like this.
MOSTLY: dict[str, Object] = {
    "links": {
        "txqlen": 1000, "ifalias": "", "group": 0, "master": 0, "altnames": [], "link": 0, "addr_gen_mode": "eui64",
    },
    "addresses": {"scope": "global"},
}  # fmt: skip
PARTS = ("options", "port")  # of a link

Params = t.Mapping[str, t.Any]
Result = t.Dict[str, t.Any]
LISTS = [name for name, about in WANTED.items() if about.get("elements") == "dict"]


class Plan(t.NamedTuple):
    before: Picture
    after: Picture
    waves: Waves

    def told(self) -> Result:
        told = told_of(self.waves)
        return {"review": review(told), "plan_sha": sum_of(told), "diff": diff(told)}


class Task:
    """One task on one network namespace."""

    def __init__(self, params: Params, check: bool, channel: NetlinkSocket) -> None:
        self.params, self.check, self.channel = params, check, channel
        self.netns = params.get("netns")
        self.folder = folder_of(self.netns)

    def plan(self, wanted: Params) -> Plan:
        """What it takes. Beside links and addresses tables are only read where those differ, or more is spoken of."""
        seen = look(self.channel)
        if _speaks_of_these_links_alone(wanted, seen.picture):
            after = self._desired(seen.picture, wanted)
            if same_picture(seen.picture, after):
                return Plan(seen.picture, after, ())
        before = completed(self.channel, seen)
        after = self._desired(before, wanted)
        return Plan(before, after, difference(before, after))

    def _desired(self, before: Picture, wanted: Params) -> Picture:
        return desired(before, {**wanted, "netns": self.netns, **self._way_in(before, wanted)})

    def _way_in(self, before: Picture, wanted: Params) -> Result:
        """What an exact scope has to spare: the links that carry the connection that we are asked by, and its rules."""
        if wanted["scope"] != "exact" or self.netns is not None:
            return {}
        from .connection import carrying, ends

        found = carrying(self.channel, before, *ends())
        return {"carrying": found.links, "carrying_rules": found.rules}

    def find(self) -> Transaction:
        """The transaction that the task names. Raises Refused without a name, NoSuchTransaction."""
        if not self.params.get("transaction"):
            raise Refused(f"transaction: which one is to be {self.params['state']}?")
        return transaction.find(self.folder, self.params["transaction"])


def _speaks_of_these_links_alone(wanted: Params, found: Picture) -> bool:
    """Whether a task may well find everything right: it lists only links, and all of them are there."""
    if wanted["scope"] == "exact" or any(wanted.get(name) is not None for name in LISTS if name != "interfaces"):
        return False
    names = {one["ifname"] for one in found.links.values()}
    return all(item.get("select") or item.get("name") in names for item in wanted.get("interfaces") or ())


def wanted_of(params: Params) -> Result:
    return {name: params.get(name) for name in WANTED}


def together(begun: Params, more: Params) -> Result:
    """What a begun transaction wants and what a later task adds to it."""
    joined: Result = {}
    for name in LISTS:
        lists = [one[name] for one in (begun, more) if one.get(name) is not None]
        joined[name] = [item for items in lists for item in items] if lists else None
    protect = [*(begun.get("protect") or ()), *(more.get("protect") or ())]
    exact = "exact" in (begun.get("scope"), more.get("scope"))
    return {**joined, "protect": protect, "scope": "exact" if exact else "listed"}


def still_begun(task: Task) -> Transaction:
    mine = task.find()
    if mine.stage != "begun":
        mine.journal.close()
        raise Refused(f"transaction {mine.uuid} is {mine.stage} already")
    return mine


def planned(task: Task) -> Plan:
    """The plan for what the task, and the transaction that it names, want. Raises Refused for another `plan_sha`."""
    wanted = wanted_of(task.params)
    if task.params.get("transaction"):
        with still_begun(task) as mine:
            wanted = together(mine.about("begun")["wanted"], wanted)
    plan = task.plan(wanted)
    expected = task.params.get("plan_sha")
    if expected and expected != sum_of(told_of(plan.waves)):
        told = plan.told()
        raise Refused("plan_sha: the host is not as it was when the plan was reviewed; nothing was changed", **told)
    return plan


def found_again(now: Picture, wanted: Picture) -> Result:
    """What the task speaks of, as it is in the kernel."""
    tables, said = {name: now.table(name) for name in KEYS}, wanted.said
    network: dict[str, list[t.Any]] = {name: [] for name in KEYS}
    for place in wanted.places:
        table, key = place
        one = tables[table].get(key)
        if one is not None:
            network[table].append(_shown(table, one, said.get(place, ())))
    return {"network": {table: found for table, found in network.items() if found}}


def _shown(table: str, one: Object, said: t.Collection[str]) -> Object:
    """An object without what it mostly has; a link with those options of its kind, and as a port, that the task says.

    Of a bridge there are 40 more, and each goes through every step of Ansible's on its way.
    """
    if table not in MOSTLY:
        return one
    mostly = MOSTLY[table]
    shown = {
        field: value
        for field, value in one.items()
        if field not in PARTS and (field not in mostly or value != mostly[field] or field in said)
    }
    for field in sorted(said):
        part, _dot, option = field.partition(".")
        if option and option in one.get(part, ()):
            shown.setdefault(part, {})[option] = one[part][option]
    return shown
