"""Sums and proofs of months are kept. The sums are counted once from the rows; every month waits for its checks."""

from decimal import Decimal
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

_CORRECTED = "correction_seconds <> 0 OR correction_text <> ''"


def fill(apps: Any, schema_editor: Any) -> None:
    connection = schema_editor.connection
    is_sqlite = connection.vendor == "sqlite"
    month = "date(day, 'start of month')" if is_sqlite else "date_trunc('month', day)::date"
    no = "0" if is_sqlite else "false"
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO invoicing_changedmonth (firm_id, dossier_id, month) "
            "SELECT firm_id, id, NULL FROM invoicing_dossier"
        )
        cursor.execute(
            "INSERT INTO invoicing_monthsum (firm_id, dossier_id, month, state, reason, price, entries, seconds, "  # noqa: S608 - the words above
            "corrected_entries, corrected_seconds, is_change) "
            f"SELECT firm_id, dossier_id, {month}, state, reason, coalesce(price, 0), count(*), sum(seconds), "
            f"sum(CASE WHEN {_CORRECTED} THEN 1 ELSE 0 END), sum(correction_seconds), {no} "
            "FROM invoicing_ledgerrow GROUP BY 1, 2, 3, 4, 5, 6"
        )
    if not is_sqlite:
        # The checks of the rows that were written come before their table is altered.
        schema_editor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class Migration(migrations.Migration):
    dependencies = [
        ("firms", "0008_member_mails"),
        ("integrations", "0013_history"),
        ("invoicing", "0018_watching"),
    ]

    operations = [
        migrations.CreateModel(
            name="ChangedMonth",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(blank=True, null=True, verbose_name="month")),
            ],
            options={
                "verbose_name": "changed month",
                "verbose_name_plural": "changed months",
            },
        ),
        migrations.CreateModel(
            name="MonthProof",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(verbose_name="month")),
                ("outcome", models.JSONField(default=dict, verbose_name="what the checks came to")),
                ("broken", models.PositiveIntegerField(default=0, verbose_name="breaches")),
                ("proved_at", models.DateTimeField(verbose_name="checked")),
            ],
            options={
                "verbose_name": "proof of a month",
                "verbose_name_plural": "proofs of months",
            },
        ),
        migrations.CreateModel(
            name="MonthSum",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("month", models.DateField(verbose_name="month")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("running", "running"),
                            ("not_billable", "not billable"),
                            ("open", "open"),
                            ("attention", "needs attention"),
                            ("held", "held"),
                            ("written_off", "written off"),
                            ("drafted", "drafted"),
                            ("invoiced", "invoiced"),
                            ("credited", "credited"),
                            ("deleted", "deleted"),
                        ],
                        max_length=12,
                        verbose_name="state",
                    ),
                ),
                ("reason", models.CharField(blank=True, max_length=24, verbose_name="reason")),
                (
                    "price",
                    models.DecimalField(decimal_places=6, default=Decimal("0"), max_digits=16, verbose_name="price"),
                ),
                ("entries", models.IntegerField(verbose_name="entries")),
                ("seconds", models.BigIntegerField(verbose_name="seconds")),
                ("corrected_entries", models.IntegerField(verbose_name="entries with a correction")),
                ("corrected_seconds", models.BigIntegerField(verbose_name="difference in seconds")),
                ("is_change", models.BooleanField(default=False, editable=False)),
            ],
            options={
                "verbose_name": "sum of a month",
                "verbose_name_plural": "sums of months",
            },
        ),
        migrations.RemoveIndex(
            model_name="ledgerrow",
            name="ledger_by_state",
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("posted_at__isnull", False)), fields=["posted_at"], name="invoice_by_posted_at"
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("posting_since__isnull", False)),
                fields=["posting_since"],
                name="invoice_by_posting_since",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("sending_since__isnull", False)),
                fields=["sending_since"],
                name="invoice_by_sending_since",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("replacing_since__isnull", False)),
                fields=["replacing_since"],
                name="invoice_by_replacing_since",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("not_before__isnull", False)), fields=["not_before"], name="invoice_by_not_before"
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("way_asked_at__isnull", False)),
                fields=["way_asked_at"],
                name="invoice_by_way_asked_at",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("sent_at__isnull", False)), fields=["sent_at"], name="invoice_by_sent_at"
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("delivery__in", ["not_sent", "failed"]), ("send_requested_at__isnull", False)),
                fields=["send_requested_at"],
                name="invoice_send_asked",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("delivery__in", ["sending", "in_doubt"])),
                fields=["delivery"],
                name="invoice_being_sent",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("delivery__in", ["failed", "refused", "in_doubt"])),
                fields=["firm"],
                name="invoice_not_delivered",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("attention", ""), _negated=True), fields=["firm"], name="invoice_with_attention"
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("delivery_problem", ""), _negated=True),
                fields=["firm"],
                name="invoice_delivery_problem",
            ),
        ),
        migrations.AddIndex(
            model_name="ledgerrow",
            index=models.Index(fields=["dossier", "state", "day"], name="ledger_by_state_and_day"),
        ),
        migrations.AddIndex(
            model_name="ledgerrow",
            index=models.Index(
                condition=models.Q(("state", "attention")), fields=["firm", "dossier"], name="ledger_attention"
            ),
        ),
        migrations.AddField(
            model_name="changedmonth",
            name="dossier",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="changed_months",
                to="invoicing.dossier",
                verbose_name="dossier",
            ),
        ),
        migrations.AddField(
            model_name="changedmonth",
            name="firm",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="firms.firm", verbose_name="firm"
            ),
        ),
        migrations.AddField(
            model_name="monthproof",
            name="dossier",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="month_proofs",
                to="invoicing.dossier",
                verbose_name="dossier",
            ),
        ),
        migrations.AddField(
            model_name="monthproof",
            name="firm",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="firms.firm", verbose_name="firm"
            ),
        ),
        migrations.AddField(
            model_name="monthsum",
            name="dossier",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.CASCADE,
                related_name="month_sums",
                to="invoicing.dossier",
                verbose_name="dossier",
            ),
        ),
        migrations.AddField(
            model_name="monthsum",
            name="firm",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to="firms.firm", verbose_name="firm"
            ),
        ),
        migrations.AddIndex(
            model_name="changedmonth",
            index=models.Index(fields=["dossier", "month"], name="changed_month_by_month"),
        ),
        migrations.AddIndex(
            model_name="monthproof",
            index=models.Index(condition=models.Q(("broken__gt", 0)), fields=["dossier"], name="month_proof_broken"),
        ),
        migrations.AddConstraint(
            model_name="monthproof",
            constraint=models.UniqueConstraint(fields=("dossier", "month"), name="month_proof_once"),
        ),
        migrations.AddIndex(
            model_name="monthsum",
            index=models.Index(fields=["dossier", "month"], name="month_sum_by_month"),
        ),
        migrations.AddIndex(
            model_name="monthsum",
            index=models.Index(condition=models.Q(("is_change", True)), fields=["dossier"], name="month_sum_changes"),
        ),
        migrations.AddConstraint(
            model_name="monthsum",
            constraint=models.UniqueConstraint(
                condition=models.Q(("is_change", False)),
                fields=("dossier", "month", "state", "reason", "price"),
                name="month_sum_once",
            ),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
