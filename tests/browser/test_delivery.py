"""Two invoices are sent and followed to their ends in a browser: one is delivered, one refused by its receiver."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core import mail
from playwright.sync_api import Page, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from invoicing import tasks
from invoicing.models import Invoice
from tests.browser.conftest import sign_in
from tests.factories import PASSWORD, MembershipFactory
from tests.invoicing.conftest import scene
from tests.invoicing.scene import Scene, ids
from tests.queues import Queue
from tests.worlds import BAKERY_NUMBER, GARAGE_NUMBER
from toggbill.firms import audit

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
__all__ = ["scene"]


def test_one_is_delivered_and_one_is_refused_by_its_receiver(
    scene: Callable[..., Scene],
    page: Page,
    live_server: LiveServer,
    queue: Queue,
    settings: Settings,
    complaints: list[str],
) -> None:
    settings.PUBLIC_URL = live_server.url
    books = scene(peppol=[{"number": GARAGE_NUMBER}, {"number": BAKERY_NUMBER, "behaviour": "refuses"}])
    user = MembershipFactory(firm=books.firm, user__email="odile@example.com", user__password=PASSWORD).user
    books.draft()
    for invoice in books.approve():
        books.post(invoice)
    books.read_back()
    sign_in(page, live_server, user)

    def tick() -> None:
        tasks.tick_delivery()
        queue.work()

    # --- way, receiver and amount before the eyes; both are chosen and sent
    page.get_by_role("link", name="Invoices", exact=True).click()
    page.get_by_role("link", name="2 to send").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing can be sent now")
    tick()
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Send 2 invoices, € 553.58 incl. VAT?")
    row = page.get_by_role("row").filter(has_text="Bakery Deeg")
    expect(row).to_contain_text(f"0208:{BAKERY_NUMBER[2:]}")
    expect(row).to_contain_text("€ 172.43")
    for box in page.get_by_role("checkbox").all():
        box.check()
    page.get_by_role("button", name="Send those that are chosen").click()
    expect(page.get_by_text("Billit is asked to send 2 invoices.")).to_be_visible()
    queue.work()
    assert sorted(entry["destination"] for entry in books.control.outbox()) == sorted(
        [f"0208:{BAKERY_NUMBER[2:]}", f"0208:{GARAGE_NUMBER[2:]}"]
    )
    garage, bakery = (Invoice.objects.get(customer_name__startswith=name) for name in ("Garage", "Bakery"))
    address = f"{live_server.url}/f/{books.firm.slug}/invoices"
    page.goto(f"{address}/{garage.reference}/")
    expect(page.get_by_role("list", name="Steps")).to_contain_text("Sent")

    # --- five minutes later Billit says what became of them
    books.later(minutes=5)
    tick()
    tick()  # what the first one read is told at the next
    page.reload()
    steps = page.get_by_role("list", name="Steps").get_by_role("listitem")
    expect(steps.filter(has_text="Delivered")).to_have_class("life-done")
    page.goto(f"{address}/{bakery.reference}/")
    expect(steps.filter(has_text="Refused by the receiver")).to_have_class("life-trouble")
    expect(page.get_by_role("alert")).to_contain_text(
        "Bakery Deeg BV refused it on 20 Nov 2026: The hours were agreed otherwise."
    )
    (told,) = [sent for sent in mail.outbox if sent.to == ["odile@example.com"]]
    assert told.subject == f"{books.firm.name}: 1 invoice does not arrive"
    assert f"{address}/{bakery.reference}/" in told.body

    # --- the way out: it is credited, and its hours are open again
    page.get_by_role("button", name="Credit it and bill its hours again").click()
    expect(page.get_by_role("status")).to_contain_text("A credit note is drafted")
    note = Invoice.objects.get(kind="credit_note")
    page.goto(f"{address}/{note.reference}/")
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Post to Billit").click()
    queue.work()
    states = books.states()
    assert [states[entry] for entry in ids(1, 2, 3, 4)] == ["invoiced", "invoiced", "invoiced", "open"]
    assert audit.verify(firm=books.firm).ok
