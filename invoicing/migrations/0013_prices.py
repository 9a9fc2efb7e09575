"""Of which day the price is at which hours are billed, and what a draft says of hours from before a price changed."""

from decimal import Decimal

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0011_prices"),
        ("invoicing", "0012_read_first"),
    ]

    operations = [
        migrations.AddField(
            model_name="dossier",
            name="price_day",
            field=models.CharField(
                choices=[("draft", "the day of the draft"), ("work", "the day of the work")],
                default="draft",
                max_length=5,
                verbose_name="price of",
            ),
        ),
        migrations.AddConstraint(
            model_name="dossier",
            constraint=models.CheckConstraint(
                condition=models.Q(("price_day__in", ["draft", "work"])), name="dossier_price_day"
            ),
        ),
        migrations.AddField(
            model_name="invoice",
            name="earlier_seconds",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AddField(
            model_name="invoice",
            name="earlier_difference",
            field=models.DecimalField(decimal_places=2, default=Decimal("0"), editable=False, max_digits=14),
        ),
        migrations.AddField(
            model_name="invoice",
            name="at_their_day",
            field=models.BooleanField(default=False, editable=False),
        ),
    ]
