"""Prometheus metrics: seconds per stage, caches, the queue, memory. No names of anybody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import NOT_FOUND
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from sam_infer.errors import SamError
from sam_infer.serving.server_state import Serving
from samlabel.access.error_replies import status_of

SECONDS = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0)
BYTES = (1e3, 1e4, 3e4, 1e5, 2e5, 1e6, 1e7, 1e8)

# From the arrival of a request until its answer is ready.
WHOLE = "whole"


class Metrics:
    """Counts of one server; any thread may use it."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._serving: Serving | None = None
        self._seconds = Histogram(
            "samlabel_stage_seconds",
            "Time of a request, by stage",
            ("model", "stage"),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._bytes = Histogram(
            "samlabel_answer_bytes", "Size of an answer on the wire", ("model",), buckets=BYTES, registry=self._registry
        )
        self._requests = Counter(
            "samlabel_requests",
            "Requests to segment, by the answer's status",
            ("model", "status"),
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_ServingMetrics(self))

    def watch(self, serving: Serving) -> None:
        """Report about these caches and this queue from now on."""
        self._serving = serving

    def note(self, model: str, status: int, seconds: float, stages: Mapping[str, Any] | None, size: int) -> None:
        """A request was answered; `stages` are milliseconds as the client is told them."""
        self._requests.labels(model, str(status)).inc()
        self._seconds.labels(model, WHOLE).observe(seconds)
        self._bytes.labels(model).observe(size)
        for stage, milliseconds in (stages or {}).items():
            if stage != "total":
                self._seconds.labels(model, stage).observe(milliseconds / 1000)

    @contextmanager
    def refusals(self, model: str) -> Iterator[None]:
        """Count what the block raises, by the status it becomes; a name that no model has is not made a label."""
        try:
            yield
        except SamError as error:
            status = status_of(error)
            self._requests.labels("unknown" if status == NOT_FOUND else model, str(status)).inc()
            raise

    def text(self) -> bytes:
        """Everything, in the format of Prometheus."""
        return generate_latest(self._registry)

    @property
    def serving(self) -> Serving | None:
        """What is watched; none before the network is loaded."""
        return self._serving


class _ServingMetrics:
    """Reads what the caches and the queue count themselves."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterable[Metric]:
        """Nothing before it is asked."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The present counts."""
        serving = self._metrics.serving
        if serving is None:
            return
        cache, volumes = serving.predictor.cache, serving.volumes
        hits = CounterMetricFamily("samlabel_embedding_hits", "Slices that were known, by place", labels=("place",))
        hits.add_metric(["memory"], cache.stats.memory_hits)
        hits.add_metric(["disk"], cache.stats.disk_hits)
        yield hits
        yield CounterMetricFamily("samlabel_encodes", "Slices encoded", value=cache.stats.encodes)
        yield CounterMetricFamily("samlabel_embedding_evictions", "Slices dropped for room", value=cache.stats.evicted)
        yield GaugeMetricFamily("samlabel_embedding_bytes", "Encoded slices in memory", value=cache.used_bytes)
        yield CounterMetricFamily("samlabel_volume_reads", "Images read", value=volumes.reads)
        yield CounterMetricFamily("samlabel_volume_evictions", "Images dropped for room", value=volumes.evicted)
        yield GaugeMetricFamily("samlabel_volume_bytes", "Images in memory", value=volumes.used_bytes)
        yield GaugeMetricFamily("samlabel_queue_depth", "Jobs that wait", value=serving.queue.depth)
        yield CounterMetricFamily(
            "samlabel_shared_clicks", "Clicks answered by another's", value=serving.in_flight.shared
        )
        prefetched = serving.prefetch.encodes if serving.prefetch is not None else 0
        yield CounterMetricFamily("samlabel_prefetched", "Slices encoded ahead of readers", value=prefetched)


# One per process, as the app is.
METRICS = Metrics()
