"""The fences, counted: a new model, admin, task or command without one fails here. (Addresses: test_every_url.py.)"""

from __future__ import annotations

import inspect
from typing import Any, get_type_hints

import celery
import pytest
from django.apps import apps
from django.contrib import admin
from django.core.management import get_commands, load_command_class
from django.db import models
from django.test import Client
from pytest_django import Settings

from integrations.clients.http.answers import Answer
from integrations.clients.http.transport import Call, ServiceError, Transport
from invoicing.models import Dossier, Invoice, LedgerRow, TagMapping
from tests.factories import DossierFactory, FirmFactory, MembershipDossierFactory, MembershipFactory
from tests.furniture import furnish
from tests.visitors import Tab, address, signed_in, staff
from toggbill.firms import access, triggers
from toggbill.firms.admin import FirmModelAdmin, FirmTabularInline
from toggbill.firms.models import AuditEvent, Firm, FirmOwned, Membership, User

pytestmark = pytest.mark.django_db

OURS = ("firms", "integrations", "invoicing")
MODELS = [model for model in apps.get_models() if model._meta.app_label in OURS]
OWNED = [model for model in MODELS if issubclass(model, FirmOwned)]


# --- models ---------------------------------------------------------------------------------------------------------


def test_every_model_belongs_to_a_firm() -> None:
    # A table between two rows of firms holds nothing but their keys.
    between = {model for model in MODELS if model._meta.auto_created}
    assert set(MODELS) - set(OWNED) - between == {User, Firm}


def test_every_row_points_to_its_firm_and_keeps_it_from_deletion() -> None:
    for model in OWNED:
        field = model._meta.get_field("firm")
        assert isinstance(field, models.ForeignKey)
        assert field.remote_field.on_delete is models.PROTECT, model
        assert not field.null, model


def test_every_model_has_its_place_in_the_fence_between_dossiers() -> None:
    assert {model._meta.label_lower for model in OWNED} == access.FENCED


@pytest.mark.parametrize("model", OWNED, ids=lambda model: model._meta.label_lower)
def test_rows_of_other_firms_and_dossiers_are_not_visible(model: type[FirmOwned]) -> None:
    ours = FirmFactory(slug="ours")
    furnish(ours, "bakery")
    furnish(ours, "hidden")
    furnish(FirmFactory(slug="theirs"), "theirs")
    everything = model._default_manager.all()
    owner = MembershipFactory(firm=ours)
    restricted = MembershipFactory(firm=ours, role="bookkeeper", is_restricted=True)
    assert list(access.visible(restricted, everything)) == []
    MembershipDossierFactory(membership=restricted, dossier=Dossier.objects.get(key="bakery"))
    assert set(access.visible(owner, everything)) == set(everything.filter(firm=ours))
    assert list(access.visible(None, everything)) == []
    seen = set(access.visible(restricted, everything))
    if model._meta.label_lower in access.WHOLE_FIRM:
        assert seen == set()
    else:
        assert seen
        assert len(seen) * 2 <= everything.filter(firm=ours).count()
        for row in seen:
            assert "hidden" not in " ".join(str(value) for value in vars(row).values())


def test_every_pointing_row_has_a_trigger_that_keeps_it_in_its_firm() -> None:
    pointing = {model for model in OWNED if triggers.parents_of(model)}
    assert set(triggers.fenced_models()) == pointing
    assert len(pointing) >= 20


def test_names_of_what_dossiers_share_are_hidden_from_who_sees_one_of_them() -> None:
    firm = FirmFactory()
    furnish(firm, "bakery")
    bakery = Dossier.objects.get(key="bakery")
    restricted = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True)
    MembershipDossierFactory(membership=restricted, dossier=bakery)
    for label in ("integrations.client", "integrations.project", "integrations.customer"):
        assert access.visible(restricted, apps.get_model(label)._default_manager.all()).count() == 1
    DossierFactory(firm=firm, workspace=bakery.workspace, company=bakery.company, key="second")
    for label in ("integrations.client", "integrations.project", "integrations.customer"):
        assert access.visible(restricted, apps.get_model(label)._default_manager.all()).count() == 0
    for label in ("integrations.workspace", "integrations.company", "integrations.product"):
        assert access.visible(restricted, apps.get_model(label)._default_manager.all()).count() == 1


