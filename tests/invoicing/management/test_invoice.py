"""`manage.py invoice` (design section 10): its JSON, its arguments, and flags of which none implies another."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integrations.models import Entry
from invoicing.drafting import runs
from invoicing.ledger.states import decisions
from invoicing.models import Dossier, Invoice, Run
from invoicing.posting import post
from tests.factories import enterprise_number
from tests.invoicing.scene import BY, Scene, everything, many
from tests.queues import Queue
from tests.worlds import (
    BAKERY_PROJECT,
    COMPANY,
    FIRST_ENTRY,
    GARAGE_NUMBER,
    NOW,
    WORKSPACE,
    entry,
)

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
ROOT = Path(__file__).resolve().parents[3]
SEND = "/v1/orders/commands/send"
INVOICE_KEYS = [
    "reference",
    "dossier",
    "customer_vat",
    "customer_name",
    "status",
    "delivery",
    "order_id",
    "order_number",
    "period_from",
    "period_till",
    "total_excl",
    "total_vat",
    "total_incl",
    "lines",
]
LINE_KEYS = [
    "kind",
    "product",
    "description",
    "quantity",
    "unit_price",
    "vat_rate",
    "discount",
    "total",
    "seconds",
    "late",
    "entries",
]


# --- what it prints ---------------------------------------------------------------------------------------------------


def test_answer_has_exactly_the_keys_types_and_values_of_the_design(scene: Make) -> None:
    books = scene(
        entries=[
            entry(1, seconds=1234),
            entry(2, tags=[]),
            entry(3, seconds=10, tag="Books"),
            entry(4, "2026-11-05"),
            entry(5, project_id=None),
        ]
    )
    done = books.invoice()
    assert done.code == 0
    reference = Invoice.objects.get().reference
    assert done.answer == {
        "invoices": [
            {
                "reference": reference,
                "dossier": "small",
                "customer_vat": GARAGE_NUMBER,
                "customer_name": "Garage Vonk SRL",
                "status": "draft",
                "delivery": "not_sent",
                "order_id": None,
                "order_number": None,
                "period_from": "2026-10-05",
                "period_till": "2026-10-05",
                "total_excl": "32.30",
                "total_vat": "6.78",
                "total_incl": "39.08",
                "lines": [
                    {
                        "kind": "hours",
                        "product": "ADV",
                        "description": "Advice",
                        "quantity": "0.34",
                        "unit_price": "95.00",
                        "vat_rate": "21.00",
                        "discount": "0.00",
                        "total": "32.30",
                        "seconds": 1234,
                        "late": False,
                        "entries": [FIRST_ENTRY + 1],
                    }
                ],
            }
        ],
        "skipped": [
            {"entry": FIRST_ENTRY + 2, "reason": "no_tag"},
            {"entry": FIRST_ENTRY + 3, "reason": "rounds_to_zero"},
            {"entry": FIRST_ENTRY + 5, "reason": "no_project"},
        ],
        "mirror_as_of": "2026-11-20T09:00:00Z",
    }
    assert list(done.answer["invoices"][0]) == INVOICE_KEYS
    assert list(done.answer["invoices"][0]["lines"][0]) == LINE_KEYS


def test_posted_invoice_bears_billits_id_number_and_totals(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    done = books.invoice("--approve", "--post", "--send")
    (order,) = books.control.orders()
    (shown,) = done.answer["invoices"]
    assert (shown["status"], shown["delivery"]) == ("posted", "sent")
    assert (shown["order_id"], shown["order_number"]) == (order["OrderID"], "2026-0001")
    assert (shown["total_excl"], shown["total_vat"], shown["total_incl"]) == ("95.00", "19.95", "114.95")


def test_entries_of_a_line_stand_in_the_order_of_their_start(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-10-07"), entry(2, "2026-10-05"), entry(3, "2026-10-06")])
    (shown,) = books.invoice().answer["invoices"]
    assert shown["lines"][0]["entries"] == [FIRST_ENTRY + 2, FIRST_ENTRY + 3, FIRST_ENTRY + 1]


@pytest.mark.slow
def test_dry_run_prints_what_the_run_prints_and_changes_nothing(scene: Make) -> None:
    books = scene("demo")
    before = everything()
    dry = books.invoice("--dry-run", "--approve", "--post", "--send", through="2026-11-20")
    assert everything() == before
    assert (Invoice.objects.count(), Run.objects.count(), books.asked("POST", "/v1/orders")) == (0, 0, [])
    run = books.invoice(through="2026-11-20")
    assert (dry.code, run.code) == (0, 0)
    assert all(list(invoice) == INVOICE_KEYS for invoice in dry.answer["invoices"])
    assert [invoice.pop("reference") for invoice in dry.answer["invoices"]] == [None] * 22
    references = [invoice.pop("reference") for invoice in run.answer["invoices"]]
    assert len(set(references)) == 22
    assert _sorted(dry.answer) == _sorted(run.answer)


def _sorted(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"invoices": sorted(answer["invoices"], key=lambda row: (row["dossier"], str(row)))}


def test_second_call_lists_nothing(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    assert len(books.invoice("--approve", "--post", "--send").answer["invoices"]) == 1
    again = books.invoice("--approve", "--post", "--send")
    assert (again.code, again.answer["invoices"]) == (0, [])
    assert (len(books.asked("POST", "/v1/orders")), len(books.control.outbox())) == (1, 1)


def test_dropped_draft_is_listed_as_void_and_said_before_by_the_dry_run(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)])
    books.invoice()
    reference = books.invoices(customer_name="Bakery Deeg BV").get().reference
    books.control.delete_entries(FIRST_ENTRY + 2)
    dry = books.invoice("--dry-run")
    assert books.invoices(status="void").count() == 0
    run = books.invoice()
    assert [(row["reference"], row["status"]) for row in run.answer["invoices"]] == [(reference, "void")]
    assert dry.answer["invoices"] == run.answer["invoices"]


def test_draft_of_a_later_day_is_named_and_left_alone(scene: Make) -> None:
    books = scene(entries=[entry(1), entry(2, "2026-10-06")])
    books.invoice()
    reference = books.invoices().get().reference
    done = books.command("invoice", "--firm", books.firm.slug, "--through", "2026-10-05")
    assert (done.code, done.answer["invoices"]) == (0, [])
    assert f"Draft {reference} for Garage Vonk SRL was drawn through a later day: it is left alone." in done.words
    assert books.invoices().get().lines.get().seconds == 7200


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--firm", "nobody", "--through", "2026-10-31"), "There is no firm “nobody”. Known: small."),
        (
            ("--firm", "small", "--dossier", "other", "--through", "2026-10-31"),
            "Firm “small” has no dossier “other”. Known: small.",
        ),
        (("--firm", "small", "--through", "2026-02-30"), "“2026-02-30” is not a day of the calendar."),
        (("--firm", "small", "--through", "31/10/2026"), "“31/10/2026” is not a day of the calendar."),
        (("--firm", "small", "--through", "2026-10"), "“2026-10” is not a day of the calendar."),
        (("--firm", "small", "--through", ""), "“” is not a day of the calendar."),
        (("--firm", "small", "--through", "2026-11-21"), "2026-11-21 is after today (2026-11-20)"),
    ],
    ids=str,
)
def test_bad_arguments_end_with_2_and_change_nothing(scene: Make, arguments: tuple[str, ...], sentence: str) -> None:
    books = scene(entries=[entry(1)])
    before = everything()
    done = books.command("invoice", *arguments, "--approve", "--post")
    assert (done.code, done.answer) == (2, None)
    assert sentence in done.words
    assert everything() == before
    assert books.control.log() == [], "not even Toggl is asked"


def test_today_of_the_firm_is_taken_and_counts_in_its_zone(scene: Make) -> None:
    books = scene(entries=[entry(1, "2026-11-20T08:00:00+00:00", seconds=60)])
    assert books.invoice(through="2026-11-20").code == 0
    books.at(NOW.replace(hour=23, minute=30))  # past midnight in Brussels
    assert books.invoice(through="2026-11-21").code == 0
    assert books.invoice(through="2026-11-22").code == 2


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["--firm", "small"], ["--through", "2026-10-31"], ["--firm", "small", "--through", "2026-10-31", "--x"]],
)
def test_missing_and_unknown_arguments_end_the_process_with_2(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "invoice", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "DEBUG": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage:" in done.stderr


@pytest.mark.slow
def test_one_dossier_only(scene: Make) -> None:
    table = {"toggl": "main", "billit": "main", "workspace": WORKSPACE, "company": COMPANY, "start": "2026-09-01"}
    books = scene(
        entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)],
        dossiers=[{"key": "a", **table, "clients": [501]}, {"key": "b", **table, "clients": [502]}],
    )
    Dossier.objects.update(default_product="ADV")
    done = books.invoice("--dossier", "b", "--approve", "--post")
    assert [row["dossier"] for row in done.answer["invoices"]] == ["b"]
    assert books.states()[FIRST_ENTRY + 1] in {"open", "attention"}
    done = books.invoice("--post")
    assert [(row["dossier"], row["status"]) for row in done.answer["invoices"]] == [("a", "draft")]


# --- the flags --------------------------------------------------------------------------------------------------------

BEFORE = {
    "draft": ("draft", "not_sent"),
    "approved": ("approved", "not_sent"),
    "refused": ("refused", "not_sent"),
    "in_doubt": ("in_doubt", "not_sent"),
    "posting": ("posting", "not_sent"),
    "posted": ("posted", "not_sent"),
    "sent": ("posted", "sent"),
    "void": ("void", "not_sent"),
}
POSTED, SENT, APPROVED = ("posted", "not_sent"), ("posted", "sent"), ("approved", "not_sent")
FLAGS: dict[tuple[str, ...], dict[str, tuple[str, str]]] = {
    (): {},
    ("--approve",): {"draft": APPROVED, "refused": APPROVED},
    ("--post",): {"approved": POSTED, "in_doubt": POSTED},
    ("--send",): {"posted": SENT},
    ("--approve", "--send"): {"draft": APPROVED, "refused": APPROVED, "posted": SENT},
    ("--approve", "--post"): {"draft": POSTED, "refused": POSTED, "approved": POSTED, "in_doubt": POSTED},
    ("--post", "--send"): {"approved": SENT, "in_doubt": SENT, "posted": SENT},
    ("--approve", "--post", "--send"): {
        "draft": SENT,
        "refused": SENT,
        "approved": SENT,
        "in_doubt": SENT,
        "posted": SENT,
    },
    ("--queue",): {},
    ("--queue", "--approve"): {"draft": APPROVED, "refused": APPROVED},
    ("--queue", "--approve", "--post", "--send"): {"draft": APPROVED, "refused": APPROVED},
    ("--dry-run", "--approve", "--post", "--send"): {},
}


def one_of_each(books: Scene) -> dict[str, int]:
    """An invoice in every status, each of its own customer; gives their row ids."""
    books.draft()
    rows = dict(zip(BEFORE, Invoice.objects.order_by("pk"), strict=True))
    for status in BEFORE:
        if status != "draft":
            books.approve(rows[status])
    with books.fault("status", status=400, body="no"):
        books.post(rows["refused"])
    with books.fault("cut_after"):
        books.post(rows["in_doubt"])
    books.post(rows["posted"])
    books.send(books.post(rows["sent"]))
    books.read_back()
    books.die_posting(rows["posting"], done=False)
    entries = list(Entry.objects.filter(claims__line__invoice=rows["void"]))
    runs.void(invoice=rows["void"], by=BY, now=NOW)
    # Held, so that the next run does not draft the hours of the dropped invoice anew.
    decisions.hold(entries=entries, reason="a person's", by=BY, now=NOW)
    return {status: row.pk for status, row in rows.items()}


def _wishes(intent: str) -> set[int]:
    return set(Invoice.objects.filter(**{f"{intent}_requested_at__isnull": False}).values_list("pk", flat=True))


@pytest.mark.slow
@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
def test_each_flag_does_its_own_step_and_implies_no_other(scene: Make, queue: Queue, flags: tuple[str, ...]) -> None:
    books = scene(
        **many(len(BEFORE)) | {"peppol": [{"number": enterprise_number(100 + n)} for n in range(len(BEFORE))]}
    )
    rows = one_of_each(books)
    posts, sends = len(books.asked("POST", "/v1/orders")), len(books.asked("POST", SEND))
    asked_before, sent_on_before = _wishes("post"), _wishes("send")
    done = books.invoice(*flags)
    assert done.code == 0, done.words
    now_is = {status: Invoice.objects.values_list("status", "delivery").get(pk=pk) for status, pk in rows.items()}
    assert now_is == BEFORE | FLAGS[flags]
    moved = {Invoice.objects.get(pk=rows[status]).reference for status in FLAGS[flags]}
    assert {row["reference"] for row in done.answer["invoices"]} == moved
    direct = "--queue" not in flags and "--dry-run" not in flags
    newly_posted = sum(BEFORE[status][0] in {"draft", "approved", "refused"} for status in FLAGS[flags])
    expected = newly_posted if direct and "--post" in flags else 0
    assert len(books.asked("POST", "/v1/orders")) - posts == expected
    newly_sent = sum(after == SENT for after in FLAGS[flags].values())
    assert len(books.asked("POST", SEND)) - sends == newly_sent
    asked, sent_on = _wishes("post"), _wishes("send")
    if flags == ("--queue", "--approve", "--post", "--send"):
        wanted = {rows[status] for status in ("draft", "refused", "approved", "in_doubt")}
        assert (asked, sent_on) == (asked_before | wanted, sent_on_before | wanted | {rows["posted"]})
        messages = sorted((task.rpartition(".")[2], keywords) for _, task, keywords in queue.waiting())
        assert messages == [
            ("post_invoices", {"invoice_ids": sorted(wanted)}),
            ("send_invoices", {"invoice_ids": [rows["posted"]]}),
        ]
    else:
        # What a person has posted or sent here and now was asked for herewith, by name.
        posted = {rows[status] for status in FLAGS[flags] if direct and "--post" in flags}
        sent = {rows[status] for status, after in FLAGS[flags].items() if after == SENT}
        assert (asked, sent_on) == (asked_before | posted, sent_on_before | sent)
        assert queue.waiting() == []


def test_queued_steps_are_done_by_the_workers(scene: Make, queue: Queue) -> None:
    books = scene(entries=[entry(1)])
    done = books.invoice("--approve", "--post", "--send", "--queue")
    assert [(row["status"], row["delivery"]) for row in done.answer["invoices"]] == [("approved", "not_sent")]
    assert books.asked("POST", "/v1/orders") == []
    queue.work()
    invoice = books.invoices().get()
    assert (invoice.status, invoice.delivery, len(books.control.outbox())) == ("posted", "sent", 1)


def test_queued_send_takes_up_what_was_sent_in_vain(scene: Make, queue: Queue) -> None:
    books = scene(entries=[entry(1)])
    posted = books.posted()
    with books.fault("status", path=SEND, status=400, body="no"):
        assert books.send(posted).delivery == "failed"
    books.invoice("--send", "--queue")
    queue.work()
    assert (post.fresh(posted).delivery, len(books.control.outbox())) == ("sent", 1)


def test_mode_and_limit_do_not_hold_a_person_back(scene: Make) -> None:
    books = scene(entries=[entry(1)], mode="review", auto_limit="1.00")
    (shown,) = books.invoice("--approve", "--post", "--send").answer["invoices"]
    assert (shown["status"], shown["delivery"]) == ("posted", "sent")


def test_mode_send_alone_approves_nothing_by_command(scene: Make) -> None:
    books = scene(entries=[entry(1)], mode="send")
    (shown,) = books.invoice().answer["invoices"]
    assert shown["status"] == "draft"
