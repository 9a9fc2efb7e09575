"""A fresh production site by README and Procfile alone: every page, the static files, the error pages, the work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from psycopg import sql

from tests.production.addresses import Filler
from tests.production.site import Site, procfile, until

pytestmark = pytest.mark.slow

UNREAD = sql.SQL("SELECT count(*) FROM integrations_workspace WHERE synced_at IS NULL")
STATUS = sql.SQL("SELECT status FROM invoicing_invoice WHERE reference = %s")


def test_every_process_of_the_procfile_runs_and_the_site_is_ready(site: Site) -> None:
    assert set(procfile()) == {"release", "web", "worker", "beat"}
    for name in ("web", "worker", "beat"):
        assert site.processes[name].poll() is None, site.log(name)()
    until(lambda: site.one(UNREAD) == 0, site.log("worker"))
    answer = site.visitor().get("/readyz")
    assert (answer.status, json.loads(answer.body)) == (200, {"ready": True})


def test_every_page_of_the_url_conf_answers(site: Site, approved: str) -> None:
    refused, opened = [], set()
    owner = site.owner()
    for path, name in Filler(site).every().items():
        answer = owner.get(path)
        if answer.status >= 500:
            refused.append(f"{name} {path}: {answer.status}")
        if answer.status == 200:
            opened.add(name.rpartition(":")[2])
        # Some addresses sign the visitor out.
        if "logout" in name or "sessionid" not in owner.cookies:
            owner = site.owner()
    assert refused == [], site.log("web")()
    assert {"dossiers", "dossier", "hours", "attention", "corrections", "invoices", "invoice", "members"} <= opened
    assert {"connections", "connection", "account_email", "mfa_index", "healthz", "readyz", "hours_export"} <= opened


def test_worker_posts_what_a_person_clicks(site: Site, approved: str) -> None:
    page, step = (Filler(site).path(name, reference=approved, step="post") for name in ("invoice", "step"))
    owner = site.owner()
    assert owner.post(step, owner.form(page, step)).status == 302
    until(lambda: site.one(STATUS, approved) == "posted", site.log("worker"))


def test_static_files_of_the_manifest_are_kept_by_browsers_for_ever(site: Site) -> None:
    manifest = json.loads((Path(site.environment["VAR_DIR"]) / "static" / "staticfiles.json").read_text())["paths"]
    visitor = site.visitor()
    used = set(re.findall(r'(?:href|src)="/static/([^"]+)"', visitor.get("/accounts/login/").text))
    assert len(used) >= 4
    assert used <= set(manifest.values())
    for name in sorted(used):
        answer = visitor.get(f"/static/{name}")
        assert answer.status == 200
        assert answer.headers["cache-control"] == "max-age=315360000, public, immutable"


def test_strangers_are_led_to_https_and_see_no_detail(site: Site) -> None:
    visitor = site.visitor()
    plain = visitor.get("/accounts/login/", {"X-Forwarded-Proto": "http"})
    assert (plain.status, plain.headers["location"]) == (301, "https://toggbill.example/accounts/login/")
    missing = visitor.get("/nothing/here/")
    assert (missing.status, "There is nothing here" in missing.text) == (404, True)
    assert "urlpatterns" not in missing.text
    assert visitor.get("/accounts/login/", {"Host": "elsewhere.example"}).status == 400


def test_charset_that_is_no_encoding_of_texts_is_no_failure(site: Site) -> None:
    page = site.visitor().get("/accounts/login/?next=/", {"Content-Type": "text/plain; charset=rot13"})
    assert page.status == 200


def test_error_pages_render_without_the_manifest(site: Site) -> None:
    """A site whose `release` was cut off: its pages lack their looks, not their words."""
    manifest = Path(site.environment["VAR_DIR"]) / "static" / "staticfiles.json"
    kept = manifest.rename(manifest.with_suffix(".kept"))
    try:
        site.restart("web")
        visitor = site.visitor()
        missing = visitor.get("/nothing/here/")
        assert (missing.status, "There is nothing here" in missing.text) == (404, True)
        assert visitor.get("/accounts/login/").status == 200
        with site.rows() as connection:
            connection.execute("ALTER TABLE firms_user RENAME TO firms_user_away")
            connection.commit()
            try:
                broken = visitor.sign_in()
            finally:
                connection.execute("ALTER TABLE firms_user_away RENAME TO firms_user")
                connection.commit()
        assert broken.status == 500
        for words in ("Something went wrong here", "La page n’a pas pu", "De pagina kon niet"):
            assert words in broken.text
    finally:
        kept.rename(manifest)
        site.restart("web")


def test_gunicorn_opens_no_control_socket(site: Site) -> None:
    """By itself it opens one in HOME, which a second site of the same user takes over."""
    home = Path(site.environment["HOME"])
    assert [path.name for path in home.rglob("*") if path.is_socket()] == []
    assert not (home / ".gunicorn").exists()
