"""How a person becomes a member of a firm: added by the operator or an owner, or invited by mail and accepting."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.models import EmailAddress
from allauth.account.utils import user_pk_to_url_str
from anymail.exceptions import AnymailError
from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from toggbill.firms import mails
from toggbill.firms.access import demand_of_firm, dossiers_of
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.changes import Outcome
from toggbill.firms.errors import NotPossible
from toggbill.firms.identity.addresses import account_with, further_addresses, has_address, subject
from toggbill.firms.locks import lock_firm
from toggbill.firms.membership import members
from toggbill.firms.models import Firm, Invitation, Membership, MembershipDossier, User
from toggbill.firms.read import Figures, Read, check

VALID = timedelta(days=7)


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
    other firms too; except when nobody ever proved that the address is theirs (``forget_unproven``). Raises NotPossible
    as ``members.change_role`` does: a firm keeps an owner; NotAllowed for whoever is no owner.
    """
    email = email.strip().lower()
    lock_firm(firm)
    demand_of_firm(by, "members", firm)
    user = account_with(email)
    if user is None:
        user = User.objects.create_user(email, password)
    else:
        forget_unproven(user)
        email = user.email
    membership, joined = Membership.objects.get_or_create(firm=firm, user=user, defaults={"role": role})
    outcome: Outcome = "unchanged"
    to_invite = joined and not user.has_usable_password()
    if joined:
        outcome = "created"
        event = News("member_invited" if to_invite else "member_joined", subject(email), {"role": role})
        record(firm=firm, news=[event], by=by, now=now)
        Invitation.objects.waiting().filter(firm=firm, email__in=[email, *further_addresses(user)]).delete()
        members.refresh_staff(user)
    elif membership.role != role:
        members.change_role(membership=membership, role=role, by=by, now=now)
        membership.refresh_from_db()
        outcome = "updated"
    return Joining(membership, outcome, to_invite)


def forget_unproven(user: User) -> None:
    """Take the password from an account that signed up but never proved its address.

    Else whoever signed up with somebody else's address would keep a way in once its owner is made a member.
    """
    addresses = EmailAddress.objects.filter(user=user)
    if addresses.exists() and not addresses.filter(verified=True).exists():
        user.set_unusable_password()
        user.asked_firm = ""
        user.save(update_fields=["password", "asked_firm"])
        addresses.delete()


