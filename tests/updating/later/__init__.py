"""Migrations that may come: one rebuilds every table, two fail in the middle. Only ``later_settings`` knows them."""

from __future__ import annotations

import os
import signal
from typing import Any

from django.apps import apps
from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from toggbill.firms.models import FirmOwned


def rebuild(_: Any, editor: BaseDatabaseSchemaEditor) -> None:
    """Alter the column that every trigger of the fence names, and back; SQLite makes each table anew, twice."""
    for model in apps.get_models():
        if issubclass(model, FirmOwned):
            _rebuild(model, editor)


def fail(_: Any, editor: BaseDatabaseSchemaEditor) -> None:
    """Rebuild one table, then fail, or be killed where the environment says so."""
    _rebuild(apps.get_model("invoicing", "Dossier"), editor)
    if os.environ.get("KILLED"):
        os.kill(os.getpid(), signal.SIGKILL)
    raise RuntimeError("failed in the middle")


def _rebuild(model: type[models.Model], editor: BaseDatabaseSchemaEditor) -> None:
    firm = model._meta.get_field("firm")
    assert isinstance(firm, models.ForeignKey)
    number: models.Field[Any, Any] = models.DecimalField(max_digits=20, decimal_places=0, db_column="firm_id")
    number.set_attributes_from_name("firm")
    number.model = model
    editor.alter_field(model, firm, number)
    editor.alter_field(model, number, firm)
