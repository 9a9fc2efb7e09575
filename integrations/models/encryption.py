"""A text field whose column holds only ciphertext, which its own row alone can read (design D7)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import models
from django.db.models.query_utils import DeferredAttribute
from django.db.models.signals import post_save

from toggbill.database.encryption import seal, unseal

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


@dataclass(frozen=True, slots=True)
class Ciphertext:
    """What a column holds. Only the row that it stands in can read it."""

    token: str = field(repr=False)


class _Attribute(DeferredAttribute):
    """Decrypts when the secret is asked for, not when the row is read: one that cannot be read spoils no list."""

    def __get__(self, instance: models.Model | None, cls: type[models.Model] | None = None) -> Any:
        value = super().__get__(instance, cls)
        if isinstance(value, Ciphertext) and instance is not None:
            return unseal(value.token, place=place_of(instance, self.field.attname))
        return value

    def __set__(self, instance: models.Model, value: object) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField[str, str]):
    """A text that is encrypted on its way into the database and decrypted when it is asked for. It is not searched.

    It is written with its row (``save``), never by ``update`` of a query or ``bulk_create``, which do not know the key
    of the row; ``sealed`` is for those who do. To read one raises ``Unreadable`` when no key fits, or when the
    ciphertext was written for another row.
    """

    descriptor_class = _Attribute

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        """Have a new row's secret written once its key is known."""
        super().contribute_to_class(cls, name, private_only)
        if not cls._meta.abstract:
            post_save.connect(_write_with_key, sender=cls, dispatch_uid=f"{cls._meta.label}.{id(cls)}.secrets")

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """The ciphertext for the row; empty for one that has no key yet, which gets it right after."""
        value = model_instance.__dict__.get(self.attname)
        if not value or isinstance(value, Ciphertext):
            return value
        if model_instance.pk is None:
            return ""
        return Ciphertext(seal(value, place=place_of(model_instance, self.attname)))

    def get_prep_value(self, value: Any) -> Any:
        """The token. A plain text is only compared, as a constraint does: that there is one is all that shows."""
        if isinstance(value, Ciphertext):
            return value.token
        return "(secret)" if super().get_prep_value(value) else value

    def get_db_prep_save(self, value: Any, connection: BaseDatabaseWrapper) -> Any:
        """Raises TypeError for a text that comes without its row."""
        if isinstance(value, str) and value:
            raise TypeError(f"{self.name} is encrypted for its row: save the row")
        return super().get_db_prep_save(value, connection)

    def from_db_value(self, value: str | None, expression: Any, connection: BaseDatabaseWrapper) -> Any:
        """The ciphertext; empty stays empty."""
        return Ciphertext(value) if value else value


def place_of(row: models.Model, column: str) -> str:
    """Where a secret stands; ``seal`` and ``unseal`` hold it to that."""
    return f"{row._meta.db_table}/{row.pk}/{column}"


def sealed(row: models.Model, name: str, text: str) -> Ciphertext | str:
    """A secret as ``update`` of a query takes it, for this row alone; empty stays empty."""
    return Ciphertext(seal(text, place=place_of(row, name))) if text else ""


def _write_with_key(sender: type[models.Model], instance: models.Model, created: bool, **_: object) -> None:
    if not created:
        return
    fields = [field for field in sender._meta.concrete_fields if isinstance(field, EncryptedTextField)]
    held = {field.name: field.pre_save(instance, True) for field in fields}
    if any(held.values()):
        sender._base_manager.filter(pk=instance.pk).update(**held)
