"""``onboard`` against both services over HTTP: what it writes, that it repeats nothing, that it keeps its secrets."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.core.management import call_command
from pytest_django import Settings

from integrations.models import Company, Connection, Workspace
from integrations.sandbox.process import Process, start
from invoicing.models import ClientMapping, Dossier, DossierClient, TagMapping
from tests.factories import PASSWORD, enterprise_number
from toggbill.firms.audit import verify
from toggbill.firms.models import AuditEvent, Firm, Membership, User

pytestmark = pytest.mark.django_db

TOKEN = "0123456789abcdef0123456789abcdef"
MEMBERS_TOKEN = "fedcba9876543210fedcba9876543210"
API_KEY = "5ad1c0de-0000-4000-8000-000000000001"
WRONG_TOKEN = "99999999999999999999999999999999"
NUMBER = enterprise_number(1)
KINDS = ("users", "toggl", "billit", "workspaces", "companies", "dossiers", "tags", "client_map")
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


@pytest.fixture(scope="module")
def process() -> Iterator[Process]:
    with start("empty") as running:
        yield running


@pytest.fixture(autouse=True)
def sandbox(process: Process, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Process:
    """The empty world with a second company, and a member who is no admin."""
    process.control.load("empty")
    world = process.control.world()
    world["billit"]["companies"].append({**world["billit"]["companies"][0], "PartyID": 7002, "Name": "Conseil SRL"})
    world["billit"]["users"][0]["companies"].append(7002)
    member = {"id": 9002, "token": MEMBERS_TOKEN, "email": "member@example.com", "fullname": "Bram Oudeling"}
    world["toggl"]["users"].append(
        {**member, "timezone": "Europe/Brussels", "workspaces": [{"id": 4001, "admin": False}]}
    )
    process.control.load(world)
    process.control.faults()
    process.control.clear_log()
    settings.TOGGL_URL, settings.BILLIT_API_URL = process.toggl_url, process.billit_url
    monkeypatch.setenv("OWNER_PASSWORD", PASSWORD)
    monkeypatch.setenv("BILLIT_KEY", API_KEY)
    return process


@pytest.fixture
def onboard(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Onboard:
    """Runs the command over a text; gives its exit code, standard output and standard error."""

    def run(text: str) -> tuple[int, str, str]:
        path = tmp_path / "firm.toml"
        path.write_text(text)
        code: Any = 0
        try:
            call_command("onboard", str(path))
        except SystemExit as end:
            code = end.code
        out, err = capsys.readouterr()
        return code, out, err

    return run


def counts() -> dict[str, int]:
    rows = (Firm, User, Membership, Connection, Workspace, Company, Dossier, TagMapping, ClientMapping, AuditEvent)
    return {row.__name__: row.objects.count() for row in rows}


def types() -> list[str]:
    return list(AuditEvent.objects.order_by("number").values_list("type", flat=True))


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


def test_onboard_names_every_fault_and_writes_nothing(onboard: Onboard, sandbox: Process) -> None:
    before = counts()
    code, out, err = onboard(FILE.replace('"owner"', '"boss"').replace("company = 7002", "compani = 7002"))
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "users[0].role: “boss” is not known; use owner, manager, bookkeeper or viewer.",
        "dossiers[1].company: missing; it needs a whole number.",
        "dossiers[1].compani: unknown key; did you mean company?",
        "Nothing was changed.",
    ]
    assert counts() == before
    assert sandbox.control.log() == []


def test_onboard_of_an_absent_file_exits_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as caught:
        call_command("onboard", str(tmp_path / "absent.toml"))
    assert caught.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "absent.toml: cannot be read" in err


LAST = "Nothing was changed. Run this again when that is mended."


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            TOKEN,
            WRONG_TOKEN,
            (
                "Toggl connection main: Toggl does not accept the API token (HTTP 403). "
                "Copy the token from the Toggl profile page again and enter it for this connection."
            ),
        ),
        (
            TOKEN,
            MEMBERS_TOKEN,
            (
                "Toggl connection main: the owner of the token is not an admin of workspace 4001, so Toggl would "
                "silently leave out the hours of others. Use an admin's token, or accept a partial reading with "
                "accept_partial = true."
            ),
        ),
        (
            "workspace = 4001",
            "workspace = 4009",
            (
                "Toggl connection main: workspace 4009 is not open to this token (it opens 4001 Bureau). "
                "Correct the workspace's id, or have the owner of the token invited to it in Toggl."
            ),
        ),
        (
            "company = 7002",
            "company = 7009",
            (
                "Billit connection main: company 7009 is not open to this key (it opens 7001 Bureau Exemple SRL, "
                "7002 Conseil SRL). "
                "Correct the company's PartyID, or give the owner of the key access to it in Billit."
            ),
        ),
    ],
)
def test_onboard_with_a_credential_that_does_not_open_it_exits_1(
    onboard: Onboard, old: str, new: str, sentence: str
) -> None:
    before = counts()
    code, out, err = onboard(FILE.replace(old, new))
    assert (code, out, err.splitlines()) == (1, "", [sentence, LAST])
    assert counts() == before


def test_onboard_names_all_hindrances_at_once(onboard: Onboard, sandbox: Process) -> None:
    sandbox.control.put_billit("companies", {"PartyID": 7001, "APIAllowed": False})
    code, out, err = onboard(FILE.replace(TOKEN, WRONG_TOKEN))
    assert (code, out) == (1, "")
    assert [line.split(": ")[0] for line in err.splitlines()[:-1]] == [
        "Toggl connection main",
        "Billit connection main",
    ]
    assert "Billit does not allow company 7001 to use its API." in err


@pytest.mark.parametrize(
    ("service", "path"), [("toggl", "/me$"), ("toggl", "/me/workspaces"), ("billit", "/accountInformation")]
)
def test_onboard_with_nonsense_from_a_service_exits_1(
    onboard: Onboard, sandbox: Process, service: str, path: str
) -> None:
    sandbox.control.faults(
        {
            "service": service,
            "method": "GET",
            "path": path,
            "times": 9,
            "kind": "status",
            "status": 200,
            "headers": {},
            "body": "7",
        }
    )
    before = counts()
    code, out, err = onboard(FILE)
    assert (code, out) == (1, "")
    assert err.startswith(f"{service.capitalize()} connection main: ")
    assert "that toggbill cannot read" in err
    assert counts() == before


def test_onboard_with_a_service_down_exits_1(onboard: Onboard, settings: Settings) -> None:
    settings.TOGGL_URL = "http://127.0.0.1:9"
    before = counts()
    code, out, err = onboard(FILE)
    assert (code, out) == (1, "")
    assert err.startswith("Toggl connection main: Toggl could not be reached")
    assert counts() == before


def test_onboard_with_a_new_token_checks_the_dossiers_that_stand(onboard: Onboard) -> None:
    onboard(FILE)
    text = (
        '[firm]\nslug = "bureau"\nname = "Bureau Exemple"\nlanguage = "en"\n'
        f'[[toggl]]\nkey = "main"\napi_token = "{MEMBERS_TOKEN}"\n'
    )
    code, _, err = onboard(text)
    assert (code, "not an admin of workspace 4001" in err) == (1, True)
    assert Connection.objects.get(service="toggl").secret == TOKEN
    code, out, _ = onboard(text + "accept_partial = true\n")
    assert (code, json.loads(out)["updated"]) == (0, {**NONE, "toggl": 1})


def test_onboard_that_cannot_decrypt_a_stored_secret_exits_1(onboard: Onboard, settings: Settings) -> None:
    onboard(FILE)
    settings.FIELD_ENCRYPTION_KEYS = ["another key than the one that it was written with"]
    code, out, err = onboard(FILE)
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        (
            "A stored secret cannot be read: none of FIELD_ENCRYPTION_KEYS fits. "
            "Put the key that it was written with back at the end of the list."
        ),
        "Nothing was changed.",
    ]


def test_onboard_whose_invitation_cannot_be_mailed_says_so(onboard: Onboard, settings: Settings) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    code, out, err = onboard(FILE)
    assert code == 1
    assert json.loads(out)["created"]["users"] == 2
    assert "The invitation to clerk@example.com could not be mailed: " in err
    assert err.strip().endswith("/accounts/password/reset/")


@pytest.mark.parametrize("change", ["", TOKEN, "start = 2026-09-01"])
def test_onboard_shows_no_secret(onboard: Onboard, caplog: pytest.LogCaptureFixture, change: str) -> None:
    """In no case: done, refused by the service, and with a fault in the file."""
    caplog.set_level(logging.DEBUG)
    text = FILE.replace(change, WRONG_TOKEN) if change else FILE
    _, out, err = onboard(text)
    onboard(text.replace('[[users]]\nemail = "clerk', 'api_token = "misplaced-secret"\n[[users]]\nemail = "clerk'))
    told = json.dumps(list(AuditEvent.objects.values_list("subject", "data")))
    for secret in (TOKEN, WRONG_TOKEN, API_KEY, PASSWORD, "misplaced-secret"):
        assert secret not in out + err + told + caplog.text
