"""The work of two firms with the code of commit a949347: ``fill`` runs this among the files of that commit.

The verbs are the commit's own, against its own sandbox, on an invented day. Its modules are imported by name: they may
be gone or renamed today. Prints as JSON what the commands of the commit say of the result.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

CUSTOMERS = 28
OCTOBER = date(2026, 10, 31)
SEND = "^/v1/orders/commands/send$"


class Earlier:
    """Modules of the commit by name: ``the.runs`` is ``invoicing.runs``."""

    def __getattr__(self, name: str) -> Any:
        for package in ("invoicing", "integrations", "toggbill.firms"):
            with suppress(ModuleNotFoundError):
                return importlib.import_module(f"{package}.{name}")
        raise AttributeError(name)


the: Any = Earlier()


def module(name: str) -> Any:
    """A module of the commit."""
    return importlib.import_module(name)


def rows(label: str) -> Any:
    """The manager of a model of the commit, e.g. "invoicing.Invoice"."""
    return module("django.apps").apps.get_model(label)._default_manager


def fill() -> None:
    """Migrate, fill, and print what the commands say of it."""
    sys.path[0] = os.getcwd()
    os.environ["DJANGO_SETTINGS_MODULE"] = "toggbill.settings"
    module("django").setup()
    settings = module("django.conf").settings
    settings.TOGGL_REQUESTS_PER_SECOND = settings.BILLIT_REQUESTS_PER_SECOND = 0
    settings.EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
    settings.PUBLIC_URL = "https://toggbill.example"
    _command("migrate", "--verbosity", "0")
    with (
        module("integrations.sandbox.process").start("empty") as process,
        module("time_machine").travel(module("tests.worlds").NOW, tick=False) as clock,
        module("django.utils.translation").override("en"),
    ):
        settings.TOGGL_URL, settings.BILLIT_API_URL = process.toggl_url, process.billit_url
        settings.BILLIT_LOGIN_URL = process.billit_url
        office = _office(process, clock)
        _every_state(process, clock)
        _failing_connections(process, office)
    json.dump(_said(), sys.stdout, indent=1)


def _onboarded(process: Any, clock: Any, world: Any) -> Any:
    """The firm of a world, read once; a ``tests.invoicing.scene.Scene``."""
    now = module("tests.worlds").NOW
    file = Path(os.environ["VAR_DIR"]) / "firm.toml"
    file.write_text(process.control.load(world, now=now), encoding="utf-8")
    slug = _command("onboard", str(file))["firm"]
    scene = module("tests.invoicing.scene").Scene(process, rows("firms.Firm").get(slug=slug), _command, clock)
    scene.sync()
    return scene


def _office(process: Any, clock: Any) -> Any:
    """The demo's office in the middle of its month: members, several dossiers, invoices of several states."""
    demo = _onboarded(process, clock, "demo")
    owner = module("toggbill.firms.audit").Actor("owner@example.com", "page")
    now, firm = demo.later(minutes=1), demo.firm
    dossiers = list(rows("invoicing.Dossier").filter(firm=firm).select_related("firm", "workspace", "company"))
    for dossier in dossiers:
        the.runs.draft(dossier=dossier, cut_off=OCTOBER, by=owner, now=now)
    drafts = list(demo.invoices(status="draft"))
    approved = demo.approve(*drafts[::2])
    posted = [demo.post(invoice) for invoice in approved[::2]]
    demo.later(minutes=1)
    for dossier in dossiers:
        the.reading_back.read_back(company=dossier.company, now=demo.later(seconds=1))
    for invoice in posted[::2]:
        with suppress(the.runs.NotPossible):
            demo.send(invoice)
    open_hours = [row.entry for row in rows("invoicing.LedgerRow").filter(firm=firm, state="open").order_by("pk")[:4]]
    the.holding.hold(entries=open_hours[:2], reason="Ask the customer", by=owner, now=now)
    the.holding.write_off(entries=open_hours[2:], reason="Our own mistake", by=owner, now=now)
    _members(firm, dossiers, owner, now)
    with demo.fault("status", method="GET", path="/orders", status=503):  # a comparison that waits, with its reason
        the.comparing.ask(dossier=dossiers[0], now=now)
        the.comparing.serve(dossier=dossiers[0], now=demo.later(minutes=1))
    scheduled = rows("invoicing.Dossier").filter(firm=firm, due_at__isnull=False)
    scheduled.update(due_at=now, scheduled_through=None)
    with demo.fault("status", service="toggl", method=None, path="", status=503):  # runs that wait
        for dossier in scheduled.select_related("firm", "workspace", "company"):
            the.rounds.serve(dossier=dossier, by=owner, now=demo.later(minutes=1))
    return demo


