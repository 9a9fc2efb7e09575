"""What was read, who may decide, and how much one request does and shows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from integrations.models import Entry
from invoicing.attention import causes
from invoicing.ledger.states import derive
from invoicing.models import Dossier, LedgerRow, TagMapping
from tests.factories import (
    NOW,
    FirmFactory,
    LedgerRowFactory,
)
from tests.invoicing.web.attention.deciding import answer, states, waiting, worked
from tests.visitors import alerts, inputs, signed_in, text
from toggbill.firms.models import Firm

pytestmark = pytest.mark.django_db

# --- what was read, who may -------------------------------------------------------------------------------------------


def test_hours_that_came_meanwhile_are_shown_before_anything_is_done(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "Advise", count=2)
    before = waiting()
    worked(dossier, "Advise", started_at=NOW - timedelta(days=30), seconds=1800)
    client = signed_in(firm)
    path = f"/dossiers/bakery/attention/{before.name}/product/"
    sent = {"read": before.read, "tag": "Advise", "product": "ADV"}
    said = client.post(path, sent)
    assert said.status_code == 409
    page = " ".join(said.content.decode().split())
    assert "<td>2</td> <td>3</td>" in page
    assert "<td>2:00:00</td> <td>2:30:00</td>" in page
    assert not TagMapping.objects.exists()
    again = {name: inputs(said.content.decode(), name)[0] for name in ("read", "tag", "product")}
    assert client.post(path, again, follow=True).status_code == 200
    assert states() == {"open": 3}
    assert client.post(path, {"tag": "Advise", "product": "ADV"}, follow=True).status_code == 200


def test_a_form_that_does_not_say_what_it_showed_does_nothing(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "Advise")
    path = f"/dossiers/bakery/attention/{waiting().name}/"
    client = signed_in(firm)
    assert client.post(f"{path}product/", {"tag": "Advise", "product": "ADV"}).status_code == 400
    assert signed_in(firm, "viewer").post(f"{path}product/", {}).status_code == 403
    assert signed_in(FirmFactory()).get(path).status_code == 404
    assert states() == {"attention": 1}


def test_a_decision_that_waits_no_more_leads_back_to_the_list(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "Advise")
    page = f"/dossiers/bakery/attention/{waiting().name}/"
    client = signed_in(firm)
    assert client.get(page).status_code == 200
    LedgerRow.objects.all().delete()
    gone = client.get(page, follow=True)
    assert gone.redirect_chain == [("/f/ours/attention/?dossier=bakery", 302)]
    assert alerts(gone.content.decode()) == "info: Nothing of these hours waits for a decision any more."


def test_viewer_reads_and_is_offered_nothing(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "Advise")
    client = signed_in(firm, "viewer")
    for page in ("/attention/", f"/dossiers/bakery/attention/{waiting().name}/"):
        html = client.get(page).content.decode()
        assert "“Advise”" in html
        assert "/product/" not in html
        assert "/hold/" not in html


# --- in the request, and bounded --------------------------------------------------------------------------------------


def test_what_is_too_much_for_a_request_is_judged_by_a_worker(
    firm: Firm,
    dossier: Dossier,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    monkeypatch.setattr("invoicing.attention.decide.AT_ONCE", 2)
    worked(dossier, "Advise", count=3)
    client = signed_in(firm)
    with django_capture_on_commit_callbacks() as callbacks:
        said = answer(client, "product", tag="Advise", product="ADV")
    assert said == "success: 2.00 h solved, € 186.00 now open. | info: 1 more entry is judged in a moment."
    assert len(callbacks) >= 1
    assert states() == {"open": 2, "attention": 1}
    assert Entry.objects.marked().count() == 1
    derive.derive_marked(now=NOW)
    assert states() == {"open": 3}
    worked(dossier, "Travel", count=3, description="Same")
    assert "more than 2 entries" in answer(client, "hold", reason="Why")


def test_value_at_stake_is_known_or_at_the_usual_price(firm: Firm, dossier: Dossier) -> None:
    worked(dossier, "Advise", count=2)
    assert (waiting().value, waiting().is_estimate) == (None, True)
    worked(dossier, "ADV", started_at=NOW - timedelta(days=40), seconds=3 * 3600)
    worked(dossier, "BKH", started_at=NOW - timedelta(days=41))
    assert (waiting().usual, waiting().value) == (Decimal("88.50"), Decimal("177.00"))
    assert "about € 177.00" in text(signed_in(firm), "/attention/")
    LedgerRow.objects.filter(reason="unknown_tag").delete()
    LedgerRowFactory(dossier=dossier, reason="no_vat", price=Decimal("93.00"), duration=5400)
    assert (waiting().value, waiting().is_estimate) == (Decimal("139.50"), False)


def test_tags_in_another_order_are_the_same_cause(dossier: Dossier) -> None:
    LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=["A", "b"])
    LedgerRowFactory(dossier=dossier, reason="unknown_tag", tags=["b", "A"])
    found = waiting()
    assert (found.text, found.entries, found.rows.count()) == ("A, b", 2, 2)
    assert len(causes.examples([found])[found.name]) == 2
