"""A sign-in at Billit that is lost: told once by mail, shown on what waits for it, and mended by signing in anew."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend
from django.test import Client
from pytest_django import Settings

from integrations.clients.http.failures import Code
from integrations.models import Connection
from invoicing import tasks
from invoicing.due import posts
from invoicing.due.mails import lost_connections
from invoicing.models import Invoice
from tests.factories import (
    CompanyFactory,
    ConnectionFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    MembershipFactory,
)
from tests.invoicing.scene import BY, Scene
from tests.queues import Queue
from tests.worlds import NOW, entry
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.fixture(autouse=True)
def _address(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://toggbill.example"


def lost(firm: Firm, **fields: Any) -> Connection:
    """A connection by sign-in that cannot be renewed any more; its access token lasts five minutes yet."""
    values: dict[str, Any] = {
        "service": "billit",
        "key": "main",
        "method": Connection.Method.SIGN_IN,
        "expires_at": NOW + timedelta(minutes=5),
        "sign_in_lost_at": NOW,
    }
    made: Connection = ConnectionFactory(firm=firm, **(values | fields))
    return made


def ended(firm: Firm) -> Connection:
    """The same after the end of its access token, as the latest call left it."""
    facts = {"connection": "Billit main", "page": "https://toggbill.example/f/ours/connections/billit/main/"}
    return lost(
        firm,
        expires_at=NOW - timedelta(minutes=1),
        failure="credentials",
        failure_code=Code.SIGN_IN_OVER,
        failure_facts=facts,
    )


def firm_with_members(language: str = "en") -> Firm:
    firm: Firm = FirmFactory(slug="ours", name="Ours", language=language)
    for role in ("owner", "manager", "bookkeeper", "viewer"):
        MembershipFactory(firm=firm, role=role, user__email=f"{role}@example.com")
    MembershipFactory(firm=firm, role="manager", user__email="gone@example.com", user__is_active=False)
    return firm


def waiting(connection: Connection, count: int) -> None:
    company = CompanyFactory(firm=connection.firm, connection=connection)
    dossier = DossierFactory(firm=connection.firm, company=company)
    for _ in range(count):
        InvoiceFactory(dossier=dossier, status="approved", post_requested_at=NOW)


def ticks(queue: Queue, times: int = 3) -> None:
    for _ in range(times):
        tasks.tick_delivery()
        queue.work()


# --- the mail ---------------------------------------------------------------------------------------------------------


def test_owners_and_managers_are_told_once(clock: object, queue: Queue) -> None:
    row = lost(firm_with_members())
    ticks(queue)
    assert sorted(message.to[0] for message in mail.outbox) == ["manager@example.com", "owner@example.com"]
    message = mail.outbox[0]
    assert message.subject == "Ours: Billit main needs you"
    assert message.body == (
        "Hello,\n\n"
        "The sign-in of Billit main has ended. Sign in to Billit again: "
        "https://toggbill.example/f/ours/connections/billit/main/\n\n"
        "It still works until 10:05.\n\n"
        "The connection, and what to do:\n\n"
        "https://toggbill.example/f/ours/connections/billit/main/\n"
        "\nYou get this mail as a member of Ours. Choose which mails you get: https://toggbill.example/f/ours/mails/\n"
    )
    assert isinstance(message, EmailMultiAlternatives)
    assert "The sign-in of Billit main has ended." in str(message.alternatives[0][0])
    row.refresh_from_db()
    assert row.told_at == NOW


@pytest.mark.parametrize(
    ("language", "subject"), [("fr", "Ours : Billit main a besoin de vous"), ("nl", "Ours: Billit main heeft u nodig")]
)
def test_mail_is_in_the_firms_language(language: str, subject: str, clock: object) -> None:
    row = lost(firm_with_members(language))
    lost_connections.tell(connection=row, now=NOW)
    assert mail.outbox[0].subject == subject


def test_mail_says_how_many_invoices_wait(clock: object) -> None:
    row = ended(firm_with_members())
    waiting(row, 2)
    assert lost_connections.tell(connection=row, now=NOW) == 2
    assert "2 invoices wait for it. They go on by themselves once the connection works again." in mail.outbox[0].body
    assert "It still works" not in mail.outbox[0].body
    assert lost_connections.tell(connection=row, now=NOW) == 0


def test_refused_token_of_toggl_is_told_as_well(clock: object, queue: Queue) -> None:
    facts = {"status": 403}
    firm = firm_with_members()
    ConnectionFactory(
        firm=firm, service="toggl", failure="credentials", failure_code=Code.TOKEN_REFUSED, failure_facts=facts
    )
    ticks(queue)
    assert len(mail.outbox) == 2
    assert "Until then no hours are read through it." in mail.outbox[0].body
    assert "Toggl does not accept the API token." in mail.outbox[0].body


class Down(EmailBackend):
    """A mail server that is away."""

    def send_messages(self, messages: object) -> int:
        raise ConnectionRefusedError("nobody there")


def test_mail_that_cannot_be_handed_over_is_tried_at_the_next_tick(
    clock: object, queue: Queue, settings: Settings
) -> None:
    lost(firm_with_members())
    settings.EMAIL_BACKEND = f"{__name__}.Down"
    ticks(queue)
    assert mail.outbox == []
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    ticks(queue)
    assert len(mail.outbox) == 2


@pytest.mark.parametrize(
    "fields",
    [{"sign_in_lost_at": None}, {"failure": "unreachable", "sign_in_lost_at": None}, {"told_at": NOW}],
    ids=["works", "not reachable", "told already"],
)
def test_what_needs_nobody_is_not_told(fields: dict[str, Any]) -> None:
    lost(firm_with_members(), **fields)
    assert lost_connections.untold() == []


# --- the pages --------------------------------------------------------------------------------------------------------


@pytest.fixture
def browser() -> Client:
    """An owner's."""
    return Client()


