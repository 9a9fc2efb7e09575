"""`manage.py demo`: the main job on this machine against the sandbox, then the dashboard until Ctrl-C."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, Any

import requests
from django.conf import settings
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand

_OURS = "TOGGBILL_DEMO"
PASSWORD = "demo-of-toggbill"  # noqa: S105 - of an invented person, on loopback only
_END = (signal.SIGINT, signal.SIGTERM)


class Command(BaseCommand):
    """Starts sandbox, worker, beat and web server, does the main job visibly, and ends them all."""

    help = "Show the main job on this machine: sandbox, sync, draft, approve, post, dashboard."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As in design section 10."""
        parser.add_argument("--port", type=int, default=8000, help="of the dashboard (default: 8000)")
        parser.add_argument("--no-serve", action="store_true", help="do the job and end")
        parser.add_argument("--reset", action="store_true", help="forget the demo's data first")

    def handle(self, *args: Any, **options: Any) -> None:
        """First with the caller's environment, then again as a process with the demo's own."""
        if _OURS not in os.environ:
            _start_again(options)
        if not options["no_serve"] and not _is_free(options["port"]):
            raise CommandError(
                f"Port {options['port']} is in use. Choose another one: make demo ARGS='--port {options['port'] + 1}'"
            )
        for signum in _END:
            signal.signal(signum, _stop)
        with _Processes(settings.VAR_DIR / "logs") as processes:
            try:
                well = self._show(processes, options)
            except KeyboardInterrupt:
                self.stdout.write("\nEnded.")
                return
        if not well:
            sys.exit(1)

    def _show(self, processes: _Processes, options: dict[str, Any]) -> bool:
        # Imported here: the models are only wanted by the second process, which has the demo's database.
        from toggbill.demo import Stuck, main_job  # noqa: PLC0415 - as said above
        from toggbill.firms.models import Firm  # noqa: PLC0415 - as said above
        from toggbill.firms.requests.addresses import first_page  # noqa: PLC0415 - as said above

        self.stdout.write("toggbill demo: hours in Toggl become invoices in Billit. Both services are imitations.")
        scene = self._sandbox(processes)
        call_command("migrate", verbosity=0)
        slug = self._onboard(scene["onboarding"])
        processes.start(
            "worker", [*_CELERY, "worker", "-Q", "ticks,sync,post,send", "--pool", "threads", "-c", "4", "-l", "INFO"]
        )
        processes.start("beat", [*_CELERY, "beat", "-l", "INFO"])
        try:
            well = main_job(firm=Firm.objects.get(slug=slug), out=self.stdout, write=_into_toggl(scene["control_url"]))
        except Stuck as error:
            raise CommandError(f"{error}. The logs of worker and beat are in {processes.logs}.") from error
        if not options["no_serve"]:
            self._serve(processes, options["port"], first_page(slug), scene["control_url"])
        return well

    def _sandbox(self, processes: _Processes) -> dict[str, Any]:
        ports = [str(_port(url)) for url in (settings.TOGGL_URL, settings.BILLIT_API_URL)]
        state = settings.VAR_DIR / "sandbox.json"
        program = [sys.executable, "-m", "integrations.sandbox", "--world", "demo", "--state", str(state)]
        line = processes.start_and_read("sandbox", [*program, "--toggl-port", ports[0], "--billit-port", ports[1]])
        scene: dict[str, Any] = json.loads(line)
        return scene

    def _onboard(self, text: str) -> str:
        """By the same file and command as a stranger's own accounts; the demo's person gets a password."""
        os.environ["DEMO_PASSWORD"] = PASSWORD
        from invoicing.annexes.rendering import fault  # noqa: PLC0415 - as said in `_show`
        from invoicing.models.problems import words  # noqa: PLC0415 - as said in `_show`

        if (missing := fault()) is not None:
            self.stdout.write(f"{words(missing)}\nThe demo goes on without annexes.")
            text = text.replace("[[dossiers]]\n", "[[dossiers]]\nannex = false\n")
        file = settings.VAR_DIR / "onboarding.toml"
        file.write_text(text.replace('role = "owner"', 'role = "owner"\npassword_env = "DEMO_PASSWORD"', 1), "utf-8")
        done = subprocess.run(
            [sys.executable, "manage.py", "onboard", str(file)],
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CommandError(done.stderr)
        slug: str = json.loads(done.stdout)["firm"]
        return slug

    def _serve(self, processes: _Processes, port: int, page: str, control_url: str) -> None:
        web = [sys.executable, "-m", "gunicorn", "toggbill.wsgi", "--bind", f"127.0.0.1:{port}"]
        processes.start("web", web)
        processes.wait_for_port("web", port)
        self.stdout.write(
            f"\nDashboard: http://127.0.0.1:{port}{page}   e-mail owner@example.com   password {PASSWORD}"
        )
        self.stdout.write(f"Break things: {control_url}/   (the sandbox's own page: faults, clock, orders by hand)")
        self.stdout.write("Ctrl-C ends it.")
        processes.wait_for_any_end()


def _into_toggl(control_url: str) -> Callable[[Sequence[dict[str, Any]]], None]:
    """What puts entries into the imitated Toggl by the sandbox's own page, as a person would do it in Toggl's."""

    def write(rows: Sequence[dict[str, Any]]) -> None:
        requests.post(f"{control_url}/toggl/entries", json=list(rows), timeout=30).raise_for_status()

    return write


_CELERY = [sys.executable, "-m", "celery", "-A", "toggbill", "--quiet"]


class _Processes:
    """The processes of the demo, each in a session of its own, so that Ctrl-C reaches them through us alone."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        self._running: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> _Processes:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._running.values()):
            _signal(process, signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)
                process.wait(5)
            if process.stdout is not None:
                process.stdout.close()

    def start(self, name: str, command: Sequence[str], stdout: IO[str] | int | None = None) -> subprocess.Popen[str]:
        """Start one; what it prints goes to its log."""
        with (self.logs / f"{name}.log").open("a", encoding="utf-8") as log:
            self._running[name] = subprocess.Popen(
                command,
                cwd=settings.BASE_DIR,
                stdin=subprocess.DEVNULL,
                stdout=stdout or log,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        return self._running[name]

    def start_and_read(self, name: str, command: Sequence[str]) -> str:
        """Start one that prints a line when it is ready."""
        process = self.start(name, command, subprocess.PIPE)
        output = process.stdout
        line = output.readline() if output is not None and select.select([output], [], [], 30)[0] else ""
        if not line:
            raise CommandError(f"The {name} did not start. Its log: {self.logs / name}.log")
        return line

    def wait_for_port(self, name: str, port: int) -> None:
        """Until something listens there; CommandError when the process ended instead."""
        for _ in range(150):
            if self._running[name].poll() is not None:
                break
            if not _is_free(port):
                return
            select.select([], [], [], 0.1)
        raise CommandError(f"The {name} server did not start. Its log: {self.logs / name}.log")

    def wait_for_any_end(self) -> None:
        """Until Ctrl-C; CommandError when one of the processes ends by itself."""
        while True:
            for name, process in self._running.items():
                if process.poll() is not None:
                    raise CommandError(f"The {name} ended by itself. Its log: {self.logs / name}.log")
            select.select([], [], [], 0.5)


def _start_again(options: dict[str, Any]) -> None:
    """The demo has a database, a broker and a sandbox of its own, whatever the environment says."""
    folder = settings.VAR_DIR / "demo"
    if options["reset"]:
        shutil.rmtree(folder, ignore_errors=True)
    toggl, billit = _free_port(), _free_port()
    environment = os.environ | {
        _OURS: "1",
        "DEBUG": "1",
        "VAR_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'toggbill.sqlite3'}",
        "REDIS_URL": "",
        "BROKER_URL": "",
        "TOGGL_URL": f"http://127.0.0.1:{toggl}",
        "BILLIT_API_URL": f"http://127.0.0.1:{billit}",
        "TOGGL_REQUESTS_PER_SECOND": "0",
        "BILLIT_REQUESTS_PER_SECOND": "0",
        "PUBLIC_URL": f"http://127.0.0.1:{options['port']}",
        "TICK_SECONDS": "2",
        # Whoever breaks something on the sandbox's page sees it mended while watching.
        "IN_DOUBT_SECONDS": "10",
        "POSTING_LEASE_SECONDS": "60",
        "EMAIL_URL": "filemail:///" + str(folder / "mail"),
    }
    arguments = ["demo", "--port", str(options["port"]), *(["--no-serve"] if options["no_serve"] else [])]
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "manage.py", *arguments], environment)  # noqa: S606 - no shell


def _stop(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _signal(process: subprocess.Popen[str], signum: signal.Signals) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signum)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _port(url: str) -> int:
    return int(url.rsplit(":", 1)[1])