def mail_invitation(*, firm: Firm, user: User) -> None:
    """Send a member without a password the link to choose one, in the firm's language. After the commit, at the edge.

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
        title = _("Your account at toggbill for %(firm)s") % {"firm": firm.name}
    send_mail(_one_line(title), body, settings.DEFAULT_FROM_EMAIL, [user.email])


def forgotten_password_url() -> str:
    """Where a person asks for a link to choose a password."""
    return f"{settings.PUBLIC_URL}{reverse('account_reset_password')}"


def _one_line(title: str) -> str:
    # A name of several lines would be a header of its own.
    return " ".join(title.split())


# --- invitations that a person accepts ------------------------------------------------------------------------------


@transaction.atomic
def invite(
    *, firm: Firm, email: str, role: str, dossiers: Iterable[Any] | None = None, by: Actor, now: datetime
) -> tuple[Invitation, str]:
    """Invite a person; returns the invitation and the token of its link, which is stored nowhere.

    ``dossiers``: those that the member will see; None: all. Raises NotPossible when the person is a member already,
    or is invited already (resend that invitation, or revoke it), or for an owner who would see only some dossiers;
    NotAllowed for whoever is no owner.
    """
    email = email.strip().lower()
    lock_firm(firm)
    demand_of_firm(by, "members", firm)
    known = account_with(email)
    if known is not None and Membership.objects.filter(firm=firm, user=known).exists():
        raise NotPossible(_("%(email)s is a member already.") % {"email": email})
    if Invitation.objects.waiting().filter(firm=firm, email=email).exists():
        raise NotPossible(
            _("%(email)s is invited already: send the invitation again, or revoke it.") % {"email": email}
        )
    keys = None if dossiers is None else sorted(dossier.key for dossier in dossiers)
    if keys is not None and role == Membership.Role.OWNER:
        raise NotPossible(_("An owner sees every dossier: give the member another role first."))
    token = secrets.token_urlsafe(32)
    row = Invitation.objects.create(
        firm=firm,
        email=email,
        role=role,
        is_restricted=keys is not None,
        dossiers=keys or [],
        token_hash=_hash(token),
        invited_by=by.name,
        invited_at=now,
        expires_at=now + VALID,
    )
    data = {"role": role, "dossiers": keys}
    record(firm=firm, news=[News("member_invited", subject(email), data)], by=by, now=now)
    return row, token


@transaction.atomic
def renew(*, invitation: Invitation, by: Actor, now: datetime, read: Read | None = None) -> str:
    """A new link for an open invitation; the old one is dead. Returns its token. Raises NotPossible once it is gone,
    and as the verbs of ``members`` do."""
    row = _as_read(invitation, by, read)
    token = secrets.token_urlsafe(32)
    row.token_hash, row.invited_at, row.expires_at = _hash(token), now, now + VALID
    row.save(update_fields=["token_hash", "invited_at", "expires_at"])
    data = {"role": row.role, "again": True}
    record(firm=row.firm, news=[News("member_invited", subject(row.email), data)], by=by, now=now)
    return token


@transaction.atomic
def revoke(*, invitation: Invitation, by: Actor, now: datetime, read: Read | None = None) -> None:
    """Take an open invitation back. Raises NotPossible once it is gone, and as the verbs of ``members`` do."""
    row = _as_read(invitation, by, read)
    news = News("member_invitation_revoked", subject(row.email), {"role": row.role})
    row.delete()
    record(firm=row.firm, news=[news], by=by, now=now)


def as_read(row: Invitation) -> Figures:
    """What the page of members shows of an invitation: role, dossiers by their short names, its end."""
    shown = {
        "description": row.email,
        "role": row.role,
        "dossiers": row.dossiers if row.is_restricted else members.ALL,
        "valid_until": row.expires_at.isoformat(),
    }
    return Figures.of(f"invitation {row.email}", shown)


def _as_read(invitation: Invitation, by: Actor, read: Read | None) -> Invitation:
    row = _locked(invitation)
    demand_of_firm(by, "members", row.firm)
    check(read, lambda: [as_read(row)], by=by)
    return row


def _locked(invitation: Invitation) -> Invitation:
    lock_firm(invitation.firm)
    row = Invitation.objects.select_related("firm").filter(pk=invitation.pk).first()
    if row is None:
        raise NotPossible(_("The invitation of %(email)s is gone.") % {"email": invitation.email})
    if row.accepted_at is not None:
        raise NotPossible(_("%(email)s is a member already.") % {"email": row.email})
    return row


def find(token: str, *, now: datetime) -> Invitation | None:
    """The open invitation behind a link; None when it is unknown, used, revoked or too old."""
    rows = Invitation.objects.waiting().select_related("firm").filter(expires_at__gt=now)
    return rows.filter(token_hash=_hash(token)).first()


def account_of(invitation: Invitation) -> User | None:
    """The account that the invited person can sign in with. None: the person chooses a password with the invitation."""
    user = account_with(invitation.email)
    if user is None or not user.has_usable_password():
        return None
    addresses = EmailAddress.objects.filter(user=user)
    unproven = addresses.exists() and not addresses.filter(verified=True).exists()
    return None if unproven else user


@transaction.atomic
def accept_as_new(*, invitation: Invitation, name: str, password: str, origin: str, now: datetime) -> User:
    """The invited person, without an account to sign in with, chooses a password and joins.

    The mailed link proves the address. Raises NotPossible when there is an account, or the invitation is used.
    """
    row = _open(invitation, now)
    if account_of(row) is not None:
        raise NotPossible(_("There is an account for %(email)s: sign in with it.") % {"email": row.email})
    user = account_with(row.email) or User(email=row.email)
    user.name, user.asked_firm = name.strip() or user.name, ""
    user.set_password(password)
    user.save()
    addresses = EmailAddress.objects.filter(user=user)
    addresses.filter(verified=False).delete()
    proven = {"verified": True} if addresses.filter(primary=True).exists() else {"verified": True, "primary": True}
    EmailAddress.objects.update_or_create(user=user, email=row.email, defaults=proven)
    _join(row, user, origin=origin, now=now)
    return user


@transaction.atomic
def accept(*, invitation: Invitation, user: User, origin: str, now: datetime) -> None:
    """A person who is signed in joins. Raises NotPossible unless the invitation is open and to an address of theirs."""
    row = _open(invitation, now)
    if not has_address(user, row.email):
        raise NotPossible(
            _("The invitation is for %(invited)s, and you are signed in as %(email)s.")
            % {"invited": row.email, "email": user.email}
        )
    _join(row, user, origin=origin, now=now)


def _open(invitation: Invitation, now: datetime) -> Invitation:
    lock_firm(invitation.firm)
    rows = Invitation.objects.waiting().select_related("firm")
    row = rows.filter(pk=invitation.pk, token_hash=invitation.token_hash).first()
    if row is None or row.expires_at <= now:
        raise NotPossible(_("This invitation no longer works. Ask for a new one."))
    return row


def _join(row: Invitation, user: User, *, origin: str, now: datetime) -> None:
    member, joined = Membership.objects.get_or_create(
        firm=row.firm, user=user, defaults={"role": row.role, "is_restricted": row.is_restricted}
    )
    if joined and row.is_restricted:
        named = dossiers_of(row.firm).filter(key__in=row.dossiers)
        MembershipDossier.objects.bulk_create(
            MembershipDossier(firm=row.firm, membership=member, dossier=dossier) for dossier in named
        )
    row.accepted_at = now
    row.save(update_fields=["accepted_at"])
    data = {"role": member.role, "invited_by": row.invited_by}
    record(
        firm=row.firm,
        news=[News("member_joined", subject(user.email), data)],
        by=Actor.person(user, origin),
        now=now,
    )
    members.refresh_staff(user)


def mail_link(*, invitation: Invitation, token: str) -> None:
    """Send the link of an invitation, in the firm's language. After the commit, at the edge. Raises OSError."""
    firm = invitation.firm
    facts = {
        "by": invitation.invited_by,
        "role": invitation.get_role_display,
        "link": settings.PUBLIC_URL + reverse("invitation", kwargs={"token": token}),
    }
    with translation.override(firm.language):
        title = _("%(firm)s invites you to toggbill") % {"firm": firm.name}
        mail = mails.write_to(
            invitation.email, kind=mails.Kind.INVITATION, firm=firm, language=firm.language, title=title, facts=facts
        )
    try:
        mails.send([mail])
    except AnymailError as error:
        raise OSError(str(error)) from error


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
