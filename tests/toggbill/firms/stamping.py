"""A small time-stamping service (RFC 3161) over HTTP, with a certificate of its own: what ``openssl ts`` answers."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CONFIGURATION = """
[tsa]
default_tsa = service
[service]
serial = {folder}/serial
crypto_device = builtin
default_policy = 1.2.3.4.1
digests = sha256
signer_digest = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[stamps]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
"""


def openssl(folder: Path, *arguments: str) -> None:
    program = shutil.which("openssl")
    assert program, "openssl is missing. Install it: apt-get install openssl"
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@dataclass
class Service:
    """One that runs. ``answer``: what it says instead of a stamp; ``asked``: the requests that came."""

    folder: Path
    url: str = ""
    answer: tuple[int, bytes] | None = None
    asked: list[bytes] = field(default_factory=list)

    @property
    def roots(self) -> Path:
        """The certificate under which its own was signed."""
        return self.folder / "root.pem"

    def make(self) -> None:
        """A root, and a certificate for stamps under it."""
        configuration = self.folder / "tsa.cnf"
        configuration.write_text(CONFIGURATION.format(folder=self.folder))
        (self.folder / "serial").write_text("01\n")
        new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        with_file = ["-config", str(configuration), "-extensions"]
        configuration.write_text(configuration.read_text() + "[req]\ndistinguished_name = name\n[name]\n")
        root = ["-x509", "-subj", "/CN=Root", "-keyout", "root.key", "-out", "root.pem"]
        openssl(self.folder, "req", *new, *root, *with_file, "ca")
        openssl(
            self.folder,
            *("req", *new, "-x509", "-CA", "root.pem", "-CAkey", "root.key", "-subj", "/CN=Stamps"),
            *("-keyout", "stamps.key", "-out", "stamps.pem", *with_file, "stamps"),
        )

    def reply(self, query: bytes) -> bytes:
        """The answer to a request."""
        (self.folder / "query.tsq").write_bytes(query)
        signer = ["-signer", "stamps.pem", "-inkey", "stamps.key", "-out", "reply.tsr"]
        openssl(self.folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", *signer)
        return (self.folder / "reply.tsr").read_bytes()


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    """A service on a port of its own."""
    service = Service(folder)
    service.make()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            service.asked.append(query)
            status, body = service.answer or (200, service.reply(query))
            self.send_response(status)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}/tsa"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
