#!/bin/sh
# One would guess: with LANGUAGE_CODE nl-be the import widgets read a Belgian sheet: numbers and dates alike, and a
# cell that they do not understand is an error.
# What happens: numbers are read with the comma, dates month first: 01/02/2027 is 2 January and 31/01/2027 an error, in
# one column. Whole numbers lose their fraction: "72,5" is 72 to IntegerWidget. To BooleanWidget every word that it
# does not know is False: "ja", "oui", "yes" and a typing error all turn a flag off.
# Why it matters: a price list of an accounting firm comes in with rates cut to euros, dates of another month and
# customers that are no longer billed, and the import reports no error. Give DateWidget its format, and check booleans
# oneself.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check django-import-export==4.4.3 Django==5.2.19
"$folder/bin/python" - <<'END'
import import_export
import sys
from django.conf import settings


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


settings.configure(LANGUAGE_CODE="nl-be", USE_I18N=True)
import django

django.setup()
from import_export import widgets


def date(text):
    try:
        return widgets.DateWidget().clean(text).isoformat()
    except ValueError:
        return "refused"


print(f"django-import-export {import_export.__version__}, Django {django.get_version()}")
see("DecimalWidget, 72,5", str(widgets.DecimalWidget().clean("72,5")), "72.5")
see("IntegerWidget, 72,5", widgets.IntegerWidget().clean("72,5"), 72)
see("DateWidget, 01/02/2027", date("01/02/2027"), "2027-01-02")
see("DateWidget, 31/01/2027", date("31/01/2027"), "refused")
for text in ["true", "ja", "oui", "yes", "treu"]:
    see(f"BooleanWidget, {text}", widgets.BooleanWidget().clean(text), text == "true")
END
