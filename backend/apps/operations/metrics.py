"""The system's numbers in Prometheus' text format. No site, no person and no amount is among them.

Counts are of all web and worker processes together (apps/core/measures.py); the gauges are asked as /ready/ asks them.
A number that could not be asked is left out: Prometheus' `absent` tells it from zero.
"""

from __future__ import annotations

from collections.abc import Iterator

import redis
from django.conf import settings
from prometheus_client.core import (
    CollectorRegistry,
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from apps.core import measures
from apps.operations.probes import Answers
from apps.operations.readiness import REDIS_TIMEOUT_S, readiness
from apps.operations.state_counts import counting_kept

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_COUNTERS = {
    "http_requests_total": ("Requests answered.", ["method", "route", "status"]),
    "tasks_total": ("Tasks ended, by what became of them.", ["task", "outcome"]),
}
_DURATIONS = {
    "http_request_duration_seconds": ("Time to answer a request.", ["method", "route"]),
    "task_duration_seconds": ("Time that a task ran.", ["task"]),
}
# (check of /ready/, its figure): name and help.
_FIGURES = {
    ("worker", "alive"): ("workers_alive", "Workers heard of in the last seconds."),
    ("beat", "late_s"): ("beat_late_seconds", "How late the latest entry of the schedule is."),
    ("inbox", "oldest_due_s"): (
        "inbox_oldest_due_seconds",
        "How long the oldest provider event has been due.",
    ),
    ("payouts", "oldest_due_s"): ("payouts_oldest_due_seconds", "How long the oldest payout has been due."),
    ("queue", "length"): ("queue_length", "Bells that wait in the broker."),
    ("migrations", "pending"): ("migrations_pending", "Migrations of this build that are not applied."),
}


def metrics_page() -> bytes:
    """The page; takes two seconds at most, whatever hangs."""
    registry = CollectorRegistry()
    registry.register(_Numbers())
    return generate_latest(registry)


class _Numbers(Collector):
    """Everything at the moment of asking."""

    def describe(self) -> list[Metric]:
        """Nothing beforehand: the registry would ask for all of it only to know the names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Build, checks, then counts and states."""
        build = GaugeMetricFamily("posx_build_info", "The running build.", labels=["version"])
        build.add_metric([settings.VERSION], 1)
        yield build
        yield from _of_checks(readiness())
        try:
            sums = measures.totals(timeout_s=REDIS_TIMEOUT_S)
            states = counting_kept(timeout_s=REDIS_TIMEOUT_S)
        except redis.RedisError:
            return  # posx_check_ok{check="redis"} says so
        yield from _counters(sums)
        yield from _durations(sums)
        for name, counts in states.counts.items():
            family = GaugeMetricFamily(f"posx_{name}", f"{name.capitalize()} by state.", labels=["state"])
            for state, n in sorted(counts.items()):
                family.add_metric([state], n)
            yield family
        yield GaugeMetricFamily(
            "posx_states_counted_at_seconds", "When states were last counted.", value=states.counted_at
        )


def _of_checks(answers: Answers) -> Iterator[Metric]:
    ok = GaugeMetricFamily("posx_check_ok", "1 when this check of /ready/ passes.", labels=["check"])
    for name, check in answers.items():
        ok.add_metric([name], float(check.ok))
    yield ok
    for (name, figure), (metric, text) in _FIGURES.items():
        value = answers[name].figures.get(figure)
        if value is not None:
            yield GaugeMetricFamily(f"posx_{metric}", text, value=float(value))


def _counters(sums: measures.Fields) -> Iterator[Metric]:
    for name, (text, labels) in _COUNTERS.items():
        family = CounterMetricFamily(f"posx_{name}", text, labels=labels)
        for field, amount in sorted(sums.items()):
            if field[0] == name:
                family.add_metric(field[1:], amount)
        yield family


def _durations(sums: measures.Fields) -> Iterator[Metric]:
    for name, (text, labels) in _DURATIONS.items():
        family = HistogramMetricFamily(f"posx_{name}", text, labels=labels)
        for field in sorted(sums):
            if field[0] == f"{name}_sum":
                family.add_metric(field[1:], _buckets(sums, name, field[1:]), sums[field])
        yield family


def _buckets(sums: measures.Fields, name: str, labels: tuple[str, ...]) -> list[tuple[str, float]]:
    """Prometheus' buckets are cumulative; ours each hold their own, as that is one addition an observation."""
    below, buckets = 0.0, []
    for bound in (*map(str, measures.BUCKETS_S), "+Inf"):
        below += sums.get((f"{name}_bucket", *labels, bound), 0)
        buckets.append((bound, below))
    return buckets
