# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a WireGuard device is, what it shall be, and the requests that lead from one to the other.

`observe` reads a `Device`, `goal` says what it shall be by a user's options, `requests(present,
goal)` are what makes it so and `requests(goal, present)` what undoes that. `lines` are a device as
a diff shows it: secret keys appear in it as "set" alone, private ones also by their public key.
"""

from __future__ import annotations

import socket
import typing as t

from ..attribute import integer
from ..errors import NetlinkEncodeError
from ..genl import Family, GenericSocket
from ..message import Request
from . import keys, wire

Options = t.Mapping[str, t.Any]
Resolve = t.Callable[[str, int], t.List[wire.Endpoint]]


class Peer(t.NamedTuple):
    public_key: str
    preshared_key: keys.Secret = keys.NONE
    endpoint: wire.Endpoint | None = None
    allowed_ips: frozenset[wire.Range] = frozenset()
    persistent_keepalive: int = 0  # seconds; 0: none


class Device(t.NamedTuple):
    private_key: keys.Secret
    public_key: str  # "" without a private key
    listen_port: int  # 0: chosen by the kernel when the link goes up
    fwmark: int  # 0: none
    peers: t.Mapping[str, Peer]  # by public key


NEW = Device(keys.NONE, "", 0, 0, {})  # as the kernel makes one


def observe(sock: GenericSocket, name: str) -> Device:
    """The device as it is. Raises NetlinkError (ENODEV, EOPNOTSUPP: not a WireGuard link)."""
    return device_of(get_device(sock, name))


def get_device(sock: GenericSocket, name: str) -> dict[str, t.Any]:
    """A device as `wire` decodes it, with counters and handshakes; `shown` may be returned."""
    return wire.merged(sock.dump(wire.get(wire.family(sock), name), wire.decode))


def device_of(found: t.Mapping[str, t.Any]) -> Device:
    """The settings in a device that was read."""
    peers = [
        Peer(
            peer["public_key"],
            peer.get("preshared_key", keys.NONE),
            peer.get("endpoint"),
            frozenset(peer.get("allowed_ips", ())),
            peer.get("persistent_keepalive_interval", 0),
        )
        for peer in found["peers"]
    ]
    private_key = found.get("private_key", keys.NONE)
    return Device(
        private_key,
        found.get("public_key", "") if private_key else "",
        found.get("listen_port", 0),
        found.get("fwmark", 0),
        {peer.public_key: peer for peer in peers},
    )


def shown(found: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """A device that was read, in plain values; of secret keys only whether there are any."""
    return {
        "private_key": bool(found.get("private_key")),
        "public_key": found.get("public_key"),
        "listen_port": found.get("listen_port", 0),
        "fwmark": found.get("fwmark", 0),
        "peers": [_peer_shown(peer) for peer in found["peers"]],
    }


def _peer_shown(peer: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    endpoint = peer.get("endpoint")
    return {
        "public_key": peer["public_key"],
        "preshared_key": bool(peer.get("preshared_key")),
        "endpoint": endpoint_text(endpoint) if endpoint else None,
        "allowed_ips": _ranges_text(peer.get("allowed_ips", ())),
        "persistent_keepalive": peer.get("persistent_keepalive_interval", 0),
        "last_handshake_s": peer.get("last_handshake_time", 0),
        "rx_bytes": peer.get("rx_bytes", 0),
        "tx_bytes": peer.get("tx_bytes", 0),
    }


# What a user wants


def goal(present: Device, options: Options, resolve: Resolve | None = None) -> Device:
    """The device that `options` ask for, where what they leave out (None) stays as it is.

    Options: `private_key` ("" for none), `listen_port` (0: any will do), `fwmark`, `peers`,
    `replace_peers` (true unless said otherwise: peers not listed go). A peer has `public_key`,
    `preshared_key` ("" for none), `endpoint` ("host:port", "[address]:port"), `allowed_ips` (all
    that it shall have), `persistent_keepalive` (seconds). `resolve(host, port)` finds the
    addresses of a name. Raises NetlinkEncodeError naming the option, OSError from `resolve`.
    """
    device = _with_keys_and_numbers(present, options)
    if options.get("peers") is None:
        return device
    listed = _listed_peers(device, options["peers"], resolve or lookup)
    kept = {} if options.get("replace_peers", True) else _losing(device.peers, listed)
    return device._replace(peers={**kept, **listed})


def _with_keys_and_numbers(present: Device, options: Options) -> Device:
    changes: dict[str, t.Any] = {}
    if options.get("private_key") is not None:
        wanted = keys.private("private_key", options["private_key"])
        if wanted != present.private_key:
            changes = _identity(wanted, present.peers)
    port = _number(options, "listen_port", 0xFFFF, None)
    if port:
        changes["listen_port"] = port
    changes["fwmark"] = _number(options, "fwmark", 0xFFFFFFFF, present.fwmark)
    return present._replace(**changes)


def _identity(private_key: keys.Secret, peers: t.Mapping[str, Peer]) -> dict[str, t.Any]:
    """What comes with a private key; the kernel drops a peer that has the same one."""
    public_key = keys.public_of(private_key)
    others = {key: peer for key, peer in peers.items() if key != public_key}
    return {"private_key": private_key, "public_key": public_key, "peers": others}


def _listed_peers(device: Device, options: t.Sequence[Options], resolve: Resolve) -> dict[str, Peer]:
    listed: dict[str, Peer] = {}
    owners: dict[wire.Range, str] = {}
    for index, option in enumerate(options):
        at = f"peers[{index}]"
        peer = _peer(device, option, at, resolve)
        if peer.public_key in listed:
            raise NetlinkEncodeError(f"{at}.public_key", f"{peer.public_key} is there twice")
        if peer.public_key == device.public_key:
            raise NetlinkEncodeError(f"{at}.public_key", "is this interface's own key")
        for found in sorted(peer.allowed_ips):
            owner = owners.setdefault(found, at)
            if owner != at:
                reason = f"{range_text(found)} is of {owner}; only one peer can have it"
                raise NetlinkEncodeError(f"{at}.allowed_ips", reason)
        listed[peer.public_key] = peer
    return listed


def _peer(device: Device, option: Options, at: str, resolve: Resolve) -> Peer:
    key = keys.public(f"{at}.public_key", option.get("public_key"))
    changes: dict[str, t.Any] = {}
    present = device.peers.get(key, Peer(key))
    if option.get("preshared_key") is not None:
        changes["preshared_key"] = keys.preshared(f"{at}.preshared_key", option["preshared_key"])
    if option.get("endpoint") is not None:
        name = f"{at}.endpoint"
        changes["endpoint"] = _endpoint(name, option["endpoint"], present.endpoint, resolve)
    if option.get("allowed_ips") is not None:
        name = f"{at}.allowed_ips"
        changes["allowed_ips"] = frozenset(parse_range(name, text) for text in option["allowed_ips"])
    keepalive = _number(option, "persistent_keepalive", 0xFFFF, None, at + ".")
    if keepalive is not None:
        changes["persistent_keepalive"] = keepalive
    return present._replace(**changes)


def _losing(peers: t.Mapping[str, Peer], listed: t.Mapping[str, Peer]) -> dict[str, Peer]:
    """Present peers without what the listed ones take over: the kernel moves allowed ips."""
    taken: frozenset[wire.Range] = frozenset().union(*(peer.allowed_ips for peer in listed.values()))
    return {key: peer._replace(allowed_ips=peer.allowed_ips - taken) for key, peer in peers.items()}


def _number(options: Options, name: str, most: int, default: int | None, prefix: str = "") -> int | None:
    value = options.get(name)
    if value is None:
        return default
    try:
        number = integer(value)
    except ValueError:
        number = -1
    if not 0 <= number <= most:
        raise NetlinkEncodeError(prefix + name, f"takes 0 to {most}, not {value!r}")
    return number


def _endpoint(name: str, text: t.Any, present: wire.Endpoint | None, resolve: Resolve) -> wire.Endpoint:
    """The first address of an endpoint, or the present one when it is among them."""
    host, colon, port = str(text).rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536 or not host.strip("[]"):
        raise NetlinkEncodeError(name, f"takes host:port or [IPv6 address]:port, not {text!r}")
    if ":" in host and not bracketed:
        raise NetlinkEncodeError(name, f"takes an IPv6 address in brackets, not {text!r}")
    found = resolve(host[1:-1] if bracketed else host, int(port))
    return present if present in found else found[0]


def lookup(host: str, port: int) -> list[wire.Endpoint]:
    """The addresses of a host name or of an address written out. Raises OSError naming it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise OSError(f"looking up the endpoint {host}: {error}") from None
    addresses = [entry[4] for entry in found if entry[0] in FAMILIES]
    return [
        (str(address[0]).split("%", 1)[0], port, int(address[3]) if len(address) == 4 else 0) for address in addresses
    ]


FAMILIES = (socket.AF_INET, socket.AF_INET6)


def parse_range(name: str, text: t.Any) -> wire.Range:
    """An address with a prefix length (32 or 128 when left out); bits after the prefix are dropped.

    The kernel drops them too, so that what is compared is what it keeps. Raises NetlinkEncodeError.
    """
    address, slash, length = str(text).partition("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        raw = socket.inet_pton(family, address)
    except (OSError, ValueError):
        raise NetlinkEncodeError(name, f"takes IP addresses with prefixes, not {text!r}") from None
    bits = len(raw) * 8
    if slash and not (length.isdecimal() and int(length) <= bits):
        raise NetlinkEncodeError(name, f"takes a prefix of 0 to {bits} bits, not {text!r}")
    prefix = int(length) if slash else bits
    kept = int.from_bytes(raw, "big") >> (bits - prefix) << (bits - prefix)
    return kept.to_bytes(len(raw), "big"), prefix


# From one to the other


def requests(wireguard: Family, name: str, present: Device, wanted: Device) -> list[Request]:
    """What makes `present` into `wanted`, each to be sent after the one before it succeeded.

    Peers that stay as they are keep their sessions: they are not mentioned.
    """
    device: dict[str, t.Any] = {}
    if wanted.private_key != present.private_key:
        device["private_key"] = wanted.private_key
    for field in ("listen_port", "fwmark"):
        if getattr(wanted, field) != getattr(present, field):
            device[field] = getattr(wanted, field)
    gone = [_removed(key) for key in present.peers if key not in wanted.peers]
    changed = [change for key, peer in wanted.peers.items() for change in _peer_changes(present.peers.get(key), peer)]
    return wire.set_device(wireguard, name, device, gone + changed)


def _removed(key: str) -> dict[str, t.Any]:
    return {"public_key": key, "flags": wire.WGPEER_F_REMOVE_ME}


def _peer_changes(present: Peer | None, wanted: Peer) -> list[dict[str, t.Any]]:
    if present == wanted:
        return []
    before = present or Peer(wanted.public_key)
    if before.endpoint and not wanted.endpoint:  # an endpoint can be set but not taken away
        return [_removed(wanted.public_key), *_peer_changes(None, wanted)]
    change: dict[str, t.Any] = {"public_key": wanted.public_key}
    if wanted.preshared_key != before.preshared_key:
        change["preshared_key"] = wanted.preshared_key
    if before.allowed_ips - wanted.allowed_ips:  # single ranges can be added but not taken away
        change["flags"] = wire.WGPEER_F_REPLACE_ALLOWEDIPS
        change["allowed_ips"] = sorted(wanted.allowed_ips)
    elif wanted.allowed_ips - before.allowed_ips:
        change["allowed_ips"] = sorted(wanted.allowed_ips - before.allowed_ips)
    if wanted.endpoint != before.endpoint:
        change["endpoint"] = wanted.endpoint
    if wanted.persistent_keepalive != before.persistent_keepalive:
        change["persistent_keepalive_interval"] = wanted.persistent_keepalive
    return [change]


def apply(sock: GenericSocket, steps: t.Iterable[Request]) -> None:
    """Sends requests one after the other; the first that is refused raises NetlinkError."""
    for step in steps:
        sock.ask(step)


# How it looks


def lines(device: Device, instead_of: Device | None = None) -> list[str]:
    """A device in lines, one for itself and one a peer, in the order of their keys.

    With `instead_of`, the device whose place it takes, a preshared key unlike the one there is
    marked as another, so that the lines of the two differ where the devices do.
    """
    private = device.private_key
    words = [
        f"public key {device.public_key}" if private else "no private key",
        f"listen port {device.listen_port}" if device.listen_port else "",
        f"fwmark {device.fwmark:#x}" if device.fwmark else "",
    ]
    others = instead_of.peers if instead_of else {}
    return ["wireguard  " + "  ".join(filter(None, words))] + [
        _peer_line(peer, others.get(key)) for key, peer in sorted(device.peers.items())
    ]


def _peer_line(peer: Peer, other: Peer | None) -> str:
    words = [
        f"peer {peer.public_key}",
        f"endpoint {endpoint_text(peer.endpoint)}" if peer.endpoint else "",
        f"allowed ips {','.join(_ranges_text(peer.allowed_ips))}" if peer.allowed_ips else "",
        f"keepalive {peer.persistent_keepalive} s" if peer.persistent_keepalive else "",
        _preshared_words(peer, other),
    ]
    return "  ".join(filter(None, words))


def _preshared_words(peer: Peer, other: Peer | None) -> str:
    if not peer.preshared_key:
        return ""
    differs = other and other.preshared_key and other.preshared_key != peer.preshared_key
    return "preshared key (another)" if differs else "preshared key"


def endpoint_text(endpoint: wire.Endpoint) -> str:
    address, port, scope = endpoint
    if ":" not in address:
        return f"{address}:{port}"
    return f"[{address}%{scope}]:{port}" if scope else f"[{address}]:{port}"


def range_text(found: wire.Range) -> str:
    address, prefix = found
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    return f"{socket.inet_ntop(family, address)}/{prefix}"


def _ranges_text(ranges: t.Iterable[wire.Range]) -> list[str]:
    return [range_text(found) for found in sorted(ranges, key=lambda key: (len(key[0]), key))]
