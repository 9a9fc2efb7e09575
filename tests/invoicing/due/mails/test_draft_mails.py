"""Drafts that a scheduled run left for a person are told by mail to who may approve them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from pytest_django import Settings

from invoicing import tasks
from invoicing.due import runs
from invoicing.due.mails import draft_mails
from invoicing.models import Dossier, Invoice
from tests.factories import (
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    MembershipDossierFactory,
    MembershipFactory,
)
from tests.invoicing.scene import Scene
from tests.queues import Queue
from tests.worlds import NOW
from toggbill.firms.audit import Actor
from toggbill.firms.models import Firm, Membership

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


@pytest.fixture(autouse=True)
def _address(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://toggbill.example"


@pytest.fixture
def dossier() -> Dossier:
    firm = FirmFactory(slug="ours", name="Ours", language="en")
    for role in ("owner", "bookkeeper", "viewer"):
        MembershipFactory(firm=firm, role=role, user__email=f"{role}@example.com")
    made: Dossier = DossierFactory(firm=firm, key="bakery", name="Bakery", tell_drafts_at=NOW)
    return made


def test_who_may_approve_is_told_once(dossier: Dossier, queue: Queue) -> None:
    InvoiceFactory(dossier=dossier)
    InvoiceFactory(dossier=dossier, hours=Decimal("1.00"))
    InvoiceFactory(dossier=dossier, status="approved")
    tasks.tick_delivery()
    queue.work()
    assert draft_mails.untold() == []
    assert [sent.to for sent in mail.outbox] == [["bookkeeper@example.com"], ["owner@example.com"]]
    sent = mail.outbox[0]
    assert isinstance(sent, EmailMultiAlternatives)
    page = "https://toggbill.example/f/ours/invoices/?dossier=bakery"
    assert sent.subject == "Ours: 2 drafts are waiting"
    assert sent.body == (
        "Hello,\n\n2 drafts wait until a person has looked at them:\n\n"
        f"Bakery · 2 drafts, €\xa0285.00 excl. VAT\n{page}\n"
        "\nYou get this mail as a member of Ours. Choose which mails you get: https://toggbill.example/f/ours/mails/\n"
    )
    assert f'<a href="{page}">' in str(sent.alternatives[0][0])
    assert '<a href="https://toggbill.example/f/ours/mails/"' in str(sent.alternatives[0][0])
    assert draft_mails.tell(firm=dossier.firm, now=NOW) == 0


def test_who_switched_it_off_or_sees_another_dossier_is_not_told(dossier: Dossier) -> None:
    InvoiceFactory(dossier=dossier)
    Membership.objects.filter(role="owner").update(mails_drafts=False)
    restricted = Membership.objects.get(role="bookkeeper")
    Membership.objects.filter(pk=restricted.pk).update(is_restricted=True)
    MembershipDossierFactory(membership=restricted, dossier=DossierFactory(firm=dossier.firm))
    assert draft_mails.tell(firm=dossier.firm, now=NOW) == 0
    assert mail.outbox == []


def test_drafts_that_are_decided_meanwhile_are_not_told(dossier: Dossier) -> None:
    InvoiceFactory(dossier=dossier, status="approved")
    assert draft_mails.tell(firm=dossier.firm, now=NOW) == 0
    assert draft_mails.untold() == []


def test_a_mail_that_cannot_be_handed_over_is_due_again(dossier: Dossier, monkeypatch: pytest.MonkeyPatch) -> None:
    InvoiceFactory(dossier=dossier)

    def down(*_: object) -> int:
        raise OSError("no mail server")

    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", down)
        tasks.tell_drafts(firm_id=dossier.firm_id)
    assert draft_mails.untold() == [dossier.firm_id]
    tasks.tell_drafts(firm_id=dossier.firm_id)
    assert len(mail.outbox) == 2


def test_a_closed_firm_is_told_nothing(dossier: Dossier) -> None:
    Firm.objects.update(closed_at=NOW)
    assert draft_mails.untold() == []


@pytest.mark.parametrize(
    ("rules", "drafts", "is_told"),
    [
        ({"mode": "review"}, 2, True),
        # The garage's 315.00 wait, the bakery's 142.50 go on.
        ({"mode": "post", "auto_limit": "200.00"}, 1, True),
        ({"mode": "post"}, 0, False),
    ],
)
def test_a_scheduled_run_says_whether_drafts_wait(
    rules: dict[str, str], drafts: int, is_told: bool, scene: Make
) -> None:
    books = scene(schedule={"every": "daily"}, **rules)
    Dossier.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    runs.serve(dossier=books.dossier, by=Actor.schedule(), now=timezone.now())
    assert Invoice.objects.drafts().count() == drafts
    assert (Dossier.objects.get().tell_drafts_at is not None) is is_told
