"""What Billit says: companies, products, customers and orders of one company, over its REST API.

Reads raise `RetryLater` when they fail for now; the three writes (`create_order`, `send_order`, `delete_order`) are
sent once and raise `NoAnswer` when their outcome is unknown. What an order looks like stands in `billit_orders`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal, NoReturn, TypeVar
from urllib.parse import quote, urlencode, urljoin, urlsplit
from zoneinfo import ZoneInfo

from integrations.clients import billit_rows
from integrations.clients.billit_orders import (
    Address,
    File,
    LineDiscount,
    NewCustomer,
    Order,
    OrderLine,
    encode,
    order_body,
    recorded,
)
from integrations.clients.billit_rows import (
    Account,
    Company,
    Customer,
    DeliveryDetails,
    FoundCompany,
    OrderSummary,
    Participant,
    Product,
    WholeOrder,
)
from integrations.clients.billit_sign_in import ApiKey, Bearer, Credential
from integrations.clients.billit_transport import transport_of
from integrations.clients.http.answers import Answer, Row, Unreadable
from integrations.clients.http.failures import Asked, Detail, Message, Purpose
from integrations.clients.http.transport import TIMEOUT, Refused, Transport

__all__ = [
    "Account",
    "Address",
    "Api",
    "ApiKey",
    "Bearer",
    "Company",
    "Credential",
    "Customer",
    "DeliveryDetails",
    "File",
    "FoundCompany",
    "LineDiscount",
    "NewCustomer",
    "Order",
    "OrderLine",
    "OrderSummary",
    "Participant",
    "Product",
    "WholeOrder",
    "account",
    "encode",
    "order_body",
    "recorded",
]

REFERENCES_AT_ONCE = 20
"""In one filter: a query of 2048 characters is the most that Microsoft's web server takes unless it is told otherwise,
and 100 nodes the most of its OData library; a reference has 79 of the ones and four of the others."""

Found = TypeVar("Found")
_BRUSSELS = ZoneInfo("Europe/Brussels")


def account(
    *,
    url: str,
    credential: Credential,
    pace: Callable[[], None] | None = None,
    timeout: tuple[float, float] = TIMEOUT,
) -> Account:
    """The user behind the credential and all companies that it opens. Billit docs: account/accountInformation."""
    purpose = Message(Asked.COMPANIES)
    transport = transport_of(url=url, credential=credential, headers=credential.headers, pace=pace, timeout=timeout)
    try:
        answer = transport.send("GET", "/v1/account/accountInformation", purpose=purpose)
        return billit_rows.account(Row(transport.read(answer, purpose=purpose), what="account"))
    except Unreadable as error:
        raise transport.nonsense(purpose, error.detail) from error
    finally:
        transport.close()


class Api:
    """One company at Billit.

    `party_id` goes with every call: without it Billit takes the user's first company, so another firm's books.
    ContextPartyID is never sent: its meaning for accountants is unsettled.
    """

    def __init__(
        self,
        *,
        url: str,
        credential: Credential,
        party_id: int,
        pace: Callable[[], None] | None = None,
        expired: Callable[[], None] | None = None,
        timeout: tuple[float, float] = TIMEOUT,
    ) -> None:
        """`expired` is told when Billit says that the access token is past its time; the call is then `RetryLater`."""
        self._credential, self._party_id = credential, party_id
        self._transport = transport_of(
            url=url,
            credential=credential,
            headers={**credential.headers, "PartyID": str(party_id)},
            pace=pace,
            expired=expired,
            timeout=timeout,
        )

    @property
    def calls(self) -> int:
        """Requests sent so far, repeated ones included."""
        return self._transport.calls

    @property
    def transport(self) -> Transport:
        """What further calls with the same credential go through (`subscriptions`)."""
        return self._transport

    def close(self) -> None:
        """Closes the connections that are kept open."""
        self._transport.close()

    def products(self) -> Iterator[Product]:
        """All products of the company. Billit docs: products."""
        return self._rows("/v1/products", {}, Message(Asked.PRODUCTS), "ProductID", billit_rows.product)

    def customers(self) -> Iterator[Customer]:
        """All customers of the company. Billit docs: odata (parties)."""
        return self._customers({"$filter": "PartyType eq 'Customer'"}, Message(Asked.CUSTOMERS))

    def find_customers(self, number: str) -> list[Customer]:
        """Customers that may have this number; the caller compares, for the search is loose.

        The filter by VATNumber is in use but not documented: when Billit refuses it, its full
        text search answers. ValueError for a number with other characters than letters, digits, `.`, `_`, `-`.
        """
        purpose = Message(Asked.CUSTOMERS_BY_NUMBER, {"number": number})
        literal = _literal(number)
        try:
            return list(self._customers({"$filter": f"PartyType eq 'Customer' and VATNumber eq {literal}"}, purpose))
        except Refused:
            return list(self._customers({"fullTextSearch": number, "$filter": "PartyType eq 'Customer'"}, purpose))

    def search_companies(self, keywords: str) -> list[FoundCompany]:
        """Companies of the public registers by name or number. Billit docs: misc/companysearch."""
        # The words stand in the path, where a slash or dots alone would lead to another page.
        words = " ".join(word for word in re.split(r"[\s/\\]+", keywords) if word.strip("."))
        if not words:
            return []
        purpose = Message(Asked.COMPANY_SEARCH, {"words": words})
        body = self._get("/v1/misc/companysearch/" + quote(words, safe=""), purpose)
        try:
            rows = [] if body is None else Row(body, what="search").rows("Items")
            return [billit_rows.found_company(row) for row in rows]
        except Unreadable as error:
            self._unreadable(purpose, error)

    def participant(self, number: str) -> Participant:
        """What a receiver takes over Peppol; asked without the credential. ``number``: a VAT or enterprise number, or
        `scheme:id` such as `0208:0563846944`.

        Billit docs: how-do-i-know-who-is-a-peppol-receiver.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9:._-]*", number):
            raise ValueError(f"{number!r} is not a number to look up at Peppol")
        purpose = Message(Asked.PEPPOL, {"number": number})
        anonymous = dict.fromkeys(self._credential.headers)
        answer = self._transport.send(
            "GET", "/v1/peppol/participantInformation/" + quote(number, safe=":"), purpose=purpose, headers=anonymous
        )
        try:
            return billit_rows.participant(Row(self._transport.read(answer, purpose=purpose), what="registration"))
        except Unreadable as error:
            self._unreadable(purpose, error)

    def company(self) -> Company | None:
        """The company itself as its account shows it; None when it is not among those. Billit docs: account."""
        purpose = Message(Asked.COMPANIES)
        body = self._get("/v1/account/accountInformation", purpose)
        try:
            found = billit_rows.account(Row(body, what="account")).companies
        except Unreadable as error:
            self._unreadable(purpose, error)
        return next((each for each in found if each.party_id == self._party_id), None)

    def order(self, order_id: int) -> OrderSummary:
        """One order. A foreign or wrong id is `Refused` with status 401. Billit docs: retrieve-invoice-information."""
        return self._order(order_id, billit_rows.order)

    def whole_order(self, order_id: int) -> WholeOrder:
        """One order with its lines, whoever made it. Raises as `order`."""
        return self._order(order_id, billit_rows.whole_order)

    def _order(self, order_id: int, read: Callable[[Row], Found]) -> Found:
        purpose = Message(Asked.ORDER, {"order": order_id})
        body = self._get(f"/v1/orders/{order_id}", purpose)
        try:
            return read(Row(body, what="order"))
        except Unreadable as error:
            self._unreadable(purpose, error)

    def find_orders(self, external_id: str) -> list[OrderSummary]:
        """Orders with our reference, found by the filter; the rows may lack the field. Billit docs: odata."""
        return self._with_reference("/v1/orders", external_id)

    def find_deleted_orders(self, external_id: str) -> list[OrderSummary]:
        """Deleted orders with our reference. Billit docs: orders/deleted."""
        return self._with_reference("/v1/orders/deleted", external_id)

    def orders_with(self, external_ids: Sequence[str], *, deleted: bool = False) -> list[OrderSummary]:
        """Orders, or deleted ones, with any of these references; the rows may lack the field. Billit docs: odata (or).

        At most ``REFERENCES_AT_ONCE``; ValueError for more.
        """
        if not 0 < len(external_ids) <= REFERENCES_AT_ONCE:
            raise ValueError(f"{len(external_ids)} references in one filter")
        condition = " or ".join(f"ExternalProviderID eq {_literal(each)}" for each in external_ids)
        return list(self._orders("/v1/orders/deleted" if deleted else "/v1/orders", condition))

    def orders_between(self, first_id: int, last_id: int) -> list[OrderSummary]:
        """Orders by id, both ends included, made by anybody. Billit docs: odata."""
        return list(self._orders("/v1/orders", f"OrderID ge {first_id} and OrderID le {last_id}"))

    def orders_by_id(self, ids: Sequence[int], *, deleted: bool = False) -> list[OrderSummary]:
        """Orders, or deleted ones, with any of these ids. At most ``REFERENCES_AT_ONCE``; ValueError for more."""
        if not 0 < len(ids) <= REFERENCES_AT_ONCE:
            raise ValueError(f"{len(ids)} ids in one filter")
        condition = " or ".join(f"OrderID eq {each:d}" for each in ids)
        return list(self._orders("/v1/orders/deleted" if deleted else "/v1/orders", condition))

    def orders_to(self, party_id: int, kind: Literal["Invoice", "CreditNote"], *, since: date) -> list[OrderSummary]:
        """The invoices to a customer, or credit notes, from a day on, whoever made them; rows may lack fields.

        Billit docs: odata.
        """
        condition = f"CounterParty/PartyID eq {party_id:d} and OrderDirection eq 'Income' and OrderType eq '{kind}'"
        return list(self._orders("/v1/orders", f"{condition} and OrderDate ge DateTime'{since:%Y-%m-%d}'"))

    def orders_with_prefix(
        self, prefix: str, *, dated: tuple[date, date] | None = None, changed_since: datetime | None = None
    ) -> list[OrderSummary]:
        """Orders whose reference begins with `prefix`, as far as the rows tell: all, those with a day from the first to
        before the second of `dated`, or those that changed since a moment (Billit's time stamps are Brussels time).

        There is no documented startswith: the range from the prefix to its successor holds the same rows. A row
        without the field is kept, one with another reference is not, in case Billit sorts otherwise than by code.
        """
        successor = prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else ""
        condition = f"ExternalProviderID ge {_literal(prefix)} and ExternalProviderID lt {_literal(successor)}"
        if dated is not None:
            first, end = dated
            condition += f" and OrderDate ge DateTime'{first:%Y-%m-%d}' and OrderDate lt DateTime'{end:%Y-%m-%d}'"
        if changed_since is not None:
            condition += f" and LastModified ge DateTime'{changed_since.astimezone(_BRUSSELS):%Y-%m-%dT%H:%M:%S}'"
        found = self._orders("/v1/orders", condition)
        return [order for order in found if not order.external_id or order.external_id.startswith(prefix)]

    def create_order(self, order: Order, *, key: str, leaving: Callable[[], None] | None = None) -> int:
        """Creates the order and gives its OrderID. Never repeated here. Billit docs: create-first-invoice.

        `NoAnswer` with status 409 means that the key was used before (idempotent-tokens). `leaving`, here and in the
        other two writes: see `Transport.send`.
        """
        purpose, body = Message(Asked.NEW_ORDER, {"order": order.external_id}), encode(order_body(order))
        answer = self._transport.send(
            "POST", "/v1/orders", purpose=purpose, body=body, headers=_keys(key), leaving=leaving
        )
        order_id = billit_rows.new_order(answer)
        if order_id is None:
            raise self._transport.unclear(purpose, Message(Detail.NO_ORDER_ID), status=answer.status)
        return order_id

    def send_order(
        self,
        order_id: int,
        *,
        transport: Literal["Peppol", "SMTP"],
        key: str,
        leaving: Callable[[], None] | None = None,
    ) -> None:
        """Has Billit deliver the order by this way and no other; accepted is not yet delivered.

        Billit docs: sending-your-first-invoice, header-values (StrictTransportType).
        """
        purpose = Message(Asked.SENDING, {"order": order_id})
        body = encode({"TransportType": transport, "OrderIDs": [order_id]})
        headers = {**_keys(key), "StrictTransportType": "true"}
        answer = self._transport.send(
            "POST", "/v1/orders/commands/send", purpose=purpose, body=body, headers=headers, leaving=leaving
        )
        self._done(answer, purpose)

    def delete_order(self, order_id: int, *, leaving: Callable[[], None] | None = None) -> None:
        """Deletes an order that is not sent yet; its key stays used. Billit docs: get-and-delete."""
        purpose = Message(Asked.DELETION, {"order": order_id})
        answer = self._transport.send("DELETE", f"/v1/orders/{order_id}", purpose=purpose, leaving=leaving)
        self._done(answer, purpose)

    def _done(self, answer: Answer, purpose: Purpose) -> None:
        """A write is acknowledged by an empty body or `true`; a page, an error list or `false` acknowledges nothing."""
        if not answer.content.strip():
            return
        try:
            if answer.json() is True:
                return
        except ValueError:
            pass
        raise self._transport.unclear(
            purpose, Message(Detail.NO_CONFIRMATION), status=answer.status, code=answer.said()[0]
        )

    def _customers(self, query: Mapping[str, str], purpose: Purpose) -> Iterator[Customer]:
        for customer in self._rows("/v1/parties", query, purpose, "PartyID", billit_rows.customer):
            if customer is not None:
                yield customer

    def _with_reference(self, path: str, external_id: str) -> list[OrderSummary]:
        found = self._orders(path, f"ExternalProviderID eq {_literal(external_id)}")
        return [order for order in found if order.external_id in ("", external_id)]

    def _orders(self, path: str, condition: str) -> Iterator[OrderSummary]:
        return self._rows(path, {"$filter": condition}, Message(Asked.ORDERS), "OrderID", billit_rows.order)

    def _rows(
        self, path: str, query: Mapping[str, str], purpose: Purpose, id_field: str, read: Callable[[Row], Found]
    ) -> Iterator[Found]:
        """Every row of a list once, page after page. Billit docs: odata (Items, NextPageLink, at most 120)."""
        # Without $top: in OData it bounds the whole answer, and a server may then leave the link to the rest out.
        asked = f"{path}?{urlencode(query, quote_via=quote, safe='$')}" if query else path
        seen: set[int] = set()
        asked_before = set()
        while asked:
            asked_before.add(asked)
            body = self._get(asked, purpose)
            try:
                page = Row(body, what="list")
                # An answer that is no list at all must not pass for "nothing found": a lost order hangs on it.
                if not page.has("Items"):
                    raise Unreadable(Detail.MISSING, field="list.Items")
                found = [(row.integer(id_field), read(row)) for row in page.rows("Items")]
                asked = self._following(asked, page.text("NextPageLink"))
                if asked in asked_before:
                    raise Unreadable(Detail.SAME_PAGE)
            except Unreadable as error:
                self._unreadable(purpose, error)
            for row_id, value in found:
                if row_id not in seen:
                    seen.add(row_id)
                    yield value

    def _following(self, asked: str, link: str) -> str:
        """The path of the next page, "" when there is none. The credential goes to no other host than the set one."""
        if not link:
            return ""
        home = urlsplit(self._transport.url)
        try:
            there = urlsplit(urljoin(self._transport.url + asked, link))
        except ValueError as error:
            raise Unreadable(Detail.OTHER_HOST, there=link[:100], here=home.netloc) from error
        if there.netloc.lower() != home.netloc.lower() or not there.path.startswith(home.path + "/"):
            raise Unreadable(Detail.OTHER_HOST, there=there.netloc, here=home.netloc)
        return there.path.removeprefix(home.path) + (f"?{there.query}" if there.query else "")

    def _get(self, path: str, purpose: Purpose) -> Any:
        return self._transport.read(self._transport.send("GET", path, purpose=purpose), purpose=purpose)

    def _unreadable(self, purpose: Purpose, error: Unreadable) -> NoReturn:
        raise self._transport.nonsense(purpose, error.detail) from error


def _keys(key: str) -> dict[str, str]:
    """Two pages of Billit name the header differently (idempotent-tokens, header-values), so both are sent."""
    return {"Idempotency-Key": key, "Idempotent-Key": key}


def _literal(value: str) -> str:
    """A text inside `$filter`; only what needs no escaping there. ValueError otherwise."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", value):
        raise ValueError(f"{value!r} cannot be looked up at Billit: letters, digits, '.', '_' and '-' only")
    return f"'{value}'"
