"""What a plan of written entries comes to, with exact values."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from invoicing.rules.billing.rating import Rounding, vat_of
from invoicing.rules.judging.judge import Judge
from invoicing.rules.judging.mapping import ClientRule, Customer, Treatment
from invoicing.rules.planning import Difference, Plan, PlannedInvoice, PlannedLine, Skipped, period_title, plan
from tests.invoicing.rules.planned import BOTH, lines_of, only, planned
from tests.invoicing.strategies import (
    a_buyer,
    a_product,
    an_entry,
    belgian_number,
    some_rules,
    some_terms,
)


def test_plan_of_one_hour() -> None:
    entry = an_entry()
    assert planned([entry]) == Plan(
        invoices=(
            PlannedInvoice(
                buyer=a_buyer(),
                period_from=date(2026, 10, 5),
                period_till=date(2026, 10, 5),
                title="Octobre 2026",
                lines=(
                    PlannedLine(
                        product=a_product(),
                        description="Advice",
                        description_extended="",
                        quantity=Decimal("1.00"),
                        unit_price=Decimal("80.00"),
                        vat_rate=Decimal(21),
                        ventilation_code=4,
                        treatment=Treatment.domestic,
                        total=Decimal("80.00"),
                        seconds=3600,
                        late=False,
                        entries=(entry,),
                    ),
                ),
                total_excl=Decimal("80.00"),
                total_vat=Decimal("16.80"),
                total_incl=Decimal("96.80"),
            ),
        ),
        skipped=(),
    )


def test_plan_of_nothing() -> None:
    assert planned([]) == Plan((), ())


def test_plan_bills_up_to_and_including_the_cut_off() -> None:
    entries = [an_entry(id=1, day=date(2026, 10, 31)), an_entry(id=2, day=date(2026, 11, 1), client_name="Florist")]
    found = planned(entries)
    assert [entry.id for line in lines_of(found) for entry in line.entries] == [1]
    assert found.skipped == ()


def test_plan_leaves_out_what_is_not_open_without_a_word() -> None:
    entries = [
        an_entry(id=1, running=True),
        an_entry(id=2, deleted=True),
        an_entry(id=3, seconds=0),
        an_entry(id=4, day=date(2026, 8, 31)),
        an_entry(id=5, client_id=502),
    ]
    assert planned(entries, some_rules(named_elsewhere=frozenset({502})), held={1, 2, 3, 4, 5}) == Plan((), ())


def test_plan_names_why_an_entry_is_skipped() -> None:
    entries = [
        an_entry(id=5, tags=()),
        an_entry(id=2, client_name="Florist"),
        an_entry(id=4),
        an_entry(id=3, project_id=None, client_id=None),
    ]
    # a held entry that could not be billed anyway shows the reason that a person can mend
    assert planned(entries, held={4, 5}).skipped == (
        Skipped(2, "no_vat"),
        Skipped(3, "no_project"),
        Skipped(4, "held"),
        Skipped(5, "no_tag"),
    )


def test_plan_does_not_invoice_a_line_that_rounds_to_zero() -> None:
    entries = [an_entry(id=2, seconds=8), an_entry(id=1, seconds=9), an_entry(id=3, tags=("BOOK",))]
    found = planned(entries, some_rules(products=BOTH))
    assert [line.product.reference for line in lines_of(found)] == ["BOOK"]
    assert found.skipped == (Skipped(1, "rounds_to_zero"), Skipped(2, "rounds_to_zero"))
    assert planned(entries[:2]) == Plan((), found.skipped)


def test_plan_adds_small_entries_before_they_become_hours() -> None:
    entries = [an_entry(id=number, seconds=9) for number in (1, 2)]
    (line,) = lines_of(planned(entries))
    assert (line.quantity, line.seconds, line.total) == (Decimal("0.01"), 18, Decimal("0.80"))


@pytest.mark.parametrize(
    ("rounding", "quantity"),
    [
        (Rounding(), "0.52"),
        (Rounding(15), "0.75"),
        (Rounding(15, "up", "line"), "0.75"),
        (Rounding(15, "down"), "0.25"),
        (Rounding(15, "down", "line"), "0.50"),
        (Rounding(0, minimum=15), "0.75"),
    ],
)
def test_plan_rounds_by_the_dossiers_rule_and_keeps_the_raw_seconds(rounding: Rounding, quantity: str) -> None:
    entries = [an_entry(id=number, seconds=seconds) for number, seconds in enumerate((840, 120, 900))]
    (line,) = lines_of(planned(entries, rounding=rounding))
    assert (str(line.quantity), line.seconds) == (quantity, 1860)


# R7: lines

OCTOBER = [
    an_entry(id=1, day=date(2026, 10, 1), project_id=12, project_name="tax", description="Call", tags=("BOOK",)),
    an_entry(id=2, day=date(2026, 10, 2), project_id=11, project_name="Accounts", description=" Call "),
    an_entry(id=3, day=date(2026, 9, 30), project_id=12, project_name="tax", description="call", person_id=22),
    an_entry(id=4, day=date(2026, 10, 2), project_id=13, project_name="Zeal", person_id=22, person_name="Bo"),
]


@pytest.mark.parametrize(
    ("group_by", "expected"),
    [
        ("product", [("Advice", [3, 2, 4]), ("Bookkeeping", [1])]),
        (
            "project",
            [("Advice · Accounts", [2]), ("Advice · tax", [3]), ("Advice · Zeal", [4]), ("Bookkeeping · tax", [1])],
        ),
        # person 22 was renamed: grouped by id, shown by the latest name
        ("person", [("Advice · An Example", [2]), ("Advice · Bo", [3, 4]), ("Bookkeeping · An Example", [1])]),
        ("day", [("Advice · 30/09/2026", [3]), ("Advice · 02/10/2026", [2, 4]), ("Bookkeeping · 01/10/2026", [1])]),
        (
            "description",
            [
                ("Advice · Call", [2]),
                ("Advice · call", [3]),
                ("Advice · Quarterly return", [4]),
                ("Bookkeeping · Call", [1]),
            ],
        ),
        (
            "entry",
            [
                ("Advice · 30/09/2026 · call", [3]),
                ("Advice · 02/10/2026 · Call", [2]),
                ("Advice · 02/10/2026 · Quarterly return", [4]),
                ("Bookkeeping · 01/10/2026 · Call", [1]),
            ],
        ),
    ],
)
def test_plan_groups_lines(group_by: str, expected: list[tuple[str, list[int]]]) -> None:
    found = planned(OCTOBER, some_rules(products=BOTH), group_by=group_by)
    assert [(line.description, [entry.id for entry in line.entries]) for line in only(found).lines] == expected


def test_plan_falls_back_to_the_reference_of_a_product_without_description() -> None:
    (line,) = lines_of(planned([an_entry()], some_rules(products=(a_product(description=" "),)), group_by="project"))
    assert line.description == "ADV · Accounts"


def test_plan_puts_a_long_text_into_the_extended_description() -> None:
    (line,) = lines_of(planned([an_entry(description="x" * 600)], group_by="description"))
    assert (line.description, line.description_extended) == ("Advice · " + "x" * 503, "x" * 97)


def test_plan_never_mixes_products_of_one_description() -> None:
    twin = a_product(id=3, reference="ADV2")
    entries = [an_entry(id=1), an_entry(id=2, tags=("ADV2",))]
    assert [line.seconds for line in lines_of(planned(entries, some_rules(products=(a_product(), twin))))] == [
        3600,
        3600,
    ]


@pytest.mark.parametrize(
    ("late_through", "late"), [(None, False), (date(2026, 10, 4), False), (date(2026, 10, 5), True)]
)
def test_plan_marks_a_line_late(late_through: date | None, late: bool) -> None:
    entries = [an_entry(id=1), an_entry(id=2, day=date(2026, 10, 20))]
    assert [line.late for line in lines_of(planned(entries, late_through=late_through))] == [late]


# R6, R7: invoices


def test_plan_puts_two_clients_of_one_customer_on_one_invoice() -> None:
    rules = some_rules(
        customers=(Customer(9001, "Bakery Example", belgian_number(1), "NL"),),
        clients_map=(ClientRule(502, party_id=9001),),
    )
    entries = [an_entry(id=1), an_entry(id=2, client_id=502, client_name="Bakery shop")]
    invoice = only(planned(entries, rules))
    assert (invoice.buyer.party_id, invoice.buyer.name, invoice.total_excl) == (
        9001,
        "Bakery Example",
        Decimal("160.00"),
    )


@pytest.mark.parametrize("backwards", [False, True])
def test_plan_puts_hours_outside_scope_on_an_invoice_of_their_own(backwards: bool) -> None:
    """EN 16931, BR-O-11. Two Toggl clients are one customer, one of them billed outside scope."""
    rules = some_rules(
        customers=(Customer(9001, "Bakery Example", belgian_number(1), "NL"),),
        clients_map=(ClientRule(502, party_id=9001, treatment=Treatment.outside_scope),),
    )
    entries = [an_entry(id=1), an_entry(id=2, client_id=502, client_name="Bakery shop"), an_entry(id=3)]
    usual, outside = planned(entries[::-1] if backwards else entries, rules).invoices
    assert (usual.outside_scope, usual.total_incl) == (False, Decimal("193.60"))
    assert (outside.outside_scope, outside.total_incl) == (True, Decimal("80.00"))
    assert [entry.id for line in outside.lines for entry in line.entries] == [2]


def difference(hours: str, treatment: Treatment) -> Difference:
    """A difference to what was billed of entry 9 at 80.00, in hours."""
    rate, code = vat_of(treatment, Decimal(21))
    return Difference(
        correction=7,
        entry=an_entry(id=9),
        seconds=int(Decimal(hours) * 3600),
        hours=Decimal(hours),
        product=a_product(),
        unit_price=Decimal("80.00"),
        vat_rate=rate,
        ventilation_code=code,
        treatment=treatment,
        description="Advice",
        description_extended="",
        number="2026-0001",
        buyer=a_buyer(number=belgian_number(1), treatment=treatment),
    )


@pytest.mark.parametrize(("hours", "total"), [("-0.50", "-40.00"), ("0.50", "40.00")])
def test_plan_takes_hours_off_by_a_negative_quantity(hours: str, total: str) -> None:
    """EN 16931, BR-27: no price is negative."""
    corrections = [difference(hours, Treatment.domestic)]
    found = plan([an_entry(id=1)], judge=Judge(some_rules()), terms=some_terms(), differences=corrections)
    line = only(found).lines[-1]
    assert (line.quantity, line.unit_price, line.total) == (Decimal(hours), Decimal("80.00"), Decimal(total))
    assert line.seconds == int(Decimal(hours) * 3600)


def test_plan_takes_nothing_off_an_invoice_of_another_scope() -> None:
    corrections = [difference("-0.50", Treatment.outside_scope)]
    found = plan([an_entry(id=1)], judge=Judge(some_rules()), terms=some_terms(), differences=corrections)
    assert [(skip.entry, skip.reason) for skip in found.skipped] == [(9, "correction_waits")]
    assert len(only(found).lines) == 1


@pytest.mark.parametrize("backwards", [False, True])
def test_plan_names_a_new_customer_of_two_clients_the_same_each_time(backwards: bool) -> None:
    number = belgian_number(1)
    entries = [
        an_entry(id=1, client_name=f"West {number}"),
        an_entry(id=2, client_id=502, client_name=f"East {number}"),
    ]
    assert only(planned(reversed(entries) if backwards else entries)).buyer == a_buyer(name="East")


def test_plan_parts_invoices_by_purchase_order_and_buyer_reference() -> None:
    number = belgian_number(1)
    rules = some_rules(
        clients_map=(
            ClientRule(501),
            ClientRule(502, purchase_order="4500"),
            ClientRule(503, purchase_order="4500", buyer_reference="Dept. 7"),
            ClientRule(504, purchase_order="4500"),
        )
    )
    entries = [an_entry(id=client, client_id=client, client_name=f"Bakery {number}") for client in (504, 503, 502, 501)]
    assert [
        (invoice.buyer.purchase_order, invoice.buyer.buyer_reference, invoice.title, len(invoice.lines[0].entries))
        for invoice in planned(entries, rules).invoices
    ] == [("", "", "Octobre 2026", 1), ("4500", "", "Octobre 2026", 2), ("4500", "Dept. 7", "Dept. 7", 1)]


def test_plan_keeps_treatments_of_one_customer_on_lines_of_their_own() -> None:
    number = belgian_number(1)
    rules = some_rules(clients_map=(ClientRule(502, treatment=Treatment.reverse_charge),))
    entries = [an_entry(id=1), an_entry(id=2, client_id=502, client_name=f"Bakery works {number}")]
    invoice = only(planned(entries, rules))
    assert [(line.treatment, line.vat_rate, line.ventilation_code) for line in invoice.lines] == [
        (Treatment.domestic, Decimal(21), 4),
        (Treatment.reverse_charge, Decimal(0), 21),
    ]
    assert (invoice.total_excl, invoice.total_vat, invoice.total_incl) == (
        Decimal("160.00"),
        Decimal("16.80"),
        Decimal("176.80"),
    )


def test_plan_orders_invoices_by_the_buyers_name_case_folded() -> None:
    names = ["beta", "Alpha", "Gamma", "alpha"]
    entries = [
        an_entry(id=serial, client_id=serial, client_name=f"{name} {belgian_number(serial)}")
        for serial, name in enumerate(names, 1)
    ]
    assert [(invoice.buyer.name, invoice.buyer.number) for invoice in planned(entries).invoices] == [
        ("Alpha", belgian_number(2)),
        ("alpha", belgian_number(4)),
        ("beta", belgian_number(1)),
        ("Gamma", belgian_number(3)),
    ]


def test_plan_takes_the_period_from_what_is_on_the_invoice() -> None:
    entries = [
        an_entry(id=1, day=date(2026, 9, 2), seconds=3, tags=("BOOK",)),
        an_entry(id=2, day=date(2026, 9, 30)),
        an_entry(id=3, day=date(2026, 10, 9)),
    ]
    invoice = only(planned(entries, some_rules(products=BOTH)))
    assert (invoice.period_from, invoice.period_till) == (date(2026, 9, 30), date(2026, 10, 9))
    assert invoice.title == "Septembre – octobre 2026"


@pytest.mark.parametrize(("language", "title"), [("NL", "Oktober 2026"), ("", "Octobre 2026"), ("xx", "Octobre 2026")])
def test_plan_titles_in_the_customers_language(language: str, title: str) -> None:
    rules = some_rules(customers=(Customer(9001, "Bakery", belgian_number(1), language),))
    assert only(planned([an_entry()], rules)).title == title


@pytest.mark.parametrize(
    ("first", "last", "language", "title"),
    [
        (date(2026, 10, 1), date(2026, 10, 31), "fr", "Octobre 2026"),
        (date(2026, 10, 31), date(2026, 11, 1), "fr", "Octobre – novembre 2026"),
        (date(2026, 10, 1), date(2026, 12, 31), "FR", "Octobre – décembre 2026"),
        (date(2026, 12, 31), date(2027, 1, 1), "fr-BE", "Décembre 2026 – janvier 2027"),
        (date(2025, 10, 1), date(2026, 10, 1), "FR-be", "Octobre 2025 – octobre 2026"),
        (date(2026, 2, 1), date(2026, 8, 31), "nl_BE", "Februari – augustus 2026"),
        (date(2026, 5, 1), date(2026, 5, 1), "EN", "May 2026"),
        (date(2026, 3, 1), date(2026, 4, 1), "de", "März – April 2026"),
        (date(2026, 8, 1), date(2026, 8, 1), "pt", "Augustus 2026"),
        (date(2026, 8, 1), date(2026, 8, 1), "", "Augustus 2026"),
    ],
)
def test_period_title(first: date, last: date, language: str, title: str) -> None:
    assert period_title(first, last, language, "nl") == title


def test_period_title_in_english_when_no_language_is_known() -> None:
    assert period_title(date(2026, 8, 1), date(2026, 8, 1), "pt", "xx") == "August 2026"


def test_what_ends_after_the_moment_of_the_run_waits() -> None:
    noon = datetime(2026, 10, 5, 12, tzinfo=UTC)
    over = an_entry(id=1, start=noon - timedelta(hours=1))
    going_on = an_entry(id=2, start=noon - timedelta(minutes=59))
    to_come = an_entry(id=3, start=noon + timedelta(hours=2))
    stopped_late = an_entry(id=4, start=noon - timedelta(hours=2), stop=noon + timedelta(seconds=1))
    lost = an_entry(id=5, start=noon, tags=())
    found = planned([over, going_on, to_come, stopped_late, lost], now=noon)
    assert [entry.id for line in lines_of(found) for entry in line.entries] == [1]
    assert found.not_over == (2, 3, 4)
    assert [(skip.entry, skip.reason) for skip in found.skipped] == [(5, "no_tag")]
    assert planned([to_come], held={3}, now=noon).not_over == ()


def test_a_line_names_the_tags_that_lead_nowhere() -> None:
    entries = [
        an_entry(id=1, tags=("ADV", "Zoo")),
        an_entry(id=2, tags=("ADV", "lost")),
        an_entry(id=3, tags=("ADV", "LOST")),
    ]
    assert only(planned(entries)).lines[0].ignored_tags == ("LOST", "Zoo")
    assert only(planned([an_entry()])).lines[0].ignored_tags == ()
