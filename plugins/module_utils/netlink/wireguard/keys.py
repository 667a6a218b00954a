# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WireGuard's keys: how they are written, kept out of sight, compared, and made public.

A key is 32 bytes, written in base64. The public key of a private one is the X coordinate of its
product with the base point of Curve25519 (RFC 7748, section 5).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import typing as t

from ..errors import NetlinkEncodeError

SIZE = 32
PRIME = 2**255 - 19
BASE_POINT = 9
TAKES = "takes a key of 32 bytes in base64"


class Secret:
    """A private or preshared key, which nothing prints, logs or serialises."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        self._raw = bytes(raw)

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._raw, other._raw)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> t.NoReturn:
        raise TypeError("a secret key is not to be serialised")

    def __bool__(self) -> bool:
        """False for the key of zeros, which to the kernel means none."""
        return any(self._raw)

    def reveal(self) -> bytes:
        return self._raw


NONE = Secret(bytes(SIZE))


def decode_text(name: str, text: t.Any) -> bytes:
    """The bytes of a key in base64. Raises NetlinkEncodeError for `name`, never quoting the key."""
    try:
        raw = base64.b64decode(text.strip().encode("ascii"), validate=True)
    except (AttributeError, UnicodeEncodeError, binascii.Error):
        raise NetlinkEncodeError(name, TAKES) from None
    if len(raw) != SIZE:
        raise NetlinkEncodeError(name, TAKES)
    return raw


def encode_text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def private(name: str, text: str) -> Secret:
    """A private key as the kernel keeps it; "" for none. Raises NetlinkEncodeError."""
    raw = decode_text(name, text) if text else b""
    return Secret(_clamped(raw)) if any(raw) else NONE


def preshared(name: str, text: str) -> Secret:
    """A preshared key; "" for none. Raises NetlinkEncodeError."""
    return Secret(decode_text(name, text)) if text else NONE


def public(name: str, text: t.Any) -> str:
    """A public key in its one spelling. Raises NetlinkEncodeError."""
    return encode_text(decode_text(name, text))


def _clamped(raw: bytes) -> bytes:
    return bytes([raw[0] & 248]) + raw[1:31] + bytes([raw[31] & 127 | 64])


def public_of(key: Secret) -> str:
    """The public key of a private one; "" of none."""
    return encode_text(x25519(key.reveal(), BASE_POINT)) if key else ""


def x25519(scalar: bytes, u: int) -> bytes:
    """Montgomery's ladder. Not in constant time: good for comparing keys, not for a handshake."""
    k = int.from_bytes(_clamped(scalar), "little")
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for bit in range(254, -1, -1):
        k_bit = k >> bit & 1
        if swap ^ k_bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = k_bit
        plus, minus = x2 + z2, x2 - z2
        squared_plus, squared_minus = plus * plus % PRIME, minus * minus % PRIME
        crossed, straight = (x3 + z3) * minus % PRIME, (x3 - z3) * plus % PRIME
        difference = squared_plus - squared_minus
        x3 = (crossed + straight) ** 2 % PRIME
        z3 = u * (crossed - straight) ** 2 % PRIME
        x2 = squared_plus * squared_minus % PRIME
        z2 = difference * (squared_plus + 121665 * difference) % PRIME
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, PRIME - 2, PRIME) % PRIME).to_bytes(SIZE, "little")
