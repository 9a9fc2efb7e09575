"""``manage.py check --deploy`` says when this machine cannot make annexes of hours, before an invoice waits for one."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Warning, register

from invoicing.annexes.rendering import fault
from invoicing.models.problems import words


@register("annexes", deploy=True)
def annexes_can_be_made(**_: Any) -> list[CheckMessage]:
    """Begins the child process that makes them, and has it make none."""
    missing = fault()
    return [] if missing is None else [Warning(words(missing), id="invoicing.W001")]
