"""Which annex lists a covered hour. What stood on a line before counts as listed with it."""

import django.db.models.deletion
from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import OuterRef, Q, Subquery


def count_as_listed(apps: Apps, _editor: BaseDatabaseSchemaEditor) -> None:
    line = apps.get_model("invoicing", "InvoiceLine")
    claims = apps.get_model("invoicing", "Claim").objects.filter(kind="covered", released_at__isnull=True)
    own = line.objects.filter(pk=OuterRef("line")).values("invoice")
    claims.exclude(line__invoice__status="draft").update(listed_on=Subquery(own))


class Migration(migrations.Migration):
    dependencies = [
        ("invoicing", "0033_prepaid_left"),
    ]

    operations = [
        migrations.AddField(
            model_name="claim",
            name="listed_on",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to="invoicing.invoice",
            ),
        ),
        migrations.AddConstraint(
            model_name="claim",
            constraint=models.CheckConstraint(
                condition=Q(listed_on__isnull=True) | Q(kind="covered"), name="claim_listed_is_covered"
            ),
        ),
        migrations.AddIndex(
            model_name="claim",
            index=models.Index(
                fields=["line"],
                condition=Q(kind="covered", listed_on__isnull=True, released_at__isnull=True),
                name="claim_not_listed",
            ),
        ),
        migrations.AddIndex(
            model_name="claim",
            index=models.Index(fields=["listed_on"], condition=Q(listed_on__isnull=False), name="claim_by_annex"),
        ),
        migrations.RunPython(count_as_listed, migrations.RunPython.noop, elidable=False),
    ]
