"""`python -m integrations.sandbox`: serves both imitations and the control plane until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path

from integrations.sandbox import control
from integrations.sandbox.http.clock import moment
from integrations.sandbox.http.wire import dumps
from integrations.sandbox.server import Sandbox
from integrations.sandbox.worlds import files
from integrations.sandbox.worlds.files import WorldError


def main(arguments: list[str] | None = None) -> int:
    """Prints one line of JSON with the addresses and the onboarding file; 0 at a clean end, 2 for bad arguments."""
    parser = argparse.ArgumentParser(prog="python -m integrations.sandbox", description=__doc__)
    parser.add_argument("--toggl-port", type=int, default=0, help="0 = a free port")
    parser.add_argument("--billit-port", type=int, default=0, help="0 = a free port")
    parser.add_argument("--control-port", type=int, default=0, help="0 = a free port")
    parser.add_argument("--world", default="demo", help=f"{', '.join(files.NAMES)} or a JSON file")
    parser.add_argument("--state", type=Path, help="a file that keeps the world and its orders between runs")
    parser.add_argument("--now", type=_moment, help="a fixed moment (ISO) instead of the real clock")
    parser.add_argument("--with-parent", type=int, metavar="PID", help="end when this process is no longer the parent")
    options = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        sandbox = Sandbox(options.world, state=options.state, now=options.now)
        servers = {
            "toggl_url": sandbox.serve("toggl", options.toggl_port),
            "billit_url": sandbox.serve("billit", options.billit_port),
            "control_url": control.serve(sandbox, options.control_port),
        }
        sandbox.save()
    except (WorldError, OSError) as error:
        sys.stderr.write(f"The sandbox cannot start: {error}\n")
        return 2
    for server in servers.values():
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    line = {name: server.url for name, server in servers.items()} | {"onboarding": sandbox.onboarding}
    sys.stdout.write(dumps(line) + "\n")
    sys.stdout.flush()
    while not ended.wait(1.0):
        if options.with_parent and os.getppid() != options.with_parent:
            break
    sandbox.save()
    return 0


def _moment(text: str) -> datetime:
    try:
        return moment(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO date and time") from None


if __name__ == "__main__":
    sys.exit(main())
