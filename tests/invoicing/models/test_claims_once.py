"""One live claim per firm and Toggl id: raw SQL cannot make another, nor get round the id (design section 6)."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from integrations.models import Entry
from invoicing.models import Claim, Drift, InvoiceLine
from tests.factories import (
    NOW,
    ClaimFactory,
    DossierFactory,
    DriftFactory,
    EntryFactory,
    InvoiceFactory,
    InvoiceLineFactory,
    LedgerRowFactory,
    WorkspaceFactory,
)
from tests.invoicing.refusing import refuses
from toggbill.database import triggers

pytestmark = pytest.mark.django_db
TOGGL_ID = 4_300_000_777


def first() -> Claim:
    """A live claim of the Toggl id."""
    dossier = DossierFactory()
    entry = EntryFactory(workspace=dossier.workspace, remote_id=TOGGL_ID)
    line = InvoiceLineFactory(invoice=InvoiceFactory(dossier=dossier, with_line=False), with_claim=False)
    return ClaimFactory(line=line, row=LedgerRowFactory(dossier=dossier, entry=entry, state="drafted"))


def twin(claim: Claim) -> tuple[Entry, InvoiceLine]:
    """The same Toggl id in another workspace of the firm, and a line of its dossier."""
    workspace = WorkspaceFactory(firm=claim.firm)
    dossier = DossierFactory(firm=claim.firm, workspace=workspace, company=claim.line.invoice.company)
    line = InvoiceLineFactory(invoice=InvoiceFactory(dossier=dossier, with_line=False), with_claim=False)
    return EntryFactory(workspace=workspace, remote_id=TOGGL_ID), line


def sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def insert(claim: Claim, entry: Entry, line: InvoiceLine, *, remote_id: int = TOGGL_ID, twice: int = 0) -> None:
    """A claim by raw SQL."""
    columns = {
        "firm_id": claim.firm_id,
        "kind": "entry",
        "entry_id": entry.pk,
        "entry_remote_id": remote_id,
        "twice": twice,
        "line_id": line.pk,
        "seconds": 3600,
        "started_at": NOW,
        "day": NOW.date(),
        "project_name": "",
        "person_name": "",
        "description": "",
        "tags": "[]",
        "billable": True,
    }
    places = ", ".join(["%s"] * len(columns))
    sql(f"INSERT INTO invoicing_claim ({', '.join(columns)}) VALUES ({places})", *columns.values())


@refuses(Claim, "claim_once_in_firm")
def test_moved_entry_is_not_claimed_twice() -> None:
    claim = first()
    insert(claim, *twin(claim))


@refuses(Claim, "claim_once_in_firm")
def test_released_claim_does_not_come_back_beside_the_one_of_the_other_workspace() -> None:
    claim = first()
    sql("UPDATE invoicing_claim SET released_at = %s WHERE id = %s", NOW, claim.pk)
    insert(claim, *twin(claim))
    sql("UPDATE invoicing_claim SET released_at = NULL WHERE id = %s", claim.pk)


def test_released_claim_leaves_the_id_to_the_other_workspace() -> None:
    claim = first()
    sql("UPDATE invoicing_claim SET released_at = %s WHERE id = %s", NOW, claim.pk)
    entry, line = twin(claim)
    insert(claim, entry, line)
    assert list(Claim.objects.live().values_list("entry", flat=True)) == [entry.pk]


def test_claim_under_another_id_is_refused() -> None:
    claim = first()
    entry, line = twin(claim)
    with pytest.raises(IntegrityError, match="a claim has the Toggl id of its entry"), transaction.atomic():
        insert(claim, entry, line, remote_id=TOGGL_ID + 1)
    with pytest.raises(IntegrityError, match="a claim has the Toggl id of its entry"), transaction.atomic():
        sql("UPDATE invoicing_claim SET entry_remote_id = %s WHERE id = %s", TOGGL_ID + 1, claim.pk)


def test_entry_keeps_its_id() -> None:
    claim = first()
    with pytest.raises(IntegrityError, match="keeps its Toggl id"), transaction.atomic():
        sql("UPDATE integrations_entry SET remote_id = %s WHERE id = %s", TOGGL_ID + 1, claim.entry_id)


def test_second_claim_is_not_made_under_a_number_of_its_own() -> None:
    claim = first()
    entry, line = twin(claim)
    with pytest.raises(IntegrityError, match="is billed already"), transaction.atomic():
        insert(claim, entry, line, twice=1)
    with pytest.raises(IntegrityError, match="a second claim of an entry is not made"), transaction.atomic():
        sql("UPDATE invoicing_claim SET twice = 1 WHERE id = %s", claim.pk)


def test_second_claim_of_an_earlier_version_lets_no_third_be_made() -> None:
    claim = first()
    entry, line = twin(claim)
    connection.check_constraints()
    triggers.remove(connection, "invoicing_claim")
    insert(claim, entry, line, twice=1)
    connection.check_constraints()
    triggers.install(connection)
    sql("UPDATE invoicing_claim SET released_at = %s WHERE id = %s", NOW, claim.pk)
    with pytest.raises(IntegrityError, match="is billed already"), transaction.atomic():
        insert(claim, claim.entry, claim.line)
    sql("UPDATE invoicing_claim SET released_at = %s WHERE twice = 1", NOW)
    insert(claim, claim.entry, claim.line)
    assert Claim.objects.live().get().entry_id == claim.entry_id


@refuses(Drift, "drift_acknowledged_with_reason")
def test_difference_that_is_acknowledged_without_a_reason() -> None:
    row = DriftFactory()
    Drift.objects.filter(pk=row.pk).update(acknowledged_at=NOW, acknowledged_by="owner@example.com")
