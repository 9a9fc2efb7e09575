"""Texts without the tokens and codes that addresses carry: for logs and error reports (design D7). No Django.

Some links open something to whoever has them: an invitation, a new password, a proven address, the address that a
service calls. Their last part is taken out wherever such an address stands in a text, and so is every value of a query.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

HIDDEN = "***"
_SECRET_PATHS = re.compile(
    r"(/hooks/(?:toggl|billit)/|/invitations/|/password/reset/key/|/confirm-email/)"
    r"(?!\d+/(?:again|revoke)/)[\w.~:%=+-]{6,}"
)
_QUERY_VALUES = re.compile(r"((?:[?&]|&amp;)[\w.%~+\[\]-]+=)[^&\s\"'<>#,;)]+")
_NAMED = re.compile(
    r"\b((?:(?:\w+_)?(?:token|secret|password)|api_key)[\"']?\s?[=:]\s?[\"']?|(?:code|state)=)[\w.~+/-]{8,}=*",
    re.IGNORECASE,
)


def masked(text: str) -> str:
    """The text with ``***`` for tokens in addresses, values of queries, and what is called a token or a code."""
    for pattern in (_SECRET_PATHS, _QUERY_VALUES, _NAMED):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def masked_deeply(value: Any) -> Any:
    """The same for every text in lists and mappings; a ``query_string`` is hidden whole."""
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, Mapping):
        return {key: HIDDEN if key == "query_string" and each else masked_deeply(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(masked_deeply(each) for each in value)
    return value


class Record(logging.LogRecord):
    """A line of any log of the process, gunicorn's and Celery's included."""

    def __init__(self, *args: Any, **keywords: Any) -> None:
        """The traceback is written at once, masked: formatters take the text that a record has."""
        super().__init__(*args, **keywords)
        if self.exc_info and self.exc_info[0] is not None:
            self.exc_text = masked(logging.Formatter().formatException(self.exc_info))

    def getMessage(self) -> str:
        """The message, masked."""
        return masked(super().getMessage())


def mask_logs() -> None:
    """From now on every record of this process has its message masked, whoever logs and wherever it is written."""
    logging.setLogRecordFactory(Record)


def sentry_event(event: Any, _hint: Any) -> Any:
    """An event, a transaction or a breadcrumb as it may leave for Sentry."""
    return masked_deeply(event)
