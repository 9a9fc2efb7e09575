"""What is stored of Toggl and Billit: connections with their secrets, and mirrors that only a sync writes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from integrations.encryption import EncryptedTextField
from toggbill.firms.models import FirmOwned


class Connection(FirmOwned):
    """A credential for Toggl (API token) or Billit (sign-in, or API key). The firm's, not the member's who added it.

    By sign-in (OAuth2) ``secret`` is the access token of the hour and ``refresh_secret`` what renews it, once.
    """

    class Service(models.TextChoices):
        """Which service the credential is for."""

        TOGGL = "toggl", "Toggl"
        BILLIT = "billit", "Billit"

    class Method(models.TextChoices):
        """How the firm got the credential."""

        KEY = "key", _("token or key")
        SIGN_IN = "sign_in", _("sign-in at Billit")

    class Failure(models.TextChoices):
        """Why the latest call failed, if it did."""

        NONE = "none", _("works")
        CREDENTIALS = "credentials", _("credential refused")
        REFUSED = "refused", _("refused")
        UNREACHABLE = "unreachable", _("not reachable")

    service = models.CharField(_("service"), max_length=8, choices=Service)
    key = models.SlugField(_("short name"), max_length=50)
    method = models.CharField(_("by"), max_length=8, choices=Method, default=Method.KEY)
    secret = EncryptedTextField(_("token or key"), blank=True)
    refresh_secret = EncryptedTextField(blank=True, default="", editable=False)
    expires_at = models.DateTimeField(_("access token expires"), null=True, blank=True, editable=False)
    # Since when a renewal is under way whose answer is not stored: set before Billit is asked, cleared with the answer.
    renewing_since = models.DateTimeField(null=True, blank=True, editable=False)
    accept_partial = models.BooleanField(_("accept a token that is not an admin's"), default=False)
    owner_name = models.CharField(_("whose credential"), max_length=200, blank=True)
    timezone = models.CharField(_("time zone at Toggl"), max_length=64, blank=True)
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    # Its secrets are gone, and what was read or billed through it stays.
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True, editable=False)
    failure = models.CharField(_("state"), max_length=12, choices=Failure, default=Failure.NONE)
    failure_text = models.TextField(_("latest error"), blank=True)
    latest_ok_at = models.DateTimeField(_("latest good call"), null=True, blank=True)
    # The circuit: failures in a row, and until when workers leave the connection alone.
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    rest_until = models.DateTimeField(_("left alone until"), null=True, blank=True, editable=False)
    # The moment from which the next request may leave: requests of all workers are spaced by it.
    next_request_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["firm", "service", "key"], name="connection_key_once"),
            models.CheckConstraint(condition=models.Q(service__in=["toggl", "billit"]), name="connection_service"),
            models.CheckConstraint(
                condition=models.Q(method="key", refresh_secret="", expires_at__isnull=True)
                | models.Q(method="sign_in", service="billit"),
                name="connection_method",
            ),
            models.CheckConstraint(
                condition=models.Q(removed_at__isnull=True)
                | models.Q(secret="", refresh_secret="", paused_at__isnull=False),
                name="connection_removed_has_no_secret",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_service_display()} {self.key}"


class Quota(FirmOwned):
    """What Toggl's latest answer said of an hourly budget: the user's own, or the user's in an organisation."""

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="quotas", verbose_name=_("connection")
    )
    organization_id = models.BigIntegerField(_("organisation"), default=0)  # 0: the user's own budget
    remaining = models.IntegerField(_("calls left"))
    resets_at = models.DateTimeField(_("resets"))

    class Meta:
        verbose_name = _("quota")
        verbose_name_plural = _("quotas")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["connection", "organization_id"], name="quota_once"),
        ]

    def __str__(self) -> str:
        return f"{self.connection_id}/{self.organization_id}: {self.remaining}"


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

    class Meta:
        verbose_name = _("workspace")
        verbose_name_plural = _("workspaces")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["firm", "remote_id"], name="workspace_once"),
        ]

    def __str__(self) -> str:
        return self.name


class Client(FirmOwned):
    """A Toggl client, mirrored."""

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="clients", verbose_name=_("workspace")
    )
    remote_id = models.BigIntegerField(_("Toggl id"))
    name = models.CharField(_("name"), max_length=500)
    is_archived = models.BooleanField(_("archived"), default=False)
    deleted_at = models.DateTimeField(_("gone from Toggl"), null=True, blank=True)

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
    is_active = models.BooleanField(_("active"), default=True)
    deleted_at = models.DateTimeField(_("gone from Toggl"), null=True, blank=True)

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
    person_remote_id = models.BigIntegerField(_("person"))
    person_name = models.CharField(_("name of the person"), max_length=250, blank=True)
    billable = models.BooleanField(_("billable"), default=False)
    tags = models.JSONField(_("tags"), default=list, blank=True)
    changed_at = models.DateTimeField(_("changed in Toggl"))
    deleted_at = models.DateTimeField(_("gone from Toggl"), null=True, blank=True)
    # Set when a change may alter what the books say of the entry; cleared by whoever re-derives it.
    marked_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("entry")
        verbose_name_plural = _("entries")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["workspace", "remote_id"], name="entry_once"),
            models.CheckConstraint(condition=models.Q(seconds__gte=0), name="entry_seconds_not_negative"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["workspace", "started_at"], name="entry_by_start"),
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
    next_sync_at = models.DateTimeField(_("next sync"), null=True, blank=True, db_index=True)
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    synced_at = models.DateTimeField(_("latest sync"), null=True, blank=True)
    # Billit said that orders of the company changed: whoever posted some reads them from then on, and clears it.
    orders_due_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    # Set when products or customers changed; cleared by whoever re-derives the entries that the company bills.
    marked_at = models.DateTimeField(null=True, blank=True, editable=False)

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

    class Meta:
        verbose_name = _("product")
        verbose_name_plural = _("products")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["company", "remote_id"], name="product_once"),
        ]

    def __str__(self) -> str:
        return self.reference or self.description


class Customer(FirmOwned):
    """A Billit party with PartyType Customer, mirrored. ``vat_number`` stands as Billit gives it."""

    company = models.ForeignKey(Company, on_delete=models.CASCADE, related_name="customers", verbose_name=_("company"))
    party_id = models.BigIntegerField(_("Billit PartyID"))
    name = models.CharField(_("name"), max_length=500, blank=True)
    vat_number = models.CharField(_("VAT number"), max_length=60, blank=True)
    email = models.CharField(_("e-mail"), max_length=500, blank=True)
    language = models.CharField(_("language"), max_length=20, blank=True)
    deleted_at = models.DateTimeField(_("gone from Billit"), null=True, blank=True)

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["company", "party_id"], name="customer_once"),
        ]

    def __str__(self) -> str:
        return self.name


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
