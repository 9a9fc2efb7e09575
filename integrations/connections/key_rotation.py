"""Rotation of the keys that encrypt secrets at rest (design D7): every secret is written anew with the newest key."""

from __future__ import annotations

from django.apps import apps
from django.db import models, transaction

from integrations.models.encryption import EncryptedTextField
from toggbill.database.encryption import Unreadable


def encrypted_fields() -> list[tuple[type[models.Model], list[str]]]:
    """The models that hold secrets, each with the names of the columns."""
    found = []
    for model in apps.get_models():
        names = [field.name for field in model._meta.concrete_fields if isinstance(field, EncryptedTextField)]
        if names:
            found.append((model, names))
    return found


def rotate() -> tuple[int, list[str]]:
    """Write every stored secret anew; how many, and which could not be read, each with the reason.

    Safe to stop and to repeat: old keys still open the rest. Row by row and locked, so that a token which a worker
    renews meanwhile is not overwritten by the one before; one that cannot be read stays as it is and stops no other.
    """
    count, unreadable = 0, []
    for model, names in encrypted_fields():
        for pk in list(model._default_manager.order_by("pk").values_list("pk", flat=True)):
            with transaction.atomic():
                row = model._default_manager.select_for_update(no_key=True).get(pk=pk)
                held = []
                for name in names:
                    try:
                        text = getattr(row, name)
                    except Unreadable as error:
                        unreadable.append(f"{model._meta.verbose_name} {row} (row {pk}, {name}): {error}")
                        continue
                    if text:
                        setattr(row, name, text)
                        held.append(name)
                if held:
                    row.save(update_fields=held)
                count += len(held)
    return count, unreadable


def unreadable() -> list[str]:
    """The stored secrets that no key opens, each with the reason; nothing is written."""
    found = []
    for model, names in encrypted_fields():
        for row in model._default_manager.order_by("pk").iterator():
            for name in names:
                try:
                    getattr(row, name)
                except Unreadable as error:
                    found.append(f"{model._meta.verbose_name} {row} (row {row.pk}, {name}): {error}")
    return found
