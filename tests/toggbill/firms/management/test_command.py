"""What every command shares: one JSON object on standard output, words on standard error, the exit code."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from toggbill.firms.management.command import BAD_ARGUMENTS, Fault, JsonCommand


class Chatty(JsonCommand):
    """Prints on its way, as a mail backend on the console does."""

    answer: tuple[dict[str, Any], int] = ({}, 0)

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        print("not JSON")  # noqa: T201 - what must not reach standard output
        self.say("words for a person")
        return self.answer


class Faulty(JsonCommand):
    """Cannot do what it was asked."""

    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        raise Fault(["There is no firm “x”.", "Nothing was changed."], BAD_ARGUMENTS)


def test_command_prints_its_answer_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    command = Chatty()
    command.answer = {"total": Decimal("12.50"), "at": datetime(2026, 9, 1, 8, tzinfo=UTC), "name": "Caf\u00e9"}, 0
    call_command(command)
    out, err = capsys.readouterr()
    assert json.loads(out) == {"total": "12.50", "at": "2026-09-01T08:00:00Z", "name": "Caf\u00e9"}
    assert out.isascii()
    assert err.splitlines() == ["not JSON", "words for a person"]


def test_command_prints_its_answer_before_it_exits_with_a_code() -> None:
    command, out = Chatty(), StringIO()
    command.answer = {"drift": [1]}, 1
    with pytest.raises(SystemExit) as caught:
        call_command(command, stdout=out)
    assert caught.value.code == 1
    assert json.loads(out.getvalue()) == {"drift": [1]}


def test_command_with_a_fault_prints_words_only(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        call_command(Faulty())
    assert caught.value.code == 2
    assert capsys.readouterr() == ("", "There is no firm “x”.\nNothing was changed.\n")
