"""The tag of billed hours says nothing of what is billed: no mapping and no product has its name, and none gets it."""

from __future__ import annotations

import pytest

from integrations.mirror import own_tags
from integrations.models import Workspace
from invoicing.dossiers import mappings
from invoicing.dossiers.faults import Refused
from invoicing.dossiers.rules import set_dossiers
from invoicing.models import Dossier, TagMapping
from invoicing.rules.judging.mapping import TagRule
from tests.factories import DossierFactory, EntryFactory, ProductFactory, TagMappingFactory
from tests.invoicing.dossiers.made import BY, NOW, made, pairing

pytestmark = pytest.mark.django_db


def restated(dossier: Dossier, tag: str) -> str:
    stated = pairing(dossier, billed_tag=tag, clients=frozenset({501}))
    [(row, outcome)] = set_dossiers(firm=dossier.firm, pairings=[stated], by=BY, now=NOW)
    return f"{outcome} {row.billed_tag}"


@pytest.mark.parametrize("spelled", ["Advies", " aDVIES", "intern", "FORF"])
def test_tag_that_leads_somewhere_in_the_workspace_is_refused(spelled: str) -> None:
    dossier = made(clients=frozenset({501}))
    beside = DossierFactory(firm=dossier.firm, workspace=dossier.workspace, key="beside", company=dossier.company)
    TagMappingFactory(dossier=beside, tag="Advies")
    TagMappingFactory(dossier=beside, tag="Intern", bill=False)
    ProductFactory(company=dossier.company, reference="forf")
    with pytest.raises(Refused) as refused:
        restated(dossier, spelled)
    assert [(name, fault.field, fault.code) for name, fault in refused.value.faults] == [
        (dossier.key, "billed_tag", "tag_speaks")
    ]
    assert Workspace.objects.get(pk=dossier.workspace_id).own_tags == []


def test_tag_that_is_written_leads_nowhere_also_once_it_is_switched_off() -> None:
    dossier = made(clients=frozenset({501}))
    assert restated(dossier, " Facturé ") == "updated Facturé"
    assert restated(dossier, "Facturé") == "unchanged Facturé"
    assert restated(dossier, "") == "updated "
    with pytest.raises(Refused, match="itself gives billed hours in Toggl"):
        mappings.map_tags(dossier=dossier, rules=[TagRule("FACTURÉ", "ADV")], by=BY, now=NOW)
    assert not TagMapping.objects.exists()
    # A product that Billit has by that name since meets no entry, and the rule can be stated as before.
    ProductFactory(company=dossier.company, reference="facturé")
    assert restated(dossier, "facturé") == "updated facturé"
    assert Workspace.objects.get(pk=dossier.workspace_id).own_tags == ["Facturé"]


@pytest.mark.parametrize("given", ["facture\u0301", "FACTURÉ\u200b", "facturé\u00a0", "ｆacturé"])
def test_tag_is_known_in_whatever_spelling_toggl_gives_it(given: str) -> None:
    dossier = made(clients=frozenset({501}))
    entry = EntryFactory(workspace=dossier.workspace, tags=["Advies", given])
    restated(dossier, "Facturé")
    entry.refresh_from_db()
    assert entry.tags == ["Advies"]
    own = own_tags.of(dossier.workspace)
    assert own_tags.without([given, "Advies"], own) == ["Advies"]
    assert own_tags.of_entries([entry.pk]) == {entry.pk: own}
