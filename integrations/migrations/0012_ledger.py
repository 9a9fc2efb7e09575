"""The mirror keeps what an entry or a project had when that was deleted in Toggl, and finds entries by Toggl's id."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("firms", "0005_audit_by_type"),
        ("integrations", "0011_prices"),
    ]

    operations = [
        migrations.AddField(
            model_name="entry",
            name="last_project_remote_id",
            field=models.BigIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="entry",
            name="last_tags",
            field=models.JSONField(blank=True, default=list, editable=False),
        ),
        migrations.AddField(
            model_name="project",
            name="last_client_remote_id",
            field=models.BigIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddIndex(
            model_name="entry",
            index=models.Index(fields=["firm", "remote_id"], name="entry_by_id"),
        ),
    ]
