"""Whose hours and invoices are: a customer by what the books keep of it, across the dossiers of a firm. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from integrations.models import Customer
from invoicing.models import Dossier
from invoicing.rules.judging import mapping

CHUNK = 1000
_PARTY, _NUMBER = "party:", "number:"


class Whose(NamedTuple):
    """A customer. ``key`` tells it from others: its number, else the company and its buyer key there."""

    key: tuple[str, ...]
    number: str
    name: str


def named(dossiers: Mapping[int, Dossier], names: Mapping[tuple[int, str], str]) -> dict[tuple[int, str], Whose]:
    """Customers by dossier (row id) and buyer key; ``names``: theirs. A number is as the key or the mirror tells it."""
    parties = {int(key.removeprefix(_PARTY)) for _dossier, key in names if key.startswith(_PARTY)}
    companies = {dossiers[dossier].company_id for dossier, _key in names}
    numbers: dict[tuple[int, int], str] = {}
    for ids in portions(parties):
        known = Customer.objects.filter(company__in=companies, party_id__in=ids)
        for company, party, number in known.values_list("company_id", "party_id", "vat_number"):
            numbers[company, party] = mapping.customer_number(number)
    found: dict[tuple[int, str], Whose] = {}
    for (dossier, key), name in names.items():
        company = dossiers[dossier].company_id
        number = key.removeprefix(_NUMBER) if key.startswith(_NUMBER) else ""
        if key.startswith(_PARTY):
            number = numbers.get((company, int(key.removeprefix(_PARTY))), "")
        found[dossier, key] = Whose((number,) if number else (str(company), key), number, name)
    return found


def portions(ids: Iterable[int]) -> Iterator[list[int]]:
    """Ids in their order, so many at a time that a statement can hold them."""
    every = sorted(ids)
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]
