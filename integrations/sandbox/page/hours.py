"""The control page's hours: found, changed and deleted by hand, as if somebody did it in Toggl."""

from __future__ import annotations

from datetime import timedelta
from html import escape

from integrations.sandbox import by_hand
from integrations.sandbox.http.clock import zulu
from integrations.sandbox.http.wire import Record
from integrations.sandbox.page.parts import field, section, table
from integrations.sandbox.page.words import tr
from integrations.sandbox.server import Sandbox
from integrations.sandbox.toggl.store import Entry

_MOST = 25


def hours(sandbox: Sandbox, asked: str) -> str:
    """The newest hours that are over, those with `asked` in their text, tags or person, each a link to its own page."""
    store = sandbox.toggl.store
    people = {number: str(user["fullname"]) for number, user in store.users.items()}
    over = [entry for entry in store.entries.values() if not entry.running and entry.deleted_at is None]
    wanted = asked.strip().casefold()
    found = [entry for entry in over if wanted in _text(entry, people).casefold()]
    found.sort(key=lambda entry: (entry.start, entry.id), reverse=True)
    rows = [
        [
            f'<a href="/page/hour/{entry.id}">{zulu(entry.start)[:16].replace("T", " ")}</a>',
            escape(people.get(entry.user_id, "")),
            escape(entry.description),
            escape(", ".join(entry.tags)),
            _clock(entry.seconds),
        ]
        for entry in found[:_MOST]
    ]
    told = tr(
        "Change an hour that is billed already, have toggbill read Toggl (on the page of the dossier), and a "
        "correction arises. The newest {most} of {count}.",
        most=min(_MOST, len(found)),
        count=len(found),
    )
    heads = (tr("When"), tr("Who"), tr("What"), tr("Tags"), tr("Time"))
    find = (
        f'<form action="/#hours"><div class="row">{field(tr("Find by text, tag or person"), "hours", asked)}'
        f"<button>{tr('Find')}</button></div></form>"
    )
    listed = table(heads, rows, tr("No hours are found."))
    return section("hours", tr("Toggl's hours, by hand"), f"<p>{told}</p>{find}{listed}")


def hour_page(sandbox: Sandbox, entry: Entry) -> str:
    """One hour, to be changed or deleted."""
    person = sandbox.toggl.store.users.get(entry.user_id, {}).get("fullname", "")
    title = tr("Hour {number}", number=entry.id)
    fields = field(tr("Minutes"), "minutes", max(1, entry.seconds // 60), "number")
    fields += field(tr("Description"), "description", entry.description)
    fields += field(tr("Tags, parted by commas"), "tags", ", ".join(entry.tags))
    buttons = (
        f'<button name="action" value="change">{tr("Change it")}</button>'
        f'<button name="action" value="delete">{tr("Delete it")}</button>'
    )
    return (
        f"<h1>{title}</h1><p>{zulu(entry.start)} · {escape(str(person))} · {_clock(entry.seconds)}</p>"
        f'<form method="post" action="/page/hour"><input type="hidden" name="hour" value="{entry.id}">'
        f'<div class="row">{fields}{buttons}</div></form>'
    )


def change(sandbox: Sandbox, form: Record) -> tuple[str, str]:
    """Somebody changed or deleted an hour in Toggl. Raises KeyError for an unknown one, ValueError for no time."""
    number = int(form["hour"])
    entry = sandbox.toggl.store.entries[number]
    if form["action"] == "delete":
        by_hand.delete_entries(sandbox, [number])
        said = "The hour {number} is deleted in Toggl. Have toggbill read Toggl on the page of its dossier."
        return tr(said, number=number), "hours"
    minutes = int(form["minutes"])
    if minutes < 1:
        raise ValueError(tr("An hour has 1 minute or more."))
    tags = [tag.strip() for tag in form["tags"].split(",") if tag.strip()]
    # What is not touched keeps its seconds.
    same = minutes == max(1, entry.seconds // 60)
    stop = entry.stop if same else entry.start + timedelta(minutes=minutes)
    row: Record = {"id": number, "description": form["description"], "tags": tags, "stop": stop and zulu(stop)}
    if not same and entry.duration is not None:
        row["duration"] = minutes * 60
    by_hand.put_entries(sandbox, [row])
    said = "The hour {number} has {minutes} minutes now. Have toggbill read Toggl on the page of its dossier."
    return tr(said, number=number, minutes=minutes), "hours"


def _text(entry: Entry, people: dict[int, str]) -> str:
    return " ".join((entry.description, *entry.tags, people.get(entry.user_id, "")))


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