# --- pages ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_pages_show_a_restricted_member_his_dossiers_only() -> None:
    firm = FirmFactory()
    furnish(firm, "bakery")
    furnish(firm, "leakmark")
    LedgerRow.objects.filter(dossier__key="leakmark").update(state="attention", reason="no_vat")
    row = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True, user__is_staff=True)
    MembershipDossierFactory(membership=row, dossier=Dossier.objects.get(key="bakery"))
    browser = Tab(firm)
    browser.force_login(row.user)
    for path in ("/", "/attention/", "/invoices/", "/dossiers/bakery/", "/dossiers/bakery/hours/"):
        page = browser.get(path)
        assert page.status_code == 200
        assert "leakmark" not in page.content.decode(), path
    assert "bakery" in browser.get("/").content.decode()
    hidden = Invoice.objects.filter(dossier__key="leakmark")[0]
    assert browser.get(f"/invoices/{hidden.reference}/").status_code == 404
    assert browser.get("/dossiers/leakmark/").status_code == 404
    assert browser.get("/invoices/?dossier=leakmark").content.decode().count("leakmark") <= 4  # the address alone


@pytest.mark.slow
def test_choices_of_the_admin_are_those_of_a_restricted_member() -> None:
    firm = FirmFactory()
    furnish(firm, "bakery")
    furnish(firm, "leakmark")
    row = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True, user__is_staff=True)
    MembershipDossierFactory(membership=row, dossier=Dossier.objects.get(key="bakery"))
    browser = Tab(firm)
    browser.force_login(row.user)
    page = browser.get(address(TagMapping, "add")).content.decode()
    assert "bakery" in page
    assert "leakmark" not in page
    form = {"dossier": Dossier.objects.get(key="leakmark").pk, "tag": "X", "bill": "on", "product_reference": "X"}
    answer = browser.post(address(TagMapping, "add"), form)
    assert "not one of the available choices" in answer.content.decode()
    for model in OWNED:
        assert "leakmark" not in browser.get(address(model, "changelist")).content.decode(), model


# --- admins ---------------------------------------------------------------------------------------------------------


def test_every_admin_is_behind_the_fence() -> None:
    for model, model_admin in admin.site._registry.items():
        if model in {User, Firm}:
            continue
        assert issubclass(model, FirmOwned), f"{model}: unregister it, or give it a firm"
        assert isinstance(model_admin, FirmModelAdmin), model
        assert all(issubclass(inline, FirmTabularInline) for inline in model_admin.inlines), model
        assert model_admin.to_see in access.RIGHTS
        assert model_admin.to_change in access.RIGHTS
    assert set(OWNED) <= set(admin.site._registry)


def test_sign_in_of_the_admin_is_that_of_the_site() -> None:
    for site in ("/f/ours/admin/", "/operator/"):
        answer = Client().get(f"{site}login/?next={site}")
        assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={site}")
        assert Client().post(f"{site}login/", {"username": "a", "password": "b"}).status_code == 302


# --- tasks and commands ---------------------------------------------------------------------------------------------


def test_every_task_takes_ids_and_nothing_else() -> None:
    for name in ("integrations.tasks", "invoicing.tasks"):
        __import__(name)
    tasks = {name: task for name, task in celery.current_app.tasks.items() if name.startswith(OURS)}
    assert len(tasks) >= 9
    for name, task in tasks.items():
        hints = get_type_hints(task.run)
        for parameter in inspect.signature(task.run).parameters.values():
            if parameter.kind is inspect.Parameter.VAR_KEYWORD:  # what a newer sender adds is dropped
                continue
            assert parameter.name.endswith(("_id", "_ids")), f"{name}: {parameter.name} is no id"
            assert hints[parameter.name] in (int, int | None, list[int]), f"{name}: {parameter.name} is no number"


