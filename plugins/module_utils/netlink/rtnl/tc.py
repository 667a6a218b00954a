# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic control: queueing disciplines and their classes, struct tcmsg and TCA_* (linux/rtnetlink.h).

A qdisc or class decodes to a dictionary with the keys of `tc -j -s qdisc`, but for its link, which stays a number
(`index`). `options` are there for tbf, htb, netem, ingress and clsact; of any other kind only the kind is read.
`{"kind": "tbf", "handle": "1:", "root": True, "options": {...}}` is what `new`, `replace` and `change` take.
"""

from __future__ import annotations

import struct
import typing as t

from ..attribute import BYTES, STRING, U32, Codec, Table, nested
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from ..message import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Request
from .numbers import (
    AF_UNSPEC,
    RTM_DELQDISC,
    RTM_DELTCLASS,
    RTM_GETQDISC,
    RTM_GETTCLASS,
    RTM_NEWQDISC,
    RTM_NEWTCLASS,
)

TCMSG = struct.Struct("=BxxxiIII")  # family, link, handle, parent, info
ROOT = 0xFFFFFFFF
INGRESS = 0xFFFFFFF1  # the parent of ingress and clsact
INGRESS_HANDLE = 0xFFFF0000
BASIC = struct.Struct("=QI")  # struct gnet_stats_basic: bytes, packets
QUEUE = struct.Struct("=IIIII")  # struct gnet_stats_queue
QUEUE_KEYS = ("qlen", "backlog", "drops", "requeues", "overlimits")


def _no_options(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    return {}


class Kind(t.NamedTuple):
    """How the options of a kind are read and written; `table` names what the kernel complains of."""

    decode: t.Callable[[bytes, int, int], t.Dict[str, t.Any]]
    encode: t.Callable[[t.Mapping[str, t.Any]], bytes]
    encode_class: t.Callable[[t.Mapping[str, t.Any]], bytes] | None = None
    table: Table | None = None


def _tbf() -> Kind:
    from . import tc_shapers as shapers

    return Kind(shapers.decode_tbf, shapers.encode_tbf, table=shapers.TBF)


def _htb() -> Kind:
    from . import tc_shapers as shapers

    return Kind(shapers.decode_htb, shapers.encode_htb, shapers.encode_htb_class, shapers.HTB)


def _netem() -> Kind:
    from . import tc_netem

    return Kind(tc_netem.decode, tc_netem.encode)


def _plain() -> Kind:
    return Kind(_no_options, lambda options: b"")


KINDS: dict[str, t.Callable[[], Kind]] = {
    "tbf": _tbf, "htb": _htb, "netem": _netem, "ingress": _plain, "clsact": _plain,
}  # fmt: skip
_SPAN = Codec(lambda data, start, end: (data, start, end), BYTES.encode)  # decoded when its kind is known


def _decode_basic(data: bytes, start: int, end: int) -> dict[str, int]:
    if end - start < BASIC.size:
        raise NetlinkDecodeError(f"counters in {end - start} bytes")
    return dict(zip(("bytes", "packets"), BASIC.unpack_from(data, start)))


def _decode_queue(data: bytes, start: int, end: int) -> dict[str, int]:
    if end - start < QUEUE.size:
        raise NetlinkDecodeError(f"a queue's counters in {end - start} bytes")
    return dict(zip(QUEUE_KEYS, QUEUE.unpack_from(data, start)))


STATS = Table((1, "basic", Codec(_decode_basic, BYTES.encode)), (3, "queue", Codec(_decode_queue, BYTES.encode)))


def _table(options: Codec) -> Table:
    return Table(
        (1, "kind", STRING), (2, "options", options), (7, "stats", nested(STATS)),
        (13, "ingress_block", U32), (14, "egress_block", U32),
    )  # fmt: skip


TABLE = _table(_SPAN)

# Handles


def show_handle(number: int) -> str:
    """As `tc` writes one: "1:" of a qdisc, "1:10" of a class, in hexadecimal."""
    major, minor = number >> 16, number & 0xFFFF
    return f"{major:x}:{minor:x}" if minor else f"{major:x}:"


NAMES = {"root": ROOT, "none": 0, "ingress": INGRESS, "clsact": INGRESS}


def parse_handle(text: str | int) -> int:
    """The number of "1:", "1:10", "root" or "ingress". Raises ValueError."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    if text in NAMES:
        return NAMES[text]
    major, colon, minor = text.partition(":") if isinstance(text, str) else ("", "", "")
    try:
        numbers = int(major, 16), int(minor or "0", 16)
    except ValueError:
        numbers = (-1, -1)
    if not colon or not all(0 <= number <= 0xFFFF for number in numbers):
        raise ValueError(f"takes a handle like 1: or 1:10 (hexadecimal), or root, not {text!r}")
    return numbers[0] << 16 | numbers[1]


