"""How a page hastens what its row already asks for, and what it does at once."""

from __future__ import annotations

import logging
from typing import Any

from amqp.exceptions import AMQPError
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from integrations.models import Entry, Workspace
from invoicing import tasks
from invoicing.ledger.states import derive
from toggbill.queues import PEOPLE

logger = logging.getLogger(__name__)

AT_ONCE = 2000
"""Entries that are judged anew while a person waits; of more a worker judges them."""


def hasten(task: Any, *, then: Any = None, **ids: object) -> None:
    """Enqueue a task once what the page wrote is committed, and after it ``then`` with the same ids. It overtakes what
    came due by itself.

    The wish stands in the row: when the broker does not answer, or has no room, the next tick takes it up.
    """

    def publish() -> None:
        try:
            # Those of the pool try for six seconds to reach a broker whose port is closed.
            with task.app.connection_for_write(transport_options=settings.PAGE_BROKER_OPTIONS) as broker:
                following = None if then is None else [then.si(**ids)]
                task.apply_async(kwargs=ids, connection=broker, retry=False, priority=PEOPLE, chain=following)
        except (AMQPError, KombuError, RedisError, OSError) as error:
            logger.warning("%s waits for the next tick: the broker took nothing (%s)", task.name, type(error).__name__)

    transaction.on_commit(publish)


def judge(workspace: Workspace) -> int:
    """Bring the books of a workspace up to what was just configured, unless that takes long: then a worker does it.

    Outside of any transaction. Returns how many entries are still to be judged.
    """
    waiting = Entry.objects.marked().filter(workspace=workspace).count()
    if waiting <= AT_ONCE:
        derive.derive(workspace=workspace, now=timezone.now())
        return 0
    hasten(tasks.derive, workspace_id=workspace.pk)
    return waiting
