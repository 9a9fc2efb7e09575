"""A transport against scripted answers, and how it is made."""

from __future__ import annotations

import pytest

from integrations.clients.http.answers import Answer
from integrations.clients.http.transport import Call, ServiceError, Transport

SECRET = "s3cret-0f-the-test"


class Pace:
    """Counts how often it was asked to wait."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> None:
        self.times += 1


def make(url: str, *, pace: Pace | None = None, wait: float = 5.0, secret: str = SECRET) -> Transport:
    def refusal(call: Call, answer: Answer) -> ServiceError:
        code, reason = answer.said()
        return transport.refused(call, answer, code=code, reason=reason)

    transport = Transport(
        service="Vendor",
        url=url,
        headers={"ApiKey": secret},
        secret=secret,
        refusal=refusal,
        pace=pace,
        timeout=(2.0, wait),
    )
    return transport


def failure(transport: Transport, method: str, *, safe: bool | None = None) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        transport.send(method, "/things", purpose="the things", safe=safe, body=None if method == "GET" else b"{}")
    return caught.value
