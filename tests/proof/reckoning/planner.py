"""A second reckoning of what is billed: R1 to R10 as docs/design.md says them, slow and plain.

It takes the records of Toggl and Billit and the onboarding tables, and shares no code with the product. Amounts are
whole cents, quantities hundredths of an hour. It leaves out agreements, people's products, differences of billed hours,
prices of the day of work, and customers that change at Billit later.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict, namedtuple
from datetime import date, datetime
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from stdnum.eu import vat

Record = dict[str, Any]
Line = namedtuple("Line", "product text quantity price rate code total seconds late entries")
Invoice = namedtuple("Invoice", "vat name purchase_order title first last excl vat_amount lines")
_Buyer = namedtuple("_Buyer", "party vat treatment")
_Hours = list[tuple[Record, Record, _Buyer]]

_HALF = Fraction(1, 2)
_CODES = {0: 1, 6: 2, 12: 3, 21: 4}
_ZERO_RATED = {"reverse_charge": 21, "eu_services": 55, "outside_scope": 22}
_MONTHS = {"EN": "September October November", "FR": "septembre octobre novembre", "NL": "september oktober november"}
_DIGITS = tuple("0123456789")
_EU = "AT BE BG CY CZ DE DK EE EL ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()  # noqa: SIM905 - brief
_OTHERS = {*_EU, "XI", "GB", "UK", "CH", "CHE", "NO"} - {"BE"}
_SIGNS = "siren siret kvk mwst ust mva tel tél téléphone telefoon phone gsm mobile mobiel fax".split()  # noqa: SIM905 - brief


class Reckoning:
    """What comes of one dossier's onboarding table, by all ``tables`` of its workspace and the records of ``services``.

    ``through`` is the cut-off, ``now`` the moment of the run. ``held`` by a person; ``pinned``: numbers read from names
    at an earlier sync, by client; ``claimed`` by invoices that do not wait any more; ``late_through``: the cut-off of
    an earlier run whose drafts do not wait any more.
    """

    def __init__(self, rules: Record, tables: list[Record], services: Record, **known: Any) -> None:
        held, claimed, through, now = (known.get(name, ()) for name in ("held", "claimed", "through", "now"))
        self.pinned, self.late_through = known.get("pinned", {}), known.get("late_through", date.min)
        self.rules, self.takes_unassigned = rules, rules is tables[0]
        self.named_elsewhere = [name for table in tables if table is not rules for name in table["clients"]]
        self.mapped = {row["client"]: row for row in rules["client_map"]}
        self.by_id = {kind: {row["id"]: row for row in services[kind]} for kind in ("users", "projects", "clients")}
        self.products = [row for row in services["products"] if row["CompanyID"] == rules["company"]]
        self.parties = [row for row in services["parties"] if row["CompanyID"] == rules["company"]]
        self.entries = [self.read(row) for row in services["entries"]]
        self.states, self.invoices = dict[int, tuple[str, str]](), list[Invoice]()
        self.skipped, self.not_over = set[tuple[int, str]](), set[int]()
        billed = defaultdict[Any, _Hours](list)
        for entry in sorted(self.entries, key=lambda row: (row["start"], row["id"])):
            own, (state, reason, found) = entry["id"], self.judge(entry)
            if state == "" or own in claimed:
                continue
            reason = reason or (self.doubt(entry) if state == "open" else "")
            state = "attention" if reason else state
            is_held = own in held and state in ("open", "attention")
            self.states[own] = ("held", "") if is_held else (state, reason)
            if entry["day"] <= through and (state == "attention" or is_held):
                self.skipped.add((own, reason or "held"))
            elif entry["day"] <= through and state == "open" and entry["stop"] > now:
                self.not_over.add(own)
            elif entry["day"] <= through and found:
                mapping, buyer = self.mapped.get(entry["client"], {}), found[1]
                references = mapping.get("po", ""), mapping.get("buyer_reference", "")
                customer = buyer.party.get("PartyID", buyer.vat), buyer.treatment == "outside_scope"
                billed[customer, references].append((entry, *found))
        for (_, references), hours in billed.items():
            self.invoice(hours, *references)

    def read(self, row: Record) -> Record:
        start, stop = (row[name] and datetime.fromisoformat(row[name]) for name in ("start", "stop"))
        client = self.by_id["projects"].get(row["project_id"], {}).get("client_id")
        day = start.astimezone(ZoneInfo("Europe/Brussels")).date()
        known = {"client": client, "day": day, "tags": {key(tag) for tag in row["tags"]} - {""}}
        return row | known | {"start": start, "stop": stop, "seconds": stop and int((stop - start).total_seconds())}

    def judge(self, entry: Record) -> tuple[str, str, tuple[Record, _Buyer] | None]:
        """R1 to R4 and the treatment of R6: state ("": not in these books), reason, product and buyer."""
        client, own = entry["client"], self.rules["clients"]
        is_named = client in own if own or self.named_elsewhere else True
        is_here = client not in self.named_elsewhere and (is_named or self.takes_unassigned)
        if entry["day"] < date.fromisoformat(self.rules["start"]) or not is_here:
            return "", "", None
        if entry["stop"] is None:
            return "running", "", None
        free = {key(row["tag"]) for row in self.rules["tags"] if row.get("bill") is False}
        is_flagged = self.rules["billable"] == "all" or entry["billable"]
        if not entry["seconds"] or entry["tags"] & free or not is_flagged:
            return "not_billable", "", None
        if client is None or not is_named:
            nobody = "no_project" if entry["project_id"] is None else "no_client"
            return "attention", nobody if client is None else "unassigned_client", None
        buyer, product = self.customer(client), self.product(entry["tags"])
        if isinstance(buyer, str) or isinstance(product, str):
            return "attention", str(buyer if isinstance(buyer, str) else product), None
        fault = self.treatment_fault(buyer)
        return ("attention", fault, None) if fault else ("open", "", (product, buyer))

    def doubt(self, entry: Record) -> str:
        if 0 < self.rules["longest_hours"] * 3600 < entry["seconds"]:
            return "implausible"
        same = "user_id", "start", "seconds", "project_id", "description", "tags"
        twins = [row for row in self.entries if all(row[name] == entry[name] for name in same)]
        let_through = [row["id"] for row in twins if self.judge(row)[0] in ("open", "attention")]
        return "duplicate_entry" if min(let_through) < entry["id"] else ""

    def customer(self, client: int) -> _Buyer | str:
        mapping = self.mapped.get(client, {})
        treatment = mapping.get("vat_treatment", "")
        if "customer" in mapping:
            found = [row for row in self.parties if row["PartyID"] == mapping["customer"]]
            known = "".join(numbers(found[0]["VATNumber"])[1]) if found else ""
            return _Buyer(found[0], known, treatment) if found else "unknown_customer"
        valid, sure, looks = numbers(self.by_id["clients"][client]["name"])
        known = "".join(numbers(mapping.get("vat", ""))[1]) or self.pinned.get(client, "")
        if "vat" not in mapping and known and valid not in ([], [known]):
            return "client_vat_changed"
        if not known and (len(valid) != 1 or not sure):
            return "several_vats" if len(valid) > 1 else "unsure_vat" if valid else "invalid_vat" if looks else "no_vat"
        known = known or valid[0]
        found = [row for row in self.parties if numbers(row["VATNumber"])[1] == [known]]
        return "several_customers" if len(found) > 1 else _Buyer((found or [{}])[0], known, treatment)

    def treatment_fault(self, buyer: _Buyer) -> str:
        is_belgian = buyer.vat.startswith("BE")
        is_abroad = not is_belgian and (buyer.vat or buyer.party.get("CountryCode", "BE") != "BE")
        misfits = {"": is_abroad, "reverse_charge": not is_belgian, "eu_services": is_belgian or not buyer.vat}
        return ("treatment_number" if buyer.treatment else "foreign_vat") if misfits.get(buyer.treatment) else ""

    def named(self, reference: str) -> list[Record]:
        exact = [row for row in self.products if row["Reference"].strip() == reference.strip()]
        return exact or [row for row in self.products if key(row["Reference"]) == key(reference)]

    def product(self, tags: set[str]) -> Record | str:
        leads, lost = list[tuple[int, int]](), False
        for tag in tags:
            mappings = [row for row in self.rules["tags"] if key(row["tag"]) == tag]
            for row in mappings:
                leads += [(row.get("priority", 0), to["ProductID"]) for to in self.named(row["product"])]
                lost = lost or not self.named(row["product"])
            leads += [(0, to["ProductID"]) for to in self.products if not mappings and key(to["Reference"]) == tag]
        default = self.rules["default_product"]
        if not leads and (lost or not default):
            return "unknown_product" if lost else "unknown_tag" if tags else "no_tag"
        chosen = {product for priority, product in leads if priority == max(leads)[0]}
        chosen = chosen if leads else {to["ProductID"] for to in self.named(default)}
        if len(chosen) != 1:
            return "several_products" if chosen else "unknown_product"
        product = next(row for row in self.products if row["ProductID"] in chosen)
        decimals = Fraction(product["AmountExcl"]) * 10 ** self.rules["price_decimals"]
        faults = {"no_price": not decimals, "price_decimals": decimals.denominator > 1}
        faults["vat_rate"] = product["VAT"] not in _CODES
        return next((fault for fault, is_so in faults.items() if is_so), product)

    def invoice(self, hours: _Hours, purchase_order: str, reference: str) -> None:
        """R7, R8 and R10: the invoice of one customer, if a line of it comes to more than nothing."""
        groups = defaultdict[Any, _Hours](list)
        for entry, product, buyer in hours:
            together = product["ProductID"], buyer.treatment or "domestic", self.group(entry)[0]
            groups[together].append((entry, product, buyer))
        lines = [line for _, line in sorted(map(self.line, groups.values()), key=lambda row: row[0])]
        self.skipped |= {(own, "rounds_to_zero") for line in lines for own in line.entries if not line.quantity}
        lines = [line for line in lines if line.quantity]
        days = sorted(entry["day"] for entry, _, _ in hours for line in lines if entry["id"] in line.entries)
        if not lines:
            return
        sums = defaultdict[int, int](int)
        for line in lines:
            sums[line.rate] += line.total
        taxes = sum(int(Fraction(base * rate, 100) + _HALF) for rate, base in sums.items())
        party, vat_number, _ = hours[0][2]
        months = _MONTHS[party.get("Language", "FR")].split()
        names = dict.fromkeys(months[day.month - 9] for day in (days[0], days[-1]))
        period = f"{' – '.join(names)} {days[0].year}"
        head = vat_number, party.get("Name", ""), purchase_order, reference or period[0].upper() + period[1:]
        self.invoices.append(Invoice(*head, days[0], days[-1], sum(sums.values()), taxes, tuple(lines)))

    def line(self, members: _Hours) -> tuple[Any, Line]:
        """R5, R6 and R7: a line, with its place among the others."""
        entry, product, buyer = members[-1]
        _, shown, place = self.group(entry)
        raw, rounding = [row["seconds"] for row, _, _ in members], self.rules["rounding"]
        by_entry = [max(self.rounded(each), rounding["minimum"] * 60) for each in raw]
        seconds = self.rounded(sum(raw)) if rounding["level"] == "line" else sum(by_entry)
        quantity, price = int(Fraction(seconds, 36) + _HALF), Fraction(product["AmountExcl"]) * 100
        rate = 0 if buyer.treatment in _ZERO_RATED else int(product["VAT"])
        code = _ZERO_RATED.get(buyer.treatment) or _CODES[rate]
        money = quantity, price, rate, code, int(quantity * price / 100 + _HALF)
        text = " · ".join(filter(None, [product["Description"].strip() or product["Reference"], shown]))
        late = any(row["day"] <= self.late_through for row, _, _ in members)
        line = Line(product["Reference"], text, *money, sum(raw), late, tuple(row["id"] for row, _, _ in members))
        return (product["Reference"], place, product["ProductID"], buyer.treatment), line

    def rounded(self, seconds: int) -> int:
        step = self.rules["rounding"]["minutes"] * 60 or 1
        steps, rest = divmod(seconds, step)
        more = {"up": rest > 0, "nearest": 2 * rest >= step, "down": False}[self.rules["rounding"]["direction"]]
        return (steps + more) * step

    def group(self, entry: Record) -> tuple[Any, str, Any]:
        """What tells a line from others, what it adds to the text, and its place (days stand by date)."""
        day, said = entry["day"], entry["description"].replace("\x0b", " ").strip()
        written = f"{day.day:02}/{day.month:02}/{day.year}"
        whose = {"project": ("projects", "project_id", "name"), "person": ("users", "user_id", "fullname")}
        if found := whose.get(self.rules["group_by"]):
            kind, field, called = found
            name = self.by_id[kind][entry[field]][called]
            return entry[field], name, (name.casefold(), entry[field])
        return {
            "product": ("", "", ""),
            "day": (day, written, day),
            "description": (said, said, (said.casefold(), said)),
            "entry": (entry["id"], f"{written} · {said}" if said else written, (day, said.casefold(), entry["id"])),
        }[self.rules["group_by"]]


def key(text: str, *, folded: bool = True) -> str:
    """R4: the text key; with the case kept where it is not ``folded``."""
    for apostrophe in "‘’‚‛ʹʻʼʽʾʿ′‵`´":
        text = text.replace(apostrophe, "'")
    plain = ""
    for character in unicodedata.normalize("NFKC", text):
        kind = unicodedata.category(character)
        if character.isspace():
            plain += " "
        elif kind not in ("Cc", "Cf") and "VARIATION SELECTOR" not in unicodedata.name(character, ""):
            plain += "-" if kind == "Pd" or character in "−⁃" else character
    plain = " ".join(filter(None, plain.split(" ")))
    return unicodedata.normalize("NFKC", plain.casefold() if folded else plain)


def numbers(name: str) -> tuple[list[str], list[str], bool]:
    """R3: the valid numbers of a name (or of Billit's field), the sure ones, and whether something looks like one."""
    words, joined = _words(key(name, folded=False))
    candidates, first = [("", place, place) for place in range(len(words))], 0
    for last in range(len(words)):
        first = first if last and _joins(words, joined, last) else last
        if not words[last].strip("0123456789.-") and not _joins(words, joined, last + 1):
            country = words[first - 1] if first and words[first - 1] in _EU else ""
            candidates += [("", first, last), *((country, first, end) for end in (first, last) if country)]
    valid, sure, looks = list[str](), list[str](), False
    for country, a, b in candidates:
        text = country + "".join(words[a : b + 1])
        compact = text.replace(".", "").replace("-", "").upper() if text.isascii() else ""
        read, digits = _number(compact if compact.isalnum() else ""), sum(map(str.isdigit, compact))
        looks = looks or (compact.isdigit() and digits in (9, 10))
        looks = looks or (compact[:2] in _EU and 10 <= len(compact) <= 14 and digits >= 6)
        valid += {read}.difference(["", *valid])
        sure += {read}.difference(["", *sure] if not text.startswith(_DIGITS) or _is_belgian(words, a, b) else [read])
    return valid, sure, looks


def _words(name: str) -> tuple[list[str], list[bool]]:
    """The words, and of each whether nothing but white space parts it from the one before."""
    words, joined, word, only_blanks = list[str](), list[bool](), "", True
    for place, character in enumerate(name + " "):
        before_country = name[place + 1 : place + 3].upper() in _EU and name[place + 3 :].startswith(_DIGITS)
        if character not in " ,;:/|=()[]\"'" and not (character == "-" and before_country):
            word += character
            continue
        if text := word.strip(".-_#"):
            words, joined, only_blanks = [*words, text], [*joined, only_blanks], True
        only_blanks, word = only_blanks and bool(text or not word) and character == " ", ""
    return words, joined


def _joins(words: list[str], joined: list[bool], place: int) -> bool:
    """Whether a word goes on with the run of digits of the word before it."""
    pair = words[place - 1 : place + 1]
    return len(pair) == 2 and joined[place] and not any(word.strip("0123456789.-") for word in pair)


def _number(compact: str) -> str:
    """A candidate as a number with its prefix, "" when it is none."""
    country, rest = ("BE", compact) if compact.isdigit() else (compact[:2], compact[2:])
    if country != "BE":
        return vat.compact(compact).replace("GR", "EL", 1) if country in _EU and vat.is_valid(compact) else ""
    rest = "0" + rest if len(rest) == 9 else rest
    is_right = len(rest) == 10 and rest.isdigit() and rest[0] in "01" and int(rest[:8]) % 97 == 97 - int(rest[8:])
    return "BE" + rest if is_right else ""


def _is_belgian(words: list[str], first: int, last: int) -> bool:
    """Whether bare digits are meant as a Belgian number: by their grouping, and by what stands in the name."""
    text = " ".join(words[first : last + 1])
    groups = [len(group) for group in text.replace(".", " ").replace("-", " ").split()]
    is_mobile = text.startswith(("045", "046", "047", "048", "049")) and (" " in text or "-" in text)
    beside = {*words[max(first - 1, 0) : first], *words[last + 1 : last + 2]}
    return (groups == [10] or (groups == [4, 3, 3] and not is_mobile)) and not (
        beside & _OTHERS
        or any(word.replace(".", "").casefold() in _SIGNS for word in words)
        or any(word[:1] == "B" and len(word) == 3 and set(word[1:]) <= set(_DIGITS) for word in words)
        or any(word.startswith(code) and word[len(code) :].startswith(_DIGITS) for word in words for code in _OTHERS)
    )
