"""Whether the files are those that were packed, and each row stands in them once."""

from __future__ import annotations

from collections import Counter

from invoicing.evidence.offline.pack import Pack, _
from invoicing.evidence.offline.signatures import signed


def whole(pack: Pack) -> None:
    """Each file of the manifest is there as it was packed, no other is, and the manifest is the one that was signed."""
    listed = {str(file["name"]): file for file in pack.manifest["files"]}
    unlisted = {"manifest.json", "signature.json"} if pack.manifest["key"] else {"manifest.json"}
    strays = {name: pack.files.digest(name)[0] for name in pack.names - set(listed) - unlisted}
    for name, told in sorted(listed.items()):
        if name not in pack.names:
            other = next((stray for stray, digest in sorted(strays.items()) if digest == told["sha256"]), None)
            if other is None:
                pack.fault("files", _("%(file)s is missing."), file=name)
            else:
                del strays[other]
                pack.fault("files", _("%(file)s is there under another name, %(name)s."), file=name, name=other)
            continue
        digest, size = pack.files.digest(name)
        if size < told["bytes"]:
            short = _("%(file)s is cut short: %(size)s of its %(told)s bytes are there.")
            pack.fault("files", short, file=name, size=size, told=told["bytes"])
        elif digest != told["sha256"]:
            pack.fault("files", _("%(file)s was changed since it was packed."), file=name)
    for name in sorted(strays):
        pack.fault("files", _("%(file)s does not belong to the pack."), file=name)
    key = pack.manifest["key"]
    if key is not None and "signature.json" not in pack.names:
        pack.fault("signature", _("%(file)s is missing."), file="signature.json")
    elif key is not None:
        told = pack.files.json("signature.json")
        with pack.files.open("manifest.json") as file:
            data = file.read()
        if not signed(key, told["signature"], data):
            pack.fault("signature", _("manifest.json is not the one that was signed."))
        pack.keys.add(str(key))


def once(pack: Pack) -> None:
    """Reads invoices, lines, claims and entries: each stands once, and what it refers to is there."""
    for row in pack.rows("invoices.jsonl"):
        if row["reference"] in pack.invoices:
            pack.fault("once", _("Invoice %(invoice)s stands twice in invoices.jsonl."), invoice=row["reference"])
        pack.invoices[row["reference"]] = row
    for row in pack.rows("lines.jsonl"):
        place = (row["invoice"], row["position"])
        facts = {"line": row["position"], "invoice": row["invoice"]}
        if place in pack.lines:
            pack.fault("once", _("Line %(line)s of invoice %(invoice)s stands twice in lines.jsonl."), **facts)
        if row["invoice"] not in pack.invoices:
            pack.fault("once", _("Invoice %(invoice)s is missing; its line %(line)s is there."), **facts)
        pack.lines[place] = row
    pack.claims.extend(pack.rows("claims.jsonl"))
    _entries_once(pack)
    for claim in pack.claims:
        invoice, position = claim["line"]
        facts = {"entry": claim["entry_remote_id"], "line": position, "invoice": invoice, "day": claim["day"]}
        if (invoice, position) not in pack.lines:
            gone = _("Line %(line)s of invoice %(invoice)s is missing; entry %(entry)s stands on it.")
            pack.fault("once", gone, **facts)
        elif claim["entry_remote_id"] not in pack.known and _bills_the_month(pack, claim):
            gone = _("Entry %(entry)s of %(day)s is missing; line %(line)s of invoice %(invoice)s bills it.")
            pack.fault("once", gone, **facts)


def _entries_once(pack: Pack) -> None:
    seen: Counter[tuple[int, int]] = Counter()
    for row in pack.rows("entries.jsonl"):
        entry = row["toggl"]["remote_id"]
        # An entry that was moved to another workspace keeps its id.
        seen[entry, row["toggl"]["workspace"]] += 1
        if pack.in_month(row):
            pack.entries.setdefault(entry, row)
    pack.known.update(entry for entry, _workspace in seen)
    for (entry, _workspace), count in sorted(seen.items()):
        if count > 1:
            twice = _("Entry %(entry)s stands %(count)s times in entries.jsonl.")
            pack.fault("once", twice, entry=entry, count=count)


def _bills_the_month(pack: Pack, claim: dict[str, object]) -> bool:
    return claim["released_at"] is None and str(claim["day"])[:7] == pack.month
