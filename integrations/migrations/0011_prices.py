"""The prices of each product, with the day on which each was first seen; of those that stand already that is today."""

from zoneinfo import ZoneInfo

import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone


def keep(apps, schema_editor):
    """The present prices, in force from the firm's local day of the update on, and before it as nothing else is known."""
    price = apps.get_model("integrations", "ProductPrice")
    found = apps.get_model("integrations", "Product").objects.filter(deleted_at__isnull=True)
    now = timezone.now()
    rows = (
        price(
            firm_id=row.firm_id,
            product_id=row.pk,
            price=row.price,
            since=now.astimezone(ZoneInfo(row.firm.timezone)).date(),
        )
        for row in found.select_related("firm").order_by("pk").iterator(chunk_size=2000)
    )
    price.objects.bulk_create(rows, batch_size=1000)


class Migration(migrations.Migration):
    dependencies = [
        ("firms", "0007_second_steps_in_place"),
        ("integrations", "0010_sending_open"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProductPrice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "price",
                    models.DecimalField(
                        blank=True, decimal_places=6, max_digits=16, null=True, verbose_name="price excl. VAT"
                    ),
                ),
                ("since", models.DateField(verbose_name="in force since")),
                (
                    "firm",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="firms.firm",
                        verbose_name="firm",
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="prices",
                        to="integrations.product",
                        verbose_name="product",
                    ),
                ),
            ],
            options={
                "verbose_name": "price of a product",
                "verbose_name_plural": "prices of products",
                "constraints": [models.UniqueConstraint(fields=("product", "since"), name="product_price_once_a_day")],
            },
        ),
        migrations.RunPython(keep, migrations.RunPython.noop),
    ]
