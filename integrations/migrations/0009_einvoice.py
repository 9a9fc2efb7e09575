"""What the checks of e-invoices ask of a customer and of a company; the next sync and the next connecting fill it."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0008_secret_unreadable"),
    ]

    operations = [
        migrations.AddField(
            model_name="customer",
            name="country",
            field=models.CharField(blank=True, max_length=60, verbose_name="country"),
        ),
        migrations.AddField(
            model_name="company",
            name="small_enterprise",
            field=models.BooleanField(default=False, verbose_name="charges no VAT (small enterprise)"),
        ),
    ]
