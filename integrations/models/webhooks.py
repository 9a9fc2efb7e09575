"""Where a service calls us, and what proves that it is the service."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from integrations.models.encryption import EncryptedTextField
from integrations.models.mirror import Company, Workspace
from toggbill.firms.models import FirmOwned


class Webhook(FirmOwned):
    """An address of ours that a service calls when something changed: of one workspace, or of one company.

    Two secrets: ``token`` makes the address, and is looked up by its hash; ``secret`` signs what is delivered, and is
    "" until Billit has told it.
    """

    class Topic(models.TextChoices):
        """What the service tells of. Time entries are Toggl's; orders and their deliveries Billit's."""

        ENTRIES = "entries", _("time entries")
        ORDERS = "orders", _("orders")
        NEW_MESSAGES = "new_messages", _("new deliveries")
        MESSAGES = "messages", _("deliveries")

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, null=True, blank=True, related_name="webhooks", verbose_name=_("workspace")
    )
    company = models.ForeignKey(
        Company, on_delete=models.CASCADE, null=True, blank=True, related_name="webhooks", verbose_name=_("company")
    )
    topic = models.CharField(_("tells of"), max_length=12, choices=Topic)
    token = EncryptedTextField(editable=False)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    secret = EncryptedTextField(blank=True, editable=False)
    # The service's id of it; None until the service has answered.
    remote_id = models.BigIntegerField(_("id at the service"), null=True, blank=True)
    made_at = models.DateTimeField(_("made"))
    called_at = models.DateTimeField(_("latest call"), null=True, blank=True)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["workspace", "topic"], name="webhook_of_workspace_once"),
            models.UniqueConstraint(fields=["company", "topic"], name="webhook_of_company_once"),
            models.CheckConstraint(
                condition=models.Q(workspace__isnull=False, company__isnull=True, topic="entries")
                | models.Q(
                    workspace__isnull=True, company__isnull=False, topic__in=["orders", "new_messages", "messages"]
                ),
                name="webhook_of_one_service",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workspace or self.company}: {self.get_topic_display()}"
