"""Rows of before there were codes: every sentence that was written becomes its code and facts, and goes back again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from integrations.models import Connection
from invoicing.models import Attempt, Dossier, Invoice, LedgerRow, problems
from tests.factories import AttemptFactory, ConnectionFactory, DossierFactory, InvoiceFactory, LedgerRowFactory

calls: Any = import_module("integrations.migrations._sentences")
frozen: Any = import_module("invoicing.migrations._sentences")

Facts = dict[str, Any]
BEFORE = [("invoicing", "0004_reconciliation"), ("integrations", "0004_webhooks")]
UNTIL = datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
PAGE = "https://toggbill.example/connections/billit/main/"


def _message(code: str, **facts: Any) -> Facts:
    return {"code": code, "facts": facts}


NEW_ORDER = _message("asked_new_order", order="tb-1")

# What the code before this wrote of a call and of a connection.
CALLS: dict[str, tuple[str, Facts]] = {
    "Billit answered the list of products with something that toggbill cannot read: it is not JSON. Nothing was "
    "changed; it will be asked again, and if this stays, tell the maintainers of toggbill.": (
        "unreadable",
        {"service": "Billit", "what": _message("asked_products"), "detail": _message("not_json")},
    ),
    "Toggl answered the clients of workspace 4001 with something that toggbill cannot read: name of a client is not a "
    "text. Nothing was changed; it will be asked again, and if this stays, tell the maintainers of toggbill.": (
        "unreadable",
        {
            "service": "Toggl",
            "what": _message("asked_clients", id=4001),
            "detail": _message("not_text", field="client.name"),
        },
    ),
    "Billit did not clearly answer the new order tb-1: no answer came in time. It may have been done all the same: "
    "look in Billit before it is tried again.": (
        "unclear",
        {"service": "Billit", "what": NEW_ORDER, "detail": _message("too_late")},
    ),
    "Billit did not clearly answer the sending of order 5: HTTP 500. It may have been done all the same: look in "
    "Billit before it is tried again.": (
        "unclear",
        {"service": "Billit", "what": _message("asked_sending", order=5), "detail": _message("status", status=500)},
    ),
    "Billit refused the new order tb-1 (HTTP 400): Invalid VAT for BE. Line 1. Mend what it names, then try again.": (
        "refused",
        {"service": "Billit", "what": NEW_ORDER, "status": 400, "said": "Invalid VAT for BE. Line 1"},
    ),
    "Billit refused order 5 (HTTP 401): the id does not exist or belongs to another company. Mend what it names, then "
    "try again.": (
        "refused",
        {"service": "Billit", "what": _message("asked_order", order=5), "status": 401, "said": _message("not_yours")},
    ),
    "The Toggl credential holds blanks or characters that no credential has. Copy it again and enter it anew for this "
    "connection.": ("malformed_credential", {"service": "Toggl"}),
    "Billit led to another address for the list of customers. Nothing was sent there. If this stays, tell the "
    "maintainers of toggbill.": ("led_elsewhere", {"service": "Billit", "what": _message("asked_customers")}),
    "Toggl asks for fewer requests (HTTP 429) and did not take the list of workspaces. Nothing was changed; it will be "
    "tried again later.": ("too_many_requests", {"service": "Toggl", "what": _message("asked_workspaces")}),
    "Toggl could not answer the time entries of workspace 4001 (HTTP 503). Nothing was changed; it will be tried again "
    "later.": ("server_error", {"service": "Toggl", "what": _message("asked_entries", id=4001), "status": 503}),
    "Billit could not be reached for the customers with number BE0563846944. Nothing was sent; it will be tried again "
    "later. If this stays, check the network and the service's address in the settings.": (
        "not_reached",
        {"service": "Billit", "what": _message("asked_customers_by_number", number="BE0563846944")},
    ),
    "Billit was asked for the search for company 'Vonk', but the connection broke before the answer was complete. "
    "Nothing was changed; it will be tried again later.": (
        "no_answer",
        {"service": "Billit", "what": _message("asked_company_search", words="Vonk"), "detail": _message("cut")},
    ),
    "Toggl does not accept the API token (HTTP 403). Copy the token from the Toggl profile page again and enter it for "
    "this connection.": ("token_refused", {"status": 403}),
    "Toggl's hourly budget of requests for the organisation is used up, so it did not give the tags of workspace 4001. "
    "It opens again in 1855 seconds; toggbill goes on then.": (
        "budget_spent",
        {"whose": _message("organisations_budget"), "what": _message("asked_tags", id=4001), "n": 1855},
    ),
    "Toggl's plan does not include what is needed for the total of workspace 4001 (HTTP 402): no reason given. Upgrade "
    "the plan at Toggl, or do without.": (
        "plan_feature",
        {"what": _message("asked_total", id=4001), "said": _message("no_reason")},
    ),
    "Billit's access token ended before the list of companies was asked. Nothing was changed; it is renewed and asked "
    "again.": ("token_expired", {"what": _message("asked_companies")}),
    "Billit does not accept the credential of this connection (HTTP 401). Enter a new key, or sign in to Billit "
    "again.": ("credential_refused", {}),
    "Billit did not accept the sign-in: it took more than ten minutes, or was used already. Sign in again. (HTTP "
    "400)": ("sign_in_refused", {"status": 400}),
    "Billit no longer accepts the sign-in of this connection. Sign in to Billit again. (HTTP 400)": (
        "sign_in_not_renewed",
        {"status": 400},
    ),
    "The connection Billit main was removed. Connect it again on the page Connections.": (
        "connection_removed",
        {"connection": "Billit main"},
    ),
    "The connection Billit main is paused. Resume it on the page Connections.": (
        "connection_paused",
        {"connection": "Billit main"},
    ),
    "Billit main failed 5 times in a row and is tried again at 10:30:00 UTC.": (
        "connection_rests",
        {"connection": "Billit main", "n": 5, "at": "10:30:00"},
    ),
    "The sign-in of Billit main could not be renewed: Billit could not be reached for the renewal of the sign-in. "
    "Nothing was sent; it will be tried again later. If this stays, check the network and the service's address in the "
    "settings. It is tried again; if it stays, sign in to Billit again on the page Connections.": (
        "renewal_failed",
        {
            "connection": "Billit main",
            "why": _message("not_reached", service="Billit", what=_message("asked_renewal")),
        },
    ),
    "The sign-in of Billit main has ended: an answer of Billit was lost on 20/11/2026 at 10:30 UTC, and Billit gives "
    f"each only once. Sign in to Billit again: {PAGE}": (
        "sign_in_lost",
        {"connection": "Billit main", "at": UNTIL.isoformat(), "page": PAGE},
    ),
    f"The sign-in of Billit main has ended. Sign in to Billit again: {PAGE}": (
        "sign_in_over",
        {"connection": "Billit main", "page": PAGE},
    ),
    "Small is being read by another process at this moment. Try again in a minute.": ("busy", {"what": "Small"}),
    "The token of Toggl main is no longer an admin's in Toggl workspace 4001 (Small), so it shows only part of the "
    "hours. Make its owner an admin there, or connect an admin's token; nothing was deleted.": (
        "no_longer_admin",
        {"connection": "Toggl main", "workspace": "4001 (Small)"},
    ),
    "Something that a version of long ago said.": ("other", {"said": "Something that a version of long ago said."}),
}

# What it wrote of invoices and dossiers.
INVOICES: dict[str, tuple[str, Facts]] = {
    "Vonk (no number) does not receive invoices over Peppol, and e-mail is not open for it. Have the customer register "
    "at Peppol, or allow e-mail in the dossier and add an address.": (
        "no_way_to_send",
        {"customer": "Vonk", "number": _message("no_number")},
    ),
    "Billit has 2 customers with number BE0563846944 (PartyID 90001, 90002). Map the Toggl client to one of them, then "
    "draft again.": ("several_customers", {"n": 2, "number": "BE0563846944", "ids": [90001, 90002]}),
    "Billit computed 95.00 + 19.96 VAT = 114.96, we 95.00 + 19.95 = 114.95. Billit's figures are the legal ones; look "
    "at the lines in Billit.": (
        "totals_differ",
        {
            "excl": "95.00",
            "vat": "19.96",
            "incl": "114.96",
            "our_excl": "95.00",
            "our_vat": "19.95",
            "our_incl": "114.95",
        },
    ),
    "Order 5 of invoice 2026-1 was sent from Billit meanwhile: credit it instead.": (
        "sent_meanwhile",
        {"order": 5, "invoice": "2026-1"},
    ),
    "Billit shows order 5 of invoice 2026-1 neither among its orders nor among the deleted ones. Find out in Billit "
    "what became of it before anything is billed again.": ("order_nowhere", {"order": 5, "invoice": "2026-1"}),
    "The worker that posted it ended before it could note Billit's answer.": ("worker_ended", {}),
    "Billit says that the key was used, but has no order of this reference. Look at Billit, then adopt it there by "
    "hand or post anew.": ("not_adopted", {"found": _message("key_used")}),
    "Order 5 of this reference was deleted in Billit. Look at Billit, then adopt it there by hand or post anew.": (
        "not_adopted",
        {"found": _message("order_deleted", order=5)},
    ),
    "Billit has 2 orders of this reference: 5, 6. Look at Billit, then adopt it there by hand or post anew.": (
        "not_adopted",
        {"found": _message("several_orders", n=2, orders=[5, 6])},
    ),
    "Order 5 has this reference, but another total or customer than ours. Look at Billit, then adopt it there by hand "
    "or post anew.": ("not_adopted", {"found": _message("other_order", order=5)}),
    "Billit says that the key was used, but shows the order as not sent. Look there, then send again.": (
        "not_sent_after_all",
        {},
    ),
    "Billit shows it as sent": ("shown_as_sent", {}),
    "Billit shows it as not sent": ("shown_as_not_sent", {}),
    "Billit still has the order: it was not deleted.": ("not_deleted", {}),
    "The answers before it were slow.": ("answers_were_slow", {}),
    "Toggl's hourly quota for workspace Small is used up until 10:30 UTC, so the ledger cannot be compared with Toggl. "
    "Reconcile again then.": ("quota_used_up", {"workspace": "Small", "at": "10:30"}),
    "Toggl's hourly quota for workspace Small is used up.": ("quota_used_up", {"workspace": "Small"}),
}

ANSWERS: dict[str, tuple[str, Facts]] = {
    "4471203": ("taken_as_order", {"order": 4471203}),
    "Peppol": ("sent_over_peppol", {}),
    "SMTP": ("sent_by_email", {}),
    "deleted": ("order_gone", {}),
    **CALLS,
    **INVOICES,
}


def test_every_old_sentence_is_among_these() -> None:
    written = {code for code, _ in frozen.ANSWERS} | {"taken_as_order", "other"}
    assert {code for code, _ in ANSWERS.values()} == written
    assert {facts["found"]["code"] for _, facts in INVOICES.values() if "found" in facts} == {
        code for code, _ in frozen.FOUND
    }


@pytest.mark.parametrize(("text", "code", "facts"), [(text, *became) for text, became in ANSWERS.items()])
def test_sentence_becomes_a_code_that_reads_in_english_again(text: str, code: str, facts: Facts) -> None:
    assert frozen.answer(text) == {"code": code, "facts": facts}
    sentence = problems.words_of(code, facts)
    # Some are worded anew; none has lost a fact, and none has become another.
    anew = {"taken_as_order", "sent_over_peppol", "sent_by_email", "order_gone", "quota_used_up", "answers_were_slow"}
    anew |= {"not_adopted", "refused", "too_many_requests", "server_error", "token_refused", "plan_feature"}
    anew |= {"credential_refused", "sign_in_refused", "sign_in_not_renewed", "sign_in_not_ended", "client_refused"}
    if facts.get("detail", {}).get("code") in {"not_json", "status", "used_before", "not_moment", "not_flag"}:
        return
    if code not in anew | {"connection_rests", "sign_in_lost"} and "client.name" not in sentence:
        assert sentence.replace("company Vonk", "company 'Vonk'") == text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("time_entries is missing: such a row would pass for deleted entries", ("missing", {"field": "time_entries"})),
        ("Items of the list is missing", ("missing", {"field": "list.Items"})),
        (
            "NextPageLink leads to a.example, not to b.example",
            ("other_host", {"there": "a.example", "here": "b.example"}),
        ),
        ("the next page is the same page", ("same_page", {})),
        ("tag 6 has no name", ("nameless_tag", {"id": 6})),
        ("tags of a row is not a list of texts", ("not_texts", {"field": "row.tags"})),
        ("the answer holds no order id", ("no_order_id", {})),
        ("HTTP 409, this was asked before", ("used_before", {})),
        ("it is made of cheese", ("other", {"said": "it is made of cheese"})),
    ],
)
def test_details_of_what_could_not_be_read(words: str, message: tuple[str, Facts]) -> None:
    text = (
        f"Toggl was asked for the list of workspaces, but {words}. Nothing was changed; it will be tried again later."
    )
    assert frozen.message(text)["facts"]["detail"] == {"code": message[0], "facts": message[1]}


def test_nothing_but_migrations_knows_a_sentence_by_its_pattern() -> None:
    root = Path(__file__).parents[3]
    files = [path for name in ("integrations", "invoicing", "toggbill") for path in (root / name).rglob("*.py")]
    knowing = {path.relative_to(root).as_posix() for path in files if "_sentences" in path.read_text(encoding="utf-8")}
    assert knowing == {
        "integrations/migrations/0005_failure_codes.py",
        "invoicing/migrations/0005_codes.py",
        "invoicing/migrations/_sentences.py",
    }
    assert not (root / "invoicing/models/messages.py").exists()


# --- in the database --------------------------------------------------------------------------------------------------


@pytest.fixture
def at_once() -> Iterator[None]:
    """Whatever a test leaves, the tables are today's when it has ended."""
    yield
    call_command("migrate", verbosity=0)


