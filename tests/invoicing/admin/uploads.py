"""Sheets that are uploaded to the admin and taken in, and those that it gives."""

from __future__ import annotations

import io
import re
from typing import Any

import openpyxl
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import models
from django.test import Client

from invoicing.models import Dossier
from tests.factories import ClientFactory, CustomerFactory, ProductFactory
from tests.visitors import address

CSV, XLSX = "0", "1"


def previewed(browser: Client, model: type[models.Model], content: str | bytes, kind: str = CSV) -> str:
    """The page that comes after a file was uploaded."""
    data = content.encode() if isinstance(content, str) else content
    file = SimpleUploadedFile("file.csv" if kind == CSV else "file.xlsx", data)
    answer = browser.post(address(model, "import"), {"import_file": file, "format": kind, "resource": ""})
    assert answer.status_code == 200
    return answer.content.decode()


def confirmed(browser: Client, model: type[models.Model], page: str) -> str:
    """Take in what the preview shows; gives the page that says what came of it."""
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    assert "import_file_name" in fields, re.sub(r"<[^>]+>|\s+", " ", page)[-1500:]
    answer = browser.post(address(model, "process_import"), fields, follow=True)
    return answer.content.decode()


def imported(browser: Client, model: type[models.Model], content: str | bytes, kind: str = CSV) -> str:
    return confirmed(browser, model, previewed(browser, model, content, kind))


def workbook(*rows: tuple[Any, ...]) -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(file)
    return file.getvalue()


def exported(browser: Client, model: type[models.Model], kind: str = CSV) -> bytes:
    answer = browser.post(address(model, "export"), {"format": kind, "resource": ""})
    assert answer.status_code == 200
    assert answer["Content-Disposition"].startswith("attachment")
    return bytes(answer.content)


def known(dossier: Dossier) -> Dossier:
    """The dossier, whose services have what the files of the tests name."""
    for reference in ("ADV", "CPT", "FIS"):
        ProductFactory(company=dossier.company, reference=reference)
    for client in (501, 502):
        ClientFactory(workspace=dossier.workspace, remote_id=client)
    CustomerFactory(company=dossier.company, party_id=88001)
    return dossier
