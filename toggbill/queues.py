"""Which queue each task waits in, and what beat ticks (design D4, section 10: ``ticks``, ``sync``, ``post``, ``send``).

Read by the settings, so nothing of Django is imported here.
"""

from __future__ import annotations

from typing import Any

PEOPLE, TICKS, BY_ITSELF = 0, 3, 6
"""Priorities of messages, of which Redis and our broker of files take the lower first: what a person waits for, what
beat sends, and all else."""

_WORK = (
    ("integrations", "sync", ["sync_workspace", "sync_company"]),
    ("invoicing", "sync", ["run_dossier", "read_dossier", "reconcile_dossier", "write_back"]),
    (
        "invoicing",
        "post",
        [
            "freeze_annexes",
            "post_invoices",
            "read_back",
            "read_order_changes",
            "read_deliveries",
            "ask_ways",
            "recover_replacement",
        ],
    ),
    (
        "invoicing",
        "send",
        ["send_invoices", "tell_lost_connection", "tell_deliveries", "tell_drafts", "tell_week", "tell_budgets"],
    ),
    ("invoicing", "ticks", ["tick_sync", "tick_runs", "tick_delivery", "tick_reconcile", "tick_anchors"]),
    ("invoicing", "ticks", ["derive", "derive_marked", "keep_months"]),
)
ROUTES = {f"{app}.tasks.{task}": {"queue": queue} for app, queue, tasks in _WORK for task in tasks}
"""Every task has its queue here; a worker that posts is never kept waiting by one that reads."""

_TICKS = {
    "sync what is due": "invoicing.tasks.tick_sync",
    "draft what is due": "invoicing.tasks.tick_runs",
    "compare what is due": "invoicing.tasks.tick_reconcile",
    "post, recover and read back": "invoicing.tasks.tick_delivery",
    "sign the heads of the audit logs": "invoicing.tasks.tick_anchors",
}


def ticks(seconds: float) -> dict[str, dict[str, Any]]:
    """Beat's schedule: each tick every so many seconds.

    A message has no ``expires``: it would compare the clock of beat with that of the worker.
    """
    options = {"queue": "ticks", "priority": TICKS}
    return {name: {"task": task, "schedule": seconds, "options": options} for name, task in _TICKS.items()}
