"""With two tabs and two firms, each page, link and form keeps to its own firm."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from integrations.models import Connection
from invoicing.models import Correction, Dossier, Invoice, LedgerRow, TagMapping
from tests.factories import (
    FirmFactory,
)
from tests.toggbill.firms.requests.tabs import Markup, Two, counted, form, forms
from tests.visitors import Tab, address, events, signed_in, superuser
from toggbill.firms.models import Firm, Invitation, Membership

pytestmark = pytest.mark.django_db


def test_invitation_of_the_first_tab_is_for_the_firm_of_the_first_tab(two: Two) -> None:
    sent = form(two.ours, "/members/", "/members/invite/")
    two.theirs.get("/")
    two.theirs.get("/members/")
    answer = two.ours.post(sent.action, sent.fields | {"email": "new@example.com", "role": "viewer"})
    assert answer["Location"] == "/f/ours/members/"
    assert Invitation.objects.get(email="new@example.com").firm == two.ours.firm


def test_pause_of_the_first_tab_pauses_the_connection_of_the_first_tab(two: Two) -> None:
    sent = form(two.ours, "/connections/toggl/main/", "/pause/")
    two.theirs.get("/")
    assert two.ours.post(sent.action, sent.fields).status_code == 302
    paused = Connection.objects.filter(paused_at__isnull=False)
    assert [row.firm for row in paused] == [two.ours.firm]


def test_drafts_of_the_first_tab_are_of_the_firm_of_the_first_tab(two: Two) -> None:
    before = {firm.slug: Invoice.objects.filter(firm=firm).count() for firm in Firm.objects.all()}
    sent = form(two.ours, "/dossiers/bakery/preview/?through=2026-11-20", "/draft/")
    two.theirs.get("/")
    two.theirs.get("/dossiers/bakery/")
    answer = two.ours.post(sent.action, sent.fields | {"through": "2026-11-20"})
    assert answer["Location"] == "/f/ours/dossiers/bakery/"
    after = {firm.slug: Invoice.objects.filter(firm=firm).count() for firm in Firm.objects.all()}
    assert after == before | {"ours": before["ours"] + 1}


def test_rule_that_is_saved_in_the_admin_of_the_first_tab_is_of_its_firm(two: Two) -> None:
    path = address(TagMapping, "add")
    sent = {found.action: found.fields for found in forms(two.ours, two.ours.at(path))}[two.ours.at(path)]
    two.theirs.get("/admin/")
    bakery = Dossier.objects.get(key="bakery", firm=two.ours.firm)
    fields = {"dossier": str(bakery.pk), "tag": "New", "bill": "on", "product_reference": "ADV", "_save": ""}
    assert two.ours.post(path, sent | fields)["Location"] == f"/f/ours{address(TagMapping, 'changelist')}"
    assert TagMapping.objects.get(tag="New").firm == two.ours.firm


def pages(tab: Tab) -> list[str]:
    """The addresses of a firm's pages, its admin included."""
    reference = Invoice.objects.filter(firm=tab.firm)[0].reference
    row = Connection.objects.filter(firm=tab.firm)[0]
    one = Dossier.objects.get(firm=tab.firm, key=tab.firm.slug)
    found = ["/", "/attention/", "/corrections/", "/invoices/", "/members/", "/connections/", "/leaving/", "/admin/"]
    found += [f"/dossiers/{one.key}/", f"/dossiers/{one.key}/hours/", f"/invoices/{reference}/"]
    found += [f"/connections/{row.service}/{row.key}/", f"/connections/{row.service}/{row.key}/remove/"]
    found += ["/connections/add/toggl/", f"/members/{Membership.objects.filter(firm=tab.firm)[0].pk}/"]
    found += [address(Dossier, what) for what in ("changelist", "add", "export", "import")]
    return [*found, address(Dossier, "change", one.pk), address(Dossier, "history", one.pk)]


# What a page leads to outside of its firm: the account, static files, the language.
ELSEWHERE = re.compile(r"/(accounts|static|i18n)/|#|\?|data:")


@pytest.mark.slow
def test_every_link_and_form_of_a_page_stays_in_its_firm(two: Two) -> None:
    for tab in (two.ours, two.theirs):
        other = "theirs" if tab is two.ours else "ours"
        for path in pages(tab):
            answer = tab.get(path)
            assert answer.status_code == 200, path
            read = Markup(answer.content.decode())
            links = {link for link in read.links if not ELSEWHERE.match(link)}
            # The menu of the person's firms names the other one, and nothing else does.
            assert links - {f"/f/{other}/"}
            stray = {link for link in links if link.startswith("/") and not link.startswith(f"/f/{tab.firm.slug}/")}
            assert stray <= {f"/f/{other}/"}, path
            hidden = [
                found.fields.get("made_for_firm") for found in read.found if "csrfmiddlewaretoken" in found.fields
            ]
            assert set(hidden) <= {tab.firm.slug}, path


