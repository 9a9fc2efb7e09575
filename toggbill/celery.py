"""The Celery application. Tasks live with their app; beat's ticks are in the settings."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "toggbill.settings")

app = Celery("toggbill")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
