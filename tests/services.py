"""Runs a command against a PostgreSQL and a Redis of its own, and ends both afterwards.

    python tests/services.py -- COMMAND [ARGUMENT ...]
    python tests/services.py --sqlite -- COMMAND [ARGUMENT ...]

The command finds ``DATABASE_URL``, ``REDIS_URL`` and ``CHROMIUM`` (the browser's path) in its environment, and
``DEBUG=1`` unless it is set already, since the tests need no real secrets. With ``--sqlite`` neither service is
started and both URLs are absent. The exit code is the command's; 1 when the services cannot be had, 2 for wrong
arguments.

The data lies in a temporary folder and nothing is flushed to disk: fast, private, gone at the end. A missing program
is installed with apt-get where that is possible, else named. Standard library only, so that it runs before anything
is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
# What WeasyPrint loads for the annexes of hours, and Debian's packages of it.
LIBRARIES = {
    "pango-1.0": "libpango-1.0-0",
    "pangoft2-1.0": "libpangoft2-1.0-0",
    "harfbuzz-subset": "libharfbuzz-subset0",
}
STARTUP_SECONDS = 60.0
ATTEMPTS = 3


class ServiceMissing(Exception):
    """A service cannot be had; the text says which one and what to do."""


def say(text: str) -> None:
    """Standard output belongs to the command."""
    print(f"services: {text}", file=sys.stderr, flush=True)


def postgresql_folder() -> Path | None:
    """The folder with initdb, postgres and their tools; Debian keeps it off the PATH. The newest version wins."""
    folders = []
    if on_path := shutil.which("initdb"):
        folders.append(Path(on_path).resolve().parent)
    by_version = sorted(
        (path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()),
        key=lambda path: int(path.parent.name),
        reverse=True,
    )
    tools = ("initdb", "postgres", "pg_isready", "createdb")
    return next((path for path in folders + by_version if all((path / tool).exists() for tool in tools)), None)


def chromium() -> str | None:
    """The path of the browser: the one that CHROMIUM names already, else the system's."""
    named = os.environ.get("CHROMIUM", "")
    if named and shutil.which(named):
        return shutil.which(named)
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def pgbouncer() -> str | None:
    """The path of PgBouncer, which Debian keeps where only root looks."""
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


def rabbitmq() -> str | None:
    """The path of RabbitMQ's own start script; Debian's, on the PATH, is for root and its own user alone."""
    debians = "/usr/lib/rabbitmq/bin"
    return shutil.which("rabbitmq-server", path=debians) or shutil.which("rabbitmq-server")


def missing_packages(*, sqlite: bool) -> list[str]:
    """Debian's names of what this machine lacks."""
    missing = []
    if not sqlite and postgresql_folder() is None:
        missing.append("postgresql")
    if not sqlite and shutil.which("redis-server") is None:
        missing.append("redis-server")
    if not sqlite and pgbouncer() is None:
        missing.append("pgbouncer")
    if not sqlite and rabbitmq() is None:
        missing.append("rabbitmq-server")
    if chromium() is None:
        missing.append("chromium")
    missing += [package for library, package in LIBRARIES.items() if ctypes.util.find_library(library) is None]
    return missing


def install(packages: list[str]) -> None:
    """Installs with apt-get as root or with a sudo that asks nothing.

    Raises ServiceMissing when that is not possible or fails.
    """
    advice = (
        f"missing: {', '.join(packages)}. Install with: apt-get install --no-install-recommends {' '.join(packages)}"
    )
    if shutil.which("apt-get") is None:
        raise ServiceMissing(f"{advice} (or your system's packages of that name).")
    prefix: list[str] = []
    if os.geteuid() != 0:
        sudo = shutil.which("sudo")
        if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode != 0:
            raise ServiceMissing(f"{advice} (as root).")
        prefix = [sudo, "-n"]
    apt_get = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y", "-o", "DPkg::Lock::Timeout=600"]
    say(f"installing {', '.join(packages)}")
    for arguments in (["update"], ["install", "--no-install-recommends", *packages]):
        if subprocess.run([*apt_get, *arguments], stdout=sys.stderr, check=False).returncode != 0:
            raise ServiceMissing(f"apt-get {arguments[0]} failed. {advice}")


def unprivileged_user() -> str | None:
    """Whom to run the services as: PostgreSQL refuses root. None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise ServiceMissing("PostgreSQL refuses to run as root, and there is no user postgres or nobody. Add one of them.")


def run_as(user: str | None, command: list[str], *, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Starts a process in a session of its own: Ctrl-C at the terminal reaches us, and we end it in order."""
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            user=user,
            group=pwd.getpwnam(user).pw_gid if user else None,
            extra_groups=[] if user else None,
        )


def run_to_end(user: str | None, command: list[str], *, folder: Path, log: Path) -> None:
    """Runs a tool and raises ServiceMissing with the end of its output when it fails."""
    process = run_as(user, command, folder=folder, log=log)
    try:
        code = process.wait(timeout=STARTUP_SECONDS)
    except BaseException:
        stop(process, signal.SIGKILL)
        raise
    if code != 0:
        raise ServiceMissing(f"{Path(command[0]).name} failed with exit code {code}:\n{tail(log)}")


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:]) if log.exists() else ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """Ends a process politely, and after ten seconds by force."""
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def running(
    name: str,
    command: Callable[[int], list[str]],
    answers: Callable[[int], bool],
    *,
    user: str | None,
    folder: Path,
    how_to_end: signal.Signals,
) -> Iterator[int]:
    """Starts a service on a free loopback port and waits until it answers; gives the port.

    Somebody else may take the port between our look and the start; then another one is tried.
    Raises ServiceMissing with the end of the service's own output.
    """
    log = folder / f"{name}.log"
    for _ in range(ATTEMPTS):
        port = free_port()
        process = run_as(user, command(port), folder=folder, log=log)
        try:
            deadline = time.monotonic() + STARTUP_SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                if answers(port):
                    yield port
                    return
                time.sleep(0.05)
        finally:
            stop(process, how_to_end)
    raise ServiceMissing(f"{name} did not start:\n{tail(log)}")


