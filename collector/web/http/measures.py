"""What an operator's Prometheus may read at ``/metrics``. Nothing in it is of a person, a site or a survey."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from collector import __version__
from collector.errors import Problem
from collector.responses.intake import Receipt

CONTENT_TYPE = CONTENT_TYPE_LATEST
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)


class Measures:
    """Counted a batch at a time, because a request is worth less than a lock."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        Gauge("tevreden_release", "Always 1; the label says which.", ["version"], registry=registry).labels(
            __version__
        ).set(1)
        self._stored = Counter("tevreden_events_stored", "Events on disk.", registry=registry)
        self._refused = Counter(
            "tevreden_events_refused", "Events refused, by problem.", ["problem"], registry=registry
        )
        self._failed = Counter("tevreden_batches_failed", "Transactions of the intake that failed.", registry=registry)
        self._seconds = Histogram(
            "tevreden_batch_seconds", "Time of a transaction of the intake.", buckets=_SECONDS, registry=registry
        )
        self._sizes = Histogram(
            "tevreden_batch_requests", "Requests in one transaction.", buckets=_SIZES, registry=registry
        )
        self._waiting = Gauge("tevreden_requests_waiting", "Requests in no transaction yet.", registry=registry)
        self._jobs = Gauge("tevreden_jobs", "Jobs that are not done, by status.", ["status"], registry=registry)

    def batch(self, receipts: Sequence[Receipt | Problem], seconds: float) -> None:
        """A transaction of the intake that is on disk."""
        self._sizes.observe(len(receipts))
        self._seconds.observe(seconds)
        self._stored.inc(sum(len(one.stored) for one in receipts if isinstance(one, Receipt)))
        for receipt in receipts:
            refused = [receipt] if isinstance(receipt, Problem) else receipt.refused.values()
            for problem in refused:
                self._refused.labels(problem.code).inc()

    def batch_failed(self) -> None:
        self._failed.inc()

    def text(self, *, waiting: int, jobs: dict[str, int]) -> bytes:
        """Everything, in Prometheus's own format."""
        self._waiting.set(waiting)
        for status, count in jobs.items():
            self._jobs.labels(status).set(count)
        return generate_latest(self._registry)
