# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only some daemons can: control commands, features, quotas of single domains.

A daemon may refuse an unknown request, or (oxenstored) drop it without a word. So such a request is followed by one
that every daemon answers; when that one is answered first, the other was dropped. Daemons answer in order.
"""

from __future__ import annotations

import errno
import re
import time
import typing as t

from .errors import PyXSError, Timeout, UnexpectedPacket, refused
from .packet import ID_MASK, Op, Packet, error_number, strings
from .router import Router, RVar, describe

if t.TYPE_CHECKING:
    from .client import Client

FEATURES = {1: "reconnection", 2: "error", 4: "watch_depth", 8: "domid_any"}  # xs_wire.h: XENSTORE_SERVER_FEATURE_*

C_LINE = re.compile(r"([a-z-]+) *: *([0-9]+)")  # xenstored's CONTROL quota
OCAML_LINE = re.compile(r"dom([0-9]+) quota: (-?[0-9]+)/(-?[0-9]+)")  # oxenstored's

PROBE_ID = 0x70000000
MOMENT = 0.1  # seconds for what has come already to be read
UNTOLD = (errno.ENOSYS, errno.ENOENT, errno.EINVAL, errno.EACCES, errno.EPERM)


def ask(client: Client, op: int, payload: bytes) -> bytes:
    """The answer to a request that the daemon may not know. Raises PyXSError, with ENOSYS when it drops it."""
    router = client.router
    answer = router.send(Packet(op, payload, PROBE_ID))
    if not _is_answered(router, answer):
        router.forget(PROBE_ID)
        raise refused(errno.ENOSYS, describe((op, payload)))
    packet = answer.get()
    if packet.op == Op.ERROR:
        raise refused(error_number(packet.payload), describe((op, payload)))
    return packet.payload


def _is_answered(router: Router, answer: RVar) -> bool:
    """Whether the daemon has answered by the time it answers what is asked after."""
    beacon = Packet(Op.GET_DOMAIN_PATH, b"0\0", PROBE_ID + 1 & ID_MASK)
    if router.connection.pipelined:
        router.send(beacon).get()
        return answer.there
    other = Router(type(router.connection)(router.connection.path), router.timeout)  # the kernel has one line for all
    other.start()
    try:
        other.send(beacon).get()
    finally:
        other.terminate()
    try:
        while not answer.there:
            router.wait_for_events(time.monotonic() + MOMENT)
    except Timeout:
        pass
    return answer.there


def control(client: Client, command: str, *arguments: str) -> str:
    """What a control command says; which there are depends on the daemon ("help" lists them). Raises PyXSError."""
    payload = strings(*(word.encode() for word in (command, *arguments)))
    return ask(client, Op.CONTROL, payload).rstrip(b"\0").decode("utf-8", "replace")


def reset_watches(client: Client) -> None:
    """Ends all watches and transactions of this connection. Raises PyXSError."""
    ask(client, Op.RESET_WATCHES, b"\0")
    client.tx_id = 0


def get_features(client: Client, domid: int | None = None) -> list[str]:
    """What the daemon can, or what it tells `domid` that it can. Raises PyXSError."""
    bits = _number(ask(client, Op.GET_FEATURE, b"" if domid is None else strings(b"%d" % domid)))
    return [name for bit, name in FEATURES.items() if bits & bit]


def set_features(client: Client, domid: int, features: t.Iterable[str]) -> None:
    """Before the domain is introduced. Raises PyXSError, KeyError."""
    numbers = {name: bit for bit, name in FEATURES.items()}
    bits = sum(numbers[name] for name in set(features))
    ask(client, Op.SET_FEATURE, strings(b"%d" % domid, b"%d" % bits))


def quota_names(client: Client) -> list[str]:
    """The quotas that get_quota() knows. Raises PyXSError."""
    return ask(client, Op.GET_QUOTA, b"").rstrip(b"\0").decode("ascii", "replace").split()


def get_quota(client: Client, name: str, domid: int | None = None) -> int:
    """A quota of one domain, or that of domains without one of their own. Raises PyXSError."""
    return _number(ask(client, Op.GET_QUOTA, strings(*_of_domain(domid), name.encode())))


def set_quota(client: Client, name: str, value: int, domid: int | None = None) -> None:
    """Raises PyXSError."""
    ask(client, Op.SET_QUOTA, strings(*_of_domain(domid), name.encode(), b"%d" % value))


class Account(t.NamedTuple):
    """What the daemon counts for one domain, and up to what. Empty where it does not tell.

    Names are the daemon's: "nodes", of xenstored also "watches", "transactions", "outstanding" requests, "memory" in
    bytes.
    """

    used: t.Dict[str, int]
    quota: t.Dict[str, int]


def accounts(client: Client, domids: t.Iterable[int]) -> dict[int, Account]:
    """Raises PyXSError; a domain that the daemon does not know, or will not tell of, has an empty account."""
    common = _table(_told(client))
    return {domid: _account(client, domid, common) for domid in domids}


def _account(client: Client, domid: int, common: dict[str, int]) -> Account:
    said = _told(client, str(domid))
    match = OCAML_LINE.search(said)
    if match:
        return Account({"nodes": int(match.group(2))}, {"nodes": int(match.group(3))})
    used = _table(said)
    return Account(used, {**common, **_own_quota(client, domid)} if used else {})


def _told(client: Client, *of: str) -> str:
    try:
        return control(client, "quota", *of)
    except PyXSError as error:
        if error.errno not in UNTOLD:
            raise
        return ""


def _own_quota(client: Client, domid: int) -> dict[str, int]:
    """Where single domains can have quotas of their own (Xen 4.22 and newer)."""
    try:
        return {name.replace("-", "_"): get_quota(client, name, domid) for name in quota_names(client)}
    except PyXSError as error:
        if error.errno not in UNTOLD:
            raise
        return {}


def _table(said: str) -> dict[str, int]:
    return {match.group(1).replace("-", "_"): int(match.group(2)) for match in C_LINE.finditer(said)}


def _of_domain(domid: int | None) -> list[bytes]:
    return [] if domid is None else [b"%d" % domid]


def _number(answer: bytes) -> int:
    digits = answer.rstrip(b"\0")
    if not digits.isdigit():
        raise UnexpectedPacket(f"a number was to come, and not {digits[:32]!r}")
    return int(digits)
