"""What Billit leaves open, asked of a real account: reads only, and with `writes` a few small orders, unsent.

The orders bear the mark of this run as their ExternalProviderID and are deleted at the end; nothing is ever sent.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import quote

from integrations.clients.billit_rows import ZONE
from integrations.clients.http.answers import Answer
from integrations.clients.http.transport import ServiceError
from integrations.probing import receivers, sent_documents
from integrations.probing.asking import Asker, CannotAsk, json_of, rows_of, seen

_ORDERS = "/v1/orders"
_NOBODYS_ID = 2_000_000_000
_NEEDS_WRITES = "not asked: it takes --allow-writes"
# Questions of the second kind, with their switch; None: the sandbox has no knob for it.
WRITTEN: tuple[tuple[str, str | None], ...] = (
    ("Which idempotency header is read?", "billit_idempotency_header"),
    ("What of an ExternalProviderID that is there already?", "billit_duplicate_external_ids"),
    ("What of an OrderNumber that is there already?", "billit_duplicate_numbers"),
    ("What does a POST with the OrderID of an unsent order do?", None),
    ("Is the number of a deleted last order given again?", "billit_number_after_delete"),
    ("Does OrderStatus Draft in a POST make a draft?", "billit_posted_status"),
    ("What becomes of surplus decimals?", "billit_surplus_decimals"),
    ("How are half cents rounded?", "billit_rounding"),
    ("Are explicit nulls in a POST accepted?", "billit_nulls"),
    ("Do list rows carry ExternalProviderID?", "billit_summary_external_id"),
    ("What do list rows of orders lack?", "billit_summary_rows"),
    ("In which time zone are timestamps?", None),
    ("What of a line with a negative Quantity?", "billit_negative_quantity"),
)


def probe(
    *, url: str, key: str, party_id: int, writes: bool, now: datetime, pace: Callable[[], None] | None = None
) -> Asker:
    """All questions in turn. Raises `transport.ServiceError` when the key or the company cannot be used at all."""
    asker = Asker(service="Billit", url=url, secret=key, headers={"ApiKey": key, "PartyID": str(party_id)}, pace=pace)
    try:
        run = _Run(asker, party_id, now)
        for question in (run.ids, run.filters, run.lists, run.companies, run.sent, run.receivers):
            _one(asker, question)
        if writes:
            run.begin_writing()
            try:
                for question in (
                    run.keys,
                    run.duplicates,
                    run.updates,
                    run.amounts,
                    run.negative,
                    run.nulls,
                    run.drafts,
                ):
                    _one(asker, question)
            finally:
                run.sweep()
        else:
            for text, switch in WRITTEN:
                asker.findings.leave(text, _NEEDS_WRITES, switch=switch)
        run.never_asked()
    finally:
        asker.close()
    return asker


def _one(asker: Asker, question: Callable[[], None]) -> None:
    """One group of questions; when the service falls silent, the others are still asked."""
    try:
        question()
    except ServiceError as error:
        asker.findings.leave(question.__name__, f"not settled: {error}")


class _Run:
    def __init__(self, asker: Asker, party_id: int, now: datetime) -> None:
        self.asker, self.tell, self.leave = asker, asker.findings.tell, asker.findings.leave
        self.party_id, self.now = party_id, now.astimezone(ZONE)
        account = asker.must(asker.ask("GET", "/v1/account/accountInformation"), "the list of companies")
        self.open = [int(row["PartyID"]) for row in account.get("Companies", [])]
        if party_id not in self.open:
            raise CannotAsk(f"Billit company {party_id} is not open to this key; it opens {self.open}.")
        self.customer_id = self.made = 0

    def begin_writing(self) -> None:
        """Takes a customer that is there, since none can be deleted. Raises `CannotAsk` at the wrong time of day."""
        if time(8, 45) <= self.now.time() <= time(9, 10):
            raise CannotAsk("A company may have Billit send all unsent orders at 09:00. Run this after 09:10.")
        rows = rows_of(self.listed("/v1/parties", filter="PartyType eq 'Customer'", top="1"), member="Items")
        if not rows:
            raise CannotAsk("The company has no customer yet, and Billit deletes none. Make one by hand first.")
        self.customer_id = int(rows[0]["PartyID"])

    def listed(self, path: str, **query: str) -> Answer:
        """A list with OData parameters, written without their $."""
        asked = "&".join(f"${name}={quote(text)}" for name, text in query.items())
        return self.asker.ask("GET", f"{path}?{asked}")

    def ids(self) -> None:
        question, switch = "Which status has an id of nobody?", "billit_unknown_id_status"
        answer = self.asker.ask("GET", f"{_ORDERS}/{_NOBODYS_ID}")
        if answer.status in (401, 404):
            self.tell(question, answer.status, seen(answer), switch=switch)
        else:
            self.leave(question, seen(answer), switch=switch)

    def filters(self) -> None:
        for question, path, condition, switch in (
            (
                "May parties be filtered by VATNumber?",
                "/v1/parties",
                "VATNumber eq 'BE0000000000'",
                "billit_party_vat_filter",
            ),
            (
                "May products be filtered by Reference?",
                "/v1/products",
                "Reference eq 'tb-probe'",
                "billit_product_filter",
            ),
        ):
            answer = self.listed(path, filter=condition)
            if answer.status == 200 and not rows_of(answer, member="Items"):
                self.tell(question, "accept", "an empty list", switch=switch)
            elif answer.status == 400:
                self.tell(question, "refuse", seen(answer), switch=switch)
            else:
                # Rows for a number that nobody has: the filter was ignored.
                self.leave(question, f"{seen(answer)}; the filter may be ignored", switch=switch)

    def lists(self) -> None:
        question, switch = "Is there a NextPageLink past $top?", "billit_next_link_past_top"
        for path in ("/v1/parties", "/v1/products"):
            if len(rows_of(self.listed(path, top="2"), member="Items")) == 2:
                body = json_of(self.listed(path, top="1"))
                self.tell(question, bool(body.get("NextPageLink")), f"{path} with $top=1", switch=switch)
                return
        self.leave(question, "fewer than two parties and products", switch=switch)

    def companies(self) -> None:
        question, switch = "What of a missing PartyID with several companies?", "billit_missing_party"
        if len(self.open) < 2:
            self.leave(question, "the key opens one company only", switch=switch)
        else:
            answer = self.asker.ask("GET", "/v1/products?$top=1", headers={"PartyID": None})
            found = {200: "first", 401: "refuse", 400: "refuse"}.get(answer.status)
            self.tell(question, found, seen(answer), switch=switch)
        question, switch = "Which ContextPartyID is accepted?", "billit_context_party"
        answer = self.asker.ask("GET", "/v1/products?$top=1", headers={"ContextPartyID": str(_NOBODYS_ID)})
        if answer.status == 200:
            self.tell(question, "ignore", "an id of nobody is accepted", switch=switch)
            return
        others = [number for number in self.open if number != self.party_id]
        for number in others:
            answer = self.asker.ask("GET", "/v1/products?$top=1", headers={"ContextPartyID": str(number)})
            if answer.status == 200:
                self.tell(question, "accountant", "another company of this user is accepted", switch=switch)
                return
        # An accountant's office might still be accepted, where this user had one.
        self.tell(question, "equal", f"{len(others)} other companies refused", switch=switch, sure=False)

    def sent(self) -> None:
        """What the documents of invoices that went out over Peppol say."""
        sent_documents.ask(self.asker, sent_documents.latest(self.asker))

    def receivers(self) -> None:
        """Billit's own test receiver at Peppol."""
        receivers.ask(self.asker)

    # --- orders that are made and taken away --------------------------------------------------------------------------

    def post(self, key: str | None = None, header: str = "Idempotency-Key", **members: Any) -> Answer:
        """One small order with the mark of this run."""
        self.made += 1
        day = self.now.date()
        body: dict[str, Any] = {
            "OrderType": "Invoice",
            "OrderDirection": "Income",
            "OrderDate": day.isoformat(),
            "ExpiryDate": (day + timedelta(days=30)).isoformat(),
            "ExternalProviderID": f"{self.asker.mark}-{self.made}",
            "OrderTitle": "toggbill probe, to be deleted",
            "CustomerID": self.customer_id,
            "OrderLines": [line()],
            **members,
        }
        return self.asker.ask("POST", _ORDERS, body, headers={header: key} if key else None)

    def read(self, answer: Answer) -> dict[str, Any]:
        """The order that a POST made, {} when it made none."""
        number = json_of(answer)
        if answer.status != 200 or not isinstance(number, int):
            return {}
        body = json_of(self.asker.ask("GET", f"{_ORDERS}/{number}"))
        return body if isinstance(body, dict) else {}

    def sweep(self) -> None:
        """Deletes every order that bears the mark of this run, whatever became of its answer."""
        low, high = f"{self.asker.mark}-", f"{self.asker.mark}."
        try:
            answer = self.listed(_ORDERS, filter=f"ExternalProviderID ge '{low}' and ExternalProviderID lt '{high}'")
        except ServiceError as error:
            self.asker.left_behind.append(f"orders with ExternalProviderID {low}*: {error}")
            return
        if answer.status != 200:
            self.asker.left_behind.append(f"orders with ExternalProviderID {low}*: {seen(answer)}")
        rows = rows_of(answer, member="Items")
        for row in sorted(rows, key=lambda row: -int(row["OrderID"])):
            self.asker.take_away(f"{_ORDERS}/{row['OrderID']}", f"order {row['OrderID']}")

    def keys(self) -> None:
        question, switch = WRITTEN[0]
        taken = []
        for header in ("Idempotency-Key", "Idempotent-Key"):
            key = f"{self.asker.mark}-{secrets.token_hex(4)}"
            first, second = self.post(key, header), self.post(key, header)
            if first.status != 200:
                self.leave(question, f"{header}: {seen(first)}", switch=switch)
                return
            if second.status == 409:
                taken.append(header)
        found = "both" if len(taken) == 2 else taken[0] if taken else "none"
        self.tell(question, found, f"answered 409: {', '.join(taken) or 'neither'}", switch=switch)

    def duplicates(self) -> None:
        question, switch = WRITTEN[1]
        again = f"{self.asker.mark}-again"
        first, second = self.post(ExternalProviderID=again), self.post(ExternalProviderID=again)
        if first.status != 200:
            self.leave(question, seen(first), switch=switch)
        elif second.status == 200:
            same = json_of(first) == json_of(second)
            self.tell(question, "update" if same else "accept", seen(second), switch=switch)
        else:
            self.tell(question, "refuse", seen(second), switch=switch)
        rows = rows_of(self.listed(_ORDERS, filter=f"ExternalProviderID eq '{again}'"), member="Items")
        if rows:
            self.tell(WRITTEN[9][0], "ExternalProviderID" in rows[0], "a row of the list", switch=WRITTEN[9][1])
            self.rows(rows[0])
        question, switch = WRITTEN[2]
        first, second = self.post(OrderNumber=again), self.post(OrderNumber=again)
        if first.status != 200:
            self.leave(question, seen(first), switch=switch)
        else:
            found = "accept" if second.status == 200 else "refuse"
            self.tell(question, found, seen(second), switch=switch)

    def rows(self, row: dict[str, Any]) -> None:
        """What the list says of an order beside what its own page says of it."""
        question, switch = WRITTEN[10]
        whole = json_of(self.asker.ask("GET", f"{_ORDERS}/{row.get('OrderID')}"))
        lacks = [name for name in ("IsSent", "Paid", "TotalExcl", "TotalVAT", "TotalIncl") if name not in row]
        if lacks:
            self.tell(question, "bare", f"without {', '.join(lacks)}", switch=switch)
        elif "VATNumber" in (row.get("CounterParty") or {}):
            self.tell(question, "full", "a row of the list", switch=switch)
        elif isinstance(whole, dict) and "VATNumber" in (whole.get("Customer") or {}):
            self.tell(question, "without_number", "the customer of the whole order has one", switch=switch)
        else:
            self.leave(question, "the customer of the order has no number", switch=switch)

    def updates(self) -> None:
        """An update by POST, the zone of the timestamps, and the number after a deletion: all from one order."""
        answer = self.post()
        order = self.read(answer)
        if not order:
            for index in (3, 4, 10):
                self.leave(WRITTEN[index][0], seen(answer), switch=WRITTEN[index][1])
            return
        number = order["OrderID"]
        second = self.post(OrderID=number, OrderTitle="toggbill probe, updated", OrderLines=[line(Quantity=2)])
        after = json_of(self.asker.ask("GET", f"{_ORDERS}/{number}")) or {}
        changed = [name for name in ("OrderTitle", "TotalExcl", "OrderNumber") if after.get(name) != order.get(name)]
        self.tell(WRITTEN[3][0], changed, seen(second))
        self._zone(str(order.get("Created", "")))
        third = self.read(self.post())
        given = third.get("OrderNumber")
        if not given:
            self.leave(WRITTEN[4][0], "an order without a number", switch=WRITTEN[4][1])
            return
        self.asker.take_away(f"{_ORDERS}/{third['OrderID']}", f"order {third['OrderID']}")
        fourth = self.read(self.post()).get("OrderNumber")
        found = "again" if fourth == given else "gap"
        self.tell(WRITTEN[4][0], found, f"{given}, then {fourth}", switch=WRITTEN[4][1])

    def _zone(self, created: str) -> None:
        try:
            moment = datetime.fromisoformat(created)
        except ValueError:
            self.leave(WRITTEN[11][0], f"Created is {created!r}")
            return
        if moment.tzinfo is not None:
            self.tell(WRITTEN[11][0], "their own", f"Created carries {moment.tzinfo}")
            return
        ahead = (moment - self.now.replace(tzinfo=None)).total_seconds() / 3600
        offset = (self.now.utcoffset() or timedelta()).total_seconds() / 3600
        found = "Europe/Brussels" if abs(ahead) < 0.5 else "UTC" if abs(ahead + offset) < 0.5 else None
        self.tell(WRITTEN[11][0], found, f"Created is {ahead:+.1f} hours from Brussels")

    def amounts(self) -> None:
        order = self.read(self.post(OrderLines=[line(Quantity=0.337, UnitPriceExcl=100)]))
        question, switch = WRITTEN[6]
        quantity = str(float(order["OrderLines"][0]["Quantity"])) if order.get("OrderLines") else ""
        found = {"0.33": "truncate", "0.34": "round"}.get(quantity)
        self.tell(question, found, f"0.337 became {quantity or 'nothing'}", switch=switch)
        # 0.50 x 0.25 = 0.125: away from zero 0.13, to the even cent 0.12.
        order = self.read(self.post(OrderLines=[line(Quantity=0.5, UnitPriceExcl=0.25)]))
        question, switch = WRITTEN[7]
        total = str(float(order["TotalExcl"])) if "TotalExcl" in order else ""
        found = {"0.13": "half_up", "0.12": "half_even"}.get(total)
        self.tell(question, found, f"0.125 became {total or 'nothing'}", switch=switch)

    def negative(self) -> None:
        """A line that takes something off, as EN 16931 wants it (BR-27): fewer, not cheaper."""
        question, switch = WRITTEN[12]
        answer = self.post(OrderLines=[line(Quantity=2), line(Quantity=-1)])
        total = str(float(self.read(answer).get("TotalExcl", 0)))
        found = "accept" if total == "1.0" else "refuse" if answer.status == 400 else None
        self.tell(question, found, f"{seen(answer)}, 2 - 1 became {total}", switch=switch)

    def nulls(self) -> None:
        question, switch = WRITTEN[8]
        answer = self.post(Comments=None)
        found = "accept" if answer.status == 200 else "refuse" if answer.status == 400 else None
        self.tell(question, found, seen(answer), switch=switch)

    def drafts(self) -> None:
        question, switch = WRITTEN[5]
        answer = self.post(OrderStatus="Draft")
        status = self.read(answer).get("OrderStatus")
        found = None if status is None else "honour" if status == "Draft" else "ignore"
        self.tell(question, found, f"{seen(answer)}, {status}", switch=switch)

    def never_asked(self) -> None:
        for question, why, switch in (
            (
                "How long and within what is a key used up?",
                "it takes days, and several companies",
                "billit_idempotency_scope",
            ),
            ("What does deleting a sent order answer?", "nothing is ever sent", "billit_sent_delete_code"),
            ("What of one id of several that cannot be sent?", "nothing is ever sent", "billit_send_partial"),
            (
                "Is it told that a company may not send yet?",
                "it takes a company that is not verified",
                "billit_unverified_told",
            ),
            ("What of VAT of a small enterprise?", "it takes such a company", "billit_small_enterprise"),
            ("Is a send refused by the official rules?", "nothing is ever sent", "billit_peppol_rules"),
            ("What does a used refresh token answer?", "it would end the connection", "billit_refresh_reuse_status"),
            (
                "When is a failed webhook called again?",
                "it takes a receiver that Billit can reach",
                "billit_webhook_retries",
            ),
            ("How many requests a second are allowed?", "it would disturb others", "billit_per_second"),
        ):
            self.leave(question, f"not asked: {why}", switch=switch)


def line(**members: Any) -> dict[str, Any]:
    """One line of one euro."""
    row: dict[str, Any] = {
        "Quantity": 1,
        "UnitPriceExcl": 1,
        "Description": "Probe",
        "VATPercentage": 21,
        "Unit": "HUR",
    }
    return row | members
