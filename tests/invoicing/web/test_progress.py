"""What an invoice's page says that it waits for: nothing that the rows do not tell, and no worker where none is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from invoicing.web import descriptions
from invoicing.web.invoices import progress
from tests.factories import NOW, ConnectionFactory, DossierFactory, InvoiceFactory

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def said(status: str, *, connection: dict[str, Any] | None = None, **fields: Any) -> descriptions.Progress | None:
    billit = ConnectionFactory(service="billit", **(connection or {}))
    dossier = DossierFactory(firm=billit.firm, company__connection=billit, company__firm=billit.firm)
    with timezone.override("Europe/Brussels"):
        return descriptions.progress(InvoiceFactory(dossier=dossier, status=status, **fields), NOW)


@pytest.mark.parametrize(
    ("status", "fields", "text", "looks_again", "hindered"),
    [
        ("approved", {"post_requested_at": NOW - MINUTE}, "it waits for a worker", True, False),
        ("approved", {"post_requested_at": NOW - 9 * MINUTE}, "no worker has done it yet", False, True),
        (
            "approved",
            {"post_requested_at": NOW - 9 * MINUTE, "not_before": NOW + MINUTE},
            "It is tried again at",
            False,
            False,
        ),
        ("posting", {"posting_since": NOW - MINUTE}, "Billit’s answer is not here yet", True, False),
        ("posting", {"posting_since": NOW - 6 * MINUTE}, "has not finished it", False, False),
        ("posted", {"send_requested_at": NOW - MINUTE}, "it waits for a worker", True, False),
        (
            "posted",
            {"delivery": "sending", "sending_since": NOW - MINUTE, "send_requested_at": NOW - MINUTE},
            "Billit’s answer is not here yet",
            True,
            False,
        ),
    ],
)
def test_what_is_said(status: str, fields: dict[str, Any], text: str, looks_again: bool, hindered: bool) -> None:
    found = said(status, **fields)
    assert found is not None
    assert text in found.text
    assert (found.looks_again, found.hindered) == (looks_again, hindered)
    assert "is at it" not in found.text


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        ("draft", {}),
        ("approved", {}),
        ("refused", {"post_requested_at": None}),
        ("in_doubt", {"post_requested_at": NOW}),
        ("posted", {}),
    ],
)
def test_nothing_is_said_of_what_waits_for_nobody(status: str, fields: dict[str, Any]) -> None:
    assert said(status, **fields) is None


@pytest.mark.parametrize(
    ("connection", "text"),
    [
        ({"paused_at": NOW}, "is paused. Resume it on the page Connections."),
        ({"failures": 6, "rest_until": NOW + MINUTE}, "failed 6 times in a row and is tried again at"),
        ({"failure": "credentials", "failure_code": "credential_refused"}, "Enter a new key, or sign in"),
        ({"method": "sign_in", "sign_in_lost_at": NOW, "expires_at": NOW}, "Sign in to Billit again:"),
    ],
)
def test_what_hinders_its_connection_is_said_instead(connection: dict[str, Any], text: str) -> None:
    found = said("approved", connection=connection, post_requested_at=NOW - MINUTE)
    assert found is not None
    assert text in found.text
    assert (found.looks_again, found.hindered) == (False, True)


def test_lost_sign_in_hinders_nothing_while_its_access_token_lasts() -> None:
    lost = {"method": "sign_in", "sign_in_lost_at": NOW, "expires_at": NOW + 5 * MINUTE}
    found = said("approved", connection=lost, post_requested_at=NOW - MINUTE)
    assert found is not None
    assert "it waits for a worker" in found.text


@pytest.mark.parametrize("noted", [True, False])
def test_the_list_says_what_does_not_arrive_beside_what_else_was_noted(noted: bool) -> None:
    facts = {"order": 1, "invoice": "2026-1", "incl": "48.40", "our_incl": "114.95"}
    other: dict[str, Any] = {"attention": "order_was_changed", "attention_facts": facts} if noted else {}
    late = {"customer": "Garage Voorbeeld SRL", "on_day": "2026-11-20"}
    row = InvoiceFactory(
        status="posted", delivery="sent", delivery_problem="not_delivered", delivery_problem_facts=late, **other
    )
    found = progress.trouble(row)
    assert found is not None
    assert "not delivered after one working day" in found.what
    assert ("48.40" in found.cure) is noted
    row.delivery_problem = ""
    assert (progress.trouble(row) is None) is not noted
