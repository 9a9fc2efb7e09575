"""Trying a file on what stands: each row that would come in beside what there is, and each fault at its cell.

By django-import-export, whose pages show it; the reading and the verbs are ours (``dossiers.sheets``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

import tablib
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from import_export import fields, resources
from import_export.formats.base_formats import CSV, XLSX
from import_export.results import Error, Result, RowResult

from invoicing.dossiers.files import reading
from invoicing.dossiers.files.columns import headings, name_of
from invoicing.dossiers.sheets.mappings import Read, Scope, Sheet
from invoicing.rules.text import text_key
from toggbill.firms.audit import Actor
from toggbill.firms.locks import lock_firm


class Uploaded(tablib.Dataset):  # type: ignore[misc, unused-ignore]  # tablib has no types
    """The rows of a file, and what was read of it besides."""

    def __init__(self, table: reading.Table) -> None:
        super().__init__(*[row.cells for row in table.rows], headers=list(table.heading))
        self.table = table


class _Bounded:
    """A kind of file that is read within bounds, by a process of its own (``dossiers.files``)."""

    kind: ClassVar[reading.Kind]

    def is_binary(self) -> bool:
        """The bytes are taken as they were uploaded: what they say is for the reader to find out."""
        return True

    def get_read_mode(self) -> str:
        """The same."""
        return "rb"

    def create_dataset(self, in_stream: bytes) -> tablib.Dataset:
        """Its rows below its heading. Raises ``reading.Unreadable``, also when there are none."""
        table = reading.read(in_stream, self.kind, reading.LIMITS)
        if not table.rows:
            raise reading.Unreadable("no_rows")
        return Uploaded(table)


class CsvFile(_Bounded, CSV):
    """CSV as spreadsheets write it."""

    kind = "csv"


class XlsxFile(_Bounded, XLSX):
    """A workbook; its first sheet."""

    kind = "xlsx"


class SheetResource(resources.Resource):
    """A kind of file, given whose rows it is about."""

    sheet_class: type[Sheet]

    @classmethod
    def get_display_name(cls) -> str:
        """The library shows it where one may choose between kinds; there is one."""
        return cls.__name__

    def __init__(self, *, scope: Scope | None = None, by: Actor | None = None, **_more: Any) -> None:
        super().__init__()
        self.scope = scope
        self.by = by

    def get_import_fields(self) -> list[fields.Field]:
        """For the list of columns on the page."""
        return [fields.Field(column_name=name) for name in self.sheet_class.columns()]

    def get_user_visible_fields(self) -> list[fields.Field]:
        """The same."""
        return self.get_import_fields()

    def get_export_fields(self, selected_fields: Any = None) -> list[fields.Field]:
        """The same: what goes out can come in."""
        return self.get_import_fields()

    def cells(self, queryset: Any) -> list[dict[str, str]]:
        """Rows as they stand, by column."""
        reader = self.sheet_class(Scope(cast(Any, None), {}))
        return [reader.cells_of(row) for row in self.filter_export(queryset)]

    def filter_export(self, queryset: Any, **kwargs: Any) -> Any:
        """With what the cells are made of."""
        return queryset.select_related("dossier").order_by("dossier__key", "pk")

    def import_data_inner(
        self,
        dataset: tablib.Dataset,
        dry_run: bool,
        raise_errors: bool,
        using_transactions: bool,
        collect_failed_rows: bool,
        **kwargs: Any,
    ) -> Result:
        """Read all rows; write them, unless it is a preview or one of them is at fault."""
        assert isinstance(dataset, Uploaded)  # noqa: S101 - our kinds of file make no other
        columns, table = self.sheet_class.columns(), dataset.table
        result = Preview(table, kwargs.get("file_name") or "", [*map(self._named, columns)])
        result.total_rows = len(table.rows)
        names = [headings(self.sheet_class.row).get(text_key(heading), "") for heading in table.heading]
        if sentence := self._unusable(table.heading, names):
            result.append_base_error(Error(ValueError(sentence)))
            return result
        assert self.scope is not None  # noqa: S101 - the admin always gives it
        sheet = self.sheet_class(self.scope)
        places = {name: place for place, name in enumerate(names) if name}
        with transaction.atomic():
            if not dry_run:
                # What is judged here stands when it is written.
                lock_firm(self.scope.firm)
            read = sheet.read([{name: row.cells[place] for name, place in places.items()} for row in table.rows])
            for row, each in zip(table.rows, read, strict=True):
                self._append(result, row, places, each)
            if not result.has_validation_errors() and not dry_run:
                assert self.by is not None  # noqa: S101 - the admin always gives it
                sheet.write(read, by=self.by, now=timezone.now())
        return result

    def _named(self, column: str) -> str:
        name = name_of(self.sheet_class.row, column)
        return name if name == column else f"{name} ({column})"

    def _unusable(self, found: Sequence[str], names: Sequence[str]) -> str:
        """Why a file cannot be read at all; ``names``: the columns of its headings."""
        known = ", ".join(map(self._named, self.sheet_class.columns()))
        if missing := [name for name in self.sheet_class.row.identity if name not in names]:
            words = {"names": ", ".join(missing), "known": known}
            return (
                _(
                    "The file has no column %(names)s. Its first row names the columns: %(known)s. Add it, or begin "
                    "with the template."
                )
                % words
            )
        if unknown := [(place, each) for place, each in enumerate(found) if each and not names[place]]:
            shown = ", ".join(f"{each[:60]} ({reading.letters(place)})" for place, each in unknown[:5])
            words = {"names": shown, "known": known}
            return (
                _("Unknown columns: %(names)s. Known: %(known)s. Give them one of these names, or delete them.") % words
            )
        if twice := sorted({each for each in names if each and names.count(each) > 1}):
            return _("A column stands there twice: %(names)s. Delete one of the two.") % {"names": ", ".join(twice)}
        return ""

    def _append(self, result: Preview, found: reading.Row, places: Mapping[str, int], each: Read) -> None:
        row = RowResult()
        if faults := each.faults:
            named = {
                self._named(column) if column else "": [_at(found, places.get(column), text) for text in texts]
                for column, texts in faults.items()
            }
            row.import_type = RowResult.IMPORT_TYPE_INVALID
            row.validation_error = ValidationError(named)
            shown = {self._named(name): found.cells[place].text for name, place in places.items()}
            result.append_invalid_row(found.number, shown, row.validation_error)
        else:
            row.import_type = each.outcome
            row.diff = [_shown((each.old or {}).get(name), each.new[name]) for name in self.sheet_class.columns()]
        result.increment_row_result_total(row)
        result.append_row_result(row)


class Preview(Result):
    """What became of the rows, and what was read of the file."""

    def __init__(self, table: reading.Table, file: str, names: Sequence[str]) -> None:
        super().__init__()
        self.table = table
        self.file = file
        self.diff_headers = list(names)


def _at(row: reading.Row, place: int | None, text: str) -> str:
    """What is wrong, with its cell where the file has one."""
    if place is None:
        return text
    return _("cell %(cell)s: %(why)s") % {"cell": f"{reading.letters(place)}{row.number}", "why": text}


def _shown(old: str | None, new: str) -> str:
    if old is None or old == new:
        return format_html("{}", new)
    return format_html("<del>{}</del> <ins>{}</ins>", old, new)
