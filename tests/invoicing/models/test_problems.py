"""Every code that a row may hold has words in three languages; what a vendor said stays as it came (design D11)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.utils import translation

from integrations.clients.http import failures
from integrations.clients.http.failures import Message
from integrations.models.encryption import EncryptedTextField
from invoicing.models import Invoice, problems
from invoicing.models.problems import Code, Detail, columns, words, words_of
from tests.factories import (
    AttemptFactory,
    ConnectionFactory,
    DossierFactory,
    FirmFactory,
    InvoiceFactory,
    LedgerRowFactory,
)
from tests.invoicing.scene import Scene
from tests.visitors import address, signed_in, staff, text
from tests.worlds import entry
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News

LANGUAGES = ("en", "fr", "nl")
PLACE = re.compile(r"%\((\w+)\)s")
ENUMS = (failures.Code, failures.Asked, failures.Detail, Code, Detail)
SAME_IN_EVERY_LANGUAGE = {failures.Code.OTHER, failures.Detail.STATUS}
"""Their words are a fact and nothing else."""

REFUSED = Message(
    failures.Code.REFUSED,
    {"service": "Billit", "what": Message(failures.Asked.NEW_ORDER, {"order": "tb-1"}), "status": 400, "said": "No."},
)


def facts_of(code: str) -> dict[str, Any]:
    """A fact for each place of its sentence."""
    names = PLACE.findall(problems.SENTENCES[code])
    facts: dict[str, Any] = {name: f"<{name}>" for name in names if name not in ("day", "time")}
    if {"day", "time"} & set(names):
        facts["at"] = "2026-11-20T09:55:00+00:00"
    return facts | {name: "12.50" for name in facts if name.removeprefix("our_") in ("excl", "vat", "incl", "left")}


def in_language(language: str, message: Message) -> str:
    with translation.override(language):
        return words(message)


def test_codes_are_told_apart() -> None:
    every = [str(code) for codes in ENUMS for code in codes]
    assert len(set(every)) == len(every)
    assert set(problems.SENTENCES) == set(every)
    assert set(problems.CODES) == {"", *map(str, failures.Code), *map(str, Code)}
    assert max(map(len, every)) <= 40, "the length of the columns"


@pytest.mark.parametrize("code", sorted(problems.SENTENCES))
def test_every_code_has_words_in_three_languages(code: str) -> None:
    message = Message(code, facts_of(code))
    said = {language: in_language(language, message) for language in LANGUAGES}
    assert said["en"] == failures.sentence(code, message.facts, problems.SENTENCES)
    for language, sentence in said.items():
        assert sentence
        assert not {"%", "?"} & set(sentence), language
        for name, fact in message.facts.items():
            shown = ["20/11/2026", "09:55"] if name == "at" else [fact, fact.replace(".", ",")]
            assert any(part in sentence for part in shown), (language, name)
    if code not in SAME_IN_EVERY_LANGUAGE:
        assert len(set(said.values())) == 3, said


def test_nothing_has_no_words() -> None:
    assert words_of("", {}) == ""


def test_words_of_a_vendor_stay_as_they_came() -> None:
    said = "TVA manquante : BT-31, 100 % de la facture."
    message = Message(failures.Code.OTHER, {"said": said})
    assert {in_language(language, message) for language in LANGUAGES} == {said}


def test_message_within_a_message_is_worded_too() -> None:
    assert in_language("en", REFUSED) == ("Billit refused the new order tb-1: No. Mend what it names, then try again.")
    french = in_language("fr", REFUSED)
    assert "new order" not in french
    assert "tb-1" in french
    found = Message(Detail.SEVERAL_ORDERS, {"n": 2, "orders": [11, 12]})
    assert in_language("en", Message(Code.NOT_ADOPTED, {"found": found})) == (
        "It is not clear whether Billit has the invoice. Billit has 2 orders of this reference: 11, 12. Delete in "
        "Billit those of them that stand, then post the invoice anew."
    )


def test_amounts_are_written_as_the_reader_does() -> None:
    message = Message(Code.TOTALS_DIFFER, facts_of(Code.TOTALS_DIFFER))
    assert "12.50 + 12.50 VAT" in in_language("en", message)
    assert "12,50" in in_language("fr", message)
    assert "12.50" not in in_language("nl", message)


def test_place_without_a_fact_does_not_break_the_page() -> None:
    assert words_of(Code.ORDER_NOWHERE, {"order": 5}).startswith("Billit shows order 5 of invoice ? neither")
    assert "at soon UTC" in words_of("connection_rests", {"connection": "Billit main", "n": 5, "at": "soon"})


def test_secret_is_taken_out_of_every_fact() -> None:
    message = Message("refused", {"said": "no s3cret", "what": Message("asked_order", {"order": "s3cret"}), "n": 1})
    assert message.masked("s3cret").facts == {
        "said": "no ***",
        "what": {"code": "asked_order", "facts": {"order": "***"}},
        "n": 1,
    }


def test_columns_of_a_message_and_of_none() -> None:
    assert columns("problem", None) == {"problem": "", "problem_facts": {}}
    assert columns("problem", Message(Code.WORKER_ENDED)) == {"problem": "worker_ended", "problem_facts": {}}


# --- nothing else is stored -------------------------------------------------------------------------------------------

TEXTS = {
    "integrations.Entry.description",
    "integrations.Product.description",
    "invoicing.Claim.description",
    # the filter of a list, as its address says it
    "invoicing.SavedView.query",
    # what was sent to Billit, to the letter
    "invoicing.Attempt.body",
    # what Toggl said when it refused a tag
    "invoicing.WriteBack.said",
    "invoicing.Invoice.accepted_body",
}
"""Columns for a text of any length: words of others. A message of ours is a code with facts."""


def test_no_row_has_a_column_for_a_sentence_of_ours() -> None:
    ours = ("firms", "integrations", "invoicing")
    found = {
        f"{model._meta.app_label}.{model._meta.object_name}.{field.name}"
        for label in ours
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.TextField) and not isinstance(field, EncryptedTextField)
    }
    assert found == TEXTS


def test_every_column_of_codes_is_beside_its_facts() -> None:
    coded = {
        "invoicing.Invoice": ["attention", "problem", "delivery_problem"],
        "invoicing.Attempt": ["answer"],
        "invoicing.Dossier": ["waiting", "reconcile_problem"],
        "integrations.Connection": ["failure_code"],
    }
    for label, names in coded.items():
        model = apps.get_model(label)
        for name in names:
            assert isinstance(model._meta.get_field(name), models.CharField)
            facts = name.removesuffix("_code") + "_facts"
            assert isinstance(model._meta.get_field(facts), models.JSONField)


# --- where they are shown ---------------------------------------------------------------------------------------------


def spoken(html: str) -> str:
    return html.replace("\u00a0", " ").replace("&#x27;", "'")


@pytest.mark.django_db
def test_pages_show_them_in_the_language_of_the_reader() -> None:
    firm = FirmFactory(language="fr")
    other = Message(Code.NOT_ADOPTED, {"found": Message(Detail.OTHER_ORDER, {"order": 5})})
    lost = Message("sign_in_over", {"connection": "Billit main", "page": "https://toggbill.example/"})
    quota = Message("quota_used_up", {"workspace": "Small", "at": "2026-11-20T10:00:00+00:00"})
    dossier = DossierFactory(firm=firm, **columns("waiting", quota), **columns("reconcile_problem", REFUSED))
    doubtful = InvoiceFactory(dossier=dossier, status="in_doubt", needs_person=True, **columns("problem", other))
    no_way = Message(Code.NO_WAY_TO_SEND, {"customer": "Vonk", "number": Message(Detail.NO_NUMBER)})
    posted = InvoiceFactory(
        dossier=dossier,
        status="posted",
        delivery="failed",
        **columns("attention", no_way),
        **columns("delivery_problem", REFUSED),
    )
    AttemptFactory(invoice=posted, outcome="refused", **columns("answer", Message(Code.SHOWN_AS_NOT_SENT)))
    row = ConnectionFactory(
        firm=firm, service="billit", key="main", failure="credentials", failure_code=lost.code, failure_facts=lost.facts
    )
    browser = signed_in(firm)
    shown = {
        f"/invoices/{doubtful.reference}/": [other],
        f"/invoices/{posted.reference}/": [no_way, REFUSED, Message(Code.SHOWN_AS_NOT_SENT)],
        f"/dossiers/{dossier.key}/": [quota, REFUSED],
        f"/connections/{row.service}/{row.key}/": [lost],
    }
    for path, messages in shown.items():
        page = spoken(text(browser, path))
        for message in messages:
            assert spoken(in_language("fr", message)) in page, path
            assert in_language("en", message) not in page, path


@pytest.mark.django_db
def test_admin_shows_them_in_words() -> None:
    firm = FirmFactory()
    quota = Message("quota_used_up", {"workspace": "Small", "at": "2026-11-20T10:00:00+00:00"})
    dossier = DossierFactory(firm=firm, **columns("waiting", quota))
    invoice = InvoiceFactory(dossier=dossier, status="refused", **columns("problem", REFUSED))
    attempt = AttemptFactory(invoice=invoice, **columns("answer", REFUSED))
    row = ConnectionFactory(firm=firm, failure="refused", failure_code=REFUSED.code, failure_facts=REFUSED.facts)
    browser = staff(firm)
    for shown, message in ((dossier, quota), (invoice, REFUSED), (attempt, REFUSED), (row, REFUSED)):
        page = browser.get(address(type(shown), "change", shown.pk)).content.decode()
        assert words(message) in spoken(page).replace("&quot;", '"'), shown


@pytest.mark.django_db
def test_trail_shows_events_of_today_and_of_before_there_were_codes() -> None:
    firm = FirmFactory(language="fr")
    invoice = InvoiceFactory(dossier__firm=firm, status="draft")
    subject = f"invoice {invoice.reference}"
    news = [
        News("invoice_refused", subject, {"reason": REFUSED.data()}),
        News("invoice_void", subject, {"reason": "dropped by a person"}),
        News("invoice_sent", subject, {"key": "k", "answer": Message(Code.SENT_OVER_PEPPOL).data()}),
        News("invoice_posting", subject, {"key": "k"}),
    ]
    audit.record(firm=firm, news=news, by=Actor("owner@example.com", "page"), now=invoice.drafted_at)
    page = spoken(text(signed_in(firm), f"/invoices/{invoice.reference}/"))
    assert spoken(in_language("fr", REFUSED)) in page
    assert "dropped by a person" in page, "the log is append-only: what stood in English stays so"
    assert "Billit l’envoie par Peppol." in page


@pytest.mark.django_db
def test_credited_hours_name_the_credit_note_and_held_ones_the_reason() -> None:
    firm = FirmFactory(language="fr")
    dossier = DossierFactory(firm=firm)
    LedgerRowFactory(dossier=dossier, state="credited", decision="credited", decision_text="tb-9")
    LedgerRowFactory(dossier=dossier, state="held", decision="held", decision_text="The client contests it")
    page = text(signed_in(firm), f"/dossiers/{dossier.key}/hours/")
    assert "note de crédit tb-9" in page
    assert "The client contests it" in page


@pytest.mark.django_db
def test_posting_leaves_codes_that_read_in_every_language(scene: Callable[..., Scene]) -> None:
    books = scene(entries=[entry(1)])
    with books.fault("cut_after"):
        invoice = books.post(books.approved())
    assert (invoice.status, invoice.problem, invoice.problem_facts) == (
        "in_doubt",
        "unclear",
        {
            "service": "Billit",
            "what": {"code": "asked_new_order", "facts": {"order": invoice.reference}},
            "detail": {"code": "cut", "facts": {}},
        },
    )
    Invoice.objects.filter(pk=invoice.pk).update(total_incl=invoice.total_incl + 1, total_excl=invoice.total_excl + 1)
    books.later(minutes=10)
    left = books.recover(invoice)
    assert (left.needs_person, left.problem, left.problem_facts["found"]["code"]) == (
        True,
        "not_adopted",
        "other_order",
    )
    sentences = {in_language(language, Message(left.problem, left.problem_facts)) for language in LANGUAGES}
    assert len(sentences) == 3
