"""Reconciliation: what Toggl and Billit say today against the ledger (design section 6). Nothing is deleted.

What is found is kept in rows until a comparison no longer finds it, so that a page shows it with the day since when.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from django.db import transaction

from integrations.clients.http.failures import Message
from integrations.clients.http.transport import QuotaExhausted, Refused
from integrations.models import Company, Workspace
from invoicing.ledger import months
from invoicing.ledger.invariants.invariants import Broken
from invoicing.models import Dossier, Drift
from invoicing.models.problems import columns
from invoicing.reconciliation import entries, orders, toggl_totals
from invoicing.reconciliation.extent import of_night
from invoicing.reconciliation.findings import Finding
from toggbill.firms.locks import lock_rows

_Kind = Drift.Kind


@dataclass(slots=True)
class Report:
    """What was compared (counts), what differs, what of that a person has acknowledged as it is, which rules do not
    hold in the books, and why Toggl did not tell the total of some months.

    ``left_out``: by dossier (row id) why it was not compared; ``unread``: by workspace of which not all totals could be
    read, why.
    """

    checked: dict[str, int]
    drift: list[Finding]
    acknowledged: list[Finding] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)
    troubles: list[Message] = field(default_factory=list)
    left_out: dict[int, Message] = field(default_factory=dict)
    unread: list[Message] = field(default_factory=list)


def reconcile(*, dossiers: Sequence[Dossier], now: datetime, background: bool = False, partly: bool = False) -> Report:
    """Compare dossiers with both services. Re-reads what is not invoiced, and the months that hold invoiced entries or
    differed from Toggl's total the last time; then asks for the total of each month, as far as the budget allows.

    ``background``: by night. It leaves the reserve of Toggl's budget to people, and of dossiers that were compared
    before it compares what is open, what changed, and a closed month of each (``extent``). ``partly``: a workspace for
    which the budget is used up is left out, with its dossiers, rather than raised.
    Raises the clients' ``ServiceError`` (a used-up quota, too) and ``sync.Busy`` when a service cannot be asked; no
    difference is kept or closed before both were. What Billit says of numbers and payments is noted on the invoices on
    the way: that is news, not drift.
    """
    began = monotonic()
    report = Report({"entries": 0, "invoices": 0, "orders": 0, "months": 0}, [])
    workspaces = list(
        Workspace.objects.filter(dossiers__in=dossiers).select_related("connection", "firm").distinct().order_by("pk")
    )
    is_bounded = background and len(workspaces) == 1 and all(dossier.reconciled_at for dossier in dossiers)
    extent = of_night(dossiers=dossiers, now=now) if is_bounded else None
    for workspace in list(workspaces):
        try:
            report.drift += entries.reread(
                workspace=workspace, dossiers=dossiers, extent=extent, now=now, background=background
            )
        except QuotaExhausted as error:
            if not partly:
                raise
            workspaces.remove(workspace)
            report.left_out |= {row.pk: error.message for row in dossiers if row.workspace_id == workspace.pk}
    dossiers = [dossier for dossier in dossiers if dossier.pk not in report.left_out]
    found, report.checked["entries"] = entries.compare(dossiers=dossiers, extent=extent)
    report.drift += found
    by_company: defaultdict[int, list[Dossier]] = defaultdict(list)
    for dossier in dossiers:
        by_company[dossier.company_id].append(dossier)
    for company in Company.objects.filter(pk__in=by_company).select_related("connection").order_by("pk"):
        of_company = orders.compare(company=company, dossiers=by_company[company.pk], extent=extent, now=now)
        report.drift += of_company.found
        report.checked["orders"] += of_company.orders
        report.checked["invoices"] += of_company.invoices
    report.acknowledged = _keep(dossiers, report.drift, now)
    report.drift = [found for found in report.drift if found not in report.acknowledged]
    for workspace in workspaces:
        # To a no there is no second try: entries and orders are compared all the same.
        try:
            read_at = now + timedelta(seconds=monotonic() - began)
            totals = toggl_totals.read(
                workspace=workspace, dossiers=dossiers, months=None if extent is None else extent.months, now=read_at
            )
            report.checked["months"] += totals.read
            if totals.why is not None:
                report.unread.append(totals.why)
        except Refused as error:
            report.troubles.append(error.message)
    months.renew(dossiers=dossiers, now=now)
    report.broken = months.broken(dossiers=dossiers)
    with transaction.atomic():
        compared = Dossier.objects.filter(pk__in=[dossier.pk for dossier in dossiers])
        lock_rows(compared)
        compared.update(reconciled_at=now, **columns("reconcile_problem", None))
        for pk, month in ({} if extent is None else extent.turns).items():
            compared.filter(pk=pk).update(reconciled_month=month)
    return report


@transaction.atomic
def _keep(dossiers: Sequence[Dossier], found: Sequence[Finding], now: datetime) -> list[Finding]:
    """Write what was found: new differences, those that still stand, and those that are gone since the latest time.

    Gives those that somebody has acknowledged; one that changed since is not acknowledged any more.
    Under the locks of the dossiers: another comparison may write the same rows.
    """
    lock_rows(Dossier.objects.filter(pk__in=[dossier.pk for dossier in dossiers]))
    standing = {
        (row.dossier_id, row.kind, row.about): row for row in Drift.objects.standing().filter(dossier__in=dossiers)
    }
    firms = {dossier.pk: dossier.firm_id for dossier in dossiers}
    fresh, acknowledged = [], []
    for finding in found:
        row = standing.pop((finding.dossier, finding.kind, finding.about), None)
        if row is None:
            # What was sent in Billit is taken over at once: it is on record, and nothing is left to decide.
            gone_at = now if finding.kind == _Kind.ORDER_SENT else None
            fresh.append(_row(finding, firms[finding.dossier], now, gone_at))
        elif row.facts == finding.facts:
            Drift.objects.filter(pk=row.pk).update(last_seen_at=now)
            if row.acknowledged_at is not None:
                acknowledged.append(finding)
        else:
            Drift.objects.filter(pk=row.pk).update(facts=finding.facts, last_seen_at=now, **Drift.NOT_ACKNOWLEDGED)
    # Another comparison may have found the same meanwhile.
    Drift.objects.bulk_create(fresh, ignore_conflicts=True)
    gone = Drift.objects.filter(pk__in=[row.pk for row in standing.values()], first_seen_at__lte=now)
    gone.update(gone_at=now)
    return acknowledged


def _row(finding: Finding, firm_id: int, now: datetime, gone_at: datetime | None) -> Drift:
    return Drift(
        firm_id=firm_id,
        dossier_id=finding.dossier,
        kind=finding.kind,
        entry_remote_id=finding.entry,
        order_id=finding.order_id,
        reference=finding.reference or "",
        about=finding.about,
        facts=finding.facts,
        first_seen_at=now,
        last_seen_at=now,
        gone_at=gone_at,
    )