def _members(firm: Any, dossiers: list[Any], owner: Any, now: datetime) -> None:
    the.members.require_mfa(firm=firm, wanted=True, by=owner, now=now)
    for role in ("manager", "bookkeeper", "viewer"):
        email = f"{role}@example.com"
        the.invitations.add_member(firm=firm, email=email, role=role, password="of-nobody-12", by=owner, now=now)
    row = rows("firms.Membership").get(firm=firm, role="bookkeeper")
    the.members.restrict(membership=row, dossiers=dossiers[:1], by=owner, now=now)
    the.invitations.invite(firm=firm, email="open@example.com", role="viewer", by=owner, now=now)
    restricted = {"role": "bookkeeper", "dossiers": dossiers[1:]}
    invitation, _ = the.invitations.invite(firm=firm, email="accepted@example.com", by=owner, now=now, **restricted)
    accept = {"name": "Lotte Brandwijk", "password": "of-nobody-12", "origin": "page"}
    the.invitations.accept_as_new(invitation=invitation, now=now, **accept)
    totp = module("allauth.mfa.totp.internal.auth")
    totp.TOTP.activate(rows("firms.User").get(email="manager@example.com"), totp.generate_totp_secret())


def _every_state(process: Any, clock: Any) -> None:
    """A firm with an invoice for each customer, each in another state of its life."""
    worlds, scene = module("tests.worlds"), module("tests.invoicing.scene")
    many = scene.many(CUSTOMERS)
    numbers = [row["VATNumber"] for row in many["parties"]]
    extra = [
        worlds.entry(100, project_id=2000, tags=[]),
        worlds.entry(101, project_id=2000, tag="Unknown"),
        worlds.entry(102, project_id=None),
        worlds.entry(103, project_id=2000, running=True),
        worlds.entry(104, "2026-11-03", project_id=2001),
        worlds.entry(105, "2026-11-03", project_id=2002),
        worlds.entry(106, "2026-11-04", project_id=2000),
        worlds.entry(107, "2026-11-04", project_id=2000, tag="Books"),
        worlds.entry(108, "2026-11-05", project_id=3000),
    ]
    many["clients"].append(worlds.client(1999, "Nobody with a number"))
    many["projects"].append(worlds.project(3000, "Without a number", 1999))
    many["entries"] += extra
    many["peppol"] = [{"number": number} for number in numbers]
    books = _onboarded(process, clock, worlds.small_world(**many))
    books.later(minutes=1)
    books.draft()

    def of(customer: int) -> Any:
        return books.invoices(customer_name=f"Client {customer}", kind="invoice").order_by("-pk")[0]

    for number in range(1, CUSTOMERS):
        if number == 17:
            the.runs.void(invoice=of(17), by=scene.BY, now=books.later(seconds=1))
        else:
            books.approve(of(number))
    with books.fault("status", status=400, body={"errors": [{"Code": "X", "Description": "No such VAT rate."}]}):
        books.post(of(6))
    with books.fault("cut_before"):
        books.post(of(7))
    with _killed(the.billit.Api, "create_order"), suppress(KeyboardInterrupt):
        books.post(of(8))
    for number in {*range(2, CUSTOMERS)} - {6, 7, 8, 17}:
        books.post(of(number))
    books.read_back()
    for number in (3, 4, 9, 10, 11, 25, 26, 27):
        books.send(of(number))
    process.control.change_order(of(5).order_id, Paid=True, PaidDate="2026-11-19T10:00:00", OrderNumber="2026-0005")
    with books.fault("status", path=SEND, status=400, body={"errors": [{"Code": "Y", "Description": "Not active."}]}):
        books.send(of(20))
    with books.fault("cut_before", path=SEND):
        books.send(of(21))
    books.later(hours=1)
    books.read_back()
    _after_billing(process, books, of)
    _webhooks(books)


