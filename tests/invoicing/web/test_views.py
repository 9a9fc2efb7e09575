"""Who may see the pages and take the steps, and what the steps do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks

from invoicing.models import Claim, Dossier, Invoice
from tests.factories import (
    DossierFactory,
    DriftFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
    MembershipFactory,
)
from tests.invoicing.scene import Scene
from tests.visitors import Tab, pages_of, read_of, signed_in, text
from tests.worlds import entry
from toggbill.firms.models import AuditEvent, Firm

pytestmark = pytest.mark.django_db

ROLES = ["owner", "manager", "bookkeeper", "viewer"]


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


@pytest.mark.parametrize("role", ROLES)
def test_pages_are_open_to_every_role(role: str, firm: Firm, dossier: Dossier) -> None:
    client = signed_in(firm, role)
    for path in pages_of(dossier, InvoiceFactory(dossier=dossier)):
        assert client.get(path).status_code == 200, path


def test_pages_send_nobody_to_sign_in(dossier: Dossier) -> None:
    for path in pages_of(dossier, InvoiceFactory(dossier=dossier)):
        answer = Tab(dossier.firm).get(path)
        assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next=/f/ours{path}")


def test_pages_refuse_a_user_without_a_firm(dossier: Dossier) -> None:
    client = signed_in(None)
    for path in pages_of(dossier, InvoiceFactory(dossier=dossier)):
        assert client.get(f"/f/ours{path}").status_code == 404, path


def test_objects_of_another_firm_are_not_found(firm: Firm, dossier: Dossier) -> None:
    theirs = InvoiceFactory(customer_name="Secret Customer")
    client = signed_in(firm)
    paths = [
        f"/dossiers/{theirs.dossier.key}/",
        f"/dossiers/{theirs.dossier.key}/hours/",
        f"/invoices/{theirs.reference}/",
    ]
    assert [client.get(path).status_code for path in paths] == [404, 404, 404]
    posts = [f"/dossiers/{theirs.dossier.key}/draft/"]
    posts += [f"/invoices/{theirs.reference}/{step}/" for step in ("approve", "drop", "post", "post-anew", "credit")]
    assert {client.post(path, {"through": "2026-11-20"}).status_code for path in posts} == {404}
    theirs.refresh_from_db()
    assert theirs.status == "draft"


def test_lists_show_nothing_of_another_firm(firm: Firm, dossier: Dossier) -> None:
    theirs = InvoiceFactory(dossier__name="Secret Dossier", customer_name="Secret Customer")
    LedgerRowFactory(dossier=theirs.dossier, reason="no_vat", client_name="Secret Client")
    LedgerRowFactory(dossier=theirs.dossier)
    client = signed_in(firm)
    for path in ("/", "/attention/", "/invoices/"):
        assert "Secret" not in text(client, path), path
    assert "11 dossiers" not in text(client, "/")
    assert "1 dossier Every hour is billed" in text(client, "/").replace("· ", "")


@pytest.mark.parametrize(
    ("step", "status", "roles"),
    [
        ("approve", "draft", ["owner", "manager", "bookkeeper"]),
        ("drop", "draft", ["owner", "manager", "bookkeeper"]),
        ("post", "approved", ["owner", "manager"]),
    ],
)
@pytest.mark.parametrize("role", ROLES)
def test_steps_follow_the_table_of_roles(step: str, status: str, roles: list[str], role: str, firm: Firm) -> None:
    invoice = InvoiceFactory(dossier__firm=firm, status=status)
    client = signed_in(firm, role)
    page = client.get(f"/invoices/{invoice.reference}/").content.decode()
    assert (f"/{step}/" in page) is (role in roles)
    answer = client.post(f"/invoices/{invoice.reference}/{step}/", {"read": read_of(invoice)})
    assert answer.status_code == (302 if role in roles else 403)


def test_draft_is_refused_to_a_viewer(firm: Firm, dossier: Dossier) -> None:
    client = signed_in(firm, "viewer")
    assert client.post("/dossiers/bakery/draft/", {"through": "2026-11-20"}).status_code == 403
    assert "/draft/" not in client.get("/dossiers/bakery/").content.decode()


def test_steps_want_a_post(firm: Firm) -> None:
    invoice = InvoiceFactory(dossier__firm=firm)
    assert signed_in(firm).get(f"/invoices/{invoice.reference}/approve/").status_code == 405


def test_steps_want_a_csrf_token(firm: Firm) -> None:
    user = MembershipFactory(firm=firm).user
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    invoice = InvoiceFactory(dossier__firm=firm)
    assert client.post(f"/invoices/{invoice.reference}/approve/", {"read": read_of(invoice)}).status_code == 403
    invoice.refresh_from_db()
    assert invoice.status == "draft"


def test_approve_moves_the_invoice_and_says_so(firm: Firm) -> None:
    invoice = InvoiceFactory(dossier__firm=firm)
    answer = signed_in(firm).post(f"/invoices/{invoice.reference}/approve/", {"read": read_of(invoice)}, follow=True)
    assert answer.redirect_chain == [(f"/f/ours/invoices/{invoice.reference}/", 302)]
    assert "Invoice approved. It can now be posted to Billit." in answer.content.decode()
    invoice.refresh_from_db()
    assert (invoice.status, invoice.approved_by.endswith("@example.com")) == ("approved", True)
    event = AuditEvent.objects.get(firm=firm)
    assert (event.type, event.subject, event.origin) == (
        "invoice_approved",
        f"invoice {invoice.reference}",
        "web 127.0.0.1",
    )


def test_approve_of_a_posted_invoice_is_refused_with_a_sentence(firm: Firm) -> None:
    invoice = InvoiceFactory(dossier__firm=firm, status="posted")
    answer = signed_in(firm).post(f"/invoices/{invoice.reference}/approve/", {"read": read_of(invoice)}, follow=True)
    assert "only a draft or a refused one can be approved" in answer.content.decode()
    assert not AuditEvent.objects.exists()


def test_drop_frees_the_hours(firm: Firm) -> None:
    invoice = InvoiceFactory(dossier__firm=firm)
    signed_in(firm).post(f"/invoices/{invoice.reference}/drop/", {"read": read_of(invoice)})
    invoice.refresh_from_db()
    assert invoice.status == "void"
    assert not Claim.objects.filter(line__invoice=invoice, released_at__isnull=True).exists()


def test_post_notes_the_wish_and_enqueues_after_commit(
    firm: Firm, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    invoice = InvoiceFactory(dossier__firm=firm, status="approved")
    client = signed_in(firm)
    with django_capture_on_commit_callbacks() as callbacks:
        client.post(f"/invoices/{invoice.reference}/post/", {"read": read_of(invoice)})
    assert len(callbacks) == 1
    invoice.refresh_from_db()
    assert (invoice.status, invoice.post_requested_at is not None) == ("approved", True)
    page = client.get(f"/invoices/{invoice.reference}/").content.decode()
    assert 'hx-trigger="every 3s"' in page
    assert "/post/" not in page


def test_post_of_a_draft_is_refused(
    firm: Firm, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    invoice = InvoiceFactory(dossier__firm=firm)
    with django_capture_on_commit_callbacks() as callbacks:
        answer = signed_in(firm).post(f"/invoices/{invoice.reference}/post/", {"read": read_of(invoice)}, follow=True)
    assert callbacks == []
    assert "Only an approved invoice can be posted." in answer.content.decode()


def test_post_anew_is_offered_only_when_a_person_decides(firm: Firm) -> None:
    waiting = InvoiceFactory(dossier__firm=firm, status="in_doubt")
    decided = InvoiceFactory(dossier__firm=firm, status="in_doubt", needs_person=True)
    client = signed_in(firm)
    assert "/post-anew/" not in client.get(f"/invoices/{waiting.reference}/").content.decode()
    assert "/post-anew/" in client.get(f"/invoices/{decided.reference}/").content.decode()
    client.post(f"/invoices/{decided.reference}/post-anew/", {"read": read_of(decided)})
    decided.refresh_from_db()
    assert (decided.status, decided.key_number, decided.post_requested_at is not None) == ("approved", 2, True)


def test_billing_anew_is_offered_only_where_the_order_was_deleted_in_billit(firm: Firm) -> None:
    kept, gone = (InvoiceFactory(dossier__firm=firm, status="posted") for _ in range(2))
    for invoice, kind in ((kept, "order_missing"), (gone, "order_deleted")):
        DriftFactory(dossier=invoice.dossier, kind=kind, reference=invoice.reference, order_id=invoice.order_id)
    client = signed_in(firm)
    assert "/bill-anew/" not in client.get(f"/invoices/{kept.reference}/").content.decode()
    page = client.get(f"/invoices/{gone.reference}/").content.decode()
    assert ("/bill-anew/" in page, "/send/" in page) == (True, False)


@pytest.mark.slow
def test_hours_of_an_order_deleted_in_billit_are_billed_anew_from_its_page(scene: Callable[..., Scene]) -> None:
    books = scene(entries=[entry(1)])
    old = books.posted()
    assert old.order_id is not None
    books.control.change_order(old.order_id, Deleted=True)
    assert books.command("reconcile", "--firm", books.firm.slug).code == 1
    client = signed_in(books.firm)
    answer = client.post(f"/invoices/{old.reference}/bill-anew/", {"read": read_of(old)}, follow=True)
    assert "The hours stand on 1 new invoice, approved and not posted yet." in answer.content.decode()
    assert list(books.invoices().order_by("pk").values_list("status", flat=True)) == ["void", "approved"]


def test_unknown_step_is_not_found(firm: Firm) -> None:
    invoice = InvoiceFactory(dossier__firm=firm)
    assert signed_in(firm).post(f"/invoices/{invoice.reference}/burn/", {"read": read_of(invoice)}).status_code == 404


def test_draft_without_a_day_says_what_is_missing(firm: Firm, dossier: Dossier) -> None:
    answer = signed_in(firm).post("/dossiers/bakery/draft/", {"through": "soon"}, follow=True)
    assert "Nothing was drafted: choose the last day to bill." in answer.content.decode()


def test_draft_after_today_is_refused(firm: Firm, dossier: Dossier) -> None:
    later = (timezone.localdate() + timedelta(days=40)).isoformat()
    answer = signed_in(firm).post("/dossiers/bakery/draft/", {"through": later}, follow=True)
    assert "is after today" in answer.content.decode()


def test_draft_of_a_dossier_without_open_hours_says_so(firm: Firm, dossier: Dossier) -> None:
    answer = signed_in(firm).post("/dossiers/bakery/draft/", {"through": "2026-10-31"}, follow=True)
    assert "No new hours to draft through 31 Oct 2026." in answer.content.decode()


def test_draft_of_a_later_day_is_named_and_left_alone(scene: Callable[..., Scene]) -> None:
    made = scene(entries=[entry(1), entry(2, "2026-10-06")])
    Firm.objects.filter(pk=made.firm.pk).update(language="en")
    made.draft()
    waiting = made.invoices().get()
    page = signed_in(made.firm).get(f"/dossiers/{made.dossier.key}/preview/?through=2026-10-05").content.decode()
    assert "1 waiting draft was drawn through a later day and stays as it is:" in page
    assert f"/invoices/{waiting.reference}/" in page
    answer = signed_in(made.firm).post(f"/dossiers/{made.dossier.key}/draft/", {"through": "2026-10-05"}, follow=True)
    assert "was drawn through a later day: it stays as it is." in answer.content.decode()
    assert made.invoices().get().lines.get().seconds == 7200


# --- the whole way ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_hours_are_drafted_approved_and_asked_to_be_posted_from_the_pages(scene: Callable[..., Scene]) -> None:
    made = scene()
    Firm.objects.filter(pk=made.firm.pk).update(language="en")
    client = signed_in(made.firm)
    key = made.dossier.key
    answer = client.post(f"/dossiers/{key}/draft/", {"through": "2026-10-31"}, follow=True)
    assert "drafted or redrawn through 31 Oct 2026." in answer.content.decode()
    assert "The hours are those that Toggl held on 20 Nov 2026, 10:00." in answer.content.decode()
    drafts = list(Invoice.objects.filter(firm=made.firm, status="draft"))
    assert drafts
    for draft in drafts:
        client.post(f"/invoices/{draft.reference}/approve/", {"read": read_of(draft)})
        client.post(f"/invoices/{draft.reference}/post/", {"read": read_of(draft)})
    asked = Invoice.objects.filter(firm=made.firm, status="approved", post_requested_at__isnull=False)
    assert asked.count() == len(drafts)
    again = client.post(f"/dossiers/{key}/draft/", {"through": "2026-10-31"}, follow=True)
    assert "No new hours to draft through 31 Oct 2026." in again.content.decode()
