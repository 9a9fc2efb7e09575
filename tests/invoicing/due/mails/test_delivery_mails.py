"""Who sent an invoice is told by mail that it does not arrive: once, in text and HTML, with what to do."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend
from pytest_django import Settings

from invoicing import tasks
from invoicing.due.mails import delivery_mails
from invoicing.models import Invoice
from tests.factories import DossierFactory, FirmFactory, InvoiceFactory, MembershipDossierFactory, MembershipFactory
from tests.visitors import browser_of
from tests.worlds import NOW
from toggbill.firms.models import Firm, Membership

pytestmark = pytest.mark.django_db
REASON = {"customer": "Garage Voorbeeld SRL", "on_day": "2026-11-20", "reason": "Wrong hours (InvalidInvoice)"}


@pytest.fixture(autouse=True)
def _address(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://toggbill.example"


def firm_with_members(language: str = "en") -> Firm:
    firm: Firm = FirmFactory(slug="ours", name="Ours", language=language)
    for role in ("owner", "manager", "bookkeeper", "viewer"):
        MembershipFactory(firm=firm, role=role, user__email=f"{role}@example.com")
    MembershipFactory(firm=firm, role="manager", user__email="gone@example.com", user__is_active=False)
    return firm


def refused(firm: Firm, by: str = "manager@example.com", **fields: Any) -> Invoice:
    """An invoice that its receiver refused, of which nobody was told."""
    values: dict[str, Any] = {
        "status": "posted",
        "delivery": "refused",
        "delivery_problem": "receiver_refused",
        "delivery_problem_facts": REASON,
        "order_number": "INV-7",
        "send_requested_at": NOW,
        "send_requested_by": by,
        "tell_delivery_at": NOW,
    }
    dossier = fields.pop("dossier", None) or DossierFactory(firm=firm)
    made: Invoice = InvoiceFactory(dossier=dossier, **(values | fields))
    return made


def recipients() -> list[list[str]]:
    return [sent.to for sent in mail.outbox]


def test_who_sent_it_is_told_under_the_address_of_today() -> None:
    firm = firm_with_members()
    sender = Membership.objects.get(user__email="manager@example.com").user_id
    refused(firm, "former@example.com", send_requested_by_user=sender)
    assert delivery_mails.tell(firm=firm, now=NOW) == 1
    assert recipients() == [["manager@example.com"]]


def test_who_sent_it_is_told_once_in_text_and_html() -> None:
    firm = firm_with_members()
    invoice = refused(firm)
    assert delivery_mails.untold() == [firm.pk]
    assert delivery_mails.tell(firm=firm, now=NOW) == 1
    assert (delivery_mails.tell(firm=firm, now=NOW), delivery_mails.untold()) == (0, [])
    (sent,) = mail.outbox
    assert isinstance(sent, EmailMultiAlternatives)
    assert (sent.to, sent.subject) == (["manager@example.com"], "Ours: 1 invoice does not arrive")
    page = f"https://toggbill.example/f/ours/invoices/{invoice.reference}/"
    sentence = (
        "Garage Voorbeeld SRL refused it on 20 Nov 2026: Wrong hours (InvalidInvoice). Billit has numbered it, so it "
        "is not changed any more: settle the reason with the customer, then credit it and bill its hours again."
    )
    assert sent.body == (
        "Hello,\n\n1 invoice that you sent does not arrive, and needs you:\n\n"
        f"INV-7 · Garage Voorbeeld SRL · €\xa0229.90\n{sentence}\n{page}\n"
        "\nYou get this mail as a member of Ours. Choose which mails you get: https://toggbill.example/f/ours/mails/\n"
    )
    ((html, kind),) = sent.alternatives
    assert kind == "text/html"
    assert sentence in str(html)
    assert f'<a href="{page}">' in str(html)
    assert 'lang="en"' in str(html)
    assert sent.tags == ["delivery"]  # type: ignore[attr-defined]  # anymail adds it


def test_in_the_language_of_the_member_and_escaped_in_html() -> None:
    firm = firm_with_members("fr")
    refused(firm, customer_name="Frites & <b>Fils</b>")
    delivery_mails.tell(firm=firm, now=NOW)
    (sent,) = mail.outbox
    assert isinstance(sent, EmailMultiAlternatives)
    assert sent.subject == "Ours : 1 facture n’arrive pas"
    assert sent.body.startswith("Bonjour,")
    assert "229,90\xa0€" in sent.body
    assert "Frites & <b>Fils</b>" in sent.body
    html = str(sent.alternatives[0][0])
    assert "Frites &amp; &lt;b&gt;Fils&lt;/b&gt;" in html
    assert 'lang="fr"' in html


def test_in_the_language_that_the_member_chose_on_a_page() -> None:
    firm = firm_with_members("fr")
    user = firm.memberships.get(user__email="manager@example.com").user
    browser = browser_of(user, firm)
    assert browser.post("/i18n/setlang/", {"language": "xx"}).status_code == 302
    assert browser.post("/i18n/setlang/", {"language": "nl"}).status_code == 302
    refused(firm)
    delivery_mails.tell(firm=firm, now=NOW)
    assert [sent.subject for sent in mail.outbox] == ["Ours: 1 factuur komt niet aan"]


def test_several_invoices_of_one_member_are_one_mail() -> None:
    firm = firm_with_members()
    for _ in range(3):
        refused(firm)
    refused(firm, by="bookkeeper@example.com")
    assert delivery_mails.tell(firm=firm, now=NOW) == 2
    assert sorted((sent.to[0], sent.subject) for sent in mail.outbox) == [
        ("bookkeeper@example.com", "Ours: 1 invoice does not arrive"),
        ("manager@example.com", "Ours: 3 invoices do not arrive"),
    ]


@pytest.mark.parametrize("by", ["schedule", "operator", "gone@example.com", "stranger@example.com"])
def test_what_nobody_of_the_firm_sent_is_told_to_owners_and_managers(by: str) -> None:
    firm = firm_with_members()
    refused(firm, by=by)
    assert delivery_mails.tell(firm=firm, now=NOW) == 2
    assert recipients() == [["manager@example.com"], ["owner@example.com"]]


def test_who_sees_the_dossier_no_more_is_not_told() -> None:
    firm = firm_with_members()
    manager = firm.memberships.get(user__email="manager@example.com")
    manager.is_restricted = True
    manager.save()
    MembershipDossierFactory(membership=manager, dossier=DossierFactory(firm=firm))
    refused(firm)
    delivery_mails.tell(firm=firm, now=NOW)
    assert recipients() == [["owner@example.com"]]


def test_not_delivered_says_so() -> None:
    firm = firm_with_members()
    facts = {"customer": "Garage Voorbeeld SRL", "on_day": "2026-11-20"}
    refused(
        firm,
        delivery="sent",
        delivery_problem="not_delivered",
        delivery_problem_facts=facts,
        attention="order_was_changed",
    )
    delivery_mails.tell(firm=firm, now=NOW)
    (sent,) = mail.outbox
    assert "Sent on 20 Nov 2026, and not delivered after one working day." in sent.body


def test_a_mail_that_cannot_be_handed_over_is_due_again(monkeypatch: pytest.MonkeyPatch) -> None:
    firm = firm_with_members()
    refused(firm)

    def down(*_: object) -> int:
        raise OSError("no mail server")

    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", down)
        tasks.tell_deliveries(firm_id=firm.pk)
    assert delivery_mails.untold() == [firm.pk]
    tasks.tell_deliveries(firm_id=firm.pk)
    assert (recipients(), delivery_mails.untold()) == ([["manager@example.com"]], [])


def test_a_closed_firm_is_told_nothing() -> None:
    firm = firm_with_members()
    refused(firm)
    firm.closed_at = NOW
    firm.save()
    assert delivery_mails.untold() == []
