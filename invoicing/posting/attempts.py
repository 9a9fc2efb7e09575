"""Whose an attempt is, and whether its request left: what a worker asks right before it sends, and who finds it later.

A worker that was stopped in the middle of its turn and goes on after its lease finds here that it was given up. And of
an attempt without a mark it is certain that nothing was sent, so nothing has to be looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from integrations.clients.http.failures import Message
from invoicing.models import Attempt, Invoice, moves
from invoicing.models.moves import STATUS, Step
from invoicing.models.problems import Code
from toggbill.firms import audit
from toggbill.firms.audit import Actor, News
from toggbill.firms.locks import lock_firm
from toggbill.log_lines import about

logger = structlog.stdlib.get_logger(__name__)
_Status = Invoice.Status
_Outcome = Attempt.Outcome
NOT_POSTED: dict[str, Any] = {
    "event": STATUS.event(_Status.POSTING, _Status.APPROVED),
    "status": Step(_Status.POSTING, _Status.APPROVED),
    "posting_since": None,
}
"""How an invoice stands whose post was given up before it left, for ``never_left``."""


class GivenUp(Exception):
    """The attempt is no longer this worker's: it was taken for dead, and another one goes on with the invoice."""


def asked(intent: str, name: str, moment: datetime) -> dict[str, Any]:
    """The columns of the wish to ``post`` or ``send``: as they are, else of who acts at this moment."""
    at, who = f"{intent}_requested_at", f"{intent}_requested_by"
    by = Case(When(**{f"{at}__isnull": True}, then=Value(name)), default=F(who))
    return {at: Coalesce(at, Value(moment)), who: by}


def leaves(attempt: Attempt, moment: Callable[[], datetime]) -> None:
    """On record that the request leaves now, if the attempt is still this worker's. Raises ``GivenUp``."""
    if not Attempt.objects.filter(pk=attempt.pk, outcome=_Outcome.PENDING).update(left_at=moment()):
        raise GivenUp(attempt.key)


def running(now: datetime) -> Callable[[], datetime]:
    """A clock that begins at ``now``; a jump of the machine's own moves it by a lease at most."""
    begun, most = timezone.now(), timedelta(seconds=settings.POSTING_LEASE_SECONDS)
    return lambda: now + min(max(timezone.now() - begun, timedelta(0)), most)


@transaction.atomic
def never_left(invoice: Invoice, attempt: Attempt, event: str | None, by: Actor, now: datetime, **back: object) -> bool:
    """Give up an attempt whose request has not left: nothing was sent, and its worker, should it go on, sends nothing.

    ``back``: how the invoice stands then, for ``moves.move``, and ``event`` the type of that move's event. False when
    the request may have left, and nothing was changed: then only a look-up leads on.
    """
    lock_firm(invoice.firm)
    Invoice.objects.select_for_update(no_key=True).get(pk=invoice.pk)
    unsent = Attempt.objects.filter(pk=attempt.pk, outcome=_Outcome.PENDING, left_at__isnull=True)
    answer = {"answer": Code.NEVER_LEFT, "answer_facts": {}}
    # Its worker, if it goes on after all, finds this when it is about to send.
    if not unsent.update(outcome=_Outcome.NOT_SENT, finished_at=now, **answer):
        return False
    if moves.move(Invoice.objects.filter(pk=invoice.pk), not_before=None, **back) and event is not None:
        reason = Message(Code.NEVER_LEFT).data()
        news = News(event, f"invoice {invoice.reference}", {"key": attempt.key, "reason": reason})
        audit.record(firm=invoice.firm, news=[news], by=by, now=now)
    return True


def finish(attempt: Attempt, outcome: Attempt.Outcome, http_status: int | None, answer: Message, now: datetime) -> None:
    """Write down what came of an attempt; ``answer`` is what Billit said, or why it said nothing."""
    attempt.outcome, attempt.http_status, attempt.finished_at = outcome, http_status, now
    attempt.answer, attempt.answer_facts = answer.code, answer.facts
    attempt.save(update_fields=["outcome", "http_status", "answer", "answer_facts", "finished_at"])
    tell(attempt, outcome)


def tell(attempt: Attempt, outcome: Attempt.Outcome) -> None:
    """A line of the log for every attempt that has come to an end."""
    names = {"key": attempt.key, "intent": attempt.intent, "outcome": outcome.value, "answer": attempt.answer}
    logger.info("attempt_finished", **names, http_status=attempt.http_status)


def tell_of(attempts: Iterable[Attempt], outcome: Attempt.Outcome) -> None:
    """The same for several, each with the names of its invoice."""
    for attempt in attempts:
        with about(dossier=attempt.invoice.dossier.key, reference=attempt.invoice.reference):
            tell(attempt, outcome)
