"""Every fault of an onboarding file is named with its place, all at once, and without secrets (design section 10)."""

from __future__ import annotations

import pytest

from tests.toggbill.onboarding.files import NUMBER, SMALL, faults_of

SECOND = SMALL[SMALL.index("[[dossiers]]") :].replace('"bakery"', '"butcher"')


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        # [firm]
        ('slug = "fiduciaire"\n', "", "firm.slug: missing; it needs a text in quotes."),
        ('"fiduciaire"', "7", "firm.slug: needs a text in quotes, not a whole number."),
        (
            '"fiduciaire"',
            '"fidu ciaire"',
            "firm.slug: “fidu ciaire” will not do; use letters, digits, hyphens and underscores only.",
        ),
        ('"fiduciaire"', f'"{"f" * 51}"', "firm.slug: has 51 characters; the longest is 50."),
        ('"Fiduciaire Exemple"', '"  "', "firm.name: must not be empty."),
        (
            '"Fiduciaire Exemple"',
            r'"Fiduciaire\u0000"',
            "firm.name: holds control characters, such as a line break; write it on one line.",
        ),
        (
            "[[users]]",
            'timezone = "Europe/Bruxelles"\n[[users]]',
            "firm.timezone: “Europe/Bruxelles” is not a time zone; use a name such as Europe/Brussels.",
        ),
        ("[[users]]", 'language = "de"\n[[users]]', "firm.language: “de” is not known; use en, fr or nl."),
        ("[[users]]", 'langage = "fr"\n[[users]]', "firm.langage: unknown key; did you mean language?"),
        (
            "[[users]]",
            "q = 1\n[[users]]",
            "firm.q: unknown key; known here: slug, name, timezone, language.",
        ),
        ("[firm]", "[[firm]]", "firm: needs a table, such as { … }, not a list."),
        ("[[users]]", "[users]", "users: needs a list of tables; write [[users]], not a table."),
        ("[firm]", "users_ = 1\n[firm]", "users_: unknown key; did you mean users?"),
        # [[users]]
        (
            '"owner@example.com"',
            '"owner at example.com"',
            "users[0].email: “owner at example.com” is not an e-mail address.",
        ),
        ('role = "owner"', "", "users[0].role: missing; it needs a text in quotes."),
        (
            'role = "owner"',
            'role = "boss"',
            "users[0].role: “boss” is not known; use owner, manager, bookkeeper or viewer.",
        ),
        (
            'role = "owner"',
            'role = "owner"\npassword_env = "NOT_SET"',
            "users[0].password_env: the environment variable NOT_SET is not set. Set it, then run this again.",
        ),
        (
            'role = "owner"',
            'role = "owner"\npassword = "s3cret"',
            "users[0].password: unknown key; did you mean password_env?",
        ),
        (
            "[[toggl]]",
            '[[users]]\nemail = "OWNER@example.com"\nrole = "viewer"\n[[toggl]]',
            "users[1].email: owner@example.com stands there twice; users[0].email has it already.",
        ),
        # [[toggl]] and [[billit]]
        (
            'api_token = "t0ken-1n-the-f1le"',
            'api_token_env = "EMPTY"',
            "toggl[0].api_token_env: the environment variable EMPTY is not set. Set it, then run this again.",
        ),
        (
            'api_token = "t0ken-1n-the-f1le"',
            'api_token_env = "t0ken-1n-the-f1le"',
            "toggl[0].api_token_env: the environment variable that it names is not set. Set it, then run this again.",
        ),
        (
            'api_token = "t0ken-1n-the-f1le"',
            "",
            (
                "toggl[0].api_token: missing; the firm has no connection main yet, "
                "so write api_token_env (the name of a variable) or api_token."
            ),
        ),
        (
            'api_key = "k3y-1n-the-f1le"',
            "",
            (
                "billit[0].api_key: missing; the firm has no connection main yet, "
                "so write api_key_env (the name of a variable) or api_key."
            ),
        ),
        (
            "[[billit]]",
            'api_token_env = "TOGGL_TOKEN"\n[[billit]]',
            "toggl[0].api_token: is given twice; write either api_token or api_token_env.",
        ),
        ('"t0ken-1n-the-f1le"', '" "', "toggl[0].api_token: must not be empty."),
        ('"t0ken-1n-the-f1le"', "7", "toggl[0].api_token: needs a text in quotes, not a whole number."),
        (
            "[[billit]]",
            "accept_partial = 1\n[[billit]]",
            "toggl[0].accept_partial: needs true or false, not a whole number.",
        ),
        (
            "[[billit]]",
            '[[toggl]]\nkey = "main"\napi_token = "x"\n[[billit]]',
            "toggl[1].key: main stands there twice; toggl[0].key has it already.",
        ),
        # [[dossiers]]
        (
            'toggl = "main"',
            'toggl = "other"',
            "dossiers[0].toggl: neither this file nor the firm has a toggl connection with the key “other”.",
        ),
        (
            'billit = "main"',
            'billit = "other"',
            "dossiers[0].billit: neither this file nor the firm has a billit connection with the key “other”.",
        ),
        ("workspace = 4001", "workspace = true", "dossiers[0].workspace: needs a whole number, not true or false."),
        ("workspace = 4001", 'workspace = "4001"', "dossiers[0].workspace: needs a whole number, not a text."),
        (
            "workspace = 4001",
            "workspace = 0",
            "dossiers[0].workspace: “0” is out of range; use a whole number from 1 on.",
        ),
        (
            "company = 7001",
            f"company = {2**63}",
            f"dossiers[0].company: “{2**63}” is out of range; use a whole number from 1 on.",
        ),
        ("start = 2026-09-01", "", "dossiers[0].start: missing; it needs a date without quotes, such as 2026-09-01."),
        (
            "start = 2026-09-01",
            'start = "2026-09-01"',
            "dossiers[0].start: needs a date without quotes, such as 2026-09-01, not a text.",
        ),
        (
            "start = 2026-09-01",
            "start = 2026-09-01T00:00:00Z",
            "dossiers[0].start: needs a date without quotes, such as 2026-09-01, not a date or time.",
        ),
        (
            "start = 2026-09-01",
            "start = 2026-09-01\n" + SECOND.replace("butcher", "bakery") + "clients = [1]",
            "dossiers[1].key: bakery stands there twice; dossiers[0].key has it already.",
        ),
        (
            "start = 2026-09-01",
            "start = 2026-09-01\n" + SECOND,
            "dossiers[1].clients: dossier bakery bills the whole workspace 4001 too; name the clients of one of them.",
        ),
        (
            "start = 2026-09-01",
            "start = 2026-09-01\nclients = [501, 502, 503]\n" + SECOND + "clients = [504, 503, 502]",
            "dossiers[1].clients: 502, 503: dossier bakery of this workspace bills that too.",
        ),
        (
            "[[dossiers]]",
            '[[toggl]]\nkey = "two"\napi_token = "x"\n'
            + SECOND.replace('toggl = "main"', 'toggl = "two"')
            + "clients = [1]\n[[dossiers]]",
            "dossiers[1].toggl: workspace 4001 goes through one connection only, and dossiers[0].toggl says “two”.",
        ),
        (
            "[[dossiers]]",
            '[[billit]]\nkey = "two"\napi_key = "x"\n'
            + SECOND.replace('billit = "main"', 'billit = "two"')
            + "clients = [1]\n[[dossiers]]",
            "dossiers[1].billit: company 7001 goes through one connection only, and dossiers[0].billit says “two”.",
        ),
    ],
)
def test_read_names_the_fault(old: str, new: str, sentence: str) -> None:
    assert old in SMALL
    assert faults_of(SMALL.replace(old, new, 1)) == [sentence]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("clients = 501", "clients: needs a list of whole numbers, not a whole number."),
        ('clients = ["501"]', "clients[0]: needs a whole number, not a text."),
        ("clients = [501, 502, 501]", "clients[2]: 501 stands there twice."),
        ("clients = [-1]", "clients[0]: “-1” is out of range; use a whole number from 1 on."),
        ('billable = "some"', "billable: “some” is not known; use all or flagged."),
        ('billable = ""', "billable: “” is not known; use all or flagged."),
        (
            'group_by = "client"',
            "group_by: “client” is not known; use product, project, person, day, description or entry.",
        ),
        ('rounding = "up"', "rounding: needs a table, such as { … }, not a text."),
        ('rounding = { direction = "upp" }', "rounding.direction: “upp” is not known; use up, nearest or down."),
        ('rounding = { level = "day" }', "rounding.level: “day” is not known; use entry or line."),
        ("rounding = { minutes = -1 }", "rounding.minutes: “-1” is out of range; use a whole number from 0 to 1440."),
        ("rounding = { minutes = 7.5 }", "rounding.minutes: needs a whole number, not a number with a point."),
        ("rounding = { minute = 15 }", "rounding.minute: unknown key; did you mean minutes?"),
        ('schedule = "manual"', "schedule: needs a table, such as { … }, not a text."),
        ("schedule = { day = 1 }", "schedule.every: missing; it needs a text in quotes."),
        (
            'schedule = { every = "yearly", day = 1 }',
            "schedule.every: “yearly” is not known; use manual, daily, weekly or monthly.",
        ),
        ('schedule = { every = "weekly" }', "schedule.weekday: missing; it needs a whole number."),
        (
            'schedule = { every = "weekly", weekday = 8 }',
            "schedule.weekday: “8” is out of range; use a whole number from 1 to 7.",
        ),
        ('schedule = { every = "weekly", weekday = 1, day = 1 }', "schedule.day: unknown key; did you mean weekday?"),
        (
            'schedule = { every = "monthly", day = 29 }',
            "schedule.day: “29” is out of range; use a whole number from 1 to 28.",
        ),
        ('schedule = { every = "daily", day = 1 }', "schedule.day: unknown key; known here: every."),
        ('mode = "auto"', "mode: “auto” is not known; use review, post or send."),
        (
            "auto_limit = 5000.00",
            'auto_limit: needs an amount in quotes, such as "5000.00", not a number with a point.',
        ),
        ('auto_limit = "5.000,00"', 'auto_limit: “5.000,00” is not an amount; write it such as "5000.00".'),
        ('auto_limit = "1_000"', 'auto_limit: “1_000” is not an amount; write it such as "5000.00".'),
        ('auto_limit = "1e3"', 'auto_limit: “1e3” is not an amount; write it such as "5000.00".'),
        ('auto_limit = "٣"', 'auto_limit: “٣” is not an amount; write it such as "5000.00".'),
        ('auto_limit = "1.500"', 'auto_limit: “1.500” is not an amount; write it such as "5000.00".'),
        ('auto_limit = "1000000000000"', 'auto_limit: “1000000000000” is not an amount; write it such as "5000.00".'),
        ('email_allowed = "yes"', "email_allowed: needs true or false, not a text."),
        ("deviation = 1001", "deviation: “1001” is out of range; use a whole number from 0 to 1000."),
        ("four_eyes = 1", "four_eyes: needs true or false, not a whole number."),
        ('auto_limit = "-1"', 'auto_limit: “-1” is not an amount; write it such as "5000.00".'),
        ('price_day = "today"', "price_day: “today” is not known; use draft or work."),
        ("price_decimals = 6", "price_decimals: “6” is out of range; use a whole number from 2 to 5."),
        ("payment_days = -1", "payment_days: “-1” is out of range; use a whole number from 0 to 365."),
        (
            'tags = [ { tag = "a" } ]',
            "tags[0].product: missing; name a product's reference, or write bill = false.",
        ),
        (
            'tags = [ { tag = "a", product = "ADV", bill = false } ]',
            "tags[0].product: stands beside bill = false; leave one of the two out.",
        ),
        ('tags = [ { product = "ADV" } ]', "tags[0].tag: missing; it needs a text in quotes."),
        (
            'billed_tag = "Invoiced"\ntags = [ { tag = "invoiced", bill = false } ]',
            "tags[0].tag: “invoiced” is a tag that toggbill itself gives billed hours in Toggl; choose another tag.",
        ),
        (
            (
                'tags = [ { person = 7, product = "ADV" }, { tag = "a", person = 7, product = "ADV" }, '
                '{ person = 7, product = "FIS" } ]'
            ),
            "tags[2].tag: “7” stands there twice; tags[0].tag has it already.",
        ),
        (
            "tags = [ { person = 7, bill = false } ]",
            "tags[0].bill: a person without a tag has a product: name the tag that is not billed for the person.",
        ),
        ('tags = [ { tag = "a", product = "ADV", bill = "no" } ]', "tags[0].bill: needs true or false, not a text."),
        (
            'tags = [ { tag = "a", product = "ADV", priority = "10" } ]',
            "tags[0].priority: needs a whole number, not a text.",
        ),
        # A tag is compared in folded case, where this letter is two.
        (
            'tags = [ { tag = "' + "ß" * 128 + '", product = "ADV" } ]',
            "tags[0].tag: is too long; the longest has 255 characters.",
        ),
        ("tags = 7", "tags: needs a list of tables; write tags = [ { tag = …, product = … } ], not a whole number."),
        ('auto_limit = ""', 'auto_limit: “” is not an amount; write it such as "5000.00".'),
        ('tags = [ "a" ]', "tags[0]: needs a table, not a text; write tags = [ { tag = …, product = … } ]."),
        (
            'tags = [ { tag = "Advies", product = "ADV" }, { tag = " aDVIES", bill = false } ]',
            "tags[1].tag: “advies” stands there twice; tags[0].tag has it already.",
        ),
        ('client_map = [ { vat = "' + NUMBER + '" } ]', "client_map[0].client: missing; it needs a whole number."),
        (
            'client_map = [ { client = 1, vat = "BE0999999999" } ]',
            ("client_map[0].vat: “BE0999999999” is not a valid VAT or Belgian enterprise number: check its digits."),
        ),
        (
            f'client_map = [ {{ client = 1, vat = "{NUMBER}", customer = 2 }} ]',
            "client_map[0].customer: stands beside vat; name the customer by one of the two.",
        ),
        (
            'client_map = [ { client = 1, vat_treatment = "none" } ]',
            (
                "client_map[0].vat_treatment: “none” is not known; "
                "use domestic, reverse_charge, eu_services or outside_scope."
            ),
        ),
        (
            'client_map = [ { client = 1, po = "a" }, { client = 1, po = "b" } ]',
            "client_map[1].client: 1 stands there twice; client_map[0].client has it already.",
        ),
    ],
)
def test_read_names_the_fault_of_a_dossier(line: str, sentence: str) -> None:
    # tags[0] and its like repeat the place of the dossier where they point at another row.
    expected = f"dossiers[0].{sentence}".replace("twice; ", "twice; dossiers[0].")
    assert faults_of(f"{SMALL}{line}\n") == [expected]
