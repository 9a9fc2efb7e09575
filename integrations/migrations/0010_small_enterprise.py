from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("integrations", "0009_customer_country"),
    ]

    operations = [
        migrations.AddField(
            model_name="company",
            name="small_enterprise",
            field=models.BooleanField(default=False, verbose_name="charges no VAT (small enterprise)"),
        ),
    ]
