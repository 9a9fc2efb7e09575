"""The webhooks of all firms: opened, delivered twice, late and out of order, and counted."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from typing import Any

from django.utils import timezone

from integrations.connections import webhook_addresses
from integrations.models import Company, Workspace
from integrations.sandbox.http.clock import moment
from integrations.sandbox.http.wire import loads
from integrations.sandbox.remote import Remote
from toggbill.firms.audit import Actor

_LATE = timedelta(seconds=5)


def open_all(control: Remote, by: Actor) -> None:
    """Both services tell of every change in each workspace and company. The site answers already."""
    control.switch(billit_webhook_http_localhost=True)
    for workspace in Workspace.objects.select_related("firm", "connection"):
        webhook_addresses.open_for(target=workspace, by=by, now=timezone.now())
    for company in Company.objects.select_related("firm", "connection"):
        webhook_addresses.open_for(target=company, by=by, now=timezone.now())


def bend(control: Remote, die: random.Random) -> None:
    """From now on they come as they should, twice, or late; Billit's in the wrong order, too."""
    for service in ("toggl", "billit"):
        copies, seconds = die.choice([(1, 0), (1, 0), (2, 0), (1, 20), (2, 10)])
        control.switch(**{f"{service}_webhook_copies": copies, f"{service}_webhook_delay_seconds": seconds})
    control.switch(billit_webhook_order=die.choice(["as_it_was", "reversed"]))


def counted(control: Remote) -> dict[str, int]:
    """Of each service: calls that the site took, and those it refused or did not answer; how many of all came again,
    and how many of Toggl's, which say when they were made, late."""
    rows = [row for row in control.deliveries(settled=0) if not row["subject"].endswith(" ping")]
    counts: Counter[str] = Counter()
    subjects = Counter((row["service"], row["url"], row["subject"]) for row in rows)
    for row in rows:
        for attempt in row["attempts"]:
            end = "taken" if attempt["status"] == 204 else "not taken"
            counts[f"webhooks of {row['service'].capitalize()}, {end}"] += 1
            counts["webhooks that came late"] += _is_late(attempt)
    counts["webhooks that came again"] = sum(count - 1 for count in subjects.values())
    return dict(sorted(counts.items()))


def _is_late(attempt: dict[str, Any]) -> bool:
    made = loads(attempt["body"]).get("created_at")
    return made is not None and moment(attempt["at"]) - moment(made) > _LATE
