"""Verification of Ed25519 signatures (RFC 8032) with Python's standard library alone.

It checks, it does not sign: all that it works on is public, so it need not take the same time for each input. Where the
package `cryptography` is at hand, its Ed25519PublicKey.verify does the same, a hundred times as fast.
"""

import hashlib

_PRIME = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _PRIME - 2, _PRIME) % _PRIME
_ROOT_OF_MINUS_ONE = pow(2, (_PRIME - 1) // 4, _PRIME)

# A point is (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
_NEUTRAL = (0, 1, 1, 0)


def _add(p, q):
    a = (p[1] - p[0]) * (q[1] - q[0]) % _PRIME
    b = (p[1] + p[0]) * (q[1] + q[0]) % _PRIME
    c = 2 * p[3] * q[3] * _D % _PRIME
    d = 2 * p[2] * q[2] % _PRIME
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _PRIME, g * h % _PRIME, f * g % _PRIME, e * h % _PRIME)


def _multiply(scalar, point):
    result = _NEUTRAL
    while scalar > 0:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _equal(p, q):
    return (p[0] * q[2] - q[0] * p[2]) % _PRIME == 0 and (p[1] * q[2] - q[1] * p[2]) % _PRIME == 0


def _x_of(y, sign):
    """The x coordinate that belongs to y, or None where there is none."""
    square = (y * y - 1) * pow(_D * y * y + 1, _PRIME - 2, _PRIME) % _PRIME
    x = pow(square, (_PRIME + 3) // 8, _PRIME)
    if (x * x - square) % _PRIME != 0:
        x = x * _ROOT_OF_MINUS_ONE % _PRIME
    if (x * x - square) % _PRIME != 0:
        return None
    if x == 0 and sign == 1:
        return None
    return _PRIME - x if x & 1 != sign else x


def _decode(data):
    """The point that 32 bytes stand for, or None where they stand for none."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if y >= _PRIME:
        return None
    x = _x_of(y, sign)
    return None if x is None else (x, y, 1, x * y % _PRIME)


_BASE_Y = 4 * pow(5, _PRIME - 2, _PRIME) % _PRIME
_BASE_X = _x_of(_BASE_Y, 0)
_BASE = (_BASE_X, _BASE_Y, 1, _BASE_X * _BASE_Y % _PRIME)


def verify(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the one that the owner of `public_key` made of `message`."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    key, commitment = _decode(public_key), _decode(signature[:32])
    response = int.from_bytes(signature[32:], "little")
    # A response beyond the group's order would be a second signature of the same message.
    if key is None or commitment is None or response >= _ORDER:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    challenge = int.from_bytes(digest, "little") % _ORDER
    return _equal(_multiply(response, _BASE), _add(commitment, _multiply(challenge, key)))