# Whose rows a command works on: one firm's (an argument), each firm's in turn, or none's.
COMMANDS = {
    "acknowledge": "--firm",
    "agreement": "--firm",
    "anchor_audit": "each",
    "close_firm": "--firm",
    "corrections": "--firm",
    "demo": "none",
    "doctor": "each",
    "evidence": "--firm",
    "export_audit": "--firm",
    "export_firm": "--firm",
    "invoice": "--firm",
    "ledger": "--firm",
    "moves": "none",
    "onboard": "file",
    "probe": "none",
    "reconcile": "--firm",
    "reset_mfa": "each",
    "roles": "none",
    "rotate_keys": "each",
    "sandbox": "none",
    "sync": "--firm",
    "recount": "--firm",
    "write_back": "--firm",
    "verify_audit": "--firm",
    "wip": "--firm",
}


def test_every_command_says_whose_rows_it_works_on() -> None:
    ours = {name: app for name, app in get_commands().items() if str(app).split(".")[0] in {*OURS, "toggbill"}}
    assert set(ours) <= set(COMMANDS)
    for name, app in ours.items():
        command: Any = load_command_class(str(app), name)
        options = {text for action in command.create_parser("", name)._actions for text in action.option_strings}
        assert ("--firm" in options) is (COMMANDS[name] == "--firm"), name


# --- outside --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "goal", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "https:evil.example"]
)
def test_no_redirect_leaves_the_site(goal: str) -> None:
    browser = signed_in(FirmFactory())
    asked = [
        browser.post("/i18n/setlang/", {"language": "fr", "next": goal}),
        browser.get("/accounts/login/", {"next": goal}),
        browser.post("/accounts/logout/", {"next": goal}),
        Client().get("/f/ours/admin/login/", {"next": goal}),
        Client().get("/operator/login/", {"next": goal}),
    ]
    for answer in asked:
        assert answer.status_code == 302
        where = answer["Location"]
        assert where.startswith("/"), where
        assert not where.startswith(("//", "/\\")), where


def test_outgoing_calls_go_to_the_configured_host_only() -> None:
    def refusal(_call: Call, _answer: Answer) -> ServiceError:
        raise AssertionError("no call was to be made")

    transport = Transport(service="Billit", url="http://127.0.0.1:9", secret="planted", refusal=refusal)
    for path in ("@evil.example/orders", ".evil.example/x", "http://evil.example/x", "0/x", ""):
        with pytest.raises(ServiceError, match="led to another address for the orders"):
            transport.send("GET", path, purpose="the orders")
    assert transport.calls == 0


def test_headers_of_every_page() -> None:
    for browser in (Client(), staff(FirmFactory())):
        answer = browser.get("/accounts/password/reset/")
        policy = answer["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "report-uri /csp-report/" in policy
        assert "unsafe" not in policy
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in answer["Permissions-Policy"]
        assert "publickey-credentials-get=(self)" in answer["Permissions-Policy"]
    assert answer["Cache-Control"] == "private, no-store" or "no-store" in answer["Cache-Control"]


def test_body_above_the_limit_is_refused_before_it_is_read(settings: Settings) -> None:
    settings.LARGEST_BODY = 1000
    assert Client().post("/accounts/login/", {"login": "x" * 1001}).status_code == 413
    assert Client().post("/accounts/login/", {"login": "x" * 10}).status_code == 200


def test_audit_log_is_not_shown_to_who_sees_some_dossiers_only() -> None:
    firm = FirmFactory()
    furnish(firm, "bakery")
    restricted = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True)
    MembershipDossierFactory(membership=restricted, dossier=Dossier.objects.get(key="bakery"))
    assert AuditEvent.objects.for_firm(firm).exists()
    assert not access.visible(restricted, AuditEvent.objects.all()).exists()
    assert not access.visible(restricted, Membership.objects.all()).exists()
