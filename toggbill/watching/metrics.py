"""``/metrics`` for Prometheus: what waits and how long things take, read from the database at each question.

Closed unless ``METRICS_TOKEN`` is set, and then to whoever does not give it. No figure names a firm or a person.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_GET
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from toggbill.watching import durations, waiting

_Family = GaugeMetricFamily | HistogramMetricFamily


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures as text. 404 where no token is set, 401 without ``Authorization: Bearer``, 403 for a wrong one."""
    if not settings.METRICS_TOKEN:
        raise Http404
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    if not hmac.compare_digest(token.strip().encode(), settings.METRICS_TOKEN.encode()):
        return HttpResponse(status=403)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(timezone.now()))
    answer = HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
    answer["Cache-Control"] = "no-store"
    return answer


class _Figures(Collector):
    """Made for one question: nothing is kept in the process, so any of several gives the same answer."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def collect(self) -> Iterator[_Family]:
        """All of them, each from one query."""
        now = self.now
        ages = {
            (waiting.WORK[work], work): 0.0 if due is None else (now - due).total_seconds()
            for work, due in waiting.oldest(now).items()
        }
        yield _gauge("oldest_due_seconds", "Age of the oldest row that is due, by queue and kind of work.", ages)
        doubts = {(intent, "person" if person else "worker"): n for (intent, person), n in waiting.doubts().items()}
        yield _gauge("in_doubt", "Posts and sends without a clear answer, by who goes on with them.", doubts)
        recent = waiting.attempts(now)
        yield _gauge("attempts_last_hour", "Writes at Billit that ended in the latest hour.", recent)
        lag = {(what,): seconds for what, seconds in waiting.lag(now).items()}
        yield _gauge("sync_lag_seconds", "Time since the reading that is the longest ago.", lag)
        fewest, spent = waiting.quotas(now)
        left = {} if fewest is None else {(): fewest}
        yield _gauge("quota_lowest", "Fewest calls that any budget at Toggl has left.", left)
        yield _gauge("quotas_spent", "Budgets at Toggl that have only the reserve left.", {(): spent})
        yield _gauge("findings_open", "Differences with Toggl or Billit.", _keyed(waiting.findings()))
        yield _gauge("connections", "Connections by how they are.", _keyed(waiting.connections()))
        ticked = durations.latest("tick_")
        if ticked is not None:
            yield _gauge("latest_tick_seconds", "Since a tick ended.", {(): (now - ticked).total_seconds()})
        yield _durations()


_LABELS = {
    "oldest_due_seconds": ["queue", "work"],
    "in_doubt": ["intent", "goes_on"],
    "attempts_last_hour": ["intent", "outcome"],
    "sync_lag_seconds": ["what"],
    "findings_open": ["kind"],
    "connections": ["state"],
}


def _gauge(name: str, words: str, values: Mapping[Any, float]) -> GaugeMetricFamily:
    """A figure for each set of labels: ``values`` by their values, in the order of ``_LABELS``."""
    family = GaugeMetricFamily(f"toggbill_{name}", words, labels=_LABELS.get(name, []))
    for labels, value in sorted(values.items()):
        family.add_metric(list(labels), value)
    return family


def _keyed(counts: Mapping[str, int]) -> dict[tuple[str, ...], float]:
    return {(name,): count for name, count in counts.items()}


def _durations() -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        "toggbill_task_seconds", "How long the workers' tasks took, on all machines.", labels=["task", "end"]
    )
    for (task, failed), found in sorted(durations.read().items()):
        buckets: Iterable[tuple[str, float]] = [(f"{bound:g}", count) for bound, count in found.within]
        family.add_metric(
            [task, "failed" if failed else "done"], [*buckets, ("+Inf", found.count)], sum_value=found.seconds
        )
    return family
