"""What was asked for is done and the answer leads to a page, whatever address the request brings along."""

from __future__ import annotations

import pytest
from django.test import Client, RequestFactory

from invoicing.models import LedgerRow
from tests.factories import PASSWORD, DossierFactory, FirmFactory, LedgerRowFactory, MembershipFactory
from tests.visitors import read_of, signed_in
from toggbill.firms.next_page import leave, page_of_ours

NOWHERE = [
    "",
    "nowhere",
    "hours/",
    "/nowhere/",
    "//elsewhere.example/",
    "///elsewhere.example/",
    "/\\elsewhere.example/",
    "https://elsewhere.example/",
    "https://elsewhere.example/attention/",
    "javascript:void(0)",
    "http://[",
    "?page=2",
    "#top",
    "/a\nb/",
]


@pytest.mark.parametrize("address", NOWHERE)
def test_what_leads_nowhere_is_no_page(address: str) -> None:
    assert page_of_ours(RequestFactory().get("/"), address) == ""


@pytest.mark.parametrize(
    ("address", "page"),
    [
        ("/attention/", "/attention/"),
        ("/attention/?reason=no_vat&dossier=a%26b", "/attention/?reason=no_vat&dossier=a%26b"),
        ("http://testserver/attention/?page=2", "/attention/?page=2"),
        ("/invoices/a%20b/#top", "/invoices/a%20b/"),
        ("/admin/", "/admin/"),
    ],
)
def test_page_of_ours_is_its_path_and_query(address: str, page: str) -> None:
    assert page_of_ours(RequestFactory().get("/"), address) == page


@pytest.mark.django_db
@pytest.mark.parametrize("address", NOWHERE)
def test_hours_are_held_and_the_answer_leads_to_their_page(address: str) -> None:
    firm = FirmFactory()
    row = LedgerRowFactory(dossier=DossierFactory(firm=firm, key="bakery"))
    fields = {"entry": row.entry_id, "reason": "Wait", "next": address, "read": read_of(row)}
    answer = signed_in(firm).post("/dossiers/bakery/hours/hold/", fields)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"/f/{firm.slug}/dossiers/bakery/hours/")
    assert LedgerRow.objects.get().decision == "held"


@pytest.mark.django_db
def test_hours_lead_back_to_where_they_were_held() -> None:
    firm = FirmFactory()
    row = LedgerRowFactory(dossier=DossierFactory(firm=firm, key="bakery"))
    goal = f"/f/{firm.slug}/attention/?reason=no_vat"
    fields = {"entry": row.entry_id, "reason": "Wait", "next": goal, "read": read_of(row)}
    answer = signed_in(firm).post("/dossiers/bakery/hours/hold/", fields)
    assert answer.headers["Location"] == goal


@pytest.mark.django_db
@pytest.mark.parametrize("address", NOWHERE[1:])
def test_sign_in_language_and_admin_lead_to_a_page(address: str) -> None:
    MembershipFactory(firm=FirmFactory(language="en"), user__email="o@example.com", user__password=PASSWORD)
    browser = Client()
    asked = {"login": "o@example.com", "password": PASSWORD, "next": address}
    assert browser.post("/accounts/login/", asked).headers["Location"] == "/"
    assert browser.post("/i18n/setlang/", {"language": "nl", "next": address}).headers["Location"] == "/"
    assert browser.cookies["django_language"].value == "nl"


@pytest.mark.django_db
def test_language_leads_back_to_its_page() -> None:
    answer = Client().post("/i18n/setlang/", {"language": "fr", "next": "/accounts/login/?next=/attention/"})
    assert answer.headers["Location"] == "/accounts/login/?next=/attention/"


def test_part_of_a_page_is_left_by_the_browser_itself() -> None:
    plain, part = (RequestFactory().get("/", headers=headers) for headers in ({}, {"HX-Request": "true"}))
    answer, told = leave(plain, "/invoices/"), leave(part, "/invoices/")
    assert (answer.status_code, answer["Location"]) == (302, "/invoices/")
    assert (told.status_code, told["HX-Redirect"], "Location" in told) == (200, "/invoices/", False)
