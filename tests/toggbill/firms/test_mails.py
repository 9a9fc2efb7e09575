"""Which mails a member gets: chosen on a page of their own, told in the audit log, named in each mail."""

from __future__ import annotations

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from pytest_django import Settings

from tests.factories import FirmFactory, MembershipFactory
from tests.visitors import alerts, browser_of, events, signed_in, superuser
from toggbill.firms import mails
from toggbill.firms.models import Firm, Membership

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _settings(settings: Settings) -> None:
    settings.WHITENOISE_AUTOREFRESH = True
    settings.PUBLIC_URL = "https://toggbill.example"


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Ours", language="en")


def test_every_kind_can_be_switched_off_but_the_invitation() -> None:
    assert set(mails.CHOOSABLE) == set(mails.Kind) - {mails.Kind.INVITATION}
    row = MembershipFactory()
    for kind in mails.CHOOSABLE:
        assert list(mails.wanting(Membership.objects.all(), kind)) == [row]
        Membership.objects.update(**{f"mails_{kind}": False})
        assert list(mails.wanting(Membership.objects.all(), kind)) == []


def test_a_member_chooses_for_this_firm_alone(firm: Firm) -> None:
    row = MembershipFactory(firm=firm, role="viewer", user__email="viewer@example.com")
    other = MembershipFactory(user=row.user)
    browser = browser_of(row.user, firm)
    page = browser.get("/mails/").content.decode()
    assert page.count("checked") == 5
    answer = browser.post("/mails/", {"kind": ["week", "delivery", "unknown"]}, follow=True)
    assert alerts(answer.content.decode()) == "success: Your choice of mails is saved."
    assert answer.content.decode().count("checked") == 2
    row.refresh_from_db()
    assert (row.mails_drafts, row.mails_connection, row.mails_delivery, row.mails_week) == (False, False, True, True)
    told = (
        "member_mails_changed",
        "member viewer@example.com",
        {"drafts": False, "connection": False, "budgets": False},
    )
    assert events(firm) == [told]
    browser.post("/mails/", {"kind": ["week", "delivery"]})
    assert events(firm) == [told]
    other.refresh_from_db()
    assert other.mails_drafts is True


def test_who_is_no_member_has_nothing_to_choose(firm: Firm) -> None:
    assert superuser(firm).get("/mails/").status_code == 403
    assert signed_in(FirmFactory()).get("/f/ours/mails/").status_code == 404


def test_an_invitation_is_text_and_html_and_names_no_choice(firm: Firm) -> None:
    Firm.objects.filter(pk=firm.pk).update(name="Ours <b>& Co</b>", language="nl")
    owner = signed_in(firm, email="owner@example.com")
    owner.post("/members/invite/", {"email": "new@example.com", "role": "viewer"})
    (sent,) = mail.outbox
    assert isinstance(sent, EmailMultiAlternatives)
    assert (sent.to, sent.tags) == (["new@example.com"], ["invitation"])  # type: ignore[attr-defined]  # anymail adds it
    html = str(sent.alternatives[0][0])
    assert "Ours <b>& Co</b>" in sent.body
    assert "Ours &lt;b&gt;&amp; Co&lt;/b&gt;" in html
    assert 'lang="nl"' in html
    assert "/mails/" not in sent.body + html
    assert "https://toggbill.example/invitations/" in sent.body
