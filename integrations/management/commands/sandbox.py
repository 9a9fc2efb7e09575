"""`manage.py sandbox`: both services as imitations on this machine, until Ctrl-C (design section 10)."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Becomes the sandbox's own process: the product and the sandbox share no code."""

    help = "Serve faithful imitations of Toggl and Billit over HTTP on this machine."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--toggl-port", type=int, default=0, help="0: a free port")
        parser.add_argument("--billit-port", type=int, default=0, help="0: a free port")
        parser.add_argument("--world", metavar="NAME_OR_FILE", default="demo")

    def handle(self, *args: Any, **options: Any) -> None:
        """Replace this process."""
        ports = ["--toggl-port", str(options["toggl_port"]), "--billit-port", str(options["billit_port"])]
        program = [sys.executable, "-m", "integrations.sandbox", *ports, "--world", options["world"]]
        self.stdout.flush()
        os.execv(sys.executable, program)  # noqa: S606 - no shell, and every argument is ours or a number
