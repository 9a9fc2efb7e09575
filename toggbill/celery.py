"""The Celery application. Tasks live with their app; queues and ticks are in ``queues``."""

import os
import sys
from logging.config import dictConfig

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_shutting_down
from django.conf import settings
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "toggbill.settings")

app = Celery("toggbill")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def _log_as_the_site_does(**_: object) -> None:
    """Workers and beat write the lines that ``web`` writes; Celery would set up others."""
    dictConfig(settings.LOGGING)


@worker_init.connect
def _give_way(**_: object) -> None:
    """A thread that computes lets one go on to which Billit has answered, after half a millisecond instead of five."""
    sys.setswitchinterval(0.0005)
    from toggbill.watching import tasks  # noqa: PLC0415 - Django is not ready when this module is loaded

    tasks.watch()


@worker_shutting_down.connect
def _stop_turns(**_: object) -> None:
    """At SIGTERM a turn ends after the request in hand and gives the rest back, for another worker to go on at once."""
    from integrations.connections import stopping  # noqa: PLC0415 - Django is not ready when this module is loaded

    stopping.ask()
