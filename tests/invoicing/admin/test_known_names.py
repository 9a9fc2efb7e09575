"""Clients, customers and products are offered by name in the admin, and kept by the services' ids."""

from __future__ import annotations

from typing import Any

import pytest

from invoicing.models import ClientMapping, Dossier, DossierClient
from tests.factories import (
    ClientFactory,
    ClientMappingFactory,
    CustomerFactory,
    DossierFactory,
    FirmFactory,
    MembershipDossierFactory,
    MembershipFactory,
    ProductFactory,
)
from tests.invoicing.admin.test_dossiers import dossier_form
from tests.visitors import address, events, managed, staff, superuser
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    """A dossier with two clients, one that is gone, a customer and a product; and another firm's client."""
    dossier = DossierFactory(firm=firm, key="bakery", name="Bakery")
    ClientFactory(workspace=dossier.workspace, remote_id=501, name="Garage  Vonk (Gent)")
    ClientFactory(workspace=dossier.workspace, remote_id=502, name="Bakkerij Zomer")
    ClientFactory(workspace=dossier.workspace, remote_id=503, name="Gone", deleted_at="2026-11-20T10:00Z")
    CustomerFactory(company=dossier.company, party_id=88001, name="Zomer NV", vat_number="BE0999000030")
    ProductFactory(company=dossier.company, reference="ADV", description="Advice")
    ClientFactory(name="Leakmark")
    CustomerFactory(name="Leakmark")
    ProductFactory(reference="Leakmark")
    return dossier


def add(firm: Firm, dossier: Dossier, **fields: Any) -> str:
    """What the admin answers to a new mapping; "" when it took it."""
    answer = staff(firm).post(address(ClientMapping, "add"), {"dossier": dossier.pk} | fields)
    return "" if answer.status_code == 302 else answer.content.decode()


@pytest.mark.parametrize(
    "typed", ["501", " 501 ", "Garage Vonk (Gent) (501)", "garage vonk (gent)", "Whatever it was called (501)"]
)
def test_client_is_named_or_numbered(typed: str, firm: Firm, dossier: Dossier) -> None:
    assert add(firm, dossier, client_remote_id=typed, customer_party_id="Zomer NV") == ""
    row = ClientMapping.objects.get()
    assert (row.client_remote_id, row.customer_party_id) == (501, 88001)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("Vonk", "Nothing known is called “Vonk”: choose one of the list, or give its number."),
        ("Garage Vonk (Gent) (999)", "has no client 999 in Toggl"),
        ("5.01", "Nothing known is called “5.01”"),
        ("9" * 19, "Nothing known is called"),
        ("", "This field is required."),
    ],
)
def test_client_that_is_not_known_is_refused(typed: str, sentence: str, firm: Firm, dossier: Dossier) -> None:
    page = add(firm, dossier, client_remote_id=typed)
    assert sentence in page
    assert not ClientMapping.objects.exists()


def test_name_that_several_have_needs_the_number(firm: Firm, dossier: Dossier) -> None:
    ClientFactory(workspace=dossier.workspace, remote_id=504, name="bakkerij zomer")
    assert "Several are called “Bakkerij Zomer”" in add(firm, dossier, client_remote_id="Bakkerij Zomer")
    assert add(firm, dossier, client_remote_id="Bakkerij Zomer (504)") == ""
    assert ClientMapping.objects.get().client_remote_id == 504