def _signed_in(browser: Client, firm: Firm) -> Client:
    browser.force_login(MembershipFactory(firm=firm, role="owner").user)
    return browser


def test_invoice_that_waits_says_why_on_its_page_and_in_the_list(scene: Make, browser: Client) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    posts.request(invoice=invoice, send=False, by=BY, now=NOW)
    page = _signed_in(browser, books.firm).get(f"/invoices/{invoice.reference}/", follow=True).content.decode()
    assert "it waits for a worker" in page
    row = Connection.objects.get(service="billit")
    Connection.objects.filter(pk=row.pk).update(
        method="sign_in", refresh_secret="", sign_in_lost_at=NOW, expires_at=NOW - timedelta(minutes=1)
    )
    sentence = "The sign-in of Billit main has ended. Sign in to Billit again:"
    page = browser.get(f"/invoices/{invoice.reference}/", follow=True).content.decode()
    assert sentence in page
    assert "waits for a worker" not in page
    assert "hx-trigger" not in page
    assert sentence in browser.get("/invoices/", follow=True).content.decode()
    assert "1 connection needs you" in browser.get("/connections/", follow=True).content.decode()


def test_invoice_that_waits_for_nothing_says_nothing(scene: Make, browser: Client) -> None:
    books = scene(entries=[entry(1)])
    invoice = books.approved()
    Connection.objects.filter(service="billit").update(
        method="sign_in", refresh_secret="", sign_in_lost_at=NOW, expires_at=NOW - timedelta(minutes=1)
    )
    assert (
        "has ended"
        not in _signed_in(browser, books.firm).get(f"/invoices/{invoice.reference}/", follow=True).content.decode()
    )


# Nothing is under way that nobody asked for: a constraint. Only what is posted has a delivery.
ASKED = [
    (status, delivery, asked)
    for status in Invoice.Status.values
    for delivery in (Invoice.Delivery.values if status == "posted" else ["not_sent"])
    for asked in (None, NOW)
    if asked is not None or (status != "posting" and delivery != "sending")
]


@pytest.mark.parametrize(("status", "delivery", "asked"), ASKED)
@pytest.mark.parametrize("needs_person", [False, True])
def test_row_and_query_agree_on_what_waits_for_billit(
    status: str, delivery: str, asked: object, needs_person: bool
) -> None:
    wishes = {"post_requested_at": asked, "send_requested_at": asked}
    row = InvoiceFactory(status=status, delivery=delivery, needs_person=needs_person, **wishes)
    assert row.waits_for_billit == Invoice.objects.waiting_for_billit().filter(pk=row.pk).exists()
