"""The addresses of the pages, below those of the firm."""

from django.urls import path

from invoicing.web import attention, corrections
from invoicing.web.agreements import deeds, orders
from invoicing.web.agreements import pages as agreements
from invoicing.web.configuring import clients, firm, rules, tags
from invoicing.web.dossiers import charts, comparisons, evidence, preview
from invoicing.web.dossiers import page as dossiers
from invoicing.web.exports import downloads
from invoicing.web.home import page as home
from invoicing.web.hours import deciding, lists, saved_views
from invoicing.web.invoices import discounts, one, sending, together
from invoicing.web.invoices import lists as invoice_lists
from invoicing.web.wip import pages as wip

urlpatterns = [
    path("", home.dossiers, name="dossiers"),
    path("charts/", charts.charts, name="charts"),
    path("dossiers/<slug:key>/", dossiers.dossier, name="dossier"),
    path("hours/", lists.all_hours, name="all_hours"),
    path("hours/export.<slug:kind>", downloads.all_hours, name="all_hours_export"),
    path("hours/views/", saved_views.save, name="save_view"),
    path("hours/views/<id:pk>/remove/", saved_views.remove, name="remove_view"),
    path("hours/<slug:decision>/", deciding.decide_any, name="decide_any_hours"),
    path("dossiers/<slug:key>/hours/", lists.hours, name="hours"),
    path("dossiers/<slug:key>/hours/export.<slug:kind>", downloads.hours, name="hours_export"),
    path("dossiers/<slug:key>/hours/<slug:decision>/", deciding.decide, name="decide_hours"),
    path("dossiers/<slug:key>/attention/<slug:name>/", attention.decision, name="decision"),
    path(
        "dossiers/<slug:key>/attention/<slug:name>/<slug:remedy>/",
        attention.decide_alike_hours,
        name="decide_alike_hours",
    ),
    path("dossiers/<slug:key>/preview/", preview.preview, name="preview"),
    path("dossiers/<slug:key>/draft/", dossiers.draft, name="draft"),
    path("dossiers/<slug:key>/read/", dossiers.read_now, name="read_now"),
    path("dossiers/<slug:key>/evidence/", evidence.evidence, name="evidence"),
    path("dossiers/<slug:key>/compare/", comparisons.compare, name="compare"),
    path("dossiers/<slug:key>/differences/<id:pk>/acknowledge/", comparisons.acknowledge, name="acknowledge"),
    path("dossiers/<slug:key>/rules/", rules.change, name="dossier_rules"),
    path("dossiers/<slug:key>/tags/", tags.listing, name="tags"),
    path("dossiers/<slug:key>/tags/map/", tags.map_many, name="map_tags"),
    path("dossiers/<slug:key>/tags/add/", tags.add, name="tag_add"),
    path("dossiers/<slug:key>/tags/<id:pk>/", tags.change, name="tag"),
    path("dossiers/<slug:key>/tags/<id:pk>/remove/", tags.remove, name="tag_remove"),
    path("dossiers/<slug:key>/clients/", clients.listing, name="clients"),
    path("dossiers/<slug:key>/clients/map/", clients.map_many, name="map_clients"),
    path("dossiers/<slug:key>/clients/<id:client>/", clients.change, name="client"),
    path("dossiers/<slug:key>/clients/<id:client>/remove/", clients.remove, name="client_remove"),
    path("dossiers/<slug:key>/agreements/", agreements.listing, name="agreements"),
    path("dossiers/<slug:key>/agreements/add/", agreements.add, name="agreement_add"),
    path("dossiers/<slug:key>/agreements/<id:pk>/", agreements.change, name="agreement"),
    path("dossiers/<slug:key>/agreements/<id:pk>/end/", agreements.end, name="agreement_end"),
    path("dossiers/<slug:key>/agreements/<id:pk>/left/", deeds.left, name="agreement_left"),
    path(
        "dossiers/<slug:key>/agreements/<id:pk>/left/<id:line>/give-back/", deeds.give_back, name="agreement_give_back"
    ),
    path("dossiers/<slug:key>/agreements/<id:pk>/settle/", deeds.settle, name="agreement_settle"),
    path("dossiers/<slug:key>/agreements/<id:pk>/block/", deeds.order_block, name="agreement_block"),
    path("dossiers/<slug:key>/agreements/<id:pk>/billit/", orders.orders, name="agreement_orders"),
    path("dossiers/<slug:key>/agreements/<id:pk>/billit/bring/", orders.bring, name="agreement_bring"),
    path("dossiers/<slug:key>/agreements/<id:pk>/billit/<id:order>/let-go/", orders.let_go, name="agreement_let_go"),
    path("firm/", firm.change, name="firm_rules"),
    path("attention/", attention.attention, name="attention"),
    path("attention/export.<slug:kind>", downloads.attention, name="attention_export"),
    path("corrections/", corrections.corrections, name="corrections"),
    path("corrections/export.<slug:kind>", downloads.corrections, name="corrections_export"),
    path("dossiers/<slug:key>/corrections/<slug:group>/<slug:remedy>/", corrections.decide_alike, name="decide_alike"),
    path("corrections/<id:pk>/<slug:remedy>/", corrections.decide, name="decide"),
    path("months/export.<slug:kind>", downloads.months, name="months_export"),
    path("wip/", wip.wip, name="wip"),
    path("wip/export.<slug:kind>", downloads.wip, name="wip_export"),
    path("budgets/", wip.budgets, name="budgets"),
    path("realisation/", wip.realised, name="realisation"),
    path("realisation/export.<slug:kind>", downloads.realised, name="realisation_export"),
    path("sending/", sending.sending, name="sending"),
    path("invoices/", invoice_lists.invoices, name="invoices"),
    path("invoices/export.<slug:kind>", downloads.invoices, name="invoices_export"),
    path("invoices/together/<slug:verb>/", together.together, name="together"),
    path("invoices/<str:reference>/", one.invoice, name="invoice"),
    path("invoices/<str:reference>/annex.<slug:kind>", downloads.annex, name="annex"),
    path("invoices/<str:reference>/lines/<id:position>/amount/", discounts.write, name="line_amount"),
    path("invoices/<str:reference>/<slug:step>/", one.step, name="step"),
]
