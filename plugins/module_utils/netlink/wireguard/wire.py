# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WireGuard devices as messages (linux/wireguard.h): read whole, changed in as few as hold it all.

A device decodes to `{"ifindex", "ifname", "private_key", "public_key", "listen_port", "fwmark",
"peers"}`, a peer to `{"public_key", "preshared_key", "endpoint", "persistent_keepalive_interval",
"last_handshake_time", "rx_bytes", "tx_bytes", "allowed_ips", "protocol_version"}`. Secret keys are
`Secret` objects, public ones base64. An endpoint is `(address, port, scope)`, an allowed range of
addresses `(packed address, prefix length)`, times are seconds since 1970, intervals seconds.
"""

from __future__ import annotations

import socket
import struct
import typing as t

from ..attribute import BYTES, U8, U16, U32, U64, Codec, Table, listed, nested, string
from ..errors import NetlinkDecodeError, NetlinkEncodeError
from ..genl import Family, GenericSocket, after_header, request
from ..message import Request
from . import keys

FAMILY, BROUGHT_BY = "wireguard", "kernel module wireguard"
WG_CMD_GET_DEVICE, WG_CMD_SET_DEVICE = 0, 1
WGPEER_F_REMOVE_ME, WGPEER_F_REPLACE_ALLOWEDIPS = 1, 2

LARGEST = 16 << 10  # bytes of a message; attributes that hold others have room for 64 KiB

Endpoint = t.Tuple[str, int, int]  # address, port, scope (index of the link of a link-local one)
RANGE_SIZE = 40  # bytes that the longest allowed range takes as attributes
Range = t.Tuple[bytes, int]  # address of 4 or 16 bytes, prefix length

_SOCKADDR_IN = struct.Struct("=H2s4s8x")
_SOCKADDR_IN6 = struct.Struct("=H2s4x16sI")
_TIMESPEC = struct.Struct("=qq")


def _decode_secret(data: bytes, start: int, end: int) -> keys.Secret:
    if end - start != keys.SIZE:
        raise NetlinkDecodeError(f"a WireGuard key of {end - start} bytes")
    return keys.Secret(data[start:end])


def _encode_secret(value: t.Any) -> bytes:
    if not isinstance(value, keys.Secret):
        raise NetlinkEncodeError("key", "takes a Secret")  # unlike ValueError, quotes no value
    return value.reveal()


def _decode_public(data: bytes, start: int, end: int) -> str:
    if end - start != keys.SIZE:
        raise NetlinkDecodeError(f"a WireGuard key of {end - start} bytes")
    return keys.encode_text(data[start:end])


def _decode_endpoint(data: bytes, start: int, end: int) -> Endpoint:
    if end - start == _SOCKADDR_IN.size:
        family, port, address = _SOCKADDR_IN.unpack_from(data, start)
        scope = 0
    elif end - start == _SOCKADDR_IN6.size:
        family, port, address, scope = _SOCKADDR_IN6.unpack_from(data, start)
    else:
        raise NetlinkDecodeError(f"a socket address of {end - start} bytes")
    if family != (socket.AF_INET if len(address) == 4 else socket.AF_INET6):
        raise NetlinkDecodeError(f"a socket address of family {family} and {end - start} bytes")
    return socket.inet_ntop(family, address), int.from_bytes(port, "big"), scope


def _encode_endpoint(value: Endpoint) -> bytes:
    address, port, scope = value
    packed_port = port.to_bytes(2, "big")
    if ":" in address:
        raw = socket.inet_pton(socket.AF_INET6, address)
        return _SOCKADDR_IN6.pack(socket.AF_INET6, packed_port, raw, scope)
    return _SOCKADDR_IN.pack(socket.AF_INET, packed_port, socket.inet_pton(socket.AF_INET, address))


def _decode_time(data: bytes, start: int, end: int) -> int:
    if end - start != _TIMESPEC.size:
        raise NetlinkDecodeError(f"a time of {end - start} bytes")
    seconds: int = _TIMESPEC.unpack_from(data, start)[0]
    return seconds


ALLOWED_IP = Table((1, "family", U16), (2, "address", BYTES), (3, "prefix", U8))


def _decode_range(data: bytes, start: int, end: int) -> Range:
    found = ALLOWED_IP.decode(data, start, end)
    address, prefix = found.get("address", b""), found.get("prefix", 0)
    if len(address) not in (4, 16) or prefix > len(address) * 8:
        raise NetlinkDecodeError(f"allowed addresses of {len(address)} bytes and prefix {prefix}")
    return address, prefix


def _encode_range(value: Range) -> bytes:
    address, prefix = value
    family = socket.AF_INET if len(address) == 4 else socket.AF_INET6
    return ALLOWED_IP.encode({"family": int(family), "address": address, "prefix": prefix})


SECRET = Codec(_decode_secret, _encode_secret)
PUBLIC = Codec(_decode_public, lambda value: keys.decode_text("key", value))
RANGE = Codec(_decode_range, _encode_range, ALLOWED_IP)

PEER = Table(
    (1, "public_key", PUBLIC),
    (2, "preshared_key", SECRET),
    (3, "flags", U32),
    (4, "endpoint", Codec(_decode_endpoint, _encode_endpoint)),
    (5, "persistent_keepalive_interval", U16),
    (6, "last_handshake_time", Codec(_decode_time, BYTES.encode)),
    (7, "rx_bytes", U64),
    (8, "tx_bytes", U64),
    (9, "allowed_ips", listed(0, RANGE)),
    (10, "protocol_version", U32),
)
DEVICE = Table(
    (1, "ifindex", U32),
    (2, "ifname", string(15)),
    (3, "private_key", SECRET),
    (4, "public_key", PUBLIC),
    (5, "flags", U32),
    (6, "listen_port", U16),
    (7, "fwmark", U32),
    (8, "peers", listed(0, nested(PEER))),
)


def family(sock: GenericSocket) -> Family:
    """Raises NoSuchFamily when the kernel has no WireGuard."""
    return sock.family(FAMILY, BROUGHT_BY)


def get(wireguard: Family, name: str) -> Request:
    """Asks for a device and its peers; the answer is a dump, of messages that `merged` joins."""
    return request(f"WG_CMD_GET_DEVICE {name}", wireguard, WG_CMD_GET_DEVICE, {"ifname": name}, DEVICE)


def decode(data: bytes, start: int, end: int) -> dict[str, t.Any]:
    """One message of a device."""
    return DEVICE.decode(data, after_header(start, end), end)


def merged(parts: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, t.Any]:
    """A device from its messages: a peer too large for one goes on, by its key, in the next."""
    device: dict[str, t.Any] = {}
    peers: list[dict[str, t.Any]] = []
    for part in parts:
        for peer in part.get("peers", ()):
            if peers and peers[-1].get("public_key") == peer.get("public_key"):
                peers[-1].setdefault("allowed_ips", []).extend(peer.get("allowed_ips", ()))
            else:
                peers.append(dict(peer))
        device.update({name: value for name, value in part.items() if name != "peers"})
    if any("public_key" not in peer for peer in peers):
        raise NetlinkDecodeError("a WireGuard peer without its public key")
    return {**device, "peers": peers}


def set_device(
    wireguard: Family,
    name: str,
    device: t.Mapping[str, t.Any],
    peers: t.Sequence[t.Mapping[str, t.Any]],
) -> list[Request]:
    """Changes a device, and its peers in their order. Raises NetlinkEncodeError.

    What does not fit one message goes on in the next, which then must not replace what the first
    has set. The requests stand on each other: send one when the one before it has succeeded.
    """
    pieces = [piece for peer in peers for piece in _pieces(peer)]
    requests: list[Request] = []
    attributes, start, size = dict(device), 0, 0
    for index, piece in enumerate(pieces):
        length = len(PEER.encode(piece))
        if size + length > LARGEST and index > start:
            requests.append(_set(wireguard, name, attributes, pieces[start:index]))
            attributes, start, size = {}, index, 0
        size += length
    if attributes or start < len(pieces):
        requests.append(_set(wireguard, name, attributes, pieces[start:]))
    return requests


def _set(
    wireguard: Family,
    name: str,
    device: t.Mapping[str, t.Any],
    peers: t.Sequence[t.Mapping[str, t.Any]],
) -> Request:
    values = {"ifname": name, **device, "peers": peers or None}
    return request(f"WG_CMD_SET_DEVICE {name}", wireguard, WG_CMD_SET_DEVICE, values, DEVICE)


def _pieces(peer: t.Mapping[str, t.Any]) -> t.Iterator[t.Mapping[str, t.Any]]:
    """A peer in parts of at most half a message: all it has first, then the rest of its ranges."""
    most = LARGEST // 2 // RANGE_SIZE
    ranges = peer.get("allowed_ips") or ()
    yield {**peer, "allowed_ips": ranges[:most] or None}
    for first in range(most, len(ranges), most):
        yield {"public_key": peer["public_key"], "allowed_ips": ranges[first : first + most]}
