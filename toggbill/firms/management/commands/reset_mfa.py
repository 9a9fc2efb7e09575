"""``reset_mfa``: takes the second step of an account away, for a person who lost it. For the operator."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from toggbill.firms.audit import Actor
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, Fault, JsonCommand
from toggbill.firms.membership import lost_step
from toggbill.firms.models import Membership, User


class Command(JsonCommand):
    """An owner does this for members of that firm alone; whoever works for several firms turns to the operator."""

    help = "Remove the second step (and recovery codes) of an account, sign it out everywhere, and tell its owner."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose."""
        parser.add_argument("email", metavar="EMAIL")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Reset, then mail."""
        email = options["email"].strip().lower()
        user = User.objects.filter(email=email).first()
        if user is None:
            raise Fault(
                f"There is no account “{email}”. Give the address with which the person signs in.", BAD_ARGUMENTS
            )
        first = Membership.objects.filter(user=user).select_related("firm").order_by("pk").first()
        language = "en" if first is None else first.firm.language
        removed = lost_step.reset_by_operator(user=user, by=Actor.command(), now=timezone.now())
        if not removed:
            self.say(f"{email} signs in in one step: there was nothing to remove.")
        else:
            try:
                lost_step.mail_reset(user=user, by="", language=language)
            except OSError as error:
                self.say(
                    f"The second step is removed, but {email} could not be told by mail ({error}). Tell the person."
                )
        return {"email": email, "removed": removed}, DONE
