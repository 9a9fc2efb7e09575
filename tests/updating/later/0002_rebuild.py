"""Rebuilds every table that belongs to a firm."""

from django.db import migrations

from tests.updating.later import rebuild


class Migration(migrations.Migration):
    """In a transaction, as migrations are."""

    dependencies = [("sessions", "0001_initial")]
    operations = [migrations.RunPython(rebuild)]
