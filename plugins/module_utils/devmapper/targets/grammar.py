# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pieces that the arguments of device-mapper targets are made of: read, written, compared, shown.

A target's arguments are words between blanks, where a backslash takes the meaning from what follows it (the kernel's
dm_split_args). A grammar is a tuple of pieces; values are a dictionary from a piece's name to a number, a text, a list
of texts (options) or a list of dictionaries (devices in a row).
"""

from __future__ import annotations

import re
import typing as t

from ..errors import DmValueError

DEVICE, INT, WORD, HEX, KEY = "device", "int", "word", "hex", "key"
MISSING = ""

Values = t.Dict[str, t.Any]
Spell = t.Callable[[str, str], str]  # kind and word -> the word as it is to be shown or compared

WORDS = re.compile(r"(?:[^\s\\]|\\.)+", re.DOTALL)
ESCAPED = re.compile(r"\\(.)", re.DOTALL)
SPECIAL = re.compile(r"([\s\\])")


def split(params: str) -> list[str]:
    """The words of `params`, without their backslashes."""
    if "\\" not in params:
        return params.split()
    return [ESCAPED.sub(r"\1", word) for word in WORDS.findall(params)]


def join(words: t.Iterable[str]) -> str:
    return " ".join(SPECIAL.sub(r"\\\1", word) for word in words)


class Source:
    """Words that are read from the front. Raises DmValueError where they end too early."""

    def __init__(self, words: t.Sequence[str]) -> None:
        self.words, self.place = words, 0
        self.counts: t.Dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.words) - self.place

    def take(self, what: str) -> str:
        if self.place >= len(self.words):
            raise DmValueError(f"{what} is missing")
        self.place += 1
        return self.words[self.place - 1]

    def number(self, what: str) -> int:
        return number(self.take(what), what)


def number(word: str, what: str) -> int:
    if not word.isdecimal():
        raise DmValueError(f"{what} is a number, not {word!r}")
    return int(word)


class Field(t.NamedTuple):
    """One word. What is optional may be missing, at the end of the line."""

    name: str
    kind: str = WORD
    optional: bool = False
    any: str = MISSING  # a word that leaves the choice to the kernel
    loose: bool = False  # the kernel moves it by itself

    def take(self, source: Source, out: Values) -> None:
        if self.optional and not len(source):
            return
        word = source.take(self.name)
        out[self.name] = word if self.kind != INT or word == self.any else number(word, self.name)

    def give(self, values: Values, spell: Spell) -> list[str]:
        if values.get(self.name) is None:
            if self.optional:
                return []
            raise DmValueError(f"{self.name} is missing")
        word = str(values[self.name])
        if self.kind == INT and word != self.any:
            number(word, self.name)
        if not word:
            raise DmValueError(f"{self.name} is empty")
        return [spell(self.kind, word)]

    def same(self, wanted: Values, live: Values, spell: Spell) -> bool:
        one, other = wanted.get(self.name), live.get(self.name)
        if self.loose or (self.any != MISSING and str(one) == self.any):
            return True
        if one is None or other is None:
            return one is other
        return spell(self.kind, str(one)) == spell(self.kind, str(other))


class Count(t.NamedTuple):
    """How many items a list further on has."""

    name: str

    def take(self, source: Source, out: Values) -> None:
        source.counts[self.name] = source.number(f"the number of {self.name}")

    def give(self, values: Values, spell: Spell) -> list[str]:
        return [str(len(_list(values, self.name)))]

    def same(self, wanted: Values, live: Values, spell: Spell) -> bool:
        return True


class Items(t.NamedTuple):
    """A list of like groups, as many as `Count` said; without one, all that is left."""

    name: str
    fields: t.Tuple[t.Any, ...]

    def take(self, source: Source, out: Values) -> None:
        items = out[self.name] = []
        left = source.counts.get(self.name)
        while len(source) if left is None else len(items) < left:
            inner = Source(source.words)
            inner.place = source.place
            items.append(parse_from(self.fields, inner))
            source.place = inner.place

    def give(self, values: Values, spell: Spell) -> list[str]:
        found = _list(values, self.name)
        return [word for item in found for word in render(self.fields, item, spell, f"{self.name}: ")]

    def same(self, wanted: Values, live: Values, spell: Spell) -> bool:
        ones, others = _list(wanted, self.name), _list(live, self.name)
        return len(ones) == len(others) and all(same(self.fields, *pair, spell) for pair in zip(ones, others))


class Options(t.NamedTuple):
    """A number of words and the words: options in any order, some with arguments of their own.

    `arity` has the number of arguments of those that have not `usual` many; `lead` numbers come first. `implied` are
    those that the kernel adds by itself. `trailing` ones are left out where there are none.
    """

    name: str
    arity: t.Mapping[str, int] = {}
    usual: int = 0
    implied: t.FrozenSet[str] = frozenset()
    trailing: bool = True
    lead: int = 0

    def take(self, source: Source, out: Values) -> None:
        found = out[self.name] = []
        if not len(source):
            return
        left = source.number(f"the number of {self.name}")
        for place in range(left):
            if left <= 0:
                break
            word = source.take(self.name)
            many = 0 if place < self.lead else self.arity.get(word, self.usual)
            found.append(" ".join([word, *(source.take(f"an argument of {word}") for _unused in range(many))]))
            left -= 1 + many

    def give(self, values: Values, spell: Spell) -> list[str]:
        words = [spelt for one in _list(values, self.name) for spelt in self._spelt(one, spell)]
        return [str(len(words)), *words] if words or not self.trailing else []

    def _spelt(self, option: t.Any, spell: Spell) -> list[str]:
        return [spell("option", word) for word in str(option).split()]

    def same(self, wanted: Values, live: Values, spell: Spell) -> bool:
        ones = {tuple(self._spelt(one, spell)) for one in _list(wanted, self.name)}
        others = {tuple(self._spelt(one, spell)) for one in _list(live, self.name)}
        keys = {_key(one) for one in ones}
        added = others - ones
        return ones <= others and all(_key(one) in self.implied and _key(one) not in keys for one in added)


class Several(t.NamedTuple):
    """A number of words and the words, whose order matters."""

    name: str
    trailing: bool = False

    def take(self, source: Source, out: Values) -> None:
        out[self.name] = []
        if self.trailing and not len(source):
            return
        many = source.number(f"the number of {self.name}")
        out[self.name] = [source.take(self.name) for _unused in range(many)]

    def give(self, values: Values, spell: Spell) -> list[str]:
        words = [spell("option", str(one)) for one in _list(values, self.name)]
        return [] if self.trailing and not words else [str(len(words)), *words]

    def same(self, wanted: Values, live: Values, spell: Spell) -> bool:
        ones, others = _list(wanted, self.name), _list(live, self.name)
        return [spell("option", str(one)) for one in ones] == [spell("option", str(one)) for one in others]


class Ignored(t.NamedTuple):
    """All words that are left, of which the kernel takes no notice."""

    name: str

    def take(self, source: Source, out: Values) -> None:
        out[self.name] = [source.take(self.name) for _unused in range(len(source))]

    def give(self, values: Values, spell: Spell) -> list[str]:
        return [str(one) for one in _list(values, self.name)]

    def same(self, wanted: Values, live: Values, spell: Spell) -> bool:
        return True


class Paths(t.NamedTuple):
    """Paths of multipath: how many, how many arguments each has, and each path with its arguments."""

    name: str

    def take(self, source: Source, out: Values) -> None:
        many, args = source.number("the number of paths"), source.number("the number of path arguments")
        out[self.name] = [
            {"device": source.take("a path"), "args": [source.take("a path argument") for _unused in range(args)]}
            for _unused in range(many)
        ]

    def give(self, values: Values, spell: Spell) -> list[str]:
        paths = _list(values, self.name)
        args = [[str(one) for one in _list(path, "args")] for path in paths]
        if len({len(some) for some in args}) > 1:
            raise DmValueError(f"all {self.name} take the same number of args")
        words = [word for path, some in zip(paths, args) for word in (spell(DEVICE, str(path.get("device"))), *some)]
        return [str(len(paths)), str(len(args[0]) if args else 0), *words]

    def same(self, wanted: Values, live: Values, spell: Spell) -> bool:
        return self.give(wanted, spell) == self.give(live, spell)


def _list(values: Values, name: str) -> list[t.Any]:
    found = values.get(name)
    if found is None:
        return []
    if not isinstance(found, (list, tuple)):
        raise DmValueError(f"{name} is a list, not {found!r}")
    return list(found)


def _key(option: tuple[str, ...]) -> str:
    return option[0].partition(":")[0]


def parse_from(fields: t.Sequence[t.Any], source: Source) -> Values:
    out: Values = {}
    for field in fields:
        field.take(source, out)
    return out


def parse(fields: t.Sequence[t.Any], params: str) -> Values:
    """Values from the text of a table. Raises DmValueError."""
    source = Source(split(params))
    out = parse_from(fields, source)
    if len(source):
        raise DmValueError(f"{join(source.words[source.place :])!r} is more than the target takes")
    return out


def as_is(_kind: str, word: str) -> str:
    return word


def render(fields: t.Sequence[t.Any], values: Values, spell: Spell = as_is, where: str = "") -> list[str]:
    """The words of a table from values. Raises DmValueError."""
    if not isinstance(values, dict):
        raise DmValueError(f"{where}takes a dictionary, not {values!r}")
    known = {field.name for field in fields}
    extra = [name for name in values if name not in known]
    if extra:
        raise DmValueError(f"{where}there is no {extra[0]} (there is {', '.join(sorted(known)) or 'nothing to say'})")
    try:
        return [word for field in fields for word in field.give(values, spell)]
    except DmValueError as error:
        raise DmValueError(f"{where}{error}") from None


def same(fields: t.Sequence[t.Any], wanted: Values, live: Values, spell: Spell) -> bool:
    """Whether the kernel would make `live` of `wanted`."""
    return all(field.same(wanted, live, spell) for field in fields)