def _after_billing(process: Any, books: Any, of: Any) -> None:
    """Corrections and credit notes of every kind, hours set apart, orders that somebody changed at Billit."""
    entry, by = module("tests.worlds").entry, module("tests.invoicing.scene").BY
    verbs = the.corrections

    def the_entry(serial: int) -> Any:
        return rows("integrations.Entry").get(firm=books.firm, remote_id=entry(serial)["id"])

    def correction(customer: int) -> Any:
        return rows("invoicing.Correction").get(entry=the_entry(customer), decision="open")

    def changed(*customers: int, seconds: int, **fields: Any) -> None:
        process.control.put_entries(*(entry(n, seconds=seconds, project_id=2000 + n) | fields for n in customers))

    def credit_note(customer: int, *, rebill: bool, post: bool = True) -> None:
        made = verbs.credit(entries=[the_entry(customer)], rebill=rebill, by=by, now=books.later(seconds=1))
        if post:
            books.post(*books.approve(made))

    credit_note(9, rebill=False)
    credit_note(10, rebill=True, post=False)
    credit_note(11, rebill=True)
    changed(12, 13, 14, 15, 16, 25, 26, seconds=5400)
    changed(27, seconds=927, description="Other words", tags=["Books"])
    process.control.delete_entries(entry(24)["id"])
    books.sync()
    verbs.accept(correction=correction(13), by=by, now=books.later(seconds=1), note="A gift")
    verbs.bill_next(correction=correction(14), by=by, now=books.later(seconds=1))
    verbs.replace(correction=correction(15), by=by, now=books.later(seconds=1))
    verbs.credit(correction=correction(25), rebill=False, by=by, now=books.later(seconds=1))
    verbs.bill_next(correction=correction(26), by=by, now=books.later(seconds=1))
    changed(16, seconds=916)
    books.sync()
    the.holding.hold(entries=[the_entry(104)], reason="Ask the customer", by=by, now=books.later(seconds=1))
    the.holding.write_off(entries=[the_entry(105)], reason="Our own mistake", by=by, now=books.later(seconds=1))
    the.runs.draft(dossier=books.dossier, cut_off=date(2026, 11, 19), by=by, now=books.later(seconds=1))
    books.post(*books.approve(of(26)))  # the difference is billed
    process.control.change_order(of(18).order_id, Deleted=True)
    process.control.change_order(of(19).order_id, TotalExcl=300.00, TotalVAT=63.00, TotalIncl=363.00)
    process.control.change_order(of(22).order_id, IsSent=True)
    books.later(hours=1)
    process.control.delete_entries(entry(23)["id"])
    _command("reconcile", "--firm", books.firm.slug)
    books.later(days=1)
    process.control.change_order(of(22).order_id, IsSent=False)  # a finding that is gone
    with books.fault("status", service="toggl", path="totals$", status=200, body={"seconds": 61_000}):
        _command("reconcile", "--firm", books.firm.slug)
    clients = [the.mapping.ClientRule(1020, party_id=81_020, purchase_order="PO 1", buyer_reference="Room 2")]
    clients.append(the.mapping.ClientRule(1999, number="BE0999050114"))
    the.setup.map_clients(dossier=books.dossier, rules=clients, by=by, now=books.later(seconds=1))
    tags = [the.mapping.TagRule("Internal", "", bill=False), the.mapping.TagRule("Tax", "FIS", priority=3)]
    the.setup.map_tags(dossier=books.dossier, rules=tags, by=by, now=books.later(seconds=1))


def _webhooks(books: Any) -> None:
    owner = module("toggbill.firms.audit").Actor("owner@example.com", "page")
    now = books.later(seconds=1)
    # Toggl's imitation calls loopback addresses only, at once; no site answers here.
    module("tests.factories").WebhookFactory(workspace=books.dossier.workspace)
    the.webhooks.open_for(target=books.dossier.company, by=owner, now=now)
    settings = module("django.conf").settings
    settings.BILLIT_CLIENT_ID, settings.BILLIT_CLIENT_SECRET = "toggbill", "secret-of-the-client"
    page = ["https://toggbill.example/connections/signed-in/"]
    client = {"client_id": "toggbill", "client_secret": "secret-of-the-client", "redirect_uris": page}
    books.control.put_oauth_clients(client)
    code = module("tests.integrations.test_oauth").code_of(the.oauth.sign_in_address(state="s"), state="s")
    pair = the.oauth.first_pair(code=code)
    access = the.connections.ask_billit_signed_in(pair=pair)
    the.connections.connect_billit_signed_in(
        firm=books.firm, key="by-sign-in", pair=pair, access=access, by=owner, now=now
    )


