"""A Redis and a PostgreSQL of a test's own, which it may end and start again in the middle of the work."""

from __future__ import annotations

import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from django.db import connection

from tests import services
from tests.proof.processes import database_url


@dataclass
class Server:
    """A server that keeps its port from one start to the next."""

    url: str
    command: list[str]
    answers: Callable[[], bool]
    user: str | None
    folder: Path
    how_to_end: signal.Signals
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it answers."""
        log = self.folder / "server.log"
        self.process = services.run_as(self.user, self.command, folder=self.folder, log=log)
        end = time.monotonic() + services.STARTUP_SECONDS
        while not self.answers():
            assert self.process.poll() is None, services.tail(log)
            assert time.monotonic() < end, services.tail(log)
            time.sleep(0.05)

    def stop(self, how: signal.Signals | None = None) -> None:
        """Ends it, in its own way or in the given one."""
        if self.process is not None:
            services.stop(self.process, how or self.how_to_end)

    def restart(self, how: signal.Signals | None = None, *, after: float = 0.0) -> None:
        """Ends it, waits (seconds), starts it again."""
        self.stop(how)
        time.sleep(after)
        self.start()


@contextmanager
def redis_server(program: str) -> Iterator[Server]:
    """A Redis that keeps nothing: its restart loses every message."""
    with _folder() as (user, folder):
        port = services.free_port()
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
        server = Server(
            f"redis://127.0.0.1:{port}/0",
            command,
            lambda: services.redis_answers(port),
            user,
            folder,
            signal.SIGKILL,
        )
        with _running(server):
            yield server


@contextmanager
def postgresql_server(programs: Path) -> Iterator[Server]:
    """An empty PostgreSQL with a database `toggbill`; unlike the run's own it loses no commit when it is killed."""
    with _folder() as (user, folder):
        port, data = services.free_port(), folder / "data"
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "toggbill", "-A", "trust", "-E", "UTF8"]
        services.run_to_end(user, [*initdb, "--locale=C.UTF-8", "--no-sync"], folder=folder, log=folder / "initdb.log")
        options = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
        flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        address = ["-h", "127.0.0.1", "-p", str(port), "-U", "toggbill"]

        def answers() -> bool:
            ready = [str(programs / "pg_isready"), "-q", *address]
            return subprocess.run(ready, cwd=folder, check=False).returncode == 0

        server = Server(
            f"postgresql://toggbill@127.0.0.1:{port}/toggbill",
            [str(programs / "postgres"), "-D", str(data), *flags],
            answers,
            user,
            folder,
            signal.SIGINT,  # PostgreSQL's fast shutdown
        )
        with _running(server):
            createdb = [str(programs / "createdb"), *address, "toggbill"]
            services.run_to_end(user, createdb, folder=folder, log=folder / "createdb.log")
            yield server


def copy_to(url: str) -> None:
    """Has the empty database of the address hold what this test's holds, which has just been migrated, say."""
    programs = services.postgresql_folder()
    assert programs is not None
    dump = [str(programs / "pg_dump"), "--no-owner", "--dbname", database_url()]
    restore = [str(programs / "psql"), "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname", url]
    held = subprocess.run(dump, stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(restore, input=held, stdout=subprocess.DEVNULL, check=True)


@contextmanager
def database_at(url: str) -> Iterator[None]:
    """Inside, this process works on the PostgreSQL database of the address instead of its own."""
    parts = urlsplit(url)
    own = dict(connection.settings_dict)
    there = {"HOST": parts.hostname, "PORT": parts.port, "NAME": parts.path.strip("/"), "USER": parts.username}
    connection.close()
    connection.settings_dict.update({**there, "PASSWORD": ""})
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(own)


@contextmanager
def _folder() -> Iterator[tuple[str | None, Path]]:
    user = services.unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="toggbill-proof-"))
    try:
        if user:
            shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
        yield user, folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(server: Server) -> Iterator[None]:
    try:
        server.start()
        yield
    finally:
        server.stop()
