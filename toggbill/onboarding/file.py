"""What an onboarding file says: its sections as values, and every fault of it at once.

Reading is pure: what the firm has already (``Standing``) and the environment come in as arguments. A key that a table
leaves out has its default each time: a dossier in the file is stated whole. Mappings and members that the file does not
name stay (design section 10).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from invoicing.dossiers.setup import DossierRules, Standing
from invoicing.models import Dossier
from invoicing.rules.mapping import ClientRule, TagRule, Treatment, normalise_number, tag_key
from invoicing.rules.rating import Rounding
from invoicing.rules.schedule import Schedule
from toggbill.firms.models import Membership
from toggbill.onboarding.table import Table, once, shown

LANGUAGES = ("en", "fr", "nl")
A_DAY = 24 * 60
"""Minutes: nothing is rounded to more."""

_BILLION = 1_000_000_000


class FileFaults(Exception):
    """The file cannot be used; ``sentences`` name every fault with its place, and never a secret."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__("\n".join(sentences))
        self.sentences = sentences


@dataclass(frozen=True, slots=True)
class FirmSection:
    """[firm]"""

    slug: str
    name: str
    timezone: str
    language: str


@dataclass(frozen=True, slots=True)
class UserSection:
    """[[users]]; without a password the person is invited."""

    email: str
    role: str
    password: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class TogglSection:
    """[[toggl]]; ``secret`` is the API token, None: the one that the connection has already."""

    key: str
    secret: str | None = field(repr=False)
    accept_partial: bool


@dataclass(frozen=True, slots=True)
class BillitSection:
    """[[billit]]; ``secret`` is the API key, None: the one that the connection has already."""

    key: str
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class DossierSection:
    """[[dossiers]]: which workspace (Toggl id, read by a connection) which company (PartyID) bills, and how."""

    toggl: str
    workspace: int
    billit: str
    company: int
    rules: DossierRules
    tags: tuple[TagRule, ...]
    client_map: tuple[ClientRule, ...]


@dataclass(frozen=True, slots=True)
class OnboardingFile:
    """The whole file."""

    firm: FirmSection
    users: tuple[UserSection, ...]
    toggl: tuple[TogglSection, ...]
    billit: tuple[BillitSection, ...]
    dossiers: tuple[DossierSection, ...]


