"""What a person takes off a line of an invoice, or puts on, and why; quantity x price less it is the amount."""

import django.db.models.expressions
from decimal import Decimal
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("firms", "0009_mails"),
        ("invoicing", "0023_advances"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="invoiceline",
            name="line_quantity_times_price",
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="discount",
            field=models.DecimalField(decimal_places=2, default=Decimal("0"), max_digits=14, verbose_name="discount"),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="discount_per_cent",
            field=models.DecimalField(
                blank=True, decimal_places=2, max_digits=6, null=True, verbose_name="discount in per cent"
            ),
        ),
        migrations.AddField(
            model_name="invoiceline",
            name="discount_reason",
            field=models.CharField(blank=True, max_length=200, verbose_name="reason of the discount"),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "total__lte",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    models.F("quantity"), "*", models.F("unit_price")
                                ),
                                "-",
                                models.F("discount"),
                            ),
                            "+",
                            models.Value(Decimal("0.00501")),
                        ),
                    ),
                    (
                        "total__gte",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                django.db.models.expressions.CombinedExpression(
                                    models.F("quantity"), "*", models.F("unit_price")
                                ),
                                "-",
                                models.F("discount"),
                            ),
                            "-",
                            models.Value(Decimal("0.00501")),
                        ),
                    ),
                ),
                name="line_quantity_times_price",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("discount", 0), ("discount_per_cent__isnull", True), ("discount_reason", "")),
                    models.Q(
                        models.Q(("discount", 0), _negated=True),
                        models.Q(("discount_reason", ""), _negated=True),
                        ("kind__in", ["hours", "fee", "extra"]),
                    ),
                    _connector="OR",
                ),
                name="line_discount_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="invoiceline",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("discount", 0),
                    models.Q(("quantity__gt", 0), ("total__gte", 0)),
                    models.Q(("quantity__lt", 0), ("total__lte", 0)),
                    _connector="OR",
                ),
                name="line_discount_leaves_amount",
            ),
        ),
    ]
