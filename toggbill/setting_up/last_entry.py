"""*Test with my last entry*: the newest hour of the token's owner, read the way all hours are, and what it leads to.

It says of one entry what each step of a Zap said of it: the customer by the number in the client's name, the product
and its price by a tag that is its reference, the quantity by the duration. Nothing is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from integrations.connections.opening import open_workspace
from integrations.models import Product, Workspace
from invoicing.rules.judging.mapping import read_number
from invoicing.rules.text import text_key

LOOKED_BACK = timedelta(days=31)


@dataclass(frozen=True, slots=True)
class LastEntry:
    """An entry as Toggl gives it. ``customer``: the number in the client's name, "" for none that is sure.

    ``products`` of the tags that are a reference in Billit; None while no company is known. ``hours``: two decimals.
    """

    description: str
    start: datetime
    hours: Decimal
    is_running: bool
    project: str
    client: str
    customer: str
    tags: Sequence[str]
    products: Sequence[Product] | None


def read(workspace: Workspace, *, now: datetime) -> LastEntry | None:
    """Four calls; None when the owner has no hour of the latest month in the workspace. Raises ``ServiceError``."""
    today = now.astimezone(UTC).date()
    with open_workspace(workspace) as api:
        me = api.me()
        pages = api.entries(
            workspace.remote_id, start=today - LOOKED_BACK, end=today + timedelta(days=1), newest_first=True
        )
        mine = [entry for entry in next(iter(pages)).entries if entry.user_id == me.id]
        if not mine:
            return None
        entry = max(mine, key=lambda each: (each.start, each.id))
        projects = {row.id: row for row in api.projects(workspace.remote_id)}
        clients = {row.id: row.name for row in api.clients(workspace.remote_id)}
    project = projects.get(entry.project_id or 0)
    client = clients.get(project.client_id or 0, "") if project is not None else ""
    return LastEntry(
        description=entry.description,
        start=entry.start,
        hours=(Decimal(max(entry.seconds, 0)) / 3600).quantize(Decimal("0.01"), ROUND_HALF_UP),
        is_running=entry.stop is None or entry.seconds < 0,
        project="" if project is None else project.name,
        client=client,
        customer=read_number(client).number,
        tags=entry.tags,
        products=_products(workspace, entry.tags),
    )


def _products(workspace: Workspace, tags: Sequence[str]) -> list[Product] | None:
    rows = Product.objects.present().filter(firm=workspace.firm_id)
    if not rows.exists():
        return None
    keys = {text_key(tag) for tag in tags}
    return [row for row in rows.order_by("reference", "pk") if text_key(row.reference) in keys]
