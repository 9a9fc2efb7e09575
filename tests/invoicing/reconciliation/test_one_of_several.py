"""Reconciliation of one dossier of several: nothing is said of the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.invoicing.scene import OCTOBER, Scene
from tests.worlds import BAKERY_PROJECT, FIRST_ENTRY, entry


@pytest.mark.slow
def test_only_the_dossier_that_was_asked_for_is_compared(scene: Callable[..., Scene]) -> None:
    made = scene(
        entries=[entry(1), entry(2, project_id=BAKERY_PROJECT)],
        dossiers=[
            {**_dossier("first", [501])},
            {**_dossier("second", [502])},
        ],
    )
    done = made.command("invoice", "--firm", "small", "--through", str(OCTOBER), "--approve", "--post")
    assert done.code == 0, done.words
    made.control.put_entries({"id": FIRST_ENTRY + 1, "tags": []}, {"id": FIRST_ENTRY + 2, "tags": []})
    found = made.command("reconcile", "--firm", "small", "--dossier", "second")
    assert found.answer["checked"] == {"entries": 1, "invoices": 1, "orders": 2, "months": 3}
    assert [(row["kind"], row["entry"]) for row in found.answer["drift"]] == [("entry_changed", FIRST_ENTRY + 2)]


def _dossier(key: str, clients: list[int]) -> dict[str, Any]:
    return {
        "key": key,
        "toggl": "main",
        "workspace": 4001,
        "billit": "main",
        "company": 7001,
        "start": "2026-09-01",
        "clients": clients,
        "tags": [{"tag": "Advice", "product": "ADV"}],
    }
