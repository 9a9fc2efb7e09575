"""What one click decides on the page of attention: a number that may be another's, hours as they stand."""

from __future__ import annotations

import pytest
from django.test import Client
from pytest_django import Settings

from integrations.models import Client as TogglClient
from invoicing.deciding import figures
from invoicing.deciding.read import Read
from invoicing.models import ClientMapping, Dossier, LedgerRow
from tests.factories import (
    ClientFactory,
    ClientMappingFactory,
    DossierFactory,
    FirmFactory,
    LedgerRowFactory,
    enterprise_number,
)
from tests.visitors import alerts, events, inputs, read_of, signed_in
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
NUMBER = enterprise_number(7)
NAME = f"Bakery {NUMBER[3:]}"
TAKE = "/dossiers/bakery/clients/501/number/"


@pytest.fixture(autouse=True)
def static_files_from_the_source(settings: Settings) -> None:
    """Without ``collectstatic`` there is no folder to serve from, and whitenoise would warn of it."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", language="en")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    made = DossierFactory(firm=firm, key="bakery", name="Bakery")
    ClientFactory(workspace=made.workspace, remote_id=501, name=NAME)
    return made


def shown(client: Client, page: str = "/attention/") -> str:
    return client.get(page).content.decode()


def test_a_number_that_may_be_anothers_is_taken_by_one_click(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, reason="unsure_vat", client_name=NAME)
    ClientMappingFactory(
        dossier=dossier, client_remote_id=501, number="", treatment="reverse_charge", purchase_order="PO-7"
    )
    client = signed_in(firm, "bookkeeper")
    page = shown(client)
    assert f"{NUMBER} is the customer" in page
    assert TAKE in page
    read = inputs(page, "read")[0]
    answer = client.post(TAKE, {"read": read}, follow=True)
    assert alerts(answer.content.decode()).startswith(f"success: {NUMBER} is the customer from now on.")
    row = ClientMapping.objects.get()
    assert (row.number, row.is_proposed, row.treatment, row.purchase_order) == (
        NUMBER,
        False,
        "reverse_charge",
        "PO-7",
    )
    assert [type for type, _subject, _data in events(firm)] == ["mapping_changed"]
    again = client.post(
        TAKE, {"read": Read.of([figures.of_client(TogglClient.objects.get(), row)]).pack()}, follow=True
    )
    assert alerts(again.content.decode()).startswith(
        "danger: Nothing was changed: the name of this client has no number"
    )


def test_a_client_that_was_renamed_meanwhile_is_shown_anew(firm: Firm, dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, reason="unsure_vat", client_name=NAME)
    client = signed_in(firm, "bookkeeper")
    read = inputs(shown(client), "read")[0]
    other = f"Bakery {enterprise_number(8)[3:]}"
    TogglClient.objects.update(name=other)
    answer = client.post(TAKE, {"read": read})
    assert answer.status_code == 409
    assert other in answer.content.decode()
    assert client.post(TAKE, {}).status_code == 400
    assert not ClientMapping.objects.exists()


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("bookkeeper", 400)])
def test_only_who_may_map_takes_a_number(firm: Firm, dossier: Dossier, role: str, status: int) -> None:
    LedgerRowFactory(dossier=dossier, reason="unsure_vat", client_name=NAME)
    client = signed_in(firm, role)
    assert ("is the customer" in shown(client)) is (role == "bookkeeper")
    assert client.post(TAKE, {"read": ""}).status_code == status
    assert client.post("/dossiers/other/clients/501/number/", {}).status_code in (403, 404)


def test_doubtful_hours_are_billed_as_they_stand_from_attention(firm: Firm, dossier: Dossier) -> None:
    doubtful = LedgerRowFactory(dossier=dossier, reason="implausible")
    LedgerRowFactory(dossier=dossier, reason="no_tag")
    client = signed_in(firm, "bookkeeper")
    page = shown(client)
    assert page.count("/dossiers/bakery/hours/bill/") == 1
    sent = {"entry": [str(doubtful.entry_id)], "read": read_of(doubtful)}
    answer = client.post("/dossiers/bakery/hours/bill/", sent, follow=True)
    assert alerts(answer.content.decode()) == "success: 1 entry will be billed as it stands."
    assert [(type, data["was"]) for type, _subject, data in events(firm)] == [("entry_confirmed", "implausible")]
    assert LedgerRow.objects.get(pk=doubtful.pk).confirmed_as != ""


def test_no_button_bills_other_hours(firm: Firm, dossier: Dossier) -> None:
    row = LedgerRowFactory(dossier=dossier, reason="no_tag")
    client = signed_in(firm, "bookkeeper")
    assert "hours/bill/" not in shown(client)
    assert "hours/bill/" not in shown(client, "/dossiers/bakery/hours/")
    answer = client.post(
        "/dossiers/bakery/hours/bill/", {"entry": [str(row.entry_id)], "read": read_of(row)}, follow=True
    )
    assert alerts(answer.content.decode()).startswith("danger: Entry ")
