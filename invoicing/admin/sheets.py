"""Sheets of dossiers and mappings (CSV, XLSX) in the admin, by django-import-export: its pages, our reading and verbs.

A preview writes nothing. A file is taken whole or not at all; each fault names its row, column and cell, what was found
there and what to do. Texts that a spreadsheet would run are neutralised on the way out, and taken as they were on the
way in.
"""

from __future__ import annotations

import os
from typing import Any, cast

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.http import content_disposition_header
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET
from import_export import forms
from import_export.admin import ImportExportMixin
from import_export.results import Result
from import_export.tmp_storages import TempFolderStorage

from invoicing.admin.previews import CsvFile, SheetResource, XlsxFile
from invoicing.dossiers.files import reading, writing
from invoicing.dossiers.sheets.agreements import AgreementSheet
from invoicing.dossiers.sheets.mappings import ClientSheet, DossierSheet, Scope, TagSheet
from invoicing.models import Dossier
from toggbill.firms.access import FirmRequest, actor
from toggbill.firms.admin import allowed, firm_of, looked_at, scoped, understood

BIGGEST_FILE = 2 * 1024 * 1024
_PREVIEWED = "previewed_import of %s"


class FileForm(forms.ImportForm):
    """The upload."""

    def clean_import_file(self) -> Any:
        """No file of this kind is large."""
        file = self.cleaned_data["import_file"]
        if file.size > BIGGEST_FILE:
            raise ValidationError(_("The file is larger than 2 MB: split it."))
        return file


class TagMappings(SheetResource):
    """Tag mappings."""

    sheet_class = TagSheet


class ClientMappings(SheetResource):
    """Client mappings."""

    sheet_class = ClientSheet


class Agreements(SheetResource):
    """Fee agreements."""

    sheet_class = AgreementSheet


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
    import_template_name = "admin/invoicing/import.html"
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

    def get_urls(self) -> list[Any]:
        """With the template's."""
        opts = cast(Any, self).model._meta
        view = cast(Any, self).admin_site.admin_view(require_GET(self.template))
        name = f"{opts.app_label}_{opts.model_name}_template"
        return [path("template/", view, name=name), *super().get_urls()]

    def template(self, request: HttpRequest) -> HttpResponse:
        """A workbook to fill in, in the reader's language."""
        if not self.has_import_permission(request):
            raise PermissionDenied
        opts, (resource,) = cast(Any, self).model._meta, self.get_import_resource_classes(request)
        title = capfirst(str(opts.verbose_name_plural))
        answer = HttpResponse(
            writing.template(resource.sheet_class.row, title=title), content_type=XlsxFile().get_content_type()
        )
        answer.headers["Content-Disposition"] = content_disposition_header(True, f"{title}.xlsx") or ""
        return answer

    def get_import_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """With where the template is."""
        return {**super().get_import_context_data(**kwargs), "template_address": self._address("template")}

    def get_export_data(self, file_format: Any, request: HttpRequest, queryset: Any, **_more: Any) -> bytes:
        """Rows as they stand, in a file that can come in again."""
        (resource,) = self.get_export_resource_classes(request)
        row, cells = resource.sheet_class.row, resource().cells(queryset)
        if isinstance(file_format, XlsxFile):
            return writing.as_xlsx(row, cells, title=capfirst(str(cast(Any, self).model._meta.verbose_name_plural)))
        return writing.as_csv(row, cells)

    def get_resource_kwargs(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Whose rows: the firm's of the page, and of it the dossiers that the person may see."""
        firm = firm_of(request)
        if firm is None or isinstance(request.user, AnonymousUser):
            return {}
        rows = scoped(request, Dossier.objects.select_related("firm", "workspace", "company"))
        scope = Scope(firm, {row.key: row for row in rows})
        return {"scope": scope, "by": actor(cast(FirmRequest, request))}

    def get_import_data_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        """Nothing of the request goes into the rows."""
        return {}

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        """Say why a file cannot be read, and what to do; what is no fault of the file is none of the form's."""
        if not isinstance(e, reading.Unreadable):
            raise e
        words = {"file": form.files["import_file"].name, "why": str(e)}
        form.add_error("import_file", _("“%(file)s”: %(why)s") % words)

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

    def add_success_message(self, result: Result, request: HttpRequest) -> None:
        """What came of it."""
        words = {name: result.totals[name] for name in ("new", "update", "skip")}
        messages.success(request, _("Imported: %(new)d new, %(update)d updated, %(skip)d unchanged.") % words)

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
