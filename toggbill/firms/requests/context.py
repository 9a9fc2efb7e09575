"""What every template knows of the site."""

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from toggbill.firms.requests.addresses import first_page


def site(request: HttpRequest) -> dict[str, bool | str]:
    """``signup_is_open``: whether a stranger may open a firm. ``first_page``: of the page's firm, else `/`."""
    firm = getattr(request, "firm", None)
    return {
        "signup_is_open": settings.SIGNUP_OPEN,
        "first_page": reverse("home") if firm is None else first_page(firm.slug),
    }
