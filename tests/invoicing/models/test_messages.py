"""Sentences of ours that stand in rows are known again, whatever is in their places, and read in three languages."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import translation

from integrations.clients.transport import Answer, Call, ServiceError, Transport
from integrations.connections import circuit, tokens
from integrations.mirror import sync
from integrations.models import Connection
from invoicing.models import Invoice, messages
from invoicing.models.messages import Sentence, told
from tests.factories import ConnectionFactory, FirmFactory, InvoiceFactory
from tests.invoicing.scene import Scene
from tests.visitors import signed_in, text
from tests.worlds import entry

Make = Callable[..., Scene]
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def in_french(words: str) -> str:
    with translation.override("fr"):
        return told(words)


@pytest.mark.parametrize("sentence", messages.KNOWN, ids=lambda sentence: sentence.template[:40])
def test_every_sentence_is_known_again_in_each_language(sentence: Sentence) -> None:
    places = {name: f"<{name}>" for name in sentence.shape.groupindex}
    stands = sentence.english(**places)
    for language in ("fr", "nl"):
        with translation.override(language):
            read = told(stands)
            assert read == sentence.local(**places)
            assert read != stands
            assert all(words in read for words in places.values())
    with translation.override("en"):
        assert told(stands) == stands


@pytest.mark.parametrize("text", ["", "Company is not allowed to send.", "VAT is missing: BT-31", "100 % of it"])
def test_words_of_others_stay_as_they_came(text: str) -> None:
    assert in_french(text) == text


def test_sentence_within_a_sentence_is_read_too() -> None:
    stands = (
        "Order 5 of this reference was deleted in Billit. Look at Billit, then adopt it there by hand or post anew."
    )
    read = in_french(stands)
    assert "Order" not in read
    assert "Look at" not in read


# --- what the clients really say (integrations has no translations: their sentences are known by shape) ---------------


def _transport(**options: Any) -> Transport:
    def refusal(_call: Call, _answer: Answer) -> ServiceError:
        raise AssertionError("nothing is refused here")

    return Transport(service="Billit", url="http://127.0.0.1:9", refusal=refusal, **options)


def _said() -> dict[str, str]:
    """What transport says of each thing that can happen to a call, by its own code."""
    transport = _transport()
    purpose = "the list of products"
    read, write = Call("GET", "/x", purpose, True), Call("POST", "/x", purpose, False)

    def of(call: Call, status: int) -> str:
        return str(transport._failure(call, Answer(status, {}, b"")))

    with pytest.raises(ServiceError) as unreachable:
        transport.send("GET", "/x", purpose=purpose)
    with pytest.raises(ServiceError) as elsewhere:
        transport.send("GET", "x", purpose=purpose)
    with pytest.raises(ServiceError) as blanks:
        _transport(secret="a b").send("GET", "/x", purpose=purpose)
    return {
        "nonsense": str(transport.nonsense(purpose, "it is not JSON")),
        "unclear": of(write, 500),
        "used": of(write, 409),
        "late": str(transport._broken(write, TimeoutError("timed out"))),
        "late read": str(transport._broken(read, TimeoutError("timed out"))),
        "cut": str(transport._broken(read, OSError("cut"))),
        "refused": str(transport.refused(read, Answer(400, {}, b""), reason="No.")),
        "too many": of(read, 429),
        "down": of(read, 503),
        "unreachable": str(unreachable.value),
        "elsewhere": str(elsewhere.value),
        "blanks": str(blanks.value),
    }


def test_what_transport_says_is_known() -> None:
    for why, words in _said().items():
        read = in_french(words)
        assert read != words, why
        assert "the list of products" not in read, why


@pytest.mark.django_db
def test_what_connections_say_is_known() -> None:
    row = ConnectionFactory(service="billit", key="main", failures=5, rest_until=NOW + timedelta(minutes=5))
    said = []
    with pytest.raises(ServiceError) as resting:
        circuit.check(row, now=NOW)
    said.append(str(resting.value))
    for change in ({"paused_at": NOW}, {"removed_at": NOW, "secret": "", "refresh_secret": ""}):
        Connection.objects.filter(pk=row.pk).update(**change)
        with pytest.raises(ServiceError) as refused:
            tokens.check(row)
        said.append(str(refused.value))
    said += [tokens._sign_in_again(row, None), tokens._sign_in_again(row, NOW)]
    said.append(str(sync.Busy(f"{row} is being read by another process at this moment. Try again in a minute.")))
    assert [words for words in said if in_french(words) == words] == []


@pytest.mark.django_db
def test_what_posting_says_is_known(scene: Make) -> None:
    books = scene(entries=[entry(1)])
    with books.fault("cut_after"):
        invoice = books.post(books.approved())
    assert invoice.status == "in_doubt"
    assert in_french(invoice.problem) != invoice.problem
    Invoice.objects.filter(pk=invoice.pk).update(total_incl=invoice.total_incl + 1, total_excl=invoice.total_excl + 1)
    books.later(minutes=10)
    left = books.recover(invoice)
    assert left.needs_person
    assert in_french(left.problem) != left.problem


@pytest.mark.django_db
def test_page_shows_a_sentence_in_the_language_of_the_reader() -> None:
    firm = FirmFactory(language="fr")
    stands = "Order 5 has this reference, but another total or customer than ours."
    invoice = InvoiceFactory(dossier__firm=firm, status="in_doubt", needs_person=True, problem=stands)
    words = text(signed_in(firm), f"/invoices/{invoice.reference}/")
    assert stands not in words
    assert in_french(stands).replace("\u00a0", " ") in words.replace("&#x27;", "'")
