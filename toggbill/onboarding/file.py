"""What an onboarding file says: its sections as values, and every fault of it at once.

Reading is pure: what the firm has already (``Standing``) and the environment come in as arguments. A key that a table
leaves out has its default each time: a dossier in the file is stated whole. Mappings and members that the file does not
name stay (design section 10). ``sections`` has the keys and types; what is wrong with a rule or a mapping, the checks
of ``invoicing.dossiers`` say.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from invoicing.dossiers import mappings, rules
from invoicing.dossiers.agreements import agreements
from invoicing.dossiers.faults import repeated
from invoicing.dossiers.firm import Standing
from invoicing.dossiers.parsing import Section
from invoicing.dossiers.rules import DossierRules, Wanted
from invoicing.rules.agreement import Agreement, Every, Kind, PartPeriods
from invoicing.rules.judging.mapping import ClientRule, TagRule, Treatment
from toggbill.onboarding.noting import note_mappings, note_rule, once
from toggbill.onboarding.sections import (
    AgreementTable,
    BillitTable,
    ClientTable,
    DossierTable,
    FileTable,
    FirmTable,
    TagTable,
    TogglTable,
    UserTable,
)

# A name that shouts is a variable's; anything else might be the secret itself, put in the wrong place.
_VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")


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
    agreements: tuple[Agreement, ...]


@dataclass(frozen=True, slots=True)
class OnboardingFile:
    """The whole file."""

    firm: FirmSection
    users: tuple[UserSection, ...]
    toggl: tuple[TogglSection, ...]
    billit: tuple[BillitSection, ...]
    dossiers: tuple[DossierSection, ...]


LARGEST = 2 * 1024 * 1024
"""Bytes: a file of a thousand dossiers with their mappings has less than one megabyte."""


def load(path: Path) -> dict[str, Any]:
    """The TOML of a file. Raises FileFaults when it is not there, too large, not UTF-8 or not TOML."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise FileFaults([f"{path}: cannot be read: {error.strerror}. Give the path of an onboarding file."]) from None
    except ValueError:
        raise FileFaults(["The name of the file holds a NUL. Give the path of an onboarding file."]) from None
    if len(content) > LARGEST:
        raise FileFaults([f"{path}: is larger than 2 MB. Split its dossiers over several files of the same firm."])
    try:
        # Editors on Windows put a mark before the text.
        values = tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FileFaults([f"{path}: byte {error.start} is not UTF-8. Save the file as UTF-8."]) from None
    except tomllib.TOMLDecodeError as error:
        raise FileFaults([f"{path}: this is not TOML: {error}. Mend that line."]) from None
    except (ValueError, RecursionError):
        # Numbers of thousands of digits, lists in lists in lists.
        raise FileFaults([f"{path}: this is not TOML that can be read. Compare it with the example."]) from None
    if faults := [f"{place}: holds a NUL (\\u0000), which no database keeps. Take it out." for place in _nuls(values)]:
        raise FileFaults(faults)
    return values


