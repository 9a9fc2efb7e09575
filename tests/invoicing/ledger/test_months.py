"""Sums and proofs of months: the same as the rows make at every moment, whoever writes the rows."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection, transaction
from django.db.models import F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integrations.models import Entry
from invoicing.ledger import balance, months
from invoicing.ledger.invariants import invariants
from invoicing.models import ChangedMonth, Dossier, Invoice, LedgerRow, MonthProof, MonthSum
from tests.conftest import Outcome
from tests.factories import DossierFactory, FirmFactory, LedgerRowFactory, WorkspaceFactory
from tests.invoicing.ledger import unfenced
from tests.invoicing.ledger.invariants.books import OPEN, moment, row_of, told
from tests.invoicing.ledger.invariants.breakages import BREAKAGES
from tests.invoicing.ledger.invariants.conftest import books  # noqa: F401 - a fixture
from tests.invoicing.ledger.kept import breaches, counted, kept, kept_breaches
from tests.worlds import NOW

pytestmark = pytest.mark.django_db
OURS = ("month_sum", "changed_month")


@pytest.fixture
def firm() -> Any:
    return FirmFactory(slug="fiduciaire", language="fr")


@pytest.fixture
def dossier(books: Dossier) -> Dossier:  # noqa: F811 - the fixture
    """The dossier with an entry of each kind, every month of it checked."""
    WorkspaceFactory(firm=books.firm, remote_id=77)
    found = Dossier.objects.select_related("firm").get(pk=books.pk)
    months.prove(now=NOW)
    assert not ChangedMonth.objects.exists()
    assert kept([found]) == counted([found])
    return found


@pytest.fixture(autouse=True)
def _all_added_up() -> Iterator[None]:
    """At the end of each test what was kept is what the rows make, also once it is added up."""
    yield
    every = list(Dossier.objects.select_related("firm"))
    assert kept(every) == counted(every)
    months.add_up()
    assert not MonthSum.objects.changes().exists()
    assert kept(every) == counted(every)


def _sentences(dossier: Dossier) -> set[str]:
    return {each.sentence for each in months.broken(dossiers=[dossier])}


@pytest.mark.slow
@pytest.mark.parametrize("name", BREAKAGES)
def test_whatever_breaks_a_rule_is_told_at_once_and_after_it_is_checked(name: str, dossier: Dossier) -> None:
    statements, expected = BREAKAGES[name]
    with transaction.atomic():
        unfenced.run(*statements, but=OURS)
        assert kept([dossier]) == counted([dossier])
        at_once, sentences = kept_breaches([dossier]), _sentences(dossier)
        assert {(f"{month:%Y-%m}", rule, subject) for _, month, rule, subject in at_once} == expected
        months.prove(now=NOW)
        assert not ChangedMonth.objects.exists()
        proofs = MonthProof.objects.broken().values_list("month", "outcome")
        assert {(f"{month:%Y-%m}", rule) for month, outcome in proofs for rule, count in outcome.items() if count} == {
            (month, rule) for month, rule, _ in expected
        }
        assert sum(MonthProof.objects.values_list("broken", flat=True)) == len(expected)
        assert (kept_breaches([dossier]), _sentences(dossier)) == (at_once, sentences)
        transaction.set_rollback(True)
    assert kept_breaches([dossier]) == breaches([dossier]) == set()


def test_what_holds_is_not_asked_again(dossier: Dossier) -> None:
    with patch.object(invariants, "broken", wraps=invariants.broken) as asked:
        assert {sheet.balanced for sheet in balance.months(dossiers=[dossier])} == {True}
    assert [call.kwargs["checks"] for call in asked.call_args_list] == [[invariants.toggl_total]]
    Entry.objects.filter(remote_id=OPEN).update(description="Other words")
    with patch.object(invariants, "broken", wraps=invariants.broken) as asked:
        balance.months(dossiers=[dossier])
    assert [call.kwargs.get("month") for call in asked.call_args_list] == [date(2026, 11, 1), None]


_DAYS = st.dates(date(2026, 8, 28), date(2026, 10, 3))
_STATES = ("open", "attention", "held", "deleted", "invoiced")
_Step = tuple[str, int, date, str, int]


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["add", "move", "judge", "drop", "check", "add up", "roll back"]),
            st.integers(0, 7),
            _DAYS,
            st.sampled_from(_STATES),
            st.integers(0, 7200),
        ),
        max_size=25,
    )
)
def test_sums_and_proofs_follow_any_history(steps: list[_Step], dossier: Dossier) -> None:
    with transaction.atomic():
        unfenced.run(but=OURS)
        for step in steps:
            _do(dossier, step)
            assert kept([dossier]) == counted([dossier])
            assert kept_breaches([dossier]) == breaches([dossier])
        transaction.set_rollback(True)


def _do(dossier: Dossier, step: _Step) -> None:
    deed, number, day, state, seconds = step
    rows = LedgerRow.objects.filter(entry__remote_id=1000 + number)
    judged = {
        "day": day,
        "state": state,
        "reason": "no_vat" if state == "attention" else "",
        "seconds": seconds,
        "price": None if seconds % 2 else seconds,
        "correction_seconds": seconds % 3 if state == "invoiced" else 0,
    }
    match deed:
        case "add" if not rows.exists():
            entry = Entry.objects.filter(remote_id=1000 + number).first()
            if entry is None:
                LedgerRowFactory(dossier=dossier, entry__remote_id=1000 + number, started_at=moment(day), state="open")
            else:
                LedgerRow.objects.create(firm=dossier.firm, dossier=dossier, entry=entry, **judged)
        case "move":
            Entry.objects.filter(remote_id=1000 + number).update(started_at=moment(day), seconds=seconds)
        case "judge":
            rows.update(**judged)
        case "drop":
            rows.delete()
        case "check":
            months.prove(now=NOW)
            assert not ChangedMonth.objects.exists()
        case "add up":
            months.add_up()
        case "roll back":
            with transaction.atomic():
                rows.update(**judged)
                transaction.set_rollback(True)


@pytest.mark.postgresql  # on SQLite nobody else writes meanwhile
def test_what_changes_while_the_checks_are_asked_stays_noted(dossier: Dossier) -> None:
    ask = invariants.broken

    def changing(**given: Any) -> list[invariants.Broken]:
        found = ask(**given)
        Entry.objects.filter(remote_id=OPEN).update(marked_at=NOW)
        return found

    Entry.objects.filter(remote_id=OPEN).update(description="Other words")
    with patch.object(invariants, "broken", changing):
        months.prove(now=NOW)
    assert set(ChangedMonth.objects.values_list("month", flat=True)) == {date(2026, 11, 1)}
    assert {rule for _, _, rule, _ in kept_breaches([dossier])} == {"one_state"}


@pytest.mark.postgresql  # SQLite calls a trigger for each row, and leaves out what is noted already
def test_statement_notes_each_month_once(dossier: Dossier) -> None:
    LedgerRow.objects.filter(dossier=dossier).update(seconds=F("seconds") + 60)
    touched = {day.replace(day=1) for day in LedgerRow.objects.values_list("day", flat=True)}
    assert LedgerRow.objects.count() > len(touched)
    assert Counter(ChangedMonth.objects.values_list("month", flat=True)) == Counter(touched)


def test_invoice_notes_its_months_only_where_what_is_checked_changes(dossier: Dossier) -> None:
    invoices = Invoice.objects.filter(dossier=dossier)
    assert invoices.count() > 1
    invoices.update(not_before=NOW, post_requested_by="boss@example.com")
    assert not ChangedMonth.objects.exists()
    invoices.update(total_excl=F("total_excl") + 1, total_incl=F("total_incl") + 1)
    assert ChangedMonth.objects.exists()


@pytest.mark.slow
def test_another_start_or_zone_puts_every_month_in_doubt(dossier: Dossier) -> None:
    dossier.firm.timezone = "Pacific/Auckland"
    dossier.firm.save()
    assert list(ChangedMonth.objects.values_list("month", flat=True)) == [None]
    assert kept_breaches([dossier]) == breaches([dossier])
    months.prove(now=NOW)
    assert not ChangedMonth.objects.exists()
    Dossier.objects.filter(pk=dossier.pk).update(start_date=date(2026, 11, 10))
    dossier.refresh_from_db()
    assert list(ChangedMonth.objects.values_list("month", flat=True)) == [None]
    assert kept_breaches([dossier]) == breaches([dossier]) != set()


@pytest.mark.slow
def test_checks_are_asked_in_portions(dossier: Dossier) -> None:
    others = [DossierFactory(firm=dossier.firm) for _ in range(4)]
    for number, other in enumerate(others):
        row_of(other, 2000 + number, date(2026, 10, 5))
    months.prove(now=NOW)
    Entry.objects.filter(remote_id__gte=2000).update(description="Other words")
    assert months.prove(now=NOW, most=3) == 3
    assert ChangedMonth.objects.values("dossier").distinct().count() == 1
    assert (months.prove(now=NOW, most=3), months.prove(now=NOW, most=3)) == (1, 0)


@pytest.mark.slow
def test_recount_puts_right_what_was_kept_wrong(dossier: Dossier, command: Callable[..., Outcome]) -> None:
    every = sorted({month for _, month, _, _, _ in counted([dossier])})
    months.add_up()
    MonthSum.objects.filter(dossier=dossier, month=every[0]).update(seconds=1)
    MonthSum.objects.filter(dossier=dossier, month=every[1]).delete()
    MonthProof.objects.filter(dossier=dossier, month=every[2]).update(broken=2, outcome={"one_state": 2})
    assert kept([dossier]) != counted([dossier])
    done = command("recount", "--firm", "fiduciaire")
    assert (done.code, done.answer) == (0, {"months": len(every), "changed": 3})
    assert kept([dossier]) == counted([dossier])
    assert MonthProof.objects.get(dossier=dossier, month=every[2]).broken == 0
    assert command("recount", "--firm", "fiduciaire").answer == {"months": len(every), "changed": 0}
    assert command("recount", "--firm", "fiduciaire", "--dossier", "none").code == 2


@pytest.mark.slow
def test_a_night_renews_open_months_and_some_of_the_others(dossier: Dossier) -> None:
    firsts = [date(2025, month, 1) for month in range(1, 13)]
    Dossier.objects.filter(pk=dossier.pk).update(start_date=firsts[0])
    dossier.refresh_from_db()
    for number, first in enumerate(firsts):
        row_of(dossier, 3000 + number, first, "not_billable")
    months.prove(now=NOW)
    later = NOW + timedelta(days=1)
    months.renew(dossiers=[dossier], now=later)
    renewed = set(MonthProof.objects.filter(proved_at=later).values_list("month", flat=True))
    unsettled = {date(2026, 9, 1), date(2026, 11, 1)}
    assert unsettled < renewed
    assert len(renewed) == len(unsettled) + months.CLOSED
    months.renew(dossiers=[dossier], now=later + timedelta(days=1))
    again = set(MonthProof.objects.filter(proved_at=later + timedelta(days=1)).values_list("month", flat=True))
    assert renewed & again == unsettled, "the longest unrenewed come first"


def test_sums_tell_the_same_as_the_command(dossier: Dossier) -> None:
    sheets = {sheet.month: sheet for sheet in balance.months(dossiers=[dossier])}
    september = sheets[date(2026, 9, 1)]
    assert september.states["drafted"] == balance.Tally(2, 7200)
    assert sheets[date(2026, 10, 1)].corrections == balance.Tally(1, 1800)
    assert told(dossier) == set()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_that_change_one_month_do_not_wait_for_each_other() -> None:
    made = DossierFactory()
    for number in range(2):
        row_of(made, number + 1, date(2026, 10, 5))
    both_changed = threading.Barrier(2, timeout=20)
    failed: list[BaseException] = []

    def change(number: int) -> None:
        try:
            with closing(connection), transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = '5s'")
                LedgerRow.objects.filter(entry__remote_id=number).update(seconds=100 * number)
                both_changed.wait()
        except BaseException as error:
            failed.append(error)

    workers = [threading.Thread(target=change, args=[number + 1]) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failed == []
    assert kept([made]) == counted([made])
    assert sum(seconds for _, seconds, _, _ in kept([made]).values()) == 300


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("beside_others", [True, False])
def test_month_that_two_would_check_at_once_is_checked_once(beside_others: bool) -> None:
    made = DossierFactory()
    row_of(made, 1, date(2026, 10, 5))
    months.prove(now=NOW)
    LedgerRow.objects.filter(entry__remote_id=1).update(seconds=100)
    second, ask, asked = threading.Event(), invariants.broken, []

    def another() -> None:
        with closing(connection):
            second.set()
            months.prove(now=NOW, beside_others=beside_others)
            asked.append("done")

    thread = threading.Thread(target=another)

    def asking(**given: Any) -> list[invariants.Broken]:
        asked.append("asked")
        if len(asked) == 1:
            thread.start()
            second.wait(20)
            # Where the second leaves the month to us it is done before we are; else it waits for our lock.
            thread.join(20 if beside_others else 0.3)
        return ask(**given)

    with patch.object(invariants, "broken", asking):
        months.prove(now=NOW)
        thread.join(20)
    assert asked == ["asked", "done"]
    assert not ChangedMonth.objects.exists()
