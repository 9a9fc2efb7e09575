"""What all of Billit's lists share: filter, order and one page of rows."""

from __future__ import annotations

from collections.abc import Collection

from integrations.sandbox.billit.access import Call
from integrations.sandbox.billit.rules.odata import ODataError, filtered, ordered, page
from integrations.sandbox.billit.rules.refusals import generic
from integrations.sandbox.http.wire import Answer, Record, RejectedError, html_answer, json_answer


def listed(
    call: Call, rows: list[Record], *, properties: Collection[str], type_name: str, hidden: Collection[str] = ()
) -> Answer:
    """The page that the request's $filter, $orderby, $top and $skip ask for; `hidden` members may be filtered by but
    are left out of the rows. Raises RejectedError with a GenericError."""
    query, longest = call.request.query, int(call.switches["billit_longest_query"])
    if 0 < longest < len(call.request.target.partition("?")[2]):
        # What Microsoft's web server answers by itself (IIS 404.15, query string too long).
        raise RejectedError(html_answer(404, "404 - File or directory not found."))
    try:
        either = str(call.switches["billit_filter_or"])
        rows = filtered(rows, query.get("$filter", ""), properties, type_name, either=either)
        rows = ordered(rows, query.get("$orderby", ""), properties, type_name)
        answer = page(
            rows,
            query=query,
            url=call.request.base_url + call.request.path,
            past_top=bool(call.switches["billit_next_link_past_top"]),
        )
    except ODataError as error:
        raise call.refuse(generic(str(error))) from None
    answer["Items"] = [{name: value for name, value in row.items() if name not in hidden} for row in answer["Items"]]
    return json_answer(answer)
