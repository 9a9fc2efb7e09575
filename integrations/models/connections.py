"""Connections with their secrets, and how often a service may be asked through them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from integrations.clients.http.failures import Code
from integrations.models.encryption import EncryptedTextField
from toggbill.firms.models import FirmOwned, FirmQuerySet

NOT_PAUSED = models.Q(paused_at__isnull=True)
"""Of connections: no person paused it."""


def served_through(path: str) -> models.Q:
    """Workers may use the connection that ``path`` ("", "connection__", ...) leads to: no person paused it, and its
    credential was not refused."""
    refused = models.Q(**{f"{path}failure": Connection.Failure.CREDENTIALS})
    return models.Q(**{f"{path}paused_at__isnull": True}) & ~refused


class ConnectionQuerySet(FirmQuerySet["Connection"]):
    """Connections."""

    def served(self) -> Self:
        """Those that workers may use; the others wait for a person."""
        return self.filter(served_through(""))

    def refused(self) -> Self:
        """Those whose sign-in is lost or whose credential was refused: a person has to give them another."""
        refused = models.Q(failure=Connection.Failure.CREDENTIALS)
        return self.filter(models.Q(sign_in_lost_at__isnull=False) | refused)

    def standing(self) -> Self:
        """All but the removed ones."""
        return self.filter(removed_at__isnull=True)


ConnectionManager = models.Manager.from_queryset(ConnectionQuerySet)


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

    WORKS: ClassVar[Mapping[str, Any]] = {"failure": Failure.NONE, "failure_code": "", "failure_facts": {}}
    """The columns of one whose latest call worked."""

    service = models.CharField(_("service"), max_length=8, choices=Service)
    key = models.SlugField(_("short name"), max_length=50)
    method = models.CharField(_("by"), max_length=8, choices=Method, default=Method.KEY)
    secret = EncryptedTextField(_("token or key"), blank=True)
    refresh_secret = EncryptedTextField(blank=True, default="", editable=False)
    expires_at = models.DateTimeField(_("access token expires"), null=True, blank=True, editable=False)
    # Since when a renewal is under way whose answer is not stored: set before Billit is asked, cleared with the answer.
    renewing_since = models.DateTimeField(null=True, blank=True, editable=False)
    # Until when the renewal is one worker's, while it asks Billit without a lock.
    renewal_until = models.DateTimeField(null=True, blank=True, editable=False)
    # Billit takes the refresh token no more: the access token is used to its end, and a person has to sign in again.
    sign_in_lost_at = models.DateTimeField(_("sign-in lost"), null=True, blank=True, editable=False)
    accept_partial = models.BooleanField(_("accept a token that is not an admin's"), default=False)
    owner_name = models.CharField(_("whose credential"), max_length=200, blank=True)
    timezone = models.CharField(_("time zone at Toggl"), max_length=64, blank=True)
    paused_at = models.DateTimeField(_("paused"), null=True, blank=True)
    # Its secrets are gone, and what was read or billed through it stays.
    removed_at = models.DateTimeField(_("removed"), null=True, blank=True, editable=False)
    failure = models.CharField(_("state"), max_length=12, choices=Failure, default=Failure.NONE)
    # The latest error: a code of `clients.failures` with its facts, worded by `connections.failures`.
    failure_code = models.CharField(_("latest error"), max_length=40, blank=True)
    failure_facts = models.JSONField(default=dict, blank=True, editable=False)
    # When the owners and managers were told by mail that it does not work any more; empty again with a new credential.
    told_at = models.DateTimeField(null=True, blank=True, editable=False)
    latest_ok_at = models.DateTimeField(_("latest good call"), null=True, blank=True)
    # The circuit: failures in a row, and until when workers leave the connection alone.
    failures = models.PositiveIntegerField(_("failures in a row"), default=0, editable=False)
    rest_until = models.DateTimeField(_("left alone until"), null=True, blank=True, editable=False)
    # The moment from which the next request may leave: requests of all workers are spaced by it.
    next_request_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects: ClassVar[ConnectionManager[Connection]] = ConnectionManager()

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
            models.CheckConstraint(
                condition=models.Q(sign_in_lost_at__isnull=True) | models.Q(method="sign_in", refresh_secret=""),
                name="connection_lost_is_not_renewed",
            ),
            models.CheckConstraint(
                condition=models.Q(failure_code__in=["", *sorted(map(str, Code))]), name="connection_known_code"
            ),
            models.CheckConstraint(
                condition=~models.Q(failure="none") | models.Q(failure_code=""), name="connection_works_without_failure"
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
