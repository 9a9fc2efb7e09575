"""What an onboarding file says, with the defaults of what it leaves out (design section 10)."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal

from invoicing.dossiers.firm import Standing
from invoicing.dossiers.rules import DossierRules
from invoicing.rules.agreement import Agreement
from invoicing.rules.judging.mapping import ClientRule, TagRule, Treatment
from tests.toggbill.onboarding.files import ENVIRON, NUMBER, SMALL, WHOLE, faults_of, standing
from toggbill.onboarding.file import (
    BillitSection,
    DossierSection,
    FirmSection,
    OnboardingFile,
    TogglSection,
    UserSection,
    read,
)

SECOND = SMALL[SMALL.index("[[dossiers]]") :].replace('"bakery"', '"butcher"')


def test_read_gives_every_value_of_a_whole_file() -> None:
    assert read(tomllib.loads(WHOLE), standing=Standing(), environ=ENVIRON) == OnboardingFile(
        firm=FirmSection("fiduciaire", "Fiduciaire Exemple", "Europe/Brussels", "nl"),
        users=(
            UserSection("owner@example.com", "owner", "an-invented-password"),
            UserSection("viewer@example.com", "viewer", None),
        ),
        toggl=(TogglSection("main", "t0ken", True),),
        billit=(BillitSection("main", "inl1ne"),),
        dossiers=(
            DossierSection(
                toggl="main",
                workspace=4001,
                billit="main",
                company=7001,
                rules=DossierRules(
                    key="bakery",
                    name="The bakery",
                    start=date(2026, 9, 1),
                    clients=frozenset({501, 502}),
                    billable="flagged",
                    group_by="project",
                    rounding_minutes=15,
                    rounding_direction="nearest",
                    rounding_level="line",
                    rounding_minimum=5,
                    every="weekly",
                    day=7,
                    mode="send",
                    email_allowed=True,
                    annex=False,
                    auto_limit=Decimal("5000.50"),
                    longest_hours=24,
                    deviation=40,
                    price_decimals=4,
                    price_day="work",
                    payment_days=14,
                    default_product="ADV",
                    billed_tag="facturé",
                ),
                tags=(
                    TagRule("Advies", "ADV", True, 10),
                    TagRule("intern", "", False),
                    TagRule("advies", "ADVSEN", person=9001),
                    TagRule("", "ADVJUN", person=9001),
                ),
                client_map=(
                    ClientRule(501, number=NUMBER, purchase_order="4500012345"),
                    ClientRule(502, party_id=88001, treatment=Treatment.eu_services, buyer_reference="Dept. 7"),
                ),
                agreements=(
                    Agreement(
                        key="bakery-forfait",
                        title="Tenue de la comptabilité",
                        start=date(2026, 1, 1),
                        product="FORF",
                        amount=Decimal("250.00"),
                        every="quarter",
                        client_id=501,
                        end=date(2026, 12, 31),
                        products=("ADV",),
                        projects=(601,),
                        in_advance=True,
                        included_hours=Decimal(5),
                        extra_product="ADV",
                        part_periods="days",
                        budget_hours=Decimal(4),
                        budget_amount=Decimal("200.00"),
                    ),
                    Agreement(
                        key="bakery-provisions",
                        title="Provision",
                        start=date(2026, 1, 1),
                        product="PROV",
                        amount=Decimal(0),
                        kind="advance",
                        client_id=502,
                        plan=((date(2026, 1, 1), Decimal("250.00")), (date(2026, 7, 1), Decimal(300))),
                        settle_on="12-31",
                    ),
                ),
            ),
        ),
    )


PREPAID = """
[[dossiers.agreements]]
key = "bakery-block"
vat = "BE0563846944"
title = "Prepaid"
kind = "prepaid"
from = 2026-01-01
product = "ADV"
hours = "20"
price = "85.00"
refill_at = "4"
"""


def test_read_gives_prepaid_hours() -> None:
    file = read(tomllib.loads(SMALL + PREPAID), standing=Standing(), environ={})
    assert file.dossiers[0].agreements == (
        Agreement(
            key="bakery-block",
            title="Prepaid",
            start=date(2026, 1, 1),
            product="ADV",
            kind="prepaid",
            number="BE0563846944",
            hours=Decimal(20),
            price=Decimal("85.00"),
            refill_at=Decimal(4),
        ),
    )


def test_fixed_fee_needs_its_amount_and_prepaid_hours_their_hours() -> None:
    without = SMALL + PREPAID.replace('hours = "20"', "")
    assert faults_of(without) == [
        "dossiers[0].agreements[0].hours: missing; prepaid hours need the hours of a block and the price of an hour."
    ]
    fixed = faults_of(without.replace('"prepaid"', '"fixed"'))
    assert [fault.split(":")[0] for fault in fixed] == [
        f"dossiers[0].agreements[0].{name}" for name in ("amount", "price", "refill_at")
    ]


def test_read_gives_the_defaults_for_what_is_left_out() -> None:
    file = read(tomllib.loads(SMALL), standing=Standing(), environ={})
    assert file.firm == FirmSection("fiduciaire", "Fiduciaire Exemple", "Europe/Brussels", "fr")
    assert file.toggl == (TogglSection("main", "t0ken-1n-the-f1le", False),)
    assert file.dossiers[0].rules == DossierRules(
        key="bakery",
        name="bakery",
        start=date(2026, 9, 1),
        clients=frozenset(),
        billable="all",
        group_by="product",
        rounding_minutes=0,
        rounding_direction="up",
        rounding_level="entry",
        rounding_minimum=0,
        every="manual",
        day=None,
        mode="review",
        email_allowed=False,
        annex=True,
        auto_limit=None,
        four_eyes=False,
        deviation=0,
        price_decimals=2,
        price_day="draft",
        payment_days=30,
        default_product="",
        billed_tag="",
    )


def test_read_accepts_a_connection_without_secret_when_the_firm_has_it() -> None:
    text = SMALL.replace('api_token = "t0ken-1n-the-f1le"\n', "").replace('api_key = "k3y-1n-the-f1le"\n', "")
    file = read(tomllib.loads(text), standing=standing(), environ={})
    assert (file.toggl[0].secret, file.billit[0].secret) == (None, None)


def test_read_accepts_dossiers_of_one_workspace_when_one_names_no_clients() -> None:
    text = SMALL + SECOND + "clients = [501]\n"
    assert [row.rules.clients for row in read(tomllib.loads(text), standing=Standing(), environ={}).dossiers] == [
        frozenset(),
        frozenset({501}),
    ]


def test_read_accepts_a_client_that_moves_between_two_dossiers_of_the_file() -> None:
    text = SMALL + "clients = [502]\n" + SECOND + "clients = [501]\n"
    stands = standing(clients=frozenset({501}))
    assert len(read(tomllib.loads(text), standing=stands, environ={}).dossiers) == 2
