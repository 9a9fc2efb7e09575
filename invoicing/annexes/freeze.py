"""Freezing the annex of hours of an approved invoice: rendered outside any transaction, stored under the firm's lock.

Approving takes no longer for it, and posting neither: what an approved invoice says does not change any more, so a
worker makes its annex right afterwards, many in one request to a warm child process. Nothing is posted without the
annex that the dossier wants.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from integrations.clients.http.failures import Message
from invoicing.annexes.content import contents, of_earlier_fees
from invoicing.annexes.document import html
from invoicing.annexes.rendering import Document, rendered
from invoicing.annexes.table import as_csv
from invoicing.models import Annex, Claim, Invoice, InvoiceLine
from invoicing.models.problems import Code, columns
from invoicing.rules.annexes.content import Annex as Content
from invoicing.rules.annexes.words import WORDS
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.models import Firm

_CODES = (Code.ANNEX_LIBRARY, Code.ANNEX_FAILED)

AGAIN = timedelta(minutes=10)
"""How long one that could not be made is left alone by the workers, and its invoice with it."""

TOGETHER = 40
"""Annexes that one child process makes, and one transaction stores."""


class _Made(NamedTuple):
    digest: str
    name: str
    pdf: bytes
    csv: bytes


def lacking() -> QuerySet[Invoice]:
    """The approved invoices of firms at work that have no annex yet, and whose dossier wants one."""
    at_work = Invoice.objects.filter(status=Invoice.Status.APPROVED, firm__closed_at__isnull=True)
    return at_work.filter(dossier__annex=True, annex__isnull=True)


def freeze(*, invoices: Iterable[int], by: Actor, now: datetime) -> dict[int, Message]:
    """Make the annexes that these invoices (row ids) lack; returns by row id why some could not be made.

    Rendering takes a quarter of a second each, more for many entries; the caller is in no transaction, or holds no lock
    that others wait for.
    Safe twice, and at the same time by two: the first one's stays.
    """
    rows = lacking().filter(pk__in=list(invoices)).select_related("firm").order_by("firm", "pk")
    by_firm: defaultdict[Firm, list[int]] = defaultdict(list)
    for row in rows:
        by_firm[row.firm].append(row.pk)
    failed: dict[int, Message] = {}
    for firm, ids in by_firm.items():
        for start in range(0, len(ids), TOGETHER):
            failed |= _freeze(firm, ids[start : start + TOGETHER], by, now)
    return failed


def drop(*, invoice: Invoice) -> None:
    """The invoice is dropped, and Billit never had it: its annex goes, which that event tells. For the caller's
    transaction."""
    Annex.objects.filter(invoice=invoice).delete()


def drop_stale(*, invoice: Invoice) -> list[News]:
    """The invoice is approved anew: an annex that the dossier wants no more goes, and one that says something else by
    now is made anew. Returns the event of that.

    For the caller's transaction, in which the invoice is locked."""
    found = Annex.objects.filter(invoice=invoice).values_list("content_hash", flat=True).first()
    if found is None or (invoice.dossier.annex and found == contents([invoice.pk])[invoice.pk].digest()):
        return []
    drop(invoice=invoice)
    Claim.objects.live().covered().filter(listed_on=invoice).update(listed_on=None)
    return [News("annex_dropped", f"invoice {invoice.reference}", {"content": found})]


def _freeze(firm: Firm, ids: Sequence[int], by: Actor, now: datetime) -> dict[int, Message]:
    said = contents(ids)
    pages = rendered([Document(html(said[pk]), said[pk].entries) for pk in ids])
    made: dict[int, _Made] = {}
    failed: dict[int, Message] = {}
    for pk, page in zip(ids, pages, strict=True):
        if isinstance(page, Message):
            failed[pk] = page
        else:
            made[pk] = _Made(said[pk].digest(), _name(said[pk]), page, as_csv(said[pk]))
    _store(firm, made, failed, by, now)
    return failed


@transaction.atomic
def _store(firm: Firm, made: dict[int, _Made], failed: dict[int, Message], by: Actor, now: datetime) -> None:
    """Those that still say what was rendered; what changed meanwhile is made at the next turn."""
    lock_firm(firm)
    still = lacking().filter(pk__in=[*made, *failed])
    lock_rows(still)
    references = dict(still.values_list("pk", "reference"))
    said = contents(pk for pk in references if pk in made)
    annexes = [
        Annex(
            firm=firm,
            invoice_id=pk,
            name=made[pk].name,
            content_hash=made[pk].digest,
            pdf=made[pk].pdf,
            pdf_hash=_sha256(made[pk].pdf),
            pdf_size=len(made[pk].pdf),
            csv=made[pk].csv,
            csv_hash=_sha256(made[pk].csv),
            csv_size=len(made[pk].csv),
            made_at=now,
        )
        for pk, content in sorted(said.items())
        if content.digest() == made[pk].digest
    ]
    Annex.objects.bulk_create(annexes)
    _note_listed([annex.invoice_id for annex in annexes])
    # What was noted of an earlier try is over, and so is the lease of who made them: they may be posted.
    over = Invoice.objects.filter(pk__in=[annex.invoice_id for annex in annexes])
    over.filter(not_before__isnull=False).update(not_before=None)
    over.filter(attention__in=_CODES).update(**columns("attention", None))
    for pk, message in failed.items():
        if pk in references:
            Invoice.objects.filter(pk=pk).update(not_before=now + AGAIN, **columns("attention", message))
    news = [
        News(
            "annex_frozen",
            f"invoice {references[annex.invoice_id]}",
            {"content": annex.content_hash, "pdf": annex.pdf_hash, "csv": annex.csv_hash},
        )
        for annex in annexes
    ]
    if news:
        audit.record(firm=firm, news=news, by=by, now=now)


def _note_listed(invoices: Sequence[int]) -> None:
    """The covered hours that these annexes list are listed, and on no other: those of their own lines, and those of
    earlier fees."""
    for invoice, claims in of_earlier_fees(invoices).items():
        Claim.objects.filter(pk__in=[claim.pk for claim in claims]).update(listed_on=invoice)
    own = InvoiceLine.objects.filter(pk=OuterRef("line")).values("invoice")
    unlisted = Claim.objects.live().covered().filter(line__invoice__in=invoices, listed_on__isnull=True)
    unlisted.update(listed_on=Subquery(own))


def _name(content: Content) -> str:
    """Short, and in letters that every system takes: what it is, the month of its last day, our reference."""
    short = content.reference.removeprefix("tb-")[:8]
    return f"{WORDS[content.language].file}-{content.period_till:%Y-%m}-{short}"


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
