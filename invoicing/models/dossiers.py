"""Dossiers: one workspace billed by one company, with the rules and mappings for it, and the runs over it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from integrations.models import Company, Workspace
from integrations.models.connections import served_through
from invoicing.models.problems import known_codes
from toggbill.firms.models import FirmOwned, FirmQuerySet

LONGEST_BILLED_TAG = 128
"""Characters of a tag that is written into Toggl: its documents name no bound, and no app shows a longer one."""


class DossierQuerySet(FirmQuerySet["Dossier"]):
    """Dossiers and when something is due for them."""

    def served(self) -> Self:
        """Those whose two connections workers may use."""
        return self.filter(served_through("workspace__connection__"), served_through("company__connection__"))

    def due(self, now: datetime) -> Self:
        """Those whose scheduled run is due."""
        return self.filter(due_at__lte=now)

    def comparison_due(self, now: datetime) -> Self:
        """Those whose comparison with both services is due, and can be made."""
        return self.served().filter(reconcile_at__lte=now, firm__closed_at__isnull=True)

    def without_comparison(self) -> Self:
        """Those of firms at work that have no time for their comparison yet."""
        return self.filter(reconcile_at__isnull=True, firm__closed_at__isnull=True)


DossierManager = models.Manager.from_queryset(DossierQuerySet)


class Dossier(FirmOwned):
    """One workspace billed by one company, with the rules for it (design section 5). The firm's unit of work."""

    class Billable(models.TextChoices):
        """R2: which entries are billed."""

        ALL = "all", _("every stopped entry")
        FLAGGED = "flagged", _("entries with Toggl's billable flag")

    class GroupBy(models.TextChoices):
        """R7: what makes a line."""

        PRODUCT = "product", _("product")
        PROJECT = "project", _("project")
        PERSON = "person", _("person")
        DAY = "day", _("day")
        DESCRIPTION = "description", _("description")
        ENTRY = "entry", _("entry")

    class Direction(models.TextChoices):
        """R5: how seconds are rounded."""

        UP = "up", _("up")
        NEAREST = "nearest", _("to the nearest")
        DOWN = "down", _("down")

    class Level(models.TextChoices):
        """R5: what is rounded."""

        ENTRY = "entry", _("each entry")
        LINE = "line", _("each line")

    class Every(models.TextChoices):
        """R9: when a run is due."""

        MANUAL = "manual", _("by hand")
        DAILY = "daily", _("every day")
        WEEKLY = "weekly", _("every week")
        MONTHLY = "monthly", _("every month")

    class PriceDay(models.TextChoices):
        """Section 11: of which day the price is at which hours are billed."""

        DRAFT = "draft", _("the day of the draft")
        WORK = "work", _("the day of the work")

    class Mode(models.TextChoices):
        """R9: how far a scheduled run goes by itself."""

        REVIEW = "review", _("a person approves")
        POST = "post", _("post to Billit")
        SEND = "send", _("post and send")

    key = models.SlugField(_("short name"), max_length=50)
    name = models.CharField(_("name"), max_length=200)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="dossiers", verbose_name=_("workspace")
    )
    company = models.ForeignKey(Company, on_delete=models.PROTECT, related_name="dossiers", verbose_name=_("company"))
    start_date = models.DateField(_("start"), help_text=_("Entries before this day are billed elsewhere."))
    billable = models.CharField(_("bill"), max_length=8, choices=Billable, default=Billable.ALL)
    group_by = models.CharField(_("one line per"), max_length=12, choices=GroupBy, default=GroupBy.PRODUCT)
    rounding_minutes = models.PositiveSmallIntegerField(_("round to minutes"), default=0)
    rounding_direction = models.CharField(_("direction"), max_length=8, choices=Direction, default=Direction.UP)
    rounding_level = models.CharField(_("level"), max_length=6, choices=Level, default=Level.ENTRY)
    rounding_minimum = models.PositiveSmallIntegerField(_("minimum minutes per entry"), default=0)
    every = models.CharField(_("schedule"), max_length=8, choices=Every, default=Every.MANUAL)
    day = models.PositiveSmallIntegerField(
        _("day"),
        null=True,
        blank=True,
        help_text=_("Weekly: 1 (Monday) to 7. Monthly: 1 to 28."),
        validators=[MinValueValidator(1), MaxValueValidator(28)],
    )
    mode = models.CharField(_("mode"), max_length=8, choices=Mode, default=Mode.REVIEW)
    auto_limit = models.DecimalField(
        _("limit"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("An invoice above this amount excl. VAT waits for a person."),
    )
    no_limit = models.BooleanField(
        _("no limit"),
        default=False,
        help_text=_("Invoices of any amount may go out by themselves. Said aloud, since a limit is what is expected."),
    )
    longest_hours = models.PositiveSmallIntegerField(
        _("longest entry in hours"),
        default=16,
        validators=[MaxValueValidator(1000)],
        help_text=_("A longer entry waits for a person. 0: none does."),
    )
    four_eyes = models.BooleanField(
        _("four eyes"), default=False, help_text=_("Who approved an invoice does not send it; somebody else does.")
    )
    deviation = models.PositiveSmallIntegerField(
        _("deviation in per cent"),
        default=0,
        validators=[MaxValueValidator(1000)],
        help_text=_("An invoice so far above the mean of the customer’s latest six waits for a person. 0: not asked."),
    )
    price_decimals = models.PositiveSmallIntegerField(
        _("decimals of prices"), default=2, validators=[MinValueValidator(2), MaxValueValidator(5)]
    )
    price_day = models.CharField(_("price of"), max_length=5, choices=PriceDay, default=PriceDay.DRAFT)
    payment_days = models.PositiveSmallIntegerField(_("payment term in days"), default=30)
    default_product = models.CharField(_("default product"), max_length=200, blank=True)
    email_allowed = models.BooleanField(
        _("e-mail when Peppol does not reach the customer"),
        default=False,
        help_text=_("Not a legal invoice between firms."),
    )
    annex = models.BooleanField(
        _("annex of hours"),
        default=True,
        help_text=_("Each invoice carries a list of its hours, as PDF and CSV, in the customer's language."),
    )
    billed_tag = models.CharField(
        _("tag of billed hours"),
        max_length=LONGEST_BILLED_TAG,
        blank=True,
        help_text=_(
            "Hours get this tag in Toggl once their invoice is posted, and lose it when they are credited. Empty: "
            "nothing is written into Toggl."
        ),
    )
    # When the next scheduled run is due (design D4); empty: only by hand.
    # `scheduled_through` is the latest scheduled day that was served.
    due_at = models.DateTimeField(_("next run"), null=True, blank=True, db_index=True)
    scheduled_through = models.DateField(null=True, blank=True, editable=False)
    # Codes of ``problems`` with their facts, here and below.
    waiting = models.CharField(_("why the run waits"), max_length=40, blank=True, editable=False)
    waiting_facts = models.JSONField(default=dict, blank=True, editable=False)
    # A scheduled run left drafts for a person, who is to be told by mail (``invoicing.due.mails.draft_mails``).
    tell_drafts_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When the books are next compared with Toggl and Billit: at night, or when a person asked for it; and whether they
    # were, or why not yet.
    reconcile_at = models.DateTimeField(_("next comparison"), null=True, blank=True, editable=False, db_index=True)
    reconcile_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    reconciled_at = models.DateTimeField(_("latest comparison"), null=True, blank=True, editable=False)
    # The closed month whose turn it was the latest night: the one after it is next.
    reconciled_month = models.DateField(null=True, blank=True, editable=False)
    reconcile_problem = models.CharField(_("why the comparison waits"), max_length=40, blank=True, editable=False)
    reconcile_problem_facts = models.JSONField(default=dict, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects: ClassVar[DossierManager[Dossier]] = DossierManager()

    class Meta:
        verbose_name = _("dossier")
        verbose_name_plural = _("dossiers")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["firm", "key"], name="dossier_key_once"),
            models.CheckConstraint(
                condition=Q(every__in=["manual", "daily"])
                # A CHECK that comes to NULL holds, so the day is said not to be missing.
                | Q(every="weekly", day__isnull=False, day__gte=1, day__lte=7)
                | Q(every="monthly", day__isnull=False, day__gte=1, day__lte=28),
                name="dossier_day_of_schedule",
            ),
            # R9: what goes out by itself has a limit, or somebody has said that it has none.
            models.CheckConstraint(
                condition=Q(mode="review") | Q(auto_limit__isnull=False) | Q(no_limit=True),
                name="dossier_says_its_limit",
            ),
            models.CheckConstraint(
                condition=Q(no_limit=False) | Q(auto_limit__isnull=True), name="dossier_limit_or_none"
            ),
            # What goes out by itself has been before the eyes of nobody.
            models.CheckConstraint(
                condition=Q(four_eyes=False) | ~Q(mode="send"), name="dossier_four_eyes_sends_by_hand"
            ),
            models.CheckConstraint(condition=Q(deviation__lte=1000), name="dossier_deviation_in_range"),
            models.CheckConstraint(condition=Q(price_day__in=["draft", "work"]), name="dossier_price_day"),
            known_codes("waiting", "reconcile_problem", constraint="dossier_known_codes"),
        ]

    def __str__(self) -> str:
        return self.name


