"""The cache whose counts go on in the database while Redis is away."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
import redis
from django.core.cache.backends.db import DatabaseCache

from toggbill.serving.cache import TABLE, RedisElseDatabase

pytestmark = pytest.mark.django_db

REDIS = os.environ.get("REDIS_URL", "")


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RedisElseDatabase, "_away_until", 0.0)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """An address at which nobody listens: the port is bound, and closed to calls."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{held.getsockname()[1]}/0"


def _cache(url: str) -> RedisElseDatabase:
    return RedisElseDatabase(url, {"KEY_PREFIX": "tests", "OPTIONS": {"MAX_ENTRIES": 1000}})


def test_database_keeps_what_redis_does_not_take(nowhere: str) -> None:
    cache = _cache(nowhere)
    assert cache.add("key", [1]) is True
    assert cache.add("key", [2]) is False
    assert cache.get("key") == [1]
    cache.set("key", [3], 60)
    assert cache.get("key") == DatabaseCache(TABLE, {"KEY_PREFIX": "tests"}).get("key") == [3]
    assert cache.touch("key", 30) is True
    assert cache.delete("key") is True
    assert cache.get("key", "none") == "none"
    cache.set("other", 1)
    cache.clear()
    assert cache.get("other") is None


@pytest.mark.skipif(not REDIS, reason="a Redis")
def test_redis_keeps_it_while_it_answers() -> None:
    cache = _cache(f"{REDIS.rsplit('/', 1)[0]}/13")
    cache.set("key", 1, 60)
    try:
        assert cache.get("key") == 1
        assert DatabaseCache(TABLE, {"KEY_PREFIX": "tests"}).get("key") is None
    finally:
        cache.delete("key")


@pytest.mark.skipif(not REDIS, reason="a Redis")
def test_redis_that_takes_nothing_is_as_good_as_none() -> None:
    """As one whose disk or memory is full: it answers, and with an error to what writes."""
    with redis.Redis.from_url(f"{REDIS.rsplit('/', 1)[0]}/13") as client:
        client.execute_command("ACL", "SETUSER", "reader", "on", "nopass", "~*", "+@read", "+ping", "+select")
        try:
            cache = _cache(f"redis://reader:any@{REDIS.removeprefix('redis://').rsplit('/', 1)[0]}/13")
            cache.set("key", 1, 60)
            assert cache.get("key") == 1
            assert DatabaseCache(TABLE, {"KEY_PREFIX": "tests"}).get("key") == 1
        finally:
            client.execute_command("ACL", "DELUSER", "reader")


def test_redis_is_not_asked_again_for_a_while(nowhere: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = _cache(nowhere)
    assert cache.get("key") is None
    # One thread has found out: no other one, nor this one, waits for Redis now.
    monkeypatch.setattr(cache._redis, "get", lambda *_arguments, **_named: pytest.fail("asked again"))
    assert cache.get("key") is None
    monkeypatch.undo()
