"""The products, tags, tag mappings and fee agreements of the demo world: what the firm sells, and what it has mapped or
agreed wrongly."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from integrations.sandbox.http.wire import Record

_OFFICE, _SOCIAL = 4001, 4002


@dataclass(frozen=True, slots=True)
class Product:
    """`tag` leads to it by a mapping; None: by its reference alone, or not at all. Price in euro per hour."""

    reference: str
    description: str
    price: str
    tag: str | None
    vat: str = "21.00"
    priority: int | None = None


# The first products of each company are the sound ones, the regular hours use them.
PRODUCTS: dict[int, tuple[Product, ...]] = {
    7001: (
        Product("TEN", "Tenue de la comptabilité", "75.00", "Compta"),
        Product("FIS", "Déclarations fiscales", "95.00", "Fiscal"),
        Product("BIL", "Bilan et comptes annuels", "110.00", None),
        Product("ADV", "Conseil comptable et fiscal", "120.00", "Conseil", priority=10),
        Product("COP", "Copies et archivage", "48.00", "Copies"),
        Product("COP", "Copies en couleur", "55.00", None),
        Product("ENT", "Entretien de découverte", "0.00", "Entretien"),
        Product("ENC", "Encodage de pièces", "62.505", "Encodage"),
        Product("FOR", "Formation (ancien taux)", "90.00", "Formation", vat="20.00"),
        Product("FORF", "Forfait", "1.00", None),
        Product("PROV", "Provision sur honoraires", "1.00", None),
    ),
    7002: (
        Product("STR", "Conseil stratégique", "150.00", "Stratégie"),
        Product("PLF", "Plan financier", "135.00", "Plan financier"),
        Product("SUB", "Dossier de subsides", "125.00", "Subsides"),
    ),
    7003: (
        Product("SAL", "Calcul des salaires", "68.00", "Salaires"),
        Product("DMF", "Déclarations trimestrielles", "84.00", "Déclarations"),
        Product("SOC", "Conseil en droit social", "118.00", "Conseil social"),
    ),
}
SOUND = {7001: 4, 7002: 3, 7003: 3}
# A tag that only names a product's reference, one that leads nowhere, one whose product does not exist, one not billed.
BY_REFERENCE, STRAY, ORPHAN, INTERNAL = "bil", "urgent", "Archives", "interne"
_ORPHAN_REFERENCE = "ARC"


def products() -> list[Record]:
    rows: list[Record] = []
    for company, sold in PRODUCTS.items():
        for product in sold:
            rows.append(
                {
                    "ProductID": 60_001 + len(rows),
                    "CompanyID": company,
                    "Reference": product.reference,
                    "Description": product.description,
                    "AmountExcl": Decimal(product.price),
                    "VAT": Decimal(product.vat),
                    "Unit": "HUR",
                }
            )
    return rows


def regular_tags(company: int) -> list[str]:
    """The tags of the sound products, the most usual first."""
    return [product.tag or product.reference.lower() for product in PRODUCTS[company][: SOUND[company]]]


def tags() -> list[Record]:
    office = [product.tag for company in (7001, 7002) for product in PRODUCTS[company] if product.tag]
    office += [BY_REFERENCE, STRAY, ORPHAN, INTERNAL]
    social = [product.tag for product in PRODUCTS[7003] if product.tag] + [INTERNAL]
    named = [(_OFFICE, name) for name in office] + [(_SOCIAL, name) for name in social]
    return [
        {"id": 300_001 + index, "workspace_id": workspace, "name": name}
        for index, (workspace, name) in enumerate(named)
    ]


def dossier_tags(company: int) -> list[Record]:
    """The tag rows of the dossier in the onboarding file."""
    rows: list[Record] = [
        {"tag": product.tag, "product": product.reference, "priority": product.priority}
        for product in PRODUCTS[company]
        if product.tag
    ]
    rows.append({"tag": INTERNAL, "bill": False})
    if company == 7001:
        rows.append({"tag": ORPHAN, "product": _ORPHAN_REFERENCE})
    return rows


# The clients of agreements: one of each kind, and fixed fees of each period. The last two are one customer, and both
# agreements cover bookkeeping on the closing of the second: while only the clients' ids are known, nothing tells.
BY_MONTH, EXTRAS, BY_YEAR, PROVISIONS, PREPAID, MEETING, MET = 503, 504, 505, 501, 506, 502, 512
AGREED = frozenset({BY_MONTH, EXTRAS, BY_YEAR, PROVISIONS, PREPAID, MEETING, MET})


def agreements(start: date, today: date, closing: int) -> list[Record]:
    """The agreements of the dossier whose books begin on `start`, two months before `today`; `closing`: the project on
    which two of them meet. Advances are settled with the last month that is over, the second one of the books."""
    month = start if start.day == 1 else (start.replace(day=28) + timedelta(days=4)).replace(day=1)
    settled = today.replace(day=1) - timedelta(days=1)
    rows: list[Record] = [
        {"key": "tarvoux", "client": BY_MONTH, "title": "Forfait mensuel", "in_advance": True, "amount": "650.00"},
        {
            "key": "volbrecq",
            "client": EXTRAS,
            "title": "Tenue et suppléments",
            "products": ["TEN"],
            "amount": "300.00",
            "included_hours": "3",
            "extra_product": "ADV",
        },
        {
            "key": "ambrelin",
            "client": PROVISIONS,
            "title": "Provisions et décompte",
            "kind": "advance",
            "from": start.isoformat(),
            "product": "PROV",
            "amount": "450.00",
            "settle_on": f"{settled:%m-%d}",
            "budget_amount": "5400.00",
        },
        {
            "key": "quendal",
            "client": PREPAID,
            "title": "Carnet d'heures",
            "kind": "prepaid",
            "product": "TEN",
            "hours": "12",
            "price": "70.00",
            "refill_at": "3",
        },
        {
            "key": "ostrelle",
            "client": BY_YEAR,
            "title": "Forfait annuel",
            "from": month.replace(day=15).isoformat(),
            "every": "year",
            "in_advance": True,
            "amount": "4800.00",
            "part_periods": "days",
        },
        {"key": "mirvelle", "client": MEETING, "title": "Tenue mensuelle", "products": ["TEN"], "amount": "300.00"},
        {"key": "patisserie", "client": MET, "title": "Clôture", "projects": [closing], "amount": "180.00"},
    ]
    return [{"from": month.isoformat(), "product": "FORF", **row} for row in rows]
