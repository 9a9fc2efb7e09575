"""What asking for the rules of the books costs: beside other dossiers and beside a large neighbour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import Entry
from invoicing.ledger import balance
from invoicing.ledger.invariants import invariants
from invoicing.models import Claim, Dossier, Invoice, InvoiceLine, LedgerRow
from tests.factories import (
    DossierFactory,
    FirmFactory,
)
from tests.invoicing.ledger.invariants.books import billed, moment, row_of, told
from tests.plans import plans_of
from tests.worlds import NOW
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db


def _several(firm: Firm, count: int) -> list[Dossier]:
    made = []
    for number in range(count):
        dossier = DossierFactory(firm=firm)
        first = 1000 * (number + 1)
        row_of(dossier, first, date(2026, 11, 5))
        billed(dossier, row_of(dossier, first + 1, date(2026, 10, 5), "invoiced"), status="posted")
        made.append(dossier)
    return list(Dossier.objects.filter(pk__in=[each.pk for each in made]).select_related("firm"))


@pytest.mark.slow
@pytest.mark.parametrize("month", [None, date(2026, 10, 1)], ids=["all months", "one month"])
def test_thirty_dossiers_ask_as_often_as_one(month: date | None, firm: Firm) -> None:
    dossiers = _several(firm, 30)

    def asked(some: list[Dossier]) -> int:
        with CaptureQueriesContext(
            connection,
        ) as queries:
            found = balance.months(dossiers=some, month=month)
        assert {sheet.balanced for sheet in found} == {True}
        return len(queries)

    assert asked(dossiers[:1]) == asked(dossiers)


def _finds_nothing(check: Callable[[invariants.Scope], Iterator[invariants.Broken]], scope: invariants.Scope) -> None:
    assert list(check(scope)) == []


@pytest.mark.slow
def test_no_check_reads_the_rows_of_other_firms(neighbour: Dossier) -> None:
    read = {}
    for check in invariants.CHECKS:
        for month in (None, date(2026, 10, 1)):
            asked = plans_of(partial(_finds_nothing, check, invariants.Scope({neighbour.pk: neighbour}, month)))
            assert asked, check
            read[check.__name__, month] = sum(plan.read for plan in asked)
    # Of the two firms' tables together: nothing like a tenth.
    assert {name: count for name, count in read.items() if count >= ROWS // 10} == {}


ROWS = 2000


@pytest.fixture
def neighbour(books: Dossier) -> Dossier:
    """The dossier, beside one of another firm with thousands of hours."""
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL tells how many rows a query read")
    theirs = DossierFactory(firm=FirmFactory(slug="large"))
    invoices = Invoice.objects.bulk_create(
        Invoice(
            firm=theirs.firm,
            dossier=theirs,
            company=theirs.company,
            reference=f"tb-{number}",
            buyer_key=f"party:{number}",
            customer_name="Large",
            title="November 2026",
            period_from=date(2026, 9, 1),
            period_till=date(2026, 9, 30),
            total_excl=380,
            total_vat=Decimal("79.80"),
            total_incl=Decimal("459.80"),
            drafted_at=NOW,
        )
        for number in range(ROWS // 4)
    )
    lines = InvoiceLine.objects.bulk_create(
        InvoiceLine(
            firm=theirs.firm,
            invoice=invoices[number // 4],
            position=number % 4 + 1,
            description="Advice",
            quantity=1,
            unit_price=95,
            vat_rate=21,
            ventilation_code=4,
            treatment="domestic",
            total=95,
            seconds=3600,
        )
        for number in range(ROWS)
    )
    starts = [moment(date(2026, 9, 1)) + timedelta(minutes=number) for number in range(ROWS)]
    entries = Entry.objects.bulk_create(
        Entry(
            firm=theirs.firm,
            workspace=theirs.workspace,
            remote_id=10_000 + number,
            started_at=starts[number],
            seconds=3600,
            person_remote_id=1,
            changed_at=NOW,
            tags=[],
        )
        for number in range(ROWS)
    )
    LedgerRow.objects.bulk_create(
        LedgerRow(
            firm=theirs.firm,
            dossier=theirs,
            entry=entries[number],
            day=starts[number].astimezone(theirs.firm.zone).date(),
            seconds=3600,
            state="open",
        )
        for number in range(ROWS)
    )
    Claim.objects.bulk_create(
        Claim(
            firm=theirs.firm,
            entry=entries[number],
            entry_remote_id=entries[number].remote_id,
            line=lines[number],
            seconds=3600,
            started_at=starts[number],
            day=starts[number].astimezone(theirs.firm.zone).date(),
            tags=[],
        )
        for number in range(ROWS)
    )
    LedgerRow.objects.filter(dossier=theirs).update(state="drafted")
    # Before the first question: a plan for empty tables reads all rows for each of them.
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    assert told(theirs) == set()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return Dossier.objects.select_related("firm").get(pk=books.pk)
