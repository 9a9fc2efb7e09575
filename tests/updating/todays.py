"""What today's code does with the database of DATABASE_URL, and finds in it.

    python -m tests.updating.todays STEP ...

Each step is a name of ``STEPS``, or "migrate" or "killed" with the arguments of ``migrate``. Prints a JSON list with
what came of each.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import django


def command(name: str, *arguments: str) -> Any:
    """What a command prints as JSON."""
    from django.core.management import call_command  # noqa: PLC0415 - after django.setup

    out = io.StringIO()
    with suppress(SystemExit):  # exit code 1: it has found a difference
        call_command(name, *arguments, stdout=out)
    return json.loads(out.getvalue())


def said() -> dict[str, Any]:
    """The books and mappings of every firm."""
    from invoicing.management.invoice_json import as_json  # noqa: PLC0415 - after django.setup
    from invoicing.models import ClientMapping, Invoice, TagMapping  # noqa: PLC0415 - after django.setup
    from toggbill.firms.models import Firm  # noqa: PLC0415 - after django.setup

    firms = list(Firm.objects.order_by("slug").values_list("slug", flat=True))
    tag = ("dossier__key", "tag", "product_reference", "bill", "priority")
    client = [*("dossier__key", "client_remote_id", "number", "customer_party_id", "is_proposed", "treatment")]
    client += ["purchase_order", "buyer_reference"]
    return {
        "ledger": {firm: command("ledger", "--firm", firm) for firm in firms},
        "verify_audit": command("verify_audit"),
        "invoices": as_json(Invoice.objects.order_by("firm__slug", "reference")),
        "tag_mappings": list(TagMapping.objects.order_by("dossier__key", "tag").values(*tag)),
        "client_mappings": list(ClientMapping.objects.order_by(*client[:2]).values(*client)),
    }


def migrate(*arguments: str) -> str:
    """Why it ended, "" when it did its work."""
    from django.core.management import call_command  # noqa: PLC0415 - after django.setup

    try:
        call_command("migrate", *arguments, verbosity=0, stdout=io.StringIO())
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def killed(*arguments: str) -> int:
    """The signal that ended a process of its own which migrated, 0 when it came to its end."""
    from django.db import connections  # noqa: PLC0415 - after django.setup

    connections.close_all()
    child = os.fork()
    if not child:
        os.environ["KILLED"] = "1"
        migrate(*arguments)
        os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


def trigger_names() -> list[str]:
    """Those of ours."""
    from django.db import connection  # noqa: PLC0415 - after django.setup

    from toggbill.database import triggers  # noqa: PLC0415 - after django.setup

    return sorted(row.name for row in triggers.found(connection))


def secrets() -> list[str]:
    """The credentials of the firm "small", decrypted."""
    from integrations.models import Connection  # noqa: PLC0415 - after django.setup

    rows = Connection.objects.filter(firm__slug="small", key="main").order_by("service")
    return [row.secret for row in rows]


def judge() -> None:
    """What a worker does next: hours that the migrations marked are judged by today's rules."""
    from django.utils import timezone  # noqa: PLC0415 - after django.setup

    from invoicing.ledger.states import derive  # noqa: PLC0415 - after django.setup

    derive.derive_marked(now=timezone.now())


def rows() -> dict[str, int]:
    """How many rows each table has."""
    from django.apps import apps  # noqa: PLC0415 - after django.setup

    return {model._meta.db_table: model._default_manager.count() for model in apps.get_models()}


def refusals() -> dict[str, str]:
    """By table with rows: what the database says of a row that moves to another firm, "" when it lets it."""
    from django.db import DatabaseError, connection, transaction  # noqa: PLC0415 - after django.setup

    from toggbill.firms.models import AuditEvent  # noqa: PLC0415 - after django.setup
    from toggbill.firms.triggers import fenced_models  # noqa: PLC0415 - after django.setup

    found = {}
    tables = [model._meta.db_table for model in fenced_models()] + [AuditEvent._meta.db_table]
    for table in tables:
        other = "(SELECT id FROM firms_firm f WHERE f.id <> firm_id LIMIT 1)"
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(f"UPDATE {table} SET firm_id = {other}")
                touched = cursor.rowcount
                transaction.set_rollback(True)
            if touched:
                found[table] = ""
        except DatabaseError as error:
            found[table] = str(error)
    return found


VERBS: dict[str, Callable[..., Any]] = {"migrate": migrate, "killed": killed}
STEPS: dict[str, Callable[[], Any]] = {
    "said": said,
    "judge": judge,
    "triggers": trigger_names,
    "secrets": secrets,
    "rows": rows,
    "refusals": refusals,
}


def main(steps: Sequence[str]) -> None:
    """Take the steps and print what came of them."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "toggbill.settings")
    django.setup()
    came = []
    for step in steps:
        name, *arguments = step.split()
        came.append(VERBS[name](*arguments) if name in VERBS else STEPS[name]())
    json.dump(came, sys.stdout, default=str)


if __name__ == "__main__":
    main(sys.argv[1:])
