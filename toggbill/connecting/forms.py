"""The forms of connections. A secret goes in and never comes out."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from integrations.models import Connection
from toggbill.firms.models import Firm


class SecretField(forms.CharField):
    """A token or key: typed or pasted, never rendered back."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"})
        super().__init__(strip=True, max_length=500, widget=widget, **kwargs)


class KeyForm(forms.Form):
    """The short name of a new connection, by which files and commands call it."""

    key = forms.SlugField(label=_("short name"), max_length=50, initial="main")

    def __init__(self, *args: Any, firm: Firm, service: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.firm = firm
        self.service = service

    def clean_key(self) -> str:
        """A firm has one connection of a service and name; that of a removed one may be taken up again."""
        key = str(self.cleaned_data["key"])
        same = Connection.objects.for_firm(self.firm).standing().filter(service=self.service, key=key)
        if same.exists():
            raise forms.ValidationError(_("The firm already has a connection of this name: choose another one."))
        return key


class TogglForm(KeyForm):
    """A Toggl connection."""

    secret = SecretField(label=_("API token"))
    accept_partial = forms.BooleanField(label=_("accept a token that is not an admin's"), required=False)


class BillitKeyForm(KeyForm):
    """A Billit connection by key."""

    secret = SecretField(label=_("API key"))


class RotateForm(forms.Form):
    """Another token or key for a connection that stands."""

    secret = SecretField(label=_("new token or key"))
