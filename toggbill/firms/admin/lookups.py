"""What the address of a list may filter by: exactly what its own filters put there.

Django lets through every field of the model itself, its secrets among them, and every field of a relation that a list
filters by. Asked piecemeal (`...__password__startswith=`), the number of rows tells a hash letter by letter.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.utils import get_fields_from_path
from django.db import models


def offered(model: type[models.Model], *, filters: Iterable[Any], date_hierarchy: str | None) -> set[str]:
    """The parameters that a list's filters (``list_filter``) and its hierarchy of dates read."""
    found: set[str] = set()
    for item in filters:
        if isinstance(item, type) and issubclass(item, SimpleListFilter):
            found.add(str(item.parameter_name))
        else:
            found |= _of_field(model, str(item[0] if isinstance(item, tuple | list) else item))
    if date_hierarchy:
        found |= {f"{date_hierarchy}__{part}" for part in ("year", "month", "day", "gte", "lt")}
    return found


def _of_field(model: type[models.Model], path: str) -> set[str]:
    field: Any = get_fields_from_path(model, path)[-1]
    found = {path, f"{path}__exact", f"{path}__isnull", f"{path}__isempty"}
    if field.is_relation:
        found.add(f"{path}__{field.target_field.name}__exact")
    if isinstance(field, models.DateField):
        found |= {f"{path}__gte", f"{path}__lt"}
    return found
