# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of rules, neighbours, forwarding entries and VLANs of bridges."""

from __future__ import annotations

import typing as t
from functools import partial

from ..netlink.rtnl import bridge_vlan, fdb, neighbour, rule
from .picture import Object, fdb_key, neighbour_key, rule_key
from .same import spread
from .wanting import Wanting

Items = t.Sequence[t.Mapping[str, t.Any]]


class WrongEntry(ValueError):
    """An option that cannot be meant, with its path in the task."""


def _given(item: t.Mapping[str, t.Any], *but: str) -> Object:
    return {key: value for key, value in item.items() if value not in (None, False) and key not in ("state", *but)}


def _index(wanting: Wanting, item: t.Mapping[str, t.Any], where: str) -> int:
    index = wanting.index(item["dev"])
    if index is None:
        raise WrongEntry(f"{where}.dev: there is no link {item['dev']}")
    return index


def _canonical(make: t.Callable[[], t.Any], decode: t.Callable[..., Object | None], where: str) -> Object:
    """An entry as the kernel will show it."""
    try:
        body = make().body
    except ValueError as error:
        raise WrongEntry(f"{where}: {error}") from None
    return t.cast(Object, decode(body, 0, len(body)))


# Rules

MAIN_RULE = 32766  # the kernel's rule for the table main: others without a priority come before it


def rules(wanting: Wanting, items: Items) -> None:
    for number, item in enumerate(items):
        where = f"rules[{number}]"
        asked = _spelled(_given(item), where)
        one = _canonical(partial(rule.new, asked), rule.decode, where)
        if item.get("state") == "absent":
            mentioned = {key: value for key, value in one.items() if _is_said(key, asked)}
            for key, found in list(wanting.table("rules").items()):
                if all(found.get(name) == value for name, value in mentioned.items()):
                    wanting.drop("rules", key)
        else:
            _want_rule(wanting, one, "priority" in asked, where)


def _is_said(key: str, asked: t.Container[str]) -> bool:
    """Whether a field of a rule comes from the task, not from what rules have by default."""
    first = key.split("_")[0]
    return key == "family" or key in asked or key[:-3] in asked or first in asked or f"{first}_start" in asked


def _spelled(given: Object, where: str) -> Object:
    """`invert` is the kernel's "not"; ranges of ports are `first-last`; tables may be numbers."""
    out = dict(given)
    if out.pop("invert", False):
        out["not"] = True
    if isinstance(out.get("table"), str) and out["table"].isdigit():
        out["table"] = int(out["table"])
    for name in ("sport", "dport"):
        first, dash, last = str(out.get(name, "")).partition("-")
        if dash:
            del out[name]
            out.update({f"{name}_start": first, f"{name}_end": last})
    return out


def _want_rule(wanting: Wanting, one: Object, placed: bool, where: str) -> None:
    table = wanting.table("rules")
    if not placed:
        for key, found in table.items():
            if {**found, "priority": 0} == {**one, "priority": 0}:
                wanting.say("rules", key, where)
                return
        taken = [
            found["priority"] for found in table.values() if found["priority"] and found["family"] == one["family"]
        ]
        one["priority"] = min([MAIN_RULE, *taken]) - 1
    key = rule_key(one)
    wanting.say("rules", key, where)
    wanting.put("rules", key, one)


# Neighbours and forwarding entries


def neighbours(wanting: Wanting, items: Items) -> None:
    for number, item in enumerate(items):
        where = f"neighbours[{number}]"
        index = _index(wanting, item, where)
        given = _given(item, "dev")
        one = _canonical(partial(neighbour.new, index, given), neighbour.decode, where)
        if one.get("proxy"):
            one.pop("state", None)
        elif item.get("state") != "absent" and "lladdr" not in one:
            raise WrongEntry(
                f"{where}.lladdr: is needed, unless the neighbour is one that this host answers for (proxy)"
            )
        _put(wanting, "neighbours", neighbour_key(one), one, item, where)


def entries(wanting: Wanting, items: Items) -> None:
    for number, item in enumerate(items):
        where = f"fdb[{number}]"
        index = _index(wanting, item, where)
        given = _given(item, "dev")
        link = wanting.table("links")[index]
        keeper = "master" if link["master"] and "dst" not in given else "self"
        given.update(flags=[keeper], state="static" if keeper == "master" else "permanent")
        one = _canonical(partial(fdb.new, index, given), fdb.decode, where)
        _put(wanting, "fdb", fdb_key(one), one, item, where)


def _put(wanting: Wanting, table: str, key: t.Any, one: Object, item: t.Mapping[str, t.Any], where: str) -> None:
    wanting.say(table, key, where)
    if item.get("state") == "absent":
        wanting.drop(table, key)
    else:
        wanting.put(table, key, one)


# VLANs


def bridge_vlans(wanting: Wanting, items: Items) -> None:
    for number, item in enumerate(items):
        where = f"bridge_vlans[{number}]"
        index = _index(wanting, item, where)
        now = wanting.table("vlans").get(index)
        wanted = {} if item.get("mode") == "exact" else spread(now)
        for place, vlan in enumerate(item["vlans"]):
            flags = [name for name, on in (("PVID", vlan.get("pvid")), ("Egress Untagged", vlan.get("untagged"))) if on]
            first, last = _span(vlan["vid"], f"{where}.vlans[{place}].vid")
            if "PVID" in flags:
                wanted = {vid: tuple(flag for flag in marks if flag != "PVID") for vid, marks in wanted.items()}
            wanted.update(dict.fromkeys(range(first, last + 1), tuple(sorted(flags))))
        wanting.say("vlans", index, where)
        if wanted == spread(now):
            continue
        if wanted:
            wanting.put("vlans", index, {"index": index, "vlans": _compressed(wanted)})
        else:
            wanting.drop("vlans", index)


def _span(text: t.Any, where: str) -> tuple[int, int]:
    first, dash, last = str(text).partition("-")
    try:
        bridge_vlan.add(1, [{"vlan": first, "vlanEnd": last or first}])
        return int(first), int(last or first)
    except ValueError as error:
        raise WrongEntry(f"{where}: {error}") from None


def _compressed(wanted: t.Mapping[int, tuple[str, ...]]) -> list[Object]:
    from .forwarding_steps import ranges

    return ranges(wanted, wanted)


APPLY = {"bridge_vlans": bridge_vlans, "rules": rules, "neighbours": neighbours, "fdb": entries}
