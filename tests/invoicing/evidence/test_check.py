"""The check in the pack: it holds as it was made, and says of each thing that was done to it precisely what."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from tests.invoicing.evidence.packs import Row, checked, edited, faults, repacked, rows
from tests.invoicing.scene import ids

pytestmark = pytest.mark.django_db

TOGGL = "toggl: Toggl reported 27060 s from 2026-10-01 to 2026-10-31 when it was asked on 2026-11-21 09:00 UTC"
UNSIGNED = "signature: manifest.json is not the one that was signed."
(FIFTH,) = ids(5)


def forged(folder: Path) -> list[str]:
    """What the check finds once the manifest fits to what was done; that it is not the signed one, is said first."""
    repacked(folder)
    found = faults(folder)
    assert found[0] == UNSIGNED
    return found[1:]


def bakery(folder: Path) -> Row:
    """The line of the first invoice of the bakery: entries 5, 6 and 7."""
    claims = [row for row in rows(folder, "claims.jsonl") if row["entry_remote_id"] == FIFTH]
    reference, position = claims[0]["line"]
    found = (row for row in rows(folder, "lines.jsonl") if (row["invoice"], row["position"]) == (reference, position))
    return next(found)


def place(line: Row) -> str:
    return f"line {line['position']} of invoice {line['invoice']}"


def test_pack_holds_in_a_bare_folder(pack: Path) -> None:
    code, lines = checked(pack)
    assert (code, lines[-1]) == (0, "Everything holds: dossier small, 2026-10; entries: 7, invoices: 4.")
    assert len(lines) == 2
    assert lines[0].startswith("Signed with the key ")


def test_pack_holds_as_the_file_that_it_is(pack: Path, tmp_path: Path) -> None:
    whole = Path(shutil.make_archive(str(tmp_path / "again"), "zip", pack))
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(pack / "check.py", alone)
    assert checked(alone, str(whole))[0] == 0
    with zipfile.ZipFile(whole, "a") as file:
        file.writestr("more.txt", "x")
    code, lines = checked(alone, str(whole))
    assert (code, lines[0]) == (1, "files: more.txt does not belong to the pack.")


def test_what_is_no_pack_cannot_be_checked(pack: Path) -> None:
    (pack / "manifest.json").rename(pack / "manifest.txt")
    command = [sys.executable, "-I", str(pack / "check.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("There is no pack in ")


# --- the files --------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_file_that_is_renamed_is_named(pack: Path) -> None:
    names = [file["name"] for file in json.loads((pack / "manifest.json").read_text())["files"]]
    assert len(names) >= 25
    for name in names:
        if name == "check.py":
            continue
        (pack / name).rename(pack / "elsewhere")
        assert f"files: {name} is there under another name, elsewhere." in faults(pack), name
        (pack / "elsewhere").rename(pack / name)
    (pack / "signature.json").rename(pack / "elsewhere")
    assert faults(pack) == ["files: elsewhere does not belong to the pack.", "signature: signature.json is missing."]


@pytest.mark.slow
def test_every_file_that_is_cut_short_is_named(pack: Path) -> None:
    for file in json.loads((pack / "manifest.json").read_text())["files"]:
        name, size = file["name"], file["bytes"]
        if name == "check.py" or not size:
            continue
        whole = (pack / name).read_bytes()
        (pack / name).write_bytes(whole[: size // 2])
        short = f"files: {name} is cut short: {size // 2} of its {size} bytes are there."
        assert short in faults(pack), name
        (pack / name).write_bytes(whole)
    assert checked(pack)[0] == 0


def test_every_file_that_is_gone_or_changed_is_named(pack: Path) -> None:
    (pack / "rules.json").write_bytes((pack / "rules.json").read_bytes().replace(b"ADV", b"FIS") + b" ")
    (pack / "runs.jsonl").unlink()
    assert faults(pack) == ["files: rules.json was changed since it was packed.", "files: runs.jsonl is missing."]


# --- hours ------------------------------------------------------------------------------------------------------------


def test_one_hour_removed(pack: Path) -> None:
    edited(pack, "entries.jsonl", lambda found: found.remove(the(found, FIFTH)))
    said = [
        f"once: Entry {FIFTH} of 2026-10-05 is missing; {place(bakery(pack))} bills it.",
        "states: State invoiced: entries.jsonl has 1 entries of 5460 s, the month 2 of 9060 s.",
        f"{TOGGL}; the entries make 23460 s. If hours changed since then, compare, then make a new pack.",
    ]
    found = faults(pack)
    assert found[0].startswith("files: entries.jsonl is cut short: ")
    assert found[1:] == said
    assert forged(pack) == said


def test_one_hour_twice(pack: Path) -> None:
    edited(pack, "entries.jsonl", lambda found: found.append(the(found, FIFTH)))
    assert f"once: Entry {FIFTH} stands 2 times in entries.jsonl." in forged(pack)


def test_one_hour_billed_twice(pack: Path) -> None:
    line = bakery(pack)
    other = next(row for row in rows(pack, "lines.jsonl") if row["kind"] == "extra")

    def twice(found: list[Row]) -> None:
        claim = next(row for row in found if row["entry_remote_id"] == FIFTH)
        found.append(claim | {"line": [other["invoice"], other["position"]]})

    edited(pack, "claims.jsonl", twice)
    found = forged(pack)
    places = f"invoice {line['invoice']} line {line['position']}, invoice {other['invoice']} line {other['position']}"
    assert f"billed: Entry {FIFTH} is billed twice: on {places}." in found
    assert f"seconds: {capital(place(other))} bills 0 s; its entries make 3600 s." in found


def test_more_is_taken_off_an_advance_than_it_is(pack: Path) -> None:
    line = next(row for row in rows(pack, "lines.jsonl") if row["kind"] == "fee")
    advance = {"advance": [line["invoice"], line["position"]], "line": ["tb-later", 1], "released_at": None}

    def takes(amount: str) -> list[str]:
        edited(pack, "deductions.jsonl", lambda found: found.append(advance | {"amount": amount}))
        return [each for each in forged(pack) if "taken off" in each]

    assert takes(line["total"]) == []
    more = f"{capital(place(line))} is an advance of {line['total']}; "
    more += f"{Decimal(line['total']) + Decimal('0.01')} is taken off it."
    assert takes("0.01") == [f"agreements: {more}"]


def test_something_is_taken_off_an_advance_that_is_nowhere(pack: Path) -> None:
    row = {"advance": ["tb-gone", 1], "line": ["tb-later", 1], "released_at": None, "amount": "1.00"}
    edited(pack, "deductions.jsonl", lambda found: found.append(row))
    missing = "agreements: Something is taken off line 1 of invoice tb-gone, which is not in the pack."
    assert missing in forged(pack)


def test_one_hour_no_longer_billed(pack: Path) -> None:
    line = bakery(pack)
    edited(pack, "claims.jsonl", lambda found: found.remove(next(r for r in found if r["entry_remote_id"] == FIFTH)))
    found = forged(pack)
    assert f"billed: Entry {FIFTH} of 2026-10-05 is invoiced, and no invoice holds it." in found
    assert f"billed: Entry {FIFTH} of 2026-10-05 has 3600 s; what is billed, accepted and left open makes 0 s." in found
    assert any(each.startswith(f"log: Invoice {line['invoice']} bills entry {FIFTH} by event ") for each in found), (
        found
    )


# --- amounts ----------------------------------------------------------------------------------------------------------


def test_one_cent(pack: Path) -> None:
    """The line was 3 hours and 2.5 tenths at 95.00."""
    line = bakery(pack)
    assert (line["quantity"], line["unit_price"], line["total"]) == ("3.00", "95.00000", "285.00")

    def more(found: list[Row]) -> None:
        next(row for row in found if row == line)["total"] = "285.01"

    edited(pack, "lines.jsonl", more)
    said = [
        f"amounts: {capital(place(line))} is 285.01; 3.00 at 95.00000 make 285.00.",
        f"amounts: Invoice {line['invoice']} comes to 285.00 + 59.85 = 344.85; its lines make 285.01 + 59.85 = 344.86.",
    ]
    assert faults(pack) == ["files: lines.jsonl was changed since it was packed.", *said]
    assert forged(pack) == said


def test_one_cent_everywhere_but_in_the_log(pack: Path) -> None:
    line = bakery(pack)

    def of_line(found: list[Row]) -> None:
        next(row for row in found if row == line).update(unit_price="95.003333", total="285.01")

    def of_invoice(found: list[Row]) -> None:
        row = next(row for row in found if row["reference"] == line["invoice"])
        row.update(total_excl="285.01", total_incl="344.86")

    edited(pack, "lines.jsonl", of_line)
    edited(pack, "invoices.jsonl", of_invoice)
    (told,) = forged(pack)
    assert told.startswith(f"log: Invoice {line['invoice']} is 285.01 excl. VAT; by event ")
    assert told.endswith(" it is 285.00.")


@pytest.mark.slow
def test_one_period_billed_twice(pack: Path) -> None:
    fee = next(row for row in rows(pack, "lines.jsonl") if row["kind"] == "fee")
    edited(pack, "lines.jsonl", lambda found: found.append(fee | {"position": 9}))
    places = f"invoice {fee['invoice']} line {fee['position']}, invoice {fee['invoice']} line 9"
    assert f"agreements: The period from 2026-10-01 of agreement garage is billed twice: on {places}." in forged(pack)
    edited(pack, "agreements.jsonl", list.clear)
    assert f"agreements: Agreement garage is missing; {place(fee)} bills it." in forged(pack)


# --- the log, and what left -------------------------------------------------------------------------------------------


def test_one_event_removed(pack: Path) -> None:
    found = rows(pack, "audit.jsonl")
    number = next(event["number"] for event in found if event["type"] == "correction_decided")
    edited(pack, "audit.jsonl", lambda events: events.remove(next(e for e in events if e["number"] == number)))
    told = f"log: Event {number} is missing from audit.jsonl, or stands elsewhere in it: event {number + 1} follows."
    assert told in faults(pack)
    assert forged(pack) == [told]


def test_one_event_changed(pack: Path) -> None:
    event = next(event for event in rows(pack, "audit.jsonl") if event["type"] == "invoice_approved")
    edited(pack, "audit.jsonl", lambda found: next(e for e in found if e == event).update(actor="somebody@example.com"))
    what = f"Event {event['number']} (invoice_approved of {event['subject']})"
    assert forged(pack) == [f"log: {what} is not the one that was written: it was changed."]


def test_log_cut_at_its_end_and_at_its_beginning(pack: Path) -> None:
    head = json.loads((pack / "manifest.json").read_text())["log"]["head"]["number"]
    edited(pack, "audit.jsonl", lambda found: found.pop())
    told = f"log: audit.jsonl ends with event {head - 1}, and the log ended with event {head} and another hash."
    assert told in forged(pack)
    first = rows(pack, "audit.jsonl")[0]["number"]
    assert first > 1, "the log begins after a signed head"
    edited(pack, "audit.jsonl", lambda found: found.pop(0))
    assert forged(pack)[0].startswith(f"log: Event {first} is missing from audit.jsonl")


def test_chain_that_was_computed_anew_is_not_the_signed_one(pack: Path) -> None:
    """Whoever writes the whole pack anew, log and all, has no key: the heads of the nights are not theirs."""

    def anew(found: list[Row]) -> None:
        previous = json.loads((pack / "manifest.json").read_text())["log"]["after"]["hash"]
        for event in found:
            del event["hash"]
            if event["type"] == "invoice_approved":
                event["actor"] = "somebody@example.com"
            text = json.dumps(event, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            event["hash"] = previous = hashlib.sha256((previous + text).encode()).hexdigest()

    edited(pack, "audit.jsonl", anew)
    manifest = json.loads((pack / "manifest.json").read_text())
    manifest["log"]["head"]["hash"] = rows(pack, "audit.jsonl")[-1]["hash"]
    (pack / "manifest.json").write_text(json.dumps(manifest))
    (told,) = forged(pack)
    assert told.startswith("anchors: Event ")
    assert told.endswith(" is not the one that was signed on 2026-11-21T09:00:00+00:00.")


def test_signed_head_that_was_changed(pack: Path) -> None:
    edited(pack, "anchors.jsonl", lambda found: found[-1].update(number=found[-1]["number"] - 1))
    (told,) = forged(pack)
    assert told.startswith("anchors: The signature of 2026-11-21T09:00:00+00:00 over event ")


def test_order_annex_and_body_are_those_of_back_then(pack: Path) -> None:
    line = bakery(pack)
    reference = line["invoice"]

    def renumber(found: list[Row]) -> None:
        next(row for row in found if row["reference"] == reference)["order_id"] = 7

    def reword(found: list[Row]) -> None:
        attempt = next(row for row in found if (row["invoice"], row["intent"]) == (reference, "post"))
        attempt["body"] = attempt["body"].replace("2026", "2025")

    edited(pack, "invoices.jsonl", renumber)
    edited(pack, "attempts.jsonl", reword)
    (pack / "annexes" / f"{reference}.csv").write_bytes(b"nothing")
    found = forged(pack)
    assert any(told.startswith(f"log: Invoice {reference} is order 7 at Billit; by the log it is ") for told in found)
    assert f"annexes: annexes/{reference}.csv is not the annex that was frozen by the log." in found
    sent = f"attempts: What was sent to Billit under key {reference}-1 for invoice {reference} was changed."
    assert sent in found
    assert len(found) == 3


def test_whole_invoice_removed(pack: Path) -> None:
    reference = bakery(pack)["invoice"]
    edited(pack, "invoices.jsonl", lambda found: keep(found, "reference", reference))
    edited(pack, "lines.jsonl", lambda found: keep(found, "invoice", reference))

    def without(found: list[Row]) -> None:
        found[:] = [row for row in found if row["line"][0] != reference]

    edited(pack, "claims.jsonl", without)
    assert any(
        told.startswith(f"log: Invoice {reference} is missing; it bills hours of the month by event ")
        for told in forged(pack)
    )


@pytest.mark.slow
def test_month_that_does_not_balance_is_not_proved(pack: Path) -> None:
    state = json.loads((pack / "month.json").read_text())
    state["broken"] = [{"rule": "local_day", "subject": "entry 1", "sentence": "Entry 1 stands on another day."}]
    (pack / "month.json").write_text(json.dumps(state))
    assert forged(pack) == ["month local_day: Entry 1 stands on another day."]


def test_rows_of_another_make_do_not_break_the_check(pack: Path) -> None:
    edited(pack, "claims.jsonl", lambda found: found[0].pop("line"))
    assert any("What is there cannot be read as it was packed: KeyError 'line'" in told for told in forged(pack))
    (pack / "entries.jsonl").write_text("[]\nnothing\n")
    found = forged(pack)
    assert "files: Line 1 of entries.jsonl cannot be read." in found
    assert "files: Line 2 of entries.jsonl cannot be read." in found


# --- languages --------------------------------------------------------------------------------------------------------


def test_check_speaks_the_language_that_it_is_asked_for(pack: Path) -> None:
    (pack / "runs.jsonl").unlink()
    assert checked(pack, "--language", "fr")[1][0] == "files: runs.jsonl manque."
    assert checked(pack, "--language", "nl")[1][0] == "files: runs.jsonl ontbreekt."
    assert checked(pack)[1][0] == "files: runs.jsonl is missing."
    (pack / "sentences.json").write_text('{"fr": {"%(file)s is missing.": "%(nothing)s %"}}')
    assert "%(nothing)s % {'file': 'runs.jsonl'}" in checked(pack, "--language", "fr")[1][0]


def the(found: list[Row], entry: int) -> Row:
    return next(row for row in found if row["toggl"]["remote_id"] == entry)


def keep(found: list[Row], column: str, but: str) -> None:
    found[:] = [row for row in found if row[column] != but]


def capital(text: str) -> str:
    return text[0].upper() + text[1:]
