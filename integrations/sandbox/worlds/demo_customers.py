"""The clients of the demo world and what Billit, the business register and Peppol know of them. All are invented."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from integrations.sandbox.http.wire import Record
from integrations.sandbox.worlds.numbers import (
    belgian,
    belgian_vat,
    dotted,
    german_vat,
    luxembourg_vat,
    spaced,
    wrong_vat,
)

_ACCOUNTS, _ADVICE, _PAYROLL = 7001, 7002, 7003
_FIRST_PARTY = 88_000


@dataclass(frozen=True, slots=True)
class Client:
    """A Toggl client. `name` may hold {}, where its number stands in the notation of `toggl_name`.

    `known`: Billit has the customer; "register": only the business register does; "nobody": neither.
    `named`: the dossier names the client (only where a workspace feeds several companies).
    """

    id: int
    company: int
    label: str
    toggl_name: str
    vat: str
    known: Literal["billit", "twice", "register", "nobody"] = "billit"
    named: bool = True
    peppol: Literal["deliver", "demands_po", "late_failure", "pending", "no"] = "deliver"
    email: bool = True
    city: tuple[str, str] = ("1000", "Bruxelles")
    weight: int = 4
    same_as: int | None = None

    @property
    def workspace(self) -> int:
        return 4002 if self.company == _PAYROLL else 4001

    @property
    def party(self) -> int:
        return _FIRST_PARTY + (self.same_as or self.id)


_NUMBERS = {identity: belgian(identity) for identity in range(500, 560)}
_PLAIN = {identity: f"BE{number}" for identity, number in _NUMBERS.items()}

# Sound clients: one for each notation of a number (design R3), and one for each treatment and reference.
_SOUND: tuple[Client, ...] = (
    Client(501, _ACCOUNTS, "Ambrelin SRL", _PLAIN[501], _PLAIN[501], weight=5),
    Client(502, _ACCOUNTS, "Boulangerie Mirvelle SRL", f"Boulangerie Mirvelle {_PLAIN[502]}", _PLAIN[502], weight=6),
    Client(503, _ACCOUNTS, "Menuiserie Tarvoux SA", f"{_PLAIN[503]} Menuiserie Tarvoux", _PLAIN[503], weight=6),
    Client(504, _ACCOUNTS, "Garage Volbrecq SRL", f"Garage Volbrecq BE {dotted(_NUMBERS[504])}", _PLAIN[504]),
    Client(
        505,
        _ACCOUNTS,
        "Pharmacie Ostrelle SRL",
        f"Pharmacie Ostrelle (TVA: BE {spaced(_NUMBERS[505])})",
        _PLAIN[505],
        peppol="no",
    ),
    Client(506, _ACCOUNTS, "Imprimerie Quendal SA", f"{dotted(_NUMBERS[506])} Imprimerie Quendal", _PLAIN[506]),
    Client(
        507,
        _ACCOUNTS,
        "Librairie Nimbelot SRL",
        f"Librairie Nimbelot {_PLAIN[507].lower()}",
        _PLAIN[507],
        peppol="no",
        email=False,
        weight=2,
    ),
    Client(
        508, _ACCOUNTS, "Ferme Caldrin SComm", f"Ferme Caldrin {spaced(_NUMBERS[508])}", _PLAIN[508], known="register"
    ),
    Client(
        509,
        _ACCOUNTS,
        "Atelier Sorvane SRL",
        f"Atelier Sorvane-{_PLAIN[509]}",
        _PLAIN[509],
        known="register",
        city=("4000", "Liège"),
    ),
    Client(510, _ACCOUNTS, "Commune de Dorvimont", "Commune de Dorvimont", _PLAIN[510], peppol="demands_po"),
    Client(511, _ACCOUNTS, "Transports Lurgaille SA", "Transports Lurgaille", _PLAIN[511], city=("5000", "Namur")),
    Client(512, _ACCOUNTS, "Boulangerie Mirvelle SRL", f"Pâtisserie Mirvelle {_PLAIN[502]}", _PLAIN[502], same_as=502),
    Client(513, _ACCOUNTS, "Toitures Brulvane SRL", f"Toitures Brulvane {_PLAIN[513]}", _PLAIN[513], weight=3),
    Client(
        514,
        _ACCOUNTS,
        "Pexelle Conseil S.à r.l.",
        f"Pexelle Conseil {luxembourg_vat(1)}",
        luxembourg_vat(1),
        peppol="no",
        city=("L-1009", "Luxembourg"),
        weight=3,
    ),
    Client(531, _ADVICE, "Hôtel Brimaudeau SA", f"Hôtel Brimaudeau {_PLAIN[531]}", _PLAIN[531], weight=5),
    Client(532, _ADVICE, "Studio Velmarque SRL", f"Studio Velmarque | {_PLAIN[532]}", _PLAIN[532], weight=5),
    Client(533, _ADVICE, "Clinique Hestrival ASBL", f"{_PLAIN[533]} / Hestrival", _PLAIN[533], city=("4020", "Liège")),
    Client(534, _ADVICE, "Brasserie Corvenne SRL", f"Brasserie Corvenne {_PLAIN[534]}", _PLAIN[534], known="register"),
    Client(541, _PAYROLL, "Vlintermeer Bouw BV", f"Vlintermeer Bouw {_PLAIN[541]}", _PLAIN[541], city=("9000", "Gent")),
    Client(
        542,
        _PAYROLL,
        "Hoskelaar Logistiek NV",
        f"Hoskelaar [{_PLAIN[542]}]",
        _PLAIN[542],
        city=("2000", "Antwerpen"),
        peppol="late_failure",
    ),
    Client(543, _PAYROLL, "Gorsewijk Tuinen BV", f"Gorsewijk; {_PLAIN[543]}", _PLAIN[543], city=("3000", "Leuven")),
    Client(544, _PAYROLL, "Chocolaterie Pralvanne SRL", f"Chocolaterie Pralvanne {_PLAIN[544]}", _PLAIN[544], weight=5),
    Client(545, _PAYROLL, "Nettoyage Clarivent SRL", f"Clarivent {_PLAIN[545]}", _PLAIN[545], known="register"),
)

# Clients that need a person: a few hours each.
FOREIGN, SEVERAL, WRONG, NAMELESS, DOUBLE, UNASSIGNED, UNSURE = 515, 516, 517, 518, 519, 520, 521
_TROUBLED: tuple[Client, ...] = (
    Client(FOREIGN, _ACCOUNTS, "Kestrevin Handel GmbH", f"Kestrevin Handel {german_vat(1)}", german_vat(1), weight=0),
    Client(
        SEVERAL,
        _ACCOUNTS,
        "Groupe Fauvertin",
        f"Groupe Fauvertin {_PLAIN[516]} / {belgian_vat(556)}",
        _PLAIN[516],
        known="nobody",
        weight=0,
    ),
    Client(WRONG, _ACCOUNTS, "Tresquelin", f"Cafétéria Tresquelin {wrong_vat(517)}", "", known="nobody", weight=0),
    Client(NAMELESS, _ACCOUNTS, "Orvignac", "Succession Orvignac", "", known="nobody", weight=0),
    Client(DOUBLE, _ACCOUNTS, "Fleuriste Zaltemine SRL", f"Zaltemine {_PLAIN[519]}", _PLAIN[519], "twice", weight=0),
    Client(
        UNASSIGNED,
        _ACCOUNTS,
        "Wimprelle SRL",
        f"Wimprelle {_PLAIN[520]}",
        _PLAIN[520],
        known="register",
        named=False,
        weight=0,
    ),
    # Nine digits without a word of what they are: an enterprise number, or a telephone.
    Client(
        UNSURE,
        _ACCOUNTS,
        "Quincaillerie Vernelle SRL",
        f"Quincaillerie Vernelle {_NUMBERS[521][1:]}",
        _PLAIN[521],
        known="register",
        weight=0,
    ),
)
CLIENTS: tuple[Client, ...] = _SOUND + _TROUBLED


def _slug(client: Client) -> str:
    return f"client{client.id}"


def parties() -> list[Record]:
    """The customers that Billit already has, each in the company that bills it."""
    rows: list[Record] = []
    for client in CLIENTS:
        if client.known not in {"billit", "twice"} or client.same_as is not None:
            continue
        row: Record = {
            "PartyID": client.party,
            "CompanyID": client.company,
            "PartyType": "Customer",
            "Name": client.label,
            "VATNumber": client.vat,
            "Language": "NL" if client.city[1] in {"Gent", "Antwerpen", "Leuven"} else "FR",
            "Street": "Rue de l'Invention",
            "StreetNumber": str(client.id - 500),
            "Zipcode": client.city[0],
            "City": client.city[1],
            "CountryCode": client.vat[:2],
        }
        if client.email:
            row["Email"] = f"{_slug(client)}@example.com"
        rows.append(row)
        if client.known == "twice":
            second = {**row, "PartyID": client.party + 500, "Name": f"{client.label} (ancien)"}
            rows.append({**second, "VATNumber": f"BE {dotted(client.vat[2:])}"})
    return rows


def kbo_rows() -> list[Record]:
    """The business register: everybody with a Belgian number."""
    return [
        {
            "Source": "KBO",
            "CompanyIdentification": client.vat.removeprefix("BE"),
            "Name": client.label,
            "Street": "Rue de l'Invention",
            "Number": str(client.id - 500),
            "Zipcode": client.city[0],
            "City": client.city[1],
            "Country": "BE",
            "StartDate": "2019-03-01T00:00:00",
        }
        for client in CLIENTS
        if client.vat.startswith("BE") and client.same_as is None
    ]


def peppol_rows() -> list[Record]:
    return [
        {"number": client.vat, "behaviour": client.peppol}
        for client in CLIENTS
        if client.vat.startswith("BE") and client.peppol != "no" and client.same_as is None
    ]
