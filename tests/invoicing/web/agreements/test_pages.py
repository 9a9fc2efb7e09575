"""Fee agreements are made, changed and ended on pages: by right, on what was read, with the lines shown before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from invoicing.corrections import options
from invoicing.models import Agreement, Invoice
from tests.invoicing.agreements.agreed import HOUR, PRODUCTS, agree, october, post_all
from tests.invoicing.scene import Scene, everything
from tests.visitors import alerts, inputs, signed_in, text, words
from tests.worlds import BAKERY_NUMBER, GARAGE, GARAGE_PROJECT, entry

pytestmark = pytest.mark.django_db
Make = Callable[..., Scene]
MOST_QUERIES = 25


@pytest.fixture
def books(scene: Make) -> Scene:
    return scene(entries=[entry(1, seconds=3 * HOUR), entry(2, "2026-10-06", seconds=HOUR)], products=PRODUCTS)


def at(books: Scene, rest: str = "") -> str:
    return f"/dossiers/{books.dossier.key}/agreements/{rest}"


def terms(**changes: Any) -> dict[str, Any]:
    """The form of the garage's forfait, with changes."""
    filled: dict[str, Any] = {
        "title": "Keeping the books",
        "start": "2026-10-01",
        "end": "",
        "product": "FORF",
        "amount": "250.00",
        "every": "month",
        "in_advance": "arrears",
        "part_periods": "full",
        "included_hours": "",
        "extra_product": "",
    }
    return {name: value for name, value in (filled | changes).items() if value is not None}


def faults(answer: Any) -> dict[str, list[str]]:
    return {name: list(errors) for name, errors in answer.context["form"].errors.items()}


# --- making one -------------------------------------------------------------------------------------------------------


def test_customer_and_kind_come_first_and_lead_to_the_terms(books: Scene) -> None:
    visitor = signed_in(books.firm)
    page = visitor.get(at(books, "add/")).content.decode()
    assert f"({GARAGE})" in page
    assert "A fixed fee (forfait)" in page
    answer = visitor.get(at(books, "add/"), {"customer": "Nobody", "kind": "fixed"})
    assert answer.status_code == 422
    assert faults(answer)["customer"] == [
        "Nothing known is called “Nobody”: choose one of the list, or give its number."
    ]
    answer = visitor.get(at(books, "add/"), {"customer": "599", "kind": "fixed"})
    assert faults(answer)["customer"] == [
        "This dossier bills no Toggl client of this number: choose one of the list, or give a VAT number."
    ]
    answer = visitor.get(at(books, "add/"), {"customer": str(GARAGE), "kind": "fixed"})
    assert "Make an agreement Garage Vonk SRL" in words(answer.content)
    form = answer.context["form"]
    assert [number for number, _name in form.fields["projects"].choices] == [str(GARAGE_PROJECT)]
    assert [reference for reference, _label in form.fields["products"].choices] == ["ADV", "CPT", "FIS", "FORF"]


def test_first_lines_are_shown_before_anything_is_saved(books: Scene) -> None:
    visitor = signed_in(books.firm)
    before = everything()
    address = f"{at(books, 'add/')}?customer={GARAGE}&kind=fixed"
    answer = visitor.post(
        address, terms(start="2026-10-15", part_periods="days", look="1"), headers={"HX-Request": "true"}
    )
    shown = words(answer.content)
    assert shown.split(" Amounts without VAT")[0].strip() == (
        "31 Oct 2026 Flat fee · Keeping the books · 15/10/2026 – 31/10/2026 € 137.10 "
        "30 Nov 2026 Flat fee · Keeping the books · November 2026 € 250.00 "
        "31 Dec 2026 Flat fee · Keeping the books · December 2026 € 250.00 "
        "31 Jan 2027 Flat fee · Keeping the books · January 2027 € 250.00 And so on."
    )
    assert "<html" not in answer.content.decode()
    # without the script the whole page comes again
    whole = visitor.post(address, terms(in_advance="advance", look="1"))
    assert whole.status_code == 200
    assert "1 Oct 2026 Flat fee · Keeping the books · October 2026 € 250.00" in words(whole.content)
    assert everything() == before


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"budget_hours": "0"}, "Budget in hours Must be above zero; leave it out where there is no budget."),
        ({"amount": ""}, "Amount excl. VAT This field is required."),
        ({"amount": "0.005"}, "Amount excl. VAT “0.005” has more than two decimals."),
        ({"amount": "250.005"}, "Amount excl. VAT “250.005” can be read in two ways"),
        ({"end": "2026-09-30"}, "Until 2026-09-30 lies before 2026-10-01, the first day."),
        ({"every": "once"}, "Until Missing; what is billed once and in arrears is due on the last day."),
        (
            {"included_hours": "5"},
            "Hours beyond are billed as Missing; name the product as which hours beyond the included ones are billed.",
        ),
    ],
)
def test_terms_that_cannot_stand_are_refused_at_their_field(books: Scene, changes: dict[str, str], shown: str) -> None:
    visitor = signed_in(books.firm)
    address = f"{at(books, 'add/')}?customer={GARAGE}&kind=fixed"
    looked = visitor.post(address, terms(**changes, look="1"), headers={"HX-Request": "true"})
    assert shown in words(looked.content)
    before = everything()
    answer = visitor.post(address, terms(**changes))
    assert answer.status_code == 422
    assert shown.rpartition(" ")[2] in words(answer.content)
    assert everything() == before


