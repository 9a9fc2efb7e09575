"""A person knows of a finding, and says why it may stand: it is no drift any more until it changes (design section 6).

Nothing else comes of it: a correction still waits for its decision, an order for what has to be done at Billit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from invoicing.deciding import figures, rights
from invoicing.models import Dossier, Drift
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firm, lock_rows
from toggbill.firms.read import Read, check

LONGEST_REASON = 500


@transaction.atomic
def acknowledge(
    *, findings: Sequence[Drift], reason: str, by: Actor, now: datetime, read: Read | None = None
) -> list[Drift]:
    """Acknowledge findings of one firm as they are; all or none. Returns them.

    Raises ``NotPossible`` without a reason, or when one is gone or acknowledged already; ``NotAllowed``, and
    ``Changed`` or ``Unread`` when one is not as ``read`` has it.
    """
    if not findings:
        return []
    firm = findings[0].firm
    lock_firm(firm)
    # A comparison writes them under the locks of their dossiers.
    lock_rows(Dossier.objects.filter(pk__in={row.dossier_id for row in findings}))
    keys = [row.pk for row in findings]
    rows = list(Drift.objects.filter(firm=firm, pk__in=keys).select_related("dossier__firm").order_by("pk"))
    for dossier in {row.dossier_id: row.dossier for row in rows}.values():
        rights.demand(by, "hold", dossier)
    check(read, lambda: [figures.of_finding(row) for row in rows], by=by)
    why = _reason(reason)
    for row in rows:
        if row.gone_at is not None:
            raise NotPossible(gettext("The latest comparison no longer finds this difference: nothing is left of it."))
        if row.acknowledged_at is not None:
            raise NotPossible(
                gettext("%(who)s has acknowledged this difference already.") % {"who": row.acknowledged_by}
            )
    for row in rows:
        row.acknowledged_at, row.acknowledged_by, row.acknowledged_reason = now, by.name, why
        row.save(update_fields=list(Drift.NOT_ACKNOWLEDGED))
    audit.record(firm=firm, news=[_news(row) for row in rows], by=by, now=now)
    return rows


def _news(row: Drift) -> News:
    about = {"entry": row.entry_remote_id, "order_id": row.order_id, "reference": row.reference or None}
    known = {name: value for name, value in about.items() if value is not None}
    data = {"kind": str(row.kind), **known, "facts": row.facts, "reason": row.acknowledged_reason}
    return News("finding_acknowledged", f"dossier {row.dossier.key}", data)


def _reason(text: str) -> str:
    reason = text.strip()
    if not reason:
        raise NotPossible(gettext("Say why it may stay as it is: to acknowledge a difference needs a reason."))
    if len(reason) > LONGEST_REASON:
        raise NotPossible(
            gettext("The reason has %(n)s characters; %(most)s are the most.")
            % {"n": len(reason), "most": LONGEST_REASON}
        )
    return reason
