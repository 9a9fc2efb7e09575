#!/bin/sh
# One would guess: the calendar of Belgium names its days in its default language, which is "nl" by its own attribute,
# or in the language that one asks for.
# What happens: without a language the names follow LANGUAGE, LC_ALL or LANG of the process: Dutch under LANG=C as in
# cron, English under LANG=C.UTF-8 as in the usual container, French or Ukrainian on such a desktop. A language that it
# does not know, as fr_BE, is no error and does the same.
# Why it matters: a name that is stored, compared or printed on an invoice differs between a worker, a container and a
# shell. Name the language, two letters, each time.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check holidays==0.109
"$folder/bin/python" - <<'END'
import os
import subprocess
import sys
from importlib.metadata import version

import holidays


def see(what, answer, then):
    print(f"{what}: {answer!r}")
    if answer != then:
        sys.exit(f"No longer so: {what} was {then!r}.")


SETTINGS = {"LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"}


def named(language, **setting):
    program = f"import holidays; print(holidays.BE(years=2027, language={language!r})['2027-07-21'])"
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS} | setting
    process = [sys.executable, "-X", "utf8", "-c", program]
    return subprocess.run(process, env=environment, capture_output=True, check=True).stdout.decode("utf-8").strip()


print(f"holidays {version('holidays')}")
see("default language", holidays.BE.default_language, "nl")
see("21 July, LANG=C", named(None, LANG="C"), "Nationale feestdag")
see("21 July, LANG=C.UTF-8", named(None, LANG="C.UTF-8"), "National Day")
see("21 July, LANG=fr_FR.UTF-8", named(None, LANG="fr_FR.UTF-8"), "Fête nationale")
see("21 July, LC_ALL=uk_UA.UTF-8", named(None, LC_ALL="uk_UA.UTF-8"), "Національне свято")
see("21 July, language fr_BE, LANG=C.UTF-8", named("fr_BE", LANG="C.UTF-8"), "National Day")
see("21 July, language fr_BE, LANG=C", named("fr_BE", LANG="C"), "Nationale feestdag")
see("21 July, language fr, LANG=C.UTF-8", named("fr", LANG="C.UTF-8"), "Fête nationale")
END
