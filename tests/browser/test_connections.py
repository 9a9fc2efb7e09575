"""Connecting both services, trying a mapping and taking a file in, in a browser under the content security policy."""

from __future__ import annotations

import pytest
from playwright.sync_api import FilePayload, Page
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.models import Connection, Workspace
from integrations.sandbox.process import Process
from invoicing.models import TagMapping
from tests.browser.conftest import sign_in
from tests.factories import PASSWORD, DossierFactory, FirmFactory, MembershipFactory, ProductFactory, UserFactory
from toggbill.firms.models import Firm

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TOKEN = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def firm(sandbox: Process, live_server: LiveServer, page: Page, settings: Settings) -> Firm:
    """A firm whose owner has signed in; Billit knows this installation."""
    settings.BILLIT_LOGIN_URL = sandbox.billit_url
    settings.BILLIT_CLIENT_ID, settings.BILLIT_CLIENT_SECRET = "sandbox-client", "sandbox-secret"
    settings.PUBLIC_URL = live_server.url
    firm = FirmFactory(slug="ours", name="Our Firm")
    user = UserFactory(password=PASSWORD, is_staff=True)
    MembershipFactory(firm=firm, user=user)
    sign_in(page, live_server, user)
    return firm


def test_both_services_are_connected_and_removed_again(
    firm: Firm, page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    page.get_by_role("link", name="Connections").click()
    page.get_by_role("link", name="Connect Toggl").click()
    page.get_by_label("API token").fill(TOKEN)
    page.get_by_role("button", name="Try it and connect").click()
    page.get_by_label("Bureau").check()
    page.get_by_role("button", name="Choose").click()
    page.get_by_text("They are read within minutes").or_(page.get_by_text("It is read within minutes")).wait_for()
    assert Workspace.objects.get().remote_id == 4001
    page.goto(f"{live_server.url}/f/ours/connections/add/billit/")
    page.get_by_role("button", name="Sign in to Billit").click()
    page.get_by_role("button", name="Log in and allow").click()
    page.wait_for_url(f"{live_server.url}/f/ours/connections/billit/main/choose/")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Choose").click()
    assert page.get_by_text("Automatically send your invoices").is_visible()
    page.get_by_role("button", name="Sign in to Billit again").click()
    page.get_by_role("button", name="Log in and allow").click()
    page.wait_for_url(f"{live_server.url}/f/ours/connections/billit/main/")
    page.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove").click()
    page.wait_for_url(f"{live_server.url}/f/ours/connections/")
    assert Connection.objects.get(service="billit").secret == ""
    # Billit's imitation has no icon, which is not ours to mend.
    complaints[:] = [text for text in complaints if "404 (Not Found)" not in text]


def test_a_file_is_previewed_and_taken_in_and_a_mapping_tried(
    firm: Firm, page: Page, live_server: LiveServer, complaints: list[str]
) -> None:
    dossier = DossierFactory(firm=firm, key="bakery", name="Bakery")
    ProductFactory(company=dossier.company, reference="ADV")
    page.goto(f"{live_server.url}/f/ours/admin/invoicing/tagmapping/")
    page.get_by_role("link", name="Import").click()
    content = b"dossier,tag,product\nbakery,Advies,ADV\n"
    file: FilePayload = {"name": "t.csv", "mimeType": "text/csv", "buffer": content}
    page.get_by_label("File to import").set_input_files(file)
    page.get_by_label("Format").select_option("csv")
    page.get_by_role("button", name="Submit").click()
    page.get_by_role("button", name="Confirm import").click()
    page.get_by_text("Imported: 1 new").wait_for()
    row = TagMapping.objects.get()
    page.goto(f"{live_server.url}/f/ours/admin/invoicing/tagmapping/{row.pk}/change/")
    page.get_by_label("Product reference").fill("FIS")
    page.get_by_role("button", name="Try on last month").click()
    page.get_by_text("Nothing was saved").wait_for()
    row.refresh_from_db()
    assert row.product_reference == "ADV"
    page.get_by_role("button", name="Save it so").click()
    page.wait_for_url(f"{live_server.url}/f/ours/admin/invoicing/tagmapping/")
    row.refresh_from_db()
    assert row.product_reference == "FIS"
    page.goto(f"{live_server.url}/f/ours/admin/invoicing/tagmapping/export/")
    page.goto(f"{live_server.url}/f/ours/leaving/")
    page.get_by_role("button", name="Close the firm").wait_for()
