"""Each Monday morning owners and managers read what will go out by itself until the next one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from pytest_django import Settings

from invoicing import tasks
from invoicing.due.mails import digests
from invoicing.models import Dossier, Invoice
from tests.factories import FirmFactory, MembershipDossierFactory, MembershipFactory
from tests.invoicing.scene import Scene
from toggbill.firms.models import Firm, Membership, User

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
MONDAY = datetime(2026, 11, 23, 7, tzinfo=ZoneInfo("Europe/Brussels"))


@pytest.fixture(autouse=True)
def _address(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://toggbill.example"


def monday(scene: Make, **rules: object) -> Scene:
    """The small world on Monday morning: its run is due on Wednesday."""
    books = scene(**({"schedule": {"every": "weekly", "weekday": 3}, "mode": "send"} | rules))
    User.objects.filter(memberships__firm=books.firm).update(email="owner@example.com")
    for role in ("manager", "bookkeeper", "viewer"):
        MembershipFactory(firm=books.firm, role=role, user__email=f"{role}@example.com")
    digests.count(now=timezone.now())
    books.at(MONDAY)
    mail.outbox.clear()  # the owner was invited
    return books


def test_the_first_look_says_when_and_later_ones_each_monday(scene: Make) -> None:
    firm = scene().firm
    assert (digests.due(now=timezone.now()), digests.tell(firm=firm, now=timezone.now())) == ([], 0)
    assert (digests.count(now=timezone.now()), digests.count(now=timezone.now())) == (1, 0)
    firm.refresh_from_db()
    assert (firm.digest_due_at, digests.due(now=timezone.now())) == (MONDAY, [])
    assert digests.due(now=MONDAY) == [firm.pk]
    digests.tell(firm=firm, now=MONDAY)
    firm.refresh_from_db()
    assert firm.digest_due_at == datetime(2026, 11, 30, 7, tzinfo=ZoneInfo("Europe/Brussels"))
    # What a wrong clock wrote is counted anew.
    Firm.objects.update(digest_due_at=datetime(2027, 11, 29, 7, tzinfo=ZoneInfo("Europe/Brussels")))
    assert digests.count(now=MONDAY - timedelta(hours=1)) == 1
    firm.refresh_from_db()
    assert firm.digest_due_at == MONDAY


def test_what_goes_out_by_itself_is_told_to_owners_and_managers(scene: Make) -> None:
    books = monday(scene, auto_limit="200.00")
    assert digests.tell(firm=books.firm, now=MONDAY) == 2
    assert digests.tell(firm=books.firm, now=MONDAY) == 0
    assert sorted(sent.to for sent in mail.outbox) == [["manager@example.com"], ["owner@example.com"]]
    sent = mail.outbox[0]
    assert isinstance(sent, EmailMultiAlternatives)
    assert sent.subject == f"{books.firm.name}: what goes out by itself this week"
    page = f"https://toggbill.example/f/{books.firm.slug}/dossiers/{books.dossier.key}/"
    # 1.5 h for the bakery, whose four hours of Tax lead to no product; the garage's 315.00 are above the limit.
    assert sent.body == (
        "Hello,\n\nThis goes out by itself until next Monday, by the hours so far:\n\n"
        f"{books.dossier.name} · 25 Nov 2026 · post and send\n"
        "1 invoice, €\xa0142.50 excl. VAT\n- Bakery Deeg BV: €\xa0142.50\n1 invoice waits for a person\n"
        f"{page}\n"
        f"\nYou get this mail as a member of {books.firm.name}. Choose which mails you get: "
        f"https://toggbill.example/f/{books.firm.slug}/mails/\n"
    )
    html = str(sent.alternatives[0][0])
    assert f'<a href="{page}">' in html
    assert "<li>Bakery Deeg BV: €\xa0142.50</li>" in html
    assert Invoice.objects.count() == 0, "nothing is drafted for a mail"


@pytest.mark.parametrize(
    "rules", [{"mode": "review"}, {"schedule": {"every": "manual"}}, {"schedule": {"every": "monthly", "day": 15}}]
)
def test_where_nothing_goes_out_by_itself_there_is_no_mail(scene: Make, rules: dict[str, object]) -> None:
    books = monday(scene, **rules)
    assert (digests.tell(firm=books.firm, now=MONDAY), mail.outbox) == (0, [])


def test_a_manager_of_named_dossiers_reads_of_those_alone(scene: Make) -> None:
    books = monday(scene)
    Membership.objects.filter(user__email="manager@example.com").update(is_restricted=True)
    assert digests.tell(firm=books.firm, now=MONDAY) == 1
    books.later(days=7)
    Dossier.objects.update(due_at=timezone.now() + timedelta(days=2))
    manager = Membership.objects.get(user__email="manager@example.com")
    MembershipDossierFactory(membership=manager, dossier=books.dossier)
    assert digests.tell(firm=books.firm, now=timezone.now()) == 2


def test_a_mail_that_cannot_be_handed_over_is_due_again(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    books = monday(scene)

    def down(*_: object) -> int:
        raise OSError("no mail server")

    with monkeypatch.context() as patch:
        patch.setattr(EmailBackend, "send_messages", down)
        tasks.tell_week(firm_id=books.firm.pk)
    assert (digests.due(now=MONDAY), mail.outbox) == ([books.firm.pk], [])
    tasks.tell_week(firm_id=books.firm.pk)
    assert len(mail.outbox) == 2


def test_a_closed_firm_is_told_nothing() -> None:
    firm: Firm = FirmFactory(closed_at=MONDAY)
    assert firm.pk not in digests.due(now=MONDAY)
