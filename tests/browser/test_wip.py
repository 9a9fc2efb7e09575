"""Work in progress and realisation in a browser: on a phone, in the dark, on paper."""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Page
from pytest_django.live_server_helper import LiveServer

from invoicing.models import Dossier, LedgerRow
from tests.browser.conftest import sign_in
from tests.factories import (
    PASSWORD,
    AgreementFactory,
    ClaimFactory,
    DossierFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
    MembershipFactory,
    ProjectFactory,
)
from toggbill.firms.models import Firm, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
CUSTOMERS = ["Garage Voorbeeld SRL", "Boulangerie de l’Exemple et ses fils SRL", "Bloemenhuis", "Notariat Modèle"]


@pytest.fixture
def user(live_server: LiveServer) -> User:
    return MembershipFactory(user__password=PASSWORD, firm__name="Our Firm", firm__slug="ours").user


@pytest.fixture
def dossier(user: User) -> Dossier:
    """Four customers with hours of all ages, and two of them billed above and below their value."""
    dossier = DossierFactory(firm=Firm.objects.get(memberships__user=user), key="bakery", name="Bakery")
    for place, name in enumerate(CUSTOMERS):
        buyer = {"buyer_key": f"party:{88_001 + place}", "buyer_name": name}
        for ago in (5, 20, 45, 75, 140)[place % 2 :]:
            LedgerRowFactory(
                dossier=dossier,
                started_at=timezone.now() - timedelta(days=ago),
                duration=3600 * (place + 2),
                person_name=("An Example", "Wim Brandhof")[ago % 2],
                entry__person_remote_id=301 + ago % 2,
                **buyer,
            )
    for place, (name, total) in enumerate(zip(CUSTOMERS, ("200.00", "500.00"), strict=False)):
        row = LedgerRowFactory(
            dossier=dossier,
            started_at=timezone.now() - timedelta(days=25),
            duration=4 * 3600,
            state="drafted",
            buyer_key=f"party:{88_001 + place}",
            buyer_name=name,
        )
        about = {"customer_name": name, "buyer_key": row.buyer_key}
        billed = InvoiceFactory(dossier=dossier, status="posted", with_line=False, **about)
        line = InvoiceLineFactory(
            invoice=billed,
            quantity=4,
            seconds=4 * 3600,
            unit_price=Decimal(total) / 4,
            total=Decimal(total),
            with_claim=False,
        )
        ClaimFactory(line=line, row=row, seconds=4 * 3600)
        LedgerRow.objects.filter(pk=row.pk).update(state="invoiced")
    for name, remote_id, estimate in (("Year end", 601, 10), ("Move to the new package", 602, 40)):
        ProjectFactory(workspace=dossier.workspace, remote_id=remote_id, name=name, estimated_seconds=estimate * 3600)
        LedgerRowFactory(dossier=dossier, duration=9 * 3600, entry__project_remote_id=remote_id)
    AgreementFactory(dossier=dossier, title="Keeping the books")
    return dossier


@pytest.mark.usefixtures("complaints", "dossier")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 1360])
def test_pages_fit_on_a_phone_and_a_desk(
    width: int, scheme: str, page: Page, live_server: LiveServer, user: User
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    sign_in(page, live_server, user)
    for language in ("en", "fr", "nl"):
        page.context.add_cookies([{"name": "django_language", "value": language, "url": live_server.url}])
        for name in ("wip/", "wip/?by=person", "realisation/", "budgets/"):
            page.goto(f"{live_server.url}/f/ours/{name}")
            beyond = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert beyond <= 0, (name, language)
            if pictures := os.environ.get("PICTURES"):
                file = f"{name.strip('/?').replace('/?', '-')}-{language}-{width}-{scheme}.png"
                page.screenshot(path=Path(pictures) / file, full_page=True)


@pytest.mark.usefixtures("complaints", "dossier")
def test_paper_shows_figures_and_nothing_to_press(page: Page, live_server: LiveServer, user: User) -> None:
    sign_in(page, live_server, user)
    page.emulate_media(media="print")
    for name in ("wip/", "realisation/"):
        page.goto(f"{live_server.url}/f/ours/{name}")
        for gone in (".narrowing", ".navbar", ".pills >> nth=0", ".exports"):
            assert not page.locator(gone).first.is_visible(), (name, gone)
        assert page.locator("table").first.is_visible()
