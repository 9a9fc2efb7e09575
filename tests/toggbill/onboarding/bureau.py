"""A firm's onboarding file for the empty world, and what the database holds of it."""

from __future__ import annotations

from collections.abc import Callable

from integrations.models import Company, Connection, Workspace
from invoicing.models import ClientMapping, Dossier, TagMapping
from tests.factories import enterprise_number
from toggbill.firms.models import AuditEvent, Firm, Membership, User

TOKEN = "0123456789abcdef0123456789abcdef"
MEMBERS_TOKEN = "fedcba9876543210fedcba9876543210"
API_KEY = "5ad1c0de-0000-4000-8000-000000000001"
WRONG_TOKEN = "99999999999999999999999999999999"
NUMBER = enterprise_number(1)
KINDS = ("users", "toggl", "billit", "workspaces", "companies", "dossiers", "tags", "client_map", "agreements")
NONE = dict.fromkeys(KINDS, 0)
FILE = f"""
[firm]
slug = "bureau"
name = "Bureau Exemple"
language = "en"
[[users]]
email = "owner@example.com"
role = "owner"
password_env = "OWNER_PASSWORD"
[[users]]
email = "clerk@example.com"
role = "bookkeeper"
[[toggl]]
key = "main"
api_token = "{TOKEN}"
[[billit]]
key = "main"
api_key_env = "BILLIT_KEY"
[[dossiers]]
key = "bakery"
toggl = "main"
workspace = 4001
billit = "main"
company = 7001
start = 2026-09-01
clients = [501]
schedule = {{ every = "monthly", day = 1 }}
tags = [ {{ tag = "Advies", product = "ADV", priority = 10 }}, {{ tag = "intern", bill = false }} ]
client_map = [ {{ client = 501, vat = "{NUMBER}", po = "4500012345" }} ]
[[dossiers]]
key = "rest"
toggl = "main"
workspace = 4001
billit = "main"
company = 7002
start = 2026-08-01
"""

Onboard = Callable[[str], tuple[int, str, str]]


def counts() -> dict[str, int]:
    rows = (Firm, User, Membership, Connection, Workspace, Company, Dossier, TagMapping, ClientMapping, AuditEvent)
    return {row.__name__: row.objects.count() for row in rows}


def types() -> list[str]:
    return list(AuditEvent.objects.order_by("number").values_list("type", flat=True))
