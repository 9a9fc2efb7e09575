"""The site's web process, and a person who looks at its pages meanwhile."""

from __future__ import annotations

import http.client
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

from django.conf import settings
from django.test import Client

from invoicing.models import Invoice
from tests.proof.processes import Place
from tests.visitors import prove
from toggbill.firms.models import Firm, User

_PAGES = ("", "invoices/", "hours/", "hours/export.csv", "attention/", "corrections/", "wip/", "budgets/", "charts/")
BUSY = 503
"""What a page answers that met a lock for too long: the person tries again."""


class Site:
    """A gunicorn of its own, asked as a person's browser asks it."""

    def __init__(self, place: Place, port: int) -> None:
        self.place, self.port = place, port
        self.cookie = ""
        self.statuses: Counter[int] = Counter()

    def start(self) -> subprocess.Popen[bytes]:
        """As the Procfile does. Returns once it answers."""
        if not settings.DEBUG:
            self.place.start([sys.executable, "manage.py", "collectstatic", "--noinput"]).wait(120)
        command = [sys.executable, "-m", "gunicorn", "toggbill.wsgi:application"]
        process = self.place.start([*command, "--bind", f"127.0.0.1:{self.port}"])
        self.place.until(lambda: process.poll() is not None or self._ask("/healthz") == 200)
        return process

    def sign_in(self, user: User) -> None:
        """The pages are asked as this person."""
        browser = Client()
        browser.force_login(user)
        prove(browser, "password")
        self.cookie = f"{settings.SESSION_COOKIE_NAME}={browser.cookies[settings.SESSION_COOKIE_NAME].value}"

    def look(self, firms: Sequence[Firm], die: random.Random) -> None:
        """One page of one firm: a list, or an invoice."""
        firm = die.choice(firms)
        invoice = Invoice.objects.filter(firm=firm).order_by("?").first()
        page = die.choice([*_PAGES, f"invoices/{invoice.reference}/" if invoice else ""])
        self.statuses[self._ask(f"/f/{firm.slug}/{page}")] += 1

    @property
    def failed(self) -> int:
        """Pages that told of a fault of the site, or got no answer (0)."""
        return sum(count for status, count in self.statuses.items() if status == 0 or 500 <= status != BUSY)

    def _ask(self, path: str) -> int:
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            wire.request("GET", path, headers={"Cookie": self.cookie, "X-Forwarded-Proto": "https"})
            answer = wire.getresponse()
            answer.read()
        except OSError:
            return 0
        else:
            return answer.status
        finally:
            wire.close()
