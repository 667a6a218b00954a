# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the kernel would make of one table the other: it does not give back what was written.

It shows a device by its number, a number without leading zeros, options in an order of its own, and adds what it chose
by itself. Keys are compared as they are, and never leave here.
"""

from __future__ import annotations

import os
import re
import typing as t

from ..errors import DmValueError
from ..header import dev_text
from ..nodes import block_device
from . import grammar
from .registry import TARGETS

Line = t.Tuple[int, int, str, str]
Resolve = t.Callable[[str], str]  # a device as written -> `major:minor`, or as written where it is not there

NUMBERS = re.compile(r"(\d+):(\d+)\Z")
FEW = 8  # devices that the lines of a long table mostly stand on
SEPARATOR = " \0 "  # of lines: what no argument has in it
# A word that is a device in whatever target: a number or a path. No other argument looks so.
DEVICES = re.compile(r"(?<!\S)(?:\d+:\d+(?!\S)|/(?:[^\s\\]|\\.)*)")


def resolved(device: str) -> str:
    """`major:minor` of a path or of such a number; what is neither stays."""
    found = NUMBERS.match(device)
    if found:
        return f"{int(found[1])}:{int(found[2])}"
    dev = block_device(device) if device.startswith("/") else None
    return device if dev is None else dev_text(dev)


def spelling(resolve: Resolve) -> grammar.Spell:
    """A word as it is compared."""

    def spell(kind: str, word: str) -> str:
        if kind == grammar.DEVICE:
            return resolve(word)
        if kind in (grammar.KEY, grammar.HEX):
            return word if word.startswith(":") else word.lower()
        if word.isdecimal():
            return str(int(word))
        if kind == "option" and (word.startswith("/") or NUMBERS.match(word)):
            return resolve(word)
        return word

    return spell


def same_params(kind: str, wanted: str, live: str, resolve: Resolve = resolved) -> bool:
    spell = spelling(resolve)
    fields = TARGETS.get(kind)
    if fields is not None:
        try:
            return grammar.same(fields, grammar.parse(fields, wanted), grammar.parse(fields, live), spell)
        except DmValueError:
            pass  # not as documented: word for word then
    words = [[spell("option", word) for word in grammar.split(text)] for text in (wanted, live)]
    return words[0] == words[1]


def same_table(wanted: t.Sequence[Line], live: t.Sequence[Line], resolve: Resolve = resolved) -> bool:
    """Whether loading `wanted` would change nothing of `live`."""
    if len(wanted) != len(live):
        return False
    cached = once(resolve)
    return _same_text(wanted, live, cached) or all(
        one[:3] == other[:3] and (one[3] == other[3] or same_params(*one[2:], other[3], cached))
        for one, other in zip(wanted, live)
    )


def _same_text(wanted: t.Sequence[Line], live: t.Sequence[Line], resolve: Resolve) -> bool:
    """Whether the tables are the same but for how a few devices are written: thousands of lines in a few steps."""
    ones, others = list(zip(*wanted)), list(zip(*live))
    if not ones or ones[:3] != others[:3]:
        return False
    text, other = (f" {SEPARATOR.join(args)} " for args in (ones[3], others[3]))
    if "\\" in text:
        return False  # not so simple
    for _unused in range(FEW):
        begin = text.find(" /") + 1
        if not begin:
            break
        device = text[begin : text.index(" ", begin)]
        text = text.replace(f" {device} ", f" {resolve(device)} ")
    return text == other


def once(spell: Resolve) -> Resolve:
    """`spell`, which asks the file system only once about each device."""
    known: dict[str, str] = {}

    def cached(device: str) -> str:
        if device not in known:
            known[device] = spell(device)
        return known[device]

    return cached


class Respelling(t.Dict[str, str]):
    """Words that are devices, each spelt anew once; `spell` takes and gives it without backslashes."""

    def __init__(self, spell: Resolve) -> None:
        super().__init__()
        self.spell = spell

    def __missing__(self, word: str) -> str:
        plain = self.spell(word if "\\" not in word else grammar.split(word)[0])
        self[word] = text = grammar.join([plain]) if grammar.SPECIAL.search(plain) else plain
        return text


def with_devices(params: str, words: Respelling) -> str:
    """The arguments with every device spelt anew."""
    return DEVICES.sub(lambda match: words[match[0]], params)


def devices(lines: t.Iterable[Line]) -> list[str]:
    """The devices that a table mentions, as written, each once."""
    words = dict.fromkeys(word for line in lines for word in DEVICES.findall(line[3]))
    return [word if "\\" not in word else grammar.split(word)[0] for word in words]


def spelt(kind: str, params: str, spell: grammar.Spell) -> str:
    """The arguments with every word spelt anew."""
    fields = TARGETS.get(kind)
    if fields is not None:
        try:
            return grammar.join(grammar.render(fields, grammar.parse(fields, params), spell))
        except DmValueError:
            pass
    return grammar.join(spell("option", word) for word in grammar.split(params))


def device_path(dev: int) -> str:
    """The kernel's own path for a device number that is not the device-mapper's; the number where it has none."""
    try:
        with open(f"/sys/dev/block/{dev_text(dev)}/uevent", encoding="utf-8", errors="surrogateescape") as text:
            found = dict(line.rstrip("\n").partition("=")[::2] for line in text)
    except OSError:
        return dev_text(dev)
    return os.path.join("/dev", found["DEVNAME"]) if "DEVNAME" in found else dev_text(dev)


def device_path_exists(number: str) -> bool:
    """Whether this host has a block device `major:minor`."""
    return os.path.exists(f"/sys/dev/block/{number}")
