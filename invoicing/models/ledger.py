"""The ledger: the one state of every entry inside the books, and what a person decided after billing."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from integrations.models import Entry
from invoicing.models.agreements import Agreement
from invoicing.models.dossiers import Dossier
from invoicing.models.invoices.claims import Claim
from invoicing.models.invoices.invoice import Invoice
from toggbill.firms.models import FirmOwned, FirmQuerySet, Membership

_AGREED = ["covered", "on_account", "prepaid"]
"""States of hours that an agreement takes care of."""


class LedgerRowQuerySet(FirmQuerySet["LedgerRow"]):
    """Entries in their states."""

    def attention(self) -> Self:
        """Those that cannot be billed until a person decides."""
        return self.filter(state=LedgerRow.State.ATTENTION)


LedgerRowManager = models.Manager.from_queryset(LedgerRowQuerySet)


class LedgerRow(FirmOwned):
    """The state of a mirrored entry inside the books (design section 6); only ``ledger`` writes it.

    ``seconds`` is the mirrored time (0 for an invoiced entry that was deleted in Toggl);
    ``day`` the firm's local day on which it starts.
    """

    class State(models.TextChoices):
        """Every entry is in exactly one."""

        RUNNING = "running", _("running")
        NOT_BILLABLE = "not_billable", _("not billable")
        OPEN = "open", _("open")
        ATTENTION = "attention", _("needs attention")
        HELD = "held", _("held")
        WRITTEN_OFF = "written_off", _("written off")
        DRAFTED = "drafted", _("drafted")
        INVOICED = "invoiced", _("invoiced")
        CREDITED = "credited", _("credited")
        COVERED = "covered", _("covered by a fee")
        ON_ACCOUNT = "on_account", _("on account")
        PREPAID = "prepaid", _("prepaid")
        DELETED = "deleted", _("deleted")

    class Decision(models.TextChoices):
        """What a person decided of an unbilled entry; credited: taken back, and not to be billed again by itself."""

        NONE = "", _("none")
        HELD = "held", _("held")
        WRITTEN_OFF = "written_off", _("written off")
        CREDITED = "credited", _("credited")

    entry = models.OneToOneField(Entry, on_delete=models.PROTECT, related_name="ledger_row", verbose_name=_("entry"))
    dossier = models.ForeignKey(
        Dossier, on_delete=models.PROTECT, related_name="ledger_rows", verbose_name=_("dossier")
    )
    day = models.DateField(_("day"))
    seconds = models.IntegerField(_("seconds"))
    state = models.CharField(_("state"), max_length=12, choices=State)
    reason = models.CharField(_("reason"), max_length=24, blank=True)
    decision = models.CharField(_("decision"), max_length=12, choices=Decision, default=Decision.NONE, blank=True)
    # The person's own reason; of a credited entry the reference of the credit note.
    decision_text = models.CharField(_("reason of the decision"), max_length=500, blank=True)
    # R4: an earlier entry that says the same, whatever state either is in; and the entry as it stood when a person said
    # that it is to be billed in spite of such doubts (``facts.stands_as``).
    twin = models.ForeignKey(
        Entry, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False, editable=False
    )
    confirmed_as = models.CharField(max_length=32, blank=True, editable=False)
    # Section 11: whose fee covers it, whose settlement will bill it, or whose block pays it.
    agreement = models.ForeignKey(
        Agreement,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="ledger_rows",
        verbose_name=_("fee agreement"),
    )
    client_name = models.CharField(_("Toggl client"), max_length=500, blank=True)
    buyer_key = models.CharField(max_length=60, blank=True)
    buyer_name = models.CharField(_("customer"), max_length=500, blank=True)
    product_reference = models.CharField(_("product"), max_length=200, blank=True)
    price = models.DecimalField(_("price"), max_digits=16, decimal_places=6, null=True, blank=True)
    # After billing (section 6): mirrored = billed + accepted + what is not settled yet, and whether product or customer
    # differ. A difference that waits for the next invoice is not settled before that is posted.
    accepted_seconds = models.IntegerField(_("accepted difference in seconds"), default=0)
    correction_seconds = models.IntegerField(_("difference in seconds"), default=0)
    correction_text = models.CharField(_("what changed after billing"), max_length=200, blank=True)

    objects: ClassVar[LedgerRowManager[LedgerRow]] = LedgerRowManager()

    class Meta:
        verbose_name = _("ledger row")
        verbose_name_plural = _("ledger rows")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=(Q(state="attention") & ~Q(reason="")) | (~Q(state="attention") & Q(reason="")),
                name="ledger_attention_has_reason",
            ),
            models.CheckConstraint(condition=Q(seconds__gte=0), name="ledger_seconds_not_negative"),
            models.CheckConstraint(
                condition=Q(state__in=_AGREED, agreement__isnull=False)
                | (~Q(state__in=_AGREED) & Q(agreement__isnull=True)),
                name="ledger_covered_by_agreement",
            ),
            models.CheckConstraint(
                condition=Q(state="invoiced") | Q(correction_seconds=0, correction_text="", accepted_seconds=0),
                name="ledger_correction_after_billing",
            ),
            models.CheckConstraint(condition=Q(decision="") | ~Q(decision_text=""), name="ledger_decision_has_reason"),
            models.CheckConstraint(
                condition=~Q(reason="duplicate_entry") | Q(twin__isnull=False), name="ledger_duplicate_has_twin"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["dossier", "day"], name="ledger_by_day"),
            models.Index(fields=["dossier", "state", "day"], name="ledger_by_state_and_day"),
            models.Index(fields=["firm", "dossier"], name="ledger_attention", condition=Q(state="attention")),
            models.Index(fields=["twin"], name="ledger_by_twin", condition=Q(twin__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id}: {self.state}"

    @property
    def decision_words(self) -> str:
        """Why it was decided so, for the reader."""
        if self.decision == self.Decision.CREDITED:
            return gettext("credit note %(reference)s") % {"reference": self.decision_text}
        return self.decision_text


def _waits_for_an_invoice() -> Q:
    on_an_invoice = Claim.objects.live().of_differences().exclude(line__invoice__status=Invoice.Status.DRAFT)
    decided = Q(decision=Correction.Decision.NEXT_INVOICE, claim__released_at__isnull=True)
    return decided & ~Q(Exists(on_an_invoice.filter(correction=OuterRef("pk"))))


class CorrectionQuerySet(FirmQuerySet["Correction"]):
    """What changed after billing."""

    def open(self) -> Self:
        """Those that wait for a person's decision."""
        return self.filter(decision=Correction.Decision.OPEN)

    def waiting_for_an_invoice(self) -> Self:
        """Those that the next run puts on an invoice: decided so, and on no invoice but a waiting draft."""
        return self.filter(_waits_for_an_invoice())

    def undecided(self) -> Self:
        """Those that wait for a decision, or for the invoice that was decided on."""
        return self.filter(Q(decision=Correction.Decision.OPEN) | _waits_for_an_invoice())

    def decided(self) -> Self:
        """Those that are settled, by somebody or by Toggl itself."""
        return self.exclude(decision=Correction.Decision.OPEN).exclude(_waits_for_an_invoice())


