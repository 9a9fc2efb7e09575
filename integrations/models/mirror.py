"""What is mirrored of Toggl and Billit: rows that only a sync writes."""

from __future__ import annotations

from datetime import date, datetime
from typing import ClassVar, Self, TypeVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from integrations.models.connections import Connection, served_through
from toggbill.firms.models import FirmOwned, FirmQuerySet

_Row = TypeVar("_Row", bound=models.Model, covariant=True)


class _ReadQuerySet(FirmQuerySet[_Row]):
    """What is read through a connection, now and then."""

    def served(self) -> Self:
        """Those whose connection workers may use."""
        return self.filter(served_through("connection__"))

    def unclaimed(self, lease_from: datetime) -> Self:
        """Those that no worker is reading: a claim from before ``lease_from`` is a dead worker's."""
        return self.filter(models.Q(claimed_at__isnull=True) | models.Q(claimed_at__lt=lease_from))

    def due(self, now: datetime, lease_from: datetime) -> Self:
        """Those whose next sync is due, and can be made."""
        return self.served().unclaimed(lease_from).filter(next_sync_at__lte=now)


class _PresentQuerySet(FirmQuerySet[_Row]):
    """Mirrored rows, which stay when they are gone at the service."""

    def present(self) -> Self:
        """Those that the service still has."""
        return self.filter(deleted_at__isnull=True)


class WorkspaceQuerySet(_ReadQuerySet["Workspace"]):
    """Workspaces."""


class ClientQuerySet(_PresentQuerySet["Client"]):
    """Toggl clients."""


class ProjectQuerySet(_PresentQuerySet["Project"]):
    """Projects."""


class EntryQuerySet(_PresentQuerySet["Entry"]):
    """Time entries. They are locked in the order of Toggl's ids, in which the mirror writes them (``firms.locks``)."""

    def marked(self) -> Self:
        """Those that changed since the books judged them."""
        return self.filter(marked_at__isnull=False)

    def lock(self) -> list[int]:
        """Lock these entries; gives their row ids in that order."""
        return list(self._in_order().values_list("pk", flat=True))

    def mark(self, *, now: datetime) -> int:
        """The books are to judge these entries anew; gives how many they are. In a transaction."""
        return Entry.objects.filter(pk__in=self._in_order().values("pk")).update(marked_at=now)

    def _in_order(self) -> models.QuerySet[Entry]:
        # Named by their ids: of a query over several tables, rows of each would be locked.
        found = Entry.objects.filter(pk__in=self.order_by().values("pk")).order_by("remote_id")
        return found.select_for_update(no_key=True)


class CompanyQuerySet(_ReadQuerySet["Company"]):
    """Companies."""

    def marked(self) -> Self:
        """Those whose products or customers changed since the books looked at them."""
        return self.filter(marked_at__isnull=False)

    def orders_due(self, now: datetime) -> Self:
        """Those whose orders are to be read again, as Billit said, and can be."""
        return self.served().filter(orders_due_at__lte=now)


class ProductQuerySet(_PresentQuerySet["Product"]):
    """Products."""


class CustomerQuerySet(_PresentQuerySet["Customer"]):
    """Customers."""


WorkspaceManager = models.Manager.from_queryset(WorkspaceQuerySet)
ClientManager = models.Manager.from_queryset(ClientQuerySet)
ProjectManager = models.Manager.from_queryset(ProjectQuerySet)
EntryManager = models.Manager.from_queryset(EntryQuerySet)
CompanyManager = models.Manager.from_queryset(CompanyQuerySet)
ProductManager = models.Manager.from_queryset(ProductQuerySet)
CustomerManager = models.Manager.from_queryset(CustomerQuerySet)


