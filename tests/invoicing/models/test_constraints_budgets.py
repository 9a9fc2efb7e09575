"""Constraints of the notices of budgets, each broken by a write that nothing stands in front of."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from invoicing.models import BudgetNotice
from tests.factories import NOW, BudgetNoticeFactory, DossierFactory, PrepaidFactory, ProjectFactory
from tests.invoicing.refusing import breaks, refuses

pytestmark = pytest.mark.django_db


def of_project(**fields: Any) -> BudgetNotice:
    dossier = fields.pop("dossier", None) or DossierFactory()
    known = {"firm": dossier.firm, "dossier": dossier, "hours": 36_000, "level": 80, "noticed_at": NOW}
    project = fields.pop("project", None) or ProjectFactory(workspace=dossier.workspace)
    return BudgetNotice.objects.create(project=project, **known | fields)


@breaks(BudgetNotice, "budget_notice_once")
def test_notice_of_an_agreement_once_for_each_period_level_and_budget() -> None:
    row = BudgetNoticeFactory()
    for other in ({"level": 100}, {"period": date(2026, 12, 1)}, {"amount": Decimal("300.00")}, {"hours": 3600}):
        BudgetNoticeFactory(agreement=row.agreement, **other)
    columns = "firm_id, dossier_id, agreement_id, project_id, period, level, hours, amount, noticed_at, told_at"
    table = BudgetNotice._meta.db_table
    again = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE id = %s"
    refused = pytest.raises(IntegrityError, match=r"budget_notice_once|UNIQUE")
    with connection.cursor() as cursor, refused, transaction.atomic():
        cursor.execute(again, [row.pk])


@refuses(BudgetNotice, "budget_notice_once_a_project")
def test_notice_of_a_project_twice() -> None:
    row = of_project()
    of_project(dossier=row.dossier, project=row.project, hours=7200)
    of_project(dossier=row.dossier, project=row.project)


@breaks(BudgetNotice, "budget_notice_of_one_budget", "budget_notice_known_level", "budget_notice_has_a_budget")
@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"agreement": None}, "budget_notice_of_one_budget"),
        ({"period": None}, "budget_notice_of_one_budget"),
        ({"level": 90}, "budget_notice_known_level"),
        ({"amount": Decimal(0)}, "budget_notice_has_a_budget"),
        ({"amount": Decimal(-1), "hours": 3600}, "budget_notice_has_a_budget"),
    ],
)
def test_notice_that_cannot_be(changes: dict[str, Any], name: str) -> None:
    row = BudgetNoticeFactory()
    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        BudgetNotice.objects.filter(pk=row.pk).update(**changes)


def test_prepaid_hours_have_no_other_budget() -> None:
    with pytest.raises(IntegrityError, match="agreement_budget_of_something"), transaction.atomic():
        PrepaidFactory(budget_hours=Decimal(10))
