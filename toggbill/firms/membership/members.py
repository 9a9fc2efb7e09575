"""What an owner does with the members of a firm. Every step stands in the audit log; a firm keeps an owner.

What a person decides on is what was read (design D12): these verbs raise ``Changed`` where it is another by now,
``Unread`` where the form does not say what it showed, and ``NotAllowed`` for whoever is no owner when it is done.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from toggbill.firms.access import RIGHTS, demand_of_firm, dossiers_of
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.changes import amend, change_firm_as_read
from toggbill.firms.errors import NotPossible
from toggbill.firms.identity.addresses import further_addresses, subject
from toggbill.firms.locks import lock_firm
from toggbill.firms.mails import CHOOSABLE
from toggbill.firms.models import Firm, Invitation, InvitationQuerySet, Membership, MembershipDossier, User
from toggbill.firms.read import Figures, Read, check

_Role = Membership.Role
ALL = ["*"]
"""In figures, in place of the short names of dossiers: every one, also those to come."""


def is_only_owner(row: Membership) -> bool:
    """Whether the firm would be without an owner if this member were not one. One whose account is closed is none."""
    owners = Membership.objects.filter(firm=row.firm_id, role=_Role.OWNER)
    if row.pk not in owners.values_list("pk", flat=True):
        return False
    return not owners.filter(user__is_active=True).exclude(pk=row.pk).exists()


def refresh_staff(user: User) -> None:
    """The set-up (admin) is open to whoever may map in at least one firm, and to the operator."""
    maps = Membership.objects.filter(user=user, role__in=RIGHTS["map"].roles).exists()
    amend(user, {"is_staff": maps or user.is_superuser})


def as_read(row: Membership) -> Figures:
    """What the page of a member shows: the role, and the dossiers by their short names (``ALL``: every one)."""
    named = restriction(row)
    shown = {"description": row.user.email, "role": row.role, "dossiers": ALL if named is None else named}
    return Figures.of(subject(row.user.email), shown)


def mails_as_read(row: Membership) -> Figures:
    """Which mails a member gets, and whether the head of the audit log is one."""
    wanted = [kind for kind in CHOOSABLE if getattr(row, f"mails_{kind}")]
    shown = {"description": row.user.email, "mails": wanted, "audit_heads": row.wants_heads}
    return Figures.of(f"mails {row.user.email}", shown)


def _locked(row: Membership) -> Membership:
    # Two owners who demote each other at once are taken one after the other.
    lock_firm(row.firm)
    found = Membership.objects.select_related("user", "firm").filter(pk=row.pk).first()
    if found is None:
        raise NotPossible(_("%(email)s is no member any more.") % {"email": row.user.email})
    return found


@transaction.atomic
def change_role(*, membership: Membership, role: str, by: Actor, now: datetime) -> None:
    """Give a member another role; an owner sees every dossier. Raises NotPossible for the only owner.

    The open invitations of a member who may invite no more end.
    """
    row = _locked(membership)
    if row.role == role:
        return
    if is_only_owner(row):
        raise NotPossible(_("The firm needs an owner: make another member owner first."))
    if role == _Role.OWNER and row.is_restricted:
        restrict(membership=row, dossiers=None, by=by, now=now)
        row.refresh_from_db()
    old = row.role
    amend(row, {"role": role})
    record(
        firm=row.firm,
        news=[News("member_role_changed", subject(row.user.email), {"old": old, "new": role})],
        by=by,
        now=now,
    )
    if role not in RIGHTS["members"].roles:
        _end_invitations(row, Invitation.objects.filter(invited_by=row.user.email), by, now)
    refresh_staff(row.user)


@transaction.atomic
def restrict(*, membership: Membership, dossiers: Iterable[Any] | None, by: Actor, now: datetime) -> None:
    """Let a member see the named dossiers only, or (None) every dossier. Raises NotPossible for an owner."""
    row = _locked(membership)
    named = None if dossiers is None else list(dossiers)
    if named is not None and row.role == _Role.OWNER:
        raise NotPossible(_("An owner sees every dossier: give the member another role first."))
    old = restriction(row)
    MembershipDossier.objects.filter(membership=row).delete()
    amend(row, {"is_restricted": named is not None})
    MembershipDossier.objects.bulk_create(
        MembershipDossier(firm=row.firm, membership=row, dossier=dossier) for dossier in named or []
    )
    new = restriction(row)
    if old != new:
        data = {"old": old, "new": new}
        record(firm=row.firm, news=[News("member_restricted", subject(row.user.email), data)], by=by, now=now)


def restriction(row: Membership) -> list[str] | None:
    """The short names of the dossiers that a member is restricted to; None: sees all."""
    if not row.is_restricted:
        return None
    named = MembershipDossier.objects.filter(membership=row)
    keys = dossiers_of(row.firm).filter(pk__in=named.values("dossier")).values_list("key", flat=True)
    return sorted(keys)


@transaction.atomic
def change_reach(
    *,
    membership: Membership,
    role: str,
    dossiers: Iterable[Any] | None,
    by: Actor,
    now: datetime,
    read: Read | None = None,
) -> None:
    """Role and dossiers at once, or neither. Raises NotPossible as ``change_role`` and ``restrict`` do."""
    row = _locked(membership)
    demand_of_firm(by, "members", row.firm)
    check(read, lambda: [as_read(row)], by=by)
    change_role(membership=membership, role=role, by=by, now=now)
    restrict(membership=membership, dossiers=dossiers, by=by, now=now)


@transaction.atomic
def want_heads(*, membership: Membership, wanted: bool, by: Actor, now: datetime, read: Read | None = None) -> None:
    """Have the head of the audit log mailed to an owner each night, or no more. Raises NotPossible for other roles."""
    row = _locked(membership)
    check(read, lambda: [mails_as_read(row)], by=by)
    if row.role != _Role.OWNER:
        raise NotPossible(_("The head of the audit log is mailed to owners only."))
    if amend(row, {"wants_heads": wanted}):
        news = News("member_mails_changed", subject(row.user.email), {"audit_heads": wanted})
        record(firm=row.firm, news=[news], by=by, now=now)


@transaction.atomic
def choose_mails(
    *, membership: Membership, wanted: Collection[str], by: Actor, now: datetime, read: Read | None = None
) -> None:
    """Which mails (``mails.Kind``) a member gets: these, and no other of those that can be switched off."""
    row = _locked(membership)
    check(read, lambda: [mails_as_read(row)], by=by)
    changed = amend(row, {f"mails_{kind}": kind in wanted for kind in CHOOSABLE}).new
    if changed:
        told = {name.removeprefix("mails_"): value for name, value in changed.items()}
        record(firm=row.firm, news=[News("member_mails_changed", subject(row.user.email), told)], by=by, now=now)


@transaction.atomic
def remove(*, membership: Membership, by: Actor, now: datetime, read: Read | None = None) -> None:
    """Take a member out of the firm; the account stays. Raises NotPossible for the only owner.

    The open invitations that the member sent end, and so do those to an address of theirs.
    """
    row = _locked(membership)
    demand_of_firm(by, "members", row.firm)
    check(read, lambda: [as_read(row)], by=by)
    if is_only_owner(row):
        raise NotPossible(_("The firm needs an owner: make another member owner first."))
    firm, user, role = row.firm, row.user, row.role
    theirs = Q(invited_by=user.email) | Q(email__in=[user.email.lower(), *further_addresses(user)])
    _end_invitations(row, Invitation.objects.filter(theirs), by, now)
    row.delete()
    record(firm=firm, news=[News("member_removed", subject(user.email), {"role": role})], by=by, now=now)
    refresh_staff(user)


def _end_invitations(row: Membership, which: InvitationQuerySet, by: Actor, now: datetime) -> None:
    # The firm is locked: nobody accepts one of them meanwhile.
    for invitation in which.waiting().filter(firm=row.firm).order_by("email"):
        news = News("member_invitation_revoked", subject(invitation.email), {"role": invitation.role})
        invitation.delete()
        record(firm=row.firm, news=[news], by=by, now=now)


@transaction.atomic
def require_mfa(*, firm: Firm, wanted: bool, by: Actor, now: datetime, read: Read | None = None) -> None:
    """Whether every member of the firm signs in in two steps."""
    lock_firm(firm)
    demand_of_firm(by, "members", firm)
    change_firm_as_read(firm=firm, values={"requires_mfa": wanted}, by=by, now=now, read=read)
