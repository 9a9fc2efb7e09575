"""No verb changes the books of a closed firm: every verb there is, each on something that it would change.

Verbs are found by what they take (``by`` and ``now``), so a new one fails here until it stands in the table. Each is
called twice: in an open firm, where it must do something (else the second half proves nothing), and in a closed one.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from django.apps import apps
from django.db import models

import integrations
import invoicing
import toggbill.firms
import toggbill.leaving
import toggbill.urls  # registers the converters that the addresses of ``invoicing.web`` name
from invoicing.models import Dossier
from tests.factories import (
    NOW,
    DossierFactory,
    FirmFactory,
)
from tests.toggbill.leaving.verbs import BY, CASES, Made
from toggbill.firms.models import Firm, FirmOwned
from toggbill.leaving import closing

pytestmark = pytest.mark.django_db

# What goes on in a closed firm: who reads its books, that they are taken along (and a new firm is another one).
STAYS = {
    "toggbill.firms.identity.addresses.address_changed",
    "toggbill.firms.identity.addresses.change_address",
    "toggbill.firms.identity.addresses.tell_firms",
    "toggbill.firms.accounts.bad_tries.record_lock",
    "toggbill.firms.admin.looks.record_look",
    "toggbill.firms.membership.invitations.add_member",
    "toggbill.firms.membership.invitations.invite",
    "toggbill.firms.membership.invitations.renew",
    "toggbill.firms.membership.invitations.revoke",
    "toggbill.firms.membership.lost_step.reset_by_operator",
    "toggbill.firms.membership.lost_step.reset_by_owner",
    "toggbill.firms.membership.members.change_reach",
    "toggbill.firms.membership.members.change_role",
    "toggbill.firms.membership.members.remove",
    "toggbill.firms.membership.members.choose_mails",
    "toggbill.firms.membership.members.restrict",
    "toggbill.firms.membership.members.want_heads",
    "toggbill.firms.membership.signup.open_firm",
    "toggbill.leaving.archive.write",
    "invoicing.evidence.pack.make",
    "invoicing.evidence.pack.note",
}
# Part of other verbs, in whose transaction they are: those write the event, and are refused there.
PARTS = {
    "invoicing.corrections.decide.draft_credit",
    "invoicing.ledger.states.differences.decide",
    "invoicing.posting.attachments.files_of",
    "invoicing.posting.attempts.never_left",
    "invoicing.posting.post.mark_in_doubt",
    "invoicing.posting.post.settle",
    "invoicing.drafting.runs.draft_again",
    "invoicing.drafting.runs.draft_derived",
    "invoicing.web.invoices.together.each",
}
# Verbs that say not who does it: a service does, or the wish stands in the row.
WITHOUT_ACTOR = {"integrations.webhooks.receiving.hasten"}


def verbs() -> Iterator[str]:
    """Every function that says who does something, and when."""
    for package in (integrations, invoicing, toggbill.firms, toggbill.leaving):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if {"sandbox", "migrations", "management", "probing"} & set(found.name.split(".")):
                continue
            module = importlib.import_module(found.name)
            for name, function in inspect.getmembers(module, inspect.isfunction):
                told = inspect.signature(function).parameters
                if function.__module__ == found.name and not name.startswith("_") and {"by", "now"} <= told.keys():
                    yield f"{found.name}.{name}"


def test_every_verb_is_in_the_table() -> None:
    assert set(verbs()) == (CASES.keys() - WITHOUT_ACTOR) | STAYS | PARTS


# When a worker looks at a row again: no matter of the books.
_PAUSES = {"not_before"}


def _books(firm: Firm) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the firm, and the firm."""
    found = {}
    for model in [model for model in apps.get_models() if issubclass(model, FirmOwned)]:
        names = [field.attname for field in model._meta.concrete_fields if field.attname not in _PAUSES]
        found[model._meta.label] = list(model._default_manager.filter(firm=firm).order_by("pk").values_list(*names))
    return found | {"firm": list(Firm.objects.filter(pk=firm.pk).values_list())}


def _function(name: str) -> Callable[..., object]:
    module, _, function = name.rpartition(".")
    found: Callable[..., object] = getattr(importlib.import_module(module), function)
    return found


def _called(name: str, made: Made) -> object:
    function = _function(name)
    more = {"by": BY} if "by" in inspect.signature(function).parameters else {}
    return function(**made, **more, now=NOW)


@pytest.fixture
def dossier() -> Dossier:
    return DossierFactory(firm=FirmFactory(slug="ours"))


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if not case.asks])
def test_verb_changes_an_open_firm(name: str, dossier: Dossier) -> None:
    made = CASES[name].made(dossier)
    before = _books(dossier.firm)
    _called(name, made)
    assert _books(dossier.firm) != before


@pytest.mark.parametrize("name", CASES)
def test_verb_changes_nothing_of_a_closed_firm(name: str, dossier: Dossier) -> None:
    case = CASES[name]
    made = case.made(dossier)
    closing.close(firm=dossier.firm, by=BY, now=NOW)
    case.since(made)
    for value in made.values():
        for row in value if isinstance(value, list) else [value]:
            if isinstance(row, models.Model) and type(row)._default_manager.filter(pk=row.pk).exists():
                row.refresh_from_db()
    before = _books(dossier.firm)
    with nullcontext() if case.refusal is None else pytest.raises(case.refusal):
        _called(name, made)
    assert _books(dossier.firm) == before
