"""A RabbitMQ of a test's own, which it may kill and start again, or fill."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import amqp

from tests import services


@dataclass
class RabbitMQ:
    """A node that keeps its port and its messages from one start to the next."""

    folder: Path
    user: str | None
    program: str
    port: int
    ports: tuple[int, int]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For `BROKER_URL`."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def _environment(self) -> list[str]:
        epmd, distribution = self.ports
        settings = {
            "HOME": self.folder,
            "RABBITMQ_NODENAME": f"toggbill{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": self.port,
            "RABBITMQ_DIST_PORT": distribution,
            "RABBITMQ_MNESIA_BASE": self.folder / "data",
            "RABBITMQ_LOG_BASE": self.folder,
            "RABBITMQ_LOGS": "-",
            "ERL_CRASH_DUMP": self.folder / "crash",
            "RABBITMQ_PID_FILE": self.folder / "pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": self.folder / "plugins",
            "RABBITMQ_CONF_ENV_FILE": self.folder / "none",
            "RABBITMQ_CONFIG_FILE": self.folder / "rabbitmq",
            "ERL_EPMD_PORT": epmd,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }
        return ["env", *(f"{name}={value}" for name, value in settings.items())]

    def start(self) -> None:
        """Returns once it takes connections."""
        log = self.folder / "server.log"
        command = [*self._environment, self.program]
        self.process = services.run_as(self.user, command, folder=self.folder, log=log)
        end = time.monotonic() + 2 * services.STARTUP_SECONDS
        while not self._answers():
            assert self.process.poll() is None, services.tail(log)
            assert time.monotonic() < end, services.tail(log)
            time.sleep(0.2)

    def kill(self) -> None:
        """SIGKILL, to the script and to what it has started."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)

    def fill(self) -> None:
        """Its memory counts as full: it keeps connections, and takes no message."""
        command = [*self._environment, str(Path(self.program).with_name("rabbitmqctl")), "set_vm_memory_high_watermark"]
        services.run_to_end(self.user, [*command, "0.0"], folder=self.folder, log=self.folder / "control.log")

    def forget_names(self) -> None:
        """Ends the server of names that Erlang has started beside it, which stays for ever."""
        command = [*self._environment, "epmd", "-port", str(self.ports[0]), "-kill"]
        services.run_as(self.user, command, folder=self.folder, log=self.folder / "names.log").wait(10)

    def _answers(self) -> bool:
        try:
            with amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=2, read_timeout=2):
                return True
        except (OSError, amqp.AMQPError):
            return False


@contextmanager
def rabbitmq() -> Iterator[RabbitMQ]:
    """A fresh node, ended with its folder."""
    program, user = services.rabbitmq(), services.unprivileged_user()
    assert program is not None, "rabbitmq-server is missing: tests/services.py installs it"
    folder = Path(tempfile.mkdtemp(prefix="toggbill-rabbitmq-"))
    folder.chmod(0o700)
    (folder / "plugins").write_text("[].\n")
    if user is not None:
        for path in (folder, folder / "plugins"):
            shutil.chown(path, user)
    node = RabbitMQ(folder, user, program, services.free_port(), (services.free_port(), services.free_port()))
    try:
        node.start()
        yield node
    finally:
        node.kill()
        node.forget_names()
        shutil.rmtree(folder, ignore_errors=True)
