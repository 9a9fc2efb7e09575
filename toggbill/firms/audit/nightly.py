"""Each night the heads of all firms are signed, put into a file, and mailed to the owners who want them."""

from __future__ import annotations

import logging
from datetime import datetime

from django.conf import settings
from django.core.mail import send_mail
from django.utils import translation
from django.utils.translation import gettext as _

from toggbill.firms.audit import anchors
from toggbill.firms.models import Membership

_log = logging.getLogger(__name__)


def sign_heads(*, now: datetime) -> anchors.Json | None:
    """Append the line of the day (UTC) and mail its heads; gives the line.

    None when it is written already, or no ``AUDIT_SIGNING_KEY`` is set. Raises OSError when the file cannot be written.
    """
    if not settings.AUDIT_SIGNING_KEYS or not anchors.is_due(file=settings.ANCHORS_FILE, now=now):
        return None
    line = anchors.append(
        file=settings.ANCHORS_FILE,
        keys=settings.AUDIT_SIGNING_KEYS,
        timestamp_url=settings.TIMESTAMP_URL,
        now=now,
    )
    if line is not None:
        mail_heads(line)
    return line


def mail_heads(line: anchors.Json) -> None:
    """Tell each owner who wants it the head of their firm alone. One that cannot be mailed stops no other."""
    wanting = Membership.objects.filter(wants_heads=True, role=Membership.Role.OWNER, user__is_active=True)
    for row in wanting.select_related("firm", "user").order_by("pk"):
        told = anchors.statement(line, row.firm.slug)
        if told is None:
            continue
        with translation.override(row.firm.language):
            title = _("Audit log of %(firm)s: event %(number)s") % {"firm": row.firm.name, "number": told["number"]}
            body = _(
                "Hello,\n\n"
                "tonight the audit log of %(firm)s ended with event %(number)s. Keep this mail: with it anybody can "
                "show that nothing up to that event was changed since, whoever runs the database.\n\n"
                "%(statement)s\n\n"
                "How to check it stands in toggbill's README. You get this mail because you asked for it on the page "
                "“Members”; there you can also end it.\n"
            ) % {"firm": row.firm.name, "number": told["number"], "statement": anchors.canonical(told)}
        try:
            send_mail(title, body, settings.DEFAULT_FROM_EMAIL, [row.user.email])
        except OSError as error:
            _log.warning("The head of firm %s could not be mailed: %s", row.firm.slug, type(error).__name__)
