"""``verify_audit`` finds an annex of hours that is not the one that was frozen, whatever its row says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from invoicing.models import Annex
from tests.invoicing.annexes.conftest import frozen
from tests.invoicing.scene import Scene
from tests.toggbill.firms.rewriting import rewrite, unlock, without
from tests.worlds import entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.fixture
def books(scene: Make, quick: list[str]) -> Scene:
    """One invoice, approved, with its annex; the triggers that keep annexes are away."""
    made = scene(entries=[entry(1)], annex=True)
    frozen(made.approved())
    assert verified(made) == (0, "")
    unlock(Annex._meta.db_table)
    return made


def verified(books: Scene) -> tuple[int, str]:
    """The exit code, and what is said of an annex."""
    done = books.command("verify_audit", "--firm", books.firm.slug)
    return done.code, " ".join(line.strip() for line in done.words.splitlines() if "annex of hours" in line)


@pytest.mark.parametrize("kind", ["pdf", "csv"])
def test_changed_file_is_found_although_its_row_names_its_hash(books: Scene, kind: str) -> None:
    annex = Annex.objects.get()
    Annex.objects.update(**{kind: b"other", f"{kind}_hash": hashlib.sha256(b"other").hexdigest()})
    code, said = verified(books)
    assert code == 1
    assert (
        f"The {kind} of the annex of hours of invoice {annex.invoice.reference} are not those that were frozen" in said
    )


def test_annex_that_is_gone_is_missed(books: Scene) -> None:
    reference = Annex.objects.get().invoice.reference
    Annex.objects.all().delete()
    code, said = verified(books)
    assert code == 1
    assert f"The annex of hours of invoice {reference} was frozen by its events, and has no row." in said


def test_annex_of_which_no_event_tells_is_found(books: Scene) -> None:
    reference = Annex.objects.get().invoice.reference
    rewrite(books.firm, without("annex_frozen"))
    code, said = verified(books)
    assert code == 1
    assert f"No event tells of the annex of hours of invoice {reference}." in said
