"""The books that the tests of this folder break or ask."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from integrations.models import Entry
from invoicing.models import Claim, Dossier, Invoice
from tests.factories import (
    AdvanceLineFactory,
    BlockLineFactory,
    ClaimFactory,
    DeductionFactory,
    DossierFactory,
    FeeLineFactory,
    FirmFactory,
    InvoiceFactory,
    InvoiceLineFactory,
)
from tests.invoicing.ledger.invariants.books import (
    BILLED,
    COVERED,
    CREDITED,
    DRAFTED,
    GONE,
    MORE,
    OPEN,
    OTHER,
    PREPAID,
    billed,
    row_of,
    told,
)
from tests.worlds import NOW
from toggbill.firms.models import Firm


@pytest.fixture
def books(firm: Firm) -> Dossier:
    """A dossier with an entry of each kind: open, deleted, drafted (twice), invoiced, credited, covered by a fee,
    prepaid, and one that changed after it was invoiced, of which the difference waits."""
    dossier = DossierFactory(firm=firm, key="bakery", start_date=date(2026, 8, 1))
    row_of(dossier, OPEN, date(2026, 11, 5))
    gone = row_of(dossier, GONE, date(2026, 11, 12), "deleted")
    Entry.objects.filter(pk=gone.entry_id).update(deleted_at=NOW)
    billed(dossier, row_of(dossier, DRAFTED, date(2026, 9, 5), "drafted"), reference="tb-drafted")
    billed(dossier, row_of(dossier, OTHER, date(2026, 9, 6), "drafted"), reference="tb-other")
    billed(dossier, row_of(dossier, BILLED, date(2026, 10, 5), "invoiced"), reference="tb-billed", status="posted")
    changed = row_of(dossier, MORE, date(2026, 10, 6), "invoiced", duration=5400, correction_seconds=1800)
    InvoiceFactory(
        dossier=dossier, reference="tb-more", status="posted", hours=1, period_from=date(2026, 10, 1), with_line=False
    )
    line = InvoiceLineFactory(invoice=Invoice.objects.get(reference="tb-more"), quantity=1, with_claim=False)
    ClaimFactory(line=line, row=changed)
    credited = row_of(
        dossier, CREDITED, date(2026, 8, 5), "credited", decision="credited", decision_text="It was wrong."
    )
    about = billed(dossier, credited, reference="tb-about", status="posted")
    claim = Claim.objects.get(line__invoice=about)
    Claim.objects.filter(pk=claim.pk).update(released_at=NOW)
    note = InvoiceFactory(
        dossier=dossier,
        kind="credit_note",
        about=about,
        reference="tb-note",
        status="posted",
        hours=1,
        period_from=date(2026, 8, 1),
        with_line=False,
    )
    line = InvoiceLineFactory(invoice=note, quantity=1, with_claim=False)
    ClaimFactory(line=line, row=credited, kind="credit", takes_back=claim)
    fee = InvoiceFactory(
        dossier=dossier, reference="tb-fee", status="posted", period_from=date(2026, 10, 1), with_line=False
    )
    line = FeeLineFactory(invoice=fee)
    covered = row_of(dossier, COVERED, date(2026, 10, 7), "covered", agreement=line.agreement)
    ClaimFactory(line=line, row=covered, kind="covered")
    block = InvoiceFactory(
        dossier=dossier, reference="tb-block", status="posted", period_from=date(2026, 10, 1), with_line=False
    )
    line = BlockLineFactory(invoice=block)
    prepaid = row_of(dossier, PREPAID, date(2026, 10, 8), "prepaid", agreement=line.agreement)
    ClaimFactory(line=line, row=prepaid, kind="prepaid")
    _given_back(dossier)
    assert told(dossier) == set()
    return dossier


def _given_back(dossier: Dossier) -> None:
    """An advance that a credit note gave back."""
    september: dict[str, Any] = {"dossier": dossier, "status": "posted", "period_from": date(2026, 9, 1)}
    billed = InvoiceFactory(reference="tb-advance", with_line=False, **september)
    advance = AdvanceLineFactory(invoice=billed, unit_price=Decimal("190.00"))
    note = InvoiceFactory(reference="tb-back", kind="credit_note", about=billed, with_line=False, **september)
    back = AdvanceLineFactory(
        invoice=note, agreement=advance.agreement, takes_back=advance, unit_price=Decimal("190.00")
    )
    DeductionFactory(advance=advance, line=back, amount=Decimal("190.00"))


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="fiduciaire", language="fr")
