# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of a route, checked before anything is asked of the kernel."""

from __future__ import annotations

import operator
import typing as t
from socket import inet_ntop

from ..rtnl import route as rtnl
from ..rtnl.numbers import AF_INET, FAMILIES, IPV6_METRIC
from ..rtnl.prefix import BITS, Prefix, split

Route = t.Dict[str, t.Any]
Key = t.Tuple[str, str, t.Any, int]

PLAIN = ("gateway", "type", "protocol", "scope", "prefsrc", "nhid")
METRICS = ("mtu", "advmss")
DEFAULTS = {"inet": "all of inet", "inet6": "all of inet6"}
DEVICE_FREE = ("blackhole", "unreachable", "prohibit", "throw")


class WrongRoute(ValueError):
    """An option that cannot be meant, with its path in the task."""


class Rest(t.NamedTuple):
    """All of a route but its destination: one object for those that have it in common, where that can be told."""

    fields: Route  # those that were mentioned, as rtnl.route takes them; `dev` stands for `oif`
    family: str
    table: t.Any
    metric: int


class Wanted(t.NamedTuple):
    """One route as wanted."""

    where: str
    state: str
    dst: str
    rest: Rest

    @property
    def fields(self) -> Route:
        """Those that were mentioned, in the kernel's form but for names of links."""
        return {**self.rest.fields, "dst": self.dst}

    @property
    def key(self) -> Key:
        """Family, destination, table and metric: the kernel has one route for each."""
        return self.rest.family, self.dst, self.rest.table, self.rest.metric


def key_of(route: Route) -> Key:
    return route["family"], route["dst"], route.get("table", "main"), _metric_of(route)


def _metric_of(route: Route) -> int:
    found: int = route.get("metric", IPV6_METRIC if route["family"] == "inet6" else 0)
    return found


def parse_all(items: t.Sequence[t.Mapping[str, t.Any]], batch: bool) -> list[Wanted]:
    """Checks routes as a task gives them. Raises WrongRoute."""
    parse = Parser().parse
    found = [parse(item, f"routes[{number}]" if batch else "") for number, item in enumerate(items)]
    if len({wanted.dst for wanted in found}) < len(found):
        _refuse_twins(found)
    return found


def _refuse_twins(found: t.Iterable[Wanted]) -> None:
    seen: dict[Key, Wanted] = {}
    for wanted in found:
        first = seen.setdefault(wanted.key, wanted)
        if first is not wanted:
            raise WrongRoute(
                f"{wanted.where}: {wanted.dst} with that table and metric is listed before, at {first.where}"
            )


class Parser:
    """Routes that have all but the destination in common are checked as one; mostly they follow each other."""

    def __init__(self) -> None:
        self._others: t.Callable[[t.Any], t.Any] = operator.itemgetter("state")  # all that is given but the destination
        self._size = 0
        self._last: t.Any = None  # what the one before had
        self._to = ""  # and where it led: a family, or all of it
        self._rest: t.Any = None  # and what was made of it
        self._alike: dict[t.Any, Rest] = {}  # the same of all before it

    def parse(self, item: t.Mapping[str, t.Any], where: str) -> Wanted:
        """Raises WrongRoute."""
        dst, family = _destination(item, where)
        if len(item) != self._size:
            names = [name for name in item if name != "dst"]
            self._others, self._size, self._last = operator.itemgetter(*names), len(item), None
            self._alike.clear()
        try:
            given = self._others(item)
        except KeyError:  # as many, but others
            return Wanted(where, item["state"], dst, _rest(item, dst, family, where))
        to = DEFAULTS[family] if dst == "default" else family
        if given != self._last or to != self._to:
            self._last, self._to = given, to
            self._rest = self._checked((to, given), item, dst, family, where)
        return tuple.__new__(Wanted, (where, item["state"], dst, self._rest))  # as Wanted(...) does, without a call

    def _checked(self, given: t.Any, item: t.Mapping[str, t.Any], dst: str, family: str, where: str) -> Rest:
        try:
            if given not in self._alike:
                self._alike[given] = _rest(item, dst, family, where)
            return self._alike[given]
        except TypeError:  # a list or a dictionary among them
            return _rest(item, dst, family, where)