def load(path: Path) -> dict[str, Any]:
    """The TOML of a file. Raises FileFaults when it is not there, not UTF-8 or not TOML."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileFaults([f"{path}: cannot be read: {error.strerror}. Give the path of an onboarding file."]) from None
    try:
        # Editors on Windows put a mark before the text.
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FileFaults([f"{path}: byte {error.start} is not UTF-8. Save the file as UTF-8."]) from None
    except tomllib.TOMLDecodeError as error:
        raise FileFaults([f"{path}: this is not TOML: {error}. Mend that line."]) from None
    except (ValueError, RecursionError):
        # Numbers of thousands of digits, lists in lists in lists.
        raise FileFaults([f"{path}: this is not TOML that can be read. Compare it with the example."]) from None


def firm_slug(values: Mapping[str, Any]) -> str:
    """The short name of the firm that the file is about, "" when it does not say."""
    firm = values.get("firm")
    slug = firm.get("slug") if isinstance(firm, dict) else None
    return slug.strip() if isinstance(slug, str) else ""


def read(values: Mapping[str, Any], *, standing: Standing, environ: Mapping[str, str]) -> OnboardingFile:
    """The sections of a file. Raises FileFaults with all of its faults, those against what stands included."""
    faults: list[str] = []
    root = Table(values, "", faults)
    if not root.has("firm"):
        root.fault("firm", "missing; the file needs a table [firm] with slug and name.")
    firm_table = root.table("firm")
    firm = _firm(firm_table) if root.has("firm") and root.sound("firm") else FirmSection("", "", "", "")
    user_tables = root.tables("users", written="[[users]]")
    users = tuple(_user(table, environ) for table in user_tables)
    toggl_tables = root.tables("toggl", written="[[toggl]]")
    toggl = tuple(_toggl(table, standing, environ) for table in toggl_tables)
    billit_tables = root.tables("billit", written="[[billit]]")
    billit = tuple(_billit(table, standing, environ) for table in billit_tables)
    dossier_tables = root.tables("dossiers", written="[[dossiers]]")
    dossiers = tuple(_dossier(table) for table in dossier_tables)
    root.close()
    once([*zip(user_tables, (row.email for row in users), strict=True)], "email")
    once([*zip(toggl_tables, (row.key for row in toggl), strict=True)], "key")
    once([*zip(billit_tables, (row.key for row in billit), strict=True)], "key")
    once([*zip(dossier_tables, (row.rules.key for row in dossiers), strict=True)], "key")
    rows = list(zip(dossier_tables, dossiers, strict=True))
    _check_references(rows, {row.key for row in toggl} | standing.toggl, {row.key for row in billit} | standing.billit)
    _check_against(rows, standing)
    _check_overlap(rows, standing)
    if faults:
        raise FileFaults(faults)
    return OnboardingFile(firm, users, toggl, billit, dossiers)


def _firm(table: Table) -> FirmSection:
    section = FirmSection(
        slug=table.slug("slug"),
        name=table.text("name"),
        timezone=table.text("timezone", default="Europe/Brussels"),
        language=table.choice("language", LANGUAGES, default="fr"),
    )
    if section.timezone not in available_timezones():
        table.fault("timezone", f"{shown(section.timezone)} is not a time zone; use a name such as Europe/Brussels.")
    table.close()
    return section


def _user(table: Table, environ: Mapping[str, str]) -> UserSection:
    email = table.text("email", longest=254).lower()
    if email:
        try:
            validate_email(email)
        except ValidationError:
            table.fault("email", f"{shown(email)} is not an e-mail address.")
            email = ""
    role = table.choice("role", Membership.Role.values)
    password = table.variable("password_env", environ)
    table.close()
    return UserSection(email, role, password)


def _toggl(table: Table, standing: Standing, environ: Mapping[str, str]) -> TogglSection:
    key = table.slug("key")
    secret = table.secret("api_token", environ)
    if key not in standing.toggl:
        _need_secret(table, "api_token", key)
    section = TogglSection(key, secret, table.flag("accept_partial", default=False))
    table.close()
    return section


def _billit(table: Table, standing: Standing, environ: Mapping[str, str]) -> BillitSection:
    key = table.slug("key")
    section = BillitSection(key, table.secret("api_key", environ))
    if key not in standing.billit:
        _need_secret(table, "api_key", key)
    table.close()
    return section


def _need_secret(table: Table, name: str, key: str) -> None:
    if not table.has(name) and not table.has(f"{name}_env"):
        whose = f"the firm has no connection {key} yet" if key else "the connection is new"
        table.fault(name, f"missing; {whose}, so write {name}_env (the name of a variable) or {name}.")


def _dossier(table: Table) -> DossierSection:
    key = table.slug("key")
    toggl, workspace = table.slug("toggl"), table.number("workspace")
    billit, company = table.slug("billit"), table.number("company")
    rules = DossierRules(
        key=key,
        name=table.text("name", default=key) or key,
        start=table.day("start"),
        clients=table.numbers("clients"),
        billable=table.choice("billable", Dossier.Billable.values, default="all"),
        group_by=table.choice("group_by", Dossier.GroupBy.values, default="product"),
        rounding=_rounding(table.table("rounding")),
        schedule=_schedule(table),
        mode=table.choice("mode", Dossier.Mode.values, default="review"),
        auto_limit=table.money_or_none("auto_limit"),
        price_decimals=table.number("price_decimals", least=2, most=5, default=2),
        payment_days=table.number("payment_days", least=0, most=365, default=30),
        default_product=table.text("default_product", default=""),
    )
    tags = tuple(_tags(table))
    client_map = tuple(_client_map(table))
    table.close()
    return DossierSection(toggl, workspace, billit, company, rules, tags, client_map)


def _rounding(table: Table) -> Rounding:
    rounding = Rounding(
        minutes=table.number("minutes", least=0, most=A_DAY, default=0),
        direction=table.choice("direction", Dossier.Direction.values, default="up"),
        level=table.choice("level", Dossier.Level.values, default="entry"),
        minimum=table.number("minimum", least=0, most=A_DAY, default=0),
    )
    table.close()
    return rounding


def _schedule(dossier: Table) -> Schedule:
    """R9: weekly has a weekday, monthly a day, the others neither."""
    table = dossier.table("schedule")
    if not dossier.has("schedule") or not dossier.sound("schedule"):
        return Schedule("manual")
    every = table.choice("every", Dossier.Every.values)
    day = None
    if every == "weekly":
        day = table.number("weekday", most=7)
    elif every == "monthly":
        day = table.number("day", most=28)
    elif not every:
        # Which of the two belongs there is not known either.
        table.number_or_none("weekday", most=7)
        table.number_or_none("day", most=28)
    table.close()
    match every:
        case "weekly" | "monthly" if day:
            return Schedule(every, day)
        case "daily":
            return Schedule("daily")
    return Schedule("manual")


def _tags(dossier: Table) -> Iterator[TagRule]:
    rows = []
    for table in dossier.tables("tags", written="tags = [ { tag = …, product = … } ]"):
        rule = TagRule(
            tag=table.text("tag", longest=255),
            product=table.text("product", default=""),
            bill=table.flag("bill", default=True),
            priority=table.number_or_none("priority", least=-_BILLION, most=_BILLION),
        )
        key = tag_key(rule.tag)
        if len(key) > 255:
            table.fault("tag", "is too long; the longest has 255 characters.")
        if rule.bill and not rule.product and table.sound("product") and table.sound("bill"):
            table.fault("product", "missing; name a product's reference, or write bill = false.")
        if not rule.bill and rule.product:
            table.fault("product", "stands beside bill = false; leave one of the two out.")
        table.close()
        rows.append((table, key))
        yield rule
    once(rows, "tag", shown)


def _client_map(dossier: Table) -> Iterator[ClientRule]:
    rows = []
    for table in dossier.tables("client_map", written="client_map = [ { client = …, vat = … } ]"):
        client = table.number("client")
        written = table.text("vat", default="", longest=60)
        number = normalise_number(written)
        if written and not number:
            table.fault(
                "vat",
                f"{shown(written)} is no valid EU VAT number or Belgian enterprise number (its check digits fail).",
            )
        party_id = table.number_or_none("customer")
        if written and table.has("customer"):
            table.fault("customer", "stands beside vat; name the customer by one of the two.")
        treatment = table.choice("vat_treatment", [*map(str, Treatment)], default="")
        rule = ClientRule(
            client_id=client,
            number=number,
            party_id=party_id,
            treatment=Treatment(treatment) if treatment else None,
            purchase_order=table.text("po", default=""),
            buyer_reference=table.text("buyer_reference", default=""),
        )
        table.close()
        rows.append((table, client))
        yield rule
    once(rows, "client")


_Rows = list[tuple[Table, DossierSection]]


def _check_references(rows: _Rows, toggl: set[str] | frozenset[str], billit: set[str] | frozenset[str]) -> None:
    readers: dict[int, tuple[str, str]] = {}
    billers: dict[int, tuple[str, str]] = {}
    for table, row in rows:
        for name, key, keys in (("toggl", row.toggl, toggl), ("billit", row.billit, billit)):
            if key and key not in keys:
                table.fault(name, f"neither this file nor the firm has a {name} connection with the key {shown(key)}.")
        for name, key, what, remote_id, seen in (
            ("toggl", row.toggl, "workspace", row.workspace, readers),
            ("billit", row.billit, "company", row.company, billers),
        ):
            other, place = seen.setdefault(remote_id, (key, table.at(name)))
            if remote_id and other != key:
                table.fault(
                    name, f"{what} {remote_id} goes through one connection only, and {place} says {shown(other)}."
                )


def _check_against(rows: _Rows, standing: Standing) -> None:
    """A dossier's workspace, company or start cannot change once it has invoiced (design section 10)."""
    for table, row in rows:
        stands = standing.dossiers.get(row.rules.key)
        if stands is None or not stands.has_invoiced:
            continue
        for name, new, old in (
            ("workspace", row.workspace, stands.workspace),
            ("company", row.company, stands.company),
            ("start", row.rules.start, stands.start),
        ):
            if new != old and table.sound(name):
                table.fault(name, f"stays {old}, since dossier {row.rules.key} has invoiced; make another dossier.")


def _check_overlap(rows: _Rows, standing: Standing) -> None:
    """R1: the clients of the dossiers of one workspace are disjoint, those that the file does not name included."""
    named = {row.rules.key for _, row in rows}
    placed: dict[int, list[tuple[str, frozenset[int]]]] = {}
    for key, stands in standing.dossiers.items():
        if key not in named:
            placed.setdefault(stands.workspace, []).append((key, stands.clients))
    for table, row in rows:
        if not row.workspace:
            continue
        others = placed.setdefault(row.workspace, [])
        for key, clients in others:
            if key == row.rules.key:
                continue
            both = sorted(clients & row.rules.clients)
            if both:
                table.fault("clients", f"{', '.join(map(str, both))}: dossier {key} of this workspace bills that too.")
            elif not clients and not row.rules.clients:
                table.fault(
                    "clients",
                    f"dossier {key} bills the whole workspace {row.workspace} too; name the clients of one of them.",
                )
        others.append((row.rules.key, row.rules.clients))
