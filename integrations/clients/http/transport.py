"""HTTP to the two services: one session per connection, four kinds of error, and answers read without loss.

A client gives its vendor's name, address, headers and its reading of a refusal; this module decides what is tried
again and what an answer that did not come means. The rule (design D6, section 7): a *read* may be repeated, a *write*
never; so a read that fails is `RetryLater`, and a write that fails after it may have left is `NoAnswer`.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError
from urllib3.exceptions import SSLError as TlsError

from integrations.clients.http.answers import Answer
from integrations.clients.http.failures import Code, Detail, Message, Purpose, english

TIMEOUT = (5.0, 30.0)
"""Seconds to connect, and to wait for each piece of the answer."""

USER_AGENT = "toggbill (hours of Toggl Track to Billit)"
LONGEST_PAUSE = 10
"""Seconds of a Retry-After that a read waits out by itself; a longer one goes to the caller."""

MOST_PAUSES = 2
"""How often one call waits because the service asks for fewer requests (429)."""

LONGEST_RETRY_AFTER = 3600
"""Seconds of a Retry-After that are believed: who asks for more, or has another clock, is asked again then."""

_TRANSIENT = frozenset({500, 502, 503, 504})


class ServiceError(Exception):
    """A call to a service did not do its work: `message` is its code with facts, without a secret.

    `str()` is the English sentence, for logs and commands; `connections.failures` words it for a reader.
    """

    def __init__(self, message: Message) -> None:
        super().__init__(english(message))
        self.message = message

    def mask(self, secret: str) -> None:
        """Take a secret out that the vendor's words may have repeated."""
        self.message = self.message.masked(secret)
        self.args = (english(self.message),)


class RetryLater(ServiceError):
    """Nothing was changed at the service, and the same call may work later; `after`: seconds to wait, None: unknown."""

    def __init__(self, message: Message, *, after: float | None = None) -> None:
        super().__init__(message)
        self.after = after


class TooManyRequests(RetryLater):
    """The service asks for fewer requests (429), for longer than a read waits: `after` is its Retry-After."""


class QuotaExhausted(RetryLater):
    """Toggl's hourly budget of requests is used up (402; Toggl docs: index, API limits); `after` is always known.

    `is_owners`: the one of the token's owner, not the organisation's.
    """

    def __init__(self, message: Message, *, after: float | None = None, is_owners: bool = False) -> None:
        super().__init__(message, after=after)
        self.is_owners = is_owners


