#!/bin/sh
# One would guess: parse_decimal(strict=True) makes a wrong thousands sign an error, and reads a text alike in the
# languages of one country.
# What happens: in nl_BE and de_BE "1.500" is fifteen hundred, in fr_BE it is one and a half: French groups by a space,
# and Babel then takes the point for a decimal sign too, strict or not. The other way round, "1 500,00" typed with the
# space bar is refused by strict fr_BE, which groups by U+202F alone.
# Why it matters: a Belgian firm has both languages in one office and one import file. The rate 1.500 becomes 1500 or
# 1.50 by the language of the person who uploads it; bind the format to the file, not to the reader.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check babel==2.19.0
"$folder/bin/python" - <<'END'
import babel
import sys
from babel.numbers import NumberFormatError, parse_decimal


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


def read(text, locale):
    try:
        return str(parse_decimal(text, locale=locale, strict=True))
    except NumberFormatError:
        return "refused"


print(f"Babel {babel.__version__}")
for locale, then in [("nl_BE", "1500"), ("de_BE", "1500"), ("en_BE", "1500"), ("fr_BE", "1.500")]:
    see(f"1.500 in {locale}", read("1.500", locale), then)
for locale, then in [("nl_BE", "refused"), ("fr_BE", "85.00")]:
    see(f"85.00 in {locale}", read("85.00", locale), then)
see("1 500,00 in fr_BE, by the space bar", read("1 500,00", "fr_BE"), "refused")
see("1 500,00 in fr_BE, by U+202F", read("1\u202f500,00", "fr_BE"), "1500.00")
END
