"""A PgBouncer of the tests' own: in transaction mode, and with one connection to PostgreSQL that all share."""

from __future__ import annotations

import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests import services

_SETTINGS = """
[databases]
* = host={host} port={port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = trust
auth_file = {users}
pool_mode = transaction
default_pool_size = 1
"""


@contextmanager
def pooler(*, host: str, port: int, user: str) -> Iterator[int]:
    """Between the tests and the PostgreSQL there; gives its port on 127.0.0.1."""
    program, whose = services.pgbouncer(), services.unprivileged_user()
    assert program is not None
    folder = Path(tempfile.mkdtemp(prefix="toggbill-pooler-"))
    users = folder / "users.txt"
    users.write_text(f'"{user}" ""\n')
    for path in (folder, users):
        path.chmod(0o755)

    def command(own: int) -> list[str]:
        file = folder / "pgbouncer.ini"
        file.write_text(_SETTINGS.format(host=host, port=port, own=own, users=users))
        return [program, str(file)]

    try:
        with services.running(
            "pgbouncer", command, _answers, user=whose, folder=folder, how_to_end=signal.SIGINT
        ) as own:
            yield own
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
