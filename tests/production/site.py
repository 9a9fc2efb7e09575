"""The site as README and Procfile say, in processes of its own, and a visitor behind the proxy that README names."""

from __future__ import annotations

import html
import http.client
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
from cryptography.fernet import Fernet
from psycopg import sql

from integrations.sandbox.process import start
from tests.services import free_port, redis_answers

ROOT = Path(__file__).resolve().parents[2]
HOST = "toggbill.example"
OWNER, PASSWORD = "owner@example.com", "a long password for tests 2026"
PATIENCE = 90.0


def procfile() -> dict[str, str]:
    """Its lines, by the name of the process."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    return {name: line.strip() for name, _, line in (each.partition(":") for each in lines)}


@dataclass
class Answer:
    """What came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class Visitor:
    """A browser behind a proxy that speaks https to it and plain HTTP to the site."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, headers: dict[str, str] | None = None, *, seconds: float = 30) -> Answer:
        return self._ask("GET", path, None, seconds, headers or {})

    def post(self, path: str, fields: dict[str, str] | None = None, *, seconds: float = 30) -> Answer:
        """Post a form, with the token of the browser's cookie."""
        body = urlencode({**(fields or {}), "csrfmiddlewaretoken": self.cookies.get("csrftoken", "")}).encode()
        return self._ask("POST", path, body, seconds, {"Content-Type": "application/x-www-form-urlencoded"})

    def call(self, path: str, body: str, headers: dict[str, str]) -> Answer:
        """Post as a service does."""
        return self._ask("POST", path, body.encode(), 30, {"Content-Type": "application/json"} | headers)

    def form(self, page: str, action: str) -> dict[str, str]:
        """What a form of a page sends when nothing is typed: its inputs, without the token."""
        text = self.get(page).text
        found = next(
            (form for form in re.findall(r"<form.*?</form>", text, re.S) if f'action="{action}"' in form), None
        )
        assert found is not None, f"{page} has no form for {action}"
        inputs = [dict(re.findall(r'(name|value)="([^"]*)"', each)) for each in re.findall(r"<input[^>]*>", found)]
        sent = {each["name"]: html.unescape(each.get("value", "")) for each in inputs if "name" in each}
        return {name: value for name, value in sent.items() if name != "csrfmiddlewaretoken"}

    def sign_in(self, email: str = OWNER, password: str = PASSWORD) -> Answer:
        self.get("/accounts/login/")
        return self.post("/accounts/login/", {"login": email, "password": password})

    def _ask(self, method: str, path: str, body: bytes | None, seconds: float, headers: dict[str, str]) -> Answer:
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=seconds)
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        told = {"Host": HOST, "X-Forwarded-Proto": "https", "Referer": f"https://{HOST}/", "Cookie": cookies}
        try:
            wire.request(method, path, body, told | headers)
            answer = wire.getresponse()
            found = Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
            for line in answer.headers.get_all("Set-Cookie", []):
                for name, morsel in SimpleCookie(line).items():
                    self.cookies[name] = morsel.value
        finally:
            wire.close()
        return found


@dataclass
class Site:
    """The running site: where it answers, its environment, its database, its Redis."""

    port: int
    environment: dict[str, str]
    folder: Path
    redis_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def visitor(self) -> Visitor:
        return Visitor(self.port)

    def owner(self) -> Visitor:
        """Signed in."""
        visitor = self.visitor()
        answer = visitor.sign_in()
        assert answer.status == 302, answer.text
        return visitor

    @contextmanager
    def rows(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A connection of somebody else to the site's database."""
        with psycopg.connect(self.environment["DATABASE_URL"]) as connection:
            yield connection

    def one(self, question: sql.SQL | sql.Composed, *values: object) -> Any:
        """The first value of the first row; None without one."""
        with self.rows() as connection:
            row = connection.execute(question, values).fetchone()
        return row[0] if row else None

    def manage(self, *words: str) -> str:
        """What a command prints."""
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, name: str) -> None:
        """Start a process by its line of the Procfile."""
        self.processes[name] = self.spawn(name, ["sh", "-c", f"exec {procfile()[name]}"])

    def start_redis(self) -> None:
        program = shutil.which("redis-server")
        assert program is not None
        words = ["--bind", "127.0.0.1", "--port", str(self.redis_port), "--dir", str(self.folder), "--save", ""]
        self.processes["redis"] = self.spawn("redis", [program, *words])
        until(lambda: redis_answers(self.redis_port), self.log("redis"))

    def spawn(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def restart(self, name: str) -> None:
        """Stop a process and start it anew; the web process until it answers."""
        self.stop(name)
        self.start(name)
        if name == "web":
            until(self.answers, self.log("web"))

    def stop(self, name: str) -> None:
        process = self.processes.pop(name)
        process.terminate()
        try:
            process.wait(40)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def log(self, name: str) -> Callable[[], str]:
        return lambda: (self.folder / f"{name}.log").read_text(errors="replace")[-4000:]

    def answers(self) -> bool:
        try:
            return self.visitor().get("/healthz", seconds=2).status == 200
        except OSError:
            return False


def until(what: Callable[[], object], why: Callable[[], str], seconds: float = PATIENCE) -> None:
    """Wait until something is so; else fail with what a log says."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, why()
        time.sleep(0.1)


@contextmanager
def fresh_database() -> Iterator[str]:
    """The address of an empty database on the PostgreSQL of this run."""
    server = os.environ["DATABASE_URL"]
    name = f"production_{os.getpid()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield f"{server.rpartition('/')[0]}/{name}"
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def running(folder: Path) -> Iterator[Site]:
    """A production site with a firm, whose hours the workers read; its web process listens on loopback."""
    port, redis_port = free_port(), free_port()
    home = folder / "home"
    home.mkdir()
    with ExitStack() as stack:
        sandbox = stack.enter_context(start("demo"))
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "HOME": str(home),
            "DEBUG": "0",
            "SECRET_KEY": secrets.token_urlsafe(64),
            "FIELD_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
            "ALLOWED_HOSTS": HOST,
            "PUBLIC_URL": f"https://{HOST}",
            "DATABASE_URL": stack.enter_context(fresh_database()),
            "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "VAR_DIR": str(folder / "var"),
            "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port}",
            "TOGGL_URL": sandbox.toggl_url,
            "BILLIT_API_URL": sandbox.billit_url,
            "TOGGL_REQUESTS_PER_SECOND": "0",
            "BILLIT_REQUESTS_PER_SECOND": "0",
            "TICK_SECONDS": "1",
            "WEB_LOCK_TIMEOUT_SECONDS": "1",
            "WEB_STATEMENT_TIMEOUT_SECONDS": "20",
            "OWNER_PASSWORD": PASSWORD,
        }
        site = Site(port, environment, folder, redis_port)
        try:
            site.start_redis()
            release = site.spawn("release", ["sh", "-c", procfile()["release"]])
            assert release.wait(300) == 0, site.log("release")()
            file = folder / "firm.toml"
            password = 'role = "owner"\npassword_env = "OWNER_PASSWORD"'
            file.write_text(sandbox.onboarding.replace('role = "owner"', password, 1), encoding="utf-8")
            site.manage("onboard", str(file))
            for name in ("web", "worker", "beat"):
                site.start(name)
            until(site.answers, site.log("web"))
            yield site
        finally:
            for name in reversed(list(site.processes)):
                site.stop(name)
