"""Tests that must end in the database's refusal by one named constraint; `broken` maps each constraint to its test."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

import pytest
from django.db import IntegrityError, connection, models, transaction

from invoicing.models import Claim, InvoiceLine
from tests.factories import InvoiceFactory, InvoiceLineFactory

Test = TypeVar("Test", bound=Callable[..., None])

broken: dict[str, str] = {}


def refuses(
    model: type[models.Model], name: str, *, trigger: str = ""
) -> Callable[[Callable[[], object]], Callable[[], None]]:
    """The test must end in the database's refusal by exactly this constraint (or unique field) of the model.

    `trigger`: what SQLite says instead where a trigger, or another constraint, stands before this one.
    """
    label = f"{model._meta.label}.{name}"

    def decorate(test: Callable[[], object]) -> Callable[[], None]:
        broken[label] = test.__name__

        @wraps(test)
        def run() -> None:
            with pytest.raises(IntegrityError) as refused, transaction.atomic():
                test()
            signs = [trigger] if trigger and connection.vendor == "sqlite" else _signs(model, name)
            assert any(sign in str(refused.value) for sign in signs), refused.value

        return run

    return decorate


def breaks(model: type[models.Model], *names: str) -> Callable[[Test], Test]:
    """The test breaks each of these constraints of the model by a write, and looks for the refusal itself."""

    def decorate(test: Test) -> Test:
        broken.update({f"{model._meta.label}.{name}": getattr(test, "__name__", "") for name in names})
        return test

    return decorate


def _signs(model: type[models.Model], name: str) -> list[str]:
    """How the database names the constraint: PostgreSQL by its name, SQLite a plain unique one by its columns."""
    found = next((row for row in model._meta.constraints if row.name == name), None)
    table = model._meta.db_table
    if connection.vendor == "postgresql":
        return [f'"{name}"'] if found else [f'"{table}_{_column(model, name)}']
    if isinstance(found, models.UniqueConstraint) and found.condition is None:
        return ["UNIQUE constraint failed: " + ", ".join(f"{table}.{_column(model, field)}" for field in found.fields)]
    return [name] if found and not isinstance(found, models.UniqueConstraint) else _conditional(model, name, found)


def _conditional(model: type[models.Model], name: str, found: models.BaseConstraint | None) -> list[str]:
    table = model._meta.db_table
    fields = found.fields if isinstance(found, models.UniqueConstraint) else (name,)
    return [f"index '{name}'", "UNIQUE constraint failed: " + ", ".join(f"{table}.{_column(model, f)}" for f in fields)]


def _column(model: type[models.Model], field: str) -> str:
    column: str = model._meta.get_field(field).column  # type: ignore[union-attr, assignment]  # a concrete field
    return column


def another_line(claim: Claim) -> InvoiceLine:
    """A line of another invoice of the same dossier."""
    dossier = claim.line.invoice.dossier
    return InvoiceLineFactory(invoice=InvoiceFactory(dossier=dossier, with_line=False), with_claim=False)
