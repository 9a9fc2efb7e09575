"""How a page hastens what its row already asks for."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import transaction
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def hasten(task: Any, **ids: object) -> None:
    """Enqueue a task once what the page wrote is committed.

    The wish stands in the row: when the broker does not answer, or has no room, the next tick takes it up.
    """

    def publish() -> None:
        try:
            # Those of the pool try for six seconds to reach a broker whose port is closed.
            with task.app.connection_for_write(transport_options=settings.PAGE_BROKER_OPTIONS) as broker:
                task.apply_async(kwargs=ids, connection=broker, retry=False)
        except (KombuError, RedisError, OSError) as error:
            logger.warning("%s waits for the next tick: the broker took nothing (%s)", task.name, type(error).__name__)

    transaction.on_commit(publish)
