"""Reading an onboarding file: all faults at once, what stands already, and what is no TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from invoicing.dossiers.firm import Standing
from tests.toggbill.onboarding.files import ENVIRON, SMALL, WHOLE, faults_of, standing
from toggbill.onboarding.file import (
    FileFaults,
    load,
    read,
)


def test_read_names_all_faults_at_once() -> None:
    text = SMALL.replace('"fiduciaire"', "1").replace('"owner"', '"boss"').replace("workspace = 4001\n", "")
    assert faults_of(text + 'mode = "auto"\n') == [
        "firm.slug: needs a text in quotes, not a whole number.",
        "users[0].role: “boss” is not known; use owner, manager, bookkeeper or viewer.",
        "dossiers[0].workspace: missing; it needs a whole number.",
        "dossiers[0].mode: “auto” is not known; use review, post or send.",
    ]


def test_read_names_faults_of_every_kind_in_one_dossier_at_once() -> None:
    dossier = """
colour = "red"
clients = ["x", 501, 501, 0]
rounding = { minutes = true, minimum = 9999, level = "day", step = 1 }
schedule = { every = "weekly", weekday = 9, day = "one" }
payment_days = 366
auto_limit = 5
tags = [ "a", { product = 7 }, { tag = "b", bill = false, product = "ADV", sort = 1 }, { tag = "b", product = "ADV" } ]
client_map = [ { client = "501", vat = "BE1", customer = 0 }, { client = 501, vat = 1 } ]
"""
    text = SMALL.replace('toggl = "main"', 'toggl = "other"').replace("start = 2026-09-01", "start = 7")
    keys = (
        "key, toggl, workspace, billit, company, name, start, clients, billable, group_by, rounding, schedule, mode, "
        "email_allowed, annex, auto_limit, no_limit, longest_hours, four_eyes, deviation, price_decimals, price_day, "
        "payment_days, default_product, billed_tag, tags, client_map, agreements"
    )
    assert faults_of(text + dossier) == [
        "dossiers[0].toggl: neither this file nor the firm has a toggl connection with the key “other”.",
        "dossiers[0].start: needs a date without quotes, such as 2026-09-01, not a whole number.",
        "dossiers[0].clients[0]: needs a whole number, not a text.",
        "dossiers[0].clients[3]: “0” is out of range; use a whole number from 1 on.",
        "dossiers[0].clients[2]: 501 stands there twice.",
        "dossiers[0].rounding.minutes: needs a whole number, not true or false.",
        "dossiers[0].rounding.level: “day” is not known; use entry or line.",
        "dossiers[0].rounding.minimum: “9999” is out of range; use a whole number from 0 to 1440.",
        "dossiers[0].rounding.step: unknown key; known here: minutes, direction, level, minimum.",
        "dossiers[0].schedule.weekday: “9” is out of range; use a whole number from 1 to 7.",
        "dossiers[0].schedule.day: unknown key; did you mean weekday?",
        'dossiers[0].auto_limit: needs an amount in quotes, such as "5000.00", not a whole number.',
        "dossiers[0].payment_days: “366” is out of range; use a whole number from 0 to 365.",
        "dossiers[0].tags[0]: needs a table, not a text; write tags = [ { tag = …, product = … } ].",
        "dossiers[0].tags[1].tag: missing; it needs a text in quotes.",
        "dossiers[0].tags[1].product: needs a text in quotes, not a whole number.",
        "dossiers[0].tags[2].product: stands beside bill = false; leave one of the two out.",
        "dossiers[0].tags[2].sort: unknown key; known here: tag, person, product, bill, priority.",
        "dossiers[0].tags[3].tag: “b” stands there twice; dossiers[0].tags[2].tag has it already.",
        "dossiers[0].client_map[0].client: needs a whole number, not a text.",
        "dossiers[0].client_map[0].vat: “BE1” is not a valid VAT or Belgian enterprise number: check its digits.",
        "dossiers[0].client_map[0].customer: “0” is out of range; use a whole number from 1 on.",
        "dossiers[0].client_map[1].vat: needs a text in quotes, not a whole number.",
        f"dossiers[0].colour: unknown key; known here: {keys}.",
    ]


def test_read_of_an_empty_file_asks_for_the_firm() -> None:
    assert faults_of("") == ["firm: missing; the file needs a table [firm] with slug and name."]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "workspace = 4001",
            "workspace = 4002",
            "dossiers[0].workspace: stays 4001, since dossier bakery has invoiced; make another dossier.",
        ),
        (
            "company = 7001",
            "company = 7002",
            "dossiers[0].company: stays 7001, since dossier bakery has invoiced; make another dossier.",
        ),
        (
            "start = 2026-09-01",
            "start = 2026-08-01",
            "dossiers[0].start: stays 2026-09-01, since dossier bakery has invoiced; make another dossier.",
        ),
    ],
)
def test_read_refuses_to_move_a_dossier_that_has_invoiced(old: str, new: str, sentence: str) -> None:
    moved = SMALL.replace(old, new)
    assert faults_of(moved, standing(has_invoiced=True)) == [sentence]
    assert read(tomllib.loads(moved), standing=standing(), environ={}).dossiers[0].rules.key == "bakery"


def test_read_compares_clients_with_dossiers_that_the_file_does_not_name() -> None:
    text = SMALL.replace('"bakery"', '"butcher"') + "clients = [501]\n"
    assert faults_of(text, standing(clients=frozenset({501, 502}))) == [
        "dossiers[0].clients: 501: dossier bakery of this workspace bills that too."
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"[firm",
            "this is not TOML: Expected ']' at the end of a table declaration (at end of document). Mend that line.",
        ),
        (b'[firm]\nname = "Caf\xe9"\n', "byte 18 is not UTF-8. Save the file as UTF-8."),
        (b"a = " + b"9" * 5000, "this is not TOML that can be read. Compare it with the example."),
        (b"a = " + b"[" * 5000, "this is not TOML that can be read. Compare it with the example."),
    ],
)
def test_load_names_what_is_no_toml(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "firm.toml"
    path.write_bytes(content)
    with pytest.raises(FileFaults) as caught:
        load(path)
    assert caught.value.sentences == [f"{path}: {sentence}"]


def test_load_names_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"
    with pytest.raises(FileFaults) as caught:
        load(path)
    assert caught.value.sentences == [
        f"{path}: cannot be read: No such file or directory. Give the path of an onboarding file."
    ]


def test_load_reads_past_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "firm.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\n")
    assert load(path) == {"a": 1}


def test_sections_do_not_show_their_secrets() -> None:
    file = read(tomllib.loads(WHOLE), standing=Standing(), environ=ENVIRON)
    assert not [secret for secret in ("an-invented-password", "t0ken", "inl1ne") if secret in repr(file)]


def test_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "firm.toml"
    file.write_text(SMALL + "#" * (2 * 1024 * 1024), encoding="utf-8")
    with pytest.raises(FileFaults, match=r"firm\.toml: is larger than 2 MB\. Split its dossiers"):
        load(file)


def test_texts_with_a_nul_are_named_before_anything_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "firm.toml"
    text = SMALL.replace('slug = "fiduciaire"', 'slug = "a\\u0000b"') + '"x\\u0000" = ["a", "\\u0000"]\n'
    file.write_text(text, encoding="utf-8")
    with pytest.raises(FileFaults) as refused:
        load(file)
    assert [sentence.partition(":")[0] for sentence in refused.value.sentences] == [
        "firm.slug",
        "a key of dossiers[0]",
        "dossiers[0].x\\u0000[1]",
    ]
