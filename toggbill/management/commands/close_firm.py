"""`manage.py close_firm`: a firm leaves; its secrets are destroyed at once and its books are only read from then on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from integrations.connections import tokens
from invoicing.management import arguments
from toggbill.firms.audit import Actor
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, WRONG, Fault, JsonCommand
from toggbill.leaving.closing import CannotClose, close


class Command(JsonCommand):
    """Asks for the short name twice, since nothing brings the secrets back."""

    help = "Close a firm: destroy its secrets, pause its connections, keep its books to be read."

    def add_arguments(self, parser: CommandParser) -> None:
        """The firm, and once more to be sure."""
        parser.add_argument("--firm", metavar="SLUG", required=True)
        parser.add_argument("--sure", metavar="SLUG", required=True, help="the same short name once more")

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Close it, then end its sign-ins at Billit."""
        firm = arguments.firm(options["firm"])
        if options["sure"] != firm.slug:
            raise Fault(f"Nothing was closed: write --sure {firm.slug} when you are.", BAD_ARGUMENTS)
        try:
            closing = close(firm=firm, by=Actor.command(), now=timezone.now())
        except CannotClose as error:
            raise Fault(str(error), WRONG) from None
        for access in closing.to_revoke:
            if trouble := tokens.revoke(access=access):
                self.say(f"A sign-in could not be ended at Billit; end it there in the profile. {trouble}")
        return {"firm": firm.slug, "closed_at": closing.firm.closed_at, "connections": closing.connections}, DONE
