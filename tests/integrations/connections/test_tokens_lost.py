"""A sign-in that Billit takes no more, a person who acts meanwhile, and a worker that is killed while it renews."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
import time_machine
from django.db import connection as database
from django.db import connections as databases
from django.utils import timezone

from integrations.clients import billit
from integrations.clients.http.transport import BadCredentials, RetryLater
from integrations.connections import credentials, tokens
from integrations.models import Connection
from integrations.sandbox.process import Process
from tests.integrations.connections.signing_in import BY, NOW, RENEWAL, code_of, renewals, stored


@pytest.mark.django_db
def test_a_dead_refresh_token_is_asked_for_once(signed: Callable[[], Connection], sandbox: Process) -> None:
    row = signed()
    tokens.revoke(access=row.secret)
    sandbox.control.clear_log()
    for minute in (51, 52, 55, 59, 60, 61, 90):
        with suppress(BadCredentials):
            tokens.credential(row, now=NOW + timedelta(minutes=minute))
    assert renewals(sandbox) == 1
    assert stored(row).sign_in_lost_at == NOW + timedelta(minutes=51)


@pytest.mark.django_db
def test_signing_in_anew_ends_the_loss(signed: Callable[[], Connection], sandbox: Process) -> None:
    row = signed()
    tokens.revoke(access=row.secret)
    with pytest.raises(BadCredentials):
        tokens.credential(row, now=NOW + timedelta(minutes=61))
    Connection.objects.filter(pk=row.pk).update(told_at=NOW)
    pair = tokens.first_pair(code=code_of(tokens.sign_in_address(state="again"), state="again"))
    later = NOW + timedelta(hours=2)
    access = credentials.BillitAccess({}, "Owner")
    credentials.connect_billit_signed_in(firm=row.firm, key="main", pair=pair, access=access, by=BY, now=later)
    kept = stored(row)
    assert (kept.failure, kept.failure_code, kept.sign_in_lost_at, kept.told_at) == ("none", "", None, None)
    assert tokens.credential(row, now=later) == billit.Bearer(pair.access)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"errors": [{"Code": "GenericError", "Description": "The client_id or the client_secret is wrong."}]}),
        (401, {"errors": [{"Code": "invalid_client"}]}),
        (403, "Forbidden"),
        (404, "Not found"),
    ],
)
def test_a_refusal_that_is_not_about_the_token_leaves_it_alive(
    status: int, body: object, signed: Callable[[], Connection], sandbox: Process
) -> None:
    row = signed()
    sandbox.control.faults(RENEWAL | {"kind": "status", "status": status, "body": body})
    with pytest.raises(RetryLater, match="BILLIT_CLIENT_ID"):
        tokens.credential(row, now=NOW + timedelta(minutes=61))
    assert (stored(row).sign_in_lost_at, stored(row).renewing_since) == (None, None)
    sandbox.control.faults()
    assert tokens.credential(row, now=NOW + timedelta(minutes=61)) == billit.Bearer(stored(row).secret)


@pytest.mark.django_db
def test_a_token_dated_by_a_wrong_clock_is_renewed(signed: Callable[[], Connection], sandbox: Process) -> None:
    row = signed()
    Connection.objects.filter(pk=row.pk).update(expires_at=NOW + timedelta(days=2))
    tokens.credential(row, now=NOW)
    assert (renewals(sandbox), stored(row).expires_at) == (1, NOW + timedelta(hours=1))


class Renewing:
    """A worker that renews in a thread of its own, while Billit takes its time: nobody may have to wait for it."""

    def __init__(self, row: Connection, sandbox: Process, now: datetime) -> None:
        self._sandbox, self.given = sandbox, list[object]()

        def work() -> None:
            try:
                self.given.append(tokens.credential(row, now=now))
            except BadCredentials as error:
                self.given.append(error.message.code)
            finally:
                databases.close_all()

        self._thread = threading.Thread(target=work)

    def __enter__(self) -> Renewing:
        self._sandbox.control.faults(RENEWAL | {"kind": "slow", "seconds": 3})
        self._thread.start()
        until = time.monotonic() + 10
        while not renewing(self._sandbox):
            assert time.monotonic() < until
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)
        self._sandbox.control.faults()


def renewing(sandbox: Process) -> int:
    """How many renewals the sandbox has begun to work on."""
    return sum(int(fault["fired"]) for fault in sandbox.control.faults_told())


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["pause", "remove"])
def test_a_person_does_not_wait_for_billit(verb: str, signed: Callable[[], Connection], sandbox: Process) -> None:
    """Nor does anybody who waits for the firm's lock behind the person."""
    row = signed()
    with Renewing(row, sandbox, NOW + timedelta(minutes=61)) as worker:
        begun = time.monotonic()
        getattr(credentials, verb)(connection=row, by=BY, now=NOW)
        assert time.monotonic() - begun < 2
    kept = stored(row)
    if verb == "pause":
        assert worker.given == [billit.Bearer(kept.secret)], "the new pair is kept, whoever paused meanwhile"
    else:
        assert worker.given == ["connection_removed"]
        assert (kept.secret, kept.refresh_secret) == ("", "")
        assert sandbox.control.log("billit")[-1]["path"] == "/OAuth2/revoke", "a pair of nobody is ended"


