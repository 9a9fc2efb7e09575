from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import (
    Buyer,
    ClientRule,
    Customer,
    Reason,
    State,
    TagRule,
    Treatment,
    Verdict,
)
from invoicing.rules.text import text_key
from tests.invoicing.strategies import a_product, an_entry, belgian_number, judge, some_rules

BAKERY = belgian_number(1)  # BE0999000129
GARAGE = belgian_number(2)  # BE0999000228
ADV = a_product()


def test_text_key_trims_and_folds_case() -> None:
    assert text_key("  Strasse ") == text_key("STRASSE") == text_key("Straße")


# R1: which entries, whose books


@pytest.mark.parametrize(
    ("entry", "state"),
    [
        ({"day": date(2026, 8, 31)}, None),
        ({"day": date(2026, 8, 31), "deleted": True}, None),
        ({"day": date(2026, 9, 1)}, State.open),
        ({"deleted": True, "running": True, "seconds": 0}, State.deleted),
        ({"running": True, "seconds": 0, "tags": ("intern",)}, State.running),
        ({"seconds": -1_790_000_000}, State.running),
        ({"seconds": 0}, State.not_billable),
        ({"seconds": 0, "project_id": None}, State.not_billable),
        ({"seconds": 1}, State.open),
    ],
)
def test_verdict_on_which_entries(entry: dict[str, Any], state: State | None) -> None:
    verdict = judge(entry, tags=(TagRule("intern", "", bill=False),))
    assert (verdict.state, verdict.reason) == (state, None)


@pytest.mark.parametrize(
    ("client_id", "rules", "state", "reason"),
    [
        (501, {"clients": None}, State.open, None),
        (501, {"clients": frozenset({501}), "takes_unassigned": False}, State.open, None),
        (502, {"clients": frozenset({501}), "takes_unassigned": False}, None, None),
        (502, {"clients": frozenset({501})}, State.attention, Reason.unassigned_client),
        (502, {"clients": frozenset()}, State.attention, Reason.unassigned_client),
        (502, {"clients": frozenset({501}), "named_elsewhere": frozenset({502})}, None, None),
        (502, {"clients": None, "named_elsewhere": frozenset({502})}, None, None),
        (None, {"clients": frozenset({501}), "takes_unassigned": False}, None, None),
        (None, {"clients": frozenset({501})}, State.attention, Reason.no_client),
    ],
)
def test_verdict_on_whose_books(
    client_id: int | None, rules: dict[str, Any], state: State | None, reason: Reason | None
) -> None:
    verdict = judge({"client_id": client_id}, **rules)
    assert (verdict.state, verdict.reason) == (state, reason)


@pytest.mark.parametrize("entry", [{"deleted": True}, {"running": True}, {"seconds": 0}, {"tags": ("intern",)}])
def test_verdict_on_another_dossiers_entry_is_outside_whatever_its_state(entry: dict[str, Any]) -> None:
    rules = {"named_elsewhere": frozenset({502}), "tags": (TagRule("intern", "", bill=False),)}
    assert judge({"client_id": 502, **entry}, **rules) == Verdict(None)


def test_verdict_on_unassigned_work_that_is_not_billable_is_no_attention() -> None:
    rules: dict[str, Any] = {"clients": frozenset({501}), "billable": "flagged"}
    assert judge({"client_id": 502, "billable": False}, **rules).state is State.not_billable


# R2: billable


@pytest.mark.parametrize(
    ("billable", "flag", "state"),
    [
        ("all", False, State.open),
        ("all", True, State.open),
        ("flagged", True, State.open),
        ("flagged", False, State.not_billable),
    ],
)
def test_verdict_on_the_billable_flag(billable: str, flag: bool, state: State) -> None:
    assert judge({"billable": flag}, billable=billable).state is state


@pytest.mark.parametrize("tags", [("Intern",), ("ADV", " INTERN "), ("unknown", "intern")])
def test_verdict_on_a_do_not_bill_tag(tags: tuple[str, ...]) -> None:
    rules = (TagRule("intern", "", bill=False), TagRule("ADV", "ADV", priority=99))
    assert judge({"tags": tags, "project_id": None}, tags=rules) == Verdict(State.not_billable)


