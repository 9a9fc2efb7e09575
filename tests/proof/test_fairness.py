"""A small firm's posts go out beside neighbours that would take every thread: the benchmark, at a small scale."""

from __future__ import annotations

import pytest

from tests.proof.fairness import Size, measure

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow, pytest.mark.postgresql]


def test_small_firm_posts_while_the_neighbours_are_not_through() -> None:
    told = measure(Size(firms=2, posts=4, invoices=400, entries=2000))
    assert told[0].startswith("2 small firms beside 400 posts")
    left = int(told[1].partition("the neighbours had ")[2].split()[0])
    assert left > 0, told
    assert float(told[-1].split()[1]) > 0
