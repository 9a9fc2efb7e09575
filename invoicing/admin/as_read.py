"""What a form of the admin showed of a dossier or a mapping: it carries that, and changes no other state (D12)."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest

from invoicing.dossiers import decide
from invoicing.models import ClientMapping, Dossier, TagMapping
from toggbill.firms.admin.as_read import FIELD, read_of
from toggbill.firms.audit import Actor
from toggbill.firms.read import Figures, Read, check


def carried(request: HttpRequest, row: object) -> str:
    """What the form's hidden field holds: what was sent, where the form is shown once more, else what stands."""
    if isinstance(row, Dossier | TagMapping | ClientMapping):
        return request.POST.get(FIELD) or Read.of(standing(row)).pack()
    return ""


def standing(row: Dossier | TagMapping | ClientMapping) -> list[Figures]:
    """The figures of a row as it stands: a form that was sent has put on its own what was typed."""
    dossier = Dossier.objects.get(pk=row.pk if isinstance(row, Dossier) else row.dossier_id)
    if isinstance(row, TagMapping):
        tags = TagMapping.objects.filter(pk=row.pk)
        return decide.tags_as_read(dossier, [(each.tag, each.person_remote_id) for each in tags])
    if isinstance(row, ClientMapping):
        return decide.clients_as_read(
            dossier, ClientMapping.objects.filter(pk=row.pk).values_list("client_remote_id", flat=True)
        )
    return [
        decide.rules_as_read(dossier),
        *decide.tags_as_read(dossier, dossier.tag_mappings.values_list("tag", "person_remote_id")),
        *decide.clients_as_read(dossier, dossier.client_mappings.values_list("client_remote_id", flat=True)),
    ]


def demand(request: HttpRequest, row: Dossier | TagMapping | ClientMapping, *, by: Actor) -> None:
    """Raises ``Changed`` where what the form showed stands no more, ``Unread`` where it does not say what it showed.

    A mapping that came since is none of what it showed, and stays. The caller holds the firm's lock.
    """
    read = read_of(request)
    check(read, lambda: _of_what_was_read(standing(row), read), by=by)


def _of_what_was_read(found: Sequence[Figures], read: Read) -> list[Figures]:
    if not read.figures:
        return list(found)
    subjects = {each.subject for each in found}
    # A mapping that was taken away, or leads from another tag or client by now.
    gone = [
        Figures.of(subject, {"description": was.shown.get("description", "")})
        for subject, was in read.figures.items()
        if subject not in subjects
    ]
    return [each for each in found if each.subject in read.figures] + gone
