# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a task wants of a link, checked before anything is asked of the kernel.

Every complaint names the option as the user wrote it: `links[3].mtu: takes 0 to 4294967295, not -1`.
"""

from __future__ import annotations

import re
import typing as t

from ..attribute import BOOL, MAC, S32, U32, Codec, string
from ..errors import NetlinkEncodeError
from ..rtnl import address as addresses
from ..rtnl import prefix as prefixes
from ..rtnl.link import ALTNAME, IFNAMSIZ
from ..rtnl.numbers import AF_INET6, FAMILIES
from ..rtnl.prefix import Prefix


class WrongLink(ValueError):
    """An option that cannot be meant; `where` is its path in the task."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}" if where else reason)
        self.where = where


class Wanted(t.NamedTuple):
    """One link as wanted; None means "as it is"."""

    where: str
    name: str
    select: t.Mapping[str, t.Any]
    state: str = "present"
    netns: str | None = None
    move_to: str | None = None
    place: str | None = None  # in which it ends: `move_to`, else `netns`; not worked out each time it is asked for
    kind: str | None = None
    options: t.Mapping[str, t.Any] = {}
    link: str | None = None
    attributes: t.Mapping[str, t.Any] = {}  # by IFLA_* name: mtu, address, ifalias, txqlen
    altnames: t.Sequence[str] = ()
    altnames_exact: bool = False
    master: str | None = None  # "": none
    ports: t.Sequence[str] | None = None
    port_options: t.Mapping[str, t.Any] = {}
    addresses: t.Sequence[t.Mapping[str, t.Any]] | None = None
    addresses_exact: bool = True
    recreate: bool = False
    vfs: t.Sequence[t.Mapping[str, t.Any]] = ()
    wireguard: t.Mapping[str, t.Any] | None = None

    @property
    def label(self) -> str:
        """The link's name as lines and errors show it."""
        return f"{self.name} in {self.place}" if self.place else self.name

    def at(self, option: str) -> str:
        return f"{self.where}.{option}" if self.where else option

    def known_as(self, name: str) -> Wanted:
        """A link that is meant by something else than its name keeps the one that it has, `name`."""
        return self if self.name == name or (self.name and self.select) else self._replace(name=name)


def parse(params: t.Mapping[str, t.Any], where: str = "", netns: str | None = None) -> Wanted:
    """Checks one link's options. Raises WrongLink."""

    def at(option: str) -> str:
        return f"{where}.{option}" if where else option

    select = _select(params.get("select") or {}, at)
    name = params.get("name") or select.get("name") or ""
    if not name and not select:
        raise WrongLink(at("name"), "a link needs a name, or a select to find it by")
    if name and (select or params.get("kind")):
        check_name(name, at("name") if params.get("name") else at("select.name"))
    elif name:  # alternative names are longer
        _altname(name, at("name"))
    for option in ("link", "master"):
        if params.get(option):
            canonical(ALTNAME, params[option], at(option))
    home, options, altnames = params.get("netns") or netns, params.get("options"), params.get("altnames")
    wanted = Wanted(
        where=where,
        name=name,
        select=select,
        state=params["state"],
        netns=home,
        move_to=params.get("move_to"),
        place=params.get("move_to") or home,
        kind=params.get("kind"),
        options={key: value for key, value in options.items() if value is not None} if options else {},
        link=params.get("link"),
        attributes=_attributes(params, at),
        altnames=list(dict.fromkeys(_altname(text, at("altnames")) for text in altnames)) if altnames else [],
        altnames_exact=params.get("altnames_mode") == "exact" and altnames is not None,
        master=params.get("master"),
        ports=params.get("ports"),
        port_options=params.get("port_options") or {},
        addresses=_addresses(params.get("addresses"), at),
        addresses_exact=params.get("addresses_mode") != "add",
        recreate=bool(params.get("recreate")),
        vfs=params.get("vfs") or (),
        wireguard=params.get("wireguard"),
    )
    _check_sense(wanted)
    return wanted


NOT_IN_NAMES = re.compile(r"[/:\s]")
SELECTORS = {"name": ALTNAME, "altname": ALTNAME, "ifindex": S32, "address": MAC}


def _select(given: t.Mapping[str, t.Any], at: t.Callable[[str], str]) -> dict[str, t.Any]:
    select = {
        key: canonical(SELECTORS[key], value, at(f"select.{key}")) for key, value in given.items() if value is not None
    }
    if len(select) > 1:
        raise WrongLink(at("select"), f"takes one of {', '.join(SELECTORS)}, not {' and '.join(select)}")
    if select.get("ifindex", 1) < 1:
        raise WrongLink(at("select.ifindex"), f"takes 1 and more, not {select['ifindex']}")
    return select


