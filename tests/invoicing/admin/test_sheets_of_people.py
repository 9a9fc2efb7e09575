"""Files of tag mappings that name people (design section 11): they come in, go out and come back."""

from __future__ import annotations

import pytest

from invoicing.models import Dossier, TagMapping
from tests.factories import DossierFactory, EntryFactory, FirmFactory, TagMappingFactory
from tests.invoicing.admin.uploads import exported, imported, known, previewed
from tests.visitors import events, staff
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db


@pytest.fixture
def firm() -> Firm:
    return FirmFactory(slug="ours", name="Our Firm")


@pytest.fixture
def dossier(firm: Firm) -> Dossier:
    return known(
        DossierFactory(firm=firm, key="bakery", name="Bakery", workspace__remote_id=4001, company__party_id=7001)
    )


def test_a_person_is_one_however_the_number_is_typed(firm: Firm, dossier: Dossier) -> None:
    EntryFactory(workspace=dossier.workspace, person_remote_id=9003)
    row = TagMappingFactory(dossier=dossier, tag="Advies", person_remote_id=9003, product_reference="ADV", priority=10)
    content = "dossier,tag,person,product\nbakery,Advies,+9003,CPT\n"
    assert "0 new, 1 updated" in imported(staff(firm), TagMapping, content)
    row.refresh_from_db()
    assert (row.product_reference, row.priority) == ("CPT", 10)


@pytest.mark.slow
def test_mappings_of_people_come_in_go_out_and_come_back(firm: Firm, dossier: Dossier) -> None:
    EntryFactory(workspace=dossier.workspace, person_remote_id=9001)
    TagMappingFactory(dossier=dossier, tag="Advies", product_reference="ADV")
    browser = staff(firm)
    content = "dossier,tag,person,product\nbakery,advies,9001,CPT\nbakery,,9001,FIS\n"
    assert "2 new, 0 updated" in imported(browser, TagMapping, content)

    def standing() -> list[tuple[str, int | None, str]]:
        rows = TagMapping.objects.order_by("pk")
        return list(rows.values_list("tag", "person_remote_id", "product_reference"))

    assert standing() == [("Advies", None, "ADV"), ("advies", 9001, "CPT"), ("", 9001, "FIS")]
    before = events(firm)
    out = exported(browser, TagMapping).decode("utf-8-sig")
    assert "0 new, 0 updated, 3 unchanged" in imported(browser, TagMapping, out)
    assert (len(standing()), events(firm)) == (3, before)
    # Without the column a row is that of everybody; an id that nobody has is a fault.
    assert "0 new, 1 updated" in imported(browser, TagMapping, "dossier,tag,product\nbakery,ADVIES,FIS\n")
    assert standing() == [("ADVIES", None, "FIS"), ("advies", 9001, "CPT"), ("", 9001, "FIS")]
    page = previewed(browser, TagMapping, "dossier,tag,person,product\nbakery,Advies,9999,ADV\nbakery,,,ADV\n")
    assert "has no hours of Toggl user 9999: check the id." in page
    assert "must not be empty." in page
