"""A button on the forms of dossiers and mappings: what the change would do to last month, before it is saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _

from invoicing.admin import as_read
from invoicing.admin.choices import choices_of
from invoicing.dossiers import trial
from invoicing.ledger import attention
from invoicing.models import Dossier
from toggbill.firms.access import FirmRequest, actor
from toggbill.firms.admin import firm_of
from toggbill.firms.locks import lock_firm
from toggbill.firms.requests.addresses import MADE_FOR

# Generic for the type checker only, not at run time.
if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
else:
    _ModelAdmin = admin.ModelAdmin

TRY = "_try"
_NOT_KEPT = frozenset({"csrfmiddlewaretoken", MADE_FOR, TRY, "_save", "_continue", "_addanother"})


class TrialMixin(_ModelAdmin):
    """The form is checked and saved as always, planned, and taken back: what is shown is what saving would do.

    The plan itself is pure (``trial``); nothing stays of the saving, the audit log and the messages included.
    """

    change_form_template = "admin/invoicing/trial_form.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Save in a transaction that is rolled back, when the form was sent to be tried."""
        if request.method != "POST":
            return super().changeform_view(request, object_id, form_url, extra_context)
        if TRY not in request.POST:
            with transaction.atomic():
                _one_at_a_time(request)
                self._demand_as_read(request, object_id)
                return super().changeform_view(request, object_id, form_url, extra_context)
        now = timezone.now()
        with transaction.atomic():
            _one_at_a_time(request)
            self._demand_as_read(request, object_id)
            answer = super().changeform_view(request, object_id, form_url, extra_context)
            dossier: Dossier | None = getattr(request, "tried_dossier", None)
            after = None if dossier is None else trial.side(dossier, now=now)
            transaction.set_rollback(True)
        if dossier is None or after is None:
            # The form was refused and says why.
            return answer
        before_entries, before = trial.side(dossier, now=now)
        entries = max(before_entries, after[0])
        tried = trial.compare(dossier, before=before, after=after[1], entries=entries, now=now)
        return self._shown(request, dossier, tried)

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """With the lists of what the services have, from which the fields offer, and what the form carries as read."""
        row = context.get("original")
        context |= {"offers": choices_of(request, _dossier(row)).offers, "read": as_read.carried(request, row)}
        return super().render_change_form(request, context, *args, **kwargs)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """A form that knows the names of the dossier's clients and customers."""
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.choices = choices_of(request, _dossier(obj))
        return form

    def message_user(self, request: HttpRequest, message: Any, *args: Any, **kwargs: Any) -> None:
        """What saving would announce did not happen when it is only tried."""
        if TRY not in request.POST:
            super().message_user(request, message, *args, **kwargs)

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        """Remember what was saved for the trial."""
        _remember(request, obj)
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        """Remember what was saved for the trial."""
        _remember(request, obj)
        return super().response_change(request, obj)

    def _demand_as_read(self, request: HttpRequest, object_id: str | None) -> None:
        """The form changes what it showed, or nothing; who may not change anything is told that first."""
        row = None if object_id is None else self.get_object(request, unquote(object_id))
        if row is not None and self.has_change_permission(request, row):
            as_read.demand(request, row, by=actor(cast(FirmRequest, request)))

    def _shown(self, request: HttpRequest, dossier: Dossier, tried: trial.Trial) -> HttpResponse:
        kept = [(name, value) for name, values in request.POST.lists() if name not in _NOT_KEPT for value in values]
        context = {
            **self.admin_site.each_context(request),
            "title": _("What would change"),
            "opts": self.opts,
            "dossier": dossier,
            "trial": tried,
            "skipped": [(attention.words(reason).title, before, after) for reason, before, after in tried.skipped],
            "kept": kept,
        }
        return TemplateResponse(request, "admin/invoicing/trial.html", context)


class ByNameMixin:
    """An inline of a dossier whose forms know the names of its clients and customers."""

    def get_formset(self, request: HttpRequest, obj: Dossier | None = None, **kwargs: Any) -> Any:
        """Told once to all rows."""
        formset = super().get_formset(request, obj, **kwargs)  # type: ignore[misc]  # of the inline beside it
        formset.form.choices = choices_of(request, obj)
        return formset


def _one_at_a_time(request: HttpRequest) -> None:
    """What the form is judged by still stands when the verbs write: whoever changes rules holds the firm."""
    firm = firm_of(request)
    if firm is not None:
        lock_firm(firm)


def _dossier(row: Any) -> Dossier | None:
    if row is None or isinstance(row, Dossier):
        return row
    return cast(Dossier, row.dossier)


def _remember(request: HttpRequest, obj: models.Model) -> None:
    dossier = obj if isinstance(obj, Dossier) else cast(Any, obj).dossier
    # With its relations as they are now: inside the transaction that is taken back.
    request.tried_dossier = Dossier.objects.select_related("firm", "workspace__firm").get(pk=dossier.pk)  # type: ignore[attr-defined]  # read in changeform_view
