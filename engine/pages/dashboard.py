"""The dashboard of a model: what its prediction log tells of a time, in charts."""

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from flask import Blueprint, Response, request

from engine.api.paging import single, take_parameters
from engine.api.resources import Resources
from engine.cards.sentences import word
from engine.languages import gettext as _
from engine.languages import local_number, ngettext
from engine.monitoring.count_drift import shifts
from engine.monitoring.drift import FEWEST_ROWS
from engine.monitoring.drift_reports import changes
from engine.pages.charts import bars, chart, line, number, scale
from engine.pages.layout import CONTENT_TYPE, SCRIPT_HEADERS, confine, render
from engine.pages.quality_chart import quality_of_window
from engine.pages.window import Window, read_window
from engine.runtime.answers import class_name
from engine.schema.card import Card
from engine.schema.record_schema import Schema
from persistence.prediction_overview import Sampled
from persistence.prediction_rows import ANSWER, PROBABILITY, Count
from persistence.store_errors import StoreError

#: Latencies are of the first prediction of so many spans of the window; so are the numbers that
#: were answered, where there are more of them.
_SPANS = 5000

#: From so many latencies on, 95 of 100 are told from the rest.
_FEWEST = 20

#: More classes than these count together.
_MOST_CLASSES = 5


def blueprint(shared: Resources) -> Blueprint:
    """Return the route of the dashboards."""
    routes = Blueprint("dashboard", __name__)

    @routes.get("/models/<name>/dashboard")
    def show(name: str) -> Response:
        """Show the traffic, speed, answers, quality and drift of a model in a window."""
        card, now = shared.models.card(name), time.time()
        take_parameters("window", "from", "to")
        chosen = {name: single(name) or "" for name in request.args}
        window, problem = read_window(chosen, now)
        is_shown = shared.log is not None and not problem
        page = render(
            "dashboard.html", service=shared.service, path=request.path, card=card, window=window,
            problem=problem, is_logged=shared.log is not None, args=request.args,
            query=request.query_string.decode("ascii", "replace"), now=now,
            **(_parts(shared, card, window) if is_shown else {}),
        )  # fmt: skip
        return Response(page, 400 if problem else 200, content_type=CONTENT_TYPE)

    routes.after_request(partial(confine, headers=SCRIPT_HEADERS))
    return routes


