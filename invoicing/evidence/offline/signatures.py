"""Ed25519 signatures (RFC 8032), which Python alone cannot check."""

from __future__ import annotations

import base64
import hashlib

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
Point = tuple[int, int, int, int]


def add(one: Point, other: Point) -> Point:
    a, b = (one[1] - one[0]) * (other[1] - other[0]) % P, (one[1] + one[0]) * (other[1] + other[0]) % P
    c, d = 2 * one[3] * other[3] * D % P, 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(number: int, point: Point) -> Point:
    found: Point = (0, 1, 1, 0)
    while number:
        if number & 1:
            found = add(found, point)
        point, number = add(point, point), number >> 1
    return found


def point_of(data: bytes) -> Point:
    """Raises ValueError for bytes that are no point."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * pow(2, (P - 1) // 4, P) % P
    if y >= P or (x * x - square) % P or (not x and sign):
        raise ValueError("no point")
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def signed(key: object, signature: object, data: bytes) -> bool:
    """Whether the holder of this key (base64) has signed these bytes."""
    try:
        public, proof = base64.b64decode(str(key), validate=True), base64.b64decode(str(signature), validate=True)
        own, nonce = point_of(public), point_of(proof[:32])
        number = int.from_bytes(proof[32:], "little")
    except ValueError:
        return False
    if len(public) != 32 or len(proof) != 64 or number >= ORDER:
        return False
    challenge = int.from_bytes(hashlib.sha512(proof[:32] + public + data).digest(), "little") % ORDER
    one, other = times(number, BASE), add(nonce, times(challenge, own))
    return not (one[0] * other[2] - other[0] * one[2]) % P and not (one[1] * other[2] - other[1] * one[2]) % P
