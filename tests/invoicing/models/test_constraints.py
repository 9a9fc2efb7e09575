"""Every constraint of the database is broken by a write that no verb and no form stands in front of (design D5).

`broken` maps each constraint to the test that breaks it; the test here fails when a model has one that is not there.
"""

from __future__ import annotations

from django.apps import apps

from tests.invoicing.models import (
    test_brought_once,
    test_claims_once,
    test_constraints_agreements,
    test_constraints_budgets,
    test_constraints_discounts,
    test_constraints_firms,
    test_constraints_invoices,
    test_constraints_kept,
    test_constraints_ledger,
    test_constraints_prepaid,
    test_constraints_write_backs,
    test_deductions_once,
)
from tests.invoicing.refusing import broken

OURS = ("firms", "integrations", "invoicing", "toggbill")
BREAKING = (
    test_constraints_agreements,
    test_constraints_budgets,
    test_constraints_discounts,
    test_constraints_firms,
    test_constraints_invoices,
    test_constraints_kept,
    test_constraints_ledger,
    test_constraints_prepaid,
    test_constraints_write_backs,
    test_deductions_once,
    test_brought_once,
    test_claims_once,
)


def test_every_constraint_of_every_model_is_broken_by_a_test() -> None:
    standing = set()
    for model in (
        model for label in OURS for model in apps.get_app_config(label).get_models(include_auto_created=True)
    ):
        label = model._meta.label
        standing |= {f"{label}.{constraint.name}" for constraint in model._meta.constraints}
        standing |= {
            f"{label}.{field.name}" for field in model._meta.concrete_fields if field.unique and not field.primary_key
        }
        # A many-to-many table of Django's own says "once" in this older form; ours have none beside it.
        assert not (model._meta.unique_together and not model._meta.auto_created), label
    assert set(broken) ^ standing == set()
    absent = {name for name in broken.values() if not any(hasattr(module, name) for module in BREAKING)}
    assert absent == set()


def test_every_model_of_the_product_is_among_those() -> None:
    assert {
        model._meta.app_label for model in apps.get_models() if model.__module__.startswith(("toggbill", "in"))
    } == {*OURS}
