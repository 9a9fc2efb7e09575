"""The triggers, asked by raw SQL on whichever database the run has."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.db import DatabaseError, connection, models, transaction

from integrations.models import Entry, ProductPrice, Quota
from invoicing.models import CustomerPin
from tests import factories
from toggbill.database import bulk
from toggbill.firms import audit, triggers
from toggbill.firms.audit import Actor, News
from toggbill.firms.models import AuditEvent, Firm, FirmOwned

pytestmark = pytest.mark.django_db

# The triggers of entries and their claims, which fire first, name the Toggl id, too.
REFUSED = "belongs to the firm|keeps its Toggl id and its firm|has the Toggl id of its entry|an annex is never changed"


def _row(model: type[models.Model]) -> Any:
    """A row of the model with everything that it points to, all of one firm."""
    if model is Quota:
        of = factories.ConnectionFactory()
        return Quota.objects.create(firm=of.firm, connection=of, remaining=1, resets_at=factories.NOW)
    if model is CustomerPin:
        company = factories.CompanyFactory()
        return CustomerPin.objects.create(
            firm=company.firm, company=company, number="BE0999000101", party_id=1, pinned_at=factories.NOW
        )
    if model is ProductPrice:
        product = factories.ProductFactory()
        return ProductPrice.objects.create(firm=product.firm, product=product, since=factories.NOW.date())
    return getattr(factories, f"{model.__name__}Factory")()


def _execute(statement: str, *values: Any) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, values)


@pytest.mark.parametrize("model", triggers.fenced_models(), ids=lambda model: model.__name__)
def test_row_cannot_move_to_another_firm_than_what_it_points_to(model: type[models.Model]) -> None:
    row, other = _row(model), factories.FirmFactory()
    table = model._meta.db_table
    with pytest.raises(DatabaseError, match=REFUSED):
        _execute(f"UPDATE {table} SET firm_id = %s WHERE id = %s", other.pk, row.pk)
    assert model._default_manager.filter(pk=row.pk, firm=row.firm).exists()


@pytest.mark.parametrize(
    ("model", "column"),
    [(model, column) for model in triggers.fenced_models() for column, _ in triggers.parents_of(model)],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_row_cannot_point_to_a_row_of_another_firm(model: type[models.Model], column: str) -> None:
    row, stranger = _row(model), _row(model)
    if row.firm == stranger.firm:
        pytest.fail(f"two rows of {model.__name__} have the same firm: the test would prove nothing")
    target = getattr(stranger, column)
    if target is None:
        field = next(field for field in model._meta.get_fields() if getattr(field, "column", None) == column)
        target = _row(field.related_model).pk  # type: ignore[arg-type]  # a foreign key, by parents_of
    with pytest.raises(DatabaseError, match=REFUSED):
        _execute(f"UPDATE {model._meta.db_table} SET {column} = %s WHERE id = %s", target, row.pk)


def _insert_again(row: models.Model, **other: Any) -> None:
    """Takes the row away and inserts it as it stood, but for these columns."""
    table = row._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} WHERE id = %s", [row.pk])
        names = [column[0] for column in cursor.description]
        values = dict(zip(names, cursor.fetchone(), strict=True)) | other
        cursor.execute(f"DELETE FROM {table} WHERE id = %s", [row.pk])
        marks = ", ".join(["%s"] * len(values))
        cursor.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({marks})", [*values.values()])


@pytest.mark.parametrize("model", triggers.fenced_models(), ids=lambda model: model.__name__)
def test_row_of_another_firm_than_what_it_points_to_is_not_inserted(model: type[models.Model]) -> None:
    row, other = _row(model), factories.FirmFactory()
    with pytest.raises(DatabaseError, match=REFUSED):
        _insert_again(row, firm_id=other.pk)
    _insert_again(row)
    assert model._default_manager.filter(pk=row.pk, firm=row.firm).exists()


def test_one_stray_row_keeps_all_of_its_statement_out() -> None:
    ours, theirs = factories.WorkspaceFactory.create(), factories.WorkspaceFactory.create()
    like = factories.EntryFactory.create(workspace=ours)
    rows = [Entry.objects.get(pk=like.pk) for _ in range(60)]
    for number, row in enumerate(rows, start=1):
        row.pk, row.remote_id = None, like.remote_id + number
    rows[40].workspace = theirs
    with pytest.raises(DatabaseError, match="integrations_entry: a row belongs to the firm"), transaction.atomic():
        bulk.insert(rows)
    assert Entry.objects.get() == like
    rows[40].workspace = ours
    bulk.insert(rows)
    assert Entry.objects.count() == 61


def test_every_model_of_the_product_belongs_to_a_firm_or_is_named_here() -> None:
    from django.apps import apps  # noqa: PLC0415 - only this test asks for all of them

    ours = [model for app in ("firms", "integrations", "invoicing") for model in apps.get_app_config(app).get_models()]
    free = {model.__name__ for model in ours if not issubclass(model, FirmOwned)}
    assert free == {"User", "Firm"}
    for model in ours:
        if issubclass(model, FirmOwned):
            assert model._meta.get_field("firm").null is False, model


@pytest.fixture
def log() -> Firm:
    firm = factories.FirmFactory()
    news = [News("run", f"dossier {number}", {"number": number}) for number in range(3)]
    audit.record(firm=firm, news=news, by=Actor.command(), now=factories.NOW)
    return firm


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE firms_auditevent SET actor = 'nobody' WHERE number = 2",
        "UPDATE firms_auditevent SET hash = hash",
        "DELETE FROM firms_auditevent WHERE number = 3",
        "DELETE FROM firms_auditevent",
    ],
)
def test_audit_event_cannot_be_changed_or_deleted(log: Firm, statement: str) -> None:
    with pytest.raises(DatabaseError, match="append-only"):
        _execute(statement)
    assert audit.verify(firm=log) == audit.Verification(log.slug, 3, ok=True, first_bad=None)


def test_audit_event_cannot_be_replaced(log: Firm) -> None:
    row = AuditEvent.objects.get(firm=log, number=2)
    columns = "id, firm_id, number, at, actor, origin, type, subject, data, hash"
    values = (row.pk, log.pk, 2, row.at, "nobody", "", "run", "", "{}", hashlib.sha256(b"").hexdigest())
    marks = ", ".join(["%s"] * len(values))
    if connection.vendor == "postgresql":
        statement = (
            f"INSERT INTO firms_auditevent ({columns}) VALUES ({marks}) "
            "ON CONFLICT (id) DO UPDATE SET actor = EXCLUDED.actor"
        )
    else:
        statement = f"INSERT OR REPLACE INTO firms_auditevent ({columns}) VALUES ({marks})"
    with pytest.raises(DatabaseError, match="append-only"):
        _execute(statement, *values)
    assert audit.verify(firm=log).ok


@pytest.mark.postgresql  # SQLite has no TRUNCATE
def test_audit_log_cannot_be_truncated(log: Firm) -> None:
    _execute("SET CONSTRAINTS ALL IMMEDIATE")
    with pytest.raises(DatabaseError, match="append-only"):
        _execute("TRUNCATE firms_auditevent CASCADE")
    assert audit.verify(firm=log).ok