def _failing_connections(process: Any, office: Any) -> None:
    """Connections that failed in every way that stores a text, one paused and one removed."""
    owner = module("toggbill.firms.audit").Actor("owner@example.com", "page")
    faults: dict[str, dict[str, Any]] = {
        "forbidden": {"kind": "status", "status": 403},
        "refused": {"kind": "status", "status": 400, "body": {"message": "No."}},
        "plan": {"kind": "status", "status": 402, "body": "This feature is part of a plan."},
        "quota": {"kind": "quota"},
        "unwell": {"kind": "html500"},
        "unavailable": {"kind": "unavailable"},
        "too-many": {"kind": "too_many", "retry_after": 60},
        "cut": {"kind": "cut_before"},
        "nonsense": {"kind": "truncate"},
        "credential": {"kind": "slow", "seconds": 0},  # the service itself knows no such secret
    }
    for number, (key, fault) in enumerate(faults.items()):
        for service, target in (("toggl", "workspace"), ("billit", "company")):
            now = office.later(seconds=1)
            secret = {"firm": office.firm, "service": service, "key": key, "secret": f"secret-{number}"}
            row = rows("integrations.Connection").create(**secret, latest_ok_at=now - timedelta(days=1))
            mine = {"firm": office.firm, "connection": row, "name": key}
            ids = (
                {"remote_id": 9100 + number, "read_from": OCTOBER}
                if service == "toggl"
                else {"party_id": 9100 + number}
            )
            read = rows(f"integrations.{target}").create(**mine, **ids)
            process.control.faults({"service": service, **fault})
            for _ in range(6 if key == "cut" else 1):  # six times open the circuit
                with suppress(the.transport.ServiceError):
                    getattr(the.sync, f"sync_{target}")(**{target: read}, now=now)
    process.control.faults()
    connections = rows("integrations.Connection").filter(firm=office.firm, key="unwell")
    the.connections.pause(connection=connections.get(service="toggl"), by=owner, now=office.later(seconds=1))
    the.connections.remove(connection=connections.get(service="billit"), by=owner, now=office.later(seconds=1))


@contextmanager
def _killed(owner: Any, name: str) -> Iterator[None]:
    """A worker that dies in the middle: the call never comes back."""
    original = getattr(owner, name)

    def die(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    setattr(owner, name, die)
    try:
        yield
    finally:
        setattr(owner, name, original)


# --- what the commit says of it ---------------------------------------------------------------------------------------


def _command(name: str, *arguments: str) -> Any:
    """What a command prints as JSON, None when it prints none."""
    out = io.StringIO()
    with suppress(SystemExit):  # exit code 1: it has found a difference
        module("django.core.management").call_command(name, *arguments, stdout=out, stderr=io.StringIO())
    return json.loads(out.getvalue()) if out.getvalue().strip() else None


def _said() -> dict[str, Any]:
    firms = list(rows("firms.Firm").order_by("slug").values_list("slug", flat=True))
    invoices = rows("invoicing.Invoice").order_by("firm__slug", "reference")
    tag = ("dossier__key", "tag", "product_reference", "bill", "priority")
    client = [*("dossier__key", "client_remote_id", "number", "customer_party_id", "is_proposed", "treatment")]
    client += ["purchase_order", "buyer_reference"]
    said = {
        "ledger": {firm: _command("ledger", "--firm", firm) for firm in firms},
        "verify_audit": _command("verify_audit"),
        "invoices": the.statement.statements(invoices),
        "tag_mappings": list(rows("invoicing.TagMapping").order_by("dossier__key", "tag").values(*tag)),
        "client_mappings": list(rows("invoicing.ClientMapping").order_by(*client[:2]).values(*client)),
        "rows": {
            model._meta.db_table: model._default_manager.count() for model in module("django.apps").apps.get_models()
        },
    }
    return dict(json.loads(json.dumps(said, default=str)))


if __name__ == "__main__":
    fill()