class DossierClient(FirmOwned):
    """A Toggl client that a dossier bills, where one workspace feeds several companies (R1): the sets are disjoint."""

    dossier = models.ForeignKey(
        Dossier, on_delete=models.CASCADE, related_name="named_clients", verbose_name=_("dossier")
    )
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+", verbose_name=_("workspace"))
    client_remote_id = models.BigIntegerField(_("Toggl client"))

    class Meta:
        verbose_name = _("client of the dossier")
        verbose_name_plural = _("clients of the dossier")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["workspace", "client_remote_id"], name="dossier_client_disjoint"),
        ]

    def __str__(self) -> str:
        return f"{self.dossier_id}: {self.client_remote_id}"


class TagMapping(FirmOwned):
    """Tag -> product (R4) or tag -> do not bill (R2), in a dossier. ``tag_key``: its text key.

    ``person_remote_id``: it is for the entries of this Toggl user alone, and wins over the mapping of the tag for
    everybody; without a tag it is the person's product (section 11).

    ``contradicted_by``: mappings of the same tag in another spelling that said something else before both were read as
    one, as ``rule_events.mapping_of`` says them; until a person states the mapping anew, entries with the tag wait.
    """

    dossier = models.ForeignKey(
        Dossier, on_delete=models.CASCADE, related_name="tag_mappings", verbose_name=_("dossier")
    )
    tag = models.CharField(_("tag"), max_length=255, blank=True)
    person_remote_id = models.BigIntegerField(_("person"), null=True, blank=True)
    tag_key = models.CharField(max_length=255, editable=False)
    bill = models.BooleanField(
        _("bill"), default=True, help_text=_("Off: an entry with this tag is not billed, whatever its other tags.")
    )
    product_reference = models.CharField(_("product reference"), max_length=200, blank=True)
    priority = models.IntegerField(_("priority"), null=True, blank=True)
    contradicted_by = models.JSONField(_("contradicted by"), default=list, blank=True, editable=False)

    class Meta:
        verbose_name = _("tag mapping")
        verbose_name_plural = _("tag mappings")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["dossier", "tag_key"], condition=Q(person_remote_id__isnull=True), name="tag_mapping_once"
            ),
            models.UniqueConstraint(
                fields=["dossier", "tag_key", "person_remote_id"],
                condition=Q(person_remote_id__isnull=False),
                name="tag_mapping_once_a_person",
            ),
            # A mapping without a tag is a person's product, which says nothing of what is not billed.
            models.CheckConstraint(
                condition=~Q(tag_key="") | Q(person_remote_id__isnull=False, bill=True),
                name="tag_mapping_of_tag_or_person",
            ),
            models.CheckConstraint(
                condition=(Q(bill=True) & ~Q(product_reference="")) | Q(bill=False, product_reference=""),
                name="tag_mapping_product_or_not",
            ),
        ]

    def __str__(self) -> str:
        return self.tag if self.person_remote_id is None else f"{self.tag} ({self.person_remote_id})".strip()


