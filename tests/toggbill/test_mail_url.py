"""`EMAIL_URL`: a mail server, or a service that sends mails."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection
from django.test import override_settings

from toggbill.mail_url import settings_of


def test_a_mail_server() -> None:
    found = settings_of("smtp+tls://me:secret@mail.example:587")
    assert found["EMAIL_BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (found["EMAIL_HOST"], found["EMAIL_PORT"], found["EMAIL_USE_TLS"]) == ("mail.example", 587, True)
    assert (found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"]) == ("me", "secret")


def test_without_one_mails_are_printed() -> None:
    assert settings_of("")["EMAIL_BACKEND"] == "django.core.mail.backends.console.EmailBackend"


@pytest.mark.parametrize(
    ("url", "backend", "given"),
    [
        ("anymail+postmark:?server_token=a%2Bb", "postmark", {"POSTMARK_SERVER_TOKEN": "a+b"}),
        (
            "anymail+mailgun:?api_key=k&sender_domain=mg.example.com",
            "mailgun",
            {"MAILGUN_API_KEY": "k", "MAILGUN_SENDER_DOMAIN": "mg.example.com"},
        ),
    ],
)
def test_a_service(url: str, backend: str, given: dict[str, str]) -> None:
    found = settings_of(url)
    assert found == {"EMAIL_BACKEND": f"anymail.backends.{backend}.EmailBackend", "ANYMAIL": given}
    with override_settings(**found):
        assert type(get_connection()).__module__ == f"anymail.backends.{backend}"


@pytest.mark.parametrize("url", ["anymail+postmark:", "anymail+:?a=b", "anymail+"])
def test_a_service_without_its_settings_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="names no service"):
        settings_of(url)
