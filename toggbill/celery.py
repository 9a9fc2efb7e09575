"""The Celery application. Tasks live with their app; queues and ticks are in ``queues``."""

import os
import sys

from celery import Celery
from celery.signals import worker_init, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "toggbill.settings")

app = Celery("toggbill")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _give_way(**_: object) -> None:
    """A thread that computes lets one go on to which Billit has answered, after half a millisecond instead of five."""
    sys.setswitchinterval(0.0005)


@worker_shutting_down.connect
def _stop_turns(**_: object) -> None:
    """At SIGTERM a turn ends after the request in hand and gives the rest back, for another worker to go on at once."""
    from integrations.connections import stopping  # noqa: PLC0415 - Django is not ready when this module is loaded

    stopping.ask()
