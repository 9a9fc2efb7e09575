"""The admin: what each role sees and changes, and that nothing of another firm leaks."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import models

from invoicing.models import Dossier, TagMapping
from tests.factories import (
    DossierFactory,
    FirmFactory,
    MembershipFactory,
    WorkspaceFactory,
)
from tests.furniture import furnish
from tests.visitors import Tab, address, managed, of_operator, staff, superuser
from toggbill.firms.admin import FirmModelAdmin, FirmTabularInline, ReadOnlyAdmin
from toggbill.firms.models import Firm, FirmOwned, Membership, User

pytestmark = pytest.mark.django_db

OWNED = [model for model in apps.get_models() if issubclass(model, FirmOwned)]
CHANGED_HERE = {"connection", "dossier", "tagmapping", "clientmapping", "membership", "productprice"}
READ_ONLY = [model for model in OWNED if model._meta.model_name not in CHANGED_HERE]
NAMES = {model: str(model._meta.model_name) for model in OWNED}


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return DossierFactory(firm=firm, key="bakery", name="Bakery")


def dossier_form(dossier: Dossier, **more: Any) -> dict[str, Any]:
    fields = {
        "name": dossier.name,
        "start_date": "2026-09-01",
        "billable": "all",
        "group_by": "product",
        "rounding_minutes": 0,
        "rounding_direction": "up",
        "rounding_level": "entry",
        "rounding_minimum": 0,
        "every": "manual",
        "mode": "review",
        "price_decimals": 2,
        "longest_hours": 16,
        "deviation": 0,
        "price_day": "draft",
        "payment_days": 30,
    }
    for prefix in ("tag_mappings", "client_mappings", "named_clients"):
        fields |= managed(prefix, [])
    return fields | more


def test_every_model_of_a_firm_has_a_fenced_admin() -> None:
    assert len(OWNED) >= 23
    for model in OWNED:
        model_admin = admin.site.get_model_admin(model)
        assert isinstance(model_admin, FirmModelAdmin), model
        assert all(issubclass(inline, FirmTabularInline) for inline in model_admin.inlines), model
        assert isinstance(model_admin, ReadOnlyAdmin) is (model in READ_ONLY), model


def test_every_filter_on_a_relation_offers_the_own_firm_only() -> None:
    for model in OWNED:
        for item in admin.site.get_model_admin(model).list_filter:
            if isinstance(item, type):
                assert issubclass(item, admin.SimpleListFilter), (model, item)  # offers words, no rows
                continue
            name, kind = item if isinstance(item, tuple) else (item, None)
            if isinstance(model._meta.get_field(str(name)), models.ForeignKey):
                assert kind is admin.RelatedOnlyFieldListFilter, (model, name)


@pytest.mark.parametrize("model", OWNED, ids=NAMES.get)
def test_lists_show_own_rows_only(model: type[FirmOwned], firm: Firm) -> None:
    furnish(firm, "ourmark")
    furnish(FirmFactory(slug="theirs", name="leakmark"), "leakmark")
    page = staff(firm).get(address(model, "changelist"))
    assert page.status_code == 200
    assert "leakmark" not in page.content.decode()
    assert f"{model._default_manager.filter(firm=firm).count()} " in page.content.decode()


@pytest.mark.parametrize("model", OWNED, ids=NAMES.get)
def test_rows_of_another_firm_are_not_found_by_address(model: type[FirmOwned], firm: Firm) -> None:
    theirs = FirmFactory(slug="theirs", name="leakmark")
    furnish(theirs, "leakmark")
    MembershipFactory(firm=theirs)
    row = model._default_manager.filter(firm=theirs).first()
    assert row is not None
    browser = staff(firm)
    for what in ("change", "delete", "history"):
        for answer in (browser.get(address(model, what, row.pk)), browser.post(address(model, what, row.pk), {})):
            assert answer.status_code in {403, 404}, what
            assert "leakmark" not in answer.content.decode()
    assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", OWNED, ids=NAMES.get)
def test_own_rows_open_for_every_role_that_sees(model: type[FirmOwned], firm: Firm) -> None:
    furnish(firm, "ourmark")
    for role in ("owner", "viewer"):
        browser = staff(firm, role)
        row = model._default_manager.filter(firm=firm).first()
        assert row is not None
        assert browser.get(address(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", READ_ONLY, ids=NAMES.get)
def test_read_only_rows_are_changed_by_nobody(model: type[FirmOwned], firm: Firm) -> None:
    furnish(firm, "ourmark")
    row = model._default_manager.filter(firm=firm).first()
    assert row is not None
    for browser in (superuser(firm), staff(firm)):
        assert browser.get(address(model, "add")).status_code == 403
        assert browser.post(address(model, "change", row.pk), {"firm": "1"}).status_code == 403
        assert browser.post(address(model, "delete", row.pk), {"post": "yes"}).status_code == 403
        assert 'name="_save"' not in browser.get(address(model, "change", row.pk)).content.decode()
    assert model._default_manager.filter(pk=row.pk).exists()


def test_superuser_sees_every_firm_at_its_address(firm: Firm, dossier: Dossier) -> None:
    theirs = DossierFactory(name="Their Dossier").firm
    for own, its, other in ((firm, "Bakery", "Their Dossier"), (theirs, "Their Dossier", "Bakery")):
        page = superuser(own).get(address(Dossier, "changelist")).content.decode()
        assert its in page
        assert other not in page


def test_operator_finds_every_firm_and_the_way_into_it(firm: Firm) -> None:
    theirs = FirmFactory(slug="theirs", name="Their Firm")
    browser = superuser()
    page = browser.get("/", follow=True)
    assert page.redirect_chain == [("/operator/", 302)]
    listed = browser.get(of_operator(Firm, "changelist")).content.decode()
    for row in (firm, theirs):
        assert row.name in listed
        assert f'href="/f/{row.slug}/admin/"' in listed
        for what in ("change", "history"):
            assert browser.get(of_operator(Firm, what, row.pk))["Location"] == (
                f"/f/{row.slug}/admin/firms/firm/{row.pk}/{what}/"
            )
        assert browser.post(of_operator(Firm, "change", row.pk), {"name": "Other"}).status_code == 404
        assert browser.post(of_operator(Firm, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert browser.get(of_operator(Firm, "change", 0)).status_code == 404


def test_operators_pages_are_the_operators_alone(firm: Firm) -> None:
    for browser in (staff(firm), staff(None)):
        for path in ("/operator/", of_operator(Firm, "changelist"), of_operator(User, "changelist")):
            assert browser.get(path, follow=True).status_code == 403


def test_staff_without_a_firm_see_nothing(firm: Firm, dossier: Dossier) -> None:
    browser = staff(None)
    for path in ("/f/ours/", "/f/ours/admin/", f"/f/ours{address(Dossier, 'changelist')}"):
        assert browser.get(path).status_code == 404
    assert browser.get("/").status_code == 403


def test_members_who_are_no_staff_stay_outside(firm: Firm) -> None:
    browser = Tab(firm)
    browser.force_login(MembershipFactory(firm=firm).user)
    assert browser.get("/admin/").status_code == 302


def test_choices_are_those_of_the_own_firm(firm: Firm, dossier: Dossier) -> None:
    theirs = DossierFactory(name="Their Dossier")
    browser = staff(firm)
    page = browser.get(address(TagMapping, "add")).content.decode()
    assert "Bakery" in page
    assert "Their Dossier" not in page
    form = {"dossier": theirs.pk, "tag": "ADV", "bill": "on", "product_reference": "ADV"}
    answer = browser.post(address(TagMapping, "add"), form)
    assert "not one of the available choices" in answer.content.decode()
    assert not TagMapping.objects.exists()


def test_choices_of_a_new_dossier_are_those_of_the_own_firm(firm: Firm) -> None:
    ours, theirs = WorkspaceFactory(firm=firm, name="Ours"), WorkspaceFactory(name="Their Workspace")
    page = staff(firm).get(address(Dossier, "add")).content.decode()
    assert f'<option value="{ours.pk}">' in page
    assert theirs.name not in page


@pytest.mark.parametrize(("role", "status"), [("owner", 302), ("manager", 302), ("bookkeeper", 403), ("viewer", 403)])
def test_dossiers_are_changed_by_who_configures(role: str, status: int, firm: Firm, dossier: Dossier) -> None:
    answer = staff(firm, role).post(address(Dossier, "change", dossier.pk), dossier_form(dossier, name="Other"))
    assert answer.status_code == status
    dossier.refresh_from_db()
    assert dossier.name == ("Other" if status == 302 else "Bakery")


@pytest.mark.parametrize(("role", "status"), [("owner", 302), ("manager", 302), ("bookkeeper", 302), ("viewer", 403)])
def test_mappings_are_changed_by_who_maps(role: str, status: int, firm: Firm, dossier: Dossier) -> None:
    form = {"dossier": dossier.pk, "tag": "ADV", "bill": "on", "product_reference": "ADV"}
    assert staff(firm, role).post(address(TagMapping, "add"), form).status_code == status
    assert TagMapping.objects.count() == (1 if status == 302 else 0)


@pytest.mark.parametrize(("role", "status"), [("owner", 200), ("manager", 403), ("bookkeeper", 403), ("viewer", 403)])
def test_members_are_added_by_owners(role: str, status: int, firm: Firm) -> None:
    assert staff(firm, role).get(address(Membership, "add")).status_code == status


def test_dossiers_are_deleted_by_nobody(firm: Firm, dossier: Dossier) -> None:
    for browser in (superuser(firm), staff(firm)):
        assert browser.post(address(Dossier, "delete", dossier.pk), {"post": "yes"}).status_code == 403
