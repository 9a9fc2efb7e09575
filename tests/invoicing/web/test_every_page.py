"""Every page of a firm asks the database little and stays small, with one row of a kind or with hundreds."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from integrations.models import Entry
from invoicing.ledger import months
from invoicing.models import Claim, Dossier, Invoice, LedgerRow
from tests.addresses import addresses
from tests.factories import (
    NOW,
    CorrectionFactory,
    DriftFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
    MembershipFactory,
    TagMappingFactory,
)
from tests.furniture import furnish
from tests.invoicing.scene import Scene
from tests.invoicing.web import many
from tests.naming import named_of, url_of, values_of
from tests.visitors import browser_of, signed_in
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
MOST_QUERIES = 25
MOST_BYTES = 150_000
MANY, LISTED = 300, 60
# What is no page to read: files, and what leads on.
_NO_PAGES = re.compile(r"_export$|annex$")


@pytest.fixture(autouse=True)
def nothing_outside(settings: Settings) -> None:
    """Without ``collectstatic`` there is no folder to serve from: whitenoise would warn of it. No service answers."""
    settings.WHITENOISE_AUTOREFRESH = True
    settings.TOGGL_URL = settings.BILLIT_API_URL = settings.BILLIT_LOGIN_URL = "http://127.0.0.1:9"


@pytest.fixture
def firm() -> Firm:
    """A firm with a row of every kind, a draft among them."""
    made: Firm = FirmFactory(slug="ours", name="Ours")
    furnish(made, "bakery")
    dossier = Dossier.objects.get(firm=made)
    InvoiceFactory(dossier=dossier)
    LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=["Advise"])
    return made


def _more(dossier: Dossier) -> None:
    """Hundreds of hours, on a draft, open and in need of a decision, and more invoices and corrections than a list
    shows at once."""
    many.waiting([dossier], MANY)
    line = InvoiceFactory(dossier=dossier).lines.get()
    entries = Entry.objects.bulk_create(
        Entry(
            firm_id=dossier.firm_id,
            workspace_id=dossier.workspace_id,
            remote_id=2_000_000 + number,
            started_at=NOW - timedelta(days=number % 40 + 1),
            stopped_at=NOW - timedelta(days=number % 40 + 1) + timedelta(hours=1),
            seconds=3600,
            description=f"Work number {number} of the dossier",
            project_remote_id=601,
            person_remote_id=300 + number % 20,
            person_name=f"Person number {number % 20}",
            tags=["Advice"],
            changed_at=NOW,
        )
        for number in range(2 * MANY)
    )
    drafted = entries[:MANY]
    LedgerRow.objects.bulk_create(
        LedgerRow(
            firm_id=entry.firm_id,
            dossier=dossier,
            entry=entry,
            day=entry.started_at.date(),
            seconds=3600,
            state="open",
            client_name="A client",
            buyer_key="" if place < MANY else f"party:{90_000 + place % 40}",
            buyer_name=f"Customer number {place % 40}",
            product_reference="ADV",
            price=95,
        )
        for place, entry in enumerate(entries)
    )
    LedgerRow.objects.filter(entry__in=drafted).update(state="drafted")
    Claim.objects.bulk_create(
        Claim(
            firm_id=entry.firm_id,
            entry=entry,
            entry_remote_id=entry.remote_id,
            line=line,
            seconds=3600,
            started_at=entry.started_at,
            day=entry.started_at.date(),
            person_name=entry.person_name,
            description=entry.description,
            tags=entry.tags,
        )
        for entry in drafted
    )
    for number in range(LISTED):
        InvoiceFactory(dossier=dossier, customer_name=f"Customer number {number}")
        CorrectionFactory(invoice=InvoiceFactory(dossier=dossier, status="posted"))
        TagMappingFactory(dossier=dossier)
        DriftFactory(dossier=dossier, reference=f"tb-{number}")
        MembershipFactory(firm=dossier.firm)


def _pages(firm: Firm, named: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and path of every page of the firm, its draft with the most entries as that of an invoice."""
    named["invoice"] = Invoice.objects.filter(firm=firm, status="draft").latest("pk").reference
    fullest = Invoice.objects.filter(firm=firm, lines__claims__description__startswith="Work number").first()
    if fullest is not None:
        named["invoice"] = fullest.reference
    for address in addresses():
        if address.name.startswith("firm:") and not _NO_PAGES.search(address.name):
            yield address.name, url_of(address, values_of(address, firm, "bakery", named, "unknown"), firm.slug)


def _cost(firm: Firm, named: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Queries and bytes of every page that answers, the second time that it is asked for, once the ticks have proven
    the months that changed."""
    months.prove(now=NOW)
    owner = MembershipFactory(firm=firm, role="owner", user__is_staff=True).user
    client: Any = browser_of(owner, firm)
    found = {}
    for name, path in _pages(firm, named):
        client.get(path)
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(path)
        if answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/html"):
            found[name] = len(asked), len(answer.content)
    return found


@pytest.mark.slow
def test_every_page_asks_little_and_stays_small(firm: Firm) -> None:
    named = named_of(firm, "bakery")
    few = _cost(firm, named)
    assert len(few) > 25
    _more(Dossier.objects.get(firm=firm))
    lots = _cost(firm, named)
    faults = {
        name: {"with one": few[name], "with hundreds": lots[name]}
        for name in few
        if max(few[name][0], lots[name][0]) > MOST_QUERIES or lots[name][1] > MOST_BYTES
    }
    assert not faults, "\n".join(f"{name}: {found}" for name, found in faults.items())
    assert few.keys() == lots.keys()


def test_dossier_whose_months_are_proven_asks_little(scene: Callable[..., Scene]) -> None:
    books = scene()
    books.draft()
    while months.prove(now=timezone.now()):
        pass
    client: Any = signed_in(books.firm)
    client.get("/dossiers/small/")
    with CaptureQueriesContext(connection) as asked:
        page = client.get("/dossiers/small/")
    assert b"balanced" in page.content
    assert len(asked) <= MOST_QUERIES
