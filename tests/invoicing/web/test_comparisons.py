"""What a comparison found, on the page of the dossier and on the first page; and the button that asks for one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from invoicing.models import Dossier, Invoice, LedgerRow
from tests.factories import (
    NOW,
    DossierFactory,
    DriftFactory,
    FirmFactory,
    LedgerRowFactory,
    MembershipDossierFactory,
    MembershipFactory,
    ReportedMonthFactory,
)
from tests.invoicing.scene import Scene
from tests.queues import Queue
from tests.visitors import browser_of, signed_in, text
from tests.worlds import FIRST_ENTRY, entry

pytestmark = pytest.mark.django_db
FACTS = {"invoice": "2026-0007", "day": "2026-10-05", "changed": ["seconds"], "words": False}


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    """Without ``collectstatic`` there is no folder to serve from, and whitenoise would warn of it."""
    settings.WHITENOISE_AUTOREFRESH = True


def page_of(dossier: Dossier, browser: Client) -> str:
    return browser.get(f"/dossiers/{dossier.key}/").content.decode()


def words_of(dossier: Dossier, browser: Client) -> str:
    return text(browser, f"/dossiers/{dossier.key}/")


@time_machine.travel(NOW, tick=False)
def test_dossiers_page_tells_each_difference_with_what_to_do_and_since_when() -> None:
    dossier = DossierFactory(reconciled_at=NOW - timedelta(hours=6))
    LedgerRowFactory(dossier=dossier)
    DriftFactory(dossier=dossier, kind="entry_changed", entry_remote_id=77, order_id=None, facts=FACTS)
    DriftFactory(dossier=dossier, facts={"invoice": "2026-0008"}, gone_at=NOW)
    ReportedMonthFactory(dossier=dossier, toggl_seconds=39_600)
    words = words_of(dossier, signed_in(dossier.firm))
    section = words[words.index("Differences with Toggl and Billit") :]
    assert "Total of October 2026 is not Toggl’s since 20 Nov 2026" in section
    assert "From 2026-10-01 to 2026-10-31 Toggl reports 11:00:00, and 10:00:00 are mirrored" in section
    assert "Invoiced entry changed in Toggl since 20 Nov 2026" in section
    assert "1 month is not balanced" in words, "though it has no row of its own"
    assert "Entry 77 of 2026-10-05 changed in Toggl after invoice 2026-0007 billed it: seconds." in section
    assert "Decide on its correction: accept the difference" in section
    assert "Compared on 20 Nov 2026, 04:00" in section
    assert "2026-0008" not in words


@time_machine.travel(NOW, tick=False)
def test_dossiers_page_tells_which_rule_does_not_hold_and_of_which_entry() -> None:
    dossier = DossierFactory()
    numbers = [LedgerRowFactory(dossier=dossier).entry.remote_id for _ in range(7)]
    browser = signed_in(dossier.firm)
    assert "seconds_add_up" not in words_of(dossier, browser)
    LedgerRow.objects.update(seconds=60)
    words = words_of(dossier, browser)
    assert "1 month is not balanced" in words
    sentence = f"November 2026: Entry {min(numbers)} of 2026-11-10 counts 60 s in the books, 3600 s as mirrored."
    assert f"{sentence} Bill nothing more of it, and tell whoever runs toggbill. seconds_add_up" in words
    assert words.count("seconds_add_up") == 5
    assert "and 2 more" in words


@time_machine.travel(NOW, tick=False)
def test_dossier_without_differences_says_so_and_one_that_was_never_compared_as_well() -> None:
    dossier = DossierFactory()
    browser = signed_in(dossier.firm)
    assert "Not compared yet. This happens every night." in words_of(dossier, browser)
    Dossier.objects.update(reconciled_at=NOW)
    assert "None: the hours are those of Toggl, the invoices those of Billit." in words_of(dossier, browser)
    facts = {"service": "Billit", "what": {"code": "asked_orders", "facts": {}}}
    Dossier.objects.update(reconcile_problem="not_reached", reconcile_problem_facts=facts)
    assert "Billit could not be reached for a list of orders." in words_of(dossier, browser)


@time_machine.travel(NOW, tick=False)
def test_first_page_counts_differences_of_the_dossiers_that_a_member_sees() -> None:
    firm = FirmFactory()
    shown, hidden = DossierFactory(firm=firm, name="Shown"), DossierFactory(firm=firm, name="Hidden")
    DriftFactory(dossier=shown)
    DriftFactory(dossier=shown, gone_at=NOW)
    ReportedMonthFactory(dossier=hidden, toggl_seconds=1)
    ReportedMonthFactory(dossier=shown)
    DriftFactory(dossier=hidden)
    DriftFactory()
    words = text(signed_in(firm), "/")
    assert "3 differences with Toggl or Billit stand between you and finished books" in words
    assert words.index("Hidden") < words.index("Shown"), "the one with more differences comes first"
    restricted = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True)
    MembershipDossierFactory(membership=restricted, dossier=shown)
    browser = browser_of(restricted.user, firm)
    words = text(browser, "/")
    assert "1 difference with Toggl or Billit stands between you and finished books" in words


@pytest.mark.slow
def test_button_has_the_workers_compare_and_the_page_shows_what_they_find(
    scene: Callable[..., Scene], queue: Queue, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    books.control.delete_entries(FIRST_ENTRY + 1)
    browser = signed_in(books.firm, "bookkeeper")
    assert "Compare with Toggl and Billit now" in page_of(books.dossier, browser)
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post("/dossiers/small/compare/", follow=True)
    page = answer.content.decode()
    assert "The dossier is being compared with Toggl and Billit." in page
    assert "Compare with Toggl and Billit now" not in page
    assert 'hx-trigger="every 3s"' in page, "it looks again by itself"
    again = browser.post("/dossiers/small/compare/", follow=True).content.decode()
    assert "The comparison is under way already." in again
    assert queue.work() == ["reconcile_dossier"]
    page = page_of(books.dossier, browser)
    assert f"Entry {FIRST_ENTRY + 1} of 2026-10-05 was deleted in Toggl" in page
    assert f'href="/f/{books.firm.slug}/corrections/?dossier=small"' in page
    assert f'href="/f/{books.firm.slug}/invoices/{Invoice.objects.get().reference}/"' in page
    assert 'hx-trigger="every 3s"' not in page
    books.later(minutes=2)
    browser.post("/dossiers/small/compare/")
    books.later(minutes=6)
    assert 'hx-trigger="every 3s"' not in page_of(books.dossier, browser), "not for ever"


@pytest.mark.parametrize(("role", "may"), [("owner", True), ("bookkeeper", True), ("viewer", False)])
def test_who_may_ask_for_a_comparison(role: str, may: bool) -> None:
    dossier = DossierFactory()
    browser = signed_in(dossier.firm, role)
    assert ("Compare with Toggl and Billit now" in words_of(dossier, browser)) is may
    assert browser.post(f"/dossiers/{dossier.key}/compare/").status_code == (302 if may else 403)
    assert (Dossier.objects.get().reconcile_asked_at is not None) is may


def test_comparison_is_asked_for_by_a_post_within_ones_own_firm() -> None:
    dossier = DossierFactory()
    assert signed_in(dossier.firm).get(f"/dossiers/{dossier.key}/compare/").status_code == 405
    assert signed_in(FirmFactory()).post(f"/dossiers/{dossier.key}/compare/").status_code == 404
    assert Dossier.objects.get().reconcile_asked_at is None
