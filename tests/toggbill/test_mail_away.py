"""Without its mail server the site goes on, and says what was not sent."""

from __future__ import annotations

import socket

import pytest
from django.test import Client
from pytest_django import Settings

from tests.factories import UserFactory
from tests.visitors import alerts

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("says_nothing", [False, True])
def test_forgotten_password_says_that_the_mail_was_not_sent(settings: Settings, says_nothing: bool) -> None:
    user = UserFactory()
    settings.WHITENOISE_AUTOREFRESH = True
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    assert 0 < settings.EMAIL_TIMEOUT <= 10
    settings.EMAIL_TIMEOUT = 0.3
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        if says_nothing:
            held.listen()
        settings.EMAIL_HOST, settings.EMAIL_PORT = held.getsockname()
        answer = Client().post("/accounts/password/reset/", {"email": user.email}, follow=True)
    assert answer.status_code == 200
    assert "danger: The mail could not be sent. Try again later." in alerts(answer.content.decode())
