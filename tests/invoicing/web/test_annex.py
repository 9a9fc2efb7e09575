"""The annex of hours on the invoice's page: what it shows, and the files as they were frozen."""

from __future__ import annotations

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from invoicing.models import Annex, Dossier, Invoice
from tests.factories import (
    AnnexFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    MembershipDossierFactory,
    MembershipFactory,
)
from tests.furniture import post_row
from tests.visitors import Tab, browser_of, read_of, signed_in, text
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, annex=True)


def page(firm: Firm, invoice: Invoice) -> str:
    return text(signed_in(firm), f"/invoices/{invoice.reference}/")


def test_page_shows_name_size_and_hash_and_leads_to_both_files(firm: Firm, dossier: Dossier) -> None:
    annex = AnnexFactory(invoice=InvoiceFactory(dossier=dossier, status="approved"), pdf=b"%PDF-" + b"x" * 2043)
    shown = page(firm, annex.invoice)
    assert f"{annex.name}.pdf, 2.0 KB SHA-256 {annex.pdf_hash}" in shown
    assert f"{annex.name}.csv, 14 bytes SHA-256 {annex.csv_hash}" in shown
    browser = signed_in(firm, "viewer")
    for kind, media, content in (("pdf", "application/pdf", annex.pdf), ("csv", "text/csv; charset=utf-8", annex.csv)):
        answer = browser.get(f"/invoices/{annex.invoice.reference}/annex.{kind}")
        assert (answer.content, answer["Content-Type"]) == (content, media)
        assert answer["Content-Disposition"] == f'attachment; filename="{annex.name}.{kind}"'
    assert browser.get(f"/invoices/{annex.invoice.reference}/annex.xlsx").status_code == 404


@pytest.mark.parametrize(
    ("status", "wanted", "words"),
    [
        ("draft", True, "It is made when the invoice is approved."),
        ("approved", True, "It is made before the invoice is posted."),
        ("refused", True, "It is made before the invoice is posted."),
        ("draft", False, "The dossier wants none."),
        ("approved", False, "The dossier wants none."),
        ("posted", True, "None: the invoice went to Billit without one."),
        ("in_doubt", False, "None: the invoice went to Billit without one."),
        ("void", True, "None: the invoice was dropped."),
    ],
)
def test_page_says_why_there_is_none(firm: Firm, dossier: Dossier, status: str, wanted: bool, words: str) -> None:
    Dossier.objects.update(annex=wanted)
    invoice = InvoiceFactory(dossier=dossier, status=status)
    assert f"Annex of hours {words}" in page(firm, invoice)
    assert signed_in(firm).get(f"/invoices/{invoice.reference}/annex.pdf").status_code == 404


@pytest.mark.parametrize(
    ("status", "wanted", "body", "words"),
    [
        ("approved", True, "", "goes with the order"),
        ("approved", False, "", "stays here: the dossier wants none any more"),
        ("posted", False, '{"Attachments":[]}', "attached to the order"),
        ("posted", True, '{"OrderType":"Invoice"}', "not attached to the order"),
    ],
)
def test_page_says_whether_it_goes_with_the_order(
    firm: Firm, dossier: Dossier, status: str, wanted: bool, body: str, words: str
) -> None:
    invoice = AnnexFactory(invoice=InvoiceFactory(dossier=dossier, status="approved")).invoice
    if status == "posted":
        post_row(invoice)
    Invoice.objects.filter(pk=invoice.pk).update(accepted_body=body)
    Dossier.objects.update(annex=wanted)
    assert f"09:00, {words}" in page(firm, invoice)


def test_files_are_for_members_who_see_the_dossier(firm: Firm, dossier: Dossier) -> None:
    path = (
        f"/invoices/{AnnexFactory(invoice=InvoiceFactory(dossier=dossier, status='approved')).invoice.reference}/annex"
    )
    elsewhere = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True)
    MembershipDossierFactory(membership=elsewhere, dossier=DossierFactory(firm=firm))
    here = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True)
    MembershipDossierFactory(membership=here, dossier=dossier)
    for kind in ("pdf", "csv"):
        assert browser_of(here.user, firm).get(f"{path}.{kind}").status_code == 200
        assert browser_of(elsewhere.user, firm).get(f"{path}.{kind}").status_code == 404
        assert Tab(firm).get(f"{path}.{kind}").status_code == 302
        assert signed_in(firm).post(f"{path}.{kind}").status_code == 405


def test_files_of_another_firm_are_not_there(firm: Firm) -> None:
    annex = AnnexFactory()
    assert signed_in(firm).get(f"/invoices/{annex.invoice.reference}/annex.pdf").status_code == 404


@pytest.mark.parametrize(("wanted", "messages"), [(True, 1), (False, 0)])
def test_approving_on_the_page_has_the_annex_made_after_the_commit(
    firm: Firm,
    dossier: Dossier,
    wanted: bool,
    messages: int,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    Dossier.objects.update(annex=wanted)
    invoice = InvoiceFactory(dossier=dossier)
    with django_capture_on_commit_callbacks() as callbacks:
        signed_in(firm).post(f"/invoices/{invoice.reference}/approve/", {"read": read_of(invoice)})
    invoice.refresh_from_db()
    assert (invoice.status, len(callbacks), Annex.objects.count()) == ("approved", messages, 0)
    # The page looks again by itself until the annex is there.
    shown = signed_in(firm).get(f"/invoices/{invoice.reference}/").content.decode()
    assert ('hx-trigger="every 3s"' in shown) is wanted
    if wanted:
        AnnexFactory(invoice=invoice)
        assert "hx-trigger" not in signed_in(firm).get(f"/invoices/{invoice.reference}/").content.decode()


def test_dossier_says_whether_its_invoices_carry_one(firm: Firm, dossier: Dossier) -> None:
    browser = signed_in(firm)
    assert "Annex of hours with each invoice, PDF and CSV" in text(browser, f"/dossiers/{dossier.key}/")
    Dossier.objects.update(annex=False)
    assert "Annex of hours none" in text(browser, f"/dossiers/{dossier.key}/")
