"""Sheets of dossiers and mappings (CSV, XLSX) in the admin, by django-import-export: its pages, our reading and verbs.

A preview writes nothing. A file is taken whole or not at all; each fault stands at its row and column. Texts that a
spreadsheet would run are neutralised on the way out, and taken as they were on the way in.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import tablib
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from import_export import fields, forms, resources
from import_export.admin import ImportExportMixin
from import_export.formats.base_formats import CSV, XLSX
from import_export.results import Error, Result, RowResult
from import_export.tmp_storages import TempFolderStorage

from invoicing.dossiers.cells import cell
from invoicing.dossiers.files import reading
from invoicing.dossiers.sheets import ClientSheet, DossierSheet, Read, Scope, Sheet, TagSheet
from invoicing.models import Dossier
from invoicing.rules.cells import neutral
from toggbill.firms.access import FirmRequest, actor
from toggbill.firms.admin import allowed, firm_of, looked_at, scoped, understood
from toggbill.firms.audit import Actor
from toggbill.firms.locks import lock_firm

BIGGEST_FILE = 2 * 1024 * 1024
_PREVIEWED = "previewed_import of %s"


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
        """Its rows below its heading. Raises ``reading.Unreadable``."""
        heading, *rows = reading.read(in_stream, self.kind, reading.LIMITS) or [[]]
        return tablib.Dataset(*rows, headers=heading)


class CsvFile(_Bounded, CSV):
    """CSV with commas or, as spreadsheets write it here, with semicolons."""

    kind = "csv"


class XlsxFile(_Bounded, XLSX):
    """A workbook; the sheet that it opens with."""

    kind = "xlsx"


class FileForm(forms.ImportForm):
    """The upload."""

    def clean_import_file(self) -> Any:
        """No file of this kind is large."""
        file = self.cleaned_data["import_file"]
        if file.size > BIGGEST_FILE:
            raise ValidationError(_("The file is larger than 2 MB: split it."))
        return file


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

    def export(self, queryset: Any = None, **kwargs: Any) -> tablib.Dataset:
        """Rows as they stand, harmless to a spreadsheet."""
        data = tablib.Dataset(headers=list(self.sheet_class.columns()))
        reader = self.sheet_class(Scope(cast(Any, None), {}))
        for row in self.filter_export(queryset, **kwargs):
            data.append([neutral(value) for value in reader.cells_of(row).values()])
        return data

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
        result = Result()
        result.diff_headers = list(self.sheet_class.columns())
        result.total_rows = len(dataset)
        if sentence := self._unusable(dataset):
            result.append_base_error(Error(ValueError(sentence)))
            return result
        assert self.scope is not None  # noqa: S101 - the admin always gives it
        sheet = self.sheet_class(self.scope)
        headings = [cell(heading).lower() for heading in dataset.headers]
        lines = [(number, dict(zip(headings, map(cell, line), strict=False))) for number, line in enumerate(dataset, 2)]
        lines = [(number, cells) for number, cells in lines if any(cells.values())]
        with transaction.atomic():
            if not dry_run:
                # What is judged here stands when it is written.
                lock_firm(self.scope.firm)
            read = sheet.read([cells for _number, cells in lines])
            for (number, cells), each in zip(lines, read, strict=True):
                _append(result, number, cells, each)
            if not result.has_validation_errors() and not dry_run:
                assert self.by is not None  # noqa: S101 - the admin always gives it
                sheet.write(read, by=self.by, now=timezone.now())
        return result

    def _unusable(self, dataset: tablib.Dataset) -> str:
        """Why a file cannot be read at all."""
        headings = [cell(heading).lower() for heading in dataset.headers or []]
        known = self.sheet_class.columns()
        if missing := [name for name in self.sheet_class.row.needed if name not in headings]:
            return _("The file has no column %(names)s.") % {"names": ", ".join(missing)}
        if unknown := [name for name in headings if name and name not in known]:
            words = {"names": ", ".join(unknown)[:200], "known": ", ".join(known)}
            return _("Unknown columns: %(names)s. Known: %(known)s.") % words
        if len(set(headings)) != len(headings):
            return _("A column stands there twice.")
        return ""


def _append(result: Result, number: int, cells: Mapping[str, str], each: Read) -> None:
    row = RowResult()
    if faults := each.faults:
        row.import_type = RowResult.IMPORT_TYPE_INVALID
        row.validation_error = ValidationError(faults)
        result.append_invalid_row(number, cells, row.validation_error)
    else:
        row.import_type = each.outcome
        row.diff = [_shown((each.old or {}).get(name), each.new[name]) for name in result.diff_headers]
    result.increment_row_result_total(row)
    result.append_row_result(row)


def _shown(old: str | None, new: str) -> str:
    if old is None or old == new:
        return format_html("{}", new)
    return format_html("<del>{}</del> <ins>{}</ins>", old, new)


class TagMappings(SheetResource):
    """Tag mappings."""

    sheet_class = TagSheet


class ClientMappings(SheetResource):
    """Client mappings."""

    sheet_class = ClientSheet


class Dossiers(SheetResource):
    """Dossiers with their rules."""

    sheet_class = DossierSheet

    def filter_export(self, queryset: Any, **kwargs: Any) -> Any:
        """With what the cells are made of."""
        return queryset.select_related("workspace", "company").prefetch_related("named_clients").order_by("key", "pk")


class FilesMixin(ImportExportMixin):
    """Import and export on a changelist. ``to_import`` is the right that taking a file in needs."""

    to_import = "map"
    formats = (CsvFile, XlsxFile)
    import_form_class = FileForm
    export_form_class = forms.ExportForm
    export_template_name = "admin/invoicing/export.html"
    # The audit log says what came in, row by row and with old and new.
    skip_admin_log = True

    def has_import_permission(self, request: HttpRequest) -> bool:
        """By role, and in a firm."""
        return allowed(request, self.to_import) and firm_of(request) is not None

    def has_export_permission(self, request: HttpRequest) -> bool:
        """By role."""
        return allowed(request, "export")

    def get_export_queryset(self, request: HttpRequest) -> Any:
        """All rows of the list, of which its page shows the first: the operator looks at them all."""
        with understood():
            rows = super().get_export_queryset(request)
        looked_at(request, rows)
        return rows

    def get_valid_export_item_pks(self, request: HttpRequest) -> Any:
        """Of the rows that are ticked, those that the person may see."""
        return cast(Any, self).get_queryset(request).values_list("pk", flat=True)

    def get_resource_kwargs(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Whose rows: the firm's of the page, and of it the dossiers that the person may see."""
        firm = firm_of(request)
        if firm is None or isinstance(request.user, AnonymousUser):
            return {}
        rows = scoped(request, Dossier.objects.select_related("firm", "workspace"))
        scope = Scope(firm, {row.key: row for row in rows})
        return {"scope": scope, "by": actor(cast(FirmRequest, request))}

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        """Nothing of the request goes into the rows."""
        return {}

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        """Say why a file cannot be read, and what to do; what is no fault of the file is none of the form's."""
        if not isinstance(e, reading.Unreadable):
            raise e
        form.add_error("import_file", str(e))

    def import_action(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """The preview. What was uploaded is kept for this session's confirmation, else it goes at once."""
        answer: Any = super().import_action(request, **kwargs)
        context = getattr(answer, "context_data", None) or {}
        form: Any = context.get("form")
        # Not from what the form has cleaned: that leaves out a file that could not be read.
        file = form.files.get("import_file") if form is not None and form.is_bound else None
        name = getattr(file, "tmp_storage_name", "")
        if form is not None and name and "confirm_form" in context:
            number = int(form.cleaned_data["format"])
            request.session[self._previewed(request)] = {"name": os.path.basename(name), "format": number}
        elif name:
            self.get_tmp_storage_class()(name=name).remove()
        return cast(HttpResponse, answer)

    def process_import(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Take in what this session has previewed for this firm, as it was previewed, and nothing else."""
        if request.method != "POST" or not self.has_import_permission(request):
            return cast(HttpResponse, super().process_import(request, **kwargs))
        previewed = request.session.pop(self._previewed(request), None)
        given = os.path.basename(request.POST.get("import_file_name", ""))
        content = _kept(previewed["name"]) if previewed and given == previewed["name"] else None
        if content is None:
            messages.error(request, _("This preview is over: upload the file again. Nothing was imported."))
            return redirect(self._address("import"))
        try:
            dataset = self.formats[previewed["format"]]().create_dataset(content)
        except reading.Unreadable as why:
            messages.error(request, str(why))
            return redirect(self._address("import"))
        (resource,) = self.get_import_resource_classes(request)
        result = resource(**self.get_import_resource_kwargs(request)).import_data(dataset, dry_run=False)
        return self.process_result(result, request)

    def process_result(self, result: Result, request: HttpRequest) -> HttpResponse:
        """What changed between preview and confirmation is told, and nothing was imported then."""
        if not result.has_errors() and not result.has_validation_errors():
            return cast(HttpResponse, super().process_result(result, request))
        for error in result.base_errors:
            messages.error(request, str(error.error))
        for row in result.invalid_rows[:20]:
            words = {"row": row.number, "why": "; ".join(row.error.messages)}
            messages.error(request, _("Row %(row)s: %(why)s Nothing was imported.") % words)
        return redirect(self._address("import"))

    def _previewed(self, request: HttpRequest) -> str:
        firm = firm_of(request)
        return _PREVIEWED % (firm and firm.slug)

    def _address(self, what: str) -> str:
        opts = cast(Any, self).model._meta
        return reverse(f"admin:{opts.app_label}_{opts.model_name}_{what}")


def _kept(name: str) -> bytes | None:
    """What was uploaded for a preview, which goes with that; None when it is no longer there."""
    storage = TempFolderStorage(name=name, read_mode="rb")
    try:
        content: bytes = storage.read()
        storage.remove()
    except FileNotFoundError:
        return None
    return content
