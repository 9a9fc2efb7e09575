"""Whether the broker does its work."""

from __future__ import annotations

from celery import current_app
from django.conf import settings


def takes_messages() -> bool:
    """Whether a message would be taken at this moment: the broker answers, and its disk and memory are not full."""
    try:
        with current_app.connection_for_write(transport_options=settings.PAGE_BROKER_OPTIONS) as broker:
            broker.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
            # A disk or a memory that is full answers all the same. Kombu's own transports do not know the question.
            if take_one := getattr(broker.default_channel, "take_one", None):
                take_one()
    except Exception:  # every transport has errors of its own, and each means the same here
        return False
    return True
