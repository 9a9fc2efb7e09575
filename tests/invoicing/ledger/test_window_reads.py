"""The window that is read again before drafting is found without reading the hours of years."""

from __future__ import annotations

from datetime import date

import pytest
from django.db import connection

from invoicing.ledger import window
from invoicing.models import Agreement, Dossier, LedgerRow
from tests.large_firm import large_firm
from tests.plans import plans_of
from tests.worlds import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.postgresql, pytest.mark.slow]
ENTRIES = 4_000


def test_window_reads_what_waits_and_no_period_that_is_over() -> None:
    """Half of the hours lie in years that are over; all of them are covered, but for the latest two months."""
    large_firm(entries=ENTRIES, dossiers=2, slug="other")
    firm = large_firm(entries=ENTRIES, dossiers=1, slug="covered")
    dossier = Dossier.objects.select_related("workspace").get(firm=firm)
    _cover(dossier)
    waiting = LedgerRow.objects.filter(dossier=dossier).exclude(state="covered").count()
    of_the_year = LedgerRow.objects.filter(dossier=dossier, state="covered", day__gte=date(NOW.year, 1, 1)).count()
    assert (waiting < ENTRIES // 8, of_the_year < ENTRIES // 2) == (True, True)
    plans = plans_of(lambda: window.uninvoiced_since(workspace=dossier.workspace, today=NOW.date()))
    _agreements, waits, _unlisted, elsewhere = plans
    # Besides the hours: agreement, dossier and orders of Billit's own, of which there are a few.
    assert waits.read <= waiting + 20
    assert elsewhere.read <= of_the_year + 20
    assert "invoicing_ledgerrow" not in waits.whole | elsewhere.whole


def _cover(dossier: Dossier) -> None:
    """Have a fee with hours included cover what was invoiced, as it would stand after years."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = 'replica'")
        agreement = Agreement.objects.create(
            firm=dossier.firm,
            dossier=dossier,
            key="covers",
            title="Keeping the books",
            number="BE0563846944",
            start_date=dossier.start_date,
            product_reference="FORF",
            included_hours=5,
            extra_product="ADV",
        )
        rows = LedgerRow.objects.filter(dossier=dossier, state="invoiced")
        rows.update(state="covered", agreement=agreement, correction_seconds=0, correction_text="", accepted_seconds=0)
        cursor.execute("SET LOCAL session_replication_role = 'origin'")
        cursor.execute("ANALYZE")
        # As docs/operations.md asks for: on a disk without heads an index is not four times as dear as a whole table.
        cursor.execute("SET LOCAL random_page_cost = 1.1")
