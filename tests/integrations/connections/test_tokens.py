"""The sign-in at Billit: renewed under a lock, so that a lost answer or two workers never lose it silently."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.db import connection as database
from django.db import connections as databases
from django.db import transaction
from django.utils import timezone
from pytest_django import Settings

from integrations.clients import billit
from integrations.clients.billit import Product
from integrations.clients.billit_sign_in import Pair
from integrations.clients.http.transport import BadCredentials, RetryLater
from integrations.connections import tokens
from integrations.connections.opening import open_billit
from integrations.mirror.sync import sync_company
from integrations.models import Company, Connection
from integrations.sandbox.process import Process
from tests.integrations.connections.signing_in import NOW, RENEWAL, code_of, renewals, stored


def products(company: Company) -> list[Product]:
    """What Billit says the company sells, asked now."""
    with open_billit(company) as api:
        return list(api.products())


@pytest.mark.django_db
def test_sign_in_gives_a_pair_that_opens_the_companies(signed: Callable[[], Connection], sandbox: Process) -> None:
    row = signed()
    with time_machine.travel(NOW, tick=False):
        found = billit.account(url=sandbox.billit_url, credential=tokens.credential(row, now=NOW)).companies
    assert [company.party_id for company in found] == [7001]
    assert stored(row).expires_at == NOW + timedelta(hours=1)


@pytest.mark.django_db
def test_a_code_is_good_once_and_no_error_shows_it(signed: Callable[[], Connection]) -> None:
    signed()
    code = code_of(tokens.sign_in_address(state="s"), state="s")
    tokens.first_pair(code=code)
    with pytest.raises(BadCredentials) as refused:
        tokens.first_pair(code=code)
    assert code not in str(refused.value)
    assert str(refused.value) == (
        "Billit did not accept the sign-in: it took more than ten minutes, or was used already. Sign in again. "
        "[HTTP 400]"
    )


@pytest.mark.django_db
def test_a_state_that_billit_would_cut_is_refused(signed: Callable[[], Connection]) -> None:
    signed()
    with pytest.raises(ValueError, match="cuts the state"):
        tokens.sign_in_address(state="a&b")


@pytest.mark.django_db
def test_an_access_token_with_time_left_is_not_renewed(signed: Callable[[], Connection], sandbox: Process) -> None:
    row = signed()
    before = row.secret
    given = tokens.credential(row, now=NOW + timedelta(minutes=49))
    assert (given, renewals(sandbox)) == (billit.Bearer(before), 0)


@pytest.mark.django_db
def test_an_access_token_near_its_end_is_renewed_and_kept(signed: Callable[[], Connection], sandbox: Process) -> None:
    row = signed()
    later = NOW + timedelta(minutes=51)
    given = tokens.credential(row, now=later)
    kept = stored(row)
    assert given == billit.Bearer(kept.secret)
    assert kept.secret != row.secret
    assert kept.refresh_secret != row.refresh_secret
    assert (kept.expires_at, kept.renewing_since) == (later + timedelta(hours=1), None)
    assert renewals(sandbox) == 1


@pytest.mark.django_db
def test_a_company_is_read_with_a_token_renewed_on_the_way(signed: Callable[[], Connection], sandbox: Process) -> None:
    row = signed()
    with time_machine.travel(NOW + timedelta(hours=3), tick=False):
        sandbox.control.clock(NOW + timedelta(hours=3))
        sync_company(company=Company.objects.get(connection=row), now=timezone.now())
    kept = stored(row)
    assert (kept.failure, kept.latest_ok_at, renewals(sandbox)) == ("none", NOW + timedelta(hours=3), 1)


@pytest.mark.django_db
def test_a_token_that_billit_ends_early_is_renewed_at_the_next_call(
    signed: Callable[[], Connection], sandbox: Process
) -> None:
    row = signed()
    company = Company.objects.get(connection=row)
    sandbox.control.expire_tokens()
    with time_machine.travel(NOW, tick=False):
        with pytest.raises(RetryLater, match="access token ended before"):
            products(company)
        assert products(company) == []
    assert renewals(sandbox) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["cut_before", "unavailable", "html500"])
def test_a_renewal_that_did_not_arrive_is_made_up_with_the_same_token(
    kind: str, signed: Callable[[], Connection], sandbox: Process
) -> None:
    row = signed()
    sandbox.control.faults(RENEWAL | {"kind": kind})
    at = NOW + timedelta(minutes=55)
    assert tokens.credential(row, now=at) == billit.Bearer(row.secret)
    assert stored(row).renewing_since == at
    sandbox.control.faults()
    kept = tokens.credential(row, now=at)
    assert kept == billit.Bearer(stored(row).secret)
    assert (stored(row).renewing_since, kept == billit.Bearer(row.secret)) == (None, False)


@pytest.mark.django_db
def test_a_lost_answer_leaves_the_old_token_in_use_to_its_end(
    signed: Callable[[], Connection], sandbox: Process
) -> None:
    row = signed()
    sandbox.control.faults(RENEWAL | {"kind": "cut_after"})
    at = NOW + timedelta(minutes=55)
    given = tokens.credential(row, now=at)
    assert given == billit.Bearer(row.secret)
    found = billit.account(url=sandbox.billit_url, credential=given).companies
    assert [company.party_id for company in found] == [7001]


@pytest.mark.django_db
def test_a_lost_answer_is_survived_when_billit_repeats_it(signed: Callable[[], Connection], sandbox: Process) -> None:
    row = signed()
    sandbox.control.switch(billit_refresh_grace_seconds=600)
    sandbox.control.faults(RENEWAL | {"kind": "cut_after"})
    at = NOW + timedelta(minutes=55)
    tokens.credential(row, now=at)
    sandbox.control.faults()
    assert tokens.credential(row, now=at) == billit.Bearer(stored(row).secret)
    assert stored(row).secret != row.secret
    assert stored(row).failure == "none"


@pytest.mark.django_db
def test_a_lost_answer_ends_in_the_plain_sentence_when_billit_refuses(
    signed: Callable[[], Connection], sandbox: Process
) -> None:
    row = signed()
    sandbox.control.faults(RENEWAL | {"kind": "cut_after"})
    tokens.credential(row, now=NOW + timedelta(minutes=55))
    sandbox.control.faults()
    sentence = (
        "The sign-in of Billit main has ended: an answer of Billit was lost on 20/11/2026 at 09:55 UTC, and Billit "
        "gives each only once. Sign in to Billit again: https://toggbill.example/f/ours/connections/billit/main/"
    )
    assert tokens.credential(row, now=NOW + timedelta(minutes=56)) == billit.Bearer(row.secret), "good for four minutes"
    with pytest.raises(BadCredentials) as refused:
        tokens.credential(row, now=NOW + timedelta(minutes=60))
    assert str(refused.value) == sentence
    kept = stored(row)
    assert (kept.sign_in_lost_at, kept.refresh_secret) == (NOW + timedelta(minutes=56), "")
    page = "https://toggbill.example/f/ours/connections/billit/main/"
    assert (kept.failure, kept.failure_code, kept.failure_facts) == (
        "credentials",
        "sign_in_lost",
        {"connection": "Billit main", "page": page, "at": "2026-11-20T09:55:00+00:00"},
    )


@pytest.mark.django_db
def test_a_sign_in_that_was_ended_at_billit_says_so_without_a_lost_answer(
    signed: Callable[[], Connection],
) -> None:
    row = signed()
    assert tokens.revoke(access=row.secret) is None
    with pytest.raises(BadCredentials) as refused:
        tokens.credential(row, now=NOW + timedelta(minutes=60))
    assert str(refused.value) == (
        "The sign-in of Billit main has ended. Sign in to Billit again: "
        "https://toggbill.example/f/ours/connections/billit/main/"
    )


@pytest.mark.django_db
def test_no_answer_after_the_end_of_the_token_asks_to_come_back(
    signed: Callable[[], Connection], sandbox: Process
) -> None:
    row = signed()
    sandbox.control.faults(RENEWAL | {"kind": "unavailable"})
    with pytest.raises(RetryLater, match="could not be renewed"):
        tokens.credential(row, now=NOW + timedelta(hours=2))
    assert stored(row).failure == "none"


@pytest.mark.django_db
def test_a_service_that_is_not_there_leaves_nothing_lost(signed: Callable[[], Connection], settings: Settings) -> None:
    row = signed()
    settings.BILLIT_API_URL = "http://127.0.0.1:9"
    assert tokens.credential(row, now=NOW + timedelta(minutes=55)) == billit.Bearer(row.secret)
    assert stored(row).renewing_since is None


@pytest.mark.django_db
@pytest.mark.parametrize("body", [{}, {"access_token": "x"}, {"access_token": "x", "refresh_token": "y"}, "text"])
def test_an_answer_without_tokens_counts_as_lost(
    body: object, signed: Callable[[], Connection], sandbox: Process
) -> None:
    row = signed()
    sandbox.control.faults(RENEWAL | {"kind": "status", "status": 200, "body": body})
    at = NOW + timedelta(minutes=55)
    assert tokens.credential(row, now=at) == billit.Bearer(row.secret)
    assert stored(row).renewing_since == at


@pytest.mark.django_db
def test_a_paused_and_a_removed_connection_give_nothing(signed: Callable[[], Connection]) -> None:
    row = signed()
    Connection.objects.filter(pk=row.pk).update(paused_at=NOW)
    with pytest.raises(tokens.Resting, match="is paused"):
        tokens.credential(row, now=NOW)
    Connection.objects.filter(pk=row.pk).update(removed_at=NOW, secret="", refresh_secret="")
    with pytest.raises(BadCredentials, match="was removed"):
        tokens.credential(row, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_eight_workers_at_once_renew_once(signed: Callable[[], Connection], sandbox: Process) -> None:
    row = signed()
    at = NOW + timedelta(minutes=55)
    given: list[object] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait(10)
        try:
            given.append(tokens.credential(row, now=at))
        finally:
            databases.close_all()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert given == [billit.Bearer(stored(row).secret)] * 8
    assert renewals(sandbox) == 1


@pytest.mark.django_db(transaction=True)
def test_a_renewal_within_a_transaction_is_refused_before_billit_is_asked(
    signed: Callable[[], Connection], sandbox: Process
) -> None:
    # A rollback of the outer transaction would lose the pair.
    row = signed()
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        tokens.credential(row, now=NOW + timedelta(minutes=55))
    assert renewals(sandbox) == 0
    assert database.in_atomic_block is False


def test_a_pair_shows_no_token() -> None:
    assert repr(Pair("the-access-token", "the-refresh-token", 3600)) == "Pair(expires_in=3600)"
