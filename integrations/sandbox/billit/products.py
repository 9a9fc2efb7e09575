"""Products: the list, one, and create or update with one object or {"Items": [...]}, both of which the sources show."""

from __future__ import annotations

from integrations.sandbox.billit.access import Call, router
from integrations.sandbox.billit.lists import listed
from integrations.sandbox.billit.rules import names
from integrations.sandbox.billit.rules.refusals import generic
from integrations.sandbox.http.wire import Answer, Record, json_answer

_TYPE = "Domain.Product.Product"
_PROPERTIES = frozenset([*names.PRODUCT, "LastModified", "Created"])


def _shown(product: Record) -> Record:
    return {name: value for name, value in product.items() if name != "CompanyID"}


@router.on("GET", r"/v1/products")
def all_products(call: Call) -> Answer:
    query = call.request.query
    if call.switches["billit_product_filter"] == "refuse" and "Reference" in query.get("$filter", ""):
        raise call.refuse(generic(f"Could not find a property named 'Reference' on type '{_TYPE}'."))
    products = sorted(call.store.own_products(call.company_id), key=lambda row: row["ProductID"])
    rows = [_shown(product) for product in products]
    if search := query.get("fullTextSearch", "").strip().casefold():
        rows = [row for row in rows if search in f"{row.get('Reference', '')} {row.get('Description', '')}".casefold()]
    return listed(call, rows, properties=_PROPERTIES, type_name=_TYPE)


@router.on("GET", r"/v1/products/(\d+)")
def one(call: Call, number: str) -> Answer:
    return json_answer(_shown(_own(call, int(number))))


def _own(call: Call, number: int) -> Record:
    product = call.store.products.get(number)
    if product is None or product["CompanyID"] != call.company_id:
        raise call.not_accessible()
    return product


@router.on("POST", r"/v1/products")
def create(call: Call) -> Answer:
    body = call.body()
    items = next((value for name, value in body.items() if name.lower() == "items"), None)
    given = items if isinstance(items, list) else [body]
    products = [names.canonical(item, names.PRODUCT) for item in given if isinstance(item, dict)]
    if not products:
        raise call.refuse(generic("No products were supplied."))
    for product in products:
        if "ProductID" in product:
            _own(call, int(product["ProductID"]))
        elif not str(product.get("Description") or "").strip():
            raise call.refuse(generic("Description is a required field."))
    ids = call.store.put("products", [{**product, "CompanyID": call.company_id} for product in products])
    answered = call.switches["billit_product_items_answer"] if isinstance(items, list) else "last"
    return json_answer(ids if answered == "list" else ids[0] if answered == "first" else ids[-1])
