"""Each morning owners and managers read which budgets are used up, or nearly: each once, whatever happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend
from django.utils import timezone
from pytest_django import Settings

from invoicing import tasks
from invoicing.dossiers.agreements import agreements
from invoicing.due.mails import budget_mails
from invoicing.ledger.agreements.agreements import agreement_of
from invoicing.models import Agreement, BudgetNotice
from tests.factories import MembershipFactory
from tests.invoicing.agreements.agreed import ADVANCES, HOUR, PRODUCTS, agree, terms
from tests.invoicing.scene import BY, Scene
from tests.visitors import signed_in, text
from tests.worlds import GARAGE, GARAGE_PROJECT, entry, project
from toggbill.firms.models import Firm, Membership, User

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
BRUSSELS = ZoneInfo("Europe/Brussels")
MORNING = datetime(2026, 11, 21, 6, tzinfo=BRUSSELS)
A_DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _address(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://toggbill.example"


def opened(scene: Make, *hours: int, day: str = "2026-11-03", **world: Any) -> Scene:
    """The garage's hours in November, and its fee of 1,000.00 a month with a budget of ten hours."""
    entries = [entry(n, day, seconds=each * HOUR) for n, each in enumerate(hours, start=1)]
    books = scene(entries=entries, **{"products": PRODUCTS} | world)
    User.objects.filter(memberships__firm=books.firm).update(email="owner@example.com")
    budget_mails.count(now=timezone.now())
    return books


def planned(books: Scene, **changes: Any) -> Agreement:
    stated = {"amount": Decimal("1000.00"), "budget_hours": Decimal(10), "budget_amount": Decimal("9000.00")}
    return agree(books, **stated | changes)


def morning(books: Scene, now: datetime = MORNING) -> list[str]:
    """The subjects of the mails of a morning, without the firm."""
    mail.outbox.clear()
    assert budget_mails.tell(firm=books.firm, now=now) == len(mail.outbox)
    return [sent.subject.removeprefix(f"{books.firm.name}: ") for sent in mail.outbox]


