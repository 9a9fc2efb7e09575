"""What every template knows of the site's settings."""

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, bool]:
    """``signup_is_open``: whether a stranger may open a firm."""
    return {"signup_is_open": settings.SIGNUP_OPEN}
