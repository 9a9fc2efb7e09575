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
from django.views.debug import SafeExceptionReporterFilter


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

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> ItemsView[str, Any]:
        """None."""
        return dict[str, Any]().items()
