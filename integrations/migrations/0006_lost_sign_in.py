"""A sign-in at Billit that is lost is marked as such; a renewal is claimed in the row instead of under its lock."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("firms", "0005_audit_by_type"),
        ("integrations", "0005_failure_codes"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="connection",
            name="connection_known_code",
        ),
        migrations.AddField(
            model_name="connection",
            name="renewal_until",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="connection",
            name="sign_in_lost_at",
            field=models.DateTimeField(blank=True, editable=False, null=True, verbose_name="sign-in lost"),
        ),
        migrations.AddField(
            model_name="connection",
            name="told_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddConstraint(
            model_name="connection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("sign_in_lost_at__isnull", True),
                    models.Q(("method", "sign_in"), ("refresh_secret", "")),
                    _connector="OR",
                ),
                name="connection_lost_is_not_renewed",
            ),
        ),
        migrations.AddConstraint(
            model_name="connection",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "failure_code__in",
                        [
                            "",
                            "budget_spent",
                            "busy",
                            "client_refused",
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
                            "worker_stops",
                        ],
                    )
                ),
                name="connection_known_code",
            ),
        ),
    ]
