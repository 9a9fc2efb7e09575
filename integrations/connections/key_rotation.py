"""Rotation of the keys that encrypt secrets at rest (design D7): every secret is written anew with the newest key."""

from __future__ import annotations

from django.apps import apps
from django.db import models, transaction

from integrations.models.encryption import EncryptedTextField


def encrypted_fields() -> list[tuple[type[models.Model], list[str]]]:
    """The models that hold secrets, each with the names of the columns."""
    found = []
    for model in apps.get_models():
        names = [field.name for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]
        if names:
            found.append((model, names))
    return found


def rotate() -> int:
    """Write every stored secret anew; returns how many. Safe to stop and to repeat: old keys still open the rest.

    Raises ImproperlyConfigured when a secret is under none of the keys. Row by row and locked, so that a token which a
    worker renews meanwhile is not overwritten by the one before.
    """
    count = 0
    for model, names in encrypted_fields():
        for pk in list(model._default_manager.order_by("pk").values_list("pk", flat=True)):
            with transaction.atomic():
                row = model._default_manager.select_for_update(no_key=True).get(pk=pk)
                held = [name for name in names if getattr(row, name)]
                if held:
                    row.save(update_fields=held)
                count += len(held)
    return count
