"""What a person waits for is taken up before what came due by itself, over each broker."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from pytest_django import DjangoCaptureOnCommitCallbacks

from invoicing.tasks import post_invoices
from invoicing.web.enqueue import hasten
from tests.queues import broker
from toggbill.celery import app
from toggbill.queues import BY_ITSELF, PEOPLE, TICKS, ticks

pytestmark = pytest.mark.django_db


def _brokers(folder: Path) -> list[tuple[str, str, dict[str, Any]]]:
    for name in ("messages", "control"):
        (folder / name).mkdir()
    folders = {f"data_folder_{way}": str(folder / "messages") for way in ("in", "out")}
    files = folders | {"control_folder": str(folder / "control"), "store_processed": False}
    found: list[tuple[str, str, dict[str, Any]]] = [("filesystem://localhost", "toggbill.broker:Files", files)]
    if url := os.environ.get("REDIS_URL"):
        found.append((url, "toggbill.broker:Redis", {"global_keyprefix": f"{folder.name}-"}))
    return found


def _taken(connection: Connection, count: int) -> list[list[int]]:
    found = []
    with connection.SimpleQueue("post") as queue:
        for _ in range(count):
            message = queue.get(timeout=10)
            message.ack()
            found.append(message.payload[1]["invoice_ids"])
    return found


def test_click_overtakes_what_came_due_by_itself(
    tmp_path: Path, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    assert PEOPLE < TICKS < BY_ITSELF
    assert {each["options"]["priority"] for each in ticks(60).values()} == {TICKS}
    for url, transport, options in _brokers(tmp_path):
        with broker(url, transport, options):
            post_invoices.delay(invoice_ids=[1])
            post_invoices.delay(invoice_ids=[2])
            with django_capture_on_commit_callbacks(execute=True):
                hasten(post_invoices, invoice_ids=[3])
            with app.connection_for_read() as connection:
                assert _taken(connection, 3) == [[3], [1], [2]], transport
