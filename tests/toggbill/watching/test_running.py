"""The pages *what runs*: of a firm for its members, as far as they may see it; of all firms for the operator."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations.models import Company, Workspace
from invoicing.models import Dossier
from tests.factories import DossierFactory, FirmFactory, InvoiceFactory, MembershipDossierFactory, MembershipFactory
from tests.visitors import Tab, signed_in, superuser, text
from toggbill.firms.models import Firm
from toggbill.watching import durations

pytestmark = pytest.mark.django_db


def _busy(firm: Firm, name: str) -> Dossier:
    """A dossier with something under way, something that waits and something that failed."""
    now = timezone.now()
    dossier: Dossier = DossierFactory(firm=firm, key=name, name=f"Dossier {name}", due_at=now - timedelta(minutes=3))
    dossier.workspace.name, dossier.company.name = f"Hours {name}", f"Bills {name}"
    dossier.workspace.claimed_at = now - timedelta(minutes=1)
    dossier.workspace.save()
    dossier.company.next_sync_at = now + timedelta(minutes=9)
    dossier.company.save()
    asked = {"post_requested_by": "x", "post_requested_at": now - timedelta(minutes=2), "approved_at": now}
    InvoiceFactory(dossier=dossier, status="approved", customer_name=f"Asked {name}", **asked)
    InvoiceFactory(
        dossier=dossier, status="refused", problem="totals_differ", approved_at=now, customer_name=f"Refused {name}"
    )
    return dossier


def test_page_says_what_is_under_way_waits_failed_and_comes_next() -> None:
    firm = FirmFactory()
    _busy(firm, "bakery")
    page = text(signed_in(firm, "viewer"), "/running/")
    failed, rest = page.split("Under way", 1)
    under_way, rest = rest.split("Waits for a worker", 1)
    waits, following = rest.split("Comes next", 1)
    assert "1 thing did not work" in failed
    assert "Refused bakery" in failed
    assert "Hours bakery in Toggl" in under_way
    assert "Being read" in under_way
    assert ("Asked bakery" in waits, "Dossier bakery" in waits, "Post" in waits) == (True, True, True)
    assert "Bills bakery in Billit" in following


def test_page_of_a_firm_at_rest_says_so() -> None:
    firm = FirmFactory()
    page = text(signed_in(firm), "/running/")
    assert "Nothing runs, and nothing waits" in page
    assert "No worker is at work for this firm." in page


def test_connection_that_does_not_work_is_told_with_what_to_do() -> None:
    dossier = DossierFactory()
    row = dossier.workspace.connection
    row.failure, row.failure_code, row.key = "credentials", "credential_refused", "main"
    row.save()
    assert "Toggl Track main" in text(signed_in(dossier.firm), "/running/") or "Toggl main" in text(
        signed_in(dossier.firm), "/running/"
    )


def test_restricted_member_sees_nothing_of_other_dossiers_and_of_connections() -> None:
    firm = FirmFactory()
    mine, _ = _busy(firm, "bakery"), _busy(firm, "leakmark")
    mine.workspace.connection.failure = "credentials"
    mine.workspace.connection.failure_code = "credential_refused"
    mine.workspace.connection.key = "leakmark-too"
    mine.workspace.connection.save()
    row = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True)
    MembershipDossierFactory(membership=row, dossier=mine)
    browser = Tab(firm)
    browser.force_login(row.user)
    page = browser.get("/running/").content.decode()
    assert "bakery" in page
    assert "leakmark" not in page


@pytest.mark.slow
def test_rows_of_a_page_are_bounded_and_ask_no_more_queries() -> None:
    firm = FirmFactory()
    _busy(firm, "bakery")
    browser = signed_in(firm)
    browser.get("/running/")
    with CaptureQueriesContext(connection) as few:
        browser.get("/running/")
    for number in range(40):
        _busy(firm, f"more-{number}")
    with CaptureQueriesContext(connection) as many:
        page = browser.get("/running/").content.decode()
    assert len(many) == len(few)
    assert page.count("Asked ") == 30


def test_operator_sees_counts_and_ages_of_every_firm_and_no_row() -> None:
    first, second = FirmFactory(name="First Firm"), FirmFactory(name="Second Firm")
    _busy(first, "bakery")
    _busy(second, "butcher")
    Workspace.objects.update(next_sync_at=None)
    Company.objects.update(next_sync_at=None)
    durations.add(task="tick_sync", seconds=0.1, failed=False, now=timezone.now())
    browser = superuser()
    page = text(browser, "/operator/running/")
    for name in ("First Firm", "Second Firm"):
        assert f"{name} 1 2 1" in " ".join(page.split())
    assert "The latest tick ended" in page
    assert ("bakery" in page, "Refused" in page) == (False, False)
    assert "/operator/running/" in browser.get("/operator/").content.decode()


def test_operators_page_is_for_the_operator_alone() -> None:
    firm = FirmFactory()
    assert Client().get("/operator/running/").status_code == 302
    owner = Client()
    owner.force_login(MembershipFactory(firm=firm, user__is_staff=True).user)
    assert owner.get("/operator/running/").status_code in (302, 403)
    assert b"First" not in owner.get("/operator/running/").content
