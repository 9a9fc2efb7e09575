"""Enterprise and VAT numbers for invented companies: right by check digit, in ranges that nobody has been given."""

from __future__ import annotations

_PER_PREFIX = 10_000


def belgian(index: int) -> str:
    """The index-th invented enterprise number, ten digits: 0999... for the first ten thousand, then 1999...

    97 less the remainder of the first eight digits by 97 are the last two.
    """
    prefix, rest = divmod(index, _PER_PREFIX)
    if prefix > 1:
        raise ValueError(f"There are invented numbers up to {2 * _PER_PREFIX - 1}, not {index}.")
    base = f"{prefix}999{rest:04d}"
    return f"{base}{97 - int(base) % 97:02d}"


def belgian_vat(index: int) -> str:
    return f"BE{belgian(index)}"


def dotted(number: str) -> str:
    """0999000129 as 0999.000.129."""
    return f"{number[:4]}.{number[4:7]}.{number[7:]}"


def spaced(number: str) -> str:
    """0999000129 as 0999 000 129."""
    return f"{number[:4]} {number[4:7]} {number[7:]}"


def wrong_vat(index: int) -> str:
    """A number of the same make whose check digits are wrong."""
    number = belgian(index)
    check = int(number[8:]) % 97 + 1
    return f"BE{number[:8]}{check:02d}"


def luxembourg_vat(index: int) -> str:
    """LU, six digits from 999000 on, and their remainder by 89."""
    base = 999_000 + index
    return f"LU{base}{base % 89:02d}"


def german_vat(index: int) -> str:
    """DE, eight digits from 99990000 on, and the check digit of ISO 7064 mod 11,10."""
    base = f"{99_990_000 + index}"
    product = 10
    for digit in base:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return f"DE{base}{(11 - product) % 10}"
