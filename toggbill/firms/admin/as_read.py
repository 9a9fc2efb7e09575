"""A form of the admin that carries what it showed of its row, and changes no other state (design D12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest

from toggbill.firms.read import Figures, Read

# Generic for the type checker only, not at run time.
if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

FIELD = "read"


def read_of(request: HttpRequest) -> Read:
    """What a form that was sent says that it showed; for the verb, which compares."""
    return Read.unpack(request.POST.get(FIELD, ""))


class AsReadMixin(_ModelAdmin):
    """The form of a row, and the page that asks before it is removed. ``figures_of``: what there is to read of it."""

    figures_of: ClassVar[staticmethod[[Any], Figures]]

    change_form_template = "admin/firms/as_read_form.html"
    delete_confirmation_template = "admin/firms/as_read_delete.html"

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """With what was sent, where the form is shown once more, else with what stands."""
        context |= self._carried(request, context.get("original"))
        return super().render_change_form(request, context, *args, **kwargs)

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> Any:
        """Likewise."""
        return super().render_delete_form(request, context | self._carried(request, context["object"]))

    def _carried(self, request: HttpRequest, row: Any) -> dict[str, str]:
        if row is None:
            return {}
        # As it stands: a form that was sent has put on the row what was typed.
        standing = self.model._default_manager.get(pk=row.pk)
        return {FIELD: request.POST.get(FIELD) or Read.of([self.figures_of(standing)]).pack()}
