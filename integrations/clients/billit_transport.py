"""The connection to Billit's REST API, with its refusals read as Billit documents them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from integrations.clients.billit_sign_in import Credential
from integrations.clients.http.answers import Answer
from integrations.clients.http.failures import Code, Detail, Message
from integrations.clients.http.transport import BadCredentials, Call, RetryLater, ServiceError, Transport

_CREDENTIAL_CODES = frozenset({"apikeynotvalid", "invalidaccesstoken", "accesstokenexpired", "accesstokenrevoked"})


def transport_of(
    *,
    url: str,
    credential: Credential,
    headers: Mapping[str, str],
    pace: Callable[[], None] | None,
    timeout: tuple[float, float],
    expired: Callable[[], None] | None = None,
) -> Transport:
    """A connection whose refusals are read as Billit documents them. Billit docs: 400, 401."""

    def refusal(call: Call, answer: Answer) -> ServiceError:
        if answer.status == 401 and expired is not None and "accesstokenexpired" in answer.codes():
            expired()
            return RetryLater(Message(Code.TOKEN_EXPIRED, {"what": call.purpose}))
        if answer.status == 401 and _CREDENTIAL_CODES.intersection(answer.codes()):
            return BadCredentials(Message(Code.CREDENTIAL_REFUSED))
        code, reason = answer.said()
        if answer.status == 401 and not reason:
            # Billit answers so, rather than with 404, for what belongs to somebody else (Billit docs: 401).
            return transport.refused(call, answer, code=code, instead=Message(Detail.NOT_YOURS))
        return transport.refused(call, answer, code=code, reason=reason)

    transport = Transport(
        service="Billit",
        url=url,
        headers=headers,
        secret=credential.value,
        refusal=refusal,
        pace=pace,
        timeout=timeout,
    )
    return transport
