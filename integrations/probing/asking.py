"""How a probe asks and what it brings back: every answer as it came, and everything that it made taken away again."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from integrations.clients.http.answers import Answer
from integrations.clients.http.failures import Code, Message
from integrations.clients.http.transport import Call, ServiceError, Transport


class CannotAsk(ServiceError):
    """Why a probe cannot begin, in English: nothing but the command of this name shows it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(Message(Code.OTHER, {"said": sentence}))


Value = bool | int | float | str | list[str] | None


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer to one question. With a switch, `found` is the value that makes the sandbox behave so; None: not told.

    `sure` is False where another explanation is left; `note` says what was seen, or why nothing was asked.
    """

    question: str
    found: Value
    switch: str | None
    sure: bool
    note: str


@dataclass(slots=True)
class Findings:
    """What a probe found so far, in the order of its questions."""

    rows: list[Finding] = field(default_factory=list)

    def tell(self, question: str, found: Value, note: str, *, switch: str | None = None, sure: bool = True) -> None:
        """One answered question; a `found` of None is never sure."""
        self.rows.append(Finding(question, found, switch, sure and found is not None, note))

    def leave(self, question: str, why: str, *, switch: str | None = None) -> None:
        """One question that was not settled."""
        self.rows.append(Finding(question, None, switch, sure=False, note=why))


class Asker:
    """A service under question: a refusal is an answer here, not an error."""

    def __init__(
        self,
        *,
        service: str,
        url: str,
        secret: str,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        pace: Callable[[], None] | None = None,
    ) -> None:
        self.findings = Findings()
        self.left_behind: list[str] = []
        self.mark = f"tb-probe-{uuid.uuid4().hex[:12]}"
        self._seen: list[Answer] = []
        self._transport = Transport(
            service=service,
            url=url,
            secret=secret,
            headers=headers,
            auth=auth,
            pace=pace,
            refusal=self._refusal,
            observe=self._observe,
        )

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return self._transport.calls

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        safe: bool | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> Answer:
        """One request and its answer, whatever its status. Raises `transport.ServiceError` when no answer came."""
        self._seen.clear()
        raw = None if body is None else json.dumps(body).encode()
        try:
            self._transport.send(method, path, purpose=f"{method} {path}", safe=safe, body=raw, headers=headers)
        except ServiceError:
            if not self._seen:
                raise
        return self._seen[-1]

    def must(self, answer: Answer, what: str) -> Any:
        """The JSON of an answer without which the probe cannot begin. Raises `CannotAsk`, or `RetryLater`."""
        if answer.status in (401, 403):
            raise CannotAsk(
                f"{self._transport.service} does not accept the credential for {what} (HTTP {answer.status}). "
                "Check the variable that holds it."
            )
        if answer.status != 200:
            raise CannotAsk(f"{self._transport.service} answered {what} with HTTP {answer.status}; try again later.")
        return self._transport.read(answer, purpose=what)

    def take_away(self, path: str, what: str) -> None:
        """Deletes one thing; what cannot be deleted is named in the report, so that a person can."""
        try:
            answer = self.ask("DELETE", path)
        except ServiceError as error:
            self.left_behind.append(f"{what}: {error}")
            return
        if answer.status not in (200, 204, 404):
            self.left_behind.append(f"{what}: HTTP {answer.status}")

    def close(self) -> None:
        """Closes the connections that are kept open."""
        self._transport.close()

    def _observe(self, call: Call, answer: Answer) -> None:
        self._seen.append(answer)

    def _refusal(self, call: Call, answer: Answer) -> ServiceError:
        return self._transport.refused(call, answer)


def seen(answer: Answer) -> str:
    """An answer in a few words: its status and the vendor's own."""
    code, reason = answer.said()
    words = reason or code
    return f"HTTP {answer.status}" + (f", {words[:160]}" if words else "")


def json_of(answer: Answer) -> Any:
    """The JSON of an answer, None when it is none."""
    try:
        return answer.json()
    except ValueError:
        return None


def rows_of(answer: Answer, *, member: str = "") -> list[dict[str, Any]]:
    """The objects of a list answer, or of the list in one of its members; empty for anything else."""
    body = json_of(answer)
    if member:
        body = body.get(member) if isinstance(body, dict) else None
    return [row for row in body if isinstance(row, dict)] if isinstance(body, list) else []