def killed_while_renewing(sandbox: Process) -> None:
    """A process of its own begins a renewal, Billit makes the new pair, and the process is killed before it has it."""
    values = database.settings_dict
    if database.vendor == "sqlite":
        url = f"sqlite:///{values['NAME']}"
    else:
        url = f"postgresql://{values['USER']}:{values['PASSWORD']}@{values['HOST']}:{values['PORT']}/{values['NAME']}"
    environment = os.environ | {
        "DATABASE_URL": url,
        "DEBUG": "1",
        "TOGGL_URL": sandbox.toggl_url,
        "BILLIT_API_URL": sandbox.billit_url,
        "BILLIT_CLIENT_ID": "toggbill",
        "BILLIT_CLIENT_SECRET": "secret-of-the-client",
        "BILLIT_REQUESTS_PER_SECOND": "0",
    }
    sandbox.control.faults(RENEWAL | {"kind": "timeout_after", "seconds": 30})
    child = subprocess.Popen([sys.executable, "manage.py", "sync", "--firm", "ours"], env=environment)
    try:
        until = time.monotonic() + 30
        while not renewals(sandbox):
            assert child.poll() is None
            assert time.monotonic() < until
            time.sleep(0.05)
        time.sleep(0.3)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)
        sandbox.control.faults()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("repeats", [True, False], ids=["Billit repeats its answer", "Billit gives it once"])
def test_a_worker_killed_between_answer_and_commit(
    repeats: bool, signed: Callable[[], Connection], sandbox: Process
) -> None:
    row = signed()
    sandbox.control.switch(billit_refresh_grace_seconds=600 if repeats else 0)
    now = timezone.now()
    sandbox.control.clock(None)
    Connection.objects.filter(pk=row.pk).update(expires_at=now + timedelta(minutes=5))
    killed_while_renewing(sandbox)
    left = stored(row)
    # Nothing of the pair was half written, and it is on record that an answer may be lost.
    assert (left.secret, left.refresh_secret) == (row.secret, row.refresh_secret)
    assert left.renewing_since is not None
    with time_machine.travel(now + tokens.RENEWAL_LEASE + timedelta(minutes=1), tick=False):
        given = tokens.credential(row, now=timezone.now())
    if repeats:
        assert given == billit.Bearer(stored(row).secret) != billit.Bearer(row.secret)
        assert stored(row).renewing_since is None
    else:
        assert given == billit.Bearer(row.secret), "the old access token is good for some minutes"
        with pytest.raises(BadCredentials) as refused:
            tokens.credential(row, now=now + timedelta(minutes=5))
        assert str(refused.value) == (
            f"The sign-in of Billit main has ended: an answer of Billit was lost on "
            f"{left.renewing_since:%d/%m/%Y at %H:%M} UTC, and Billit gives each only once. "
            "Sign in to Billit again: https://toggbill.example/f/ours/connections/billit/main/"
        )
        assert stored(row).failure == "credentials"
