"""One decision on the page of attention mends all alike hours, at once, and the page says what it did."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from integrations.clients.http.failures import Code, Message
from integrations.clients.http.transport import ServiceError
from invoicing.attention import causes, choices
from invoicing.models import ClientMapping, Dossier, DossierClient, LedgerRow, TagMapping
from tests.factories import (
    NOW,
    ClientFactory,
    ClientMappingFactory,
    CustomerFactory,
    DossierClientFactory,
    DossierFactory,
    MembershipDossierFactory,
    ProductFactory,
    ProjectFactory,
    TagMappingFactory,
    enterprise_number,
)
from tests.invoicing.web.attention.deciding import NUMBER, answer, decided, states, waiting, worked
from tests.visitors import alerts, inputs, signed_in, text
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db

# --- tags and products ------------------------------------------------------------------------------------------------


def test_an_unknown_tag_is_given_its_product_for_all_alike_hours(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "Advise", count=14)
    client = signed_in(firm, "bookkeeper")
    page = client.get("/attention/").content.decode()
    words = text(client, "/attention/")
    assert "1 decision" in words
    assert "“Advise” Bakery · 14 entries · 14.00 h" in words
    assert "probably “ADV”" in words
    assert "Use for all 14" in words
    assert page.index('value="ADV"') < page.index('value="BKH"')
    assert inputs(page, "tag") == ["Advise"]
    said = answer(client, "product", tag="Advise", product="ADV")
    assert said == "success: 14.00 h solved, € 1,302.00 now open."
    assert states() == {"open": 14}
    row = TagMapping.objects.get()
    assert (row.tag, row.product_reference, row.bill) == ("Advise", "ADV", True)
    assert [(type, data["new"]["tag"]) for type, _subject, data in decided(firm)] == [("mapping_changed", "Advise")]
    assert "Nothing to decide" in text(client, "/attention/")


def test_other_hours_with_the_tag_are_judged_with_it(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "Advise")
    worked(dossier, "Advise", "Urgent", started_at=NOW - timedelta(days=20))
    worked(dossier, "advise ", project=602, started_at=NOW - timedelta(days=21))
    found = next(each for each in causes.decisions(LedgerRow.objects.all()) if each.text == "Advise")
    said = answer(signed_in(firm), "product", found, tag="Advise", product="ADV")
    assert said == (
        "success: 2.00 h solved, € 186.00 now open. | "
        "warning: 1 entry still waits, now for this: Client without a number."
    )
    assert states() == {"open": 2, "attention": 1}


def test_a_tag_is_not_billed(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "Lunch", count=2)
    assert answer(signed_in(firm), "not-billed", tag="Lunch") == "success: 2.00 h solved: not billed."
    assert states() == {"not_billable": 2}
    assert TagMapping.objects.get().bill is False


def test_of_several_products_one_is_picked(firm: Firm, dossier: Dossier) -> None:
    TagMappingFactory(dossier=dossier, tag="Books", product_reference="BKH", priority=4)
    TagMappingFactory(dossier=dossier, tag="Advice", product_reference="ADV", priority=4)
    worked(dossier, "Books", "Advice", count=2)
    client = signed_in(firm)
    words = text(client, "/attention/")
    assert words.index("ADV · € 93.00") < words.index("BKH · € 75.00")
    assert answer(client, "pick", tag="Books") == "success: 2.00 h solved, € 150.00 now open."
    assert dict(TagMapping.objects.values_list("tag", "priority")) == {"Books": 5, "Advice": 4}


def test_an_answer_changes_the_mapping_that_counts_for_who_worked(firm: Firm, dossier: Dossier) -> None:
    """Person 301 has an own mapping of Books: changing the one for everybody would settle nothing."""
    TagMappingFactory(dossier=dossier, tag="Books", product_reference="ADV", priority=1)
    TagMappingFactory(dossier=dossier, tag="Books", person_remote_id=301, product_reference="BKH", priority=4)
    TagMappingFactory(dossier=dossier, tag="Advice", product_reference="ADV", priority=4)
    worked(dossier, "Books", "Advice", count=2, person_remote_id=301)
    client = signed_in(firm)
    words = text(client, "/attention/")
    assert words.index("ADV · € 93.00") < words.index("BKH · € 75.00")
    assert answer(client, "pick", tag="Books") == "success: 2.00 h solved, € 150.00 now open."
    rows = TagMapping.objects.order_by("tag", "pk").values_list("tag", "person_remote_id", "priority")
    assert list(rows) == [("Advice", None, 4), ("Books", None, 1), ("Books", 301, 5)]


def test_hours_whose_persons_own_product_is_gone_get_another(firm: Firm, dossier: Dossier) -> None:
    TagMappingFactory(dossier=dossier, tag="", person_remote_id=301, product_reference="GONE")
    worked(dossier, count=2, person_remote_id=301)
    assert waiting().reason == "unknown_product"
    assert answer(signed_in(firm), "default", product="BKH") == "success: 2.00 h solved, € 150.00 now open."
    assert list(TagMapping.objects.values_list("tag", "product_reference")) == [("", "BKH")]
    assert Dossier.objects.get().default_product == ""


def test_hours_without_a_tag_get_the_default_product_from_who_may_set_it(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, count=2)
    assert "Use where no tag says otherwise" not in text(signed_in(firm, "bookkeeper"), "/attention/")
    manager = signed_in(firm, "manager")
    assert "Use where no tag says otherwise" in text(manager, "/attention/")
    assert answer(manager, "default", product="BKH") == "success: 2.00 h solved, € 150.00 now open."
    dossier.refresh_from_db()
    assert dossier.default_product == "BKH"


@pytest.mark.parametrize(
    ("remedy", "fields", "why"),
    [
        ("product", {"tag": "Advise", "product": ""}, "choose a product."),
        ("product", {"tag": "Advise", "product": "GONE"}, "choose a product."),
        ("product", {"tag": "Other", "product": "ADV"}, "these hours have no tag of this name."),
        ("customer", {"number": NUMBER}, "this is no answer to what these hours wait for."),
        ("product", {"party": "x"}, "choose one of what is offered."),
        ("burn", {}, "Choose what to do with these hours."),
        ("hold", {"reason": " "}, "Say why: to hold hours or write them off needs a reason."),
    ],
)
def test_an_answer_that_is_none_changes_nothing(
    firm: Firm, dossier: Dossier, remedy: str, fields: dict[str, Any], why: str
) -> None:
    worked(dossier, "Advise")
    said = answer(signed_in(firm), remedy, None, **fields)
    assert said.startswith("danger: ")
    assert said.endswith(why)
    assert states() == {"attention": 1}
    assert decided(firm) == []


# --- clients and customers --------------------------------------------------------------------------------------------


def test_a_client_without_a_number_is_given_the_customer_that_its_name_suggests(firm: Firm, dossier: Dossier) -> None:
    CustomerFactory(company=dossier.company, party_id=88_010, name="Maison Voorbeeld SRL")
    CustomerFactory(company=dossier.company, party_id=88_011, name="Voorbeeld Transport NV")
    CustomerFactory(company=dossier.company, party_id=88_012, name="Garage Lys")
    worked(dossier, "ADV", project=602, count=3)
    client = signed_in(firm, "bookkeeper")
    page = client.get("/attention/").content.decode()
    assert 'name="party" value="88010"' in page.replace("\n", " ").replace("  ", "")
    assert "Garage Lys" not in page
    assert answer(client, "customer", party="88010") == "success: 3.00 h solved, € 279.00 now open."
    row = ClientMapping.objects.get(client_remote_id=502)
    assert (row.customer_party_id, row.number, row.is_proposed) == (88_010, "", False)
    assert set(LedgerRow.objects.values_list("buyer_name", flat=True)) == {"Maison Voorbeeld SRL"}


def test_customers_are_searched_in_billit_by_name_and_number(firm: Firm, dossier: Dossier) -> None:
    CustomerFactory(company=dossier.company, party_id=88_010, name="Zeta Bouw", vat_number=f"BE {NUMBER[2:]}")
    CustomerFactory(name="Zeta Elders")
    worked(dossier, "ADV", project=602)
    page = f"/dossiers/bakery/attention/{waiting().name}/"
    client = signed_in(firm)
    assert "Zeta Bouw" in text(client, f"{page}?q=zeta")
    assert "Elders" not in text(client, f"{page}?q=zeta")
    found = text(client, f"{page}?q={NUMBER}")
    assert f"Zeta Bouw · {NUMBER}" in found
    assert f"{NUMBER} is the customer the number as it was typed" in found
    assert "Billit has no such customer." in text(client, f"{page}?q=nobody")
    # Whom the list searched for leads back to it, as it was narrowed; never to another site.
    back = "/f/ours/attention/?dossier=bakery"
    assert set(inputs(client.get(page, {"q": "zeta", "next": back}).content.decode(), "next")[1:-1]) == {back}
    goals = inputs(client.get(page, {"q": "zeta", "next": "https://evil.example/"}).content.decode(), "next")
    assert set(goals[1:-1]) == {"/f/ours/attention/"}
    assert answer(client, "customer", number=f"{NUMBER[2:6]}.{NUMBER[6:9]}.{NUMBER[9:]}").startswith("success: 1.00 h")
    assert ClientMapping.objects.get(client_remote_id=502).number == NUMBER


def test_register_that_is_not_asked_says_so_where_it_was_searched(
    firm: Firm, dossier: Dossier, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(row: Dossier, asked: str) -> Any:
        raise ServiceError(Message(Code.OTHER, {"said": "Billit is away."}))

    monkeypatch.setattr(choices, "search_register", away)
    worked(dossier, "ADV", project=602)
    path = f"/dossiers/bakery/attention/{waiting().name}/"
    page = signed_in(firm).get(path, {"q": "zeta", "register": "1"}, headers={"HX-Request": "true"}).content.decode()
    assert alerts(page) == "danger: The register was not asked. Billit is away."
    found = page.index('class="found" hx-disable')
    assert found < page.index("The register was not asked")


def test_decision_by_htmx_leads_to_the_list_and_what_changed_is_a_whole_page(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "Advise", count=2)
    client, found = signed_in(firm, "bookkeeper"), waiting()
    path, by_htmx = f"/dossiers/bakery/attention/{found.name}/", {"HX-Request": "true"}
    sent = {"read": found.read, "tag": "Advise", "product": "ADV", "next": "/f/ours/attention/?dossier=bakery"}
    worked(dossier, "Advise", started_at=NOW - timedelta(days=20))
    changed = client.post(f"{path}product/", sent, headers=by_htmx)
    assert changed.status_code == 409
    assert 'id="page"' in changed.content.decode()
    assert states() == {"attention": 3}
    # The list that follows carries the figures as they are now.
    shown = client.get("/attention/", headers=by_htmx).content.decode()
    assert waiting().read in inputs(shown, "read")
    done = client.post(f"{path}product/", sent | {"read": waiting().read}, headers=by_htmx)
    assert (done.status_code, done["Location"]) == (302, "/f/ours/attention/?dossier=bakery")
    assert states() == {"open": 3}


def test_a_number_that_may_be_anothers_is_taken_with_what_was_mapped_besides(firm: Firm, dossier: Dossier) -> None:
    ClientFactory(workspace=dossier.workspace, remote_id=503, name=f"Nine {NUMBER[3:]}")
    ProjectFactory(workspace=dossier.workspace, remote_id=603, client_remote_id=503)
    ClientMappingFactory(
        dossier=dossier, client_remote_id=503, number="", treatment="reverse_charge", purchase_order="PO-7"
    )
    worked(dossier, "ADV", project=603)
    client = signed_in(firm, "bookkeeper")
    assert f"{NUMBER} is the customer" in text(client, "/attention/")
    assert answer(client, "customer", number=NUMBER) == "success: 1.00 h solved, € 93.00 now open."
    row = ClientMapping.objects.get(client_remote_id=503)
    assert (row.number, row.is_proposed, row.treatment, row.purchase_order) == (NUMBER, False, "reverse_charge", "PO-7")


def test_a_client_of_several_numbers_or_a_renamed_one_offers_them(firm: Firm, dossier: Dossier) -> None:
    other = enterprise_number(8)
    ClientFactory(workspace=dossier.workspace, remote_id=503, name=f"Two {NUMBER} {other}")
    ProjectFactory(workspace=dossier.workspace, remote_id=603, client_remote_id=503)
    worked(dossier, "ADV", project=603)
    words = text(signed_in(firm), "/attention/")
    assert words.index(f"{NUMBER} is the customer") < words.index(f"{other} is the customer")
    assert answer(signed_in(firm), "customer", number=other).startswith("success: 1.00 h solved")


def test_a_foreign_customer_is_given_a_treatment(firm: Firm, dossier: Dossier) -> None:
    ClientFactory(workspace=dossier.workspace, remote_id=503, name="Parijs FR40303265045")
    ProjectFactory(workspace=dossier.workspace, remote_id=603, client_remote_id=503)
    worked(dossier, "ADV", project=603)
    assert waiting().reason == "foreign_vat"
    client = signed_in(firm)
    page = client.get("/attention/").content.decode()
    assert page.index('value="eu_services"') < page.index('value="outside_scope"')
    assert 'value="reverse_charge"' not in page
    assert answer(client, "treatment", treatment="eu_services") == "success: 1.00 h solved, € 93.00 now open."
    row = ClientMapping.objects.get(client_remote_id=503)
    assert (row.number, row.treatment, row.is_proposed) == ("FR40303265045", "eu_services", True)


def test_a_client_of_no_dossier_is_given_one(firm: Firm, dossier: Dossier) -> None:
    DossierClientFactory(dossier=dossier, client_remote_id=502)
    other = DossierFactory(firm=firm, workspace=dossier.workspace, key="garage", name="Garage")
    ProductFactory(company=other.company, reference="ADV", price=Decimal("100.00"))
    DossierClientFactory(dossier=other, client_remote_id=777)
    worked(dossier, "ADV", count=2)
    assert waiting().reason == "unassigned_client"
    client = signed_in(firm, "manager")
    assert 'value="garage"' in client.get("/attention/").content.decode()
    assert answer(client, "dossier", dossier="garage") == "success: 2.00 h solved, € 200.00 now open."
    assert set(LedgerRow.objects.values_list("dossier", flat=True)) == {other.pk}
    assert set(DossierClient.objects.filter(dossier=other).values_list("client_remote_id", flat=True)) == {501, 777}


def test_a_restricted_member_is_shown_no_customers_of_other_dossiers(firm: Firm, dossier: Dossier) -> None:
    DossierFactory(firm=firm, company=dossier.company)
    CustomerFactory(company=dossier.company, name="Maison Voorbeeld SRL")
    worked(dossier, "ADV", project=602)
    client = signed_in(firm, "bookkeeper")
    assert "Maison Voorbeeld SRL" in text(client, "/attention/")
    membership = firm.memberships.get()
    membership.is_restricted = True
    membership.save()
    MembershipDossierFactory(membership=membership, dossier=dossier)
    assert "“Maison Voorbeeld”" in text(client, "/attention/")
    assert "Maison Voorbeeld SRL" not in text(client, "/attention/")


# --- hold, write off, bill --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("remedy", "said", "state"),
    [
        ("hold", "success: 3 entries are held: no run bills them.", "held"),
        ("write-off", "success: 3 entries are written off: they are never billed.", "written_off"),
    ],
)
def test_all_alike_hours_are_set_aside(firm: Firm, dossier: Dossier, remedy: str, said: str, state: str) -> None:
    worked(dossier, "Advise", count=3)
    assert answer(signed_in(firm), remedy, reason="Agreed by telephone") == said
    assert states() == {state: 3}
    assert len(decided(firm)) == 3


def test_doubtful_hours_are_billed_as_they_stand(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "ADV", seconds=17 * 3600)
    client = signed_in(firm)
    assert "Bill as it stands" in text(client, "/attention/")
    assert answer(client, "bill") == "success: 1 entry will be billed as it stands."
    assert states() == {"open": 1}
    assert [(type, data["was"]) for type, _subject, data in decided(firm)] == [("entry_confirmed", "implausible")]


def test_no_button_bills_other_hours(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "Advise")
    client = signed_in(firm, "bookkeeper")
    assert "/bill/" not in client.get("/attention/").content.decode()
    assert answer(client, "bill").endswith("this is no answer to what these hours wait for.")