# R3: the customer


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"project_id": None, "client_id": None, "client_name": ""}, Reason.no_project),
        ({"client_id": None, "client_name": ""}, Reason.no_client),
        ({"client_name": "Bakery"}, Reason.no_vat),
        ({"client_name": "Bakery BE0999000128"}, Reason.invalid_vat),
        ({"client_name": f"{BAKERY} {GARAGE}"}, Reason.several_vats),
        ({"client_name": "Bakery", "tags": ()}, Reason.no_vat),
        ({"client_name": "Winery LU99999984"}, Reason.foreign_vat),
        ({"client_name": "Winery LU99999984", "tags": ()}, Reason.no_tag),
    ],
)
def test_verdict_on_a_client_without_mapping(entry: dict[str, Any], reason: Reason) -> None:
    verdict = judge(entry)
    assert (verdict.state, verdict.reason, verdict.buyer) == (State.attention, reason, None)


def test_verdict_on_a_customer_that_billit_does_not_have() -> None:
    assert judge({"client_name": f"Bakery West (BTW {BAKERY})"}).buyer == Buyer(
        BAKERY, None, "Bakery West", "", Treatment.domestic, "", ""
    )


def test_verdict_names_a_new_customer_by_its_mapped_number_when_the_name_is_only_another_number() -> None:
    verdict = judge({"client_name": BAKERY}, clients_map=(ClientRule(501, number=GARAGE),))
    assert verdict.buyer == Buyer(GARAGE, None, GARAGE, "", Treatment.domestic, "", "")


def test_verdict_on_a_customer_that_billit_has() -> None:
    customers = (Customer(9001, "Bakery Example", BAKERY, "NL"), Customer(9002, "Garage", GARAGE, "FR"))
    assert judge(customers=customers).buyer == Buyer(BAKERY, 9001, "Bakery Example", "NL", Treatment.domestic, "", "")


def test_verdict_on_two_customers_with_one_number() -> None:
    customers = (Customer(9001, "Bakery Example", BAKERY, ""), Customer(9002, "Bakery Double", BAKERY, ""))
    assert judge(customers=customers).reason is Reason.several_customers
    pinned = judge(customers=customers, pins={BAKERY: 9002})
    assert pinned.buyer == Buyer(BAKERY, 9002, "Bakery Double", "", Treatment.domestic, "", "")


def test_verdict_on_a_pin_that_is_not_among_the_customers_yet() -> None:
    assert judge(pins={BAKERY: 9003}).buyer == Buyer(BAKERY, 9003, "Bakery", "", Treatment.domestic, "", "")


@pytest.mark.parametrize(
    ("rule", "name", "number", "reason"),
    [
        # typed: it decides whatever the name says
        (ClientRule(501, number=GARAGE), "Bakery", GARAGE, None),
        (ClientRule(501, number=GARAGE), f"Bakery {BAKERY}", GARAGE, None),
        (ClientRule(501, number=GARAGE), f"{BAKERY} {GARAGE}", GARAGE, None),
        (ClientRule(501, number="BE 0999.000.228"), "Bakery", GARAGE, None),
        (ClientRule(501, number="BE0999000999"), "Bakery", "", Reason.invalid_vat),
        # proposed: pinned, and another number in the name is not followed
        (ClientRule(501, number=BAKERY, proposed=True), f"Bakery {BAKERY}", BAKERY, None),
        (ClientRule(501, number=BAKERY, proposed=True), "Bakery, renamed", BAKERY, None),
        (ClientRule(501, number=BAKERY, proposed=True), "Bakery BE0999000128", BAKERY, None),
        (ClientRule(501, number=BAKERY, proposed=True), f"Bakery {GARAGE}", "", Reason.client_vat_changed),
        (ClientRule(501, number=BAKERY, proposed=True), f"{BAKERY} {GARAGE}", "", Reason.client_vat_changed),
        # only a treatment or references: the name decides
        (ClientRule(501, treatment=Treatment.reverse_charge), f"Bakery {BAKERY}", BAKERY, None),
        (ClientRule(501, purchase_order="4500"), "Bakery", "", Reason.no_vat),
        # another client's row says nothing here
        (ClientRule(502, number=GARAGE), f"Bakery {BAKERY}", BAKERY, None),
    ],
)
def test_verdict_on_a_client_mapping(rule: ClientRule, name: str, number: str, reason: Reason | None) -> None:
    verdict = judge({"client_name": name}, clients_map=(rule,))
    assert (verdict.reason, verdict.buyer.number if verdict.buyer else "") == (reason, number)


