"""Notices of budgets: that so much of what was agreed or estimated is used (design section 11)."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from integrations.models import Project
from invoicing.models.agreements import Agreement
from invoicing.models.dossiers import Dossier
from toggbill.firms.models import FirmOwned


class BudgetNotice(FirmOwned):
    """A budget was used by 80 or 100 per cent. Only ``due.budget_mails`` writes it.

    Of an agreement for a period (by its first day), or of a Toggl project with an estimate. ``hours`` in seconds and
    ``amount`` in euro are the budget as it was then, 0 where there is no such limit: of a budget that was raised, and
    of a new period, there is a notice of its own. ``told_at``: since when no mail is owed for it any more.
    """

    dossier = models.ForeignKey(
        Dossier, on_delete=models.PROTECT, related_name="budget_notices", verbose_name=_("dossier")
    )
    agreement = models.ForeignKey(
        Agreement,
        null=True,
        on_delete=models.PROTECT,
        related_name="budget_notices",
        verbose_name=_("fee agreement"),
    )
    project = models.ForeignKey(
        Project, null=True, on_delete=models.PROTECT, related_name="budget_notices", verbose_name=_("project")
    )
    period = models.DateField(_("period"), null=True)
    level = models.PositiveSmallIntegerField(_("per cent"))
    hours = models.PositiveBigIntegerField(_("hours of the budget"), default=0)
    amount = models.DecimalField(_("amount of the budget"), max_digits=14, decimal_places=2, default=Decimal(0))
    noticed_at = models.DateTimeField(_("noticed"))
    told_at = models.DateTimeField(_("told by mail"), null=True)

    class Meta:
        verbose_name = _("notice of a budget")
        verbose_name_plural = _("notices of budgets")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["agreement", "period", "level", "hours", "amount"],
                condition=Q(agreement__isnull=False),
                name="budget_notice_once",
            ),
            models.UniqueConstraint(
                fields=["project", "level", "hours"],
                condition=Q(project__isnull=False),
                name="budget_notice_once_a_project",
            ),
            models.CheckConstraint(
                condition=Q(agreement__isnull=False, project__isnull=True, period__isnull=False)
                | Q(agreement__isnull=True, project__isnull=False, period__isnull=True, amount=0),
                name="budget_notice_of_one_budget",
            ),
            models.CheckConstraint(condition=Q(level__in=[80, 100]), name="budget_notice_known_level"),
            models.CheckConstraint(
                condition=Q(amount__gte=0) & (Q(hours__gt=0) | Q(amount__gt=0)), name="budget_notice_has_a_budget"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agreement_id or self.project_id}: {self.level} %"
