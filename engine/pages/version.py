"""The description of one version: for programs, as Markdown, and as a page for people."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, request

from engine.api.negotiation import HTML, choose_form
from engine.api.responses import json_response
from engine.cards import facts
from engine.cards.difference import difference
from engine.cards.markdown import model_card
from engine.cards.sentences import doubt_of, meaning, prediction_of, quality_of, reading_of
from engine.languages import gettext as _
from engine.languages import local_number
from engine.pages.changes import changes
from engine.pages.layout import CONTENT_TYPE, HEADERS, render
from engine.pages.pictures import pictures
from engine.records.media_types import JSON
from engine.schema.card import Card, select
from engine.serving.model_cache import ModelCache
from persistence.promotions import version_beneath
from persistence.store_errors import ModelNotFound, UntrustedArtifact, VersionNotFound

MARKDOWN = "text/markdown"

#: The keys of a card that are shown; histograms and rows of proof stay in the store.
SHOWN = (
    "version", "title", "description", "task", "schema", "classes", "positive", "threshold",
    "has_probabilities", "example", "trained_by", "created_at", "estimator", "trees",
    "hyperparameters", "seed", "data", "code", "libraries", "score", "scores", "class_scores",
    "remarks", "uncertainty", "pictures", "impurity_importances", "permutation_importances",
    "challenge", "runtime", "runtime_reason", "parity", "spread", "seconds", "files", "digest",
)  # fmt: skip


def blueprint(models: ModelCache, *, service: str) -> Blueprint:
    """Return the route of a version."""
    routes = Blueprint("version_page", __name__)

    @routes.get("/v0/models/<name>/versions/<version>")
    def show(name: str, version: str) -> Response:
        """Describe a version, and what changed since the previous version."""
        card = models.card(name, version)
        form = choose_form(request.headers.get("Accept", ""), (JSON, MARKDOWN, HTML))
        if form == MARKDOWN:
            response = Response(model_card(card), content_type=f"{MARKDOWN}; charset=utf-8")
        else:
            described = _describe(models, card)
            response = _page(card, described, service) if form == HTML else json_response(described)
        response.headers["Vary"] = "Accept"
        return response

    return routes


def _describe(models: ModelCache, card: Card) -> dict[str, Any]:
    name, version = str(card["model"]), str(card["version"])
    try:
        pointer = models.store.pointer(name)
    except (ModelNotFound, UntrustedArtifact):
        pointer = None
    previous = version_beneath(pointer, version, models.store.versions(name))
    try:
        compared = difference(models.card(name, previous), card) if previous else None
    except (VersionNotFound, UntrustedArtifact):
        compared = None  # removed or refused: there is nothing to compare with
    return {
        "name": name,
        **{key: card.get(key) for key in SHOWN},
        "version_name": pointer.name_of(version) if pointer else None,
        "promoted": pointer is not None and pointer.version == version,
        "previous": previous,
        "compared": compared,
    }


def _page(card: Card, described: Mapping[str, Any], service: str) -> Response:
    compared = described["compared"]
    page = render(
        "version.html",
        service=service,
        path=request.path,
        card=card,
        shown=described,
        facts=facts.facts(card),
        scores=_scores(card, compared["scores"] if compared else {}),
        tables=_tables(card),
        bars=_bars(card),
        pictures=pictures(card),
        doubt=doubt_of(card),
        changes=changes(compared) if compared else [],
        limits=facts.limits(card),
        prediction=prediction_of(card),
        quality=quality_of(card),
    )
    return Response(page, content_type=CONTENT_TYPE, headers=HEADERS)


def _scores(card: Card, compared: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return each score with its positions on a line from 0 to 100, for the drawing."""
    rows = []
    for name, score in card["scores"].items():
        change = compared.get(name) or {"from": None, "change": None}
        before = change["from"]
        ends = [score["low"], score["high"], score["baseline"], score["value"]]
        ends += [before["low"], before["high"]] if before else []
        low, width = min(ends), (max(ends) - min(ends)) or 1.0
        keys = ("low", "high", "value")
        figures = select(score, (*keys, "baseline")), select(before, keys) if before else {}
        now, then = (
            {key: round(4 + 92 * (figure - low) / width, 2) for key, figure in part.items()}
            for part in figures
        )
        row = {"name": name, "change": change["change"], "at": now, "before": then or None}
        words = {"reading": reading_of(name, card), "meaning": meaning(name)}
        rows.append({**score, **row, **words})
    return rows


def _tables(card: Card) -> list[tuple[str, Sequence[str], list[list[str]]]]:
    where = _("How often its sets of classes hold") if card["classes"] else _(
        "How often its intervals hold")  # fmt: skip
    tables = (
        (_("By class"), (_("class"), _("precision"), _("recall"), _("rows")),
         _local(facts.class_rows(card), 1)),
        (where, (_("where"), _("is"), _("rows"), _("coverage")),
         _local(facts.uncertainty_rows(card), 2)),
        (_("Fields"), (_("name"), _("kind"), _("unit"), _("range"), _("accepted")),
         facts.field_rows(card)),
        (_("Parameters"), (_("name"), _("value")), _rows(card["hyperparameters"])),
        (_("Libraries"), (_("name"), _("version")), _rows(card["libraries"])),
    )  # fmt: skip
    return [table for table in tables if table[2]]


def _local(rows: list[list[str]], start: int) -> list[list[str]]:
    """Write the numbers of rows, from a column on, as the language of the page does."""
    return [[*row[:start], *map(local_number, row[start:])] for row in rows]


def _rows(pairs: Mapping[str, Any]) -> list[list[str]]:
    return [[name, "none" if value is None else str(value)] for name, value in pairs.items()]


def _bars(card: Card) -> list[dict[str, Any]]:
    """Return each field's importance, with the length of its bar from 0 to 100."""
    importances = card["permutation_importances"].values()
    most = max((importance["mean"] for importance in importances), default=0.0)
    return [
        {
            "name": name,
            "mean": float(mean),
            "length": round(100 * max(float(mean), 0.0) / most, 1) if most > 0 else 0,
        }
        for name, mean, _ in facts.importance_rows(card)
    ]
