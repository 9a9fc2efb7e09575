"""Rules, tags and clients are changed on pages: by right, on what was read, with the events of the verbs."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from invoicing.deciding.configured import RULES
from invoicing.dossiers import rules as rules_of_dossiers
from invoicing.models import ClientMapping, Dossier, DossierClient, LedgerRow, TagMapping
from tests.factories import (
    ClientFactory,
    DossierClientFactory,
    DossierFactory,
    EntryFactory,
    InvoiceFactory,
    MembershipDossierFactory,
    MembershipFactory,
    enterprise_number,
)
from tests.invoicing.scene import Scene
from tests.toggbill.setting_up.furnished import KADE, LYS, furnished
from tests.visitors import alerts, browser_of, events, inputs, signed_in, text
from tests.worlds import GARAGE, NOW, client, entry, project
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db
NUMBER = enterprise_number(77)


@pytest.fixture
def dossier() -> Dossier:
    return furnished(NOW)[0]


@pytest.fixture
def visitor(dossier: Dossier) -> Client:
    return signed_in(dossier.firm)


def read(visitor: Client, path: str, place: int = 0) -> str:
    return inputs(visitor.get(path).content.decode(), "read")[place]


def rules(visitor: Client, **changes: Any) -> dict[str, Any]:
    """The fields of the page of rules as it shows them, with changes."""
    form = visitor.get("/dossiers/bakery/rules/").context["form"]
    shown = {field.html_name: field.value() for field in form}
    values = {name: value for name, value in (shown | changes).items() if value is not None and value is not False}
    return {"read": read(visitor, "/dossiers/bakery/rules/")} | values


# --- rules ------------------------------------------------------------------------------------------------------------


def test_rules_are_changed_with_one_event(dossier: Dossier, visitor: Client) -> None:
    changes = {
        "mode": "post",
        "auto_limit": "5000.00",
        "rounding_minutes": 15,
        "every": "monthly",
        "day": 1,
        "default_product": "BKH",
        "clients": [str(LYS)],
    }
    answer = visitor.post("/dossiers/bakery/rules/", rules(visitor, **changes), follow=True)
    assert answer.context["form"].errors == {}
    assert alerts(answer.content.decode()) == ("success: Saved. The hours that are not billed yet are judged anew.")
    row = Dossier.objects.get()
    assert (row.mode, row.auto_limit, row.rounding_minutes, row.day) == ("post", Decimal("5000.00"), 15, 1)
    assert (row.default_product, row.key, row.start_date) == ("BKH", "bakery", date(2026, 10, 1))
    assert list(DossierClient.objects.values_list("client_remote_id", flat=True)) == [LYS]
    [(kind, subject, data)] = events(dossier.firm)
    assert (kind, subject) == ("rule_changed", "dossier bakery")
    assert (data["old"]["mode"], data["new"]["mode"], data["new"]["clients"]) == ("review", "post", [LYS])
    visitor.post("/dossiers/bakery/rules/", rules(visitor))
    assert len(events(dossier.firm)) == 1


def test_rules_that_cannot_stand_are_refused_at_their_field(dossier: Dossier, visitor: Client) -> None:
    answer = visitor.post("/dossiers/bakery/rules/", rules(visitor, mode="send"))
    assert answer.status_code == 422
    assert "give the amount above which a person approves" in answer.content.decode()
    assert Dossier.objects.get().mode == "review"
    other = DossierFactory(firm=dossier.firm, workspace=dossier.workspace, key="other", name="Other")
    DossierClientFactory(dossier=other, client_remote_id=LYS)
    answer = visitor.post("/dossiers/bakery/rules/", rules(visitor, clients=[str(LYS)]))
    assert "Dossier “Other” bills this client already." in answer.content.decode()
    assert events(dossier.firm) == []


def test_start_stays_once_something_is_invoiced(dossier: Dossier, visitor: Client) -> None:
    InvoiceFactory(dossier=dossier)
    assert 'name="start_date"' not in visitor.get("/dossiers/bakery/rules/").content.decode()
    visitor.post("/dossiers/bakery/rules/", rules(visitor, start_date="2026-01-01", payment_days=14))
    assert (Dossier.objects.get().start_date, Dossier.objects.get().payment_days) == (date(2026, 10, 1), 14)


def test_clients_that_are_not_offered_stay(dossier: Dossier, visitor: Client) -> None:
    DossierClientFactory(dossier=dossier, client_remote_id=599)
    visitor.post("/dossiers/bakery/rules/", rules(visitor, clients=[str(LYS)]))
    assert sorted(DossierClient.objects.values_list("client_remote_id", flat=True)) == [LYS, 599]


def test_rules_that_changed_meanwhile_are_shown_beside_what_was_read(dossier: Dossier, visitor: Client) -> None:
    form = rules(visitor, payment_days=14)
    Dossier.objects.update(mode="post", no_limit=True)
    answer = visitor.post("/dossiers/bakery/rules/", form)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert ("a person approves" in page, "post to Billit" in page) == (True, True)
    assert Dossier.objects.get().payment_days == 30
    assert visitor.post("/dossiers/bakery/rules/", form | {"read": ""}).status_code == 400


# --- tags -------------------------------------------------------------------------------------------------------------


def test_tags_that_lead_nowhere_are_mapped_with_the_guess(dossier: Dossier, visitor: Client) -> None:
    page = visitor.get("/dossiers/bakery/tags/").content.decode()
    assert re.findall(r'<option value="=(\w+)" ?(selected)?>([^<]+)<', page) == [
        ("ADV", "selected", "ADV · Advies · €\u00a095.00"),
        ("BKH", "", "BKH · Boekhouding · €\u00a060.00"),
    ]
    assert inputs(page, "tag-0") == ["Advies"]
    form = {"read": inputs(page, "read")[0], "tag-0": "Advies", "product-0": "=ADV"}
    answer = visitor.post("/dossiers/bakery/tags/map/", form, follow=True)
    assert "1 tag is mapped. The hours that are not billed yet are judged anew." in answer.content.decode()
    assert events(dossier.firm) == [
        (
            "mapping_changed",
            "dossier bakery",
            {"old": None, "new": {"tag": "Advies", "bill": True, "product": "ADV", "priority": None}},
        )
    ]
    assert "leads nowhere" not in visitor.get("/dossiers/bakery/tags/").content.decode()


def test_a_tag_that_somebody_mapped_meanwhile_is_not_mapped_over(dossier: Dossier, visitor: Client) -> None:
    form = {"read": read(visitor, "/dossiers/bakery/tags/"), "tag-0": "Advies", "product-0": "-"}
    TagMapping.objects.create(
        firm=dossier.firm, dossier=dossier, tag="ADVIES", tag_key="advies", product_reference="BKH"
    )
    assert visitor.post("/dossiers/bakery/tags/map/", form).status_code == 409
    assert TagMapping.objects.get(tag_key="advies").product_reference == "BKH"


def test_nothing_chosen_maps_nothing(dossier: Dossier, visitor: Client) -> None:
    form = {"read": read(visitor, "/dossiers/bakery/tags/"), "tag-0": "Advies", "product-0": ""}
    answer = visitor.post("/dossiers/bakery/tags/map/", form, follow=True)
    assert "No tag was mapped: choose what it leads to." in answer.content.decode()
    assert events(dossier.firm) == []


def test_a_mapping_is_added_changed_renamed_and_removed(dossier: Dossier, visitor: Client) -> None:
    add = "/dossiers/bakery/tags/add/"
    assert visitor.post(add, {"read": read(visitor, add), "tag": "Intern", "product": "-"}).status_code == 302
    row = TagMapping.objects.get(tag="Intern")
    assert (row.bill, row.product_reference) == (False, "")
    path = f"/dossiers/bakery/tags/{row.pk}/"
    form = {"read": read(visitor, path), "was": "Intern", "tag": "Internal", "product": "=BKH"}
    form["priority"] = "5"
    assert visitor.post(path, form).status_code == 302
    row.refresh_from_db()
    assert (row.tag, row.product_reference, row.priority) == ("Internal", "BKH", 5)
    # What was read is no longer what stands there.
    assert visitor.post(path, form).status_code == 409
    remove = {"read": read(visitor, "/dossiers/bakery/tags/", -1), "was": "Internal"}
    assert visitor.post(f"{path}remove/", remove).status_code == 302
    assert not TagMapping.objects.filter(pk=row.pk).exists()
    told = [
        (data["old"] and data["old"]["tag"], data["new"] and data["new"]["tag"]) for _, _, data in events(dossier.firm)
    ]
    assert told == [(None, "Intern"), ("Intern", "Internal"), ("Internal", None)]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"tag": ""}, "This field is required."),
        ({"product": ""}, "This field is required."),
        ({"product": "=NONE"}, "Select a valid choice"),
        ({"tag": "books"}, "The dossier maps this tag already: change that mapping."),
        ({"priority": "99999999999"}, "is out of range"),
    ],
)
def test_a_mapping_that_cannot_stand_is_refused(
    changes: dict[str, str], says: str, dossier: Dossier, visitor: Client
) -> None:
    path = "/dossiers/bakery/tags/add/"
    form = {"read": read(visitor, path), "tag": "New", "product": "=ADV"} | changes
    answer = visitor.post(path, form)
    assert answer.status_code == 422
    assert says in answer.content.decode()
    assert TagMapping.objects.count() == 1


def test_a_product_that_billit_lost_is_shown_as_trouble_and_can_stay(dossier: Dossier, visitor: Client) -> None:
    row = TagMapping.objects.get()
    TagMapping.objects.update(product_reference="OLD")
    assert "Billit has no such product" in text(visitor, "/dossiers/bakery/tags/")
    path = f"/dossiers/bakery/tags/{row.pk}/"
    form = {"read": read(visitor, path), "was": "Books", "tag": "Books", "product": "=OLD"}
    form["priority"] = "1"
    assert visitor.post(path, form).status_code == 302
    assert TagMapping.objects.get().priority == 1


def test_a_tag_is_mapped_for_a_person_alone_and_a_person_has_a_product(dossier: Dossier, visitor: Client) -> None:
    EntryFactory(workspace=dossier.workspace, person_remote_id=9001, person_name="Kim Example")
    add = "/dossiers/bakery/tags/add/"
    assert "Kim Example (9001)" in visitor.get(add).content.decode()
    form = {"read": read(visitor, add), "tag": "books", "person": "Kim Example (9001)", "product": "=ADV"}
    assert visitor.post(add, form).status_code == 302
    # The same again, or a person of whom there are no hours, is refused.
    assert "The dossier maps this tag already" in visitor.post(add, form).content.decode()
    other = visitor.post(add, form | {"tag": "Other", "person": "9999"})
    assert "This workspace has no hours of such a person." in other.content.decode()
    form = {"read": read(visitor, add), "tag": "", "person": "9001", "product": "=ADV"}
    assert visitor.post(add, form).status_code == 302
    assert visitor.post(add, form | {"product": "-"}).status_code == 422
    rows = TagMapping.objects.order_by("pk").values_list("tag", "person_remote_id", "product_reference")
    assert list(rows)[1:] == [("books", 9001, "ADV"), ("", 9001, "ADV")]
    assert text(visitor, "/dossiers/bakery/tags/").count("for Kim Example alone") == 2
    # It is changed and removed beside that of everybody, which stays as it is.
    row = TagMapping.objects.get(tag="books")
    path = f"/dossiers/bakery/tags/{row.pk}/"
    form = {"read": read(visitor, path), "was": "books", "was_person": "9001", "tag": "books", "person": "9001"}
    assert visitor.post(path, form | {"product": "=BKH"}).status_code == 302
    row.refresh_from_db()
    assert row.product_reference == "BKH"
    page = visitor.get("/dossiers/bakery/tags/").content.decode()
    place = inputs(page, "was").index("books")
    remove = {name: inputs(page, name)[place] for name in ("was", "was_person")}
    remove["read"] = inputs(page, "read")[place - len(inputs(page, "was"))]
    assert visitor.post(f"{path}remove/", remove).status_code == 302
    left = TagMapping.objects.order_by("pk").values_list("tag", "person_remote_id")
    assert list(left) == [("Books", None), ("", 9001)]


# --- clients ----------------------------------------------------------------------------------------------------------


def test_a_client_is_given_the_customer_that_was_guessed(dossier: Dossier, visitor: Client) -> None:
    page = visitor.get("/dossiers/bakery/clients/").content.decode()
    assert inputs(page, f"customer-{LYS}") == ["Garage Lys SRL (88001)"]
    form = {"read": inputs(page, "read")[0], "client": [str(LYS)], f"customer-{LYS}": "Garage Lys SRL (88001)"}
    answer = visitor.post("/dossiers/bakery/clients/map/", form, follow=True)
    assert "1 client is mapped." in answer.content.decode()
    row = ClientMapping.objects.get(client_remote_id=LYS)
    assert (row.customer_party_id, row.number) == (88_001, "")
    assert [data["new"]["customer"] for _, _, data in events(dossier.firm)] == [88_001]


def test_a_number_is_read_as_people_write_it_and_a_wrong_one_refused(dossier: Dossier, visitor: Client) -> None:
    path = "/dossiers/bakery/clients/"
    dotted = f"BE {NUMBER[2:6]}.{NUMBER[6:9]}.{NUMBER[9:]}"
    form = {"read": read(visitor, path), "client": [str(LYS)], f"customer-{LYS}": "Nobody SRL"}
    answer = visitor.post(f"{path}map/", form, follow=True).content.decode()
    assert "Garage Lys: Nothing known is called “Nobody SRL”" in answer
    assert not ClientMapping.objects.filter(client_remote_id=LYS).exists()
    visitor.post(f"{path}map/", form | {f"customer-{LYS}": dotted})
    assert ClientMapping.objects.get(client_remote_id=LYS).number == NUMBER


def test_treatment_and_references_are_changed_and_the_mapping_removed(dossier: Dossier, visitor: Client) -> None:
    path = f"/dossiers/bakery/clients/{KADE}/"
    row = ClientMapping.objects.get(client_remote_id=KADE)
    form = {
        "read": read(visitor, path),
        "customer": row.number,
        "treatment": "reverse_charge",
        "purchase_order": "PO 8",
        "buyer_reference": "Dept. 7",
    }
    assert visitor.post(path, form).status_code == 302
    row.refresh_from_db()
    assert (row.treatment, row.purchase_order, row.buyer_reference) == ("reverse_charge", "PO 8", "Dept. 7")
    assert visitor.post(path, form).status_code == 409
    page = visitor.get("/dossiers/bakery/clients/").content.decode()
    assert visitor.post(f"{path}remove/", {"read": inputs(page, "read")[-1]}).status_code == 302
    assert not ClientMapping.objects.filter(client_remote_id=KADE).exists()


def test_references_alone_leave_the_number_that_was_read_in_the_name(dossier: Dossier, visitor: Client) -> None:
    ClientMapping.objects.filter(client_remote_id=KADE).update(number=NUMBER, is_proposed=True)
    path = f"/dossiers/bakery/clients/{KADE}/"
    form = {"read": read(visitor, path), "customer": NUMBER, "purchase_order": "PO 9"}
    visitor.post(path, form)
    row = ClientMapping.objects.get(client_remote_id=KADE)
    assert (row.purchase_order, row.number, row.is_proposed) == ("PO 9", NUMBER, True)


# --- real hours -------------------------------------------------------------------------------------------------------


def test_hours_are_judged_in_the_request(scene: Callable[..., Scene]) -> None:
    books = scene(
        entries=[entry(1, tag="Advise"), entry(2, tag="Advise", project_id=699)],
        clients=[client(GARAGE, "Garage Vonk"), client(599, "Nobody")],
        projects=[project(601, "Garage", GARAGE), project(699, "Other", 599)],
    )
    Firm.objects.filter(pk=books.firm.pk).update(language="en")
    visitor, path = signed_in(books.firm), f"/dossiers/{books.dossier.key}"
    assert set(books.states().values()) == {"attention"}
    page = visitor.get(f"{path}/clients/").content.decode()
    assert inputs(page, f"customer-{GARAGE}") == ["Garage Vonk SRL (80011)"]
    assert inputs(page, "customer-599") == [""]
    form = {"read": inputs(page, "read")[0], "client": [str(GARAGE), "599"], "customer-599": ""}
    visitor.post(f"{path}/clients/map/", form | {f"customer-{GARAGE}": "Garage Vonk SRL (80011)"})
    page = visitor.get(f"{path}/tags/").content.decode()
    form = {"read": inputs(page, "read")[0], "tag-0": "Advise", "product-0": "=ADV"}
    visitor.post(f"{path}/tags/map/", form)
    rows = LedgerRow.objects.order_by("entry__remote_id").values_list("state", "reason", "price")
    assert list(rows) == [("open", "", Decimal("95.000000")), ("attention", "no_vat", Decimal("95.000000"))]


# --- the firm ---------------------------------------------------------------------------------------------------------


def test_the_firm_gets_another_zone_and_name(dossier: Dossier, visitor: Client) -> None:
    form = {"read": read(visitor, "/firm/"), "name": "Another", "timezone": "Europe/Paris", "language": "nl"}
    assert visitor.post("/firm/", form).status_code == 302
    firm = Firm.objects.get(pk=dossier.firm_id)
    assert (firm.name, firm.timezone, firm.language) == ("Another", "Europe/Paris", "nl")
    assert [kind for kind, _, _ in events(firm)] == ["rule_changed"]
    assert visitor.post("/firm/", form).status_code == 409
    assert visitor.post("/firm/", form | {"timezone": "Europe/Nowhere"}).status_code == 422


# --- rights -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "may_configure", "may_map"),
    [("manager", True, True), ("bookkeeper", False, True), ("viewer", False, False)],
)
def test_pages_are_for_who_has_the_right(role: str, may_configure: bool, may_map: bool, dossier: Dossier) -> None:
    visitor = signed_in(dossier.firm, role)
    assert visitor.get("/dossiers/bakery/rules/").status_code == (200 if may_configure else 403)
    assert visitor.get("/dossiers/bakery/tags/add/").status_code == (200 if may_map else 403)
    assert visitor.get("/firm/").status_code == 403
    for path in ("tags", "clients"):
        page = visitor.get(f"/dossiers/bakery/{path}/")
        assert page.status_code == 200
        assert ("/remove/" in page.content.decode()) is may_map


def test_a_restricted_member_is_offered_nothing_of_other_dossiers(dossier: Dossier) -> None:
    row = MembershipFactory(firm=dossier.firm, role="bookkeeper", is_restricted=True)
    MembershipDossierFactory(membership=row, dossier=dossier)
    DossierFactory(firm=dossier.firm, workspace=dossier.workspace, company=dossier.company, key="second")
    visitor = browser_of(row.user, dossier.firm)
    # Names of clients and customers that the two dossiers share are hidden.
    page = text(visitor, "/dossiers/bakery/clients/")
    assert ("Garage Lys" in page, "Studio Kade" in page) == (False, False)
    assert visitor.get(f"/dossiers/bakery/clients/{LYS}/").status_code == 404
    assert visitor.get("/dossiers/second/tags/").status_code == 404


def test_pages_ask_no_more_with_many_rows(
    dossier: Dossier, visitor: Client, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for number in range(60):
        ClientFactory(workspace=dossier.workspace, remote_id=900 + number, name=f"Client {number}")
    for path in ("rules", "tags", "clients"):
        with django_assert_max_num_queries(25):
            assert visitor.get(f"/dossiers/bakery/{path}/").status_code == 200
    with django_assert_max_num_queries(40):
        assert visitor.get("/setup/").status_code == 200


def test_page_and_figures_have_every_rule(dossier: Dossier, visitor: Client) -> None:
    columns = set(rules_of_dossiers.stated(dossier, clients=()).columns())
    assert set(RULES) == columns
    shown = {field.html_name for field in visitor.get("/dossiers/bakery/rules/").context["form"]}
    page = visitor.get("/dossiers/bakery/rules/").content.decode()
    assert shown == columns | {"clients"}
    assert {name for name in shown if f'name="{name}"' not in page} == set()
