# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of a route, checked before anything is asked of the kernel."""

from __future__ import annotations

import functools
import typing as t

from ..rtnl import route as rtnl
from ..rtnl.numbers import FAMILIES
from ..rtnl.prefix import BITS, parse

Route = t.Dict[str, t.Any]
Key = t.Tuple[str, str, t.Any, int]

IPV6_METRIC = 1024  # what the kernel takes where none is given (net/ipv6.h: IP6_RT_PRIO_USER)
PLAIN = ("gateway", "type", "protocol", "scope", "prefsrc", "nhid")
METRICS = ("mtu", "advmss")
DEVICE_FREE = ("blackhole", "unreachable", "prohibit", "throw")


class WrongRoute(ValueError):
    """An option that cannot be meant, with its path in the task."""


class Wanted(t.NamedTuple):
    """One route as wanted. `fields` are those that were mentioned, in the kernel's form but for names of links."""

    where: str
    state: str
    family: str
    fields: Route  # as rtnl.route takes it; `dev` stands for `oif`

    @property
    def key(self) -> Key:
        """Family, destination, table and metric: the kernel has one route for each."""
        return key_of(self.fields)


def key_of(route: Route) -> Key:
    default = IPV6_METRIC if route["family"] == "inet6" else 0
    return route["family"], route["dst"], route.get("table", "main"), route.get("metric", default)


def parse_all(items: t.Sequence[t.Mapping[str, t.Any]], batch: bool) -> list[Wanted]:
    """Checks routes as a task gives them. Raises WrongRoute."""
    found = [_parse(item, f"routes[{number}]" if batch else "") for number, item in enumerate(items)]
    seen: dict[Key, Wanted] = {}
    for wanted in found:
        first = seen.setdefault(wanted.key, wanted)
        if first is not wanted:
            raise WrongRoute(
                f"{wanted.where}: {wanted.fields['dst']} with that table and metric is listed before, at {first.where}"
            )
    return found


def _parse(item: t.Mapping[str, t.Any], where: str) -> Wanted:
    def at(option: str) -> str:
        return f"{where}.{option}" if where else option

    given = {key: value for key, value in item.items() if value is not None and key != "state"}
    _check_sense(given, item["state"], at)
    fields: Route = {key: given[key] for key in PLAIN if key in given}
    fields["dst"], family = _destination(given, at)
    fields["family"] = family
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
    return Wanted(where, item["state"], family, _canonical(fields, where))


def _destination(given: t.Mapping[str, t.Any], at: t.Callable[[str], str]) -> tuple[str, str]:
    """The destination as the kernel shows it, and its family."""
    if given["dst"] == "default":
        hops = [given, *given.get("nexthops", ())]
        addresses = [hop.get("gateway") for hop in hops] + [given.get("prefsrc")]
        told = ["inet6" if ":" in address else "inet" for address in addresses if address]
        return "default", given.get("family") or (told[0] if told else "inet")
    try:
        prefix = parse(given["dst"])
    except ValueError as error:
        raise WrongRoute(f"{at('dst')}: {error}") from None
    bits = BITS[prefix.family]
    network = int.from_bytes(prefix.raw, "big") >> (bits - prefix.length) << (bits - prefix.length)
    if network != int.from_bytes(prefix.raw, "big"):
        base = prefix._replace(raw=network.to_bytes(bits // 8, "big"))
        raise WrongRoute(f"{at('dst')}: {given['dst']} is an address in {base}, not a network")
    family = FAMILIES[prefix.family]
    if given.get("family", family) != family:
        raise WrongRoute(f"{at('family')}: {given['dst']} is not of {given['family']}")
    if prefix.length == 0:
        return "default", family
    return (prefix.address if prefix.length == bits else str(prefix)), family


def _canonical(fields: Route, where: str) -> Route:
    """`fields` with the values that the kernel will show for them."""
    rest = {key: value for key, value in fields.items() if key != "dst"}
    try:
        try:
            return {"dst": fields["dst"], **_canonical_rest(tuple(rest), tuple(rest.values()))}
        except TypeError:  # a list or a dictionary among them: not to be remembered
            return {"dst": fields["dst"], **_canonical_rest.__wrapped__(tuple(rest), tuple(rest.values()))}
    except ValueError as error:
        raise WrongRoute(f"{where}: {error}" if where else str(error)) from None


@functools.lru_cache(maxsize=1024)
def _canonical_rest(names: tuple[str, ...], values: tuple[t.Any, ...]) -> Route:
    """All but the destination, which repeats among many routes. Raises ValueError."""
    fields = dict(zip(names, values))
    body = rtnl.new({key: value for key, value in fields.items() if key not in ("dev", "nexthops")}).body
    hops = [{key: value for key, value in hop.items() if key != "dev"} for hop in fields.get("nexthops", ())]
    if hops:
        rtnl.new({"family": fields["family"], "nexthops": hops})
    answer = rtnl.decode(body, 0, len(body)) or {}
    kept = ("dev", "nexthops", "flags")
    return {key: value if key in kept else answer.get(key, value) for key, value in fields.items()}


def _check_sense(given: t.Mapping[str, t.Any], state: str, at: t.Callable[[str], str]) -> None:
    if not given.get("dst"):
        raise WrongRoute(f"{at('dst')}: a route needs a destination, such as 192.0.2.0/24 or default")
    ways = [name for name in ("gateway", "nexthops", "nhid") if given.get(name)]
    if len(ways) > 1:
        raise WrongRoute(f"{at(ways[1])}: {ways[0]} is given too, and a route goes one way")
    if given.get("type") in DEVICE_FREE and (ways or given.get("dev")):
        raise WrongRoute(f"{at('type')}: a {given['type']} route leads nowhere, so it has no {(ways or ['dev'])[0]}")
    if state == "present" and not ways and not given.get("dev") and given.get("type") not in DEVICE_FREE:
        raise WrongRoute(f"{at('gateway')}: a route needs a gateway, a dev, nexthops or a nhid to go by")
    if given.get("metric", 0) < 0 or given.get("metric", 0) > 0xFFFFFFFF:
        raise WrongRoute(f"{at('metric')}: takes 0 to 4294967295, not {given['metric']}")
