"""``onboard`` against both services over HTTP: what it writes, that it repeats nothing, that it keeps its secrets."""

from __future__ import annotations

import json

import pytest
from django.core import mail

from integrations.models import Company, Workspace
from integrations.sandbox.process import Process
from invoicing.models import Dossier, DossierClient
from tests.factories import PASSWORD
from tests.toggbill.onboarding.bureau import (
    FILE,
    NONE,
    TOKEN,
    Onboard,
    counts,
    types,
)
from toggbill.firms.audit import verify
from toggbill.firms.models import AuditEvent, Firm, Membership, User

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


def test_onboard_creates_the_firm(onboard: Onboard, sandbox: Process) -> None:
    code, out, err = onboard(FILE)
    assert code == 0, err
    created = {**NONE, "users": 2, "toggl": 1, "billit": 1, "workspaces": 1, "companies": 2, "dossiers": 2}
    assert json.loads(out) == {"firm": "bureau", "created": {**created, "tags": 2, "client_map": 1}, "updated": NONE}
    assert [row["path"] for row in sandbox.control.log()] == [
        "/api/v9/me",
        "/api/v9/me/workspaces",
        "/v1/account/accountInformation",
    ]
    owner, clerk = User.objects.get(email="owner@example.com"), User.objects.get(email="clerk@example.com")
    assert (owner.check_password(PASSWORD), clerk.has_usable_password()) == (True, False)
    # A bookkeeper maps, and mapping happens in the admin.
    assert (owner.is_staff, clerk.is_staff) == (True, True)
    assert [message.to for message in mail.outbox] == [["clerk@example.com"]]
    workspace = Workspace.objects.get()
    assert (workspace.remote_id, workspace.organization_id, workspace.name, workspace.is_admin) == (
        4001,
        3001,
        "Bureau",
        True,
    )
    # The earliest start of its dossiers.
    assert str(workspace.read_from) == "2026-08-01"
    assert workspace.next_sync_at is not None
    assert list(Company.objects.order_by("party_id").values_list("party_id", "name")) == [
        (7001, "Bureau Exemple SRL"),
        (7002, "Conseil SRL"),
    ]
    assert list(Dossier.objects.order_by("pk").values_list("key", "company__party_id", "every")) == [
        ("bakery", 7001, "monthly"),
        ("rest", 7002, "manual"),
    ]
    assert DossierClient.objects.get().client_remote_id == 501
    assert types() == [
        "member_joined",
        "member_invited",
        "connection_added",
        "connection_added",
        "rule_changed",
        "rule_changed",
        "mapping_changed",
        "mapping_changed",
        "mapping_changed",
    ]
    assert set(AuditEvent.objects.values_list("actor", "origin")) == {("operator", "command")}
    assert verify(firm=Firm.objects.get()).ok


def test_onboard_again_changes_nothing(onboard: Onboard) -> None:
    onboard(FILE)
    before, mails = counts(), len(mail.outbox)
    code, out, _ = onboard(FILE)
    assert code == 0
    assert json.loads(out) == {"firm": "bureau", "created": NONE, "updated": NONE}
    assert (counts(), len(mail.outbox)) == (before, mails)


def test_onboard_with_changes_counts_them(onboard: Onboard) -> None:
    onboard(FILE)
    old_events = len(types())
    text = (
        FILE.replace('"bookkeeper"', '"manager"')
        .replace('product = "ADV"', 'product = "FIS"')
        .replace("[501]", "[501, 502]")
        .replace("4500012345", "46")
        .replace("[[dossiers]]", "accept_partial = true\n[[dossiers]]")
        .replace(f'api_token = "{TOKEN}"', f'api_token = "{TOKEN}"\naccept_partial = true')
        .replace("accept_partial = true\n[[dossiers]]", "[[dossiers]]")
    )
    code, out, _ = onboard(text)
    assert code == 0
    assert json.loads(out) == {
        "firm": "bureau",
        "created": NONE,
        "updated": {**NONE, "users": 1, "toggl": 1, "dossiers": 1, "tags": 1, "client_map": 1},
    }
    assert types()[old_events:] == [
        "member_role_changed",
        "connection_changed",
        "rule_changed",
        "mapping_changed",
        "mapping_changed",
    ]


def test_onboard_keeps_what_the_file_no_longer_names(onboard: Onboard) -> None:
    onboard(FILE)
    before = counts()
    code, out, _ = onboard('[firm]\nslug = "bureau"\nname = "Bureau Exemple"\nlanguage = "en"\n')
    assert (code, json.loads(out)["created"], json.loads(out)["updated"]) == (0, NONE, NONE)
    assert counts() == before


def test_onboard_adds_a_dossier_with_the_stored_credentials(onboard: Onboard) -> None:
    onboard(FILE)
    text = '[firm]\nslug = "bureau"\nname = "Bureau Exemple"\nlanguage = "en"\n' + FILE[FILE.index("[[dossiers]]") :]
    code, out, err = onboard(
        text.replace('"rest"', '"third"').replace("start = 2026-08-01", "start = 2026-08-01\nclients = [9]")
    )
    assert code == 0, err
    assert json.loads(out)["created"] == {**NONE, "dossiers": 1}


def test_onboard_of_a_member_of_another_firm_adds_the_membership_only(onboard: Onboard) -> None:
    onboard(FILE)
    second = FILE.replace('slug = "bureau"', 'slug = "second"').replace('name = "Bureau Exemple"', 'name = "Second"')
    code, out, err = onboard(second)
    assert code == 0, err
    assert json.loads(out)["created"]["users"] == 2
    assert (User.objects.count(), Membership.objects.count()) == (2, 4)
