"""The e-mail addresses of an account: whose an address is, and what follows when the one of an account changes."""

from __future__ import annotations

from datetime import datetime

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from toggbill.firms.audit import Actor, News, record
from toggbill.firms.errors import NotPossible
from toggbill.firms.locks import lock_firms
from toggbill.firms.models import Firm, Invitation, Membership, User


def subject(email: str) -> str:
    """What an event about a member is about, within the column's width."""
    return f"member {email}"[:200]


def account_with(email: str) -> User | None:
    """The account that signs in with an address, or that has proven it as a further one."""
    email = email.strip().lower()
    user = User.objects.filter(email=email).first()
    if user is None:
        row = EmailAddress.objects.filter(email=email, verified=True).select_related("user").first()
        user = None if row is None else row.user
    return user


def has_address(user: User, email: str) -> bool:
    """Whether the account signs in with an address, or has proven it."""
    return user.email.lower() == email or email in further_addresses(user)


def further_addresses(user: User) -> list[str]:
    """The proven addresses of an account, that of its sign-in among them."""
    return list(EmailAddress.objects.filter(user=user, verified=True).values_list("email", flat=True))


def vouch_for(user: User) -> None:
    """Put the address that a firm or the operator gave an account on record: they vouch for it.

    Two sign-ins at once put it there once. An address that another account has proven stays that account's.
    """
    if EmailAddress.objects.filter(user=user).exists():
        return
    try:
        with transaction.atomic():
            EmailAddress.objects.get_or_create(
                user=user, email=user.email.lower(), defaults={"verified": True, "primary": True}
            )
    except IntegrityError:  # proven by another account: the mailed link decides whose it is
        return


@transaction.atomic
def change_address(*, user: User, email: str, by: Actor, now: datetime) -> str:
    """Give an account another address to sign in with; returns the old one, which the caller tells by mail.

    For the operator, who vouches for it; a member does it on the pages of the account. Raises NotPossible when another
    account has the address.
    """
    old, email = user.email, email.strip().lower()
    lock_firms_of(user)
    other = account_with(email)
    if other is not None and other.pk != user.pk:
        raise NotPossible(_("Another account has this address: choose another one."))
    EmailAddress.objects.filter(user=user, email__in=[old, email]).delete()
    EmailAddress.objects.filter(user=user, primary=True).update(primary=False)
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    user.email = email
    user.save(update_fields=["email"])
    address_changed(user=user, old=old, by=by, now=now)
    return old


@transaction.atomic
def address_changed(*, user: User, old: str, by: Actor, now: datetime) -> None:
    """Write into the log of each firm of the person that the address to sign in with is another one.

    The invitations that the person sent, and that are open, are theirs under the new address as well.
    """
    news = News("member_email_changed", subject(old), {"old": old, "new": user.email})
    tell_firms(user=user, news=news, by=by, now=now)
    Invitation.objects.waiting().filter(invited_by=old).update(invited_by=user.email)


@transaction.atomic
def tell_firms(*, user: User, news: News, by: Actor, now: datetime) -> None:
    """Write an event about an account into the log of each firm that the person works for."""
    lock_firms_of(user)
    for firm in Firm.objects.filter(memberships__user=user).order_by("pk"):
        record(firm=firm, news=[news], by=by, now=now)


def lock_firms_of(user: User) -> None:
    """Lock the firms that a person works for, before the account and what hangs on it (``firms.locks``)."""
    lock_firms(Membership.objects.filter(user=user).values_list("firm", flat=True))
