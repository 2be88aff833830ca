"""Quality over time as a chart: a score by version with its interval, once the truth is there."""

from datetime import date
from functools import cache
from typing import Any

from engine.api.resources import Resources
from engine.cards.sentences import score_title
from engine.languages import gettext as _
from engine.languages import local_number
from engine.pages.charts import chart, line, number, scale, whiskers
from engine.pages.window import Window
from engine.schema.card import Card
from persistence.prediction_rows import Selection
from persistence.store_errors import StoreError

#: So many outcomes are read at most: of more, as many by chance.
_MOST = 5000

_KINDS = ("value", "low", "high")


def quality_of_window(shared: Resources, card: Card, window: Window) -> dict[str, Any]:
    """Return the quality of each version in a window, and the chart of a score over time."""
    if not (stored := shared.overview.outcome_count()):
        return {"state": "none"}
    try:  # it needs scipy, which a service may lack
        from engine.monitoring.quality import FEWEST, measure
    except ModuleNotFoundError as error:
        return {"state": "lacks", "library": error.name}
    share, since, until = min(1.0, _MOST / stored), window.first * 3600, window.end * 3600
    chosen = Selection(model=card["model"], since=since, until=until)
    judged = [*shared.database.judged(chosen, most=_MOST, share=share)]

    @cache
    def card_of(version: str) -> Card:
        try:
            return shared.models.card(card["model"], version)
        except StoreError:  # it is not stored any more, nor known how sure it was
            return {**card, "uncertainty": {}, "files": {}}

    groups = measure(judged, card_of)["groups"]
    known = [name for group in groups for name in group.get("scores", ())]
    name = card["score"] if card["score"] in known else next(iter(known), "")
    every = "day" if window.end - window.first <= 31 * 24 else "week"
    parts = measure(judged, card_of, every=every)["groups"] if name else []
    parts = [part for part in parts if name in part.get("scores", ())]
    for group in groups:
        score = group.get("scores", {}).get(name, {})
        group |= {kind: number(score[kind], 4) for kind in _KINDS if score}
        group["n"] = local_number(str(group["n"]))
    return {
        "state": "shown", "fewest": FEWEST, "percent": f"{100 * share:.2g}" if share < 1 else "",
        "title": score_title(name), "versions": groups,
        "chart": _chart(parts, name, window) if parts else None,
    }  # fmt: skip


def _chart(parts: list[Any], name: str, window: Window) -> dict[str, Any]:
    versions = [*dict.fromkeys(part["version"] for part in parts)]
    columns: dict[tuple[str, str], list[float | None]] = {
        (version, kind): [None] * window.size for version in versions for kind in _KINDS
    }
    for part in parts:
        text = part["period"]
        day = date.fromisoformat(f"{text}-1" if "W" in text else text)  # the first of a week
        place = max(0, window.place((day - date(1970, 1, 1)).days * 24))
        for kind in _KINDS:
            columns[part["version"], kind][place] = part["scores"][name][kind]
    axis, paths, legend = scale(*columns.values(), from_zero=False), [], []
    for at, version in enumerate(versions):
        value, low, high = (columns[version, kind] for kind in _KINDS)
        mark = f"s{at % 6 + 1}"
        paths += [
            (f"{mark} whisker", whiskers(low, high, axis)),
            (f"{mark} line", line(value, axis)),
            (f"{mark} dot", whiskers(value, value, axis)),
        ]
        legend.append((mark, version, ""))
    words = {"value": "", "low": _("from"), "high": _("to")}
    heads = [f"{version} {words[kind]}".strip() for version, kind in columns]
    return chart(
        "quality", _("Quality"), "", window, axis=axis, paths=paths, legend=legend, heads=heads,
        columns=[*columns.values()],
    )  # fmt: skip
