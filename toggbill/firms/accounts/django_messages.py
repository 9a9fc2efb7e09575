"""Sentences that Django shows here and has in one of our languages in English only: so they stand in our catalogue.

Ours goes before Django's. A test (`test_account_languages`) walks the pages of accounts and finds what is missing.
"""

from django.utils.translation import ngettext_lazy

DJANGO_MESSAGES = (
    ngettext_lazy(
        "This password is too short. It must contain at least %d character.",
        "This password is too short. It must contain at least %d characters.",
        8,
    ),
)
"""Read by nobody: `makemessages` finds them."""
