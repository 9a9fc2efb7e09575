"""What the clients and connections report: exact codes and facts for each thing that can happen to a call."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import translation
from pytest_django import Settings

from integrations.clients.http import failures as codes
from integrations.clients.http.answers import Answer
from integrations.clients.http.failures import Asked, Detail, Message
from integrations.clients.http.transport import Call, ServiceError, Transport
from integrations.connections import failures, tokens
from integrations.connections.pacing import circuit, quota
from integrations.mirror import sync
from integrations.models import Connection
from tests.factories import ConnectionFactory, WorkspaceFactory

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
PRODUCTS = Message(Asked.PRODUCTS)
READ, WRITE = Call("GET", "/x", PRODUCTS, True), Call("POST", "/x", PRODUCTS, False)


def _transport(**options: Any) -> Transport:
    def refusal(_call: Call, _answer: Answer) -> ServiceError:
        raise AssertionError("nothing is refused here")

    return Transport(service="Billit", url="http://127.0.0.1:9", refusal=refusal, **options)


def _asked(**facts: Any) -> dict[str, Any]:
    return {"service": "Billit", "what": PRODUCTS.data(), **facts}


def _detail(code: Detail, **facts: Any) -> dict[str, Any]:
    return _asked(detail={"code": str(code), "facts": facts})


def _failure(call: Call, status: int) -> Message:
    return _transport()._failure(call, Answer(status, {}, b"")).message


def _raised(transport: Transport, path: str) -> Message:
    with pytest.raises(ServiceError) as caught:
        transport.send("GET", path, purpose=PRODUCTS)
    return caught.value.message


def _reported() -> dict[str, tuple[Message, str, dict[str, Any]]]:
    """By what happened: what transport reports by its own code, and the code and facts that are expected."""
    transport = _transport()
    late, cut = TimeoutError("timed out"), OSError("cut")
    no = Answer(400, {}, b"")
    nonsense = transport.nonsense(PRODUCTS, Message(Detail.NOT_JSON)).message
    return {
        "nonsense": (nonsense, "unreadable", _detail(Detail.NOT_JSON)),
        "unclear": (_failure(WRITE, 500), "unclear", _detail(Detail.STATUS, status=500)),
        "used": (_failure(WRITE, 409), "unclear", _detail(Detail.USED_BEFORE)),
        "late": (transport._broken(WRITE, late).message, "unclear", _detail(Detail.TOO_LATE)),
        "late read": (transport._broken(READ, late).message, "no_answer", _detail(Detail.TOO_LATE)),
        "cut": (transport._broken(READ, cut).message, "no_answer", _detail(Detail.CUT)),
        "refused": (transport.refused(READ, no, reason="No.").message, "refused", _asked(status=400, said="No.")),
        "refused by code": (
            transport.refused(READ, no, code="NotAllowed").message,
            "refused",
            _asked(status=400, said="NotAllowed"),
        ),
        "refused in silence": (
            transport.refused(READ, no).message,
            "refused",
            _asked(status=400, said={"code": "no_reason", "facts": {}}),
        ),
        "too many": (_failure(READ, 429), "too_many_requests", _asked()),
        "down": (_failure(READ, 503), "server_error", _asked(status=503)),
        "unreachable": (_raised(transport, "/x"), "not_reached", _asked()),
        "elsewhere": (_raised(transport, "x"), "led_elsewhere", _asked()),
        "blanks": (_raised(_transport(secret="a b"), "/x"), "malformed_credential", {"service": "Billit"}),
    }


@pytest.mark.parametrize("what", sorted(_reported()))
def test_what_transport_reports(what: str) -> None:
    message, code, facts = _reported()[what]
    assert (message.code, message.facts) == (code, facts)
    for language in ("fr", "nl"):
        with translation.override(language):
            sentence = failures.words(message)
        assert sentence != codes.english(message)
        assert "the list of products" not in sentence
        assert "%" not in sentence


def test_error_reads_in_english_whatever_the_language_of_the_reader() -> None:
    with translation.override("fr"):
        error = _transport().refused(READ, Answer(404, {}, b""))
    assert str(error) == (
        "Billit refused the list of products: no reason given. Mend what it names, then try again. [HTTP 404]"
    )


def test_secret_that_a_vendor_repeats_is_in_no_fact() -> None:
    error = _transport(secret="s3cret").refused(READ, Answer(400, {}, b""), reason="The key s3cret is wrong.")
    assert error.message.facts["said"] == "The key *** is wrong."
    assert "s3cret" not in str(error)
    error = _transport().refused(READ, Answer(400, {}, b""), reason="No https://a/hooks/tok/ here")
    error.mask("tok")
    assert error.message.facts["said"] == "No https://a/hooks/***/ here"
    assert "tok" not in str(error)


@pytest.mark.django_db
def test_what_connections_report(settings: Settings) -> None:
    settings.PUBLIC_URL = "https://toggbill.example"
    row = ConnectionFactory(service="billit", key="main", failures=5, rest_until=NOW + timedelta(minutes=5))
    workspace = WorkspaceFactory(name="Small")
    found = []
    with pytest.raises(ServiceError) as resting:
        circuit.check(row, now=NOW)
    found.append(resting.value.message)
    for change in ({"paused_at": NOW}, {"removed_at": NOW, "secret": "", "refresh_secret": ""}):
        Connection.objects.filter(pk=row.pk).update(**change)
        with pytest.raises(ServiceError) as refused:
            tokens.check(row)
        found.append(refused.value.message)
    lost = Connection(firm=row.firm, service="billit", key="main", renewing_since=NOW)
    found += [tokens.sign_in_again(row), tokens.sign_in_again(lost), sync.Busy(workspace).message]
    found.append(quota.used_up(workspace, until=NOW))
    page = f"https://toggbill.example/f/{row.firm.slug}/connections/billit/main/"
    main = {"connection": "Billit main"}
    assert [(message.code, message.facts) for message in found] == [
        ("connection_rests", main | {"n": 5, "at": "2026-11-20T09:05:00+00:00"}),
        ("connection_paused", main),
        ("connection_removed", main),
        ("sign_in_over", main | {"page": page}),
        ("sign_in_lost", main | {"page": page, "at": "2026-11-20T09:00:00+00:00"}),
        ("busy", {"what": "Small"}),
        ("quota_used_up", {"workspace": "Small", "at": "2026-11-20T09:00:00+00:00"}),
    ]
    with translation.override("nl"):
        sentences = [failures.words(message) for message in found]
    assert [sentence for sentence in sentences if sentence in map(codes.english, found)] == []


def test_no_sentence_has_a_word_of_the_web_or_a_status() -> None:
    """An accountant reads them; the status is in what the log says (``english``)."""
    for language in ("en", "fr", "nl"):
        with translation.override(language):
            for code, text in codes.SENTENCES.items():
                said = translation.gettext(text)
                found = re.search(r"HTTP|JSON|timestamp|\btrue\b|\bfalse\b|%\(status\)s", said)
                assert found is None, (language, code, said)


def test_log_has_the_status_of_an_answer_and_of_what_came_instead_of_one() -> None:
    unclear = Message(
        codes.Code.UNCLEAR,
        {"service": "Billit", "what": PRODUCTS, "detail": Message(Detail.STATUS, {"status": 503})},
    )
    assert codes.english(unclear) == (
        "Billit did not clearly answer the list of products: it reported a fault of its own. It may have been done all "
        "the same: look in Billit before it is tried again. [HTTP 503]"
    )
