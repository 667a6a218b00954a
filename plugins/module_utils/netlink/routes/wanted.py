# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of a route, checked before anything is asked of the kernel."""

from __future__ import annotations

import typing as t
from socket import inet_ntop

from ..rtnl import route as rtnl
from ..rtnl.numbers import FAMILIES
from ..rtnl.prefix import BITS, Prefix, split

Route = t.Dict[str, t.Any]
Key = t.Tuple[str, str, t.Any, int]

IPV6_METRIC = 1024  # what the kernel takes where none is given (net/ipv6.h: IP6_RT_PRIO_USER)
PLAIN = ("gateway", "type", "protocol", "scope", "prefsrc", "nhid")
METRICS = ("mtu", "advmss")
DEVICE_FREE = ("blackhole", "unreachable", "prohibit", "throw")


class WrongRoute(ValueError):
    """An option that cannot be meant, with its path in the task."""


class Wanted(t.NamedTuple):
    """One route as wanted. `fields` are those that were mentioned, in the kernel's form but for names of links.

    `rest`: all but the destination, one object for all routes that have it in common; None where that cannot be told.
    """

    where: str
    state: str
    family: str
    fields: Route  # as rtnl.route takes it; `dev` stands for `oif`
    rest: Route | None = None

    @property
    def key(self) -> Key:
        """Family, destination, table and metric: the kernel has one route for each."""
        return key_of(self.fields)


def key_of(route: Route) -> Key:
    default = IPV6_METRIC if route["family"] == "inet6" else 0
    return route["family"], route["dst"], route.get("table", "main"), route.get("metric", default)


def parse_all(items: t.Sequence[t.Mapping[str, t.Any]], batch: bool) -> list[Wanted]:
    """Checks routes as a task gives them. Raises WrongRoute."""
    alike: Alike = {}
    found = [_parse(item, f"routes[{number}]" if batch else "", alike) for number, item in enumerate(items)]
    seen: dict[Key, Wanted] = {}
    for wanted in found:
        first = seen.setdefault(key_of(wanted.fields), wanted)
        if first is not wanted:
            raise WrongRoute(
                f"{wanted.where}: {wanted.fields['dst']} with that table and metric is listed before, at {first.where}"
            )
    return found


# The checked fields of routes that have all but the destination in common, by the family and all that was given.
Alike = t.Dict[t.Any, Route]


def _parse(item: t.Mapping[str, t.Any], where: str, alike: Alike) -> Wanted:
    def at(option: str) -> str:
        return f"{where}.{option}" if where else option

    given = {key: value for key, value in item.items() if value is not None and key != "state"}
    if not given.get("dst"):
        raise WrongRoute(f"{at('dst')}: a route needs a destination, such as 192.0.2.0/24 or default")
    dst, family = _destination(given, at)
    del given["dst"]
    key = family, dst == "default", item["state"], *given.items()
    try:
        rest = alike.get(key)
    except TypeError:  # a list or a dictionary among them
        return Wanted(where, item["state"], family, _fields(given, item["state"], dst, family, where))
    if rest is None:
        rest = alike[key] = _fields(given, item["state"], dst, family, where)
    return Wanted(where, item["state"], family, {**rest, "dst": dst}, rest)


def _fields(given: t.Mapping[str, t.Any], state: str, dst: str, family: str, where: str) -> Route:
    """What is given beside the destination, checked, as the kernel will show it. Raises WrongRoute."""

    def at(option: str) -> str:
        return f"{where}.{option}" if where else option

    _check_sense(given, state, at)
    fields: Route = {key: given[key] for key in PLAIN if key in given}
    fields.update(dst=dst, family=family)
    if "table" in given:
        fields["table"] = int(given["table"]) if given["table"].isdigit() else given["table"]
    if "metric" in given:
        fields["metric"] = given["metric"]
    metrics = {key: given[key] for key in METRICS if key in given}
    if metrics:
        fields["metrics"] = metrics
    if given.get("onlink"):
        fields["flags"] = ["onlink"]
    if "nexthops" in given:
        fields["nexthops"] = [
            {key: value for key, value in hop.items() if value is not None} for hop in given["nexthops"]
        ]
    if "dev" in given:
        fields["dev"] = given["dev"]
    return _canonical(fields, where)


def _destination(given: t.Mapping[str, t.Any], at: t.Callable[[str], str]) -> tuple[str, str]:
    """The destination as the kernel shows it, and its family."""
    if given["dst"] == "default":
        hops = [given, *given.get("nexthops", ())]
        addresses = [hop.get("gateway") for hop in hops] + [given.get("prefsrc")]
        told = ["inet6" if ":" in address else "inet" for address in addresses if address]
        return "default", given.get("family") or (told[0] if told else "inet")
    try:
        number, raw, length = split(given["dst"])
    except ValueError as error:
        raise WrongRoute(f"{at('dst')}: {error}") from None
    bits, family = BITS[number], FAMILIES[number]
    host = 0 if length == bits else int.from_bytes(raw, "big") & ((1 << (bits - length)) - 1)
    if host:
        base = Prefix(number, (int.from_bytes(raw, "big") - host).to_bytes(bits // 8, "big"), length)
        raise WrongRoute(f"{at('dst')}: {given['dst']} is an address in {base}, not a network")
    if given.get("family", family) != family:
        raise WrongRoute(f"{at('family')}: {given['dst']} is not of {given['family']}")
    if length == 0:
        return "default", family
    address = inet_ntop(number, raw)
    return (address if length == bits else f"{address}/{length}"), family


def _canonical(fields: Route, where: str) -> Route:
    """`fields` with the values that the kernel will show for them."""
    try:
        return _answered(fields)
    except ValueError as error:
        raise WrongRoute(f"{where}: {error}" if where else str(error)) from None


def _answered(fields: Route) -> Route:
    """Raises ValueError."""
    body = rtnl.new({key: value for key, value in fields.items() if key not in ("dev", "nexthops")}).body
    hops = [{key: value for key, value in hop.items() if key != "dev"} for hop in fields.get("nexthops", ())]
    if hops:
        rtnl.new({"family": fields["family"], "nexthops": hops})
    answer = rtnl.decode(body, 0, len(body)) or {}
    kept = ("dev", "nexthops", "flags")
    return {key: value if key in kept else answer.get(key, value) for key, value in fields.items()}


def _check_sense(given: t.Mapping[str, t.Any], state: str, at: t.Callable[[str], str]) -> None:
    ways = [name for name in ("gateway", "nexthops", "nhid") if given.get(name)]
    if len(ways) > 1:
        raise WrongRoute(f"{at(ways[1])}: {ways[0]} is given too, and a route goes one way")
    if given.get("type") in DEVICE_FREE and (ways or given.get("dev")):
        raise WrongRoute(f"{at('type')}: a {given['type']} route leads nowhere, so it has no {(ways or ['dev'])[0]}")
    if state == "present" and not ways and not given.get("dev") and given.get("type") not in DEVICE_FREE:
        raise WrongRoute(f"{at('gateway')}: a route needs a gateway, a dev, nexthops or a nhid to go by")
    if given.get("metric", 0) < 0 or given.get("metric", 0) > 0xFFFFFFFF:
        raise WrongRoute(f"{at('metric')}: takes 0 to 4294967295, not {given['metric']}")
