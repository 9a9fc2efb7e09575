"""Why a connection fails is a code with facts: the sentences of existing rows are turned into them."""

from typing import Any

from django.db import migrations, models

from integrations.migrations import _sentences


def encode(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("integrations", "Connection").objects.using(schema_editor.connection.alias)
    for row in rows.exclude(failure="none").exclude(failure_text=""):
        found = _sentences.message(row.failure_text)
        row.failure_code, row.failure_facts = found["code"], found["facts"]
        row.save(update_fields=["failure_code", "failure_facts"])


def decode(apps: Any, schema_editor: Any) -> None:
    rows = apps.get_model("integrations", "Connection").objects.using(schema_editor.connection.alias)
    for row in rows.exclude(failure_code=""):
        row.failure_text = _sentences.english(row.failure_code, row.failure_facts)
        row.save(update_fields=["failure_text"])


class Migration(migrations.Migration):
    dependencies = [("integrations", "0004_webhooks")]

    operations = [
        migrations.AddField(
            model_name="connection",
            name="failure_code",
            field=models.CharField(blank=True, default="", max_length=40, verbose_name="latest error"),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="connection",
            name="failure_facts",
            field=models.JSONField(blank=True, default=dict, editable=False),
        ),
        migrations.RunPython(encode, decode),
        migrations.RemoveField(model_name="connection", name="failure_text"),
        migrations.AddConstraint(
            model_name="connection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    failure_code__in=[
                        "",
                        "budget_spent",
                        "busy",
                        "connection_paused",
                        "connection_removed",
                        "connection_rests",
                        "credential_refused",
                        "led_elsewhere",
                        "malformed_credential",
                        "no_answer",
                        "no_longer_admin",
                        "not_reached",
                        "other",
                        "plan_feature",
                        "quota_used_up",
                        "refused",
                        "renewal_failed",
                        "server_error",
                        "sign_in_lost",
                        "sign_in_not_ended",
                        "sign_in_not_renewed",
                        "sign_in_over",
                        "sign_in_refused",
                        "token_expired",
                        "token_refused",
                        "too_many_requests",
                        "unclear",
                        "unreadable",
                        "webhook_not_validated",
                    ]
                ),
                name="connection_known_code",
            ),
        ),
        migrations.AddConstraint(
            model_name="connection",
            constraint=models.CheckConstraint(
                condition=~models.Q(failure="none") | models.Q(failure_code=""), name="connection_works_without_failure"
            ),
        ),
    ]
