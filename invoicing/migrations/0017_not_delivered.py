"""That an invoice does not arrive is said of its delivery, beside whatever else a person has to look at."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import F


def to_the_delivery(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rows = apps.get_model("invoicing", "Invoice").objects.filter(delivery="sent", attention="not_delivered")
    rows.update(
        delivery_problem=F("attention"), delivery_problem_facts=F("attention_facts"), attention="", attention_facts={}
    )


def to_the_attention(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    rows = apps.get_model("invoicing", "Invoice").objects.filter(delivery="sent", delivery_problem="not_delivered")
    # Code of before knows one attention; it notes this one when that one is gone.
    rows.filter(attention="").update(attention=F("delivery_problem"), attention_facts=F("delivery_problem_facts"))
    rows.update(delivery_problem="", delivery_problem_facts={})


class Migration(migrations.Migration):
    dependencies = [("invoicing", "0016_annexes")]

    operations = [migrations.RunPython(to_the_delivery, to_the_attention)]