def test_page_of_the_dossier_offers_what_its_services_have(firm: Firm, dossier: Dossier) -> None:
    ClientMappingFactory(dossier=dossier, client_remote_id=503, number="", customer_party_id=88001)
    ClientMappingFactory(dossier=dossier, client_remote_id=777)
    page = staff(firm).get(address(Dossier, "change", dossier.pk)).content.decode()
    known = page.split('<datalist id="known-clients">')[1].split("</datalist>")[0]
    assert '<option value="Bakkerij Zomer (502)">' in known
    assert '<option value="Garage Vonk (Gent) (501)">' in page
    assert '<option value="Zomer NV (88001)">BE0999000030</option>' in page
    assert '<option value="ADV">Advice</option>' in page
    assert '<option value="Gone (503)">' not in page
    # What is stored is shown by name, also when it is gone, and by number when it never was mirrored.
    assert 'value="Gone (503)"' in page
    assert 'value="Zomer NV (88001)"' in page
    assert 'value="777"' in page
    assert "Leakmark" not in page


def test_page_of_a_new_mapping_offers_the_clients_of_the_firm(firm: Firm, dossier: Dossier) -> None:
    page = staff(firm).get(address(ClientMapping, "add")).content.decode()
    assert f'<option value="Bakkerij Zomer (502)">{dossier.workspace.name}</option>' in page
    assert "Leakmark" not in page
    assert superuser(firm).get(address(ClientMapping, "add")).content.decode().count("Bakkerij Zomer (502)") == 1


def test_inline_row_saved_under_its_name_is_no_change(firm: Firm, dossier: Dossier) -> None:
    row = ClientMappingFactory(dossier=dossier, client_remote_id=501, number="", customer_party_id=88001)
    rows: list[dict[str, Any]] = [
        {"id": row.pk, "client_remote_id": "Garage Vonk (Gent) (501)", "customer_party_id": "Zomer NV (88001)"},
        {"client_remote_id": "bakkerij zomer", "number": "BE0999000030"},
    ]
    named = [{"client_remote_id": "Bakkerij Zomer (502)"}]
    form = dossier_form(dossier) | managed("client_mappings", rows, before=1) | managed("named_clients", named)
    assert staff(firm).post(address(Dossier, "change", dossier.pk), form).status_code == 302
    assert sorted(ClientMapping.objects.values_list("client_remote_id", flat=True)) == [501, 502]
    assert DossierClient.objects.get().client_remote_id == 502
    assert [kind for kind, _subject, _data in events(firm)] == ["rule_changed", "mapping_changed"]


def test_list_of_mappings_shows_and_finds_names(firm: Firm, dossier: Dossier) -> None:
    ClientMappingFactory(dossier=dossier, client_remote_id=501, number="", customer_party_id=88001)
    ClientMappingFactory(dossier=dossier, client_remote_id=502)
    browser, path = staff(firm), address(ClientMapping, "changelist")
    page = browser.get(path).content.decode()
    assert "Zomer NV (88001)" in page
    assert "Bakkerij Zomer (502)" in page
    found = browser.get(path, {"q": "vonk"}).content.decode()
    assert "Vonk (Gent) (501)" in found
    assert "Bakkerij Zomer (502)" not in found


def test_member_with_one_dossier_of_a_shared_workspace_is_offered_no_names(firm: Firm, dossier: Dossier) -> None:
    DossierFactory(firm=firm, workspace=dossier.workspace, company=dossier.company, key="hidden")
    ClientMappingFactory(dossier=dossier, client_remote_id=501)
    row = MembershipFactory(firm=firm, role="bookkeeper", is_restricted=True, user__is_staff=True)
    MembershipDossierFactory(membership=row, dossier=dossier)
    browser = staff(None)
    browser.force_login(row.user)
    for path in (address(ClientMapping, "add"), address(ClientMapping, "changelist")):
        page = browser.get(path).content.decode()
        assert "Vonk" not in page
        assert "Zomer" not in page


def test_page_of_many_mappings_reads_the_names_once(
    firm: Firm, dossier: Dossier, django_assert_max_num_queries: Any
) -> None:
    for number in range(40):
        ClientMappingFactory(dossier=dossier, client_remote_id=1000 + number)
    browser = staff(firm)
    with django_assert_max_num_queries(30):
        assert browser.get(address(Dossier, "change", dossier.pk)).status_code == 200
