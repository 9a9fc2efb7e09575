"""What an error report may show (design D7): no local variable and nothing that was typed, with DEBUG on, too.

A token passes through many hands on its way to a service, each with a name of its own; hiding some names would be a
list that is never complete.
"""

from __future__ import annotations

import re
from collections.abc import ItemsView
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from toggbill.masking import HIDDEN, masked


class WithoutValues(SafeExceptionReporterFilter):
    """Reports where something broke, and not with which values."""

    # Addresses of databases and brokers carry passwords.
    hidden_settings = re.compile("API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE|URL|DSN", re.IGNORECASE)

    def is_active(self, request: HttpRequest | None) -> bool:
        """Always: Django's own filter rests while DEBUG is on."""
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """The names of what was sent."""
        return {} if request is None else dict.fromkeys(request.POST, self.cleansed_substitute)

    def get_safe_request_meta(self, request: HttpRequest | None) -> dict[str, Any]:
        """Without the tokens of addresses; of a query, only that there was one."""
        meta: dict[str, Any] = {} if request is None else super().get_safe_request_meta(request)
        found = {name: masked(value) if isinstance(value, str) else value for name, value in meta.items()}
        return found | ({"QUERY_STRING": HIDDEN} if found.get("QUERY_STRING") else {})

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        """None."""
        return dict[str, Any]().items()


class Report(ExceptionReporter):
    """The report itself, on the page of DEBUG and as a text: without tokens and codes of addresses and messages."""

    def get_traceback_data(self) -> dict[str, Any]:
        """The names of a query's fields, and what the error said masked."""
        data: dict[str, Any] = super().get_traceback_data()
        if self.request is not None:
            data["request_GET_items"] = [(name, HIDDEN) for name in self.request.GET]
        return data

    def get_traceback_html(self) -> SafeString:
        """The page."""
        return SafeString(masked(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        """The text."""
        return SafeString(masked(super().get_traceback_text()))
