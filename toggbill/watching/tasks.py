"""What a worker tells of each task: in the log, whom it is for; and in rows, how long it took (``durations``)."""

from __future__ import annotations

import logging
import time
from typing import Any

from celery import states
from celery.signals import task_postrun
from django.db import DatabaseError
from django_structlog.celery import signals

from integrations.models import Company, Connection, Workspace
from invoicing.models import Dossier, Invoice
from toggbill import log_lines
from toggbill.database import clock
from toggbill.firms.models import Firm, FirmOwned
from toggbill.watching import durations

logger = logging.getLogger(__name__)


def watch() -> None:
    """Called once by a worker that starts."""
    signals.bind_extra_task_metadata.connect(_name)
    signals.modify_context_before_task_publish.connect(_pass_on)
    task_postrun.connect(_measure)


def _name(task: Any, **_: object) -> None:
    log_lines.bind(task=task.name.rpartition(".")[2])
    task.request.began = time.monotonic()
    try:
        log_lines.bind(**names_of(task.request.kwargs or {}))
    except DatabaseError as error:
        # The task meets the same, and says so itself.
        logger.debug("whom the task is for is not known: %s", error)


def _measure(task: Any, state: str | None = None, **_: object) -> None:
    seconds = time.monotonic() - getattr(task.request, "began", time.monotonic())
    name, failed = task.name.rpartition(".")[2], state == states.FAILURE
    try:
        durations.add(task=name, seconds=seconds, failed=failed, now=clock.now())
    except DatabaseError as error:
        # What the task did stands all the same.
        logger.warning("how long it took could not be counted: %s", error)


def names_of(ids: dict[str, Any]) -> dict[str, str]:
    """``firm``, ``dossier`` and ``reference`` of what the arguments of a task name, in one query; of many, the firm."""
    names: list[str] = ["firm"]
    found: tuple[str, ...] | None = None
    match ids:
        case {"dossier_id": pk}:
            names = ["firm", "dossier"]
            found = Dossier.objects.filter(pk=pk).values_list("firm__slug", "key").first()
        case {"invoice_id": pk} | {"invoice_ids": [pk]}:
            names = ["firm", "dossier", "reference"]
            rows = Invoice.objects.filter(pk=pk)
            found = rows.values_list("firm__slug", "dossier__key", "reference").first()
        case {"firm_id": pk}:
            found = Firm.objects.filter(pk=pk).values_list("slug").first()
        case {"invoice_ids": [pk, *_]}:
            found = _firm_of(Invoice, pk)
        case {"workspace_id": pk}:
            found = _firm_of(Workspace, pk)
        case {"company_id": pk}:
            found = _firm_of(Company, pk)
        case {"connection_id": pk}:
            found = _firm_of(Connection, pk)
    return dict(zip(names, found or (), strict=False))


def _firm_of(model: type[FirmOwned], pk: int) -> tuple[str] | None:
    return model._default_manager.filter(pk=pk).values_list("firm__slug").first()


def _pass_on(context: dict[str, Any], **_: object) -> None:
    """A task that another one asked for knows which, and the request; it has names of its own."""
    kept: dict[str, Any] = {name: context[name] for name in ("request_id", "parent_task_id") if name in context}
    context.clear()
    context.update(kept)