@pytest.mark.slow
def test_agreement_is_made_with_its_event_and_covers_the_hours_at_once(books: Scene) -> None:
    visitor = signed_in(books.firm)
    address = f"{at(books, 'add/')}?customer={GARAGE}&kind=fixed"
    answer = visitor.post(
        address, terms(projects=[str(GARAGE_PROJECT)], amount="1250.00", budget_hours="9.5"), follow=True
    )
    assert alerts(answer.content.decode()) == (
        "success: Agreement “Keeping the books” is saved. The hours that are not billed yet are judged anew."
    )
    made = Agreement.objects.get()
    assert (made.key, made.client_remote_id, made.amount) == ("keeping-the-books", GARAGE, Decimal("1250.00"))
    assert (made.projects, made.products, made.budget_hours) == ([GARAGE_PROJECT], [], Decimal("9.50"))
    assert set(books.states().values()) == {"covered"}
    [event] = books.events("agreement_changed")
    assert (event.data["new"]["key"], event.data["new"]["budget_hours"]) == ("keeping-the-books", "9.50")
    # a second one of that title has a short name of its own
    address = f"{at(books, 'add/')}?customer={BAKERY_NUMBER}&kind=fixed"
    visitor.post(address, terms())
    assert sorted(Agreement.objects.values_list("key", "number")) == [
        ("keeping-the-books", ""),
        ("keeping-the-books-2", BAKERY_NUMBER),
    ]


def test_scope_that_meets_anothers_is_refused_with_both_named(books: Scene) -> None:
    october(books)
    visitor = signed_in(books.firm)
    answer = visitor.post(f"{at(books, 'add/')}?customer={GARAGE}&kind=fixed", terms(products=["ADV"]))
    sentence = (
        "Agreements keeping-the-books and garage of this customer could cover the same hour; part them by their days, "
        "or by naming products alone or projects alone in both."
    )
    assert faults(answer) == {"products": [sentence]}
    assert Agreement.objects.count() == 1


def test_amounts_are_read_as_the_language_writes_them(books: Scene) -> None:
    visitor = signed_in(books.firm, language="fr")
    visitor.cookies["django_language"] = "fr"
    visitor.post(f"{at(books, 'add/')}?customer={GARAGE}&kind=fixed", terms(amount="250,50"))
    assert Agreement.objects.get().amount == Decimal("250.50")


@pytest.mark.slow
def test_what_keeps_a_fee_from_being_billed_is_said_before_it_is_saved(books: Scene) -> None:
    visitor = signed_in(books.firm)
    october(books, product="GONE")
    page = text(visitor, at(books, f"{Agreement.objects.get().pk}/"))
    assert "Product unknown to Billit" in page
    assert "Product unknown to Billit" in text(visitor, at(books))
    preview = text(visitor, f"/dossiers/{books.dossier.key}/preview/?through=2026-10-31")
    assert "Keeping the books · October 2026 · Product unknown to Billit" in preview


