"""A line of the log says what it is about: firm, dossier, reference, task and request; as text or as JSON."""

from __future__ import annotations

import io
import json
import logging
import os
import subprocess
import sys

import pytest
from django.conf import settings as site
from django.test import Client

from tests.factories import DossierFactory, FirmFactory, InvoiceFactory, MembershipFactory
from tests.logs import Log
from tests.visitors import signed_in
from toggbill import log_lines
from toggbill.celery import app
from toggbill.watching import tasks


def _written(form: str, *arguments: object, **names: str) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(log_lines.formatter(form))
    logger = logging.getLogger("of.a.test")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        with log_lines.about(**names):
            logger.warning(*arguments)
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    return stream.getvalue()


def test_line_of_text_begins_with_time_level_and_logger_and_ends_with_names() -> None:
    line = _written("text", "the mail of %s waits", "ours", reference="tb-1", firm="ours")
    when, rest = line.split(" ", 1)
    assert when.endswith("Z")
    assert rest == "warning of.a.test the mail of ours waits firm=ours reference=tb-1\n"


def test_line_of_json_has_the_same_as_members() -> None:
    told = json.loads(_written("json", "the mail of %s waits", "ours", reference="tb-1", firm="ours"))
    told.pop("timestamp")
    assert told == {
        "event": "the mail of ours waits",
        "level": "warning",
        "logger": "of.a.test",
        "firm": "ours",
        "reference": "tb-1",
    }


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_came_from_outside_begins_no_line_of_its_own(form: str) -> None:
    assert _written(form, "called %s", "x\n2026-01-01T00:00:00Z error forged\r\nagain").count("\n") == 1


@pytest.mark.parametrize("form", ["text", "json"])
def test_secret_in_quotes_is_masked_in_each_form(form: str) -> None:
    line = _written(form, 'it said {"refresh_token": "%s"}', "planted-t0ken-0123456789")
    assert "planted" not in line
    assert "***" in line


@pytest.mark.django_db
def test_request_to_a_page_says_firm_dossier_and_request(log: Log) -> None:
    dossier = DossierFactory(key="bakery")
    invoice = InvoiceFactory(dossier=dossier)
    browser = signed_in(dossier.firm)
    browser.get("/dossiers/bakery/")
    browser.get(f"/invoices/{invoice.reference}/")
    Client().get("/healthz")
    first, second, third = log.lines("request_finished")
    assert (first["firm"], first["dossier"], first["code"]) == (dossier.firm.slug, "bakery", 200)
    assert (second["firm"], second["reference"]) == (dossier.firm.slug, invoice.reference)
    assert not {"firm", "dossier", "reference"} & set(third)
    assert len({line["request_id"] for line in (first, second, third)}) == 3


@pytest.mark.django_db
def test_address_of_another_firm_is_not_named_as_one(log: Log) -> None:
    theirs = FirmFactory(slug="theirs")
    browser = Client()
    browser.force_login(MembershipFactory().user)
    browser.get(f"/f/{theirs.slug}/dossiers/secret/")
    [line] = log.lines("request_finished")
    assert (line["code"], "firm" in line, "dossier" in line) == (404, False, False)


@pytest.mark.django_db
def test_task_is_named_with_whom_it_is_for() -> None:
    dossier = DossierFactory(key="bakery")
    invoice, firm = InvoiceFactory(dossier=dossier), dossier.firm.slug
    assert tasks.names_of({"dossier_id": dossier.pk}) == {"firm": firm, "dossier": "bakery"}
    named = {"firm": firm, "dossier": "bakery", "reference": invoice.reference}
    assert tasks.names_of({"invoice_ids": [invoice.pk]}) == tasks.names_of({"invoice_id": invoice.pk}) == named
    assert tasks.names_of({"invoice_ids": [invoice.pk, 0]}) == {"firm": firm}
    assert tasks.names_of({"workspace_id": dossier.workspace_id}) == {"firm": firm}
    assert tasks.names_of({"company_id": dossier.company_id}) == {"firm": firm}
    assert tasks.names_of({"connection_id": dossier.company.connection_id}) == {"firm": firm}
    assert tasks.names_of({"firm_id": dossier.firm_id}) == {"firm": firm}
    assert tasks.names_of({"firm_id": 0}) == tasks.names_of({}) == {}


def test_every_id_of_a_task_leads_to_a_firm() -> None:
    """Whatever tasks there are: none takes an id from which a line of the log could not tell the firm."""
    known = {"dossier_id", "invoice_id", "invoice_ids", "workspace_id", "company_id", "connection_id", "firm_id"}
    ours = [task for name, task in app.tasks.items() if name.startswith(("integrations.", "invoicing."))]
    found = {name for task in ours for name in task.run.__annotations__ if name.endswith(("_id", "_ids"))}
    assert found <= known


def test_setting_takes_text_and_json_alone() -> None:
    environment = os.environ | {"DEBUG": "1", "LOG_FORMAT": "xml"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=site.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "LOG_FORMAT takes text, json, not 'xml'." in done.stderr