class Workspace(FirmOwned):
    """A Toggl workspace that a connection can read."""

    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="workspaces", verbose_name=_("connection")
    )
    remote_id = models.BigIntegerField(_("Toggl id"))
    organization_id = models.BigIntegerField(_("Toggl organisation"), default=0)
    name = models.CharField(_("name"), max_length=250)
    is_admin = models.BooleanField(_("the token sees everybody's hours"), default=False)
    plan = models.CharField(_("plan at Toggl"), max_length=40, blank=True)
    # The books of this workspace begin here: nothing before it is read. Set by whoever bills the workspace.
    read_from = models.DateField(_("read from"), null=True, blank=True)
    next_sync_at = models.DateTimeField(_("next sync"), null=True, blank=True, db_index=True)
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    cursor_at = models.DateTimeField(_("latest change seen"), null=True, blank=True)
    dictionaries_at = models.DateTimeField(_("projects and clients read"), null=True, blank=True)
    synced_at = models.DateTimeField(_("latest sync"), null=True, blank=True)
    reread_at = models.DateTimeField(_("latest full reading"), null=True, blank=True)
    # A whole reading that is not at its end: from which day on, when it began, and the day up to which all is read.
    whole_from = models.DateField(null=True, blank=True, editable=False)
    whole_began_at = models.DateTimeField(null=True, blank=True, editable=False)
    whole_through = models.DateField(_("read up to"), null=True, blank=True, editable=False)
    # Tags that toggbill gives entries itself, or once gave: they are no word of a person's, and are not mirrored. Set
    # by whoever bills the workspace.
    own_tags = models.JSONField(default=list, blank=True, editable=False)

    objects: ClassVar[WorkspaceManager[Workspace]] = WorkspaceManager()

    class Meta:
        verbose_name = _("workspace")
        verbose_name_plural = _("workspaces")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["firm", "remote_id"], name="workspace_once"),
            models.CheckConstraint(
                condition=models.Q(whole_from__isnull=True, whole_began_at__isnull=True, whole_through__isnull=True)
                | models.Q(whole_from__isnull=False, whole_began_at__isnull=False, whole_through__isnull=False),
                name="workspace_whole_reading_has_its_facts",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def history_through(self) -> date | None:
        """While the first reading goes on: the day up to which it has come; None before and after."""
        return None if self.reread_at is not None else self.whole_through


class Client(FirmOwned):
    """A Toggl client, mirrored."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="clients", verbose_name=_("workspace")
    )
    remote_id = models.BigIntegerField(_("Toggl id"))
    name = models.CharField(_("name"), max_length=500)
    is_archived = models.BooleanField(_("archived"), default=False)
    deleted_at = models.DateTimeField(_("gone from Toggl"), null=True, blank=True)

    objects: ClassVar[ClientManager[Client]] = ClientManager()

    class Meta:
        verbose_name = _("Toggl client")
        verbose_name_plural = _("Toggl clients")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["workspace", "remote_id"], name="client_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Project(FirmOwned):
    """A Toggl project, mirrored."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="projects", verbose_name=_("workspace")
    )
    remote_id = models.BigIntegerField(_("Toggl id"))
    name = models.CharField(_("name"), max_length=500)
    client_remote_id = models.BigIntegerField(_("Toggl client"), null=True, blank=True)
    # The client that was deleted in Toggl while the project had it; empty again once it has another.
    last_client_remote_id = models.BigIntegerField(null=True, blank=True, editable=False)
    is_active = models.BooleanField(_("active"), default=True)
    # Where the plan knows estimates; the books do not depend on it.
    estimated_seconds = models.BigIntegerField(_("estimated seconds"), null=True, blank=True)
    deleted_at = models.DateTimeField(_("gone from Toggl"), null=True, blank=True)

    objects: ClassVar[ProjectManager[Project]] = ProjectManager()

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["workspace", "remote_id"], name="project_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Entry(FirmOwned):
    """A Toggl time entry, mirrored. ``seconds``: 0 while running, the latest known when deleted."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.PROTECT, related_name="entries", verbose_name=_("workspace")
    )
    remote_id = models.BigIntegerField(_("Toggl id"))
    started_at = models.DateTimeField(_("start"))
    stopped_at = models.DateTimeField(_("stop"), null=True, blank=True)
    seconds = models.IntegerField(_("seconds"))
    is_running = models.BooleanField(_("running"), default=False)
    description = models.TextField(_("description"), blank=True)
    project_remote_id = models.BigIntegerField(_("project"), null=True, blank=True)
    # The project that was deleted in Toggl while the entry had it; empty again once it has another.
    last_project_remote_id = models.BigIntegerField(null=True, blank=True, editable=False)
    person_remote_id = models.BigIntegerField(_("person"))
    person_name = models.CharField(_("name of the person"), max_length=250, blank=True)
    billable = models.BooleanField(_("billable"), default=False)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    # Tags that were deleted, or got another name, in Toggl while the entry had them; none once it is tagged anew.
    last_tags = models.JSONField(default=list, blank=True, editable=False)
    changed_at = models.DateTimeField(_("changed in Toggl"))
    deleted_at = models.DateTimeField(_("gone from Toggl"), null=True, blank=True)
    # Set when a change may alter what the books say of the entry; cleared by whoever re-derives it.
    marked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[EntryManager[Entry]] = EntryManager()

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["workspace", "remote_id"], name="entry_once"),
            models.CheckConstraint(condition=models.Q(seconds__gte=0), name="entry_seconds_not_negative"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["workspace", "started_at"], name="entry_by_start"),
            # An entry that is moved to another workspace keeps its id.
            models.Index(fields=["firm", "remote_id"], name="entry_by_id"),
            # `ledger.derive` asks for the marked ones at each tick.
            models.Index(fields=["workspace"], name="entry_marked", condition=models.Q(marked_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.remote_id}"


class Company(FirmOwned):
    """A Billit company (its PartyID) that a connection can bill for."""

    connection = models.ForeignKey(
        Connection, on_delete=models.PROTECT, related_name="companies", verbose_name=_("connection")
    )
    party_id = models.BigIntegerField(_("Billit PartyID"))
    name = models.CharField(_("name"), max_length=250)
    vat_number = models.CharField(_("VAT number"), max_length=30, blank=True)
    api_allowed = models.BooleanField(_("Billit lets the API in"), default=True)
    # As it stands in Billit: the scheme of small enterprises (VAT code, art. 56bis).
    small_enterprise = models.BooleanField(_("charges no VAT (small enterprise)"), default=False)
    sending_open = models.BooleanField(_("Billit lets it send"), default=True)
    next_sync_at = models.DateTimeField(_("next sync"), null=True, blank=True, db_index=True)
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    synced_at = models.DateTimeField(_("latest sync"), null=True, blank=True)
    # Billit said that orders of the company changed: whoever posted some reads them from then on, and clears it.
    orders_due_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    # Set when products or customers changed; cleared by whoever re-derives the entries that the company bills.
    marked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[CompanyManager[Company]] = CompanyManager()

    class Meta:
        verbose_name = _("company")
        verbose_name_plural = _("companies")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["firm", "party_id"], name="company_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Product(FirmOwned):
    """A Billit product, mirrored: its price (euro, excluding VAT) and VAT rate (percent) are frozen at drafting."""

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="products", verbose_name=_("company"))
    remote_id = models.BigIntegerField(_("Billit id"))
    reference = models.CharField(_("reference"), max_length=200, blank=True)
    description = models.TextField(_("description"), blank=True)
    price = models.DecimalField(_("price excl. VAT"), max_digits=16, decimal_places=6, null=True, blank=True)
    vat_rate = models.DecimalField(_("VAT rate"), max_digits=6, decimal_places=2, null=True, blank=True)
    deleted_at = models.DateTimeField(_("gone from Billit"), null=True, blank=True)

    objects: ClassVar[ProductManager[Product]] = ProductManager()

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["company", "remote_id"], name="product_once"),
        ]

    def __str__(self) -> str:
        return self.reference or self.description


class ProductPrice(FirmOwned):
    """A price of a product (euro, excluding VAT; None for none) and the firm's local day on which it was first seen.

    It is in force from that day on, until the next one; the earliest one before its day, too, as nothing else is known.
    """

    product = models.ForeignKey(Product, on_delete=models.CASCADE, related_name="prices", verbose_name=_("product"))
    price = models.DecimalField(_("price excl. VAT"), max_digits=16, decimal_places=6, null=True, blank=True)
    since = models.DateField(_("in force since"))

    class Meta:
        verbose_name = _("price of a product")
        verbose_name_plural = _("prices of products")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["product", "since"], name="product_price_once_a_day"),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.since}"


class Customer(FirmOwned):
    """A Billit party with PartyType Customer, mirrored. ``vat_number`` and ``country`` stand as Billit gives them."""

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="customers", verbose_name=_("company"))
    party_id = models.BigIntegerField(_("Billit PartyID"))
    name = models.CharField(_("name"), max_length=500, blank=True)
    vat_number = models.CharField(_("VAT number"), max_length=60, blank=True)
    email = models.CharField(_("e-mail"), max_length=500, blank=True)
    country = models.CharField(_("country"), max_length=60, blank=True)
    language = models.CharField(_("language"), max_length=20, blank=True)
    deleted_at = models.DateTimeField(_("gone from Billit"), null=True, blank=True)

    objects: ClassVar[CustomerManager[Customer]] = CustomerManager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["company", "party_id"], name="customer_once"),
        ]

    def __str__(self) -> str:
        return self.name
