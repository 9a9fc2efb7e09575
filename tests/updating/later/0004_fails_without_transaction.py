"""Fails where no transaction is rolled back."""

from django.db import migrations

from tests.updating.later import fail


class Migration(migrations.Migration):
    """As a migration that makes an index without locking its table."""

    atomic = False
    dependencies = [("sessions", "0003_fails")]
    operations = [migrations.RunPython(fail)]