def redis_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


@contextlib.contextmanager
def services(*, durable: bool = False) -> Iterator[dict[str, str]]:
    """Both services; gives DATABASE_URL and REDIS_URL. The folder goes with them.

    ``durable``: PostgreSQL as in production: what is committed is on the disk, and statistics are taken.
    """
    programs = postgresql_folder()
    redis_server = shutil.which("redis-server")
    if programs is None or redis_server is None:
        raise ServiceMissing("PostgreSQL or Redis is still absent after the installation. Install them by hand.")
    user = unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="toggbill-"))
    try:
        if user:
            shutil.chown(folder, user, pwd.getpwnam(user).pw_gid)
        data = folder / "data"
        initdb = [str(programs / "initdb"), "-D", str(data), "-U", "toggbill", "-A", "trust", "-E", "UTF8"]
        run_to_end(user, [*initdb, "--locale=C.UTF-8", "--no-sync"], folder=folder, log=folder / "initdb.log")

        def postgres(port: int) -> list[str]:
            options = {
                "listen_addresses": "127.0.0.1",
                "port": str(port),
                "unix_socket_directories": str(folder),
                "fsync": "off",
                "synchronous_commit": "off",
                "full_page_writes": "off",
                "wal_level": "minimal",
                "max_wal_senders": "0",
                "max_wal_size": "4GB",
                "checkpoint_timeout": "1h",
                "shared_buffers": "256MB",
                # The rows of a test come and go in a transaction that is rolled back: statistics that are taken
                # meanwhile mislead the planner in the next one.
                "autovacuum": "off",
                "jit": "off",
                "max_connections": "100",
            }
            if durable:
                options |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes", "autovacuum"), "on")
            flags = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
            return [str(programs / "postgres"), "-D", str(data), *flags]

        def postgres_answers(port: int) -> bool:
            ready = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-U", "toggbill"]
            return subprocess.run(ready, cwd=folder, check=False).returncode == 0

        def redis(port: int) -> list[str]:
            nothing_kept = ["--save", "", "--appendonly", "no"]
            return [redis_server, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), *nothing_kept]

        with (
            running(
                "postgres",
                postgres,
                postgres_answers,
                user=user,
                folder=folder,
                how_to_end=signal.SIGINT,  # PostgreSQL's fast shutdown: does not wait for clients
            ) as postgres_port,
            running("redis", redis, redis_answers, user=user, folder=folder, how_to_end=signal.SIGTERM) as redis_port,
        ):
            address = ["-h", "127.0.0.1", "-p", str(postgres_port), "-U", "toggbill"]
            createdb = [str(programs / "createdb"), *address, "toggbill"]
            run_to_end(user, createdb, folder=folder, log=folder / "createdb.log")
            yield {
                "DATABASE_URL": f"postgresql://toggbill@127.0.0.1:{postgres_port}/toggbill",
                "REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            }
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_command(command: list[str], environment: dict[str, str]) -> int:
    """Runs the command in the foreground; Ctrl-C and SIGTERM reach it, and it may finish in its own way."""
    try:
        process = subprocess.Popen(command, env=environment)
    except OSError as error:
        raise ServiceMissing(f"cannot run {command[0]}: {error.strerror}. Is it installed?") from error
    try:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            code = process.wait()  # the terminal sent it to the command as well, which now ends in its own way
    finally:
        # Nobody may interrupt the clearing up, or the services would outlive us.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        stop(process, signal.SIGTERM)
    return code if code >= 0 else 128 - code


def end_in_order(number: int, _frame: FrameType | None) -> None:
    """Turns a signal into an exception, so that every `finally` runs."""
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        usage="services.py [--sqlite] -- COMMAND [ARGUMENT ...]", description="Runs a command against private services."
    )
    parser.add_argument(
        "--sqlite", action="store_true", help="neither PostgreSQL nor Redis: SQLite and a broker of files"
    )
    parser.add_argument("--durable", action="store_true", help="PostgreSQL as in production: fsync and autovacuum on")
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="what to run, with its arguments"
    )
    options = parser.parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        parser.error("no command given, e.g.: python tests/services.py -- python -m pytest")
    signal.signal(signal.SIGTERM, end_in_order)
    signal.signal(signal.SIGHUP, end_in_order)

    try:
        if packages := missing_packages(sqlite=options.sqlite):
            install(packages)
        browser = chromium()
        if browser is None:
            raise ServiceMissing(f"no browser found ({', '.join(BROWSERS)}). Install Chromium, or name it in CHROMIUM.")
        environment = os.environ | {"CHROMIUM": browser, "DEBUG": os.environ.get("DEBUG", "1")}
        environment.pop("DATABASE_URL", None)
        environment.pop("REDIS_URL", None)
        environment.pop("BROKER_URL", None)
        # Where it is set, every process that a test starts would compile all modules of the product anew.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with contextlib.ExitStack() as stack:
            if not options.sqlite:
                environment |= stack.enter_context(services(durable=options.durable))
            return run_command(command, environment)
    except ServiceMissing as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted")
        return 130


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
