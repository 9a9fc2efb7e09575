"""An onboarding file as tests write it, whole and small, and the faults that reading it names."""

from __future__ import annotations

import tomllib
from datetime import date

import pytest

from invoicing.dossiers.firm import Standing, StandingDossier
from tests.factories import enterprise_number
from toggbill.onboarding.file import (
    FileFaults,
    read,
)

NUMBER = enterprise_number(1)


ENVIRON = {"OWNER_PASSWORD": "an-invented-password", "TOGGL_TOKEN": "t0ken", "BILLIT_KEY": "k3y", "EMPTY": ""}


WHOLE = f"""
[firm]
slug = "fiduciaire"
name = "Fiduciaire Exemple"
timezone = "Europe/Brussels"
language = "nl"

[[users]]
email = "Owner@Example.com"
role = "owner"
password_env = "OWNER_PASSWORD"

[[users]]
email = "viewer@example.com"
role = "viewer"

[[toggl]]
key = "main"
api_token_env = "TOGGL_TOKEN"
accept_partial = true

[[billit]]
key = "main"
api_key = "inl1ne"

[[dossiers]]
key = "bakery"
name = "The bakery"
toggl = "main"
workspace = 4001
billit = "main"
company = 7001
start = 2026-09-01
clients = [501, 502]
billable = "flagged"
group_by = "project"
rounding = {{ minutes = 15, direction = "nearest", level = "line", minimum = 5 }}
schedule = {{ every = "weekly", weekday = 7 }}
mode = "send"
email_allowed = true
annex = false
auto_limit = "5000.5"
no_limit = false
longest_hours = 24
deviation = 40
price_decimals = 4
price_day = "work"
payment_days = 14
default_product = "ADV"
billed_tag = "facturé"
tags = [
  {{ tag = " Advies ", product = "ADV", priority = 10 }},
  {{ tag = "intern", bill = false }},
  {{ tag = "advies", person = 9001, product = "ADVSEN" }},
  {{ person = 9001, product = "ADVJUN" }},
]
client_map = [
  {{ client = 501, vat = "{NUMBER[2:]}", po = "4500012345" }},
  {{ client = 502, customer = 88001, buyer_reference = "Dept. 7", vat_treatment = "eu_services" }},
]
[[dossiers.agreements]]
key = "bakery-forfait"
client = 501
title = "Tenue de la comptabilité"
kind = "fixed"
from = 2026-01-01
until = 2026-12-31
products = ["ADV"]
projects = [601]
product = "FORF"
amount = "250.00"
every = "quarter"
in_advance = true
included_hours = "5"
extra_product = "ADV"
part_periods = "days"
budget_hours = "4"
budget_amount = "200.00"
[[dossiers.agreements]]
key = "bakery-provisions"
client = 502
title = "Provision"
kind = "advance"
from = 2026-01-01
product = "PROV"
plan = [ {{ day = 2026-01-01, amount = "250.00" }}, {{ day = 2026-07-01, amount = "300" }} ]
settle_on = "12-31"
"""


SMALL = """
[firm]
slug = "fiduciaire"
name = "Fiduciaire Exemple"
[[users]]
email = "owner@example.com"
role = "owner"
[[toggl]]
key = "main"
api_token = "t0ken-1n-the-f1le"
[[billit]]
key = "main"
api_key = "k3y-1n-the-f1le"
[[dossiers]]
key = "bakery"
toggl = "main"
workspace = 4001
billit = "main"
company = 7001
start = 2026-09-01
"""


def faults_of(text: str, standing: Standing | None = None) -> list[str]:
    with pytest.raises(FileFaults) as caught:
        read(tomllib.loads(text), standing=standing or Standing(), environ=ENVIRON)
    return caught.value.sentences


def standing(*, has_invoiced: bool = False, clients: frozenset[int] = frozenset()) -> Standing:
    dossier = StandingDossier("Bakery", "main", 4001, "main", 7001, date(2026, 9, 1), clients, has_invoiced)
    return Standing(frozenset({"main"}), frozenset({"main"}), {"bakery": dossier})
