"""The secrets of second steps are written anew for the account that they are of (``firms.mfa``)."""

from typing import Any

from django.db import migrations

from toggbill.database.encryption import Unreadable, bind


def bind_all(apps, schema_editor):
    rows = apps.get_model("mfa", "Authenticator").objects.filter(type__in=["totp", "recovery_codes"])
    for row in rows.order_by("pk"):
        for name in ("secret", "seed", "migrated_codes"):
            if held := row.data.get(name):
                row.data[name] = _bound(held, f"mfa_authenticator/{row.user_id}/{row.type}/{name}")
        row.save(update_fields=["data"])


def _bound(held: Any, place: str) -> Any:
    """One that no key fits stays as it is: it cannot be read afterwards either, and ``rotate_keys`` names it."""
    try:
        return [bind(code, place=place) for code in held] if isinstance(held, list) else bind(held, place=place)
    except Unreadable:
        return held


class Migration(migrations.Migration):
    dependencies = [("firms", "0006_audit_anchors"), ("mfa", "0003_authenticator_type_uniq")]

    operations = [migrations.RunPython(bind_all, migrations.RunPython.noop)]
