"""What happens to an invoice at Billit stands in the log, with its dossier and reference."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.invoicing.scene import Scene
from tests.logs import Log
from tests.worlds import entry

pytestmark = pytest.mark.django_db


def test_every_attempt_leaves_a_line_with_its_invoice(scene: Callable[..., Scene], log: Log) -> None:
    made = scene(entries=[entry(1)])
    invoice = made.posted()
    made.send(invoice)
    posted, sent = log.lines("attempt_finished")
    for line, intent, number in ((posted, "post", 1), (sent, "send", 2)):
        assert (line["dossier"], line["reference"]) == (invoice.dossier.key, invoice.reference)
        assert (line["intent"], line["outcome"], line["key"]) == (intent, "accepted", f"{invoice.reference}-{number}")


def test_attempt_without_an_answer_and_what_became_of_it_are_told(scene: Callable[..., Scene], log: Log) -> None:
    made = scene(entries=[entry(1)])
    invoice = made.approved()
    with made.fault("cut_after"):
        made.post(invoice)
    made.later(minutes=10)
    made.recover(invoice)
    outcomes = [(line["reference"], line["outcome"]) for line in log.lines("attempt_finished")]
    assert outcomes == [(invoice.reference, "no_answer"), (invoice.reference, "adopted")]