# --- forms that went astray -----------------------------------------------------------------------------------------


def test_form_of_one_firm_does_nothing_in_another(two: Two) -> None:
    entry = LedgerRow.objects.get(dossier__firm=two.ours.firm, dossier__key="bakery").entry_id
    sent: list[tuple[str, str, dict[str, str]]] = [
        ("/members/", "/members/invite/", {"email": "new@example.com", "role": "owner"}),
        ("/members/", "/members/two-steps/", {"wanted": "yes"}),
        ("/dossiers/bakery/", "/dossiers/bakery/draft/", {"through": "2026-11-20"}),
        ("/dossiers/bakery/hours/", "/dossiers/bakery/hours/hold/", {"entry": str(entry), "reason": "x"}),
        ("/leaving/", "/leaving/close/", {"sure": "theirs"}),
        (address(TagMapping, "add"), address(TagMapping, "add"), {"tag": "New", "product_reference": "ADV"}),
    ]
    before = counted(two.theirs.firm)
    for page, goal, fields in sent:
        made = next(found for found in forms(two.ours, page) if "made_for_firm" in found.fields)
        answer = two.theirs.post(goal, made.fields | fields)
        assert answer.status_code == 409, goal
        assert "This form belongs to another firm" in answer.content.decode()
        assert "Nothing was done" in answer.content.decode()
        assert 'href="/f/theirs/"' in answer.content.decode()
    assert counted(two.theirs.firm) == before
    two.theirs.firm.refresh_from_db()
    assert (two.theirs.firm.requires_mfa, two.theirs.firm.closed_at) == (False, None)
    assert not LedgerRow.objects.exclude(decision="").exists()


def test_rows_of_one_firm_are_not_there_in_another_although_one_person_owns_both(two: Two) -> None:
    ours = two.ours.firm
    invoice = Invoice.objects.filter(firm=ours)[0]
    correction = Correction.objects.get(firm=ours)
    entry = LedgerRow.objects.get(dossier__firm=ours, dossier__key="bakery").entry_id
    before = counted(two.theirs.firm)
    for path, fields in (
        (f"/invoices/{invoice.reference}/drop/", {}),
        (f"/corrections/{correction.pk}/accept/", {"seconds": "1800", "what": "seconds"}),
        ("/dossiers/bakery/hours/hold/", {"entry": str(entry), "reason": "x"}),
        (f"/members/{Membership.objects.filter(firm=ours)[0].pk}/remove/", {}),
        (f"/members/invitations/{Invitation.objects.get(firm=ours).pk}/revoke/", {}),
        (address(Dossier, "change", invoice.dossier_id), {"name": "x"}),
    ):
        answer = two.theirs.post(path, fields)
        assert answer.status_code == 404, path
        assert "what it showed belongs to another firm" in answer.content.decode(), path
    assert counted(two.theirs.firm) == before
    assert not LedgerRow.objects.exclude(decision="").exists()


@pytest.mark.parametrize("slug", ["theirs", "nobodys"])
def test_firm_of_others_is_not_there(slug: str) -> None:
    FirmFactory(slug="theirs", name="Secret Firm")
    browser = signed_in(FirmFactory(slug="ours"), is_staff=True)
    for path in (
        f"/f/{slug}/",
        f"/f/{slug}/invoices/",
        f"/f/{slug}/admin/",
        f"/f/{slug}/admin/login/",
        f"/f/{slug}/x/",
    ):
        for answer in (browser.get(path), browser.post(path)):
            assert answer.status_code == 404, path
            assert "Secret Firm" not in answer.content.decode()
            assert 'href="/"' in answer.content.decode()
    answer = Client().get(f"/f/{slug}/invoices/")
    assert answer["Location"] == f"/accounts/login/?next=/f/{slug}/invoices/"


def test_pages_of_a_firm_are_for_its_members_and_its_admin_for_the_operator_too(two: Two) -> None:
    operator = superuser(two.ours.firm)
    before = events(two.ours.firm)
    assert operator.get("/invoices/").status_code == 403
    assert operator.get("/admin/").status_code == 200
    assert operator.get("/f/nobodys/admin/").status_code == 404
    assert events(two.ours.firm) == before
    assert operator.get(address(Dossier, "changelist")).status_code == 200
    [(kind, _subject, data)] = events(two.ours.firm)[len(before) :]
    assert (kind, data) == ("operator_looked", {"rows": "invoicing.dossier"})
