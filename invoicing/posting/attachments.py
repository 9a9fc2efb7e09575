"""The files that go with an order: the annex of hours, where the dossier wants it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime

from django.utils.translation import gettext

from integrations.clients import billit
from integrations.clients.http.failures import Message
from integrations.clients.http.transport import ServiceError
from invoicing.annexes.freeze import freeze
from invoicing.models import Annex, Invoice
from invoicing.models.problems import Code, words
from invoicing.posting.orders import hold_back
from toggbill.firms.audit import Actor
from toggbill.firms.errors import NotPossible

LARGEST = 3_000_000
"""Bytes of all files of an order. As base64 they are a third more, and 4 MB is what Microsoft's ASP.NET takes unless
told otherwise; Billit's documents name no limit. The annex of 3,000 entries has one megabyte."""


def files_of(
    invoices: Sequence[Invoice], by: Actor, now: datetime, *, make: bool
) -> tuple[dict[int, tuple[billit.File, ...]], dict[int, ServiceError | NotPossible]]:
    """The files of those whose dossier wants an annex, by row id, and why some cannot be posted.

    Annexes were made after the invoices were approved. What is not there yet is made now, but not by a worker that
    posts.
    """
    wanting = {row.pk: row for row in invoices if row.dossier.annex}
    found = _frozen(wanting)
    failed: dict[int, Message] = {}
    if make and (lacks := wanting.keys() - found.keys()):
        failed = freeze(invoices=lacks, by=by, now=now)
        found |= _frozen(lacks)
    later = NotPossible(gettext("The annex of hours is being made. Post the invoice again in a moment."))
    errors: dict[int, ServiceError | NotPossible] = {
        pk: NotPossible(words(failed[pk])) if pk in failed else later for pk in wanting if pk not in found
    }
    files: dict[int, tuple[billit.File, ...]] = {}
    for pk, annex in found.items():
        try:
            files[pk] = _files(annex, wanting[pk])
        except NotPossible as error:
            errors[pk] = error
    return files, errors


def _frozen(invoices: Iterable[int]) -> dict[int, Annex]:
    return {annex.invoice_id: annex for annex in Annex.objects.filter(invoice__in=list(invoices))}


def _files(annex: Annex, invoice: Invoice) -> tuple[billit.File, ...]:
    """Both, the PDF alone where both are too large. Raises ``NotPossible`` when that is too large alone."""
    if annex.pdf_size > LARGEST:
        facts = {"megabytes": f"{annex.pdf_size / 1_000_000:.1f}", "most": f"{LARGEST / 1_000_000:.0f}"}
        hold_back(invoice, Message(Code.ANNEX_TOO_LARGE, facts))
    pdf = billit.File(f"{annex.name}.pdf", "application/pdf", base64.b64encode(annex.pdf).decode(), annex.pdf_hash)
    if annex.pdf_size + annex.csv_size > LARGEST:
        return (pdf,)
    return pdf, billit.File(f"{annex.name}.csv", "text/csv", base64.b64encode(annex.csv).decode(), annex.csv_hash)
