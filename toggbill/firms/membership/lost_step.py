"""A member who lost the second step, and the recovery codes with it: somebody who knows the member lets them in again.

Who may do it. The second step guards the *account*, and an account may serve several firms. So an owner may take it
away from a member who works for that firm alone: nothing beyond it is laid open, and the owner could give the
same access to anybody by an invitation. An account of several firms, or of the operator, is reset by the operator at
the command line (``reset_mfa``), who has made sure who is asking: otherwise an owner of a small firm could weaken the
door of a large one. Nobody resets their own: that would take the very step that is lost.

The password is left alone, so the member still proves something; they are signed out everywhere and told by mail, each
of their firms finds it in its audit log, and a firm that demands two steps has them set up a new one before all else.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from toggbill.firms.access import demand_of_firm
from toggbill.firms.audit import Actor, News, record
from toggbill.firms.errors import NotPossible
from toggbill.firms.identity import mfa
from toggbill.firms.identity.addresses import subject
from toggbill.firms.locks import lock_firm, lock_firms
from toggbill.firms.membership.members import as_read
from toggbill.firms.models import Membership, User
from toggbill.firms.read import Read, check


def hindrance(*, membership: Membership, by: User) -> str:
    """Why an owner cannot reset the second step of a member, a sentence; "" when nothing stands in the way."""
    user = membership.user
    if not mfa.has_second_step(user):
        return _("%(email)s signs in in one step.") % {"email": user.email}
    if user.pk == by.pk:
        return _("Your own second step you change on the page “How you sign in”.")
    if user.is_superuser or Membership.objects.filter(user=user).exclude(pk=membership.pk).exists():
        return _(
            "%(email)s does not work for this firm alone, so whoever runs toggbill has to reset the second step."
        ) % {"email": user.email}
    return ""


@transaction.atomic
def reset_by_owner(*, membership: Membership, owner: User, by: Actor, now: datetime, read: Read | None = None) -> None:
    """Take the second step of a member away. Raises NotPossible when only the operator may, or there is none, and as
    the verbs of ``members`` do."""
    lock_firm(membership.firm)
    demand_of_firm(by, "members", membership.firm)
    row = Membership.objects.select_related("user", "firm").get(pk=membership.pk)
    check(read, lambda: [as_read(row)], by=by)
    # With its key: whoever makes it a member of another firm at this very moment waits, or is seen.
    User.objects.select_for_update().get(pk=row.user_id)
    if why := hindrance(membership=row, by=owner):
        raise NotPossible(why)
    _take_away(row.user, [row], by, now)


@transaction.atomic
def reset_by_operator(*, user: User, by: Actor, now: datetime) -> int:
    """The same for any account; returns how many steps there were. Each firm of the person's finds it in its log."""
    rows = Membership.objects.filter(user=user).select_related("firm", "user").order_by("firm__slug")
    lock_firms(row.firm_id for row in rows)
    return _take_away(user, list(rows), by, now)


def _take_away(user: User, rows: Iterable[Membership], by: Actor, now: datetime) -> int:
    count = mfa.take_away(user)
    if count:
        for row in rows:
            record(firm=row.firm, news=[News("member_mfa_reset", subject(user.email), {})], by=by, now=now)
    return count


def mail_reset(*, user: User, by: str, language: str) -> None:
    """Tell the person, who may not have asked for it; ``by`` is "" for the operator.

    After the commit, at the edge. Raises OSError.
    """
    with translation.override(language):
        body = _(
            "Hello,\n\n"
            "%(by)s has removed the second step with which you sign in at toggbill as %(email)s, and you were signed "
            "out everywhere.\n\n"
            "Sign in with your password and set up a new second step:\n\n%(link)s\n\n"
            "If you did not ask for this, choose a new password at once, and tell your firm:\n\n%(again)s\n"
        ) % {
            "by": by or _("Whoever runs toggbill"),
            "email": user.email,
            "link": settings.PUBLIC_URL + reverse("mfa_index"),
            "again": settings.PUBLIC_URL + reverse("account_reset_password"),
        }
        title = _("Your second step at toggbill was removed")
    send_mail(title, body, settings.DEFAULT_FROM_EMAIL, [user.email])