def check_name(name: str, where: str) -> None:
    """A name as the kernel takes it (net/core/dev.c: dev_valid_name)."""
    size = len(name.encode("utf-8", "surrogateescape"))
    if not 0 < size <= IFNAMSIZ:
        raise WrongLink(where, f"{name!r} has {size} bytes; a link's name has 1 to {IFNAMSIZ}")
    if name in (".", "..") or "\0" in name or NOT_IN_NAMES.search(name):
        raise WrongLink(where, f"{name!r} is not a link's name: no blanks, '/' or ':', and not '.' or '..'")


def canonical(codec: Codec, value: t.Any, where: str) -> t.Any:
    """`value` as the kernel would give it back. Raises WrongLink."""
    try:
        raw = codec.encode(value)
    except (ValueError, TypeError) as error:
        reason = str(error) if isinstance(error, NetlinkEncodeError) else f"{error}, not {value!r}"
        raise WrongLink(where, reason) from None
    return codec.decode(raw, 0, len(raw))


ATTRIBUTES = (
    ("mtu", "mtu", U32),
    ("address", "address", MAC),
    ("txqueuelen", "txqlen", U32),
    ("alias", "ifalias", string(255)),
)


def _attributes(params: t.Mapping[str, t.Any], at: t.Callable[[str], str]) -> dict[str, t.Any]:
    found = {
        key: canonical(codec, params[option], at(option))
        for option, key, codec in ATTRIBUTES
        if params.get(option) is not None
    }
    mac = found.get("address")
    if mac and (int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00"):
        raise WrongLink(at("address"), f"{mac} is a group address or empty: no link can have it")
    return found


def _altname(text: str, where: str) -> str:
    if not text or text in (".", "..") or NOT_IN_NAMES.search(text):
        raise WrongLink(where, f"{text!r} is not a link's name: no blanks, '/' or ':', and not '.' or '..'")
    return canonical(ALTNAME, text, where)


ADDRESS_OPTIONS = {
    "peer": "address",
    "valid_lft": "valid_life_time",
    "preferred_lft": "preferred_life_time",
    **{name: name for name in ("broadcast", "scope", "label", "metric", *addresses.SETTABLE)},
}
# IPv6 has no broadcast and no labels, and its scopes are in the addresses.
IPV4_ONLY = ("broadcast", "scope", "label")
OPTION_OF = {"local": "address", "address": "peer", "lifetimes": "valid_lft"}  # where the kernel's name is another


def _addresses(listed: t.Sequence[t.Any] | None, at: t.Callable[[str], str]) -> list[dict[str, t.Any]] | None:
    """Each as the dictionary that `rtnl.address` reads and writes, with the prefix in canonical spelling."""
    if listed is None:
        return None
    found = [_address(item, at(f"addresses[{number}]")) for number, item in enumerate(listed)]
    seen: dict[tuple[t.Any, ...], int] = {}
    for number, address in enumerate(found):
        first = seen.setdefault((address["local"], address["prefixlen"], address.get("address")), number)
        if first != number:
            raise WrongLink(at(f"addresses[{number}]"), f"{address['local']} is listed twice")
    return found


def _address(item: t.Any, where: str) -> dict[str, t.Any]:
    if isinstance(item, str):
        prefix = _prefix(item, where)
        return {"local": prefix.address, "prefixlen": prefix.length, "family": FAMILIES[prefix.family]}
    values = item
    if not isinstance(values, dict) or not values.get("address"):
        raise WrongLink(where, f"takes 10.0.0.1/24, or a dictionary with an address, not {item!r}")
    values = {key: value for key, value in values.items() if value is not None}
    unknown = sorted(set(values) - set(ADDRESS_OPTIONS) - {"address"})
    if unknown:
        known = ", ".join(sorted(["address", *ADDRESS_OPTIONS]))
        raise WrongLink(f"{where}.{unknown[0]}", f"unknown; known are {known}")
    prefix = _prefix(values.pop("address"), f"{where}.address")
    found: dict[str, t.Any] = {"local": prefix.address, "prefixlen": prefix.length}
    for option, value in values.items():
        found[ADDRESS_OPTIONS[option]] = _address_value(option, value, prefix, f"{where}.{option}")
    try:
        # What the kernel would answer, so that spellings (0x.., scopes by number) never look like a difference.
        request = addresses.new(1, found)
    except NetlinkEncodeError as error:
        raise WrongLink(f"{where}.{OPTION_OF.get(error.attribute, error.attribute)}", error.reason) from None
    answer = addresses.decode(request.body, 0, len(request.body))
    _refuse_forgotten(answer, f"{where}.preferred_lft")
    return _answered(found, answer)


def _refuse_forgotten(answer: t.Mapping[str, t.Any], where: str) -> None:
    """A lifetime that the kernel takes without a word and does not keep."""
    preferred, endless = answer["preferred_life_time"], answer["valid_life_time"] == addresses.FOREVER
    if answer["family"] == "inet" and endless and 0 < preferred < addresses.FOREVER:
        why = "the kernel forgets it of an IPv4 address that is valid for ever"
        raise WrongLink(where, f"{preferred} needs a valid_lft beside it that ends too: {why}")


def _prefix(text: t.Any, where: str) -> Prefix:
    try:
        return prefixes.parse(text)
    except ValueError as error:
        raise WrongLink(where, str(error)) from None


def _address_value(option: str, value: t.Any, prefix: Prefix, where: str) -> t.Any:
    """A value of one option, where more is to say of it than what the kernel's attribute takes."""
    if option in IPV4_ONLY and prefix.family == AF_INET6:
        raise WrongLink(where, "is for IPv4 alone")
    if option in addresses.SETTABLE:
        return canonical(BOOL, value, where)
    if option in ("peer", "broadcast"):
        other = _prefix(value, where)
        if other.family != prefix.family:
            raise WrongLink(where, f"{value} is of another IP version than {prefix.address}")
        return other.address
    return canonical(U32, value, where) if option.endswith("_lft") else value


def _answered(found: dict[str, t.Any], answer: dict[str, t.Any]) -> dict[str, t.Any]:
    """The wanted fields with the values that the kernel will show for them."""
    out = {key: answer.get(key, value) for key, value in found.items() if key in answer or key in addresses.SETTABLE}
    out["family"] = answer["family"]
    return out


# By the name of the field: what a link that goes cannot have, in the words of the options.
NOT_WHEN_ABSENT = {
    "options": "options",
    "link": "link",
    "altnames": "altnames",
    "addresses": "addresses",
    "ports": "ports",
    "port_options": "port_options",
    "vfs": "vfs",
    "wireguard": "wireguard",
    "master": "master",
    "move_to": "move_to",
    "mtu": "mtu",
    "address": "address",
    "txqlen": "txqueuelen",
    "ifalias": "alias",
}


def _check_sense(wanted: Wanted) -> None:
    """Options that contradict each other."""
    name, select, own = wanted.name, wanted.select, wanted.attributes.get("address")
    if wanted.state == "absent":
        given = {**wanted._asdict(), **wanted.attributes}
        said = [option for field, option in NOT_WHEN_ABSENT.items() if given.get(field)]
        if said:
            raise WrongLink(wanted.at("state"), f"absent, and {said[0]} is given too: a link that goes has none")
    if name and wanted.master == name:
        raise WrongLink(wanted.at("master"), f"{name} cannot be its own master")
    if name and wanted.link == name and wanted.place == wanted.netns:
        raise WrongLink(wanted.at("link"), f"{name} cannot stand on itself")
    if wanted.ports and (not name or name in wanted.ports):
        why = f"{name} cannot be a port of its own" if name else "need the name of their master beside them"
        raise WrongLink(wanted.at("ports"), why)
    if wanted.wireguard and wanted.kind not in (None, "wireguard"):
        raise WrongLink(wanted.at("wireguard"), f"is for links of kind wireguard, not {wanted.kind}")
    if not name and own and select.get("address", own) != own:
        raise WrongLink(wanted.at("select.address"), f"finds no link any more when its address is {own}: give its name")
    if not name and wanted.altnames_exact and select.get("altname", "") not in ("", *wanted.altnames):
        raise WrongLink(wanted.at("select.altname"), "finds no link any more without that altname: give its name")


def parse_all(items: t.Sequence[t.Mapping[str, t.Any]], netns: str | None, path: str = "links") -> list[Wanted]:
    """A list of links, with what each says of its ports turned into what the ports want. Raises WrongLink."""
    found = [parse(item, f"{path}[{number}]" if path else "", netns) for number, item in enumerate(items)]
    _refuse_twins(found)
    return _with_ports(found)


def _refuse_twins(found: t.Sequence[Wanted]) -> None:
    seen: dict[tuple[t.Any, str], Wanted] = {}
    for wanted in found:
        if not wanted.name:
            continue
        first = seen.setdefault((wanted.place, wanted.name), wanted)
        if first is not wanted:
            raise WrongLink(wanted.at("name"), f"{wanted.name} is listed before, at {first.where}")


def _with_ports(found: t.Sequence[Wanted]) -> list[Wanted]:
    """`ports: [a, b]` on a master is the same as `master:` on a and on b."""
    out = list(found)
    places = {(wanted.place, wanted.name): number for number, wanted in enumerate(out)}
    for wanted in found:
        for port in wanted.ports or ():
            check_name(port, wanted.at("ports"))
            number = places.get((wanted.place, port))
            if number is not None and out[number].state == "absent":
                raise WrongLink(wanted.at("ports"), f"{port} is wanted as a port of {wanted.name}, and absent")
            if number is None:
                places[(wanted.place, port)] = len(out)
                place = wanted.place
                out.append(Wanted(wanted.at("ports"), port, {}, netns=place, place=place, master=wanted.name))
            elif out[number].master in (None, wanted.name):
                out[number] = out[number]._replace(master=wanted.name)
            else:
                other = out[number].master or "no master"
                raise WrongLink(wanted.at("ports"), f"{port} is wanted as a port of {wanted.name} and of {other}")
    return out
