"""Choosing the language of the pages."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import i18n

from toggbill.firms.models import User
from toggbill.firms.next_page import page_of_ours


def set_language(request: HttpRequest) -> HttpResponse:
    """Django's own (fields `language`, `next`), which would also lead to an address that nothing answers."""
    answer: HttpResponse = i18n.set_language(request)
    chosen = request.POST.get("language", "")
    if request.user.is_authenticated and chosen in dict(settings.LANGUAGES):
        # Mails are written in it, too.
        User.objects.filter(pk=request.user.pk).update(language=chosen)
    if answer.status_code == 302:
        answer["Location"] = page_of_ours(request, answer["Location"]) or reverse("home")
    return answer
