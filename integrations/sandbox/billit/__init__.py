"""Billit as a client meets it: the REST API under /v1, OAuth2, the login page, and its webhooks.

Where each point of the reference (billit.md, section 13: what a faithful sandbox must do) is built; switches stand in
sandbox/http/switches.py and are named here.

Transport and authentication
 1  /v1, /OAuth2, /Account/Logon: access.py (routes), sign_in/oauth.py, sign_in/login_page.py; one process = one
    environment
 2  ApiKey or Bearer, 401 ApiKeyNotValid: access.py `_user`
 3  AccessTokenExpired, InvalidAccessToken, AccessTokenRevoked: access.py `_user`; billit_access_token_seconds
 4  code of ten minutes, once, bound; access_denied; state cut at &: sign_in/oauth.py `decide`, `_by_code`, `_back`
 5  refresh token once, for its client: sign_in/oauth.py `_by_refresh`; billit_refresh_reuse_code,
    billit_refresh_reuse_status,
    billit_refresh_reuse_revokes, billit_refresh_grace_seconds; its answer lost: fault cut_after on /OAuth2/token
 6  PartyID, 401 for others' companies: access.py `_company`; billit_missing_party
 7  accountInformation: lookups.py `account`; ContextPartyID: access.py `_check_context`, billit_context_party
 8  participantInformation without credentials: lookups.py `participant`; billit_participant_by_vat,
    billit_peppol_scheme (sending/receivers.py; "schemes" of a receiver)
 9  unknown path 404 as HTML: access.py `_answer`
Orders
10  200 and a bare integer: orders/orders.py `create`; ids grow over all companies: store.py `next_order_id`
11  all violations at once, in the user's language: rules/checks.py, rules/refusals.py
12  names in any case, unknown ones ignored: rules/names.py `canonical`; billit_nulls
13  surplus decimals: rules/amounts.py `kept`; a company's "decimals", billit_surplus_decimals
14  totals, VatGroups, ventilation codes: rules/amounts.py; billit_rounding
15  OGM: rules/amounts.py `structured_reference`; currency: orders/orders.py; delivery address:
    parties.py `with_delivery_address`
16  numbers: store.py `sequence`, lookups.py `sequences`; billit_duplicate_numbers, billit_number_after_delete
17  a new order's members: orders/orders.py `_built`; JSON attachment and PDF: orders/files.py, billit_pdf_seconds
18  customer matching and its trap: parties.py `match`, `customer_for`
19  the whole order, absent members left out: orders/reading.py `full`; billit_unknown_id_status
20  POST with OrderID: orders/orders.py `_previous`; billit_sent_update (the same by billit_duplicate_external_ids)
21  PATCH whitelist: orders/changes.py `patch`
22  DELETE, soft: orders/changes.py `delete`; billit_sent_delete_code, billit_webhook_on_delete
23  payments: orders/changes.py `pay`
24  credit notes: orders/orders.py `_check_about`, `_mark_credited`
25  drafts of the user interface: orders/orders.py `seed_draft`; billit_posted_status
Lists
26  pages of 120, NextPageLink: rules/odata.py `page`, lists.py; billit_next_link_past_top
27  filter grammar and whitelist: rules/odata.py, orders/reading.py; billit_product_filter,
    billit_filter_or, billit_longest_query
28  summary rows, ordered by OrderID: orders/reading.py `summary`; billit_summary_external_id,
    billit_summary_delivery, billit_summary_rows
Idempotency
29  access.py `refuse_used_key`, `burn_key`; billit_idempotency_header, billit_idempotency_scope,
    billit_idempotency_seconds, billit_idempotency_concurrent
30  commit, then no answer: sandbox/http/faults.py timeout_after, cut_after, html500_after, empty
Sending and delivery
31  spellings, 401, empty 200, Pending: sending/sending.py `send`
32  scripted receivers: sending/sending.py `_by_peppol`, sending/delivery.py; "behaviour" of a receiver is deliver,
    pays, refuses, late_failure, pending or demands_po, "documents" what it takes; billit_delivery_seconds,
    billit_response_seconds, billit_refused_status; a company that may not send ("verified": false):
    billit_unverified_told
33  transports, strictness, outbox: sending/sending.py `_planned`; billit_peppol_fallback
34  guard time: sending/sending.py `_guard`, billit_resend_guard_minutes; several ids: billit_send_partial
35  the sending of 09:00: sending/delivery.py `send_at_nine`; a company's "auto_send"
36  no buyer reference, and what else the official rules refuse: rules/peppol.py; billit_peppol_rules
Parties, products, look-ups, files
37  parties.py; billit_party_vat_filter
38  products.py; billit_product_items_answer
39  lookups.py, typecodes.py
40  orders/files.py; the UBL of an order: rules/ubl.py; billit_unit_in_ubl, billit_negative_price,
    billit_allowances, billit_outside_scope, billit_exemption_reasons; a negative quantity: billit_negative_quantity;
    a company without VAT: billit_small_enterprise; a request that is too large: access.py `_answer`,
    billit_largest_body
Webhooks
41  sending/webhooks.py; billit_webhook_http_localhost
42  notices.py `signature`
43  notices.py; billit_message_payload
44  sandbox/http/deliveries.py; billit_webhook_retries, billit_webhook_retry_seconds, billit_webhook_copies,
    billit_webhook_order, billit_webhook_delay_seconds, billit_webhook_signature, billit_webhook_early
Faults and observability
45  sandbox/http/faults.py
46  sandbox/http/pace.py; billit_per_second, billit_429_retry_after
47  sandbox/control.py, sandbox/page/page.py, sandbox/by_hand.py
48  store.py `warn`: the lint log; nothing is refused that Billit accepts
"""
