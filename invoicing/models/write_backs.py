"""What toggbill writes back into Toggl: the tag that says of an entry that it is billed."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from integrations.models import Entry
from integrations.models.connections import served_through
from invoicing.models.dossiers import LONGEST_BILLED_TAG, Dossier
from toggbill.firms.models import FirmOwned, FirmQuerySet


class WriteBackQuerySet(FirmQuerySet["WriteBack"]):
    """Tags that entries have in Toggl, or shall have."""

    def waiting(self) -> Self:
        """Those of which Toggl is to be asked something, some day. Of an entry that is gone from Toggl nothing is."""
        return self.filter(due_at__isnull=False, entry__deleted_at__isnull=True)

    def due(self, now: datetime) -> Self:
        """Those of which Toggl is asked now: of firms at work, through connections that workers may use."""
        at_work = self.waiting().filter(served_through("entry__workspace__connection__"), firm__closed_at__isnull=True)
        return at_work.filter(Q(lease_until__isnull=True) | Q(lease_until__lte=now), due_at__lte=now)

    def refused(self) -> Self:
        """Those that Toggl did not take at the latest try; they are tried again."""
        return self.waiting().exclude(failure="")


WriteBackManager = models.Manager.from_queryset(WriteBackQuerySet)


class WriteBack(FirmOwned):
    """The tag of one entry in Toggl: the one that it shall have from us, and the one that it has. Empty: none.

    ``dossier``: the one that billed it. ``wanted`` is written by the verbs that post, credit or replace, in their own
    transaction; ``written`` by the worker that asks Toggl. While it asks (``lease_until``), and when it was ended
    before it knew the answer, ``written`` is not sure (``is_sure``): the entry may have that tag, and Toggl is asked
    again, since to write it twice is to write it once. ``due_at``: when Toggl is asked next, empty while nothing
    differs.
    ``failure``, ``said``: why Toggl did not take it at the latest of ``tries``, and its words.
    """

    class Failure(models.TextChoices):
        """Why the entry does not have its tag yet."""

        REFUSED = "refused", _("Toggl refused it")
        UNANSWERED = "unanswered", _("Toggl’s answer does not name it")

    dossier = models.ForeignKey(
        Dossier, on_delete=models.PROTECT, related_name="write_backs", verbose_name=_("dossier"), editable=False
    )
    entry = models.OneToOneField(
        Entry, on_delete=models.PROTECT, related_name="write_back", verbose_name=_("entry"), editable=False
    )
    wanted = models.CharField(_("wanted tag"), max_length=LONGEST_BILLED_TAG, blank=True)
    written = models.CharField(_("written tag"), max_length=LONGEST_BILLED_TAG, blank=True)
    is_sure = models.BooleanField(_("sure"), default=True)
    due_at = models.DateTimeField(_("next try"), null=True, blank=True)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    tries = models.PositiveSmallIntegerField(_("tries in vain"), default=0)
    failure = models.CharField(_("why not yet"), max_length=10, choices=Failure, blank=True)
    said = models.TextField(_("Toggl’s words"), blank=True)

    objects: ClassVar[WriteBackManager[WriteBack]] = WriteBackManager()

    class Meta:
        verbose_name = _("tag in Toggl")
        verbose_name_plural = _("tags in Toggl")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(due_at__isnull=True, is_sure=True, wanted=F("written"))
                | Q(due_at__isnull=False) & (Q(is_sure=False) | ~Q(wanted=F("written"))),
                name="write_back_due_while_it_differs",
            ),
            models.CheckConstraint(
                # Nothing is in doubt but a tag that was asked for, and who asks makes it doubtful first.
                condition=Q(is_sure=True, lease_until__isnull=True) | Q(is_sure=False) & ~Q(written=""),
                name="write_back_doubt_has_a_tag",
            ),
            models.CheckConstraint(
                condition=Q(failure="", said="", tries=0)
                | Q(failure__in=["refused", "unanswered"], tries__gt=0, due_at__isnull=False),
                name="write_back_failure_is_tried_again",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # Each tick asks for what is due.
            models.Index(fields=["due_at"], name="write_back_due", condition=Q(due_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id}: {self.wanted or self.written}"

    @property
    def takes_away(self) -> bool:
        """Whether Toggl is asked to take ``written`` away, and not to add ``wanted``."""
        return self.written not in ("", self.wanted)

    @property
    def tag(self) -> str:
        """The tag that Toggl is asked to take away or to add."""
        return self.written if self.takes_away else self.wanted
