"""Fails in the middle."""

from django.db import migrations

from tests.updating.later import fail


class Migration(migrations.Migration):
    """In a transaction, as migrations are."""

    dependencies = [("sessions", "0002_rebuild")]
    operations = [migrations.RunPython(fail)]
