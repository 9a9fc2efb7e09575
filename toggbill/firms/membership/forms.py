"""The forms of the members page and of invitations."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from toggbill.firms.access import dossiers_of
from toggbill.firms.models import Firm, Membership, User


class ReachForm(forms.Form):
    """A role, and the dossiers that it is for: none chosen is all of them."""

    role = forms.ChoiceField(label=_("Role"), choices=Membership.Role.choices)
    dossiers: forms.ModelMultipleChoiceField[Any] = forms.ModelMultipleChoiceField(
        label=_("Only these dossiers"),
        queryset=None,
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: all dossiers, also those to come."),
    )

    def __init__(self, *args: Any, firm: Firm, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dossiers"].queryset = dossiers_of(firm)  # type: ignore[attr-defined]  # a ModelMultipleChoiceField

    def clean(self) -> dict[str, Any]:
        """An owner sees everything."""
        cleaned = super().clean() or {}
        if cleaned.get("role") == Membership.Role.OWNER and cleaned.get("dossiers"):
            self.add_error("dossiers", _("An owner sees every dossier: choose none, or another role."))
        return cleaned

    @property
    def chosen(self) -> list[Any] | None:
        """The dossiers chosen; None: all."""
        return list(self.cleaned_data["dossiers"]) or None


class InviteForm(ReachForm):
    """Whom to invite."""

    email = forms.EmailField(label=_("E-mail"), max_length=254)
    field_order = ("email", "role", "dossiers")


class JoinForm(forms.Form):
    """An invited person without an account gives a name and a password."""

    name = forms.CharField(label=_("Your name"), max_length=150, strip=True)
    password1 = forms.CharField(
        label=_("Password"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    password2 = forms.CharField(
        label=_("Password once more"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def __init__(self, *args: Any, email: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.email = email

    def clean(self) -> dict[str, Any]:
        """Twice the same, and good enough."""
        cleaned = super().clean() or {}
        first, second = cleaned.get("password1"), cleaned.get("password2")
        if first and second and first != second:
            self.add_error("password2", _("The two passwords differ."))
        elif first:
            try:
                validate_password(first, User(email=self.email, name=cleaned.get("name", "")))
            except ValidationError as error:
                self.add_error("password1", error)
        return cleaned