@pytest.mark.slow
def test_advances_have_a_form_of_their_own_with_their_days(books: Scene) -> None:
    visitor = signed_in(books.firm)
    address = f"{at(books, 'add/')}?customer={GARAGE}&kind=advance"
    form = terms(amount="", plan="2026-10-01 250.00\n2026-12-01 1,250.00", settle_on="12-31")
    looked = visitor.post(address, form | {"look": "1"}, headers={"HX-Request": "true"})
    assert "1 Oct 2026 Flat fee · Keeping the books · 01/10/2026 € 250.00 1 Dec 2026" in words(looked.content)
    answer = visitor.post(address, form | {"plan": "2026-10-01 a lot"})
    assert faults(answer) == {
        "plan": ["“2026-10-01 a lot” is no day with an amount: write one on each line, such as 2026-01-01 250.00."]
    }
    answer = visitor.post(address, form | {"settle_on": "31/12", "amount": "10"})
    assert sorted(faults(answer)) == ["amount", "settle_on"]
    visitor.post(address, form)
    made = Agreement.objects.get()
    assert (made.kind, made.settle_on, made.plan) == (
        "advance",
        "12-31",
        [{"day": "2026-10-01", "amount": "250.00"}, {"day": "2026-12-01", "amount": "1250.00"}],
    )
    shown = text(visitor, at(books))
    assert "2 advances, € 1,500.00 in all; settled each year on 31/12" in shown
    assert "Next € 250.00 1 Oct 2026, due since 1 Oct 2026" in shown
    # 4 h x 95.00
    assert "Hours on account 4.00 h worth € 380.00 at the price of their product, beside advances of € 0.00" in shown
    page = visitor.get(at(books, f"{made.pk}/")).content.decode()
    assert "2026-12-01 1250.00" in page or "2026-12-01 1,250.00" in page
    form["read"] = inputs(page, "read")[0]
    visitor.post(at(books, f"{made.pk}/"), form | {"settle_on": "06-30"})
    made.refresh_from_db()
    assert made.settle_on == "06-30"


# --- changing and ending ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_other_terms_are_saved_on_what_was_read(books: Scene) -> None:
    agreement = october(books)
    books.draft()
    visitor = signed_in(books.firm)
    page = visitor.get(at(books, f"{agreement.pk}/")).content.decode()
    assert "once it is changed, draft the dossier again before you approve it" in words(page.encode())
    form = terms(read=inputs(page, "read")[0], amount="300.00")
    visitor.post(at(books, f"{agreement.pk}/"), form)
    agreement.refresh_from_db()
    assert (agreement.amount, agreement.version) == (Decimal("300.00"), 2)
    # what was read is not there any more
    answer = visitor.post(at(books, f"{agreement.pk}/"), form | {"amount": "310.00"})
    assert answer.status_code == 409
    assert visitor.post(at(books, f"{agreement.pk}/"), form | {"read": ""}).status_code == 400
    agreement.refresh_from_db()
    assert agreement.amount == Decimal("300.00")


@pytest.mark.slow
def test_what_a_billed_period_rests_on_is_refused_at_its_field(books: Scene) -> None:
    agreement = october(books)
    books.draft()
    post_all(books)
    visitor = signed_in(books.firm)
    page = visitor.get(at(books, f"{agreement.pk}/")).content.decode()
    answer = visitor.post(
        at(books, f"{agreement.pk}/"), terms(read=inputs(page, "read")[0], every="quarter", start="2026-09-01")
    )
    assert faults(answer) == {
        "start": ["Stays 2026-10-01, since agreement garage has billed a period; end it, and make another agreement."],
        "every": ["Stays month, since agreement garage has billed a period; end it, and make another agreement."],
    }


@pytest.mark.slow
def test_end_says_what_becomes_of_invoices_and_hours_before_it_is_done(books: Scene) -> None:
    agreement = agree(books, in_advance=True, part_periods="days")
    books.draft(date(2026, 8, 31))
    (posted,) = post_all(books)
    books.draft(date(2026, 10, 31))
    visitor = signed_in(books.firm)
    address = at(books, f"{agreement.pk}/end/")
    page = visitor.get(address).content.decode()
    looked = visitor.post(address, {"last_day": "2026-09-15", "look": "1"}, headers={"HX-Request": "true"})
    assert words(looked.content).strip() == (
        f"Invoice {options.name_of(posted)} bills September 2026 already, of which days lie behind the end. That "
        "stays as it is: credit the line if it is to be taken back. "
        "The waiting draft for Garage Vonk SRL bills October 2026: draft the dossier again before you approve it, and "
        "that line is gone. "
        "The waiting draft for Garage Vonk SRL bills November 2026: draft the dossier again before you approve it, and "
        "that line is gone. "
        "Hours from 16 Sep 2026 on are billed by the hour, unless another agreement covers them."
    )
    looked = visitor.post(address, {"last_day": "2026-11-15", "look": "1"}, headers={"HX-Request": "true"})
    assert (
        "bills November 2026: draft the dossier again before you approve it, and it bills 1 Nov 2026 – 15 Nov 2026, "
        "€ 125.00."
    ) in words(looked.content)
    answer = visitor.post(address, {"last_day": "2026-08-31", "read": inputs(page, "read")[0]})
    assert "Agreement garage begins on 2026-09-01" in words(answer.content)
    answer = visitor.post(address, {"last_day": "2026-11-15", "read": inputs(page, "read")[0]}, follow=True)
    assert "Agreement “Keeping the books” ends on 15 Nov 2026." in words(answer.content)
    # what was said comes true
    books.draft(date(2026, 10, 31))
    draft = Invoice.objects.get(status="draft")
    assert [str(line.total) for line in draft.lines.order_by("position")] == ["250.00", "125.00"]


