"""A claim is unique by firm and Toggl id, and keeps the billable flag; a finding can be acknowledged.

An installation in which an entry was moved between workspaces may have two live claims of one id. Both stay as they
are: the first keeps the id for itself, each later one gets a number, and `one_live_claim` tells of both as long as two
are live. That what was billed was flagged is not known of older claims: they get the flag that the entry has now, so
that no correction opens by the update.
"""

from collections import defaultdict
from typing import Any

from django.db import migrations, models
from django.db.models import Count, OuterRef, Subquery


def fill(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    claims = apps.get_model("invoicing", "Claim").objects.using(alias)
    entry = apps.get_model("integrations", "Entry").objects.using(alias).filter(pk=OuterRef("entry"))
    claims.update(
        entry_remote_id=Subquery(entry.values("remote_id")[:1]), billable=Subquery(entry.values("billable")[:1])
    )
    live = claims.filter(released_at__isnull=True, kind="entry")
    doubled = live.order_by().values("firm", "entry_remote_id").annotate(claims=Count("pk")).filter(claims__gt=1)
    numbers: defaultdict[tuple[int, int], int] = defaultdict(int)
    for each in doubled:
        same = live.filter(firm=each["firm"], entry_remote_id=each["entry_remote_id"]).order_by("pk")
        for claim in same.only("pk"):
            key = (each["firm"], each["entry_remote_id"])
            claims.filter(pk=claim.pk).update(twice=numbers[key])
            numbers[key] += 1
    if schema_editor.connection.vendor == "postgresql":
        # The checks of the rows that were written come before their table is altered.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ("firms", "0005_audit_by_type"),
        ("integrations", "0012_ledger"),
        ("invoicing", "0013_prices"),
    ]

    operations = [
        migrations.AddField(
            model_name="claim",
            name="billable",
            field=models.BooleanField(default=False, verbose_name="billable"),
        ),
        migrations.AddField(
            model_name="claim",
            name="entry_remote_id",
            field=models.BigIntegerField(editable=False, null=True, verbose_name="Toggl id"),
        ),
        migrations.AddField(
            model_name="claim",
            name="twice",
            field=models.PositiveSmallIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="drift",
            name="acknowledged_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="acknowledged"),
        ),
        migrations.AddField(
            model_name="drift",
            name="acknowledged_by",
            field=models.CharField(blank=True, max_length=254, verbose_name="acknowledged by"),
        ),
        migrations.AddField(
            model_name="drift",
            name="acknowledged_reason",
            field=models.CharField(blank=True, max_length=500, verbose_name="reason"),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="claim",
            name="entry_remote_id",
            field=models.BigIntegerField(editable=False, verbose_name="Toggl id"),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.UniqueConstraint(
                condition=models.Q(("kind", "entry"), ("released_at__isnull", True)),
                fields=("firm", "entry_remote_id", "twice"),
                name="claim_once_in_firm",
            ),
        ),
        migrations.AddConstraint(
            model_name="drift",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("acknowledged_at__isnull", True),
                    ("acknowledged_by", ""),
                    ("acknowledged_reason", ""),
                )
                | models.Q(
                    ("acknowledged_at__isnull", False),
                    models.Q(("acknowledged_by", ""), _negated=True),
                    models.Q(("acknowledged_reason", ""), _negated=True),
                ),
                name="drift_acknowledged_with_reason",
            ),
        ),
    ]