def test_verdict_on_a_mapping_by_party() -> None:
    customers = (Customer(9001, "Bakery Example", "", "fr"),)
    mapped = judge({"client_name": "Bakery"}, clients_map=(ClientRule(501, party_id=9001),), customers=customers)
    assert mapped.buyer == Buyer("", 9001, "Bakery Example", "fr", Treatment.domestic, "", "")
    gone = judge({"client_name": "Bakery"}, clients_map=(ClientRule(501, party_id=9009),), customers=customers)
    assert (gone.state, gone.reason, gone.buyer) == (State.attention, Reason.unknown_customer, None)


def test_verdict_carries_the_references_and_treatment_of_the_mapping() -> None:
    rule = ClientRule(501, treatment=Treatment.outside_scope, purchase_order=" 4500 ", buyer_reference="Dept. 7 ")
    assert judge(clients_map=(rule,)).buyer == Buyer(
        BAKERY, None, "Bakery", "", Treatment.outside_scope, "4500", "Dept. 7"
    )


@pytest.mark.parametrize(("party_id", "key"), [(9001, "party:9001"), (None, f"number:{BAKERY}")])
def test_buyer_key(party_id: int | None, key: str) -> None:
    assert Buyer(BAKERY, party_id, "Bakery", "", Treatment.domestic, "", "").key == key


@pytest.mark.parametrize(
    ("rule", "customers", "reason"),
    [
        (ClientRule(501, number="LU99999984"), (), Reason.foreign_vat),
        (ClientRule(501, number="LU99999984", treatment=Treatment.eu_services), (), None),
        (ClientRule(501, number="LU99999984", treatment=Treatment.domestic), (), None),
        (ClientRule(501, party_id=9001), (Customer(9001, "Winery", "LU99999984", ""),), Reason.foreign_vat),
        (ClientRule(501, party_id=9001), (Customer(9001, "Chalet", "CHE999999996", ""),), Reason.foreign_vat),
        (
            ClientRule(501, party_id=9001, treatment=Treatment.eu_services),
            (Customer(9001, "Winery", "LU99999984", ""),),
            None,
        ),
        (ClientRule(501, party_id=9001), (Customer(9001, "Neighbour", "", ""),), None),
        (ClientRule(501, party_id=9001), (Customer(9001, "Neighbour", "", "", " be "),), None),
        (ClientRule(501, party_id=9001), (Customer(9001, "Smith Inc", "", "", "US"),), Reason.foreign_vat),
        (
            ClientRule(501, party_id=9001, treatment=Treatment.outside_scope),
            (Customer(9001, "Smith Inc", "", "", "US"),),
            None,
        ),
        # A Belgian number is billed as one, wherever its office is.
        (ClientRule(501, party_id=9001), (Customer(9001, "Bakery", BAKERY, "", "FR"),), None),
        (ClientRule(501, number=BAKERY), (), None),
        # R6: a treatment has to fit the number
        (ClientRule(501, number=BAKERY, treatment=Treatment.reverse_charge), (), None),
        (ClientRule(501, number="LU99999984", treatment=Treatment.reverse_charge), (), Reason.treatment_number),
        (ClientRule(501, number=BAKERY, treatment=Treatment.eu_services), (), Reason.treatment_number),
        (ClientRule(501, number=BAKERY, treatment=Treatment.outside_scope), (), None),
        (
            ClientRule(501, party_id=9001, treatment=Treatment.reverse_charge),
            (Customer(9001, "Neighbour", "", ""),),
            Reason.treatment_number,
        ),
        (
            ClientRule(501, party_id=9001, treatment=Treatment.eu_services),
            (Customer(9001, "Chalet", "CHE999999996", ""),),
            Reason.treatment_number,
        ),
        (
            ClientRule(501, party_id=9001, treatment=Treatment.eu_services),
            (Customer(9001, "Smith Inc", "", "", "US"),),
            Reason.treatment_number,
        ),
    ],
)
def test_verdict_on_a_treatment(rule: ClientRule, customers: tuple[Customer, ...], reason: Reason | None) -> None:
    verdict = judge({"client_name": "Somebody"}, clients_map=(rule,), customers=customers)
    assert (verdict.reason, verdict.buyer is None) == (reason, reason is not None)


