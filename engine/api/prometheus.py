"""What has been counted, as Prometheus reads it."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from engine.api.process_metrics import figures
from engine.runtime.answers import class_name
from engine.serving import metrics
from engine.serving.metrics import Metrics
from engine.serving.shared_counters import Key

Series = Mapping[Key, Sequence[float]]


def blueprint(counted: Metrics) -> Blueprint:
    """Give the route that Prometheus asks."""
    routes = Blueprint("metrics", __name__)
    registry = CollectorRegistry()
    registry.register(_Tallied(counted))

    @routes.get("/metrics")
    def show() -> Response:
        """Show the counts of all workers."""
        encode, kind = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(registry), content_type=kind)

    return routes


def read_page(text: str) -> list[Sample]:
    """Read the samples of such a page.

    Raises
    ------
    ValueError
        When it is none.
    """
    return [sample for one in text_string_to_metric_families(text) for sample in one.samples]


class _Tallied(Collector):
    def __init__(self, counted: Metrics) -> None:
        self._counted = counted

    def describe(self) -> Iterable[Metric]:
        """Name nothing before it is asked for."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Add the workers' counts up."""
        self._counted.tell_versions()
        found: dict[str, dict[Key, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
        for (name, *labels), numbers in self._counted.tallies.read():
            found[name][tuple(labels)].append(numbers)
        sums = {
            name: {key: [sum(one) for one in zip(*rows, strict=True)] for key, rows in kept.items()}
            for name, kept in found.items()
        }
        for name, (text, named) in _COUNTERS.items():
            family = CounterMetricFamily(name, text)
            yield _filled(family, f"{name}_total", named, sums.get(name, {}))
        yield _latency(sums.get(metrics.DURATION, {}))
        for name, (text, named) in _GAUGES.items():
            series = sums.get(name) or ({} if named else {(): [0]})
            if name == metrics.REFUSED:
                series = {key: one for key, one in series.items() if any(one)}
            yield _filled(GaugeMetricFamily(name, text), name, named, series)
        yield _largest(found.get(metrics.SHADOW_LARGEST, {}))
        yield from _versions(found.get(metrics.TRAINED, {}))
        yield from figures(self._counted.master)


_Described = Mapping[str, tuple[str, tuple[str, ...]]]

_COUNTERS: _Described = {
    metrics.REQUESTS: ("Requests answered", ("route", "method", "status")),
    metrics.REJECTIONS: ("Requests refused", ("reason",)),
    metrics.PREDICTIONS: ("Records predicted", ("model", "version", "class")),
    metrics.ERRORS: ("Requests that a version has failed to answer", ("model", "version")),
    f"{metrics.SHADOW}_records": ("Records that a shadow has answered", ("model", "version")),
    f"{metrics.SHADOW}_differences": ("Those that it answers otherwise", ("model", "version")),
    f"{metrics.SHADOW}_failures": ("Records that a shadow has failed on", ("model", "version")),
    f"{metrics.SHADOW}_dropped": ("Records that came too fast for it", ("model", "version")),
    metrics.INVALID: ("Problems found in records", ("model", "field", "code")),
    metrics.SWAPS: ("Times that a worker has begun to serve another version", ("model",)),
    metrics.SWAPPING: ("Time that this took, reading the version included", ("model",)),
    metrics.DEATHS: ("Worker processes that died", ("reason",)),
}
_GAUGES: _Described = {
    metrics.IN_FLIGHT: ("Requests that threads have, and connections that wait", ("where",)),
    metrics.BACKLOG: ("Predictions that wait to be written to the log", ()),
    metrics.WORKERS: ("Worker processes", ()),
    metrics.REFUSED: (
        "Processes that refuse a version that is promoted or tried",
        ("model", "version"),
    ),
}


def _filled(family: Metric, name: str, labels: Sequence[str], series: Series) -> Metric:
    for values, (number,) in sorted(series.items(), key=str):
        named = zip(labels, values, strict=True)
        kept = {label: class_name(value) for label, value in named if value is not None}
        family.add_sample(name, kept, number)
    return family


def _latency(series: Series) -> Metric:
    family = HistogramMetricFamily(
        metrics.DURATION, "Time from a request's having come to its answer", labels=["route"]
    )
    ends = [*map(str, metrics.BUCKETS), "+Inf"]
    for (route,), (*counts, seconds) in sorted(series.items()):
        family.add_metric([route], list(zip(ends, accumulate(counts), strict=True)), seconds)
    return family


def _largest(found: Mapping[Key, list[list[float]]]) -> Metric:
    family = GaugeMetricFamily(
        metrics.SHADOW_LARGEST, "Largest difference of a probability or number",
        labels=["model", "version"],
    )  # fmt: skip
    for key, rows in sorted(found.items()):
        family.add_metric(key, max(one for (one,) in rows))
    return family


def _versions(found: Mapping[Key, list[list[float]]]) -> Iterator[Metric]:
    loaded = GaugeMetricFamily(
        "model_loaded", "Processes that have a version in memory", labels=["model", "version"]
    )
    age = GaugeMetricFamily(
        "model_age_seconds", "Time since a version was trained", labels=["model", "version"]
    )
    for key, rows in sorted(found.items()):
        times = [at for (at,) in rows if at]
        if times:
            loaded.add_metric(key, len(times))
            age.add_metric(key, time.time() - max(times))
    yield loaded
    yield age
