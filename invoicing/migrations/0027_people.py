"""A tag mapping may be for one person alone; without a tag it is the product of that person."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("firms", "0009_mails"),
        ("invoicing", "0026_deductions"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="tagmapping",
            name="tag_mapping_once",
        ),
        migrations.AddField(
            model_name="tagmapping",
            name="person_remote_id",
            field=models.BigIntegerField(blank=True, null=True, verbose_name="person"),
        ),
        migrations.AlterField(
            model_name="tagmapping",
            name="tag",
            field=models.CharField(blank=True, max_length=255, verbose_name="tag"),
        ),
        migrations.AddConstraint(
            model_name="tagmapping",
            constraint=models.UniqueConstraint(
                condition=models.Q(("person_remote_id__isnull", True)),
                fields=("dossier", "tag_key"),
                name="tag_mapping_once",
            ),
        ),
        migrations.AddConstraint(
            model_name="tagmapping",
            constraint=models.UniqueConstraint(
                condition=models.Q(("person_remote_id__isnull", False)),
                fields=("dossier", "tag_key", "person_remote_id"),
                name="tag_mapping_once_a_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="tagmapping",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("tag_key", ""), _negated=True),
                    models.Q(("bill", True), ("person_remote_id__isnull", False)),
                    _connector="OR",
                ),
                name="tag_mapping_of_tag_or_person",
            ),
        ),
    ]
