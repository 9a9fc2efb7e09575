"""What an annex of hours says in the customer's language: English, French, Dutch or German. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from invoicing.rules.annexes.content import AnnexLine
from invoicing.rules.billing.rating import Rounding


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language. `page`, `about`, `left`, `earlier` and the sentences of rounding have places."""

    title: str
    file: str
    customer: str
    period: str
    reference: str
    purchase_order: str
    about: str
    concerns: str
    line: str
    description: str
    date: str
    person: str
    work: str
    time: str
    rounded: str
    hours: str
    total: str
    subtotal: str
    unit: str
    left: str
    vat_apart: str
    earlier: str
    earlier_total: str
    page: str
    each: str
    whole: str
    at_least: str
    only_at_least: str
    directions: Mapping[str, str]
    less: str
    more: str


WORDS: Mapping[str, Words] = {
    "en": Words(
        title="Annex: hours worked",
        file="annex-of-hours",
        customer="Customer",
        period="Period",
        reference="Our reference",
        purchase_order="Purchase order",
        concerns="Concerns",
        about="Credit note for invoice {number}",
        line="Line",
        description="Description",
        date="Date",
        person="Person",
        work="Work",
        time="Time",
        rounded="Rounded",
        hours="Hours",
        total="Total",
        subtotal="Total of line {n}",
        unit="h",
        left="Prepaid hours left, {title}",
        vat_apart="VAT on the advances and this settlement, against one invoice for all",
        earlier="Hours covered by an earlier fee: {line} (invoice {number})",
        earlier_total="Total, billed with that fee",
        page="Page {page} of {pages}",
        each="The time of each entry is rounded {how}",
        whole="The time of each line is rounded as a whole, {how}",
        at_least=", and counts as at least {n} minutes",
        only_at_least="Each entry counts as at least {n} minutes",
        directions={
            "up": "up to a multiple of {n} minutes",
            "nearest": "to the nearest multiple of {n} minutes",
            "down": "down to a multiple of {n} minutes",
        },
        less="Discount: {amount} EUR instead of {value} EUR excl. VAT. {reason}",
        more="Surcharge: {amount} EUR instead of {value} EUR excl. VAT. {reason}",
    ),
    "fr": Words(
        title="Annexe\xa0: relevé des prestations",
        file="annexe-prestations",
        customer="Client",
        period="Période",
        reference="Notre référence",
        purchase_order="Bon de commande",
        concerns="Concerne",
        about="Note de crédit sur la facture {number}",
        line="Ligne",
        description="Description",
        date="Date",
        person="Personne",
        work="Prestation",
        time="Durée",
        rounded="Arrondi",
        hours="Heures",
        total="Total",
        subtotal="Total de la ligne {n}",
        unit="h",
        left="Heures prépayées restantes, {title}",
        vat_apart="TVA sur les provisions et ce décompte, par rapport à une seule facture",
        earlier="Heures couvertes par un forfait antérieur : {line} (facture {number})",
        earlier_total="Total, facturé avec ce forfait",
        page="Page {page} sur {pages}",
        each="La durée de chaque prestation est arrondie {how}",
        whole="La durée de chaque ligne est arrondie dans son ensemble, {how}",
        at_least=", avec un minimum de {n} minutes",
        only_at_least="Chaque prestation compte pour {n} minutes au moins",
        directions={
            "up": "au multiple supérieur de {n} minutes",
            "nearest": "au multiple le plus proche de {n} minutes",
            "down": "au multiple inférieur de {n} minutes",
        },
        less="Réduction\xa0: {amount} EUR au lieu de {value} EUR hors TVA. {reason}",
        more="Supplément\xa0: {amount} EUR au lieu de {value} EUR hors TVA. {reason}",
    ),
    "nl": Words(
        title="Bijlage: overzicht van de prestaties",
        file="bijlage-prestaties",
        customer="Klant",
        period="Periode",
        reference="Onze referentie",
        purchase_order="Bestelbon",
        concerns="Betreft",
        about="Creditnota bij factuur {number}",
        line="Regel",
        description="Omschrijving",
        date="Datum",
        person="Persoon",
        work="Prestatie",
        time="Tijd",
        rounded="Afgerond",
        hours="Uren",
        total="Totaal",
        subtotal="Totaal van regel {n}",
        unit="u",
        left="Resterende vooruitbetaalde uren, {title}",
        vat_apart="Btw op de voorschotten en deze afrekening, tegenover één factuur voor alles",
        earlier="Uren gedekt door een eerder forfait: {line} (factuur {number})",
        earlier_total="Totaal, gefactureerd met dat forfait",
        page="Pagina {page} van {pages}",
        each="De tijd van elke prestatie wordt afgerond {how}",
        whole="De tijd van elke regel wordt in haar geheel afgerond {how}",
        at_least=", met een minimum van {n} minuten",
        only_at_least="Elke prestatie telt voor minstens {n} minuten",
        directions={
            "up": "naar het hogere veelvoud van {n} minuten",
            "nearest": "naar het dichtstbijzijnde veelvoud van {n} minuten",
            "down": "naar het lagere veelvoud van {n} minuten",
        },
        less="Korting: {amount} EUR in plaats van {value} EUR excl. btw. {reason}",
        more="Toeslag: {amount} EUR in plaats van {value} EUR excl. btw. {reason}",
    ),
    "de": Words(
        title="Anlage: Leistungsnachweis",
        file="anlage-leistungen",
        customer="Kunde",
        period="Zeitraum",
        reference="Unser Zeichen",
        purchase_order="Bestellung",
        concerns="Betrifft",
        about="Gutschrift zur Rechnung {number}",
        line="Zeile",
        description="Beschreibung",
        date="Datum",
        person="Person",
        work="Leistung",
        time="Zeit",
        rounded="Gerundet",
        hours="Stunden",
        total="Summe",
        subtotal="Summe der Zeile {n}",
        unit="Std.",
        left="Verbleibende vorausbezahlte Stunden, {title}",
        vat_apart="USt. auf die Vorschüsse und diese Abrechnung, gegenüber einer einzigen Rechnung",
        earlier="Stunden, die eine frühere Pauschale abdeckt: {line} (Rechnung {number})",
        earlier_total="Summe, mit dieser Pauschale berechnet",
        page="Seite {page} von {pages}",
        each="Die Zeit jeder Leistung wird {how} gerundet",
        whole="Die Zeit jeder Zeile wird als Ganzes {how} gerundet",
        at_least=", mindestens aber zählt sie {n} Minuten",
        only_at_least="Jede Leistung zählt mindestens {n} Minuten",
        directions={
            "up": "auf das höhere Vielfache von {n} Minuten",
            "nearest": "auf das nächste Vielfache von {n} Minuten",
            "down": "auf das niedrigere Vielfache von {n} Minuten",
        },
        less="Rabatt: {amount} EUR statt {value} EUR ohne MwSt. {reason}",
        more="Zuschlag: {amount} EUR statt {value} EUR ohne MwSt. {reason}",
    ),
}


def number(value: Decimal, language: str) -> str:
    """A number with the decimal sign of the language."""
    text = f"{value:f}"
    return text if language == "en" else text.replace(".", ",")


def discount_in_words(line: AnnexLine, language: str) -> str:
    """What a line was written down or up to, and why, "" where it was not."""
    if not line.reason:
        return ""
    words = WORDS[language]
    text = words.less if line.amount < line.value else words.more
    amount, value = number(line.amount, language), number(line.value, language)
    return text.format(amount=amount, value=value, reason=line.reason)


def rounding_in_words(rounding: Rounding, language: str) -> str:
    """The rounding of the invoice as a sentence, "" where nothing is rounded."""
    words = WORDS[language]
    minimum = rounding.minimum if rounding.level == "entry" else 0
    if not rounding.minutes:
        return f"{words.only_at_least.format(n=minimum)}." if minimum else ""
    how = words.directions[rounding.direction].format(n=rounding.minutes)
    sentence = (words.whole if rounding.level == "line" else words.each).format(how=how)
    return f"{sentence}{words.at_least.format(n=minimum) if minimum else ''}."
