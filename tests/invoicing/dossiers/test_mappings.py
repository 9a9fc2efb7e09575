"""Mappings of tags and clients: written once, told whole, and marked for the ledger."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.models import Entry
from invoicing.dossiers.faults import Refused
from invoicing.dossiers.mappings import map_clients, map_tags, unmap_clients, unmap_tags
from invoicing.models import ClientMapping, Dossier, TagMapping
from invoicing.rules.judging.mapping import ClientRule, TagRule, Treatment
from tests.factories import ClientMappingFactory, TagMappingFactory, enterprise_number
from tests.invoicing.dossiers.made import BY, LATER, NOW, made
from tests.visitors import events

NUMBER, OTHER_NUMBER = enterprise_number(1), enterprise_number(2)
pytestmark = pytest.mark.django_db


def row_of(dossier: Dossier) -> tuple[str, int | None, bool, str, str, str]:
    row = ClientMapping.objects.get(dossier=dossier, client_remote_id=501)
    return (
        row.number,
        row.customer_party_id,
        row.is_proposed,
        row.treatment,
        row.purchase_order,
        row.buyer_reference,
    )


def test_map_tags_compares_tags_trimmed_and_case_folded() -> None:
    dossier = made()
    first = [TagRule("Advies", "ADV", True, 10), TagRule("intern", "", False)]
    assert map_tags(dossier=dossier, rules=first, by=BY, now=LATER) == {"created": 2}
    assert Entry.objects.get().marked_at == LATER
    assert map_tags(dossier=dossier, rules=first, by=BY, now=LATER) == {"unchanged": 2}
    # What is not named stays.
    assert map_tags(dossier=dossier, rules=[TagRule("Advies", "FIS")], by=BY, now=LATER) == {"updated": 1}
    assert sorted(TagMapping.objects.values_list("tag_key", "bill", "product_reference", "priority")) == [
        ("advies", True, "FIS", None),
        ("intern", False, "", None),
    ]
    advice = {"tag": "Advies", "bill": True, "product": "ADV", "priority": 10}
    assert events(dossier.firm)[1:] == [
        ("mapping_changed", "dossier bakery", {"old": None, "new": advice}),
        (
            "mapping_changed",
            "dossier bakery",
            {"old": None, "new": {"tag": "intern", "bill": False, "product": "", "priority": None}},
        ),
        (
            "mapping_changed",
            "dossier bakery",
            {"old": advice, "new": advice | {"product": "FIS", "priority": None}},
        ),
    ]


def test_map_tags_unchanged_marks_nothing() -> None:
    dossier = made()
    map_tags(dossier=dossier, rules=[TagRule("Advies", "ADV")], by=BY, now=NOW)
    Entry.objects.update(marked_at=None)
    map_tags(dossier=dossier, rules=[TagRule("Advies", "ADV")], by=BY, now=LATER)
    assert Entry.objects.get().marked_at is None


def test_map_clients_writes_what_a_person_states() -> None:
    dossier = made()
    wanted = [
        ClientRule(501, number=NUMBER, purchase_order="45"),
        ClientRule(502, party_id=88001, treatment=Treatment.eu_services, buyer_reference="Dept. 7"),
    ]
    assert map_clients(dossier=dossier, rules=wanted, by=BY, now=LATER) == {"created": 2}
    assert map_clients(dossier=dossier, rules=wanted, by=BY, now=LATER) == {"unchanged": 2}
    assert row_of(dossier) == (NUMBER, None, False, "", "45", "")
    other = ClientMapping.objects.get(client_remote_id=502)
    assert (other.number, other.customer_party_id, other.treatment, other.buyer_reference) == (
        "",
        88001,
        "eu_services",
        "Dept. 7",
    )
    first = {
        "client": 501,
        "vat": NUMBER,
        "customer": None,
        "proposed": False,
        "vat_treatment": "",
        "po": "45",
        "buyer_reference": "",
    }
    second = {"client": 502, "vat": "", "customer": 88001, "vat_treatment": "eu_services", "po": ""}
    assert [event[2] for event in events(dossier.firm)[1:]] == [
        {"old": None, "new": first},
        {"old": None, "new": first | second | {"buyer_reference": "Dept. 7"}},
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (ClientRule(501, purchase_order="45"), (NUMBER, None, True, "", "45", "")),
        (ClientRule(501, treatment=Treatment.domestic), (NUMBER, None, True, "domestic", "", "")),
        (ClientRule(501, number=OTHER_NUMBER), (OTHER_NUMBER, None, False, "", "", "")),
        (ClientRule(501, number=NUMBER), (NUMBER, None, False, "", "", "")),
        (ClientRule(501, party_id=88001), ("", 88001, False, "", "", "")),
    ],
)
def test_map_clients_keeps_a_proposed_number_that_nothing_replaces(rule: ClientRule, expected: tuple[Any, ...]) -> None:
    dossier = made()
    ClientMappingFactory.create(dossier=dossier, client_remote_id=501, number=NUMBER, is_proposed=True)
    assert map_clients(dossier=dossier, rules=[rule], by=BY, now=LATER) == {"updated": 1}
    assert row_of(dossier) == expected


def test_map_clients_takes_back_a_number_that_was_stated() -> None:
    dossier = made()
    ClientMappingFactory.create(dossier=dossier, client_remote_id=501, number=NUMBER, is_proposed=False)
    assert map_clients(dossier=dossier, rules=[ClientRule(501, purchase_order="45")], by=BY, now=LATER) == {
        "updated": 1
    }
    assert row_of(dossier) == ("", None, False, "", "45", "")


@pytest.mark.parametrize(
    ("keep_read", "rule", "expected"),
    [
        # Given back as it was read, it is no statement.
        (True, ClientRule(501, number=NUMBER, proposed=True, purchase_order="45"), (NUMBER, None, True, "", "45", "")),
        (True, ClientRule(501, number=OTHER_NUMBER, proposed=True), (OTHER_NUMBER, None, False, "", "", "")),
        (False, ClientRule(501), ("", None, False, "", "", "")),
        (False, ClientRule(501, number=NUMBER, proposed=True), (NUMBER, None, True, "", "", "")),
    ],
)
def test_map_clients_tells_a_number_read_in_the_name_from_a_stated_one(
    keep_read: bool, rule: ClientRule, expected: tuple[Any, ...]
) -> None:
    dossier = made()
    ClientMappingFactory.create(dossier=dossier, client_remote_id=501, number=NUMBER, is_proposed=True)
    map_clients(dossier=dossier, rules=[rule], keep_read=keep_read, by=BY, now=LATER)
    assert row_of(dossier) == expected


def test_renamed_mapping_keeps_its_row_and_is_one_event() -> None:
    dossier = made()
    tag = TagMappingFactory.create(dossier=dossier, tag="Advies", product_reference="ADV")
    client = ClientMappingFactory.create(dossier=dossier, client_remote_id=501, number=NUMBER)
    map_tags(dossier=dossier, rules=[TagRule("Advice", "ADV")], renamed={"Advice": "Advies"}, by=BY, now=LATER)
    map_clients(dossier=dossier, rules=[ClientRule(502, number=NUMBER)], renamed={502: 501}, by=BY, now=LATER)
    tag.refresh_from_db()
    client.refresh_from_db()
    assert (tag.tag, tag.tag_key, client.client_remote_id) == ("Advice", "advice", 502)
    told = [data for _kind, _subject, data in events(dossier.firm)[1:]]
    assert [(data["old"].get("tag"), data["new"].get("tag")) for data in told] == [("Advies", "Advice"), (None, None)]
    assert (told[1]["old"]["client"], told[1]["new"]["client"]) == (501, 502)


def test_mapping_taken_away_is_told_and_marks_the_entries() -> None:
    dossier = made()
    TagMappingFactory.create(dossier=dossier, tag="Advies", product_reference="ADV")
    ClientMappingFactory.create(dossier=dossier, client_remote_id=501, number=NUMBER)
    assert unmap_tags(dossier=dossier, tags=[" ADVIES", "nothing"], by=BY, now=LATER) == 1
    assert Entry.objects.get().marked_at == LATER
    assert unmap_clients(dossier=dossier, clients=[501, 999], by=BY, now=LATER) == 1
    told = [(kind, data["old"], data["new"]) for kind, _subject, data in events(dossier.firm)[1:]]
    assert told[0] == ("mapping_changed", {"tag": "Advies", "bill": True, "product": "ADV", "priority": None}, None)
    assert (told[1][1]["client"], told[1][2]) == (501, None)
    assert (TagMapping.objects.count(), ClientMapping.objects.count()) == (0, 0)


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (TagRule("", "ADV"), "tag: must not be empty."),
        (TagRule("a", ""), "product: missing; name a product's reference"),
        (TagRule("a", "ADV", bill=False), "product: a tag that is not billed leads to no product"),
        (TagRule("a", "ADV", priority=10**10), "priority: “10000000000” is out of range"),
        (TagRule("ß" * 128, "ADV"), "tag: is too long; the longest has 255 characters."),
    ],
)
def test_tag_mapping_that_cannot_stand_is_refused(rule: TagRule, sentence: str) -> None:
    dossier = made()
    with pytest.raises(Refused, match=sentence):
        map_tags(dossier=dossier, rules=[TagRule("fine", "ADV"), rule], by=BY, now=LATER)
    assert not TagMapping.objects.exists()


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        ([ClientRule(1, number="BE0999999999")], "1, vat: “BE0999999999” is not a valid VAT"),
        ([ClientRule(1, number=NUMBER, party_id=2)], "1, customer: stands beside vat"),
        ([ClientRule(1, purchase_order="x" * 201)], "1, po: has 201 characters; the longest is 200."),
        ([ClientRule(1), ClientRule(1)], "1, client: stands in this file twice."),
    ],
)
def test_client_mapping_that_cannot_stand_is_refused(rules: list[ClientRule], sentence: str) -> None:
    dossier = made()
    with pytest.raises(Refused, match=sentence):
        map_clients(dossier=dossier, rules=rules, by=BY, now=LATER)
    assert not ClientMapping.objects.exists()


CONTRADICTED = [{"tag": "non\u00a0facturable", "bill": False, "product": "", "priority": None}]


@pytest.mark.parametrize("rule", [TagRule("non facturable", "ADV"), TagRule("NON  facturable", "", bill=False)])
def test_mapping_that_was_contradicted_is_settled_by_stating_it(rule: TagRule) -> None:
    dossier = made()
    TagMappingFactory(dossier=dossier, tag="non facturable", product_reference="ADV", contradicted_by=CONTRADICTED)
    assert map_tags(dossier=dossier, rules=[rule], by=BY, now=LATER) == {"updated": 1}
    row = TagMapping.objects.get(dossier=dossier)
    assert (row.tag, row.bill, row.product_reference, row.contradicted_by) == (rule.tag, rule.bill, rule.product, [])
    assert Entry.objects.get().marked_at == LATER
    old = {"tag": "non facturable", "bill": True, "product": "ADV", "priority": None}
    assert events(dossier.firm)[-1][2]["old"] == old | {"contradicted_by": CONTRADICTED}
    assert "contradicted_by" not in events(dossier.firm)[-1][2]["new"]


def test_tag_copied_with_blanks_and_signs_that_do_not_show_is_mapped() -> None:
    dossier = made()
    map_tags(dossier=dossier, rules=[TagRule("non\u00a0fac\u00adturable", "", bill=False)], by=BY, now=NOW)
    assert TagMapping.objects.get(tag_key="non facturable").tag == "non\u00a0fac\u00adturable"
    with pytest.raises(Refused, match="must not be empty"):
        map_tags(dossier=dossier, rules=[TagRule("\u200b", "ADV")], by=BY, now=NOW)
