"""The soak itself, for some seconds: its whole way, on few firms, so that it does not rot between its long runs."""

from __future__ import annotations

import pytest

from tests.proof.soaking.soak import soak

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.postgresql]


def test_some_seconds_of_soaking_end_with_zeros_and_count_what_happened() -> None:
    told, good = soak(minutes=0.15, seed=3, firms=2)
    assert good, told
    figures = {name.strip(): value.strip() for name, value in ((line[:38], line[38:]) for line in told)}
    assert figures["firms, dossiers"] == "2, 2"
    zeros = ("duplicates", "lost", "orphans", "missing", "over_deducted", "pages that failed", "drift at Billit")
    assert {name: figures[name] for name in zeros} == dict.fromkeys(zeros, "0")
    assert int(figures["redis restarted"]) > 0
    assert int(figures["webhooks of Toggl, taken"]) > 0
    assert int(figures["orders"]) == int(figures["invoices"]) > 0
