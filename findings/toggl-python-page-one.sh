#!/bin/sh
# One would guess: page_number=1 of a report is its first page, and a loop over page numbers from 1 reads every row.
# What happens: pages count from 0. page_number=1 asks for the rows from 51 on, or, with a page_size of 100, from 101;
# 0 and no number both ask for the first. Nothing in the signature says so.
# Why it matters: a billing program that reads Toggl's detailed report from page 1 never sees the first fifty entries
# of the month, and a short month is empty. Toggl's own answer says where the next page begins (X-Next-Row-Number);
# follow that.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check toggl-python==0.3.2
"$folder/bin/python" - <<'END'
import json
import sys
from importlib.metadata import version

import httpx
from toggl_python import TokenAuth
from toggl_python.entities.report_time_entry import ReportTimeEntry


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


asked = []


def answer(request):
    asked.append(json.loads(request.content).get("first_row_number"))
    return httpx.Response(200, json=[])


report = ReportTimeEntry(auth=TokenAuth("0" * 32))
report.client = httpx.Client(transport=httpx.MockTransport(answer), base_url=report.client.base_url)
for pages in [{}, {"page_number": 0}, {"page_number": 1}, {"page_number": 1, "page_size": 100}, {"page_number": 2}]:
    report.search(1, start_date="2027-01-01", end_date="2027-01-31", **pages)
print(f"toggl-python {version('toggl-python')}")
see("first row without a page, page 0, page 1, page 1 of 100, page 2", asked, [None, None, 51, 101, 101])
END
