"""One person with two firms."""

from __future__ import annotations

import pytest

from tests.factories import (
    DossierFactory,
    FirmFactory,
    MembershipFactory,
    UserFactory,
)
from tests.furniture import furnish
from tests.toggbill.firms.requests.tabs import Two, an_hour_to_draft
from tests.visitors import Tab, browser_of


@pytest.fixture
def two() -> Two:
    user = UserFactory(email="both@example.com", is_staff=True)
    tabs = []
    for slug in ("ours", "theirs"):
        firm = FirmFactory(slug=slug, name=slug.capitalize())
        furnish(firm, slug)
        # Short names are a firm's own, so that both have this one.
        row = DossierFactory(firm=firm, key="bakery", name=f"{slug}-bakery", workspace__connection__key="main")
        an_hour_to_draft(row)
        MembershipFactory(firm=firm, user=user)
        tabs.append(browser_of(user, firm))
    ours, theirs = tabs
    assert isinstance(ours, Tab)
    assert isinstance(theirs, Tab)
    theirs.cookies = ours.cookies
    return Two(ours, theirs)
