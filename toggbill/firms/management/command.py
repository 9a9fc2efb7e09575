"""What the commands share (design section 10): JSON on standard output, words on standard error, exit 0, 1 or 2."""

from __future__ import annotations

import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import Any

from django.core.management.base import BaseCommand
from django.core.serializers.json import DjangoJSONEncoder

from toggbill.firms.audit import Closed

DONE, WRONG, BAD_ARGUMENTS = 0, 1, 2


class Fault(Exception):
    """Why a command cannot do what it was asked: sentences for a person, and the exit code.

    ``WRONG`` (1): something is wrong out there (a refused credential, a service that is down).
    ``BAD_ARGUMENTS`` (2): the question is wrong (an unknown firm, a fault in a file).
    """

    def __init__(self, sentences: str | Iterable[str], code: int = WRONG) -> None:
        self.sentences = (sentences,) if isinstance(sentences, str) else tuple(sentences)
        self.code = code
        super().__init__("\n".join(self.sentences))


class JsonCommand(BaseCommand, ABC):
    """A command whose whole standard output is one JSON object.

    A subclass writes ``work``; human words go through ``say``. Whatever else prints meanwhile (a mail backend that
    writes to the console, a library) lands on standard error.
    """

    @abstractmethod
    def work(self, **options: Any) -> tuple[dict[str, Any], int]:
        """Do it; the object to print (Decimals become strings, moments ISO 8601) and the exit code.

        Raises ``Fault`` when there is nothing to print: its sentences go to standard error, its code is the exit code.
        """

    def say(self, sentence: str) -> None:
        """One line for the person at the command line."""
        self.stderr.write(sentence, self.style.NOTICE)

    def handle(self, *args: Any, **options: Any) -> None:
        """Run ``work`` and print. Raises SystemExit with the code when that is not 0."""
        try:
            # Until the object is printed, standard output belongs to nobody.
            with redirect_stdout(sys.stderr):
                answer, code = self.work(**options)
        except Closed as closed:
            self.say(str(closed))
            sys.exit(WRONG)
        except Fault as fault:
            for sentence in fault.sentences:
                self.say(sentence)
            sys.exit(fault.code)
        # ASCII, so that no locale of a server can break the object.
        self.stdout.write(json.dumps(answer, cls=DjangoJSONEncoder))
        if code != DONE:
            sys.exit(code)