@pytest.mark.parametrize(
    ("small", "rate", "treatment", "reason"),
    [
        (True, "21", Treatment.domestic, Reason.small_enterprise),
        (True, "0", Treatment.domestic, None),
        (True, "21", Treatment.outside_scope, None),
        (False, "21", Treatment.domestic, None),
    ],
)
def test_verdict_on_a_product_with_vat_of_a_small_enterprise(
    small: bool, rate: str, treatment: Treatment, reason: Reason | None
) -> None:
    rule = ClientRule(501, number=BAKERY, treatment=treatment)
    products = (a_product(vat_rate=Decimal(rate)),)
    verdict = judge({"tags": ("ADV",)}, clients_map=(rule,), products=products, small_enterprise=small)
    assert verdict.reason is reason


def test_verdict_asks_customer_before_product_and_product_before_foreign_number() -> None:
    products = (a_product(price=None),)
    assert judge({"client_name": "Bakery"}, products=products).reason is Reason.no_vat
    assert judge({"client_name": "Winery LU99999984"}, products=products).reason is Reason.no_price
    assert judge({"client_name": "Winery LU99999984"}).reason is Reason.foreign_vat


def test_verdict_on_an_open_entry() -> None:
    buyer = Buyer(BAKERY, None, "Bakery", "", Treatment.domestic, "", "")
    assert judge() == Verdict(State.open, None, ADV, buyer)


def test_verdict_follows_a_renamed_client_within_one_judge() -> None:
    one = Judge(some_rules())
    assert one.verdict(an_entry(client_name="Bakery")).reason is Reason.no_vat
    assert one.verdict(an_entry(client_name=f"Bakery {BAKERY}")).state is State.open


def test_every_reason_and_state_is_its_own_name() -> None:
    assert " ".join(reason.value for reason in Reason) == (
        "several_vats unsure_vat invalid_vat no_vat no_project no_client client_vat_changed several_customers "
        "unknown_customer customer_changed unassigned_client no_tag unknown_tag unknown_product several_products "
        "no_price price_decimals vat_rate foreign_vat treatment_number small_enterprise billed_elsewhere "
        "contradicting_mappings several_agreements left_agreement implausible duplicate_entry"
    )
    assert " ".join(state.value for state in State) == (
        "running not_billable open attention held written_off drafted invoiced credited "
        "covered on_account prepaid deleted"
    )


# --- doubts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "rules", "reason"),
    [
        ({"seconds": 16 * 3600}, {}, None),
        ({"seconds": 16 * 3600 + 1}, {}, Reason.implausible),
        ({"seconds": 7 * 3600 + 1}, {"longest_hours": 7}, Reason.implausible),
        ({"seconds": 900 * 3600}, {"longest_hours": 0}, None),
        ({"is_duplicate": True}, {}, Reason.duplicate_entry),
        ({"is_duplicate": True, "seconds": 17 * 3600}, {}, Reason.implausible),
        ({"is_duplicate": True, "seconds": 17 * 3600, "is_confirmed": True}, {}, None),
        ({"is_duplicate": True, "seconds": 17 * 3600, "tags": ("lost",)}, {}, Reason.unknown_tag),
    ],
)
def test_doubts_are_asked_last_and_a_person_sets_them_aside(
    entry: dict[str, Any], rules: dict[str, Any], reason: Reason | None
) -> None:
    verdict = judge(entry, **rules)
    assert (verdict.state, verdict.reason) == (State.attention if reason else State.open, reason)
    assert reason is Reason.unknown_tag or (verdict.product is not None and verdict.buyer is not None)


def test_what_is_not_billed_is_no_doubt() -> None:
    long = {"seconds": 17 * 3600, "is_duplicate": True}
    assert judge(long | {"tags": ("intern",)}, tags=(TagRule("intern", "", bill=False),)).state is State.not_billable
    assert judge(long | {"deleted": True}).state is State.deleted
