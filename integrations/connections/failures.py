"""The words for what goes wrong at Toggl and Billit, in the language of who reads them (design D11).

The codes, and their English, stand in ``clients.failures``, which knows no Django.
"""

from __future__ import annotations

from django.utils.translation import gettext

from integrations.clients.http import failures
from integrations.clients.http.failures import Facts, Message


def words(message: Message) -> str:
    """A failure as a sentence in the language in force."""
    return words_of(message.code, message.facts)


def words_of(code: str, facts: Facts) -> str:
    """The same for the columns of a row; "" for no code."""
    return failures.sentence(code, facts, failures.SENTENCES, translate=gettext)