def _handle(values: t.Mapping[str, t.Any], name: str, default: int) -> int:
    try:
        return default if values.get(name) is None else parse_handle(values[name])
    except ValueError as error:
        raise NetlinkEncodeError(name, str(error)) from None


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """One qdisc or class: `kind`, `handle`, `index`, `root` or `parent`, `options`, counters."""
    if end - start < TCMSG.size:
        raise NetlinkDecodeError(f"a traffic control message of {end - start} bytes")
    _unused, index, handle, parent, _unused = TCMSG.unpack_from(data, start)
    found = TABLE.decode(data, start + TCMSG.size, end)
    out: dict[str, t.Any] = {"kind": found.get("kind", ""), "handle": show_handle(handle), "index": index}
    out.update({"root": True} if parent == ROOT else {"parent": show_handle(parent)})
    if out["kind"] in KINDS:
        span = found.get("options", (b"", 0, 0))
        out["options"] = KINDS[out["kind"]]().decode(*span) if span[2] > span[1] else {}
    for name in ("ingress_block", "egress_block"):
        if name in found:
            out[name] = found[name]
    for counters in found.get("stats", {}).values():
        out.update(counters)
    return out


def _message(index: int = 0, handle: int = 0, parent: int = 0) -> bytes:
    return TCMSG.pack(AF_UNSPEC, index, handle, parent, 0)


def dump() -> Request:
    """Asks for the qdiscs of all links.

    The kernel has no filter for them: `selection.only(decode, index=5)`, or `kind="tbf"`, makes one.
    """
    return Request("RTM_GETQDISC", RTM_GETQDISC, 0, _message(), TABLE, TCMSG.size)


def dump_classes(index: int) -> Request:
    """Asks for the classes of one link; the kernel wants to know which."""
    return Request(f"RTM_GETTCLASS of link {index}", RTM_GETTCLASS, 0, _message(index), TABLE, TCMSG.size)


def _options(kind: str, values: t.Mapping[str, t.Any], of_class: bool) -> tuple[Table, bytes]:
    if kind not in KINDS:
        return TABLE, TABLE.encode({"kind": kind})
    known = KINDS[kind]()
    encode = known.encode_class if of_class else known.encode
    if encode is None:
        raise NetlinkEncodeError("kind", f"{kind} has no classes")
    table = _table(Codec(_SPAN.decode, encode, known.table))
    # ingress and clsact have none, and older kernels want none where none are meant
    options = (values.get("options") or {}) if kind not in ("ingress", "clsact") else None
    return table, table.encode({"kind": kind, "options": options})


def _place(values: t.Mapping[str, t.Any]) -> tuple[int, int]:
    """Handle and parent."""
    if values.get("kind") in ("ingress", "clsact"):
        return INGRESS_HANDLE, INGRESS
    return _handle(values, "handle", 0), _handle(values, "parent", ROOT)


def _request(word: str, number: int, flags: int, index: int, values: t.Mapping[str, t.Any]) -> Request:
    if not values.get("kind"):
        raise NetlinkEncodeError("kind", "a qdisc needs one")
    table, attributes = _options(values["kind"], values, number == RTM_NEWTCLASS)
    body = _message(index, *_place(values)) + attributes
    return Request(f"{word} {values['kind']} on link {index}", number, flags, body, table, TCMSG.size)


def new(index: int, qdisc: t.Mapping[str, t.Any]) -> Request:
    """Adds a qdisc: `kind`, `parent` (default: the root), `handle` (default: the kernel's choice), `options`.

    Raises NetlinkEncodeError.
    """
    return _request("RTM_NEWQDISC", RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, index, qdisc)


def replace(index: int, qdisc: t.Mapping[str, t.Any]) -> Request:
    """Adds a qdisc in the place of the one at its parent, or changes that one where kind and handle are the same."""
    return _request("RTM_NEWQDISC", RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE, index, qdisc)


def change(index: int, qdisc: t.Mapping[str, t.Any]) -> Request:
    """Changes the options of a qdisc that is there."""
    return _request("RTM_NEWQDISC", RTM_NEWQDISC, 0, index, qdisc)


def delete(index: int, qdisc: t.Mapping[str, t.Any]) -> Request:
    """Removes the qdisc at `parent` (default: the root), or the one of the kind ingress or clsact."""
    body = _message(index, *_place(qdisc))
    return Request(f"RTM_DELQDISC on link {index}", RTM_DELQDISC, 0, body, TABLE, TCMSG.size)


def new_class(index: int, class_: t.Mapping[str, t.Any]) -> Request:
    """Adds a class: `kind` ("htb"), `handle` ("1:10"), `parent` ("1:" or "1:1"), `options`."""
    return _request("RTM_NEWTCLASS", RTM_NEWTCLASS, NLM_F_CREATE | NLM_F_EXCL, index, class_)


def change_class(index: int, class_: t.Mapping[str, t.Any]) -> Request:
    """Changes the options of a class that is there."""
    return _request("RTM_NEWTCLASS", RTM_NEWTCLASS, 0, index, class_)


def delete_class(index: int, handle: str) -> Request:
    body = _message(index, _handle({"handle": handle}, "handle", 0))
    return Request(f"RTM_DELTCLASS {handle} of link {index}", RTM_DELTCLASS, 0, body, TABLE, TCMSG.size)
