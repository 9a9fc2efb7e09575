"""Customers of the ledger: proposed by the name, pinned, chosen by a person."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from invoicing.models import ClientMapping, CustomerPin
from tests.factories import enterprise_number
from tests.invoicing.ledger.derived import Load, edit, row, state
from tests.invoicing.scene import Record, Scene
from tests.worlds import (
    BAKERY,
    BAKERY_NUMBER,
    BAKERY_PARTY,
    BAKERY_PROJECT,
    GARAGE,
    GARAGE_NUMBER,
    GARAGE_PARTY,
    client,
    entry,
    party,
)

OTHER_NUMBER = enterprise_number(77)


def one_number(name: str, **changes: Any) -> Record:
    """A world in which the garage's Toggl client bears this name."""
    return {"entries": [entry(1)], "clients": [client(GARAGE, name), client(BAKERY, "Bakery")], **changes}


def mappings() -> dict[int, tuple[str, bool]]:
    rows = ClientMapping.objects.values_list("client_remote_id", "number", "is_proposed")
    return {client_id: (number, proposed) for client_id, number, proposed in rows}


def rename(scene: Scene, name: str) -> None:
    scene.later(minutes=10)
    scene.control.put_toggl("clients", {"id": GARAGE, "name": name})
    scene.sync()


def test_a_number_in_a_name_is_proposed_at_sync_and_told_once(scene: Load) -> None:
    made = scene()
    assert mappings() == {GARAGE: (GARAGE_NUMBER, True), BAKERY: (BAKERY_NUMBER, True)}
    made.later(minutes=10)
    made.sync()
    proposed = [event.data for event in made.events("mapping_changed") if "client" in event.data["new"]]
    read = {"customer": None, "proposed": True, "vat_treatment": "", "po": "", "buyer_reference": ""}
    assert proposed == [
        {"old": None, "new": {"client": GARAGE, "vat": GARAGE_NUMBER} | read},
        {"old": None, "new": {"client": BAKERY, "vat": BAKERY_NUMBER} | read},
    ]
    assert (row().buyer_key, row().buyer_name) == (f"party:{GARAGE_PARTY}", "Garage Vonk SRL")


def test_a_rename_to_another_number_does_not_repoint_it(scene: Load) -> None:
    made = scene(**one_number(f"Garage {GARAGE_NUMBER}"))
    rename(made, f"Garage {BAKERY_NUMBER}")
    assert state() == ("attention", "client_vat_changed")
    assert mappings()[GARAGE] == (GARAGE_NUMBER, True)
    rename(made, f"Garage Nieuw {GARAGE_NUMBER}")
    assert (state(), row().client_name) == (("open", ""), f"Garage Nieuw {GARAGE_NUMBER}")


@pytest.mark.parametrize("name", ["Garage", "Garage Vonk (new)", "BE0999999999 Garage"], ids=str)
def test_a_rename_to_no_number_changes_nothing(scene: Load, name: str) -> None:
    made = scene(**one_number(f"Garage {GARAGE_NUMBER}"))
    rename(made, name)
    assert (state(), row().buyer_key) == (("open", ""), f"party:{GARAGE_PARTY}")
    assert mappings()[GARAGE] == (GARAGE_NUMBER, True)


def test_a_number_that_comes_later_is_proposed_then(scene: Load) -> None:
    made = scene(**one_number("Garage"))
    assert (state(), mappings()) == (("attention", "no_vat"), {})
    rename(made, f"Garage {GARAGE_NUMBER}")
    assert (state(), mappings()) == (("open", ""), {GARAGE: (GARAGE_NUMBER, True)})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("chosen", "buyer"),
    [({"vat": BAKERY_NUMBER}, BAKERY_PARTY), ({"customer": BAKERY_PARTY}, BAKERY_PARTY)],
    ids=["number", "party"],
)
def test_an_explicit_mapping_ignores_the_name_and_every_rename(scene: Load, chosen: Record, buyer: int) -> None:
    made = scene(**one_number(f"Garage {GARAGE_NUMBER}", client_map=[{"client": GARAGE, **chosen}]))
    for name in ("Garage", f"Garage {OTHER_NUMBER}", f"{GARAGE_NUMBER} {OTHER_NUMBER}"):
        assert (state(), row().buyer_key) == (("open", ""), f"party:{buyer}")
        rename(made, name)
    assert (state(), row().buyer_key) == (("open", ""), f"party:{buyer}")
    assert {proposed for _, proposed in mappings().values()} == {False}


def test_a_mapping_to_a_party_that_billit_does_not_have_is_attention(scene: Load) -> None:
    scene(**one_number("Garage", client_map=[{"client": GARAGE, "customer": 4711}]))
    assert state() == ("attention", "unknown_customer")


def test_a_mapping_of_references_alone_leaves_the_customer_to_the_name(scene: Load) -> None:
    made = scene(**one_number(f"Garage {GARAGE_NUMBER}", client_map=[{"client": GARAGE, "po": "4500"}]))
    mapping = ClientMapping.objects.get()
    assert (mapping.number, mapping.is_proposed, mapping.purchase_order) == (GARAGE_NUMBER, True, "4500")
    assert state() == ("open", "")
    rename(made, f"Garage {OTHER_NUMBER}")
    assert state() == ("attention", "client_vat_changed")


def test_a_customer_found_by_number_is_pinned_and_stays_when_billit_gets_a_second_one(scene: Load) -> None:
    made = scene(**one_number(f"Garage {GARAGE_NUMBER}"))
    assert list(CustomerPin.objects.values_list("number", "party_id")) == [(GARAGE_NUMBER, GARAGE_PARTY)]
    made.control.put_billit("parties", party(80_099, "Twin", GARAGE_NUMBER))
    made.later(minutes=10)
    made.sync()
    edit(made, description="judged again")
    assert (state(), row().buyer_key) == (("open", ""), f"party:{GARAGE_PARTY}")


def test_a_party_chosen_for_one_client_does_not_decide_for_another_of_the_same_number(scene: Load) -> None:
    made = scene(
        entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)],
        clients=[client(GARAGE, "Garage"), client(BAKERY, f"Other garage {GARAGE_NUMBER}")],
        parties=[party(81, "One", GARAGE_NUMBER), party(82, "Twin", GARAGE_NUMBER)],
        client_map=[{"client": GARAGE, "customer": 82}],
    )
    for _ in range(2):
        assert (state(1), row(1).buyer_key) == (("open", ""), "party:82")
        assert state(2) == ("attention", "several_customers")
        edit(made, 2, description=f"judged again at {timezone.now()}")
    assert not CustomerPin.objects.exists()


def test_two_clients_of_one_customer_share_the_buyer(scene: Load) -> None:
    scene(
        entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)],
        clients=[client(GARAGE, f"Garage {GARAGE_NUMBER}"), client(BAKERY, f"Carwash 0{GARAGE_NUMBER[3:]}")],
    )
    assert row(1).buyer_key == row(2).buyer_key == f"party:{GARAGE_PARTY}"
