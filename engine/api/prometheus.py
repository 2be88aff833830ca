"""The metrics of all processes, in the format of Prometheus."""

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from flask import Blueprint, Response, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from engine.api.process_metrics import Children, process_metrics
from engine.monitoring.drift_reports import DriftReports
from engine.runtime.answers import class_name
from engine.serving import metrics
from engine.serving.metrics import Metrics
from engine.serving.prediction_log import PredictionLog
from engine.serving.shared_counters import Key
from persistence.drain_status import figures

Series = Mapping[Key, Sequence[float]]


def blueprint(
    counted: Metrics, children: Children, log: PredictionLog | None, reports: DriftReports
) -> Blueprint:
    """Return the route that Prometheus reads."""
    routes = Blueprint("metrics", __name__)
    registry = CollectorRegistry()
    registry.register(_Metrics(counted, children, log, reports))

    @routes.get("/metrics")
    def show() -> Response:
        """Show the metrics of all workers."""
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=kind)

    return routes


class _Metrics(Collector):
    def __init__(
        self, counted: Metrics, children: Children, log: PredictionLog | None,
        reports: DriftReports,
    ) -> None:  # fmt: skip
        self._counted = counted
        self._children = children
        self._log = log
        self._reports = reports

    def collect(self) -> Iterator[Metric]:
        """Add up what the processes have counted."""
        self._counted.set_versions()
        slots: dict[str, dict[Key, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
        for (name, *values), numbers in self._counted.tallies.read():
            slots[name][tuple(values)].append(numbers)
        sums = {
            name: {key: [*map(sum, zip(*rows, strict=True))] for key, rows in series.items()}
            for name, series in slots.items()
        }
        for name, (text, labels) in _COUNTERS.items():
            family = CounterMetricFamily(name, text)
            yield _filled(family, f"{name}_total", labels, sums.get(name, {}))
        yield _latency(sums.get(metrics.DURATION, {}))
        for name, (text, labels) in _GAUGES.items():
            series = sums.get(name) or ({} if labels else {(): [0]})
            if name == metrics.REFUSED:
                series = {key: numbers for key, numbers in series.items() if any(numbers)}
            yield _filled(GaugeMetricFamily(name, text), name, labels, series)
        yield from _versions(slots)
        yield from _drain(self._log) if self._log else ()
        yield from _drift(self._reports)
        yield from process_metrics(self._counted.master, self._children)


_Described = Mapping[str, tuple[str, tuple[str, ...]]]

_COUNTERS: _Described = {
    metrics.REQUESTS: ("Requests answered", ("route", "method", "status")),
    metrics.REJECTIONS: ("Requests refused", ("reason",)),
    metrics.PREDICTIONS: ("Records predicted", ("model", "version", "class")),
    metrics.FALLBACKS: ("Requests that the fast path has left after an error", ("reason",)),
    metrics.ERRORS: ("Requests that a version has failed to answer", ("model", "version")),
    f"{metrics.SHADOW}_records": ("Records that a shadow has answered", ("model", "version")),
    f"{metrics.SHADOW}_differences": ("Those that it answers differently", ("model", "version")),
    f"{metrics.SHADOW}_failures": ("Records that a shadow has failed on", ("model", "version")),
    f"{metrics.SHADOW}_dropped": ("Records that came too fast for a shadow", ("model", "version")),
    metrics.INVALID: ("Problems found in records", ("model", "field", "code")),
    metrics.SWAPS: ("Times that a worker began to serve another version", ("model",)),
    metrics.SWAPPING: ("Time that this took, reading the version included", ("model",)),
    metrics.UNLOGGED: ("Predictions that are not in the log, and should be", ("reason",)),
    metrics.DEATHS: ("Worker processes that died", ("reason",)),
}
_GAUGES: _Described = {
    metrics.IN_FLIGHT: ("Requests that threads have, and connections that wait", ("where",)),
    metrics.WORKERS: ("Worker processes", ()),
    metrics.REFUSED: (
        "Processes that refuse a version that is promoted or tried",
        ("model", "version"),
    ),
}


_DRAIN: Mapping[str, tuple[type[Metric], str]] = {
    "prediction_log_stored": (CounterMetricFamily, "Predictions that the database has got"),
    "prediction_log_damaged": (
        CounterMetricFamily,
        "Rows, or parts of files, that could not be stored",
    ),
    "prediction_log_spool_bytes": (GaugeMetricFamily, "Bytes of the predictions that wait"),
    "prediction_log_lag_seconds": (
        GaugeMetricFamily,
        "How long the oldest of them has waited",
    ),
    "prediction_log_drain_up": (GaugeMetricFamily, "Whether a process stores predictions"),
}


def _drift(reports: DriftReports) -> Iterator[Metric]:
    """Yield what the last report of each model says of its fields; nothing before one is made."""
    checked = GaugeMetricFamily(
        "model_drift_checked_at", "When drift was checked", labels=["model"]
    )
    drift = GaugeMetricFamily(
        "model_drift",
        "Whether a field has shifted when drift was checked",
        labels=["model", "field"],
    )
    for report in reports.read():
        checked.add_metric([report.model], report.checked_at)
        for field in dict.fromkeys(each.field for each in report.comparisons):
            drift.add_metric([report.model, field], field in report.shifted)
    yield from (checked, drift)


def _drain(log: PredictionLog) -> Iterator[Metric]:
    try:
        numbers = figures(log.spool.folder)
    except OSError:  # a folder that cannot be read hides no other metric
        return
    for name, number in numbers.items():
        kind, text = _DRAIN[name]
        yield kind(name, text, value=number)  # type: ignore[call-arg]


def _filled(family: Metric, name: str, labels: Sequence[str], series: Series) -> Metric:
    for values, (number,) in sorted(series.items(), key=str):
        pairs = zip(labels, values, strict=True)
        sample = {label: class_name(value) for label, value in pairs if value is not None}
        family.add_sample(name, sample, number)
    return family


def _latency(series: Series) -> Metric:
    family = HistogramMetricFamily(
        metrics.DURATION, "Time from a request's arrival to its answer", labels=["route"]
    )
    ends = [*map(str, metrics.BUCKETS), "+Inf"]
    for (route,), (*counts, seconds) in sorted(series.items()):
        family.add_metric([route], list(zip(ends, accumulate(counts), strict=True)), seconds)
    return family


def _versions(slots: Mapping[str, Mapping[Key, list[list[float]]]]) -> Iterator[Metric]:
    """Yield what is not a sum over the processes: maxima and counts of processes, by version."""
    largest, loaded, age = (
        GaugeMetricFamily(name, text, labels=["model", "version"])
        for name, text in (
            (metrics.SHADOW_LARGEST, "Largest difference of a probability or number"),
            ("model_loaded", "Processes that have a version in memory"),
            ("model_age_seconds", "Time since a version was trained"),
        )
    )
    for key, rows in sorted(slots.get(metrics.SHADOW_LARGEST, {}).items()):
        largest.add_metric(key, max(number for (number,) in rows))
    for key, rows in sorted(slots.get(metrics.TRAINED, {}).items()):
        times = [trained_at for (trained_at,) in rows if trained_at]
        if times:
            loaded.add_metric(key, len(times))
            age.add_metric(key, time.time() - max(times))
    yield from (largest, loaded, age)
