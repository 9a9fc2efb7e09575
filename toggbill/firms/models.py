"""Users, firms and memberships; the fence (``FirmOwned``) that every row of the product stands behind; audit events."""

from __future__ import annotations

from typing import Any, ClassVar, Self, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _


class UserManager(BaseUserManager["User"]):
    """Makes users who sign in with their e-mail address."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user; without a password the account waits for its owner to choose one."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user of the operator, who sees every firm in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in."""

    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=150, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("may use the admin"), default=False)
    joined_at = models.DateTimeField(_("joined"), auto_now_add=True)
    # Chosen on a page; mails are written in it, else in the firm's (``mails``).
    language = models.CharField(max_length=2, blank=True, default="", editable=False)
    # The name of the firm that a stranger asked for: made once the address is proven, "" from then on.
    asked_firm = models.CharField(max_length=200, blank=True, default="", editable=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")

    def __str__(self) -> str:
        return self.email


def _known_timezone(value: str) -> None:
    if value not in available_timezones():
        raise ValidationError(
            _("“%(zone)s” is not a time zone. Use a name such as Europe/Brussels."), params={"zone": value}
        )


class Firm(models.Model):
    """The tenant: an accounting office. Everything belongs to exactly one firm."""

    slug = models.SlugField(_("short name"), unique=True)
    name = models.CharField(_("name"), max_length=200)
    timezone = models.CharField(_("time zone"), max_length=64, default="Europe/Brussels", validators=[_known_timezone])
    language = models.CharField(
        _("language"),
        max_length=2,
        default="fr",
        choices=[("en", _("English")), ("fr", _("French")), ("nl", _("Dutch"))],
    )
    requires_mfa = models.BooleanField(
        _("two steps for everybody"),
        default=False,
        help_text=_("A member without a second step to sign in sets one up before anything else."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    # The firm left: its secrets are destroyed, and its books are only read from then on (``audit.record`` sees to it).
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True, editable=False)
    # When owners and managers are told next what goes out by itself (``invoicing.due.mails.digests``).
    digest_due_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    # When the budgets are looked at next, each morning (``invoicing.due.mails.budget_mails``).
    budgets_due_at = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    # The head of the audit chain (design section 9).
    audit_number = models.PositiveBigIntegerField(default=0, editable=False)
    audit_hash = models.CharField(max_length=64, default="0" * 64, editable=False)
    # The latest event of code that made some moves without one: ``invoicing.ledger.audit_trail``.
    audit_silent_through = models.PositiveBigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("firm")
        verbose_name_plural = _("firms")

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The firm's time zone: days, cut-offs and schedules are counted in it."""
        return ZoneInfo(self.timezone)


_Row = TypeVar("_Row", bound=models.Model, covariant=True)


class FirmQuerySet(models.QuerySet[_Row]):
    """Rows that belong to firms."""

    def for_firm(self, firm: Firm) -> Self:
        """The rows of one firm only."""
        return self.filter(firm=firm)


class FirmOwned(models.Model):
    """A row that belongs to exactly one firm. A firm with rows cannot be deleted: books are kept ten years."""

    firm = models.ForeignKey(Firm, on_delete=models.PROTECT, related_name="+", verbose_name=_("firm"))

    objects = FirmQuerySet.as_manager()

    class Meta:
        abstract = True


class Membership(FirmOwned):
    """A user with a role in a firm."""

    class Role(models.TextChoices):
        """What a member may do; the table is in ``access``."""

        OWNER = "owner", _("owner")
        MANAGER = "manager", _("manager")
        BOOKKEEPER = "bookkeeper", _("bookkeeper")
        VIEWER = "viewer", _("viewer")

    firm = models.ForeignKey(Firm, on_delete=models.PROTECT, related_name="memberships", verbose_name=_("firm"))
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("user"))
    role = models.CharField(_("role"), max_length=12, choices=Role)
    # Said by itself, not by the presence of rows: a restricted member without a dossier sees none, instead of all.
    is_restricted = models.BooleanField(_("only the named dossiers"), default=False)
    # Which mails the member gets (``mails.Kind``); chosen on a page of the member's own.
    mails_drafts = models.BooleanField(_("mail: drafts are waiting"), default=True)
    mails_connection = models.BooleanField(_("mail: a connection does not work"), default=True)
    mails_delivery = models.BooleanField(_("mail: an invoice does not arrive"), default=True)
    mails_budgets = models.BooleanField(_("mail: a budget is used up"), default=True)
    mails_week = models.BooleanField(_("mail: what goes out this week"), default=True)
    # Of an owner: see ``audit.nightly``.
    wants_heads = models.BooleanField(_("gets the audit log’s head by mail each night"), default=False)

    class Meta:
        verbose_name = _("member")
        verbose_name_plural = _("members")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["firm", "user"], name="membership_once"),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "manager", "bookkeeper", "viewer"]), name="membership_role"
            ),
            models.CheckConstraint(
                condition=models.Q(is_restricted=False) | ~models.Q(role="owner"), name="membership_owner_sees_all"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}@{self.firm_id}: {self.role}"


