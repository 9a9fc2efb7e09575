"""`manage.py probe`: settles on a real account what the vendors' documents leave open (docs/unknowns.md)."""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.utils import timezone

from integrations.clients.http.transport import ServiceError
from integrations.probing import billit, toggl
from integrations.probing.asking import Asker
from toggbill.firms.management.command import BAD_ARGUMENTS, DONE, WRONG, Fault, JsonCommand


class Command(JsonCommand):
    """Asks one service; prints what was found per question, and never the credential."""

    help = (
        "Ask Toggl (at TOGGL_URL, with TOGGL_TOKEN) or Billit (at BILLIT_API_URL, with BILLIT_KEY and BILLIT_PARTY) "
        "what their documents leave open. Creates nothing without --allow-writes, and deletes what it creates. Use a "
        "sandbox account of the vendor where there is one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The service, and whether something may be made there."""
        service = parser.add_mutually_exclusive_group(required=True)
        service.add_argument(
            "--toggl", action="store_true", help="about 20 requests of its hourly budgets; TOGGL_TOKEN"
        )
        service.add_argument("--billit", action="store_true", help="about 10 requests; BILLIT_KEY and BILLIT_PARTY")
        parser.add_argument("--workspace", type=int, metavar="TOGGL_ID", help="else the first that the token opens")
        parser.add_argument(
            "--allow-writes",
            action="store_true",
            help="also make, and delete again, entries, tags and a client at Toggl, or some 15 unsent orders at Billit",
        )

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Ask; 1 when the service cannot be asked at all, or when something could not be deleted again."""
        writes: bool = options["allow_writes"]
        try:
            asker = self._toggl(options["workspace"], writes) if options["toggl"] else self._billit(writes)
        except ServiceError as error:
            raise Fault(str(error), WRONG) from None
        for thing in asker.left_behind:
            self.say(f"Left behind, delete it by hand: {thing}")
        findings = [asdict(finding) for finding in asker.findings.rows]
        answer = {
            "service": "toggl" if options["toggl"] else "billit",
            "address": settings.TOGGL_URL if options["toggl"] else settings.BILLIT_API_URL,
            "writes": writes,
            "calls": asker.calls,
            "findings": findings,
            "left_behind": asker.left_behind,
        }
        return answer, WRONG if asker.left_behind else DONE

    def _toggl(self, workspace_id: int | None, writes: bool) -> Asker:
        return toggl.probe(
            url=settings.TOGGL_URL,
            token=_given("TOGGL_TOKEN", "the API token of your Toggl profile"),
            workspace_id=workspace_id,
            writes=writes,
            now=timezone.now(),
            pace=_pace(settings.TOGGL_REQUESTS_PER_SECOND),
        )

    def _billit(self, writes: bool) -> Asker:
        party = _given("BILLIT_PARTY", "the PartyID of the company")
        if not party.isdigit():
            raise Fault(f"BILLIT_PARTY is {party!r}; it is a number.", BAD_ARGUMENTS)
        return billit.probe(
            url=settings.BILLIT_API_URL,
            key=_given("BILLIT_KEY", "the API key of your Billit profile"),
            party_id=int(party),
            writes=writes,
            now=timezone.now(),
            pace=_pace(settings.BILLIT_REQUESTS_PER_SECOND),
        )


def _given(name: str, what: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise Fault(f"{name} is not set. Put {what} into the environment, then run this again.", BAD_ARGUMENTS)
    return value


def _pace(per_second: float) -> Callable[[], None] | None:
    """Waits before each request; None for no limit."""
    if per_second <= 0:
        return None
    return lambda: time.sleep(1 / per_second)
