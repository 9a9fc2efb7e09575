"""A tag mapping may be for one person alone; without a tag it is the product of that person."""

from typing import Any

from django.db import migrations, models


def key_what_does_not_show(apps: Any, editor: Any) -> None:
    """A tag of nothing that shows has no key, and meets no tag of an entry: it stays, by a key that is no tag's."""
    mappings = apps.get_model("invoicing", "TagMapping").objects
    for pk in mappings.filter(tag_key="").values_list("pk", flat=True):
        mappings.filter(pk=pk).update(tag_key=f"#{pk}")


class Migration(migrations.Migration):
    dependencies = [
        ("firms", "0009_mails"),
        ("invoicing", "0026_deductions"),
    ]

    operations = [
        migrations.RunPython(key_what_does_not_show, migrations.RunPython.noop),
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
