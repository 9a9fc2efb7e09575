"""The cache where there is a Redis: the counts of the rate limits, which go on in the database while Redis is away."""

from __future__ import annotations

import logging
import time
from typing import Any, ClassVar

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

logger = logging.getLogger(__name__)

TABLE = "toggbill_cache"
"""Made by `migrate`."""
AWAY_SECONDS = 10.0
"""For how long Redis is not asked again after it did not answer."""


class RedisElseDatabase(BaseCache):
    """Django's cache in Redis; while that does not answer, or takes nothing, Django's cache in the database.

    What was counted on one side does not count on the other: a visitor gets a limit anew when Redis goes or comes.
    """

    # Of the process: one thread finds out for all.
    _away_until: ClassVar[float] = 0.0

    def __init__(self, location: str, params: dict[str, Any]) -> None:
        super().__init__(params)
        others = {name: value for name, value in params.items() if name != "OPTIONS"}
        # A page waits a second at most, once in AWAY_SECONDS; the client itself would try four times.
        waiting = {"socket_connect_timeout": 1, "socket_timeout": 1, "retry": Retry(NoBackoff(), 0)}
        self._redis = RedisCache(location, {**others, "OPTIONS": waiting})
        self._database = DatabaseCache(TABLE, {**others, "OPTIONS": params.get("OPTIONS", {})})

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Whether the key was not there yet."""
        return bool(self._ask("add", key, value, timeout=timeout, version=version))

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """What is kept for the key."""
        return self._ask("get", key, default=default, version=version)

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> None:
        """Keep a value for the key."""
        self._ask("set", key, value, timeout=timeout, version=version)

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Whether the key is there; it stays for so long from now on."""
        return bool(self._ask("touch", key, timeout=timeout, version=version))

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Whether the key was there."""
        return bool(self._ask("delete", key, version=version))

    def clear(self) -> None:
        """Forget everything."""
        self._ask("clear")

    def _ask(self, what: str, *arguments: Any, **named: Any) -> Any:
        if time.monotonic() >= self._away_until:
            try:
                return getattr(self._redis, what)(*arguments, **named)
            except RedisError as error:
                RedisElseDatabase._away_until = time.monotonic() + AWAY_SECONDS
                logger.warning("Redis does not answer (%s): the database counts the rate limits", type(error).__name__)
        return getattr(self._database, what)(*arguments, **named)
