"""Attempts: one write at Billit each, on record before it leaves."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from invoicing.models.invoices.invoice import Invoice
from invoicing.models.problems import known_codes
from toggbill.firms.models import FirmOwned


class Attempt(FirmOwned):
    """One write at Billit for an invoice, noted before it leaves (design section 7)."""

    class Intent(models.TextChoices):
        """Posting and sending are two intents with two keys; a deletion has no key, its order id is enough."""

        POST = "post", _("post")
        SEND = "send", _("send")
        DELETE = "delete", _("delete")

    class Outcome(models.TextChoices):
        """What came of it."""

        PENDING = "pending", _("pending")
        ACCEPTED = "accepted", _("accepted")
        ADOPTED = "adopted", _("found again")
        REFUSED = "refused", _("refused")
        NO_ANSWER = "no_answer", _("no answer")
        ABSENT = "absent", _("not arrived")
        NOT_SENT = "not_sent", _("not sent, later")

    invoice = models.ForeignKey(Invoice, on_delete=models.PROTECT, related_name="attempts", verbose_name=_("invoice"))
    intent = models.CharField(_("intent"), max_length=6, choices=Intent)
    key = models.CharField(_("key"), max_length=80)
    body = models.TextField(_("what was sent"))
    body_hash = models.CharField(_("SHA-256 of the bytes sent"), max_length=64)
    started_at = models.DateTimeField(_("started"))
    # Right before the request leaves, and only while the outcome is pending: without it nothing was sent.
    left_at = models.DateTimeField(_("sent"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    outcome = models.CharField(_("outcome"), max_length=10, choices=Outcome, default=Outcome.PENDING)
    # 409: the key is used, so the order may exist.
    http_status = models.PositiveSmallIntegerField(_("HTTP status"), null=True, blank=True)
    answer = models.CharField(_("answer"), max_length=40, blank=True)
    answer_facts = models.JSONField(default=dict, blank=True, editable=False)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["invoice", "intent"], condition=Q(outcome="pending"), name="attempt_one_pending"
            ),
            models.CheckConstraint(
                condition=~Q(outcome="accepted") | Q(left_at__isnull=False), name="attempt_accepted_has_left"
            ),
            known_codes("answer", constraint="attempt_known_code"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # The metrics ask for those of the latest hour.
            models.Index(fields=["finished_at"], name="attempt_finished"),
        ]

    def __str__(self) -> str:
        return self.key

    @property
    def asked_at(self) -> datetime:
        """When Billit was asked, or answered that it does not know: from then on an order may still come about."""
        known = [self.started_at, self.left_at, self.finished_at if self.http_status is not None else None]
        return max(moment for moment in known if moment is not None)