def _parts(shared: Resources, card: Card, window: Window) -> dict[str, Any]:
    """Return what the page shows of a window; no charts where nothing was predicted in it."""
    name, ends = card["model"], (window.first, window.end)
    reports = shared.reports.history(name)
    parts = {"reports": reports, "changes": changes(reports)[:-11:-1],
             "refused": shared.metrics.refused_of(name)}  # fmt: skip
    counts = shared.overview.counts(name, ANSWER, *ends, hours=window.hours)
    if not counts:
        return parts
    times: list[list[float]] = [[] for _ in range(window.size)]
    since, until = (3600 * end for end in ends)
    is_all = not card["classes"] and sum(count.n for count in counts) <= _SPANS
    if is_all:
        sample = shared.overview.each(name, since, until, most=_SPANS)
    else:
        sample = shared.overview.sample(name, since, until, spans=_SPANS)
    late_first = sorted(sample, key=lambda each: each.at, reverse=True)
    span = (until - since) / _SPANS
    for each in {(each.at - since) // span: each for each in late_first}.values():
        times[window.place(each.at / 3600)].append(1000 * each.seconds)
    if card["classes"]:
        answers = [_classes(card, window, counts)]
    else:
        answers = [_numbers(card, window, sample, is_all=is_all)] if sample else []
    return parts | {
        "charts": [_traffic(window, counts), _latency(window, times), *answers],
        "markers": _markers(window, counts), "quality": quality_of_window(shared, card, window),
        "drift": _drift(shared, card, window, counts),
    }  # fmt: skip


def _traffic(window: Window, counts: Sequence[Count]) -> dict[str, Any]:
    totals = [0] * window.size
    for count in counts:
        totals[window.place(count.hour)] += count.n
    axis, total = scale(totals), sum(totals)
    sentence = ngettext("{n} record was answered.", "{n} records were answered.", total)
    return chart(
        "traffic", _("Records per hour") if window.hours == 1 else _("Records per day"),
        sentence.format(n=local_number(str(total))), window, axis=axis,
        paths=[("s1", bars([totals], axis)[0])], heads=[_("Records")], columns=[totals],
    )  # fmt: skip


def _latency(window: Window, times: Sequence[Sequence[float]]) -> dict[str, Any]:
    half = [_quantile(group, 0.5) for group in times]
    most = [_quantile(group, 0.95) if len(group) >= _FEWEST else None for group in times]
    every, axis = [each for group in times for each in group], scale(half, most)
    sentence = _("Half of the records were answered within {half} ms, 95 of 100 within {most} ms.")
    ends = {"half": _written(every, 0.5), "most": _written(every, 0.95)}
    if len(every) < _FEWEST:
        sentence = _("Half of the records were answered within {half} ms.")
        ends["most"] = ""
    names = _("Half within (ms)"), _("95 of 100 within (ms)")
    return chart(
        "latency", _("Time until the answer, in milliseconds"),
        sentence.format(**ends) if every else _("No time is known."), window, axis=axis,
        paths=[("s2 line", line(most, axis)), ("s1 line", line(half, axis))],
        legend=[*zip(("s1", "s2"), names, ends.values(), strict=True)], heads=names,
        columns=[half, most],
    )  # fmt: skip


def _classes(card: Card, window: Window, counts: Sequence[Count]) -> dict[str, Any]:
    totals: Counter[str] = Counter()
    for count in counts:
        totals[count.bin] += count.n
    named = [name for name, n in totals.most_common(_MOST_CLASSES)]
    columns: dict[str | None, list[int]] = {name: [0] * window.size for name in named}
    for count in counts:
        name = count.bin if count.bin in named else None  # no class, whatever they are called
        columns.setdefault(name, [0] * window.size)[window.place(count.hour)] += count.n
    stacked = [*columns.values()]
    labels = {class_name(label): word(label) for label in card["classes"]}
    heads = [_("other") if name is None else labels.get(name, name) for name in columns]
    axis, whole = scale([*map(sum, zip(*stacked, strict=True))]), totals.total()
    shares = [local_number(f"{100 * sum(column) / whole:.1f}") for column in stacked]
    marks = [f"s{place + 1}" for place in range(len(stacked))]
    sentence = _("{answer} was the answer to {percent}% of the records.")
    return chart(
        "answers", _("Answers"), sentence.format(answer=heads[0], percent=shares[0]), window,
        axis=axis, paths=[*zip(marks, bars(stacked, axis), strict=True)], heads=heads,
        legend=[*zip(marks, heads, [f"{share}%" for share in shares], strict=True)],
        columns=stacked,
    )  # fmt: skip


def _numbers(
    card: Card, window: Window, sample: Sequence[Sampled], *, is_all: bool
) -> dict[str, Any]:
    values: list[list[float]] = [[] for _ in range(window.size)]
    for each in sample:
        values[window.place(each.at / 3600)].append(each.value)
    levels = {0.1: _("10 of 100 below"), 0.5: _("Half below"), 0.9: _("90 of 100 below")}
    columns = [[_quantile(group, level) for group in values] for level in levels]
    axis, every = scale(*columns, from_zero=False), [each.value for each in sample]
    unit, marks = card["schema"]["target"].get("unit", ""), ("s2", "s1", "s2")
    ends = [_written(every, level) for level in levels]
    sentence = _("Half of the answers are below {half}, and 8 of 10 lie between {low} and {high}.")
    if not is_all:
        sentence += " " + _("Measured on predictions spread evenly over the time.")
    return chart(
        "answers", _("Answers") + f" ({unit})" * bool(unit),
        sentence.format(low=ends[0], half=ends[1], high=ends[2]), window, axis=axis,
        paths=[(f"{mark} line", line(column, axis))
               for mark, column in zip(marks, columns, strict=True)],
        legend=[*zip(marks, levels.values(), ends, strict=True)], heads=[*levels.values()],
        columns=columns,
    )  # fmt: skip


def _markers(window: Window, counts: Sequence[Count]) -> list[dict[str, Any]]:
    """Return where versions began to answer that did not when the first answer came."""
    first: dict[str, int] = {}
    for count in sorted(counts, key=lambda count: count.hour):
        first.setdefault(count.version, window.place(count.hour))
    later = [(place, each) for each, place in first.items() if place > min(first.values())]
    return [
        {"at": 100 * place / window.size, "letter": chr(65 + number % 26), "version": version,
         "since": window.labels()[place]}
        for number, (place, version) in enumerate(later)
    ]  # fmt: skip


def _drift(
    shared: Resources, card: Card, window: Window, answers: Sequence[Count]
) -> dict[str, Any] | None:
    """Compare the fields of a version with what it learnt from: the last with rows enough."""
    since, until = window.first * 3600, window.end * 3600
    bins: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
    for count in shared.database.counts(card["model"], since=since, until=until):
        bins[count.version][count.field][count.bin] = count.n
    last = {count.version: count.hour for count in sorted(answers, key=lambda each: each.hour)}
    rows = {version: _compared(bins[version]) for version in last}
    order = sorted(last, key=lambda each: (min(rows[each], FEWEST_ROWS), last[each], each))
    for version in reversed(order):
        try:
            its = shared.models.card(card["model"], version)
        except StoreError:
            continue  # it is not stored any more: the next one is compared
        fields = shifts(Schema.from_json(its["schema"]).inputs, its["reference"], bins[version])
        learnt = its["data"].get("training_rows", 0)  # older cards do not count them
        return {"version": version, "rows": rows[version], "learnt": learnt, "fields": fields}
    return None


def _compared(bins: Mapping[str, Mapping[str, int]]) -> int:
    """Return how many records were counted by their fields, as tables kept as files are not."""
    own = (ANSWER, PROBABILITY)
    return max((sum(n.values()) for name, n in bins.items() if name not in own), default=0)


def _quantile(values: Sequence[float], share: float) -> float | None:
    return float(np.quantile(values, share)) if values else None


def _written(values: Sequence[float], share: float) -> str:
    return number(_quantile(values, share) or 0.0)