def _migrate(goal: list[tuple[str, str]]) -> Any:
    """The tables as they were then, and the models of then."""
    executor = MigrationExecutor(connection)
    executor.migrate(goal)
    return MigrationExecutor(connection).loader.project_state(goal).apps


@pytest.mark.slow
@pytest.mark.usefixtures("at_once")
@pytest.mark.django_db(transaction=True)
def test_rows_of_every_old_sentence_are_turned_into_codes_and_back() -> None:
    dossier = DossierFactory(due_at=UNTIL, reconcile_at=UNTIL)
    invoice = InvoiceFactory(dossier=dossier, status="refused")
    silent = InvoiceFactory(dossier=dossier)
    attempts = {AttemptFactory(invoice=invoice).pk: text for text in ANSWERS}
    ailing = ConnectionFactory(failure="credentials")
    credited = LedgerRowFactory(dossier=dossier, state="credited", decision="credited", decision_text="tb-9")
    held = LedgerRowFactory(
        dossier=dossier, state="held", decision="held", decision_text="credit note, says the client"
    )
    refused, unsent = next(text for text in CALLS if "refused the new order" in text), next(iter(INVOICES))
    waits = "Toggl's hourly quota for workspace Small is used up."
    compares = next(text for text in INVOICES if "cannot be compared" in text)

    then = _migrate(BEFORE)
    tables = {
        name: then.get_model("invoicing", name).objects for name in ("Invoice", "Attempt", "Dossier", "LedgerRow")
    }
    connections = then.get_model("integrations", "Connection").objects
    tables["Invoice"].filter(pk=invoice.pk).update(problem=refused, attention=unsent, delivery_problem=refused)
    for pk, text in attempts.items():
        tables["Attempt"].filter(pk=pk).update(answer=text)
    tables["Dossier"].update(waiting_text=waits, reconcile_text=compares)
    tables["LedgerRow"].filter(pk=credited.pk).update(decision_text="credit note tb-9")
    connections.filter(pk=ailing.pk).update(failure_text="Something that a version of long ago said.")

    call_command("migrate", verbosity=0)
    assert {row.pk: (row.answer, row.answer_facts) for row in Attempt.objects.all()} == {
        pk: ANSWERS[text] for pk, text in attempts.items()
    }
    row = Invoice.objects.get(pk=invoice.pk)
    assert (row.problem, row.problem_facts) == (row.delivery_problem, row.delivery_problem_facts) == CALLS[refused]
    assert (row.attention, row.attention_facts) == INVOICES[unsent]
    row = Invoice.objects.get(pk=silent.pk)
    assert (row.problem, row.problem_facts, row.attention, row.attention_facts) == ("", {}, "", {})
    until = {"workspace": "Small", "at": UNTIL.isoformat()}
    found = Dossier.objects.get()
    assert (found.waiting, found.waiting_facts) == ("quota_used_up", until)
    assert (found.reconcile_problem, found.reconcile_problem_facts) == ("quota_used_up", until)
    assert LedgerRow.objects.get(pk=credited.pk).decision_text == "tb-9"
    assert LedgerRow.objects.get(pk=held.pk).decision_text == "credit note, says the client"
    healthy, broken = Connection.objects.exclude(pk=ailing.pk), Connection.objects.get(pk=ailing.pk)
    assert (broken.failure_code, broken.failure_facts) == CALLS["Something that a version of long ago said."]
    assert set(healthy.values_list("failure_code", flat=True)) == {""}

    then = _migrate(BEFORE)
    texts = then.get_model("invoicing", "Attempt").objects.values_list("pk", "answer")
    back = {pk: text for pk, text in texts if ANSWERS[attempts[pk]][0] != "quota_used_up"}
    # The path of a field and the quotes of a search are not what they were.
    changed = {pk: text for pk, text in back.items() if text != attempts[pk]}
    assert [ANSWERS[attempts[pk]][1].get("detail", {}).get("code") for pk in changed] == ["not_text"]
    assert then.get_model("invoicing", "Invoice").objects.get(pk=invoice.pk).problem == refused
    assert then.get_model("invoicing", "LedgerRow").objects.get(pk=credited.pk).decision_text == "credit note tb-9"
    again = then.get_model("integrations", "Connection").objects.get(pk=ailing.pk)
    assert again.failure_text == "Something that a version of long ago said."
