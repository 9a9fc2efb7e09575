"""One order of locks, so that no two transactions ever wait for each other.

A transaction locks rows in this order, and several rows of one kind in the order of their primary keys (entries in the
order of Toggl's ids, in which the mirror writes them)::

    firm, user, connection, workspace, company, dossier, invoice, entry

- **Whoever writes an audit event locks the firm first**, before any other row: ``audit.record`` locks it at the end of
  the verb, and whoever waits for it there would hold rows that its holder may want. Who waits for a firm holds nothing.
- **What hangs on such a row is written under its lock, or under the firm's**: members, invitations and customer pins
  under the firm's, webhooks under the firm's or their owner's, products under the company's, claims and attempts under
  the invoice's, ledger rows under the entry's. The tags that entries have in Toggl come after all of these, in the
  order of their keys: who asks Toggl locks nothing else. So do the proofs of months and the notices of budgets. Two
  that write the same unique key wait for each other, too.
- **Who changes a rule, a mapping or an agreement holds the rules of its workspace**, after all rows but entries
  (``invoicing.ledger.locks.lock_rules``, an advisory lock), and so does who marks what other products and customers
  may change; who judges entries shares them.
- **An UPDATE locks as a SELECT FOR UPDATE does, in an order of its own.** One that may change several rows comes after
  they were locked in order (``lock_rows``; ``Entry.objects.mark`` and ``lock`` for entries).
- **A lock leaves the key alone** (FOR NO KEY UPDATE): a row that merely refers to the locked one, as every row does to
  its firm, need not wait. Foreign keys are checked at COMMIT and take FOR KEY SHARE, which only a DELETE holds up; who
  deletes what others refer to locks it with its key.
- Nothing is asked of Toggl or Billit under a firm's lock, and the ledger of a whole workspace is never derived inside
  another transaction: its entries would be locked before what comes earlier. Those that a verb has locked may be.

SQLite lets one transaction write at a time (BEGIN IMMEDIATE): there all of this holds by itself.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models

from toggbill.firms.models import Firm


def lock_firm(firm: Firm) -> None:
    """Lock a firm's row, and with it the head of its audit log, until the transaction ends. Before any other row."""
    Firm.objects.select_for_update(no_key=True).only("pk").get(pk=firm.pk)


def lock_firms(firms: Iterable[int]) -> None:
    """The same for several (row ids): what concerns an account concerns each firm that it works for."""
    lock_rows(Firm.objects.filter(pk__in=list(firms)))


def lock_rows(rows: models.QuerySet[models.Model]) -> list[int]:
    """Lock rows of one kind in the order of their primary keys; gives the keys."""
    kind = rows.model._default_manager
    ordered = kind.filter(pk__in=rows.order_by().values("pk")).order_by("pk")
    return list(ordered.select_for_update(no_key=True).values_list("pk", flat=True))