def _nuls(value: Any, place: str = "") -> Iterator[str]:
    """The places of texts with a NUL, and of tables with one in a key."""
    if isinstance(value, str) and "\0" in value:
        yield place
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _nuls(item, f"{place}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if "\0" in key:
                yield f"a key of {place or 'the file'}"
            name = key.replace("\0", "\\u0000")
            yield from _nuls(item, f"{place}.{name}".lstrip("."))


def firm_slug(values: Mapping[str, Any]) -> str:
    """The short name of the firm that the file is about, "" when it does not say."""
    firm = values.get("firm")
    slug = firm.get("slug") if isinstance(firm, dict) else None
    return slug.strip() if isinstance(slug, str) else ""


def read(values: Mapping[str, Any], *, standing: Standing, environ: Mapping[str, str]) -> OnboardingFile:
    """The sections of a file. Raises FileFaults with all of its faults, those against what stands included."""
    root = FileTable.model_validate(dict(values))
    root.place("")
    if not root.has("firm"):
        root.note("firm", "missing; the file needs a table [firm] with slug and name.")
    users, toggl, billit = root.users or [], root.toggl or [], root.billit or []
    dossiers = root.dossiers or []
    file = OnboardingFile(
        firm=_firm(root.firm or FirmTable(), standing),
        users=tuple(_user(table, environ) for table in users),
        toggl=tuple(_toggl(table, standing, environ) for table in toggl),
        billit=tuple(_billit(table, standing, environ) for table in billit),
        dossiers=tuple(map(_dossier, dossiers)),
    )
    once(users, "email", [row.email for row in file.users])
    once(toggl, "key", [row.key for row in file.toggl])
    once(billit, "key", [row.key for row in file.billit])
    once(
        [table for dossier in dossiers for table in dossier.agreements or []],
        "key",
        [each.key for row in file.dossiers for each in row.agreements],
    )
    _check_references(dossiers, file, standing)
    wanted = [Wanted(row.workspace, row.company, row.rules) for row in file.dossiers]
    for table, found in zip(dossiers, rules.check(wanted, standing), strict=True):
        for fault in found:
            note_rule(table, fault, dossiers)
    _check_written(dossiers, file, standing)
    if faults := [f"{place}: {text}" for place, text in root.faults()]:
        raise FileFaults(faults)
    return file


def _firm(table: FirmTable, standing: Standing) -> FirmSection:
    if standing.alike:
        # Two firms that bill the same hours, because of a capital.
        table.note("slug", f"there is a firm “{standing.alike}”: write it so, or choose another name for a new firm.")
    return FirmSection(
        slug=table.slug or "",
        name=table.name or "",
        timezone=table.timezone or "Europe/Brussels",
        language=table.language or "fr",
    )


def _user(table: UserTable, environ: Mapping[str, str]) -> UserSection:
    return UserSection(table.email or "", table.role or "", _variable(table, "password_env", environ))


def _toggl(table: TogglTable, standing: Standing, environ: Mapping[str, str]) -> TogglSection:
    key = table.key or ""
    secret = _secret(table, "api_token", environ, is_new=key not in standing.toggl)
    return TogglSection(key, secret, bool(table.accept_partial))


def _billit(table: BillitTable, standing: Standing, environ: Mapping[str, str]) -> BillitSection:
    key = table.key or ""
    return BillitSection(key, _secret(table, "api_key", environ, is_new=key not in standing.billit))


def _secret(table: TogglTable | BillitTable, name: str, environ: Mapping[str, str], *, is_new: bool) -> str | None:
    """A secret from its key or from the variable that ``<key>_env`` names; None when neither is there."""
    inline: str | None = getattr(table, name)
    by_name = _variable(table, f"{name}_env", environ)
    if table.has(name) and table.has(f"{name}_env"):
        table.note(name, f"is given twice; write either {name} or {name}_env.")
    if inline is not None and not inline.strip():
        table.note(name, "must not be empty.")
    if is_new and not table.has(name) and not table.has(f"{name}_env"):
        whose = f"the firm has no connection {table.key} yet" if table.key else "the connection is new"
        table.note(name, f"missing; {whose}, so write {name}_env (the name of a variable) or {name}.")
    # Copied with the line's end, neither service takes it; a password is another matter.
    return (inline or by_name or "").strip() or None


def _variable(table: Section, name: str, environ: Mapping[str, str]) -> str | None:
    """The value of the variable that a key names, blanks and all; None when the key is absent or at fault."""
    variable: str | None = getattr(table, name)
    if variable is None:
        return None
    content = environ.get(variable, "") if "\0" not in variable else ""
    if content.strip():
        return content
    shown = variable if _VARIABLE.fullmatch(variable) else "that it names"
    table.note(name, f"the environment variable {shown} is not set. Set it, then run this again.")
    return None


def _dossier(table: DossierTable) -> DossierSection:
    clients = table.clients or []
    for place in repeated(clients):
        table.note(f"clients[{place}]", f"{clients[place]} stands there twice.")
    every, day = _schedule(table)
    rounding = table.rounding.given if table.rounding else {}
    given = {
        **table.given,
        **{f"rounding_{name}": value for name, value in rounding.items()},
        "clients": frozenset(client for client in clients if client is not None),
        "every": every,
        "day": day,
    }
    return DossierSection(
        toggl=table.toggl or "",
        workspace=table.workspace or 0,
        billit=table.billit or "",
        company=table.company or 0,
        rules=DossierRules.of(given),
        tags=_tags(table.tags or []),
        client_map=_client_map(table.client_map or []),
        agreements=_agreements(table.agreements or []),
    )


def _schedule(dossier: DossierTable) -> tuple[str | None, int | None]:
    """R9: weekly has a weekday, monthly a day, the others neither."""
    table = dossier.schedule
    if table is None or table.every is None:
        return None, None
    name = {"weekly": "weekday", "monthly": "day"}.get(table.every)
    if table.every in rules.WORDS["every"]:
        belongs = ("every", name) if name else ("every",)
        for other in ("weekday", "day"):
            if other != name and table.has(other):
                table.note_unknown(other, belongs)
    if name is None:
        return table.every, None
    if not table.has(name):
        table.note_missing(name)
    return table.every, getattr(table, name)


def _tags(tables: Sequence[TagTable]) -> tuple[TagRule, ...]:
    stated = [table.rule() for table in tables]
    note_mappings(tables, mappings.check_tags(stated))
    return tuple(stated)


def _client_map(tables: Sequence[ClientTable]) -> tuple[ClientRule, ...]:
    stated = [
        ClientRule(
            client_id=table.client or 0,
            number=table.vat or "",
            party_id=table.customer,
            treatment=Treatment(table.vat_treatment) if table.vat_treatment else None,
            purchase_order=table.po or "",
            buyer_reference=table.buyer_reference or "",
        )
        for table in tables
    ]
    note_mappings(tables, mappings.check_clients(stated))
    return tuple(map(mappings.normalised, stated))


def _agreements(tables: Sequence[AgreementTable]) -> tuple[Agreement, ...]:
    stated = [
        Agreement(
            key=table.key or "",
            title=table.title or "",
            start=table.from_ or date.min,
            product=table.product or "",
            amount=table.amount or Decimal(0),
            every=table.every or Every.month.value,
            kind=table.kind or Kind.fixed.value,
            client_id=table.client,
            number=table.vat or "",
            end=table.until,
            products=tuple(reference or "" for reference in table.products or ()),
            projects=tuple(project or 0 for project in table.projects or ()),
            in_advance=bool(table.in_advance),
            included_hours=table.included_hours,
            extra_product=table.extra_product or "",
            part_periods=table.part_periods or PartPeriods.full.value,
            plan=tuple((each.day, each.amount) for each in table.plan or () if each.day and each.amount is not None),
            settle_on=table.settle_on or "",
            **{name: getattr(table, name) for name in ("hours", "price", "refill_at", "budget_hours", "budget_amount")},
        )
        for table in tables
    ]
    # A short name is the firm's, so its repetition is told for the file as a whole.
    found = [[each for each in faults if each.code != "twice"] for faults in agreements.check_agreements(stated)]
    for table, faults in zip(tables, found, strict=True):
        if table.kind in (None, Kind.fixed) and not table.has("amount"):
            table.note_missing("amount")
        # What is missing was noted already, and what was put in its place says nothing.
        needed = {name for name in table.needed if not table.has(name)}
        if any(each.day is None or each.amount is None for each in table.plan or ()):
            needed |= {"plan", "amount"}
        note_mappings([table], [[each for each in faults if each.field not in needed]])
    return tuple(stated)


def _check_references(tables: Sequence[DossierTable], file: OnboardingFile, standing: Standing) -> None:
    """The connections that dossiers name are there, and a workspace or company goes through one of them."""
    known = {
        "toggl": {row.key for row in file.toggl} | standing.toggl,
        "billit": {row.key for row in file.billit} | standing.billit,
    }
    seen: dict[tuple[str, int], tuple[str, str]] = {}
    for table, row in zip(tables, file.dossiers, strict=True):
        for name, key, what, remote_id in (
            ("toggl", row.toggl, "workspace", row.workspace),
            ("billit", row.billit, "company", row.company),
        ):
            if key and key not in known[name]:
                table.note(name, f"neither this file nor the firm has a {name} connection with the key “{key}”.")
            other, place = seen.setdefault((what, remote_id), (key, table.at(name)))
            if remote_id and other != key:
                table.note(name, f"{what} {remote_id} goes through one connection only, and {place} says “{other}”.")


def _check_written(tables: Sequence[DossierTable], file: OnboardingFile, standing: Standing) -> None:
    """A tag that toggbill gives billed hours leads nowhere, in no dossier of the workspace."""
    written = defaultdict[int, set[str]](set)
    for stands in standing.dossiers.values():
        written[stands.workspace].update(stands.written)
    for row in file.dossiers:
        written[row.workspace].add(row.rules.billed_tag)
    for table, row in zip(tables, file.dossiers, strict=True):
        found = mappings.check_tags(row.tags, written=written[row.workspace])
        note_mappings(table.tags or [], [[each for each in one if each.code == "tag_written"] for one in found])
