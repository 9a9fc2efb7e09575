"""SIGTERM in the middle of a turn, as a new version is rolled out: the post in hand ends, the rest goes to another."""

from __future__ import annotations

import io
import signal
from collections import Counter
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.utils import timezone

from invoicing.models import Attempt, Invoice
from tests.proof.assertions import prove
from tests.proof.processes import Place, kill
from toggbill.firms.models import Firm

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]
CLIENTS = 10
SLOWLY = {"service": "billit", "method": "POST", "path": "^/v1/orders$", "kind": "slow", "seconds": 2}


def test_turn_ends_after_the_post_in_hand_and_the_rest_is_due_at_once(due: Callable[..., Firm], place: Place) -> None:
    place.settings["POSTING_LEASE_SECONDS"] = "300"
    firm = due(clients=CLIENTS, entries=1)
    call_command("sync", stdout=io.StringIO())
    control = place.sandbox.control
    control.faults(SLOWLY)
    worker, beat = place.worker(), place.beat()
    try:
        place.until(lambda: sum(fault["fired"] for fault in control.faults_told()) >= 2)
        worker.send_signal(signal.SIGTERM)
        worker.wait(60)
    finally:
        kill(worker)
        kill(beat)
    assert worker.returncode == 0
    control.faults()
    invoices = Invoice.objects.filter(firm=firm)
    made = len(control.orders())
    assert 2 <= made <= 3, "the post in hand, and no other"
    assert Counter(invoices.values_list("status", flat=True)) == {"posted": made, "approved": CLIENTS - made}
    assert not invoices.filter(status="approved", not_before__gt=timezone.now()).exists()
    outcomes = Counter(Attempt.objects.filter(firm=firm).values_list("outcome", flat=True))
    assert outcomes == {"accepted": made, "not_sent": CLIENTS - made}
    with place.at_work():
        place.until(lambda: not invoices.filter(legal_excl__isnull=True).exists())
    found = prove(firm, place.sandbox)
    assert (found.invoices, found.orders, found.unknown) == (CLIENTS, CLIENTS, 0)
    assert not Attempt.objects.filter(firm=firm, outcome__in=["adopted", "absent", "no_answer"]).exists()
