"""What rows said in English is a code with facts: the sentences of existing rows are turned into them.

Existing audit events keep their sentences: the log is append-only.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db import migrations, models
from django.db.models import F, Value
from django.db.models.functions import Concat, Substr

from invoicing.migrations import _sentences

Columns = Mapping[str, tuple[str, str]]
"""By the column of the text: those of its code and its facts."""

INVOICE: Columns = {name: (name, f"{name}_facts") for name in ("problem", "attention", "delivery_problem")}
ATTEMPT: Columns = {"answer": ("answer", "answer_facts")}
DOSSIER: Columns = {
    "waiting_text": ("waiting", "waiting_facts"),
    "reconcile_text": ("reconcile_problem", "reconcile_problem_facts"),
}
UNTIL = {"waiting_text": "due_at", "reconcile_text": "reconcile_at"}
CREDIT_NOTE = "credit note "
AT_ONCE = 500

CODES = [
    "",
    "answers_were_slow",
    "budget_spent",
    "busy",
    "connection_paused",
    "connection_removed",
    "connection_rests",
    "credential_refused",
    "dropped",
    "led_elsewhere",
    "malformed_credential",
    "no_answer",
    "no_hours_left",
    "no_longer_admin",
    "no_way_to_send",
    "not_adopted",
    "not_deleted",
    "not_reached",
    "not_sent_after_all",
    "order_gone",
    "order_nowhere",
    "other",
    "plan_feature",
    "quota_used_up",
    "refused",
    "renewal_failed",
    "replaced",
    "sent_by_email",
    "sent_meanwhile",
    "sent_over_peppol",
    "server_error",
    "several_customers",
    "shown_as_not_sent",
    "shown_as_sent",
    "sign_in_lost",
    "sign_in_not_ended",
    "sign_in_not_renewed",
    "sign_in_over",
    "sign_in_refused",
    "taken_as_order",
    "token_expired",
    "token_refused",
    "too_many_requests",
    "totals_differ",
    "unclear",
    "unreadable",
    "webhook_not_validated",
    "worker_ended",
]


def encode(apps: Any, schema_editor: Any) -> None:
    for row, names in _rows(apps, schema_editor, encoding=True):
        for text, (code, facts) in names.items():
            if not getattr(row, text):
                continue
            read = _sentences.answer if text == "answer" else _sentences.message
            found = read(getattr(row, text))
            if found["code"] == "quota_used_up" and (until := getattr(row, UNTIL.get(text, ""), None)):
                # The sentence had a time without its day, or none: the row waits until then.
                found["facts"]["at"] = until.isoformat()
            setattr(row, code, found["code"])
            setattr(row, facts, found["facts"])
    credited = _table(apps, schema_editor, "LedgerRow").filter(decision="credited")
    credited.filter(decision_text__startswith=CREDIT_NOTE).update(
        decision_text=Substr("decision_text", len(CREDIT_NOTE) + 1)
    )


def decode(apps: Any, schema_editor: Any) -> None:
    for row, names in _rows(apps, schema_editor, encoding=False):
        for text, (code, facts) in names.items():
            if getattr(row, code):
                setattr(row, text, _sentences.english(getattr(row, code), getattr(row, facts)))
    credited = _table(apps, schema_editor, "LedgerRow").filter(decision="credited")
    credited.update(decision_text=Concat(Value(CREDIT_NOTE), F("decision_text")))


def _table(apps: Any, schema_editor: Any, name: str) -> Any:
    return apps.get_model("invoicing", name).objects.using(schema_editor.connection.alias)


def _rows(apps: Any, schema_editor: Any, *, encoding: bool) -> Iterator[tuple[Any, Columns]]:
    """Each row that says something, with its columns; it is written once the caller has gone on to the next."""
    for name, columns in (("Invoice", INVOICE), ("Attempt", ATTEMPT), ("Dossier", DOSSIER)):
        table = _table(apps, schema_editor, name)
        silent = {(text if encoding else code): "" for text, (code, _) in columns.items()}
        written = {column for text, pair in columns.items() for column in ((*pair, text) if encoding else (text,))}
        rows: list[Any] = []
        for row in table.exclude(**silent).order_by("pk").iterator(chunk_size=AT_ONCE):
            yield row, columns
            rows.append(row)
            if len(rows) == AT_ONCE:
                table.bulk_update(rows, sorted(written))
                rows = []
        table.bulk_update(rows, sorted(written))


def _facts(model: str, name: str) -> migrations.AddField:
    return migrations.AddField(
        model_name=model, name=name, field=models.JSONField(blank=True, default=dict, editable=False)
    )


def _code(model: str, name: str, label: str) -> migrations.AlterField:
    """The column that held a text holds a code."""
    field = models.CharField(blank=True, max_length=40, verbose_name=label)
    return migrations.AlterField(model_name=model, name=name, field=field)


def _new_code(model: str, name: str, label: str) -> migrations.AddField:
    field = models.CharField(blank=True, default="", editable=False, max_length=40, verbose_name=label)
    return migrations.AddField(model_name=model, name=name, field=field, preserve_default=False)


def _known(model: str, *names: str, constraint: str) -> migrations.AddConstraint:
    condition = models.Q()
    for name in names:
        condition &= models.Q(**{f"{name}__in": CODES})
    return migrations.AddConstraint(
        model_name=model, constraint=models.CheckConstraint(condition=condition, name=constraint)
    )


class Migration(migrations.Migration):
    dependencies = [("integrations", "0005_failure_codes"), ("invoicing", "0004_reconciliation")]

    operations = [
        _facts("invoice", "problem_facts"),
        _facts("invoice", "attention_facts"),
        _facts("invoice", "delivery_problem_facts"),
        _facts("attempt", "answer_facts"),
        _new_code("dossier", "waiting", "why the run waits"),
        _facts("dossier", "waiting_facts"),
        _new_code("dossier", "reconcile_problem", "why the comparison waits"),
        _facts("dossier", "reconcile_problem_facts"),
        migrations.RunPython(encode, decode),
        migrations.RemoveField(model_name="dossier", name="waiting_text"),
        migrations.RemoveField(model_name="dossier", name="reconcile_text"),
        _code("invoice", "problem", "what Billit said"),
        _code("invoice", "attention", "needs attention"),
        _code("invoice", "delivery_problem", "what Billit said of the delivery"),
        _code("attempt", "answer", "answer"),
        _known("invoice", "problem", "attention", "delivery_problem", constraint="invoice_known_codes"),
        _known("attempt", "answer", constraint="attempt_known_code"),
        _known("dossier", "waiting", "reconcile_problem", constraint="dossier_known_codes"),
    ]
