"""Reading an onboarding file: all faults at once, what stands already, and what is no TOML."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from invoicing.dossiers.firm import Standing
from tests.toggbill.onboarding_files import ENVIRON, SMALL, WHOLE, faults_of, standing
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
