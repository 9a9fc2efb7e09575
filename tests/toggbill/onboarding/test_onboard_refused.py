"""``onboard`` with a file, credential or service that does not let it: what it says, and that nothing is written."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from integrations.models import Connection
from integrations.sandbox.process import Process
from tests.factories import PASSWORD
from tests.toggbill.onboarding.bureau import (
    API_KEY,
    FILE,
    MEMBERS_TOKEN,
    NONE,
    TOKEN,
    WRONG_TOKEN,
    Onboard,
    counts,
)
from toggbill.firms.models import AuditEvent, Firm

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("sandbox")]


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
                "Toggl connection main: Toggl does not accept the API token. "
                "Copy the token from the Toggl profile page again and enter it for this connection. [HTTP 403]"
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


def test_onboard_enters_a_secret_anew_that_cannot_be_read(onboard: Onboard, settings: Settings) -> None:
    onboard(FILE)
    settings.FIELD_ENCRYPTION_KEYS = ["another key than the one that it was written with"]
    code, out, _ = onboard(FILE)
    assert (code, json.loads(out)["updated"]) == (0, {**NONE, "toggl": 1, "billit": 1})
    assert Connection.objects.get(service="toggl").secret == TOKEN


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


def test_short_name_that_differs_in_a_capital_is_no_new_firm(onboard: Onboard) -> None:
    assert onboard(FILE)[0] == 0
    code, out, err = onboard(FILE.replace('slug = "bureau"', 'slug = "Bureau"'))
    said = "firm.slug: there is a firm “bureau”: write it so, or choose another name for a new firm."
    assert (code, out, err.splitlines()) == (2, "", [said, "Nothing was changed."])
    assert list(Firm.objects.values_list("slug", flat=True)) == ["bureau"]
    assert onboard(FILE)[0] == 0
