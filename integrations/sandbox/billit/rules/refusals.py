"""Billit's errors: codes of its catalogue, with descriptions in the user's language."""

from __future__ import annotations

from dataclasses import dataclass

from integrations.sandbox.http.wire import Answer, RejectedError, json_answer

# The English texts that Billit's pages and threads quote are quoted; the others are ours in the same manner.
_TEXTS: dict[str, tuple[str, str, str]] = {  # code: English, Dutch, French
    "_0_IsNoValidBEVAT": (
        "{0} is no valid Belgian VAT number",
        "{0} is geen geldig Belgisch btw-nummer",
        "{0} n'est pas un numéro de TVA belge valable",
    ),
    "CompanyNameOrContactNameIsRequired": (
        "Corporate name or contact is a required field.",
        "Bedrijfsnaam of contact is een verplicht veld.",
        "Le nom de l'entreprise ou du contact est obligatoire.",
    ),
    "IdentifierTypeIsRequired": (
        "Identifier type is require",
        "Het type van de identificatie is verplicht",
        "Le type d'identifiant est obligatoire",
    ),
    "Only1OfEachAddressTypeAllowed": (
        "Only 1 of each address type is allowed",
        "Van elk adrestype is er maar 1 toegelaten",
        "Une seule adresse de chaque type est autorisée",
    ),
    "CustomerIsRequired": ("Customer is a required field", "Klant is een verplicht veld", "Le client est obligatoire"),
    "OrderDateIsRequired": (
        "Order date is a required field",
        "Datum is een verplicht veld",
        "La date est obligatoire",
    ),
    "ExpiryDateIsRequired": (
        "Due date is a required field",
        "Vervaldatum is een verplicht veld",
        "La date d'échéance est obligatoire",
    ),
    "InvalidDeliveryDate": (
        "The delivery date is invalid",
        "De leverdatum is ongeldig",
        "La date de livraison est incorrecte",
    ),
    "TheOrderDirectionCode_0_IsInvalid": (
        "The order direction code {0} is invalid",
        "De richtingscode {0} is ongeldig",
        "Le code de direction {0} est incorrect",
    ),
    "TheOrderTypeCode_0_IsInvalid": (
        "The order type code {0} is invalid",
        "De documentcode {0} is ongeldig",
        "Le code de document {0} est incorrect",
    ),
    "ThereMustBeAtLeastOneOrderLine": (
        "You must choose at least 1 order line",
        "Kies minstens 1 lijn",
        "Choisissez au moins 1 ligne",
    ),
    "DescriptionIsMandatoryForOrderLinesWithTotals": (
        "Description is mandatory for order lines with totals",
        "Een omschrijving is verplicht voor lijnen met een totaal",
        "La description est obligatoire pour les lignes avec un total",
    ),
    "InvalidVAtPercentageForTaxCountry_0_": (
        "Invalid VAT percentage for country code {0}",
        "Ongeldig btw-percentage voor landcode {0}",
        "Pourcentage de TVA incorrect pour le code pays {0}",
    ),
    "TheFileIsNotValid": ("The file is not valid", "Het bestand is ongeldig", "Le fichier n'est pas valable"),
    "TheFileCannotBeEmpty": ("The file cannot be empty", "Het bestand mag niet leeg zijn", "Le fichier est vide"),
    "This_0_WasAlreadySentLessThen_1_MinutesAgoTo_2_OrIsStillInTheQueue": (
        "This {0} was already sent less then {1} minutes ago to {2} or is still in the queue",
        "Deze {0} werd minder dan {1} minuten geleden al verstuurd naar {2} of staat nog in de wachtrij",
        "Ce document ({0}) a été envoyé il y a moins de {1} minutes à {2} ou est encore dans la file",
    ),
    "TheCustomer_0_DoesNotHaveAValidEmailAddress": (
        "The customer {0} does not have a valid e-mail address",
        "De klant {0} heeft geen geldig e-mailadres",
        "Le client {0} n'a pas d'adresse e-mail valable",
    ),
    "TheCustomerIsNotActiveOnPeppol": (
        "The customer is not active on Peppol.",
        "De klant is niet actief op Peppol.",
        "Le client n'est pas actif sur Peppol.",
    ),
    "TheCustomerDoesNotSupportPeppolForType_0_": (
        "The customer does not support Peppol for type {0}",
        "De klant ondersteunt Peppol niet voor type {0}",
        "Le client ne prend pas en charge Peppol pour le type {0}",
    ),
    "PleaseSupplyAValidPONumberInTheFieldYourReference": (
        "Please supply a valid PO number in the field Your reference",
        "Vul een geldig bestelnummer in bij Uw referentie",
        "Indiquez un numéro de commande valable dans le champ Votre référence",
    ),
    "TheAboutInvoiceNumberCouldNotBeFound": (
        "The about invoice number could not be found",
        "Het nummer van de oorspronkelijke factuur werd niet gevonden",
        "Le numéro de la facture d'origine est introuvable",
    ),
    "Idempotent token already exists": (
        "Idempotent token already exists",
        "Idempotent token already exists",
        "Idempotent token already exists",
    ),
}
_LANGUAGES = {"EN": 0, "NL": 1, "FR": 2}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One error of an answer: a code, what fills its placeholders, or (GenericError) a text of its own."""

    code: str
    values: tuple[str, ...] = ()
    text: str = ""

    def record(self, language: str) -> dict[str, str]:
        row = {"Code": self.code}
        if self.text:
            row["Description"] = self.text
        elif texts := _TEXTS.get(self.code):
            row["Description"] = texts[_LANGUAGES.get(language.upper()[:2], 0)].format(*self.values)
        return row


def generic(text: str) -> Refusal:
    return Refusal("GenericError", text=text)


def error_answer(status: int, refusals: list[Refusal], language: str = "EN") -> Answer:
    return json_answer({"errors": [refusal.record(language) for refusal in refusals]}, status)


def rejected(status: int, *refusals: Refusal, language: str = "EN") -> RejectedError:
    return RejectedError(error_answer(status, list(refusals), language))
