"""What is asked for often is a method of the model's QuerySet, and is spelled out nowhere else."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from integrations.models import Company, Connection, Entry, Product, Workspace
from invoicing.models import Claim, Correction, Dossier, Drift, Invoice
from tests.factories import (
    ClaimFactory,
    CompanyFactory,
    CorrectionFactory,
    DossierFactory,
    DriftFactory,
    EntryFactory,
    FirmFactory,
    InvitationFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    ProductFactory,
    WorkspaceFactory,
)
from tests.worlds import NOW
from toggbill.firms.models import Invitation

ROOT = Path(__file__).parents[3]
_MODELS = re.compile(r"^(invoicing|integrations)/(models|migrations)/|^toggbill/firms/(models\.py|migrations/)")
# The condition, and the methods that say it.
_SPELLED_OUT = {
    r"released_at__isnull": "Claim.objects.live()",
    r"\.filter\([^()]*\bkind=Claim\.Kind\.\w+": "Claim.objects.of_entries(), .of_differences(), .of_credits()",
    r"paused_at__isnull|failure=Connection\.Failure\.CREDENTIALS\)": "served()",
    r"claimed_at__(isnull|lt)": "Workspace.objects.unclaimed(), .due()",
    r"removed_at__isnull": "Connection.objects.standing()",
    r"marked_at__isnull=False": "Entry.objects.marked()",
    r"(?<!entry__)deleted_at__isnull=True": "Product.objects.present()",
    r"gone_at__isnull": "Drift.objects.standing()",
    r"differs_since__isnull": "ReportedMonth.objects.differing()",
    r"legal_excl__isnull": "Invoice.objects.unread()",
    r"replacing_since__isnull": "Invoice.objects.being_replaced(), .not_being_replaced()",
    r"\.filter\([^()]*\bstatus=(_Status|Invoice\.Status)\.POSTED": "Invoice.objects.posted()",
    r"line__invoice__status=(_Status|Invoice\.Status)\.POSTED": "Claim.objects.posted()",
    r"\.filter\([^()]*\bstatus=(_Status|Invoice\.Status)\.DRAFT\)": "Invoice.objects.drafts()",
    r"\.exclude\(status=(_Status|Invoice\.Status)\.VOID\)": "Invoice.objects.standing()",
    r"\.(filter|exclude)\([^()]*\bdecision=(_Decision|Correction\.Decision)\.OPEN": "Correction.objects.open()",
    r"\.filter\([^()]*\bstate=(_State|State|LedgerRow\.State)\.ATTENTION": "LedgerRow.objects.attention()",
    r"Dossier\.objects\.filter\(due_at__lte": "Dossier.objects.due()",
    r"\.filter\([^()]*accepted_at__isnull": "Invitation.objects.waiting()",
}


def _sources() -> list[Path]:
    every = [path for folder in ("invoicing", "integrations", "toggbill") for path in (ROOT / folder).rglob("*.py")]
    return [path for path in every if not _MODELS.search(path.relative_to(ROOT).as_posix())]


def test_what_a_queryset_says_is_spelled_out_nowhere_else() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.end()) + 1}: {methods}"
        for path in _sources()
        for text in [path.read_text(encoding="utf-8")]
        for pattern, methods in _SPELLED_OUT.items()
        for match in re.finditer(pattern, text)
    ]
    assert found == []


@pytest.mark.django_db
def test_only_what_no_person_holds_up_is_served() -> None:
    workspaces = [WorkspaceFactory() for _ in range(4)]
    companies = [CompanyFactory() for _ in range(4)]
    for rows in (workspaces, companies):
        Connection.objects.filter(pk=rows[1].connection_id).update(paused_at=NOW)
        Connection.objects.filter(pk=rows[2].connection_id).update(failure=Connection.Failure.CREDENTIALS)
        # What does not answer now is asked again: no person has to do anything.
        Connection.objects.filter(pk=rows[3].connection_id).update(failure=Connection.Failure.UNREACHABLE)
    assert set(Workspace.objects.served()) == {workspaces[0], workspaces[3]}
    assert set(Company.objects.served()) == {companies[0], companies[3]}
    served = {row.connection for rows in (workspaces, companies) for row in (rows[0], rows[3])}
    assert set(Connection.objects.served()) == served
    good, bad = workspaces[0], companies[1]
    held_up = DossierFactory(workspace=good, company__firm=good.firm, firm=good.firm)
    Connection.objects.filter(pk=held_up.company.connection_id).update(paused_at=NOW)
    working = DossierFactory(workspace=good, company__firm=good.firm, firm=good.firm)
    assert bad.connection not in served
    assert list(Dossier.objects.served()) == [working]


@pytest.mark.django_db
def test_a_workspace_is_due_once_and_not_while_it_is_read() -> None:
    lease_from = NOW - timedelta(minutes=10)
    due = WorkspaceFactory(next_sync_at=NOW)
    dead = WorkspaceFactory(next_sync_at=NOW, claimed_at=lease_from - timedelta(seconds=1))
    WorkspaceFactory(next_sync_at=NOW, claimed_at=lease_from)
    WorkspaceFactory(next_sync_at=NOW + timedelta(seconds=1))
    WorkspaceFactory(next_sync_at=None)
    assert set(Workspace.objects.due(NOW, lease_from)) == {due, dead}


@pytest.mark.django_db
def test_dossiers_are_due_from_their_moment_on() -> None:
    now, later = DossierFactory(due_at=NOW, reconcile_at=NOW), NOW + timedelta(seconds=1)
    DossierFactory(due_at=later, reconcile_at=later)
    left = DossierFactory(due_at=None, reconcile_at=NOW, firm=FirmFactory(closed_at=NOW))
    none = DossierFactory(reconcile_at=None)
    assert list(Dossier.objects.due(NOW)) == [now]
    assert list(Dossier.objects.comparison_due(NOW)) == [now]
    assert list(Dossier.objects.without_comparison()) == [none]
    assert left.firm.closed_at == NOW


@pytest.mark.django_db
def test_invoices_by_how_far_they_are() -> None:
    firm = FirmFactory()
    rows = {status: InvoiceFactory(dossier__firm=firm, status=status) for status in Invoice.Status.values}

    def statuses(found: object) -> set[str]:
        return {row.status for row in found}  # type: ignore[attr-defined]  # a QuerySet of any kind

    every = set(Invoice.Status.values)
    assert statuses(Invoice.objects.drafts()) == {"draft"}
    assert statuses(Invoice.objects.posted()) == {"posted"}
    assert statuses(Invoice.objects.standing()) == every - {"void"}
    assert statuses(Invoice.objects.waiting()) == every - {"posted", "void"}
    assert statuses(Invoice.objects.unanswered()) == {"posting", "in_doubt"}
    assert statuses(Invoice.objects.stuck()) == {"refused", "in_doubt"}
    assert statuses(rows["draft"].dossier.invoices.drafts()) == {"draft"}
    for delivery in ("sending", "failed"):
        asked = {"send_requested_at": NOW, "send_requested_by": "owner@example.com"}
        Invoice.objects.filter(pk=rows["posted"].pk).update(delivery=delivery, **asked)
    assert statuses(Invoice.objects.stuck()) == {"refused", "in_doubt", "posted"}
    Invoice.objects.filter(pk=rows["approved"].pk).update(attention="order_nowhere")
    Invoice.objects.filter(pk=rows["void"].pk).update(attention="order_nowhere")
    assert statuses(Invoice.objects.needing_person()) == {"refused", "in_doubt", "posted", "approved"}
    Invoice.objects.filter(pk=rows["posted"].pk).update(delivery="not_sent", legal_excl=None)
    assert list(Invoice.objects.unread()) == [rows["posted"]]
    Invoice.objects.filter(pk=rows["posted"].pk).update(replacing_since=NOW)
    assert list(Invoice.objects.being_replaced()) == [rows["posted"]]
    assert rows["posted"] not in Invoice.objects.not_being_replaced()


@pytest.mark.django_db
def test_claims_that_live_of_each_kind() -> None:
    live = ClaimFactory(line__invoice__status="posted")
    released = ClaimFactory(released_at=NOW)
    assert list(Claim.objects.live()) == [live]
    assert list(live.line.claims.live()) == [live]
    assert list(released.entry.claims.live()) == []
    assert set(Claim.objects.of_entries()) == {live, released}
    assert list(Claim.objects.posted()) == [live]
    assert not Claim.objects.of_differences().exists()
    assert not Claim.objects.of_credits().exists()


@pytest.mark.django_db
def test_rows_that_are_there_still() -> None:
    product, gone = ProductFactory(), ProductFactory(deleted_at=NOW)
    assert set(Product.objects.all()) == {product, gone}
    assert list(Product.objects.present()) == [product]
    marked, entry = EntryFactory(marked_at=NOW), EntryFactory(marked_at=None)
    assert list(Entry.objects.marked()) == [marked]
    assert set(Entry.objects.present()) == {marked, entry}
    stands, _ = DriftFactory(), DriftFactory(gone_at=NOW)
    assert list(Drift.objects.standing()) == [stands]
    invited, _ = InvitationFactory(), InvitationFactory(accepted_at=NOW)
    assert list(Invitation.objects.waiting()) == [invited]


@pytest.mark.django_db
def test_corrections_that_wait_for_a_decision_or_for_their_invoice() -> None:
    opened = CorrectionFactory()
    decided = {"decided_at": NOW, "decided_by": "owner@example.com"}
    accepted = CorrectionFactory(decision="accepted", **decided)
    waiting = CorrectionFactory(decision="next_invoice", seconds=600, **decided)
    drafted = CorrectionFactory(decision="next_invoice", seconds=600, **decided)
    posted = CorrectionFactory(decision="next_invoice", seconds=600, **decided)
    for correction, status in ((drafted, "draft"), (posted, "posted")):
        invoice = InvoiceFactory(dossier=correction.invoice.dossier, status=status)
        ClaimFactory(
            kind="difference", correction=correction, entry=correction.entry, line=InvoiceLineFactory(invoice=invoice)
        )
    assert list(Correction.objects.open()) == [opened]
    assert set(Correction.objects.waiting_for_an_invoice()) == {waiting, drafted}
    assert set(Correction.objects.undecided()) == {opened, waiting, drafted}
    assert set(Correction.objects.decided()) == {accepted, posted}
