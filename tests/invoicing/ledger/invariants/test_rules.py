"""Every rule of the books: broken by raw SQL, it is told by its name, with where and what."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import translation

from integrations.models import Entry, Workspace
from invoicing.ledger import balance
from invoicing.ledger.invariants import invariants
from invoicing.ledger.states import derive
from invoicing.models import Correction, Dossier
from tests.conftest import Outcome
from tests.factories import (
    CompanyFactory,
    DossierFactory,
    ReportedMonthFactory,
    WorkspaceFactory,
)
from tests.invoicing.ledger import unfenced
from tests.invoicing.ledger.invariants.books import DRAFTED, OPEN, row_of, told
from tests.invoicing.ledger.invariants.breakages import BREAKAGES, invoice, row
from tests.worlds import NOW

pytestmark = pytest.mark.django_db


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKAGES)
def test_a_rule_that_is_broken_is_told_with_its_subject(name: str, books: Dossier) -> None:
    statements, expected = BREAKAGES[name]
    WorkspaceFactory(firm=books.firm, remote_id=77)
    before = told(books)
    with transaction.atomic():
        unfenced.run(*statements)
        found = told(books)
        by_month = {f"{sheet.month:%Y-%m}" for sheet in balance.months(dossiers=[books]) if not sheet.balanced}
        asked = {month: told(books, month=date.fromisoformat(f"{month}-01")) for month, _, _ in expected}
        august = told(books, month=date(2026, 7, 1))
        transaction.set_rollback(True)
    assert before == set()
    assert found == expected
    assert by_month == {month for month, _, _ in expected}
    assert asked == {month: {each for each in expected if each[0] == month} for month, _, _ in expected}
    assert august == set()


def test_a_month_whose_total_is_not_toggls_is_told(books: Dossier) -> None:
    ReportedMonthFactory(
        dossier=books, month=date(2026, 10, 1), toggl_seconds=7200, own_seconds=3600, differs_since=NOW
    )
    assert told(books) == {("2026-10", "toggl_total", "month 2026-10")}
    assert told(books, month=date(2026, 11, 1)) == set()
    (found,) = invariants.broken(dossiers=[books])
    assert "Toggl reports 2:00:00, and 1:00:00 are mirrored: a difference of 1:00:00." in found.sentence


def test_every_rule_has_a_breakage_of_its_own_and_a_line_in_the_readme() -> None:
    rules = [check.__name__ for check in invariants.CHECKS]
    alone = {next(iter({rule for _, rule, _ in expected})) for _, expected in BREAKAGES.values()}
    assert all(len({rule for _, rule, _ in expected}) == 1 for _, expected in BREAKAGES.values())
    assert alone | {"toggl_total"} == set(rules)
    readme = (Path(__file__).parents[4] / "README.md").read_text(encoding="utf-8")
    table = [f"| `{check.__name__}` | {' '.join((check.__doc__ or '').split())} |" for check in invariants.CHECKS]
    assert "\n".join(table) in readme


def test_the_command_tells_the_rule_the_subject_and_the_sentence(
    books: Dossier, command: Callable[..., Outcome]
) -> None:
    with transaction.atomic():
        unfenced.run(row(OPEN, "seconds = 3599"))
        answered = command("ledger", "--firm", "fiduciaire", "--month", "2026-11")
        sound = command("ledger", "--firm", "fiduciaire", "--month", "2026-10").answer["dossiers"][0]
        transaction.set_rollback(True)
    (sheet,) = answered.answer["dossiers"]
    sentence = "Entry 11 of 2026-11-05 counts 3599 s in the books, 3600 s as mirrored."
    assert sheet["balanced"] is False
    assert sheet["broken"] == [{"rule": "seconds_add_up", "subject": "entry 11", "sentence": sentence}]
    assert f"Dossier bakery, 2026-11, seconds_add_up: {sentence}" in answered.words
    assert (sound["balanced"], sound["broken"]) == (True, [])


def test_sentences_are_in_the_readers_language(books: Dossier) -> None:
    with transaction.atomic():
        unfenced.run(invoice("billed", "total_excl = 96.00, total_incl = 115.95"), row(DRAFTED, "state = 'open'"))
        fits, totals = invariants.broken(dossiers=[books])
        transaction.set_rollback(True)
    assert totals.sentence.endswith("comes to 96.00 + 19.95 = 115.95, its lines make 95.00 + 19.95 = 114.95.")
    with translation.override("fr"):
        assert "05/09/2026" in fits.sentence
        assert "ouvert" in fits.sentence.lower()
        assert "96,00 + 19,95 = 115,95" in totals.sentence
        assert fits.sentence.startswith("La facture tb-drafted contient la prestation 13")


def test_what_is_broken_in_one_dossier_is_not_told_of_its_neighbours(books: Dossier) -> None:
    beside = DossierFactory(firm=books.firm, company=books.company, workspace=WorkspaceFactory(firm=books.firm))
    row_of(beside, 99, date(2026, 11, 5))
    with transaction.atomic():
        unfenced.run(row(OPEN, "seconds = 1"))
        assert told(beside) == set()
        both = invariants.broken(dossiers=[beside, books])
        transaction.set_rollback(True)
    assert [(each.dossier, each.rule) for each in both] == [(books.pk, "seconds_add_up")]


def test_an_entry_that_another_dossier_of_the_workspace_bills_is_told_there_alone(books: Dossier) -> None:
    beside = DossierFactory(firm=books.firm, workspace=books.workspace, company=CompanyFactory(firm=books.firm))
    Entry.objects.filter(remote_id=OPEN).update(marked_at=NOW)
    assert told(beside) == set()
    assert told(books, beside) == {("2026-11", "one_state", "entry 11")}
    derive.derive(workspace=Workspace.objects.get(pk=books.workspace_id), now=NOW)
    assert not Entry.objects.marked().exists()
    assert Correction.objects.count() == 0
