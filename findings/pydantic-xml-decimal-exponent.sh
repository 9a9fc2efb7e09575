#!/bin/sh
# One would guess: a model of an e-invoice that has a Decimal writes it as XML Schema's decimal, which UBL's amounts are.
# What happens: pydantic-xml writes Python's own text. Decimal("1200").normalize(), or 12 thousand from a sum that some
# library normalized, stands in the invoice as 1.2E+3, a price of 0.0000001 as 1E-7. xmlschema refuses both by the
# schema of the same model; xsdata writes the same values in full, and reads 1E3 where no decimal may have it.
# Why it matters: only round or tiny amounts do it, so that it comes up on some invoices of some customers, as a refusal
# by the receiver's software. Format with "f" before serializing.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check pydantic-xml==2.22.0 xsdata==26.10 xmlschema==4.3.2
"$folder/bin/python" - <<'END'
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.metadata import version

import xmlschema
from pydantic_xml import BaseXmlModel
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.serializers import XmlSerializer

SCHEMA = xmlschema.XMLSchema(
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Amount" type="xs:decimal"/></xs:schema>'
)


class Amount(BaseXmlModel, tag="Amount"):
    value: Decimal


@dataclass
class Total:
    amount: Decimal = field(metadata={"name": "Amount", "type": "Element"})


def see(what, answer, then):
    print(f"{what}: {answer}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then}.")


print(*(f"{name} {version(name)}" for name in ("pydantic-xml", "xsdata", "xmlschema")), sep=", ")
for value, text, valid in [
    (Decimal("1200.00"), "1200.00", True),
    (Decimal("1200.00").normalize(), "1.2E+3", False),
    (Decimal("0.0000001"), "1E-7", False),
]:
    written = Amount(value=value).to_xml().decode()
    see(f"pydantic-xml writes {value!r}", written, f"<Amount>{text}</Amount>")
    see("  valid by the schema", SCHEMA.is_valid(written), valid)
    there = XmlSerializer().render(Total(value)).split("<Amount>")[1].split("</Amount>")[0]
    see("  xsdata writes", there, f"{value:f}")
see("xsdata reads 1E3", XmlParser().from_string("<Total><Amount>1E3</Amount></Total>", Total).amount, Decimal("1E+3"))
see("  valid by the schema", SCHEMA.is_valid("<Amount>1E3</Amount>"), False)
END
