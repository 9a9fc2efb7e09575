"""How a person becomes a member of a firm, and how an invited one chooses a password."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from toggbill.firms.audit import Actor, News, record
from toggbill.firms.changes import Outcome, amend
from toggbill.firms.models import Firm, Membership, User

# Who sees the firm-scoped admin: the roles that configure the firm (``access``).
_STAFF = (Membership.Role.OWNER, Membership.Role.MANAGER)


@dataclass(frozen=True, slots=True)
class Joining:
    """What came of adding a member. ``to_invite``: the account has no password yet, so its owner is to be mailed."""

    membership: Membership
    outcome: Outcome
    to_invite: bool


@transaction.atomic
def add_member(*, firm: Firm, email: str, role: str, password: str | None = None, by: Actor, now: datetime) -> Joining:
    """Make a person a member with a role, or give a member another role (design section 9: joined, role changed).

    An account is made when the address has none: with the password, or without one, and then the caller sends
    ``mail_invitation`` after the commit. The password of an account that exists is never touched, since it may serve
    other firms too.
    """
    email = email.strip().lower()
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_user(email, password)
    membership, joined = Membership.objects.get_or_create(firm=firm, user=user, defaults={"role": role})
    outcome: Outcome = "unchanged"
    to_invite = joined and not user.has_usable_password()
    subject = f"member {email}"[:200]  # the column's width
    if joined:
        outcome = "created"
        event = News("member_invited" if to_invite else "member_joined", subject, {"role": role})
        record(firm=firm, news=[event], by=by, now=now)
    elif changed := amend(membership, {"role": role}):
        outcome = "updated"
        event = News("member_role_changed", subject, {"old": changed.old["role"], "new": changed.new["role"]})
        record(firm=firm, news=[event], by=by, now=now)
    leads = Membership.objects.filter(user=user, role__in=_STAFF).exists()
    amend(user, {"is_staff": leads or user.is_superuser})
    return Joining(membership, outcome, to_invite)


def mail_invitation(*, firm: Firm, user: User) -> None:
    """Send the invited person the link to choose a password, in the firm's language. After the commit, at the edge.

    The link is the one of a forgotten password, so it works once and for ``PASSWORD_RESET_TIMEOUT`` (three days).
    Raises OSError (of which SMTPException is one) when the mail cannot be handed over.
    """
    parts = {"uidb36": user_pk_to_url_str(user), "key": default_token_generator.make_token(user)}
    with translation.override(firm.language):
        body = _(
            "Hello,\n\n"
            "%(firm)s has made an account for you at toggbill, under the address %(email)s.\n"
            "Choose your password here:\n\n%(link)s\n\n"
            "If the link has expired, ask for a new one here:\n\n%(again)s\n"
        ) % {
            "firm": firm.name,
            "email": user.email,
            "link": settings.PUBLIC_URL + reverse("account_reset_password_from_key", kwargs=parts),
            "again": forgotten_password_url(),
        }
        # A name of several lines would be a header of its own.
        subject = " ".join((_("Your account at toggbill for %(firm)s") % {"firm": firm.name}).split())
    send_mail(subject, body, settings.DEFAULT_FROM_EMAIL, [user.email])


def forgotten_password_url() -> str:
    """Where a person asks for a link to choose a password."""
    return f"{settings.PUBLIC_URL}{reverse('account_reset_password')}"