def _at(where: str, option: str) -> str:
    return f"{where}.{option}" if where else option


def _rest(item: t.Mapping[str, t.Any], dst: str, family: str, where: str) -> Rest:
    fields = _fields(item, dst, family, where)
    return Rest(fields, family, fields.get("table", "main"), _metric_of(fields))


def _fields(item: t.Mapping[str, t.Any], dst: str, family: str, where: str) -> Route:
    """What is given, checked, as the kernel will show it. Raises WrongRoute."""
    if (item.get("family") or family) != family:
        raise WrongRoute(f"{_at(where, 'family')}: {item['dst']} is not of {item['family']}")
    given = {key: value for key, value in item.items() if value is not None and key != "dst"}
    _check_sense(given, where)
    fields: Route = {key: given[key] for key in PLAIN if key in given}
    fields.update(dst=dst, family=family)
    if "table" in given:
        fields["table"] = int(given["table"]) if given["table"].isdigit() else given["table"]
    if "metric" in given:
        fields["metric"] = given["metric"]
    metrics = {key: given[key] for key in METRICS if key in given}
    if metrics:
        fields["metrics"] = metrics
    if "onlink" in given:
        fields["flags"] = ["onlink"] if given["onlink"] else []
    if "nexthops" in given:
        fields["nexthops"] = [
            {key: value for key, value in hop.items() if value is not None} for hop in given["nexthops"]
        ]
    if "dev" in given:
        fields["dev"] = given["dev"]
    return _canonical(fields, where)


def _destination(item: t.Mapping[str, t.Any], where: str) -> tuple[str, str]:
    """The destination as the kernel shows it, and its family."""
    dst = item.get("dst")
    if dst == "default":
        hops = [item, *(item.get("nexthops") or ())]
        addresses = [hop.get("gateway") for hop in hops] + [item.get("prefsrc")]
        told = ["inet6" if ":" in address else "inet" for address in addresses if address]
        return "default", item.get("family") or (told[0] if told else "inet")
    if not dst:
        raise WrongRoute(f"{_at(where, 'dst')}: a route needs a destination, such as 192.0.2.0/24 or default")
    try:
        number, raw, length = split(dst)
    except ValueError as error:
        raise WrongRoute(f"{_at(where, 'dst')}: {error}") from None
    family = FAMILIES[number]
    if length == BITS[number]:
        return dst.partition("/")[0] if number == AF_INET else inet_ntop(number, raw), family
    host = int.from_bytes(raw, "big") & HOST[number][length]
    if host:
        base = Prefix(number, (int.from_bytes(raw, "big") - host).to_bytes(len(raw), "big"), length)
        raise WrongRoute(f"{_at(where, 'dst')}: {dst} is an address in {base}, not a network")
    if not length:
        return "default", family
    return dst if number == AF_INET else f"{inet_ntop(number, raw)}/{length}", family  # IPv4 has one spelling


# By family and prefix length: the bits that a network has none of.
HOST = {number: [(1 << (bits - length)) - 1 for length in range(bits + 1)] for number, bits in BITS.items()}


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


def _check_sense(given: t.Mapping[str, t.Any], where: str) -> None:
    def at(option: str) -> str:
        return _at(where, option)

    ways = [name for name in ("gateway", "nexthops", "nhid") if given.get(name)]
    if len(ways) > 1:
        raise WrongRoute(f"{at(ways[1])}: {ways[0]} is given too, and a route goes one way")
    if given.get("type") in DEVICE_FREE and (ways or given.get("dev")):
        raise WrongRoute(f"{at('type')}: a {given['type']} route leads nowhere, so it has no {(ways or ['dev'])[0]}")
    if given["state"] == "present" and not ways and not given.get("dev") and given.get("type") not in DEVICE_FREE:
        raise WrongRoute(f"{at('gateway')}: a route needs a gateway, a dev, nexthops or a nhid to go by")
    if given["state"] == "present" and given.get("onlink") and not given.get("gateway"):
        raise WrongRoute(f"{at('onlink')}: is about a gateway, and none is given")
    if given.get("metric", 0) < 0 or given.get("metric", 0) > 0xFFFFFFFF:
        raise WrongRoute(f"{at('metric')}: takes 0 to 4294967295, not {given['metric']}")
