"""Below each line of an invoice: the time in Toggl, what is billed of it by which rule, and what led to the product."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from invoicing.models import Invoice, TagMapping
from tests.invoicing.scene import Scene
from tests.visitors import signed_in, text
from tests.worlds import entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]


def shown(books: Scene, invoice: Invoice | None = None) -> str:
    row = invoice or books.invoices().get()
    return text(signed_in(books.firm), f"/invoices/{row.reference}/")


@pytest.mark.parametrize(
    ("rounding", "found", "missing"),
    [
        (
            {"minutes": 15, "direction": "up", "level": "entry", "minimum": 30},
            [
                "2 entries, 0:51:40 in Toggl rounded (each entry up to 15 minutes, at least 30 minutes per entry): ",
                "per entry): 1:15:00",
                "Garage Advice → ADV The tag “Advice” is mapped to it. 0:10:00 0:30:00",
                "0:41:40 0:45:00",
                "In Toggl Rounded",
            ],
            [],
        ),
        (
            {"minutes": 15, "direction": "nearest", "level": "line"},
            [
                "2 entries, 0:51:40 in Toggl rounded (each line to the nearest 15 minutes): 0:45:00",
                "is mapped to it. 0:10:00",
            ],
            ["In Toggl Rounded", "0:15:00"],
        ),
        ({"minutes": 0}, ["2 entries, 0:51:40 in Toggl"], ["rounded (", "In Toggl Rounded"]),
    ],
)
def test_real_time_rounded_time_and_the_rule(
    scene: Make, rounding: dict[str, Any], found: list[str], missing: list[str]
) -> None:
    books = scene(entries=[entry(1, seconds=600), entry(2, seconds=2500)], rounding=rounding)
    books.draft()
    page = shown(books)
    assert [each for each in found if each not in page] == []
    assert [each for each in missing if each in page] == []


def test_rule_is_the_one_that_the_invoice_was_billed_by(scene: Make) -> None:
    books = scene(entries=[entry(1, seconds=600)], rounding={"minutes": 15, "direction": "up", "level": "entry"})
    books.posted()
    books.rules(rounding_minutes=60)
    assert "rounded (each entry up to 15 minutes): 0:15:00" in shown(books)


@pytest.mark.parametrize(
    ("tags", "mapped", "default", "why"),
    [
        (["Advice"], [], "", "The tag “Advice” is mapped to it."),
        (["adv"], [], "", "The tag “adv” is the product’s reference."),
        ([], [], "ADV", "No tag leads to a product: the dossier’s default product."),
        (
            ["Advice", "FIS"],
            [{"tag": "Advice", "product": "ADV", "priority": 10}],
            "",
            "The tag “Advice” is mapped to it. Its priority 10 is above that of “FIS” (FIS, priority 0).",
        ),
    ],
)
def test_what_led_to_the_product(
    scene: Make, tags: list[str], mapped: list[dict[str, Any]], default: str, why: str
) -> None:
    more = {"tags": mapped} if mapped else {}
    books = scene(entries=[entry(1, tags=tags)], default_product=default, **more)
    books.draft()
    assert why in shown(books)


def test_rules_that_lead_elsewhere_by_now_are_said(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    books.posted()
    TagMapping.objects.filter(tag="Advice").update(product_reference="FIS")
    assert "By today’s rules these tags lead to FIS." in shown(books)
    TagMapping.objects.filter(tag="Advice").update(product_reference="GONE")
    assert "By today’s rules these tags lead to no product." in shown(books)