class MembershipDossier(FirmOwned):
    """A dossier that a restricted member may see. The rows count only while ``Membership.is_restricted``."""

    membership = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="named", verbose_name=_("member"))
    # By name: the floor does not import what stands on it.
    dossier = models.ForeignKey(
        "invoicing.Dossier", on_delete=models.CASCADE, related_name="+", verbose_name=_("dossier")
    )

    class Meta:
        verbose_name = _("dossier of a member")
        verbose_name_plural = _("dossiers of members")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["membership", "dossier"], name="member_dossier_once"),
        ]

    def __str__(self) -> str:
        return f"{self.membership_id}: {self.dossier_id}"


class InvitationQuerySet(FirmQuerySet["Invitation"]):
    """Invitations."""

    def waiting(self) -> Self:
        """Those that nobody accepted yet."""
        return self.filter(accepted_at__isnull=True)


InvitationManager = models.Manager.from_queryset(InvitationQuerySet)


class Invitation(FirmOwned):
    """An invitation by e-mail to become a member. The link's token is mailed once; only its hash is kept."""

    email = models.EmailField(_("e-mail"))
    role = models.CharField(_("role"), max_length=12, choices=Membership.Role)
    is_restricted = models.BooleanField(_("only the named dossiers"), default=False)
    # Short names of dossiers; they never change (design section 10).
    dossiers = models.JSONField(_("dossiers"), default=list, blank=True)
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.CharField(_("invited by"), max_length=254)
    invited_at = models.DateTimeField(_("invited"))
    expires_at = models.DateTimeField(_("valid until"))
    accepted_at = models.DateTimeField(_("accepted"), null=True, blank=True)

    objects: ClassVar[InvitationManager[Invitation]] = InvitationManager()

    class Meta:
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["firm", "email"], condition=models.Q(accepted_at__isnull=True), name="invitation_once"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "manager", "bookkeeper", "viewer"]), name="invitation_role"
            ),
            models.CheckConstraint(
                condition=models.Q(is_restricted=False) | ~models.Q(role="owner"), name="invitation_owner_sees_all"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email}: {self.role}"


class AuditEvent(FirmOwned):
    """One event of a firm's audit log (design section 9): append-only, numbered without a gap, chained by hashes."""

    number = models.PositiveBigIntegerField(_("number"))
    at = models.DateTimeField(_("when"))
    actor = models.CharField(_("who"), max_length=254)
    origin = models.CharField(_("from where"), max_length=100)
    type = models.CharField(_("what"), max_length=60)
    subject = models.CharField(_("on what"), max_length=200)
    data = models.JSONField(_("details"), default=dict)
    hash = models.CharField(_("hash"), max_length=64)

    class Meta:
        verbose_name = _("audit event")
        verbose_name_plural = _("audit events")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["firm", "number"], name="audit_number_once"),
            models.CheckConstraint(condition=models.Q(number__gte=1), name="audit_number_from_one"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["firm", "subject"], name="audit_by_subject"),
            models.Index(fields=["firm", "type", "at"], name="audit_by_type"),
        ]

    def __str__(self) -> str:
        return f"{self.firm_id}/{self.number} {self.type}"
