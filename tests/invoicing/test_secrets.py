"""Secrets are planted, everything is made to happen, and nothing that leaves the process holds one of them."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.mfa.utils import decrypt
from cryptography.fernet import Fernet
from django.apps import apps
from django.conf import settings as site
from django.contrib.admin.models import LogEntry
from django.db import connection as database
from django.db import transaction
from django.test import Client
from pytest_django import Settings

from integrations.connections import key_rotation
from integrations.models import Connection
from integrations.models.encryption import EncryptedTextField, sealed
from integrations.sandbox.process import Process
from invoicing import tasks
from invoicing.models import Dossier, Invoice
from tests.conftest import Outcome
from tests.factories import (
    NOW,
    CompanyFactory,
    ConnectionFactory,
    DossierFactory,
    FirmFactory,
    UserFactory,
    WebhookFactory,
    WorkspaceFactory,
)
from tests.invoicing.scene import Scene
from tests.queues import Queue
from tests.visitors import address, events, managed, pages_of, staff, superuser
from tests.worlds import API_KEY, TOKEN
from toggbill.database.encryption import Unreadable, bind, unseal
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db

PLANTED = "planted-5ecret-0123456789abcdef"
REFRESH = "planted-refre5h-0123456789abcdef"
SECRETS = (TOKEN, API_KEY, PLANTED, REFRESH)


def shown(text: object) -> set[str]:
    """The secrets that stand in a text."""
    return {secret for secret in SECRETS if secret in str(text)}


def plant(firm: Firm) -> Connection:
    """Two more connections, by token and by sign-in, with secrets that no service knows."""
    ConnectionFactory(firm=firm, key="planted", secret=PLANTED)
    return ConnectionFactory(
        firm=firm,
        service="billit",
        key="signed",
        method="sign_in",
        secret=PLANTED,
        refresh_secret=REFRESH,
        expires_at=NOW,
    )


@pytest.mark.slow
def test_no_secret_leaves_in_logs_audit_commands_messages_or_pages(
    scene: Callable[..., Scene],
    queue: Queue,
    command: Callable[..., Outcome],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.DEBUG)
    at_work = scene()
    plant(at_work.firm)
    firm = at_work.firm
    told: list[object] = []
    told.append(at_work.invoice("--approve", "--post"))
    for arguments in (
        ("sync", "--firm", firm.slug),
        ("ledger", "--firm", firm.slug),
        ("reconcile", "--firm", firm.slug),
        ("verify_audit", "--firm", firm.slug),
        ("rotate_keys",),
        ("export_firm", "--firm", firm.slug, "--to", str(tmp_path / "all.zip")),
    ):
        told.append(command(*arguments))
    Dossier.objects.update(due_at=NOW, every="daily")
    for tick in (tasks.tick_sync, tasks.tick_runs, tasks.tick_delivery):
        tick.apply(throw=True)
    messages = queue.waiting()
    assert {name.rpartition(".")[2] for _queue, name, _arguments in messages} >= {"run_dossier", "derive_marked"}
    # Only ids travel.
    assert all(isinstance(value, int) for *_rest, arguments in messages for value in arguments.values())
    browser = staff(firm)
    invoice = Invoice.objects.filter(firm=firm).first()
    assert invoice is not None
    paths = [*pages_of(at_work.dossier, invoice), "/connections/", "/leaving/"]
    for row in Connection.objects.filter(firm=firm):
        paths += [f"/connections/{row.service}/{row.key}/", f"/connections/{row.service}/{row.key}/remove/"]
        paths += [address(Connection, "change", row.pk), address(Connection, "history", row.pk)]
    told += [browser.get(path).content.decode() for path in paths]
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        told += [archive.read(name).decode() for name in archive.namelist()]
    told += [messages, events(firm), [str(vars(entry)) for entry in LogEntry.objects.all()], caplog.text]
    assert [shown(text) for text in told] == [set()] * len(told)


def test_no_secret_stands_in_the_admin_history_after_it_was_changed(firm_at: Firm, sandbox: Process) -> None:
    browser = staff(firm_at)
    form = {"service": "toggl", "key": "main", "new_secret": TOKEN} | managed("quotas", [])
    assert browser.post(address(Connection, "add"), form).status_code == 302
    row = Connection.objects.get()
    form = {"new_secret": PLANTED, "accept_partial": "on"} | managed("quotas", [])
    refused = browser.post(address(Connection, "change", row.pk), form).content.decode()
    entries = [f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all()]
    history = browser.get(address(Connection, "history", row.pk)).content.decode()
    assert [shown(text) for text in (refused, entries, history)] == [set()] * 3
    assert LogEntry.objects.exists()


@pytest.fixture
def firm_at() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("where", ["pages", "admin", "rotate"])
def test_an_error_page_shows_no_secret(
    where: str, debug: bool, firm_at: Firm, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    row = plant(firm_at)
    settings.DEBUG = debug
    # What breaks, breaks with the secret in hand: the client is made with it.
    settings.TOGGL_URL = None
    browser = staff(firm_at)
    browser.raise_request_exception = False
    path, form = {
        "pages": ("/connections/add/toggl/", {"key": "main", "secret": TOKEN}),
        "rotate": ("/connections/toggl/planted/rotate/", {"secret": TOKEN}),
        "admin": (
            address(Connection, "add"),
            {"service": "toggl", "key": "main", "new_secret": TOKEN} | managed("quotas", []),
        ),
    }[where]
    answer = browser.post(path, form)
    assert answer.status_code == 500
    page = answer.content.decode()
    assert ("Traceback" in page) is debug
    assert (shown(page), shown(caplog.text)) == (set(), set())
    for key in site.FIELD_ENCRYPTION_KEYS:
        assert key not in page
    assert row.pk is not None


def test_secrets_at_rest_are_ciphertext(firm_at: Firm) -> None:
    plant(firm_at)
    with database.cursor() as cursor:
        cursor.execute("SELECT secret, refresh_secret FROM integrations_connection")
        assert shown(cursor.fetchall()) == set()


def test_every_column_that_sounds_like_a_secret_is_encrypted() -> None:
    for model in apps.get_models():
        if model._meta.app_label not in {"integrations", "invoicing", "firms"}:
            continue
        for field in model._meta.concrete_fields:
            if "secret" in field.name:
                assert isinstance(field, EncryptedTextField), (model, field.name)


def test_a_superuser_sees_no_secret_either(firm_at: Firm) -> None:
    row = plant(firm_at)
    browser: Client = superuser(firm_at)
    for path in (address(Connection, "changelist"), address(Connection, "change", row.pk)):
        assert shown(browser.get(path).content.decode()) == set()


def rotate(command: Callable[..., Outcome]) -> Any:
    done = command("rotate_keys")
    assert done.code == 0, done.words
    return done.answer


def ciphertexts() -> list[str]:
    with database.cursor() as cursor:
        cursor.execute("SELECT secret, refresh_secret FROM integrations_connection ORDER BY id")
        return [text for row in cursor.fetchall() for text in row if text]


def test_rotate_keys_writes_every_secret_with_the_newest_key(
    firm_at: Firm, command: Callable[..., Outcome], settings: Settings
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    plant(firm_at)
    assert rotate(command) == {"rotated": 3}
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    assert rotate(command) == {"rotated": 3}
    # The old key is needed no more.
    settings.FIELD_ENCRYPTION_KEYS = [new]
    texts = [Fernet(new).decrypt(text.encode()).decode().partition("\n")[2] for text in ciphertexts()]
    assert texts == [PLANTED, PLANTED, REFRESH]
    assert [(row.secret, row.refresh_secret) for row in Connection.objects.order_by("pk")] == [
        (PLANTED, ""),
        (PLANTED, REFRESH),
    ]


def test_rotate_keys_without_the_old_key_says_so_and_changes_nothing(
    firm_at: Firm, command: Callable[..., Outcome], settings: Settings
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    plant(firm_at)
    before = ciphertexts()
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    done = command("rotate_keys")
    assert (done.code, done.answer) == (1, {"rotated": 0})
    assert done.words.count("none of FIELD_ENCRYPTION_KEYS fits") == 3
    assert "3 could not be read and stay as they are" in done.words
    assert ciphertexts() == before


def test_one_unreadable_secret_does_not_keep_the_others_from_being_rotated(
    firm_at: Firm, command: Callable[..., Outcome], settings: Settings
) -> None:
    old, new = Fernet.generate_key().decode(), Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [old]
    row = plant(firm_at)
    spoil(row)
    second_step = TOTP.activate(UserFactory(email="a@example.com"), "SECRETOFTHEFIRST").instance
    spoiled = TOTP.activate(UserFactory(email="b@example.com"), "SECRETOFTHEOTHER").instance
    Authenticator.objects.filter(pk=spoiled.pk).update(data={"secret": "nonsense"})
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    done = command("rotate_keys")
    assert (done.code, done.answer) == (1, {"rotated": 3})
    assert f"Billit signed (row {row.pk}, secret): A stored secret cannot be read" in done.words
    assert "of b@example.com (secret): A stored secret cannot be read" in done.words
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert Connection.objects.get(key="planted").secret == PLANTED
    assert Connection.objects.get(key="signed").refresh_secret == REFRESH
    assert decrypt(Authenticator.objects.get(pk=second_step.pk).data["secret"]) == "SECRETOFTHEFIRST"


def spoil(row: Connection) -> None:
    """The secret of a connection is no ciphertext of any key."""
    with database.cursor() as cursor:
        cursor.execute("UPDATE integrations_connection SET secret = 'nonsense' WHERE id = %s", [row.pk])


# --- in its place -----------------------------------------------------------------------------------------------------


def copied(source: str, target: str, *, to: int) -> Connection:
    """The row after somebody with the rights of the database copied a ciphertext there."""
    with database.cursor() as cursor:
        cursor.execute(f"UPDATE integrations_connection SET {target} = ({source}) WHERE id = %s", [to])
    return Connection.objects.get(pk=to)


def test_a_secret_that_was_copied_to_another_row_is_not_decrypted_there(firm_at: Firm) -> None:
    signed = plant(firm_at)
    theirs = ConnectionFactory(firm=FirmFactory(), key="theirs", secret="what is theirs")
    row = copied(f"SELECT secret FROM integrations_connection WHERE id = {signed.pk}", "secret", to=theirs.pk)
    with pytest.raises(Unreadable, match="written for another row"):
        assert row.secret
    assert Connection.objects.get(pk=signed.pk).secret == PLANTED


def test_nor_one_that_was_copied_to_another_column_or_table(firm_at: Firm) -> None:
    signed = plant(firm_at)
    row = copied(f"SELECT refresh_secret FROM integrations_connection WHERE id = {signed.pk}", "secret", to=signed.pk)
    with pytest.raises(Unreadable, match="written for another row"):
        assert row.secret
    assert row.refresh_secret == REFRESH
    hook = WebhookFactory()
    row = copied(f"SELECT token FROM integrations_webhook WHERE id = {hook.pk}", "secret", to=signed.pk)
    with pytest.raises(Unreadable, match="written for another row"):
        assert row.secret


def test_nor_one_of_before_places_were_written(firm_at: Firm) -> None:
    row = plant(firm_at)
    key = base64.urlsafe_b64encode(hashlib.sha256(site.FIELD_ENCRYPTION_KEYS[0].encode()).digest())
    with database.cursor() as cursor:
        bare = Fernet(key).encrypt(PLANTED.encode()).decode()
        cursor.execute("UPDATE integrations_connection SET secret = %s WHERE id = %s", [bare, row.pk])
    with pytest.raises(Unreadable, match="written for another row"):
        assert Connection.objects.get(pk=row.pk).secret
    assert unseal(bind(bare, place="here"), place="here") == PLANTED


def test_a_second_step_that_was_copied_to_another_account_opens_nothing() -> None:
    mine, theirs = UserFactory(), UserFactory()
    secret = generate_totp_secret()
    step = TOTP.activate(mine, secret).instance
    copy = TOTP.activate(theirs, generate_totp_secret()).instance
    assert decrypt(Authenticator.objects.get(pk=step.pk).data["secret"]) == secret
    Authenticator.objects.filter(pk=copy.pk).update(data=json.loads(json.dumps(step.data)))
    with pytest.raises(Unreadable, match="written for another row"):
        decrypt(Authenticator.objects.get(pk=copy.pk).data["secret"])


def test_a_secret_is_written_with_its_row_alone(firm_at: Firm) -> None:
    row = plant(firm_at)
    with pytest.raises(TypeError, match="secret is encrypted for its row"), transaction.atomic():
        Connection.objects.filter(pk=row.pk).update(secret=PLANTED)
    Connection.objects.filter(pk=row.pk).update(secret=sealed(row, "secret", "another"))
    row = Connection.objects.get(pk=row.pk)
    assert "another" not in str(vars(row))
    assert row.secret == "another"
    row.full_clean()


def test_an_unreadable_secret_keeps_no_other_connection_from_being_read(
    scene: Callable[..., Scene], command: Callable[..., Outcome]
) -> None:
    books = scene()
    other = scene_of_another_firm(books)
    spoil(Connection.objects.get(firm=books.firm, service="toggl"))
    done = command("sync")
    assert done.code == 1
    assert "The stored credential of Toggl main cannot be read" in done.words
    read = [row["workspace"] for row in done.answer["workspaces"]]
    assert read == [other.workspace.remote_id]
    assert len(done.answer["companies"]) == 2
    row = Connection.objects.get(firm=books.firm, service="toggl")
    assert (row.failure, row.failure_code) == ("credentials", "secret_unreadable")
    browser = staff(books.firm)
    assert browser.get("/connections/").status_code == 200
    assert browser.get("/connections/toggl/main/").status_code == 200
    # A person enters it anew, or is rid of it.
    assert browser.post("/connections/toggl/main/rotate/", {"secret": TOKEN}).status_code == 302
    assert Connection.objects.get(pk=row.pk).secret == TOKEN
    spoil(row)
    assert browser.post("/connections/toggl/main/remove/").status_code == 302
    assert Connection.objects.get(pk=row.pk).removed_at is not None


def scene_of_another_firm(books: Scene) -> Dossier:
    """A dossier of another firm at the same services."""
    firm = FirmFactory(slug="another")
    ours = books.dossier
    toggl = ConnectionFactory(firm=firm, service="toggl", key="main", secret=TOKEN)
    billit = ConnectionFactory(firm=firm, service="billit", key="main", secret=API_KEY)
    workspace = WorkspaceFactory(firm=firm, connection=toggl, remote_id=ours.workspace.remote_id)
    company = CompanyFactory(firm=firm, connection=billit, party_id=ours.company.party_id)
    return DossierFactory(firm=firm, workspace=workspace, company=company, start_date=ours.start_date)


def test_rotate_keys_knows_every_encrypted_column() -> None:
    found = {(model._meta.label, name) for model, names in key_rotation.encrypted_fields() for name in names}
    assert {("integrations.Connection", "secret"), ("integrations.Connection", "refresh_secret")} <= found


def test_a_log_of_json_holds_no_secret_when_a_service_echoes_it(
    firm_at: Firm, sandbox: Process, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"service": "toggl", "kind": "status", "status": 400, "body": f"bad token {TOKEN}"}
    sandbox.control.faults(echo)
    page = staff(firm_at).post("/connections/add/toggl/", {"key": "main", "secret": TOKEN}).content.decode()
    assert "bad token ***" in page
    assert (shown(page), shown(caplog.text), shown(json.dumps(events(firm_at)))) == (set(), set(), set())
