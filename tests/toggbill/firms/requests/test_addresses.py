"""How addresses of a firm are made and read, and where `/` and the addresses of before lead."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, resolve, reverse

from integrations.models import Connection
from invoicing.models import Invoice
from tests.factories import (
    FirmFactory,
    MembershipFactory,
)
from tests.toggbill.firms.requests.tabs import Two, counted
from tests.visitors import signed_in, superuser, text
from toggbill.firms.models import Firm, Membership, User
from toggbill.firms.requests.addresses import FirmPattern, in_firm, slug_in

pytestmark = pytest.mark.django_db


# --- how addresses are made -----------------------------------------------------------------------------------------


def test_addresses_of_a_firm_are_made_for_the_firm_in_force() -> None:
    with in_firm("ours"):
        assert reverse("firm:dossiers") == "/f/ours/"
        assert reverse("firm:dossier", args=["bakery"]) == "/f/ours/dossiers/bakery/"
        assert reverse("admin:index") == "/f/ours/admin/"
        assert reverse("admin:invoicing_dossier_change", args=[7]) == "/f/ours/admin/invoicing/dossier/7/change/"
        with in_firm("theirs"):
            assert reverse("firm:invoice", kwargs={"reference": "tb-1"}) == "/f/theirs/invoices/tb-1/"
        assert reverse("firm:members") == "/f/ours/members/"
        # What is no firm's stays outside.
        assert reverse("account_login") == "/accounts/login/"
        assert reverse("operator:index") == reverse("admin:index", current_app="operator") == "/operator/"


@pytest.mark.parametrize("name", ["firm:dossiers", "admin:index"])
def test_address_of_a_firm_without_a_firm_in_force_is_a_fault(name: str) -> None:
    with pytest.raises(NoReverseMatch, match="no firm is in force here"):
        reverse(name)
    with in_firm("ours"), in_firm(None), pytest.raises(NoReverseMatch):
        reverse(name)


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/f/ours/", "ours"),
        ("/f/our-s_1/admin/firms/", "our-s_1"),
        ("/f/ours", None),
        ("/f//", None),
        ("/f/o%2Furs/", None),
        ("/f/été/", None),
        ("/", None),
        ("/x/f/ours/", None),
    ],
)
def test_firm_of_an_address(path: str, slug: str | None) -> None:
    assert slug_in(path) == slug


def test_address_leads_to_the_view_below_the_firm() -> None:
    assert resolve("/f/ours/dossiers/bakery/").view_name == "firm:dossier"
    assert resolve("/f/ours/admin/").view_name == "admin:index"
    assert resolve("/f/ours/").route == "f/<slug:firm>/"
    patterns = [found.pattern for found in get_resolver().url_patterns if isinstance(found.pattern, FirmPattern)]
    assert [(str(pattern), pattern.describe(), pattern.check()) for pattern in patterns] == [
        ("f/<slug:firm>/admin/", "'f/<slug:firm>/admin/'", []),
        ("f/<slug:firm>/", "'f/<slug:firm>/'", []),
    ]


# --- where `/` and the addresses of before lead ---------------------------------------------------------------------


def test_site_leads_to_the_firm_whose_first_page_was_opened_last(two: Two) -> None:
    assert two.ours.get("/f/theirs/").status_code == 200
    browser = Client()
    browser.cookies = two.ours.cookies
    assert browser.get("/")["Location"] == "/f/theirs/"
    # Another page of a firm, and a form, choose none.
    two.ours.get("/invoices/")
    assert browser.get("/")["Location"] == "/f/theirs/"
    two.ours.get("/")
    assert browser.get("/")["Location"] == "/f/ours/"
    assert "Theirs" in text(browser, "/accounts/2fa/")


def test_site_leads_to_no_firm_that_was_left(two: Two) -> None:
    browser = Client()
    browser.cookies = two.theirs.cookies
    two.theirs.get("/")
    MembershipFactory(firm=two.theirs.firm)
    Membership.objects.filter(user__email="both@example.com", firm=two.theirs.firm).delete()
    assert browser.get("/")["Location"] == "/f/ours/"
    assert two.theirs.get("/").status_code == 404


def old(browser: Client, path: str) -> str:
    answer = browser.get(path)
    return str(answer["Location"]) if answer.status_code == 302 else str(answer.status_code)


def test_old_address_leads_on_to_the_firm_of_its_row(two: Two) -> None:
    browser = Client()
    browser.cookies = two.ours.cookies
    two.ours.get("/")
    for slug in ("ours", "theirs"):
        firm = Firm.objects.get(slug=slug)
        invoice = Invoice.objects.filter(firm=firm)[0]
        connection = Connection.objects.filter(firm=firm).order_by("pk")[0]
        Connection.objects.filter(pk=connection.pk).update(key=f"{slug}-key")
        row = Membership.objects.filter(firm=firm)[0]
        for path in (
            f"/invoices/{invoice.reference}/",
            f"/dossiers/{slug}/",
            f"/dossiers/{slug}/hours/?state=open&month=2026-10",
            f"/connections/{connection.service}/{slug}-key/",
            f"/members/{row.pk}/",
            f"/admin/invoicing/invoice/{invoice.pk}/change/",
            f"/admin/firms/firm/{firm.pk}/change/",
        ):
            assert old(browser, path) == f"/f/{slug}{path}"


def test_old_address_of_a_list_leads_to_the_firm_that_the_site_leads_to(two: Two) -> None:
    browser = Client()
    browser.cookies = two.ours.cookies
    two.theirs.get("/")
    for path in (
        "/attention/?reason=no_vat",
        "/invoices/",
        "/members/",
        "/connections/",
        "/admin/",
        "/dossiers/bakery/",
    ):
        assert old(browser, path) == f"/f/theirs{path}"
    assert old(browser, "/firm/leaving/") == "/f/theirs/leaving/"
    two.ours.get("/")
    assert old(browser, "/dossiers/bakery/") == "/f/ours/dossiers/bakery/"


def test_old_address_shows_nobody_what_is_not_theirs(two: Two) -> None:
    invoice = Invoice.objects.filter(firm=two.ours.firm)[0]
    path = f"/invoices/{invoice.reference}/"
    stranger = Client()
    stranger.cookies = signed_in(FirmFactory(slug="third")).cookies
    for there in (path, "/dossiers/ours/", f"/admin/invoicing/invoice/{invoice.pk}/change/", "/admin/nowhere/at/all/"):
        assert old(stranger, there) in {"404", "/f/third/admin/nowhere/at/all/"}, there
    assert old(Client(), path) == f"/accounts/login/?next={path}"
    assert old(signed_in(None), path) == "404"


def test_old_address_takes_no_form(two: Two) -> None:
    browser = Client()
    browser.cookies = two.ours.cookies
    before = [counted(tab.firm) for tab in (two.ours, two.theirs)]
    invoice = Invoice.objects.filter(firm=two.ours.firm)[0]
    for path, fields in (
        ("/members/invite/", {"email": "new@example.com", "role": "owner"}),
        ("/dossiers/ours/draft/", {"through": "2026-11-20"}),
        (f"/invoices/{invoice.reference}/drop/", {}),
    ):
        answer = browser.post(path, fields)
        assert answer.status_code == 409
        assert "Nothing was done" in answer.content.decode()
    assert [counted(tab.firm) for tab in (two.ours, two.theirs)] == before


def test_old_address_of_the_admin_leads_the_operator_on(two: Two) -> None:
    operator = superuser()
    invoice = Invoice.objects.filter(firm=two.theirs.firm)[0]
    assert old(operator, "/admin/") == "/operator/"
    path = f"/admin/invoicing/invoice/{invoice.pk}/change/"
    assert old(operator, path) == f"/f/theirs{path}"
    assert old(operator, "/admin/invoicing/invoice/0/change/") == "404"
    member = User.objects.get(email="both@example.com")
    assert old(operator, f"/admin/firms/user/{member.pk}/change/") == f"/f/ours/admin/firms/user/{member.pk}/change/"
