"""The addresses of a furnished firm: what each pattern of the URL conf names, and where it leads."""

from __future__ import annotations

import re
from typing import Any

from django.apps import apps
from django.urls import reverse

from integrations.models import Client as TogglClient
from invoicing.models import (
    Agreement,
    BroughtOrder,
    ClientMapping,
    Correction,
    Dossier,
    Drift,
    Invoice,
    InvoiceLine,
    LedgerRow,
    SavedView,
    TagMapping,
)
from tests.addresses import Address
from toggbill.firms.models import Firm, Invitation, Membership, User
from toggbill.firms.requests.addresses import in_firm


def row_of(label: str, firm: Firm, mark: str) -> Any:
    """The row of a model that belongs to a dossier, for the admin's addresses."""
    model = apps.get_model(label)
    if model is Firm:
        return firm
    if model is User:
        return User.objects.get(email=f"{mark}@example.com")
    if label == "integrations.entry":
        return LedgerRow.objects.filter(dossier__key=mark, firm=firm).order_by("pk")[0].entry
    rows = model._default_manager.filter(firm=firm).order_by("pk")
    # `hidden` was furnished after `bakery`, and is alone with its rows at the end.
    row = rows.last() if mark == "hidden" else rows.first()
    assert row is not None, f"furniture has no {label}"
    return row


def named_of(firm: Firm, mark: str) -> dict[str, Any]:
    """What the addresses of a dossier name, looked up once: what a request changes is undone."""
    dossier = Dossier.objects.select_related("workspace__connection").get(firm=firm, key=mark)
    return {
        "invoice": Invoice.objects.filter(firm=firm, dossier=dossier).order_by("pk")[0].reference,
        "service": dossier.workspace.connection.service,
        "connection": dossier.workspace.connection.key,
        "workspace": dossier.workspace.remote_id,
        "member": Membership.objects.get(firm=firm, user__email=f"{mark}@example.com").pk,
        "invitation": Invitation.objects.get(firm=firm, email=f"{mark}-invited@example.com").pk,
        "tag": TagMapping.objects.filter(dossier=dossier).order_by("pk")[0].pk,
        "agreement": Agreement.objects.filter(dossier=dossier).order_by("pk")[0].pk,
        "advances": (advance := InvoiceLine.objects.filter(invoice__dossier=dossier, kind="advance")[0]).agreement_id,
        "advance": advance.pk,
        "brought": BroughtOrder.objects.get(agreement=advance.agreement).pk,
        "blocks": Agreement.objects.filter(dossier=dossier, kind="prepaid")[0].pk,
        "client": TogglClient.objects.filter(workspace=dossier.workspace).order_by("pk")[0].remote_id,
        "mapped": ClientMapping.objects.get(dossier=dossier).client_remote_id,
        "correction": Correction.objects.filter(firm=firm, invoice__dossier=dossier).order_by("pk")[0].pk,
        "view": SavedView.objects.get(firm=firm, name=mark).pk,
        "finding": Drift.objects.filter(firm=firm, dossier=dossier).order_by("pk")[0].pk,
    }


def values_of(address: Address, firm: Firm, mark: str, named: dict[str, Any], token: str) -> dict[str, Any]:
    name = address.name.removeprefix("firm:")
    own: dict[str, dict[str, Any]] = {
        "account_confirm_email": {"key": "unknown"},
        "account_reset_password_from_key": {"uidb36": "1", "key": "unknown"},
        "admin:app_list": {"app_label": "invoicing"},
        "admin:view_on_site": {"content_type_id": 1, "object_id": 1},
        "/f/<slug:firm>/admin/(?P<url>.*)$": {"url": "nowhere/"},
        "/operator/(?P<url>.*)$": {"url": "nowhere/"},
        "operator:app_list": {"app_label": "firms"},
        "operator:view_on_site": {"content_type_id": 1, "object_id": 1},
        "old_address": {"page": f"invoices/{named['invoice']}/"},
        "connection_add": {"service": "toggl"},
        "toggl_hook": {"token": "unknown"},
        "billit_hook": {"token": "unknown"},
        "invitation": {"token": token},
        "invite_again": {"pk": named["invitation"]},
        "revoke_invitation": {"pk": named["invitation"]},
        "member": {"pk": named["member"]},
        "remove_member": {"pk": named["member"]},
        "reset_mfa": {"pk": named["member"]},
        "mfa_edit_webauthn": {"pk": 1},
        "mfa_remove_webauthn": {"pk": 1},
        "line_amount": {"reference": named["invoice"], "position": 1},
        "step": {"reference": named["invoice"], "step": "drop"},
        "decide": {"pk": named["correction"], "remedy": "accept"},
        "decide_alike": {"key": mark, "group": "unknown", "remedy": "accept"},
        "acknowledge": {"key": mark, "pk": named["finding"]},
        "decide_any_hours": {"decision": "hold"},
        "together": {"verb": "drop"},
        "remove_view": {"pk": named["view"]},
        "decide_hours": {"key": mark, "decision": "hold"},
        "decision": {"key": mark, "name": "unknown"},
        "decide_alike_hours": {"key": mark, "name": "unknown", "remedy": "hold"},
        "client": {"key": mark, "client": named["client"]},
        "client_remove": {"key": mark, "client": named["mapped"]},
        "tag": {"key": mark, "pk": named["tag"]},
        "tag_remove": {"key": mark, "pk": named["tag"]},
        "agreement": {"key": mark, "pk": named["agreement"]},
        "agreement_end": {"key": mark, "pk": named["agreement"]},
        "agreement_left": {"key": mark, "pk": named["advances"]},
        "agreement_give_back": {"key": mark, "pk": named["advances"], "line": named["advance"]},
        "agreement_settle": {"key": mark, "pk": named["advances"]},
        "agreement_block": {"key": mark, "pk": named["blocks"]},
        "agreement_orders": {"key": mark, "pk": named["advances"]},
        "agreement_bring": {"key": mark, "pk": named["advances"]},
        "agreement_let_go": {"key": mark, "pk": named["advances"], "order": named["brought"]},
        "setup_connect": {"service": "toggl"},
        "setup_choose": {"service": "toggl"},
    }
    if name in own:
        return own[name]
    in_admin = r"(?:admin|operator):([a-z]+)_([a-z]+)_\w+|/.*(?:admin|operator)/([a-z]+)/([a-z]+)/<path:object_id>/"
    if match := re.fullmatch(in_admin, address.name):
        label = f"{match[1] or match[3]}.{match[2] or match[4]}"
        if address.wants and label not in named:
            named[label] = row_of(label, firm, mark).pk
        return dict.fromkeys(address.wants, named.get(label))
    general: dict[str, Any] = {
        "reference": named["invoice"],
        "service": named["service"],
        "remote_id": named["workspace"],
    }
    general["kind"] = "csv"
    general["key"] = named["connection"] if "service" in address.wants else mark
    assert set(address.wants) <= set(general), f"{address.name}: what is {address.wants}? Say it in values_of."
    return {name: general[name] for name in address.wants}


def url_of(address: Address, values: dict[str, Any], slug: str) -> str:
    if not address.name.startswith("/"):
        with in_firm(slug):
            return reverse(address.name, kwargs=values)
    path = address.name.replace("<slug:firm>", slug)
    return re.sub(r"<path:object_id>|\(\?P<url>\.\*\)\$", lambda _found: str(next(iter(values.values()))), path)
