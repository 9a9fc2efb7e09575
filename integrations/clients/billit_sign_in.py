"""Signing in at Billit: what a call proves itself by, the address of the sign-in page (OAuth2), and its tokens.

Source: Billit docs, how-do-i-get-started-with-oauth. The refresh token works once and gives a whole new pair, so its
answer must never be lost; who keeps the pair stands in `connections.tokens`. No error shows a code, a token or the
client's secret.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from integrations.clients.billit_orders import encode
from integrations.clients.http.answers import Answer, Row
from integrations.clients.http.failures import Asked, Code, Detail, Message
from integrations.clients.http.transport import TIMEOUT, BadCredentials, Call, RetryLater, ServiceError, Transport

LONGEST_LIFE = 24 * 3600
"""Seconds that an access token is believed to last at most; Billit says 3600."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """The key of a user, for self-hosted use; opens every company of that user (Billit docs: api-key-practical-use)."""

    value: str = field(repr=False)

    def __post_init__(self) -> None:
        # A newline at the end alone makes Billit answer ApiKeyNotValid.
        object.__setattr__(self, "value", self.value.strip())

    @property
    def headers(self) -> dict[str, str]:
        """The header that carries the credential."""
        return {"ApiKey": self.value}


@dataclass(frozen=True, slots=True)
class Bearer:
    """An OAuth2 access token (Billit docs: how-do-i-get-started-with-oauth)."""

    value: str = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", self.value.strip())

    @property
    def headers(self) -> dict[str, str]:
        """The header that carries the credential."""
        return {"Authorization": f"Bearer {self.value}"}


Credential = ApiKey | Bearer


@dataclass(frozen=True, slots=True)
class Client:
    """This installation, as Billit knows it. `redirect_uri` is the one exact address that was registered."""

    id: str
    secret: str = field(repr=False)
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Pair:
    """An access token, the refresh token that renews it once, and the access token's life in seconds."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    expires_in: int


def address(*, login_url: str, client: Client, state: str) -> str:
    """Where the person's browser signs in; Billit sends it back with `code` and `state`.

    ValueError for a state with a `&`, at which Billit cuts it."""
    if "&" in state:
        raise ValueError("Billit cuts the state at a &")
    query = {"client_id": client.id, "redirect_uri": client.redirect_uri, "state": state}
    return f"{login_url}/Account/Logon?{urlencode(query)}"


def by_code(*, url: str, client: Client, code: str, timeout: tuple[float, float] = TIMEOUT) -> Pair:
    """The first pair, for the code that came back; it works once and for ten minutes. Raises `BadCredentials` then."""
    asked = {"grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect_uri}
    return _pair(url, client, asked, Asked.SIGN_IN, Code.SIGN_IN_REFUSED, timeout)


def renew(*, url: str, client: Client, refresh: str, timeout: tuple[float, float] = TIMEOUT) -> Pair:
    """A new pair for a refresh token, which is used up by it. Raises `BadCredentials` when it was used or revoked,
    `NoAnswer` when nobody knows whether it was used, and `RetryLater` for a refusal that is not about the token."""
    asked = {"grant_type": "refresh_token", "refresh_token": refresh}
    return _pair(url, client, asked, Asked.RENEWAL, Code.SIGN_IN_NOT_RENEWED, timeout)


def revoke(*, url: str, access: str, timeout: tuple[float, float] = TIMEOUT) -> None:
    """End a pair at Billit. There is no body (Billit's Swagger), so the token goes in the header."""
    transport = _transport(url, Code.SIGN_IN_NOT_ENDED, timeout, access)
    try:
        headers = {"Authorization": f"Bearer {access}"}
        transport.send("POST", "/OAuth2/revoke", purpose=Message(Asked.END_OF_SIGN_IN), headers=headers)
    finally:
        transport.close()


def _pair(
    url: str, client: Client, asked: Mapping[str, str], what: Asked, refused: Code, timeout: tuple[float, float]
) -> Pair:
    transport, purpose = _transport(url, refused, timeout), Message(what)
    body = {**asked, "client_id": client.id, "client_secret": client.secret}
    try:
        # The client and the code or token stand in the body; there is no Authorization header.
        answer = transport.send("POST", "/OAuth2/token", purpose=purpose, body=encode(body))
        try:
            row = Row(answer.json(), what="answer")
            pair = Pair(row.text("access_token"), row.text("refresh_token"), row.integer("expires_in"))
        except ValueError:
            raise transport.unclear(purpose, Message(Detail.NO_TOKENS), status=answer.status) from None
        if not pair.access or not pair.refresh or not 0 < pair.expires_in <= LONGEST_LIFE:
            raise transport.unclear(purpose, Message(Detail.NO_TOKENS), status=answer.status)
        return pair
    finally:
        transport.close()


def _transport(url: str, refused: Code, timeout: tuple[float, float], secret: str = "") -> Transport:
    def refusal(call: Call, answer: Answer) -> ServiceError:
        if refused == Code.SIGN_IN_NOT_RENEWED and not _is_about_the_token(answer):
            return RetryLater(Message(Code.CLIENT_REFUSED, {"status": answer.status}))
        # Not the vendor's own words: they may repeat what was sent.
        return BadCredentials(Message(refused, {"status": answer.status}))

    return Transport(service="Billit", url=url, secret=secret, refusal=refusal, timeout=timeout)


def _is_about_the_token(answer: Answer) -> bool:
    """Whether a refused renewal says that the refresh token is dead: a firm then has to sign in again.

    Billit documents no code for it, so what surely means something else is told apart: a gateway's status, and the
    installation's own id or secret (`invalid_client` in RFC 6749, section 5.2; in Billit's own words "client_id").
    """
    said = " ".join((*answer.codes(), *answer.said())).lower()
    return answer.status in (400, 401) and not re.search(
        r"invalid_?client|unauthorized_?client|client_(id|secret)", said
    )
