"""The customers of a Billit company as the mirror has them, and the numbers pinned to them (R3). Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from integrations.models import Company, Customer
from invoicing.models import CustomerPin
from invoicing.rules.judging import mapping


class KnownCustomer(NamedTuple):
    """What the mirror has of one, as Billit writes it; with the names of its row.

    A company has thousands, which are read for each portion of hours: an object of the ORM for each costs more than
    judging the hours.
    """

    party_id: int
    name: str
    vat_number: str
    language: str
    country: str
    deleted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Customers:
    """All that is known of a company's customers, read once.

    ``rows``: those that were ever mirrored, by PartyID; ``present``: those that Billit still has, by id and with their
    numbers normalised; ``pins``: by number the party that it was pinned to; ``gone``: the pinned parties that the
    latest reading did not show any more.
    """

    rows: dict[int, KnownCustomer]
    present: tuple[mapping.Customer, ...]
    pins: dict[str, int]
    gone: frozenset[int]

    @classmethod
    def load(cls, company: Company) -> Customers:
        """Two queries."""
        found = Customer.objects.filter(company=company).order_by("party_id").values_list(*KnownCustomer._fields)
        rows = {row[0]: KnownCustomer(*row) for row in found}
        pins = list(CustomerPin.objects.filter(company=company).values_list("number", "party_id", "pinned_at"))
        return cls(
            rows=rows,
            present=tuple(
                mapping.Customer(
                    row.party_id, row.name, mapping.customer_number(row.vat_number), row.language, row.country
                )
                for row in rows.values()
                if row.deleted_at is None
            ),
            pins={number: party_id for number, party_id, _pinned_at in pins},
            gone=frozenset(
                party_id
                for _number, party_id, pinned_at in pins
                if (
                    rows[party_id].deleted_at is not None
                    if party_id in rows
                    # One that Billit has just made was not read yet.
                    else company.synced_at is not None and pinned_at < company.synced_at
                )
            ),
        )

    def known(self, party_ids: Iterable[int | None]) -> dict[int, KnownCustomer]:
        """The mirrored rows of these customers, by PartyID."""
        found = {party_id or 0: self.rows.get(party_id or 0) for party_id in party_ids}
        return {party_id: row for party_id, row in found.items() if row is not None}
