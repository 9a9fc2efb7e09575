"""What the command wip prints."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import Outcome
from tests.invoicing.scene import Scene
from tests.worlds import BAKERY_NUMBER, GARAGE_NUMBER

Command = Callable[..., Outcome]
NOTHING = {"0-30": "0.00", "31-60": "0.00", "61-90": "0.00", "over_90": "0.00"}


def test_wip_prints_seconds_value_and_bands_by_what_hours_are_of(scene: Callable[..., Scene]) -> None:
    done = scene().command("wip", "--firm", "small")
    assert (done.code, done.words) == (0, "")
    bakery = {"dossier": "small", "customer_vat": BAKERY_NUMBER, "customer_name": "Bakery Deeg BV"}
    garage = {"dossier": "small", "customer_vat": GARAGE_NUMBER, "customer_name": "Garage Vonk SRL"}
    odile, wim = {"person": "Odile Verkansel"}, {"person": "Wim Brandhof"}
    assert done.answer["as_of"] == "2026-11-20"
    assert sorted(done.answer["rows"], key=lambda row: (row["customer_name"], row["product"])) == [
        # its tag leads to no product, and so to no price
        bakery | odile | {"product": "", "seconds": 14400, "value": "0.00", "bands": NOTHING},
        bakery | odile | {"product": "ADV", "seconds": 5400, "value": "142.50", "bands": NOTHING | {"31-60": "142.50"}},
        garage
        | odile
        | {"product": "ADV", "seconds": 10800, "value": "285.00", "bands": NOTHING | {"31-60": "285.00"}},
        garage | wim | {"product": "CPT", "seconds": 1800, "value": "30.00", "bands": NOTHING | {"31-60": "30.00"}},
    ]
    # the same order each time
    assert scene_rows(done) == sorted(scene_rows(done))


def scene_rows(done: Outcome) -> list[tuple[str, ...]]:
    names = ("dossier", "customer_vat", "customer_name", "product", "person")
    return [tuple(row[name] for name in names) for row in done.answer["rows"]]


def test_wip_of_a_day_of_the_past(scene: Callable[..., Scene]) -> None:
    books = scene()
    books.draft()
    for invoice in books.approve():
        books.post(invoice)
    left = books.command("wip", "--firm", "small").answer
    assert [(row["product"], row["seconds"], row["value"]) for row in left["rows"]] == [("", 14400, "0.00")]
    before = books.command("wip", "--firm", "small", "--as-of", "2026-10-06").answer
    (row,) = [row for row in before["rows"] if row["product"] == "ADV"]
    assert (before["as_of"], row["seconds"], row["value"], row["bands"]["0-30"]) == (
        "2026-10-06",
        10800,
        "285.00",
        "285.00",
    )


def test_wip_says_what_it_cannot_answer(scene: Callable[..., Scene]) -> None:
    books = scene()
    for asked in (["--as-of", "2026-11-21"], ["--as-of", "2026-11-31"], ["--as-of", "yesterday"]):
        done = books.command("wip", "--firm", "small", *asked)
        assert (done.code, done.answer) == (2, None)
        assert len(done.words.strip().splitlines()) == 1
    assert books.command("wip", "--firm", "nobody").code == 2