def test_who_may_not_map_reads_the_list_alone(books: Scene) -> None:
    agreement = october(books)
    visitor = signed_in(books.firm, role="viewer")
    page = visitor.get(at(books)).content.decode()
    assert ("Keeping the books" in page, "Make an agreement" in page, f"{agreement.pk}/end/" in page) == (
        True,
        False,
        False,
    )
    before = everything()
    for path in ("add/", f"{agreement.pk}/", f"{agreement.pk}/end/"):
        assert visitor.post(at(books, path), terms()).status_code == 403
    assert everything() == before


# --- how they stand ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_list_says_what_is_billed_what_waits_what_comes_and_what_hours_are_worth(books: Scene) -> None:
    agree(books, included_hours=Decimal(5), extra_product="ADV", amount=Decimal("250.00"))
    visitor = signed_in(books.firm)
    shown = text(visitor, at(books))
    assert "Garage Vonk SRL all hours" in shown
    assert "€ 250.00 every month, in arrears; 5.00 h included, beyond that as ADV from 1 Sep 2026 on" in shown
    assert "Billed nothing yet" in shown
    assert "€ 250.00 September 2026, due since 30 Sep 2026" in shown
    assert "Hours covered 4.00 h 0.00 h of 5.00 h included in this period" in shown
    books.draft(date(2026, 9, 30))
    post_all(books)
    books.draft()
    shown = text(visitor, at(books))
    assert "Billed € 250.00 1 time € 250.00 waits on invoices that are not in Billit yet" in shown
    assert "Next € 250.00 November 2026, due on 30 Nov 2026" in shown
    # 4 h x 95.00 = 380.00, fees 500.00
    assert "worth € 380.00 by the hour in the billed periods, € 120.00 less than the fees" in shown
    of_dossier = text(visitor, f"/dossiers/{books.dossier.key}/")
    assert "Keeping the books Garage Vonk" in of_dossier
    assert "November 2026, due on 30 Nov 2026 € 250.00 4.00 h" in of_dossier


@pytest.mark.slow
def test_invoice_names_the_agreement_the_period_and_the_covered_hours(books: Scene) -> None:
    october(books)
    books.draft()
    (posted,) = post_all(books)
    sent = books.send(posted)
    visitor = signed_in(books.firm)
    page = text(visitor, f"/invoices/{sent.reference}/")
    assert "Agreement “Keeping the books” · October 2026 Credit this line" in page
    assert "2 entries covered, 4.00 h" in page
    answer = visitor.get(f"/invoices/{sent.reference}/").content.decode()
    form = {"read": inputs(answer, "read")[0], "line": str(sent.lines.get().pk)}
    visitor.post(f"/invoices/{sent.reference}/credit-line/", form)
    note = Invoice.objects.get(kind="credit_note")
    assert (str(note.total_excl), note.status) == ("250.00", "draft")
    assert "Credit this line" not in text(visitor, f"/invoices/{sent.reference}/")


@pytest.mark.slow
def test_pages_take_few_queries_however_many_agreements_there_are(books: Scene) -> None:
    visitor = signed_in(books.firm)
    agreement = agree(books, included_hours=Decimal(5), extra_product="ADV", end=date(2026, 9, 30))
    paths = [
        at(books),
        at(books, "add/"),
        f"{at(books, 'add/')}?customer={GARAGE}&kind=fixed",
        at(books, f"{agreement.pk}/"),
        at(books, f"{agreement.pk}/end/"),
        f"/dossiers/{books.dossier.key}/",
    ]
    few = [_queries(visitor, path) for path in paths]
    for month in range(1, 13):
        agree(books, key=f"y{month}", start=date(2027, month, 1), end=date(2027, month, 28))
    books.draft()
    assert [_queries(visitor, path) for path in paths] == few
    # The dossier's own page reckons changed months anew, here in a world without the ticks that do so.
    assert max(few[:-1]) <= MOST_QUERIES, few


def _queries(visitor: Any, path: str) -> int:
    visitor.get(path)
    with CaptureQueriesContext(connection) as asked:
        assert visitor.get(path).status_code == 200
    return len(asked)
