"""The pages and mails of accounts are French and Dutch to the last word, those parts that allauth brings included."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import allauth
import pytest
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.test import Client, RequestFactory
from django.urls import URLResolver, get_resolver, reverse
from django.utils import translation
from pytest_django import Settings

from tests.factories import PASSWORD, FirmFactory, MembershipFactory, UserFactory
from tests.visitors import prove
from toggbill.firms.models import User

pytestmark = pytest.mark.django_db

HOME = Path(allauth.__file__).parent
# English words that neither French nor Dutch has.
ENGLISH = re.compile(
    r"\b(the|your|you|with|please|click|sign|signed|address|password|email address|has been|this|from|below"
    r"|enter|confirm your|forgot|remove|verify|unknown|invalid|incorrect|required|must)\b",
    re.IGNORECASE,
)
# What is the same in the other language, or nobody reads: names of applications and of kinds of rows.
ALIKE = {
    "fr": {"Code", "MFA", "Sessions", "WebAuthn", "field label"},
    "nl": {
        "Accounts",
        "Authenticator code",
        "Browser",
        "Code",
        "Login",
        "MFA",
        "Menu:",
        "Passkey",
        "TOTP Authenticator",
        "WebAuthn",
        "field label",
    },
}
languages = pytest.mark.parametrize("language", ["fr", "nl"])


@pytest.fixture(autouse=True)
def open_door(settings: Settings) -> None:
    """Strangers may sign up; nothing is counted; no folder of static files is needed."""
    settings.SIGNUP_OPEN = True
    settings.ACCOUNT_RATE_LIMITS = False
    settings.WHITENOISE_AUTOREFRESH = True


def words(html: str) -> str:
    """What a person reads of a page, with the names of buttons and fields, and without the menu of languages."""
    html = re.sub(r"<(script|style|head)\b.*?</\1>", " ", html, flags=re.DOTALL)
    html = re.sub(r"<button[^>]*name=\"language\".*?</button>", " ", html, flags=re.DOTALL)
    spoken = " ".join(re.findall(r"(?:aria-label|placeholder|title)=\"([^\"]*)\"", html))
    return " ".join((re.sub(r"<[^>]+>", " ", html) + spoken).split())


def left_in_english(text: str) -> list[str]:
    return [" ".join(text[max(0, found.start() - 30) : found.end() + 30].split()) for found in ENGLISH.finditer(text)]


def pages() -> Iterator[str]:
    """Every address under accounts/ that needs no parameter, or one that leads nowhere."""
    for resolver in get_resolver().url_patterns:
        if isinstance(resolver, URLResolver) and str(resolver.pattern) == "accounts/":
            yield from _below(resolver)


def _below(resolver: URLResolver, above: frozenset[str] = frozenset()) -> Iterator[str]:
    for pattern in resolver.url_patterns:
        names = above | {*pattern.pattern.regex.groupindex, *pattern.pattern.converters}
        if isinstance(pattern, URLResolver):
            yield from _below(pattern, names)
            continue
        yield reverse(pattern.name, kwargs={name: 1 if name == "pk" else "1-y" for name in names})


def person(*, steps: bool) -> User:
    """A member, with an app, codes and a second address if ``steps``."""
    row = MembershipFactory(firm=FirmFactory(), user__password=PASSWORD, user__name="Odile")
    if steps:
        EmailAddress.objects.create(user=row.user, email=row.user.email, verified=True, primary=True)
        EmailAddress.objects.create(user=row.user, email="other@example.com", verified=False, primary=False)
        TOTP.activate(row.user, generate_totp_secret())
        RecoveryCodes.activate(row.user)
    return row.user


def visitors() -> Iterator[tuple[str, Client]]:
    yield "nobody", Client()
    for steps in (False, True):
        browser = Client()
        user = person(steps=steps)
        browser.force_login(user)
        prove(browser, "mfa" if steps else "password")
        yield f"member, {Authenticator.objects.filter(user=user).count()} steps", browser


@pytest.mark.slow
@languages
def test_pages_of_accounts_speak_the_language(language: str) -> None:
    faults, seen = [], 0
    for who, browser in visitors():
        browser.cookies["django_language"] = language
        for path in sorted(set(pages())):
            if path.endswith("/logout/"):
                continue
            # Sent empty, a form tells its faults.
            for answer in (browser.get(path), browser.post(path), browser.get(path)):
                if "html" not in answer.get("Content-Type", "") or not answer.content:
                    continue
                seen += 1
                faults += [f"{who} {path}: {text}" for text in left_in_english(words(answer.content.decode()))]
    assert sorted(set(faults)) == []
    assert seen > 60


@languages
def test_refusals_of_accounts_speak_the_language(language: str) -> None:
    user = person(steps=False)
    browser = Client()
    browser.cookies["django_language"] = language
    wrong = {"login": user.email, "password": "wrong"}
    sign_up = {"firm_name": "Bureau", "email": "no address", "password1": "12345", "password2": "54321"}
    sent = [("/accounts/login/", wrong), ("/accounts/signup/", sign_up), ("/accounts/password/reset/", {"email": "x"})]
    answers = [browser.post(path, form) for path, form in sent]
    browser.force_login(user)
    prove(browser, "password")
    choice = {"oldpassword": "wrong", "password1": user.email, "password2": "other"}
    answers += [browser.post("/accounts/password/change/", choice)]
    answers += [browser.post("/accounts/email/", {"email": user.email, "action_add": ""})]
    for answer in answers:
        page = answer.content.decode()
        assert "field-error" in page or "alert-danger" in page
        assert left_in_english(words(page)) == []


def mails() -> list[str]:
    """The templates of every mail that allauth may send for accounts and second steps."""
    found = [*HOME.glob("templates/account/email/*_subject.txt"), *HOME.glob("templates/mfa/email/*_subject.txt")]
    return sorted(str(path.relative_to(HOME / "templates")).removesuffix("_subject.txt") for path in found)


@languages
@pytest.mark.parametrize("prefix", mails())
def test_mails_of_accounts_speak_the_language(prefix: str, language: str) -> None:
    request = RequestFactory().get("/", headers={"user-agent": "Mozilla"})
    request.user, request.session = AnonymousUser(), SessionStore()
    user = UserFactory(email="odile@example.com")
    told = {
        "user": user,
        "email": user.email,
        "activate_url": "http://testserver/a/",
        "password_reset_url": "http://testserver/b/",
        "signup_url": "http://testserver/c/",
        "code": "123456",
        "key": "abc",
        "ip": "127.0.0.1",
        "user_agent": "-",
        "timestamp": "-",
        "from_email": "old@example.com",
        "to_email": "new@example.com",
        "authenticator": None,
    }
    with translation.override(language), context.request_context(request):
        get_adapter().send_mail(prefix, user.email, told)
    [message] = mail.outbox
    assert left_in_english(f"{message.subject} {message.body}") == []
    assert len(str(message.body)) > 40


@languages
def test_every_text_of_allauth_has_its_translation(language: str) -> None:
    catalogue = (HOME / "locale/en/LC_MESSAGES/django.po").read_text(encoding="utf-8")
    texts: list[tuple[str, bool]] = []
    for block in catalogue.split("\n\n"):
        places = " ".join(re.findall(r"^#: (.*)$", block, flags=re.MULTILINE))
        said = re.search(r"^msgid ((?:\".*\"\n?)+)(msgid_plural)?", block, flags=re.MULTILINE)
        if said and re.search(r"(^| |templates/)(account|mfa|usersessions)/", places):
            text = "".join(re.findall(r'"(.*)"', said[1])).replace("\\n", "\n").replace('\\"', '"')
            texts.append((text, bool(said[2])))
    assert (len(texts) > 150, sum(plural for _, plural in texts)) == (True, 2)
    with translation.override(language):
        # A text with a plural is found by ngettext only, on Python 3.11.2 at least.
        found = {
            text: translation.ngettext(text, "", 1) if plural else translation.gettext(text) for text, plural in texts
        }
    untold = {text for text, told in found.items() if told == text}
    assert untold <= ALIKE[language]
