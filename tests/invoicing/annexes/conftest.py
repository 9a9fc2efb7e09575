"""Annexes made in no time: what makes the PDF files is left out, and what is said of them stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from django.db import transaction
from django.utils import timezone

from integrations.clients.http.failures import Message
from invoicing.annexes import freeze
from invoicing.annexes.rendering import Document
from invoicing.due import annexes as due
from invoicing.models import Invoice
from tests.invoicing.scene import BY


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No child process: a file is the page's own text. Gives the pages that were rendered."""
    pages: list[str] = []

    monkeypatch.setattr(freeze, "rendered", quickly(pages))
    return pages


def quickly(pages: list[str]) -> Callable[[Sequence[Document]], list[bytes | Message]]:
    def rendered(documents: Sequence[Document]) -> list[bytes | Message]:
        pages.extend(document.html for document in documents)
        return [b"%PDF-" + document.html.encode() for document in documents]

    return rendered


def waiting() -> list[int]:
    """What a tick would have made (row ids); the lease that it takes is not kept."""
    with transaction.atomic():
        found = [invoice.pk for invoice in due.take_due(now=timezone.now())]
        transaction.set_rollback(True)
    return found


def frozen(*invoices: Invoice) -> dict[int, Message]:
    """Make their annexes; why some could not be made, by row id."""
    return freeze.freeze(invoices=[invoice.pk for invoice in invoices], by=BY, now=timezone.now())
