"""`manage.py invoice` (design section 10): exit codes, and services that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pytest_django import Settings

from integrations.models import Connection
from tests.invoicing.scene import Scene
from tests.worlds import (
    FIRST_ENTRY,
    ORGANIZATION,
    entry,
    product,
)

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
SEND = "/v1/orders/commands/send"


# --- exit codes -------------------------------------------------------------------------------------------------------


def test_attentions_are_no_failure(scene: Make) -> None:
    books = scene(entries=[entry(1, tags=[])])
    done = books.invoice("--approve", "--post", "--send")
    assert (done.code, done.answer["invoices"], len(done.answer["skipped"])) == (0, [], 1)


@pytest.mark.parametrize(
    ("fault", "status"),
    [({"kind": "status", "status": 400, "body": "no"}, "refused"), ({"kind": "cut_after"}, "in_doubt")],
)
def test_refused_and_in_doubt_end_with_1_and_stay_listed_until_they_are_settled(
    scene: Make, fault: dict[str, Any], status: str
) -> None:
    books = scene(entries=[entry(1)])
    with books.fault(**fault):
        done = books.invoice("--approve", "--post", "--send")
    assert (done.code, [row["status"] for row in done.answer["invoices"]]) == (1, [status])
    assert books.asked("POST", SEND) == []
    again = books.invoice("--approve", "--post")
    assert (again.code, [row["status"] for row in again.answer["invoices"]]) == (0, ["posted"])
    assert len(books.control.orders()) == 1


@pytest.mark.slow
def test_doubt_that_stays_ends_with_1_each_time(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    with books.fault("cut_before"):
        books.invoice("--approve", "--post")
    again = books.invoice("--post")
    assert (again.code, [row["status"] for row in again.answer["invoices"]]) == (1, ["in_doubt"])
    books.later(seconds=120)
    last = books.invoice("--post")
    assert (last.code, [row["status"] for row in last.answer["invoices"]]) == (0, ["posted"])


@pytest.mark.parametrize(
    ("fault", "delivery"),
    [({"kind": "status", "status": 400, "body": "no"}, "failed"), ({"kind": "cut_after"}, "in_doubt")],
)
def test_delivery_that_failed_or_is_in_doubt_ends_with_1(scene: Make, fault: dict[str, Any], delivery: str) -> None:
    books = scene(entries=[entry(1)])
    with books.fault(**fault, path=SEND):
        done = books.invoice("--approve", "--post", "--send")
    assert (done.code, [row["delivery"] for row in done.answer["invoices"]]) == (1, [delivery])
    again = books.invoice("--send")
    assert (again.code, [row["delivery"] for row in again.answer["invoices"]]) == (0, ["sent"])
    assert len(books.control.outbox()) == 1


def test_customer_that_cannot_be_reached_is_attention_not_failure(scene: Make) -> None:
    books = scene(entries=[entry(1)], peppol=[])
    done = books.invoice("--approve", "--post", "--send")
    assert (done.code, [row["delivery"] for row in done.answer["invoices"]]) == (0, ["not_sent"])
    assert "does not receive invoices over Peppol" in done.words


def test_stale_draft_is_not_approved_and_said(scene: Make) -> None:
    """An hour of November changes after its draft; the run through October does not redraw it."""
    books = scene(entries=[entry(1, "2026-11-05")])
    books.invoice(through="2026-11-10")
    books.control.put_entries(entry(1, "2026-11-05", seconds=60))
    done = books.invoice("--approve")
    assert (done.code, done.answer["invoices"]) == (0, [])
    assert "1 of its entries changed in Toggl since it was drafted" in done.words
    assert books.invoices().get().status == "draft"


# --- services that cannot be read -------------------------------------------------------------------------------------


def test_toggl_down_drafts_from_the_mirror_and_says_of_which_time(scene: Make, settings: Settings) -> None:
    books = scene(entries=[entry(1)])
    books.control.put_entries(entry(2))
    books.control.put_billit("products", product(0, "ADV", "Advice", "111.00"))
    books.later(minutes=30)
    settings.TOGGL_URL = "http://127.0.0.1:9"
    done = books.invoice()
    assert (done.code, done.answer["mirror_as_of"]) == (0, "2026-11-20T09:00:00Z")
    (shown,) = done.answer["invoices"]
    assert shown["lines"][0]["entries"] == [FIRST_ENTRY + 1]
    assert shown["total_excl"] == "111.00", "Billit answers, so the price is today's"
    assert "Toggl could not be reached" in done.words
    assert "mirror as of 2026-11-20 09:00 UTC" in done.words
    settings.TOGGL_URL = books.sandbox.toggl_url
    done = books.invoice()
    assert done.answer["mirror_as_of"] == "2026-11-20T09:30:00Z"
    assert done.answer["invoices"][0]["lines"][0]["entries"] == [FIRST_ENTRY + 1, FIRST_ENTRY + 2]


def test_billit_down_drafts_with_the_mirrored_prices(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    with books.fault("status", method="GET", path="/v1/products", status=503, headers={"Retry-After": "600"}):
        done = books.invoice()
    assert (done.code, done.answer["invoices"][0]["total_excl"]) == (0, "95.00")
    assert "Products and customers of company Small SRL come from the mirror as of 2026-11-20 09:00 UTC" in done.words


def test_used_up_quota_is_no_failure(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.control.quota(ORGANIZATION, remaining=0, resets_in=1200)
    done = books.invoice()
    assert (done.code, len(done.answer["invoices"])) == (0, 1)
    assert "Toggl takes no more requests for workspace Small until 09:20 UTC." in done.words


def test_reserve_of_the_background_is_open_to_a_person(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.control.quota(ORGANIZATION, remaining=5, resets_in=1200)
    books.control.put_entries(entry(2))
    done = books.invoice()
    assert done.answer["invoices"][0]["lines"][0]["entries"] == [FIRST_ENTRY + 1, FIRST_ENTRY + 2]


@pytest.mark.parametrize("service", ["toggl", "billit"])
def test_refused_credential_ends_with_1_and_names_the_service(scene: Make, service: str) -> None:
    books = scene(entries=[entry(1)])
    row = Connection.objects.get(service=service)
    row.secret = "f" * 32
    row.save()
    done = books.invoice()
    assert done.code == 1
    assert f"{service.capitalize()} does not accept" in done.words
    assert "f" * 32 not in done.words
    assert [row["status"] for row in done.answer["invoices"]] == ["draft"], "a person may draft from the mirror"


def test_firm_that_was_never_synced_is_read_first(scene: Make) -> None:
    books = scene(entries=[entry(1)], synced=False)
    assert books.states() == {}
    done = books.invoice()
    assert (done.code, done.answer["mirror_as_of"], len(done.answer["invoices"])) == (0, "2026-11-20T09:00:00Z", 1)


def test_firm_that_was_never_read_and_cannot_be_has_no_time_of_the_mirror(scene: Make, settings: Settings) -> None:
    books = scene(entries=[entry(1)], synced=False)
    settings.TOGGL_URL = "http://127.0.0.1:9"
    done = books.invoice()
    assert (done.code, done.answer) == (0, {"invoices": [], "skipped": [], "mirror_as_of": None})