class NoAnswer(ServiceError):
    """A write may have left and its outcome is unknown: look before anything is sent again.

    `status` is None when no answer came at all; 409 means that the key was used before.
    """

    def __init__(self, message: Message, *, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Refused(ServiceError):
    """A certain no: nothing was changed. `reason` is the vendor's text (at most 500 characters), `code` its code."""

    def __init__(self, message: Message, *, status: int, code: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.reason = reason


class PlanFeature(Refused):
    """Toggl's plan of this workspace lacks the feature (402; Toggl docs: index): no repeat will help."""


class BadCredentials(ServiceError):
    """The service does not accept the credential of the connection: pause it and ask for a new one."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked, as a refusal is judged by it: `path` with the leading slash, and what for."""

    method: str
    path: str
    purpose: Purpose
    safe: bool


class Transport:
    """One connection to one service. Not for use by two threads at once.

    `refusal` reads a 4xx answer (but 409 to a write, and 429) into an error; `observe` sees every answer first;
    `pace` is called before each request, also before each repetition. `secret` is what an error may never show.
    `sleep` (an attribute) waits so many seconds; whoever has to be stopped meanwhile sets another one.
    """

    def __init__(
        self,
        *,
        service: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        secret: str = "",
        refusal: Callable[[Call, Answer], ServiceError],
        observe: Callable[[Call, Answer], None] | None = None,
        pace: Callable[[], None] | None = None,
        timeout: tuple[float, float] = TIMEOUT,
    ) -> None:
        self.service = service
        self.url = url.rstrip("/")
        self.calls = 0
        self.sleep: Callable[[float], None] = time.sleep
        self._secret = secret
        self._refusal = refusal
        self._observe = observe
        self._pace = pace
        self._timeout = timeout
        self._session = requests.Session()
        # Neither proxies nor a .netrc of the machine may see or replace the credential.
        self._session.trust_env = False
        self._session.auth = auth
        # A cookie would carry one person's sign-in beside the credential.
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept": "application/json", **(headers or {})})
        adapter = HTTPAdapter(max_retries=_read_retry(self._about_to_send))
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def close(self) -> None:
        """Closes the connections that are kept open. The transport can be used again; it then opens new ones."""
        self._session.close()

    def send(
        self,
        method: str,
        path: str,
        *,
        purpose: Purpose,
        safe: bool | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str | None] | None = None,
        leaving: Callable[[], None] | None = None,
    ) -> Answer:
        """One call; gives the answer when its status is 2xx, else raises a `ServiceError`.

        `path` is what follows the address, with its query string; `purpose` completes "Billit refused ...".
        `safe` says that the call only reads; without it a GET is safe and nothing else is.
        A header of None leaves out the connection's own header of that name. `leaving` is called when the next thing
        that happens is that the request leaves; what it raises goes to the caller, and nothing is sent.
        """
        call = Call(method, path, purpose, method == "GET" if safe is None else safe)
        # urllib3 repeats a GET by itself; a read by POST gets the one more try that it may have from here.
        tries = 1 if call.safe and method != "GET" else 0
        pauses = MOST_PAUSES if call.safe else 0
        while True:
            try:
                return self._send_once(call, body, headers, leaving)
            except TooManyRequests as error:
                if pauses == 0 or error.after is None or error.after > LONGEST_PAUSE:
                    raise
                pauses -= 1
                self.sleep(error.after)
            except _Interrupted as error:
                if tries == 0 or error.after is not None:
                    raise
                tries -= 1

    def read(self, answer: Answer, *, purpose: Purpose) -> Any:
        """The JSON of a read's answer, `RetryLater` when it is none."""
        try:
            return answer.json()
        except ValueError:
            raise self.nonsense(purpose, Message(Detail.NOT_JSON)) from None

    def nonsense(self, purpose: Purpose, detail: Message) -> RetryLater:
        """The error for a read whose answer cannot be understood; `detail` names the fault."""
        return RetryLater(self._message(Code.UNREADABLE, purpose, detail=detail))

    def unclear(self, purpose: Purpose, detail: Message, *, status: int | None = None, code: str = "") -> NoAnswer:
        """The error for a write of which nobody knows whether it was done; `detail` says what came instead."""
        return NoAnswer(self._message(Code.UNCLEAR, purpose, detail=detail), status=status, code=code)

    def refused(
        self, call: Call, answer: Answer, *, code: str = "", reason: str = "", instead: Message | None = None
    ) -> Refused:
        """The error for a certain no, with the vendor's reason; `instead`: what it means when there is none."""
        said = reason or instead or code or Message(Detail.NO_REASON)
        message = self._message(Code.REFUSED, call.purpose, status=answer.status, said=said)
        return Refused(message, status=answer.status, code=self._masked(code), reason=self._masked(reason))

    def _about_to_send(self) -> None:
        if self._pace is not None:
            self._pace()
        self.calls += 1

    def _send_once(
        self,
        call: Call,
        body: bytes | None,
        headers: Mapping[str, str | None] | None,
        leaving: Callable[[], None] | None,
    ) -> Answer:
        if not re.fullmatch(r"[!-~]*", self._secret):
            raise BadCredentials(Message(Code.MALFORMED_CREDENTIAL, {"service": self.service}))
        target = self.url + call.path
        if not call.path.startswith("/") or urlsplit(target)[:2] != urlsplit(self.url)[:2]:
            # A link out of an answer may say anything; the credential goes to the configured host alone.
            raise ServiceError(self._message(Code.LED_ELSEWHERE, call.purpose))
        all_headers = {**(headers or {})}
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        self._about_to_send()
        if leaving is not None:
            leaving()
        try:
            response = self._session.request(
                call.method,
                target,
                data=body,
                headers=all_headers,
                timeout=self._timeout,
                allow_redirects=False,
            )
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._broken(call, error) from None
        answer = Answer(
            response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content
        )
        if self._observe is not None:
            self._observe(call, answer)
        if 200 <= answer.status < 300:
            return answer
        raise self._failure(call, answer)

    def _failure(self, call: Call, answer: Answer) -> ServiceError:
        code, _ = answer.said()
        wait = retry_after(answer.headers.get("retry-after"))
        if answer.status == 429:
            return TooManyRequests(self._message(Code.TOO_MANY_REQUESTS, call.purpose), after=wait)
        if answer.status == 409 and not call.safe:
            return self.unclear(call.purpose, Message(Detail.USED_BEFORE), status=409, code=self._masked(code))
        if 400 <= answer.status < 500 and not (call.safe and answer.status == 408):
            return self._refusal(call, answer)
        if not call.safe:
            detail = Message(Detail.STATUS, {"status": answer.status})
            return self.unclear(call.purpose, detail, status=answer.status, code=self._masked(code))
        return _Interrupted(self._message(Code.SERVER_ERROR, call.purpose, status=answer.status), after=wait)

    def _broken(self, call: Call, error: Exception) -> ServiceError:
        if _never_left(error):
            return _Interrupted(self._message(Code.NOT_REACHED, call.purpose))
        late = isinstance(error, requests.Timeout) or "timed out" in str(error).lower()
        detail = Message(Detail.TOO_LATE if late else Detail.CUT)
        if not call.safe:
            return self.unclear(call.purpose, detail)
        return _Interrupted(self._message(Code.NO_ANSWER, call.purpose, detail=detail))

    def _message(self, code: Code, purpose: Purpose, **facts: Any) -> Message:
        return Message(code, {"service": self.service, "what": purpose, **facts}).masked(self._secret)

    def _masked(self, text: str) -> str:
        return text.replace(self._secret, "***") if self._secret else text


class _Interrupted(RetryLater):
    """A read cut short by the network or the server, which may be tried once more at once."""


class _ReadRetry(urllib3.Retry):
    """Repeats a GET and nothing else.

    urllib3 by itself would also repeat a POST whose connection failed, and would sleep through any Retry-After.
    """

    before: Callable[[], None]

    def new(self, **changes: Any) -> Self:
        retry = super().new(**changes)
        retry.before = self.before
        return retry

    def increment(self, *args: Any, **kwargs: Any) -> Self:
        method, url = (*args, None, None)[:2]
        error, response = kwargs.get("error"), kwargs.get("response")
        wait = retry_after(response.headers.get("Retry-After")) if response is not None else None
        if method != "GET" or (wait is not None and wait > LONGEST_PAUSE):
            raise MaxRetryError(kwargs["_pool"], url or "", error)
        return super().increment(*args, **kwargs)

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        return super().is_retry(method, status_code, has_retry_after=False)

    def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
        return retry_after(response.headers.get("Retry-After"))

    def sleep(self, response: urllib3.BaseHTTPResponse | None = None) -> None:
        super().sleep(response)
        self.before()


def _read_retry(before: Callable[[], None]) -> urllib3.Retry:
    retry = _ReadRetry(
        total=2,
        allowed_methods={"GET"},
        status_forcelist=_TRANSIENT,
        backoff_factor=0.2,
        backoff_jitter=0.1,
        redirect=0,
        raise_on_status=False,
        raise_on_redirect=False,
    )
    retry.before = before
    return retry


def _never_left(error: Exception) -> bool:
    """Whether it is certain that not a byte of the request was sent."""
    if isinstance(error, (requests.ConnectTimeout, requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema)):
        return True
    cause = error.args[0] if error.args else None
    if isinstance(cause, MaxRetryError):
        reason = cause.reason
        if isinstance(reason, TlsError):
            # A certificate is judged before the request is written; other TLS faults may come at any time.
            return bool(reason.args) and isinstance(reason.args[0], ssl.SSLCertVerificationError)
        return isinstance(reason, (ConnectTimeoutError, NewConnectionError))
    return False


def retry_after(header: str | None) -> float | None:
    """Seconds to wait by a Retry-After header, in seconds or as an HTTP date; None when absent or unreadable.

    At most ``LONGEST_RETRY_AFTER``.
    """
    text = (header or "").strip()
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text):
        return min(float(text), LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), LONGEST_RETRY_AFTER)
