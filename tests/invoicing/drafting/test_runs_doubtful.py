"""What a run leaves alone: hours of tags and names that are read as they are meant, and hours that are not over."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from invoicing.models import ClientMapping, InvoiceLine
from tests.factories import enterprise_number
from tests.invoicing.scene import Scene, ids
from tests.worlds import BAKERY, BAKERY_PROJECT, GARAGE, GARAGE_NUMBER, client, entry, zulu

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
FREE = {"tag": "à l'essai", "bill": False}
ADVICE = {"tag": "Advice", "product": "ADV"}


@pytest.mark.parametrize(
    "tag", ["à\u00a0l'essai", "à  l'essai", "a\u0300 l’essai", "À L'ES\u00adSAI", "à l'essai\u200b", "à\tl´essai"]
)
def test_an_hour_that_is_not_billed_is_not_in_any_spelling_of_its_tag(scene: Make, tag: str) -> None:
    books = scene(entries=[entry(1), entry(2, tags=["Advice", tag])], tags=[ADVICE, FREE])
    assert books.states() == {ids(1)[0]: "open", ids(2)[0]: "not_billable"}
    assert books.invoice("--dry-run").answer["invoices"][0]["lines"][0]["entries"] == ids(1)


@pytest.mark.slow
def test_a_foreign_number_is_no_belgian_company(scene: Make) -> None:
    number = enterprise_number(3)
    books = scene(
        entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)],
        clients=[client(GARAGE, f"Garage Vonk {GARAGE_NUMBER}"), client(BAKERY, f"Van Houten NL {number[3:]} B01")],
        kbo=[{"Name": "Frituur De Wissel BV", "CompanyIdentification": number[2:], "Country": "BE"}],
        peppol=[{"number": number}],
    )
    outcome = books.invoice("--approve", "--post", "--send")
    assert [each["customer_vat"] for each in outcome.answer["invoices"]] == [GARAGE_NUMBER]
    assert outcome.answer["skipped"] == [{"entry": ids(2)[0], "reason": "unsure_vat"}]
    assert {row.number for row in ClientMapping.objects.all()} == {GARAGE_NUMBER}


def test_hours_that_are_not_over_wait_and_are_billed_once_they_are(scene: Make) -> None:
    now = timezone.now()
    later: dict[str, Any] = {"start": zulu(now + timedelta(minutes=30)), "stop": zulu(now + timedelta(minutes=90))}
    going_on: dict[str, Any] = {"start": zulu(now - timedelta(minutes=30)), "stop": zulu(now + timedelta(minutes=30))}
    books = scene(entries=[entry(1), entry(2, **later), entry(3, **going_on)])
    today = now.astimezone(books.firm.zone).date().isoformat()
    outcome = books.invoice("--dry-run", through=today)
    assert outcome.answer["invoices"][0]["lines"][0]["entries"] == ids(1)
    assert outcome.answer["skipped"] == []
    assert f"Not over yet, so not billed: {ids(2)[0]}, {ids(3)[0]}." in outcome.words
    assert set(books.states().values()) == {"open"}
    books.later(minutes=40)
    billed = books.invoice(through=today).answer["invoices"][0]["lines"][0]["entries"]
    assert billed == ids(1, 3)


def test_a_draft_names_the_tags_that_lead_nowhere(scene: Make) -> None:
    books = scene(entries=[entry(1, tags=["Advice", "urgent"]), entry(2, tags=["Advice", "URGENT", "Zoo"])])
    books.draft()
    assert InvoiceLine.objects.get().ignored_tags == ["URGENT", "Zoo"]
    assert books.draft().moved == ()


def test_what_xml_cannot_hold_is_in_no_order(scene: Make) -> None:
    books = scene(entries=[entry(1, description="Nota\x0bbijlage \x1b[1m\ufffe")], group_by="description")
    books.posted()
    [line] = books.control.orders()[0]["OrderLines"]
    assert line["Description"].endswith("Nota bijlage [1m")
