"""The audit log is compared with the rows, and its head mailed to whoever wants it.

Events so far were written by code that made some moves without one (see ``invoicing.ledger.audit_trail``).
"""

from django.db import migrations, models
from django.db.models import F


def mark(apps, schema_editor):
    apps.get_model("firms", "Firm").objects.update(audit_silent_through=F("audit_number"))


class Migration(migrations.Migration):
    dependencies = [("firms", "0005_audit_by_type")]

    operations = [
        migrations.AddField(
            model_name="firm",
            name="audit_silent_through",
            field=models.PositiveBigIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="membership",
            name="wants_heads",
            field=models.BooleanField(default=False, verbose_name="gets the audit log’s head by mail each night"),
        ),
        migrations.RunPython(mark, migrations.RunPython.noop),
    ]