def notices() -> list[tuple[str, int, int, bool]]:
    """Period, per cent, hours of the budget, whether no mail is owed."""
    rows = BudgetNotice.objects.order_by("pk")
    return [(str(row.period), row.level, row.hours // HOUR, row.told_at is not None) for row in rows]


def test_the_first_look_says_when_and_later_ones_each_morning(scene: Make) -> None:
    books = scene()
    firm = books.firm
    assert (budget_mails.due(now=timezone.now()), budget_mails.tell(firm=firm, now=timezone.now())) == ([], 0)
    assert (budget_mails.count(now=timezone.now()), budget_mails.count(now=timezone.now())) == (1, 0)
    firm.refresh_from_db()
    assert (firm.budgets_due_at, budget_mails.due(now=MORNING)) == (MORNING, [firm.pk])
    budget_mails.tell(firm=firm, now=MORNING)
    firm.refresh_from_db()
    assert firm.budgets_due_at == MORNING + A_DAY
    # What a wrong clock wrote is counted anew.
    Firm.objects.update(budgets_due_at=MORNING + 30 * A_DAY)
    assert budget_mails.count(now=MORNING - timedelta(hours=1)) == 1
    firm.refresh_from_db()
    assert firm.budgets_due_at == MORNING


@pytest.mark.slow
def test_eighty_and_a_hundred_per_cent_are_told_once_each(scene: Make) -> None:
    books = opened(scene, 7)
    planned(books)
    assert (morning(books), notices()) == ([], [])
    books.control.put_entries(entry(2, "2026-11-04", seconds=HOUR))
    books.sync()
    assert morning(books, MORNING + A_DAY) == ["1 budget is nearly used up"]
    assert notices() == [("2026-11-01", 80, 10, True)]
    assert "noticed on 22 Nov 2026" in text(signed_in(books.firm, "viewer"), "/budgets/")
    books.control.put_entries(entry(3, "2026-11-05", seconds=HOUR))
    books.sync()
    assert morning(books, MORNING + 2 * A_DAY) == []
    books.control.put_entries(entry(4, "2026-11-06", seconds=HOUR))
    books.sync()
    assert morning(books, MORNING + 3 * A_DAY) == ["1 budget is used up"]
    assert morning(books, MORNING + 3 * A_DAY) == [], "twice is once"
    assert morning(books, MORNING + 4 * A_DAY) == []
    assert notices() == [("2026-11-01", 80, 10, True), ("2026-11-01", 100, 10, True)]


def test_what_passed_both_at_once_is_one_mail_and_says_how_much(scene: Make) -> None:
    books = opened(scene, 12)
    planned(books)
    assert morning(books) == ["1 budget is used up"]
    assert notices() == [("2026-11-01", 80, 10, True), ("2026-11-01", 100, 10, True)]
    assert mail.outbox[0].body == (
        "Hello,\n\nSo much of these budgets is used:\n\n"
        f"{books.dossier.name} · Keeping the books · Garage Vonk SRL\n"
        "used up: 120 %\n- 12.00 of 10.00\xa0h\n- €\xa01,140.00 at rate of €\xa09,000.00\n\n"
        f"https://toggbill.example/f/{books.firm.slug}/budgets/\n"
        f"\nYou get this mail as a member of {books.firm.name}. Choose which mails you get: "
        f"https://toggbill.example/f/{books.firm.slug}/mails/\n"
    )
    assert morning(books, MORNING + A_DAY) == []


@pytest.mark.slow
def test_a_raised_budget_and_a_new_period_are_noticed_anew(scene: Make) -> None:
    books = opened(scene, 12)
    row = planned(books)
    assert morning(books) == ["1 budget is used up"]
    raised = replace(agreement_of(row), budget_hours=Decimal(14))
    agreements.change(agreement=row, terms=raised, by=BY, now=timezone.now())
    books.sync()
    assert morning(books, MORNING + A_DAY) == ["1 budget is nearly used up"]
    books.control.put_entries(entry(9, "2026-12-01", seconds=14 * HOUR))
    books.at(datetime(2026, 12, 2, 6, tzinfo=BRUSSELS))
    books.sync()
    assert morning(books, timezone.now()) == ["1 budget is used up"]
    assert notices() == [
        ("2026-11-01", 80, 10, True),
        ("2026-11-01", 100, 10, True),
        ("2026-11-01", 80, 14, True),
        ("2026-12-01", 80, 14, True),
        ("2026-12-01", 100, 14, True),
    ]


def test_hours_on_account_beside_the_budget_until_the_settlement(scene: Make) -> None:
    books = opened(scene, 9, products=ADVANCES)
    # 9 h x 95.00 = 855.00 of 1,000.00
    account = {"kind": "advance", "product": "PROV", "amount": Decimal("250.00"), "settle_on": "11-30"}
    planned(books, **account, budget_hours=None, budget_amount=Decimal("1000.00"))
    assert morning(books) == ["1 budget is nearly used up"]
    (notice,) = BudgetNotice.objects.all()
    assert (notice.period, notice.level, notice.hours, notice.amount) == (date(2026, 9, 1), 80, 0, Decimal("1000.00"))
    # what is worked after the settlement day is of the next budget
    books.control.put_entries(entry(9, "2026-12-01", seconds=9 * HOUR))
    books.at(datetime(2026, 12, 2, 6, tzinfo=BRUSSELS))
    books.sync()
    assert morning(books, timezone.now()) == ["1 budget is nearly used up"]
    assert BudgetNotice.objects.latest("pk").period == date(2026, 12, 1)


def test_estimate_of_a_toggl_project(scene: Make) -> None:
    estimated = [project(GARAGE_PROJECT, "Garage", GARAGE, estimated_seconds=10 * HOUR)]
    books = opened(scene, 8, projects=estimated)
    assert morning(books) == ["1 budget is nearly used up"]
    books.control.put_toggl("projects", project(GARAGE_PROJECT, "Garage", GARAGE, estimated_seconds=9 * HOUR))
    books.sync()
    assert morning(books, MORNING + A_DAY) == ["1 budget is nearly used up"], "another estimate is another budget"
    assert notices() == [("None", 80, 10, True), ("None", 80, 9, True)]


def test_mail_by_role_language_dossiers_and_choice(scene: Make) -> None:
    books = opened(scene, 10)
    for role in ("bookkeeper", "viewer"):
        MembershipFactory(firm=books.firm, role=role, user__email=f"{role}@example.com")
    MembershipFactory(firm=books.firm, role="manager", user__email="nl@example.com", user__language="nl")
    MembershipFactory(firm=books.firm, role="manager", is_restricted=True, user__email="other@example.com")
    MembershipFactory(firm=books.firm, role="manager", mails_budgets=False, user__email="quiet@example.com")
    planned(books)
    assert morning(books) == ["1 budget is opgebruikt", "1 budget is used up"]
    assert [sent.to for sent in mail.outbox] == [["nl@example.com"], ["owner@example.com"]]


def test_where_no_mail_is_wanted_the_notice_stands_all_the_same(scene: Make) -> None:
    books = opened(scene, 10)
    Membership.objects.update(mails_budgets=False)
    planned(books)
    assert (morning(books), len(notices())) == ([], 2)


def test_a_mail_that_did_not_go_is_tried_again(scene: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    books = opened(scene, 10)
    planned(books)
    books.at(MORNING)
    mail.outbox.clear()
    with monkeypatch.context() as away:

        def refuse(*_: object) -> int:
            raise OSError("no route to the mail server")

        away.setattr(EmailBackend, "send_messages", refuse)
        tasks.tell_budgets(firm_id=books.firm.pk)
    assert notices() == [("2026-11-01", 80, 10, False), ("2026-11-01", 100, 10, False)]
    tasks.tell_budgets(firm_id=books.firm.pk)
    assert [sent.to for sent in mail.outbox] == [["owner@example.com"]]
    assert [told for *_rest, told in notices()] == [True, True]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"budget_hours": Decimal(0)}, ("budget_hours", "budget_of_nothing")),
        ({"budget_hours": Decimal("1.005")}, ("budget_hours", "more_than_cents")),
        ({"budget_amount": Decimal(-1)}, ("budget_amount", "not_an_amount")),
        (
            {"kind": "prepaid", "hours": Decimal(20), "price": Decimal(85), "amount": Decimal(0)},
            ("budget_hours", "not_of_this_kind"),
        ),
    ],
)
def test_budgets_that_are_refused(changes: dict[str, Any], found: tuple[str, str]) -> None:
    (faults,) = agreements.check_agreements([terms(**{"budget_hours": Decimal(10)} | changes)])
    assert [(fault.field, fault.code) for fault in faults] == [found]
