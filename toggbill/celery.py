"""The Celery application. Tasks live with their app; beat's ticks are in the settings."""

import os
import sys

from celery import Celery
from celery.signals import worker_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "toggbill.settings")

app = Celery("toggbill")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
def _give_way(**_: object) -> None:
    """A thread that computes lets one go on to which Billit has answered, after half a millisecond instead of five."""
    sys.setswitchinterval(0.0005)
