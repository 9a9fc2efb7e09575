"""What a comparison finds, in the words of who reads it."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import translation

from invoicing.models import Drift
from invoicing.reconciliation import findings

FACTS: dict[str, dict[str, Any]] = {
    "entry_changed": {"day": "2026-10-05", "invoice": "2026-0001", "changed": ["start", "seconds"], "words": False},
    "entry_deleted": {"day": "2026-10-05", "invoice": "2026-0001"},
    "entry_missing": {"day": "2026-10-05", "state": "attention"},
    "order_missing": {"invoice": "2026-0001"},
    "order_deleted": {"invoice": "2026-0001"},
    "order_changed": {"invoice": "2026-0001", "amounts": ["1363.00", "344.85"]},
    "order_unknown": {"number": ""},
    "order_sent": {"invoice": "2026-0001"},
}


@pytest.mark.parametrize("language", ["fr", "nl"])
@pytest.mark.parametrize("kind", Drift.Kind)
def test_every_kind_has_words_in_each_language(kind: Drift.Kind, language: str) -> None:
    finding = findings.Finding(kind, 1, entry=7, order_id=8, reference="tb-9", facts=FACTS[kind])
    english = (kind.label, finding.sentence, finding.action)
    with translation.override(language):
        told = (str(kind.label), finding.sentence, finding.action)
    assert all(words != others for words, others in zip(english, told, strict=True))
    assert "%" not in "".join(told)


def test_amounts_and_days_are_written_as_the_reader_does() -> None:
    changed = findings.Finding(Drift.Kind.ORDER_CHANGED, 1, order_id=8, facts=FACTS["order_changed"])
    deleted = findings.Finding(Drift.Kind.ENTRY_DELETED, 1, entry=7, facts=FACTS["entry_deleted"])
    with translation.override("nl"):
        assert "1.363,00" in changed.sentence
        assert "05/10/2026" in deleted.sentence
