"""Chromium for the browser tests: the system's, from ``CHROMIUM`` or the search path; playwright downloads none."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page
from pytest_django.live_server_helper import LiveServer

from tests.factories import PASSWORD
from toggbill.firms.models import User


@pytest.fixture(scope="session", autouse=True)
def rows_beside_the_browser() -> Iterator[None]:
    """Playwright keeps an event loop in this thread, and Django takes the tests' queries for asynchronous ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield


@pytest.fixture(scope="session")
def base_url() -> None:
    """None: each test has the address of its own server. (The plugin's fixture is one that pytest warns of.)"""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """How Chromium starts. Without the sandbox only for root, for whom Chromium has none."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if path is None:
        pytest.fail("No Chromium: install the package chromium, or set CHROMIUM to the path of one.")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    return {**browser_type_launch_args, "executable_path": path, "args": arguments}


@pytest.fixture
def browser_context_args(browser_context_args: dict[str, Any]) -> dict[str, Any]:
    """A person who reads English."""
    return {**browser_context_args, "locale": "en-GB"}


@pytest.fixture
def complaints(page: Page) -> Iterator[list[str]]:
    """What the browser complains of: a breach of the content security policy, a script's error. Nothing, at the end."""
    heard: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            heard.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: heard.append(str(error)))
    yield heard
    assert heard == []


def sign_in(page: Page, live_server: LiveServer, user: User) -> None:
    """Sign in through the page, as a person does."""
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(re.compile(r"/f/[\w-]+/$"))
