# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A `kvm_domain_info` task: the guests with their statistics from one bulk call."""

from __future__ import annotations

import typing as t

from ..connection import Connection
from ..document import parse, to_dict
from ..errors import Gone, KvmError, NotSupported, Refused
from ..task import connected
from .statistics import STATES, tree, word

# virDomainStatsTypes
GROUPS = {
    "state": 1, "cpu": 2, "balloon": 4, "vcpu": 8, "interface": 16, "block": 32, "perf": 64, "iothread": 128,
    "memory": 256, "dirtyrate": 512,
}  # fmt: skip
MORE = ("addresses", "configuration")  # a call for each guest
DEFAULT = ("cpu", "balloon", "vcpu", "interface", "block")
NOWAIT = 1 << 29  # do not wait for a guest that a job has locked
LISTED = {"persistent": 4, "autostart": 1024}  # virConnectListAllDomainsFlags
INVALID_ARG = 8  # VIR_ERR_INVALID_ARG: a driver that does not know the flag
# virConnectGetAllDomainStatsFlags
STATE_FLAGS = {"active": 1, "inactive": 2, "persistent": 4, "transient": 8, "running": 16, "paused": 32, "shutoff": 64}


def run(params: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """`domains`, by name. Raises KvmError, also for a name that there is not."""
    if params["names"] and params["state"]:
        raise KvmError("names and state are not for one task")
    answer = None
    if params["query"]:
        from ..facts.task import answers

        answer = answers(params["query"])

    def work(connection: Connection) -> dict[str, t.Any]:
        found = {"domains": domains(connection, params["gather"], params["names"], params["state"])}
        return found if answer is None else {"answer": answer(found)}

    return connected(params, work)


def domains(
    connection: Connection, gather: t.Collection[str], names: t.Sequence[str] = (), state: str | None = None
) -> list[dict[str, t.Any]]:
    flags = STATE_FLAGS[state] if state else 0
    wanted = [connection.ask("lookupByName", name) for name in dict.fromkeys(names)]
    records = _records(connection, sum(GROUPS[one] for one in {"state", *gather} if one in GROUPS), flags, wanted)
    persistent, autostart = (_names(connection, LISTED[kind]) for kind in ("persistent", "autostart"))
    found = []
    for domain, flat in records:
        try:
            about = _one(connection, domain, flat, gather)
        except Gone:
            continue
        found.append({**about, "persistent": about["name"] in persistent, "autostart": about["name"] in autostart})
    return sorted(found, key=lambda one: one["name"])


def _names(connection: Connection, flags: int) -> set[str]:
    return {connection.ask_of(one, "name") for one in connection.ask("listAllDomains", flags)}


def _records(connection: Connection, groups: int, flags: int, wanted: list[t.Any]) -> t.Any:
    def ask(more: int) -> t.Any:
        if wanted:
            return connection.ask("domainListGetStats", wanted, groups, flags | more)
        return connection.ask("getAllDomainStats", groups, flags | more)

    try:
        return ask(NOWAIT)
    except Refused as error:
        if not isinstance(error, NotSupported) and error.code != INVALID_ARG:
            raise
        return ask(0)


def _one(
    connection: Connection, domain: t.Any, flat: t.Mapping[str, t.Any], gather: t.Collection[str]
) -> dict[str, t.Any]:
    ask = connection.ask_of
    found = tree(flat)
    state = found.pop("state", {})
    number = ask(domain, "ID")
    about: dict[str, t.Any] = {
        "name": ask(domain, "name"),
        "uuid": ask(domain, "UUIDString"),
        "id": number if number >= 0 else None,
        "state": word(STATES, state.get("state", 0)),
        "state_reason": state.get("reason"),
        **{"interface" if group == "net" else group: value for group, value in found.items()},
    }
    if "vcpu.current" not in flat or "balloon.current" not in flat:
        about.update(_summary(connection, domain, about))
    if "configuration" in gather:
        about["configuration"] = to_dict(parse(ask(domain, "XMLDesc", 0)))["domain"]
    if "addresses" in gather:
        about["addresses"] = _addresses(connection, domain) if number >= 0 else []
    return about


def _summary(connection: Connection, domain: t.Any, about: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """What the bulk call of some drivers leaves out, from the guest itself."""
    _state, maximum, memory, vcpus, spent = connection.ask_of(domain, "info")
    return {
        "cpu": about.get("cpu") or {"time_ns": spent},
        "balloon": about.get("balloon") or {"current_kib": memory, "maximum_kib": maximum},
        "vcpu": about.get("vcpu") or {"current": vcpus},
    }


def _addresses(connection: Connection, domain: t.Any) -> t.Any:
    """What leases say (VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE)."""
    try:
        said = connection.ask_of(domain, "interfaceAddresses", 0, 0)
    except Refused as error:
        return {"supported": False, "reason": str(error)}
    return [
        {
            "interface": name,
            "mac": about["hwaddr"],
            "addresses": [f"{one['addr']}/{one['prefix']}" for one in about["addrs"] or []],
        }
        for name, about in sorted(said.items())
    ]
