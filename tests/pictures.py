"""The pictures of README, taken of the demo: `make pictures`.

    python -m tests.pictures

Starts a demo of its own in a folder that is removed afterwards, signs in as its owner, and writes docs/*.png.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

DOCS = Path(__file__).resolve().parent.parent / "docs"
WIDTH, HEIGHT = 1200, 640
LONGEST_START = 300
"""Seconds that the demo may take until its dashboard is there."""
_DASHBOARD = re.compile(r"Dashboard: (\S+)\s+e-mail (\S+)\s+password (\S+)")


def main() -> None:
    """Take all of them. Exits with a sentence when the demo does not come up, or there is no Chromium."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if chromium is None:
        sys.exit("No Chromium: install the package chromium, or set CHROMIUM to the path of one.")
    with tempfile.TemporaryDirectory() as folder:
        demo = subprocess.Popen(
            [sys.executable, "-u", "manage.py", "demo", "--port", str(_free_port())],
            cwd=DOCS.parent,
            env=os.environ | {"DEBUG": "1", "VAR_DIR": folder},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            address, email, password = _dashboard(demo)
            with sync_playwright() as playwright:
                arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
                browser = playwright.chromium.launch(executable_path=chromium, args=arguments)
                context = browser.new_context(
                    viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB", color_scheme="light"
                )
                _take_all(context.new_page(), address, email, password)
                browser.close()
        finally:
            demo.send_signal(signal.SIGINT)
            demo.wait(60)


def _take_all(page: Page, address: str, email: str, password: str) -> None:
    page.goto(address)
    page.get_by_label(re.compile("^E-?mail", re.IGNORECASE)).fill(email)
    page.locator("input[type=password]").fill(password)
    page.locator("main button[type=submit]").first.click()
    page.wait_for_url(f"{address}*")
    page.context.add_cookies([{"name": "django_language", "value": "en", "url": address}])
    for name, path in (("dossiers", ""), ("attention", "attention/"), ("charts", "charts/")):
        page.goto(f"{address}{path}")
        _take(page, name)
    page.goto(f"{address}invoices/")
    page.locator("main table a[href*='/invoices/tb-']").first.click()
    _take(page, "invoice")


def _take(page: Page, name: str) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=str(DOCS / f"{name}.png"))


def _dashboard(demo: subprocess.Popen[str]) -> tuple[str, str, str]:
    """Address, e-mail and password, once the demo says them."""
    late = threading.Timer(LONGEST_START, demo.terminate)
    late.start()
    try:
        for line in demo.stdout or ():
            if found := _DASHBOARD.search(line):
                return found[1], found[2], found[3]
    finally:
        late.cancel()
    sys.exit("The demo did not come up; run `make demo` to see why.")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