class ClientMapping(FirmOwned):
    """Toggl client -> customer, within a dossier (R3), with its VAT treatment (R6) and references (R10)."""

    class Treatment(models.TextChoices):
        """R6: how VAT is treated for this customer; empty: the default for its number."""

        DOMESTIC = "domestic", _("domestic")
        REVERSE_CHARGE = "reverse_charge", _("reverse charge in Belgium")
        EU_SERVICES = "eu_services", _("services within the EU")
        OUTSIDE_SCOPE = "outside_scope", _("outside the scope of VAT")

    dossier = models.ForeignKey(
        Dossier, on_delete=models.CASCADE, related_name="client_mappings", verbose_name=_("dossier")
    )
    client_remote_id = models.BigIntegerField(_("Toggl client"))
    number = models.CharField(_("VAT or enterprise number"), max_length=30, blank=True)
    customer_party_id = models.BigIntegerField(_("Billit PartyID"), null=True, blank=True)
    # The number was read in the client's name at sync and pinned; a person's choice is not proposed.
    is_proposed = models.BooleanField(_("read in the name"), default=False)
    treatment = models.CharField(_("VAT treatment"), max_length=16, choices=Treatment, blank=True)
    purchase_order = models.CharField(_("purchase order"), max_length=200, blank=True)
    buyer_reference = models.CharField(_("buyer reference"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("client mapping")
        verbose_name_plural = _("client mappings")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["dossier", "client_remote_id"], name="client_mapping_once"),
            models.CheckConstraint(
                condition=Q(number="") | Q(customer_party_id__isnull=True), name="client_mapping_one_customer"
            ),
            models.CheckConstraint(
                condition=Q(is_proposed=False) | ~Q(number=""), name="client_mapping_proposed_number"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dossier_id}: {self.client_remote_id}"


class CustomerPin(FirmOwned):
    """The Billit party behind a number at a company (R3): looked up once, sent as CustomerID from then on."""

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="pins", verbose_name=_("company"))
    number = models.CharField(_("VAT or enterprise number"), max_length=30)
    party_id = models.BigIntegerField(_("Billit PartyID"))
    pinned_at = models.DateTimeField(_("pinned"))

    class Meta:
        verbose_name = _("pinned customer")
        verbose_name_plural = _("pinned customers")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["company", "number"], name="pin_once"),
        ]

    def __str__(self) -> str:
        return f"{self.number} = {self.party_id}"


class Run(FirmOwned):
    """One pass of drafting over a dossier, for a cut-off day (the last day included, firm's time zone)."""

    dossier = models.ForeignKey(Dossier, on_delete=models.PROTECT, related_name="runs", verbose_name=_("dossier"))
    cut_off = models.DateField(_("through"))
    started_at = models.DateTimeField(_("when"))
    started_by = models.CharField(_("who"), max_length=254)
    mirror_as_of = models.DateTimeField(_("hours as of"), null=True, blank=True)
    # The drafts that this pass made, redrew or left as they were: while one of them waits, its hours are not late (R8).
    invoices: models.ManyToManyField[Any, Any] = models.ManyToManyField("Invoice", related_name="runs", blank=True)

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["dossier", "cut_off"], name="run_once_per_cut_off"),
        ]

    def __str__(self) -> str:
        return f"{self.dossier_id} {self.cut_off}"
