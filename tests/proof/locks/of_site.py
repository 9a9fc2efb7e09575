"""Transactions of firms, members, sign-in, connections and the mirror."""

from __future__ import annotations

from datetime import timedelta

from integrations.clients.billit_sign_in import Pair
from integrations.mirror.writing import Changes
from tests.factories import NOW
from tests.proof.locks import answers
from tests.proof.locks.told import BY, Make, by
from tests.proof.locks.world import TODAY
from toggbill.firms.audit import News

_MEMBERS = "toggbill.firms.membership"
_ADDRESSES = "toggbill.firms.identity.addresses"
_CONNECTIONS = "integrations.connections"
_MIRROR = "integrations.mirror.writing"
PAIR = Pair("a" * 32, "r" * 32, 3600)

SITE: dict[str, Make] = {
    "toggbill.firms.audit.chain.record": by(lambda w: {"firm": w.one("firm"), "news": [News("run", "dossier x", {})]}),
    f"{_MEMBERS}.members.change_role": by(lambda w: {"membership": w.one("viewer"), "role": "manager"}),
    f"{_MEMBERS}.members.restrict": by(lambda w: {"membership": w.one("viewer"), "dossiers": w.all("dossiers")}),
    f"{_MEMBERS}.members.change_reach": by(
        lambda w: {"membership": w.one("viewer"), "role": "bookkeeper", "dossiers": w.all("dossiers")}
    ),
    f"{_MEMBERS}.members.want_heads": by(lambda w: {"membership": w.one("owner"), "wanted": True}),
    f"{_MEMBERS}.members.choose_mails": by(lambda w: {"membership": w.one("owner"), "wanted": ["week"]}),
    f"{_MEMBERS}.members.remove": by(lambda w: {"membership": w.one("owner")}),
    f"{_MEMBERS}.members.require_mfa": by(lambda w: {"firm": w.one("firm"), "wanted": True}),
    f"{_MEMBERS}.invitations.add_member": by(
        lambda w: {"firm": w.one("firm"), "email": w.one("guest").email, "role": "manager"}
    ),
    f"{_MEMBERS}.invitations.invite": by(
        lambda w: {"firm": w.one("firm"), "email": "new@example.com", "role": "manager"}
    ),
    f"{_MEMBERS}.invitations.renew": by(lambda w: {"invitation": w.one("guest's invitation")}),
    f"{_MEMBERS}.invitations.revoke": by(lambda w: {"invitation": w.one("guest's invitation")}),
    f"{_MEMBERS}.invitations.accept": lambda w: {
        "invitation": w.one("guest's invitation"),
        "user": w.one("guest"),
        "origin": "web",
        "now": NOW,
    },
    f"{_MEMBERS}.invitations.accept_as_new": lambda w: {
        "invitation": w.one("newcomer's invitation"),
        "name": "New",
        "password": "p" * 20,
        "origin": "web",
        "now": NOW,
    },
    f"{_MEMBERS}.lost_step.reset_by_owner": by(lambda w: {"membership": w.one("lost"), "owner": w.one("owner").user}),
    f"{_MEMBERS}.lost_step.reset_by_operator": by(lambda w: {"user": w.one("busy")}),
    f"{_MEMBERS}.signup.forget_unproven_accounts": lambda w: {"now": NOW},
    f"{_MEMBERS}.signup.open_asked_firm": lambda w: {
        "user": w.one("asking"),
        "language": "fr",
        "origin": "web",
        "now": NOW,
    },
    f"{_MEMBERS}.signup.open_firm": by(lambda w: {"name": "Another", "language": "fr", "owner": w.one("viewer").user}),
    f"{_ADDRESSES}.change_address": by(lambda w: {"user": w.one("busy"), "email": "given@example.com"}),
    f"{_ADDRESSES}.address_changed": by(lambda w: {"user": w.one("busy"), "old": w.one("busy").email}),
    f"{_ADDRESSES}.tell_firms": by(
        lambda w: {"user": w.one("busy"), "news": News("member_codes_made", "member x", {})}
    ),
    "toggbill.firms.accounts.bad_tries.record_lock": by(lambda w: {"member": w.one("viewer")}),
    "toggbill.firms.admin.looks.record_look": by(lambda w: {"operator": w.one("guest"), "shown": [w.one("firm")]}),
    "toggbill.firms.changes.change_firm": by(lambda w: {"firm": w.one("firm"), "values": {"name": "Other"}}),
    "toggbill.firms.changes.change_firm_as_read": by(lambda w: {"firm": w.one("firm"), "values": {"name": "Other"}}),
    "toggbill.leaving.closing.close": by(lambda w: {"firm": w.one("firm")}),
    f"{_CONNECTIONS}.credentials.connect_toggl": by(
        lambda w: {
            "firm": w.one("firm"),
            "key": w.one("read").key,
            "token": "t" * 32,
            "accept_partial": True,
            "access": answers.toggl_access(w),
        }
    ),
    f"{_CONNECTIONS}.credentials.connect_billit": by(
        lambda w: {"firm": w.one("firm"), "key": "new", "api_key": "k" * 32}
    ),
    f"{_CONNECTIONS}.credentials.connect_billit_signed_in": by(
        lambda w: {
            "firm": w.one("firm"),
            "key": w.one("signed in").key,
            "pair": PAIR,
            "access": answers.billit_access(w),
        }
    ),
    f"{_CONNECTIONS}.credentials.accept_partial": by(lambda w: {"connection": w.one("read"), "accepted": True}),
    f"{_CONNECTIONS}.credentials.pause": by(lambda w: {"connection": w.one("read")}),
    f"{_CONNECTIONS}.credentials.resume": by(lambda w: {"connection": w.one("paused")}),
    f"{_CONNECTIONS}.credentials.check_read": lambda w: {"connection": w.one("read"), "by": BY, "read": None},
    f"{_CONNECTIONS}.credentials.remove": by(lambda w: {"connection": w.one("read")}),
    f"{_CONNECTIONS}.choosing.choose workspaces": by(
        lambda w: {
            "connection": w.one("read"),
            "access": answers.toggl_access(w),
            "ids": list(answers.toggl_access(w).workspaces),
        }
    ),
    f"{_CONNECTIONS}.choosing.choose companies": by(
        lambda w: {
            "connection": w.one("signed in"),
            "access": answers.billit_access(w),
            "ids": [w.one("companies").party_id],
        }
    ),
    f"{_CONNECTIONS}.choosing.note_company": by(
        lambda w: {
            "company": w.one("companies"),
            "found": answers.billit_access(w).companies[w.one("companies").party_id],
        }
    ),
    f"{_CONNECTIONS}.tokens._claimed": lambda w: {"connection": w.one("signed in"), "now": NOW},
    f"{_CONNECTIONS}.tokens._renew": lambda w: {"claimed": w.one("signed in"), "now": NOW},
    f"{_CONNECTIONS}.pacing.quota._reserve": lambda w: {"connection": w.one("read"), "distance": timedelta(seconds=1)},
    f"{_CONNECTIONS}.pacing.quota.note": lambda w: {
        "connection": w.one("read"),
        "organization_id": 0,
        "remaining": 2,
        "resets_in": 60,
        "now": NOW,
    },
    f"{_CONNECTIONS}.webhook_addresses.close_for": by(lambda w: {"target": w.one("workspaces")}),
    "integrations.mirror.own_tags.take_over": lambda w: {"workspace": w.one("workspaces"), "tag": "Advice"},
    f"{_MIRROR}.entries": lambda w: {
        "workspace": w.one("workspaces"),
        "read": answers.page(w),
        "changes": Changes(),
        "now": NOW,
    },
    f"{_MIRROR}.delete_entries": lambda w: {
        "rows": [*w.ids("marked"), *w.ids("open")],
        "changes": Changes(),
        "now": NOW,
    },
    f"{_MIRROR}.clients": answers.clients,
    f"{_MIRROR}.projects": answers.projects,
    f"{_MIRROR}.settle_projects": lambda w: {"workspace": w.one("workspaces")},
    f"{_MIRROR}.settle_clients": lambda w: {"workspace": w.one("workspaces")},
    f"{_MIRROR}.products": answers.products,
    f"{_MIRROR}.customers": answers.customers,
    "integrations.mirror.prices.correct_day": by(
        lambda w: {"price": w.one("prices"), "since": TODAY - timedelta(days=3)}
    ),
}
