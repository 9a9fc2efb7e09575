"""What a change of a rule, a mapping or an agreement marks: the hours that it can judge otherwise, and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from django.utils import timezone

from integrations.models import Entry
from invoicing.dossiers.agreements import agreements
from invoicing.dossiers.mappings import map_clients, map_tags, unmap_clients, unmap_tags
from invoicing.dossiers.rules import Pairing, set_dossiers, stated
from invoicing.ledger.states import derive
from invoicing.models import Agreement, Correction, LedgerRow
from invoicing.rules.judging.mapping import ClientRule, TagRule, Treatment
from tests.invoicing.agreements.agreed import terms
from tests.invoicing.scene import BY, Scene
from tests.worlds import BAKERY, BAKERY_NUMBER, BAKERY_PROJECT, COLLEAGUE, FIRST_ENTRY, GARAGE, entry

Change = Callable[[Scene], object]


def tags(*rules: TagRule) -> Change:
    return lambda books: map_tags(dossier=books.dossier, rules=rules, by=BY, now=timezone.now())


def clients(*rules: ClientRule) -> Change:
    return lambda books: map_clients(dossier=books.dossier, rules=rules, by=BY, now=timezone.now())


def rules(**changed: Any) -> Change:
    def change(books: Scene) -> None:
        dossier = books.dossier
        wanted = replace(stated(dossier, clients=[]), **changed)
        pairing = Pairing(dossier.workspace, dossier.company, wanted)
        set_dossiers(firm=books.firm, pairings=[pairing], by=BY, now=timezone.now())

    return change


def agreed(**changed: Any) -> Change:
    return lambda books: agreements.set_agreements(
        dossier=books.dossier, agreements=[terms(**changed)], by=BY, now=timezone.now()
    )


def marked(books: Scene, change: Change) -> list[int]:
    """The serials of what the change marks. That judges all that it can: to judge everything anew changes no row."""
    change(books)
    found = [
        pk - FIRST_ENTRY for pk in Entry.objects.marked().order_by("remote_id").values_list("remote_id", flat=True)
    ]
    derive.derive_marked(now=timezone.now())
    narrow = list(LedgerRow.objects.order_by("entry").values()), list(Correction.objects.order_by("pk").values())
    Entry.objects.update(marked_at=timezone.now())
    derive.derive_marked(now=timezone.now())
    assert narrow == (
        list(LedgerRow.objects.order_by("entry").values()),
        list(Correction.objects.order_by("pk").values()),
    )
    return found


@pytest.fixture
def books(scene: Callable[..., Scene]) -> Scene:
    """Billed: 1 and 2 of September, of which 2 has another tag since; open: garage 3 and 4 (a colleague's), bakery 5
    and 6; 7 is a twin of 3, and 8 is not billable."""
    entries = [
        entry(1, "2026-09-02"),
        entry(2, "2026-09-03"),
        entry(3, "2026-10-05", tag="Books", description="the same"),
        entry(4, "2026-10-06", user_id=COLLEAGUE),
        entry(5, "2026-10-07", project_id=BAKERY_PROJECT),
        entry(6, "2026-10-08", tag="Nothing", project_id=BAKERY_PROJECT),
        entry(7, "2026-10-05", tag="Books", description="the same"),
        entry(8, "2026-10-09", tag="intern"),
    ]
    made = scene(entries=entries)
    map_tags(dossier=made.dossier, rules=[TagRule("intern", "", bill=False)], by=BY, now=timezone.now())
    derive.derive_marked(now=timezone.now())
    made.posted(date(2026, 9, 30))
    made.control.put_entries({"id": FIRST_ENTRY + 2, "tags": ["Advice", "more"]})
    made.sync()
    assert not Correction.objects.exists()
    assert set(made.states().values()) == {"invoiced", "open", "attention", "not_billable"}
    return made


@pytest.mark.slow
def test_words_mark_nothing(books: Scene) -> None:
    assert marked(books, rules(name="Another", every="weekly", day=2, payment_days=14, group_by="entry")) == []
    assert marked(books, clients(ClientRule(GARAGE, purchase_order="4500"))) == []
    assert marked(books, clients(ClientRule(GARAGE, purchase_order="4501", buyer_reference="Us"))) == []
    assert marked(books, agreed()) != []
    assert marked(books, agreed(title="Other words", budget_hours=None)) == []


@pytest.mark.slow
def test_mapping_of_a_tag_marks_what_has_it(books: Scene) -> None:
    assert marked(books, tags(TagRule("NOTHING", "ADV"))) == [2, 6]
    assert marked(books, tags(TagRule("Advice", "FIS", person=COLLEAGUE))) == [2, 4, 5]
    assert marked(books, tags(TagRule("", "FIS", person=COLLEAGUE))) == [2, 4]
    # What is not billed any more is nobody's twin.
    assert marked(books, tags(TagRule("Books", "", bill=False))) == [2, 3, 7]
    assert marked(books, tags(TagRule("intern", "ADV"))) == [2, 8]
    gone = [("more", None), ("nothing", None)]
    assert marked(books, tags(TagRule("more", "FIS", priority=5))) == [2]
    assert [row.what for row in Correction.objects.open()] == [["product"]], "2 has another tag than was billed"
    assert marked(books, lambda scene: unmap_tags(dossier=scene.dossier, tags=gone, by=BY, now=timezone.now())) == [
        2,
        6,
    ]
    assert not Correction.objects.open().exists()


@pytest.mark.slow
def test_mapping_of_a_client_marks_its_hours(books: Scene) -> None:
    assert marked(books, clients(ClientRule(BAKERY, treatment=Treatment.reverse_charge))) == [2, 5, 6]
    assert marked(books, clients(ClientRule(GARAGE, number=BAKERY_NUMBER))) == [2, 3, 4, 7]
    one = [GARAGE]
    assert marked(
        books, lambda scene: unmap_clients(dossier=scene.dossier, clients=one, by=BY, now=timezone.now())
    ) == [2, 3, 4, 7]
    # With an agreement on the client, whoever is the same customer is covered.
    assert marked(books, agreed()) == [2, 3, 4, 7]
    assert marked(books, clients(ClientRule(GARAGE, number=BAKERY_NUMBER))) == [2, 3, 4, 5, 6, 7, 8]
    assert books.states()[FIRST_ENTRY + 5] == "covered"


@pytest.mark.slow
def test_agreement_marks_the_hours_of_its_customer_before_and_after(books: Scene) -> None:
    assert marked(books, agreed(client_id=None, number=BAKERY_NUMBER)) == [2, 5, 6]
    assert set(Agreement.objects.values_list("number", flat=True)) == {BAKERY_NUMBER}
    assert marked(books, agreed(client_id=GARAGE, number="")) == [2, 3, 4, 5, 6, 7]
    assert marked(books, agreed(client_id=GARAGE, number="", end=date(2026, 10, 5))) == [2, 3, 4, 7]


def test_rule_marks_what_the_dossier_has_not_billed_and_one_that_moves_hours_everything(books: Scene) -> None:
    assert marked(books, rules(longest_hours=1)) == [2, 3, 4, 5, 6, 7, 8]
    assert marked(books, rules(default_product="ADV")) == [2, 3, 4, 5, 6, 7, 8]
    assert marked(books, rules(billable="flagged", default_product="ADV")) == [1, 2, 3, 4, 5, 6, 7, 8]