CorrectionManager = models.Manager.from_queryset(CorrectionQuerySet)


class Correction(FirmOwned):
    """What Toggl says of an entry against what was billed of it, and what a person decided (design section 6).

    ``seconds``: mirrored less billed, without what was settled before; positive is more to bill. ``mirrored``: the
    facts of the entry that it rests on, see ``differences``. Only ``ledger`` and ``corrections`` write it.
    """

    class Decision(models.TextChoices):
        """Open until a person decides; gone: Toggl was changed back, so that nothing is left to decide."""

        OPEN = "open", _("open")
        ACCEPTED = "accepted", _("accepted")
        NEXT_INVOICE = "next_invoice", _("on the next invoice")
        REPLACED = "replaced", _("invoice replaced")
        CREDITED = "credited", _("credited")
        GONE = "gone", _("gone by itself")

    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="corrections", verbose_name=_("entry"))
    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="corrections", verbose_name=_("claim"))
    invoice = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, related_name="corrections", verbose_name=_("invoice")
    )
    opened_at = models.DateTimeField(_("opened"))
    seconds = models.IntegerField(_("difference in seconds"))
    what = models.JSONField(_("what changed"), default=list)
    mirrored = models.JSONField(_("as mirrored"), default=dict, editable=False)
    decision = models.CharField(_("decision"), max_length=12, choices=Decision, default=Decision.OPEN)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.CharField(_("decided by"), max_length=254, blank=True)
    note = models.CharField(_("note"), max_length=500, blank=True)
    # The credit note, or the invoice that replaces the billed one.
    settlement = models.ForeignKey(
        Invoice, on_delete=models.PROTECT, null=True, blank=True, related_name="settles", verbose_name=_("settled by")
    )

    objects: ClassVar[CorrectionManager[Correction]] = CorrectionManager()

    class Meta:
        verbose_name = _("correction")
        verbose_name_plural = _("corrections")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["entry"], condition=Q(decision="open"), name="correction_one_open"),
            models.CheckConstraint(
                condition=Q(decision="open", decided_at__isnull=True, decided_by="")
                | (~Q(decision="open") & Q(decided_at__isnull=False) & ~Q(decided_by="")),
                name="correction_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(settlement__isnull=True) | Q(decision__in=["replaced", "credited"]),
                name="correction_settled_by_decision",
            ),
            models.CheckConstraint(
                condition=~Q(decision="next_invoice") | ~Q(seconds=0), name="correction_billed_has_seconds"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["firm", "decision", "-opened_at"], name="correction_by_decision"),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id}: {self.seconds} s, {self.decision}"


class SavedView(FirmOwned):
    """A filter of the hours that a member keeps under a name; ``query``: as it stands in the page's address."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="views", verbose_name=_("member"))
    name = models.CharField(_("name"), max_length=60)
    query = models.TextField(_("filter"), blank=True)

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["membership", "name"], name="saved_view_once"),
            models.CheckConstraint(condition=~Q(name=""), name="saved_view_has_a_name"),
        ]

    def __str__(self) -> str:
        return self.name
